/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tune/samples.h"

#include <errno.h>
#include <stdio.h>

static void print_lane(const struct stage *stage, const struct race *race, size_t lane, size_t work,
                       FILE *out)
{
    const struct lane *l = &stage->lanes[lane];
    const struct candidate *c =
        l->candidate == LANE_HOST ? NULL : stage->candidates->pdata[l->candidate];
    const struct record *record = race_record(race, lane, work);
    for (size_t i = 0; i < record->rounds; i++)
        fprintf(out, "%zu,%zu,%s,%u,%.0f\n", i, work, c ? c->id : "host", l->replica,
                record->ns[i]);
}

int samples_write(const char *path, const struct stage *stage, const struct race *race,
                  struct error **err)
{
    cleanup_file FILE *file = fopen(path, "we");
    if (!file)
        return error_set_errno(err, errno, "cannot write %s", path);
    fputs("round,work,configuration,replica,ns\n", file);
    for (size_t k = 0; k < race->work_count; k++)
        for (size_t i = 0; i < race->lane_count; i++)
            print_lane(stage, race, i, k, file);
    return fflush(file) == 0 ? 0 : error_set_errno(err, errno, "cannot write %s", path);
}
