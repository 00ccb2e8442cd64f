/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tune/runoff.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"

/* The one that is furthest ahead of those that are in and not chosen yet; -1 where there is none.
 * What is not a number is behind all. */
static int next_finalist(const struct contender *contenders, const double *locations, size_t count,
                         const bool *rests)
{
    int first = -1;
    for (size_t i = 0; i < count; i++)
        if (!contenders[i].out && rests[i] &&
            (first < 0 || locations[i] > locations[first] || isnan(locations[first])))
            first = (int)i;
    return first;
}

size_t runoff_choose(const struct contender *contenders, size_t count, int current, bool *rests)
{
    size_t left = 0;
    cleanup_free double *locations = xcalloc(count, sizeof(*locations));
    for (size_t i = 0; i < count; i++) {
        left += !contenders[i].out;
        rests[i] = !contenders[i].out;
        locations[i] = contest_summarise(&contenders[i]).location;
    }
    if (left <= RUNOFF_ABOVE) {
        memset(rests, 0, count * sizeof(*rests));
        return 0;
    }
    for (int i = 0; i < RUNOFF_FINALISTS; i++)
        rests[next_finalist(contenders, locations, count, rests)] = false;
    bool behind = current >= 0 && rests[current];
    if (behind)
        rests[current] = false;
    return RUNOFF_FINALISTS + behind;
}
