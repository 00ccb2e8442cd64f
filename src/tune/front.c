/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tune/front.h"

#include <math.h>

static bool is_known(const struct point *points, size_t count, enum aim aim)
{
    for (size_t i = 0; i < count; i++)
        if (isnan(points[i].figures[aim]))
            return false;
    return true;
}

static bool is_better(const struct point *a, const struct point *b, const bool *known,
                      double margin)
{
    bool better = false;
    for (enum aim i = 0; i < AIM_MAX; i++) {
        if (known[i] && a->figures[i] < b->figures[i])
            return false;
        better |= known[i] && a->figures[i] > b->figures[i] * (1 + margin);
    }
    return better;
}

void front_mark(const struct point *points, size_t count, double margin, bool *ret)
{
    bool known[AIM_MAX];
    for (enum aim i = 0; i < AIM_MAX; i++)
        known[i] = is_known(points, count, i);
    for (size_t i = 0; i < count; i++) {
        ret[i] = true;
        for (size_t k = 0; k < count; k++)
            ret[i] &= !is_better(&points[k], &points[i], known, margin);
    }
}
