/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * raced.c - a race from the stage that it takes place on to what it came to, as the verbs that hold
 * guest and host against each other share it.
 */
#include "cmd/cmd.h"

#include "base/clock.h"
#include "base/memory.h"

int raced_run(const struct stage_options *stage, const struct race_options *race,
              GPtrArray *candidates, GPtrArray *warnings, struct raced *ret, struct error **err)
{
    double idle_mb_per_s = trust_look_before(stage->directory);
    cleanup_raced struct raced r = {0};
    r.stage = stage_new(stage, candidates, err);
    if (!r.stage)
        return -1;
    struct watch watch = trust_watch(stage->directory, r.stage->probe->pid);
    uint64_t begin_ns = clock_now_ns();
    r.race = race_run(r.stage, race, err);
    double seconds = (double)(clock_now_ns() - begin_ns) / 1e9;
    g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);
    trust_watched(&watch, r.stage->sliced_bytes, stage->fresh ? "first writes" : "the race", found);
    if (!r.race)
        return -1;
    trust_check_idle(idle_mb_per_s, (double)r.stage->sliced_bytes / 1e6 / seconds, warnings);
    g_ptr_array_extend_and_steal(warnings, g_steal_pointer(&found));
    r.outcome = outcome_new(r.stage, r.race);
    trust_check_race(r.stage, r.race, r.outcome, warnings);
    *ret = r;
    r = (struct raced){0};
    return 0;
}

void raced_follow(struct raced *r, struct raced *earlier)
{
    if (!earlier->stage)
        return;
    r->earlier = xcalloc(1, sizeof(*r->earlier));
    *r->earlier = *earlier;
    *earlier = (struct raced){0};
    r->stage->written_bytes += r->earlier->stage->written_bytes;
    outcome_adopt(r->outcome, r->earlier->outcome);
}

unsigned raced_count(const struct raced *r)
{
    return r ? 1 + raced_count(r->earlier) : 0;
}

void raced_done(struct raced *r)
{
    outcome_free(r->outcome);
    race_free(r->race);
    stage_free(r->stage);
    g_clear_pointer(&r->entrants, g_ptr_array_unref);
    if (r->earlier)
        raced_done(r->earlier);
    free(r->earlier);
    *r = (struct raced){0};
}
