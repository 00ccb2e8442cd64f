/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/report.h"

#include "tune/race.h"

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

void report_samples(const struct stage *stage, const struct race *race, FILE *out)
{
    fputs("round,work,configuration,replica,ns\n", out);
    for (size_t k = 0; k < race->work_count; k++)
        for (size_t i = 0; i < race->lane_count; i++)
            print_lane(stage, race, i, k, out);
}
