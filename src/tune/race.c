/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tune/race.h"

#include <math.h>

#include "base/clock.h"
#include "base/interrupt.h"
#include "base/memory.h"
#include "tune/passes.h"
#include "tune/ratios.h"
#include "tune/runner.h"
#include "tune/runoff.h"
#include "tune/slices.h"

/* A slice that CPU time is read around: what telling the guest to begin costs does not count then.
 */
#define CPU_SLICE_MIN_NS (20 * NS_PER_MS)

/* --- Rounds of short slices ------------------------------------------------------------------- */

/* The CPU time per request around the slices that were run last, of all works of the group. */
static double request_cpu_ns(const struct runner *r, unsigned works)
{
    uint64_t requests = 0;
    for (unsigned i = 0; i < works; i++)
        requests += r->slices[i].issued;
    return requests ? (double)r->cpu_ns / (double)requests : 0;
}

/* Adds the slices of a group on a lane to what the round has of it; the host's lanes have several.
 */
static void record_slices(struct runner *r, size_t lane, size_t group, const struct slice *slices)
{
    unsigned count;
    size_t first = runner_works(r, group, &count);
    bool cpu = goal_has(&r->race->goal, AIM_CPU);
    if (cpu)
        runner_count_cpu(r, lane, group);
    for (unsigned i = 0; i < count; i++) {
        struct record *record = race_record(r->race, lane, first + i);
        size_t place = (size_t)(record - r->race->records);
        r->exhausted |= slices[i].exhausted;
        record->requests += slices[i].requests;
        record->bytes += slices[i].bytes;
        record->elapsed_ns += slices[i].elapsed_ns;
        tally_add(&r->tally, AIM_THROUGHPUT, place, tally_ns(&slices[i]));
        tally_add(&r->tally, AIM_LATENCY, place, (double)slices[i].p99_ns);
        tally_add(&r->tally, AIM_CPU, place, cpu ? request_cpu_ns(r, count) : 0);
    }
}

/* The guest lanes of a part: with one command for all of them, or where CPU time is read around
 * each, with one for each. */
static int run_part(struct runner *r, const size_t *lanes, size_t count, size_t group,
                    const struct budget *budget, struct error **err)
{
    unsigned works;
    size_t step = goal_has(&r->race->goal, AIM_CPU) ? 1 : count;
    runner_works(r, group, &works);
    for (size_t from = 0; from < count && !runner_is_over(r); from += step) {
        if (runner_guest(r, lanes + from, step, group, budget, err) < 0)
            return -1;
        for (size_t i = 0; i < step; i++)
            record_slices(r, lanes[from + i], group, r->slices + i * works);
    }
    return 0;
}

static int run_group(struct runner *r, size_t group, struct error **err)
{
    const struct budget budget = runner_round_budget(r);
    random_shuffle(&r->random, r->order, r->order_count);
    for (size_t part = 0; part < r->parts && !runner_is_over(r); part++) {
        size_t from = r->order_count * part / r->parts, host;
        size_t count = r->order_count * (part + 1) / r->parts - from;
        if (interrupt_check(err) < 0 ||
            runner_host(r, r->host_turn++, group, &budget, &host, err) < 0)
            return -1;
        record_slices(r, host, group, r->slices);
        if (run_part(r, r->order + from, count, group, &budget, err) < 0)
            return -1;
    }
    return 0;
}

/* A figure more in each series of a record that the goal goes by; the time per request always. */
static void end_round(struct runner *r, size_t place)
{
    struct record *record = &r->race->records[place];
    for (enum aim i = 0; i < AIM_MAX; i++)
        if (i == AIM_THROUGHPUT || goal_has(&r->race->goal, i))
            tally_append(&r->tally, i, place, record_series(record, i), record->rounds);
    record->rounds++;
}

/* One round: a figure more for every lane and work, or none where a lane had nothing left to write.
 */
static int run_round(struct runner *r, struct error **err)
{
    struct race *race = r->race;
    tally_clear(r);
    random_shuffle(&r->random, r->groups, r->group_count);
    for (size_t i = 0; i < r->group_count; i++)
        if (run_group(r, r->groups[i], err) < 0)
            return -1;
    if (r->exhausted || race->interrupted || r->is_late)
        return 0;
    for (size_t i = 0; i < race->lane_count * race->work_count; i++)
        if (race_has_lane(race, i / race->work_count))
            end_round(r, i);
    race->rounds++;
    return 0;
}

/* What the rounds so far say of each candidate that is raced. */
static struct contender *contenders_of(const struct runner *r)
{
    const struct ratios ratios = {r->stage, r->race, RATIOS_ALL, /* long_slices = */ false,
                                  &r->race->goal};
    return ratios_contenders(&ratios, r->candidates, r->elimination.count);
}

/* Marks the lanes of those candidates that are marked, which have no more rounds from here on. */
static void take_out(struct runner *r, const bool *candidates, bool *lanes)
{
    for (size_t i = 0; i < r->elimination.count; i++)
        for (size_t lane = 0; candidates[i] && lane < r->race->lane_count; lane++)
            lanes[lane] |= r->stage->lanes[lane].candidate == r->candidates[i];
    runner_plan(r);
}

/* Asks who can still win. */
static void look(struct runner *r)
{
    struct contender *contenders = contenders_of(r);
    elimination_look(&r->elimination, contenders);
    contenders_free(contenders, r->elimination.count);
    r->race->settled = r->elimination.settled;
    take_out(r, r->elimination.out, r->race->out);
}

/* The number of what the disk has now, as the elimination numbers candidates; -1 where it is none.
 */
static int current_contender(const struct runner *r)
{
    for (size_t i = 0; i < r->elimination.count; i++)
        if (((struct candidate *)r->stage->candidates->pdata[r->candidates[i]])->current)
            return (int)i;
    return -1;
}

static void begin_runoff(struct runner *r)
{
    struct contender *contenders = contenders_of(r);
    cleanup_free bool *rests = xcalloc(r->elimination.count, sizeof(*rests));
    r->race->runoff = runoff_choose(contenders, r->elimination.count, current_contender(r), rests);
    contenders_free(contenders, r->elimination.count);
    take_out(r, rests, r->race->rests);
    r->half_time = true;
}

/* Whether anybody could be put out: there is somebody to be slower than. */
static bool is_contested(const struct runner *r)
{
    return !r->options->exhaustive && r->elimination.count > 1;
}

static double round_progress(const struct runner *r)
{
    double by_rounds = (double)r->race->rounds / (double)r->options->max_rounds;
    double by_time =
        (double)(clock_now_ns() - r->start_ns) / (double)(r->short_deadline_ns - r->start_ns);
    return fmax(by_rounds, by_time);
}

/* Whether it is time to decide on a run-off, which is done once. */
static bool is_half_time(const struct runner *r)
{
    return is_contested(r) && !r->half_time && r->race->rounds >= RACE_ROUNDS_TO_TELL &&
           round_progress(r) >= RUNOFF_AT;
}

static int run_short(struct runner *r, struct error **err)
{
    uint64_t longest = 0;
    bool alone = false;
    struct race *race = r->race;
    while (race->rounds < r->options->max_rounds && !r->exhausted && !race->settled && !alone &&
           !race->interrupted) {
        uint64_t before = clock_now_ns();
        /* A round that would end after the deadline is not begun. */
        race->time_is_up = r->is_late || before + longest > r->short_deadline_ns;
        if (race->time_is_up)
            break;
        if (is_half_time(r))
            begin_runoff(r);
        if (run_round(r, err) < 0)
            return -1;
        if (r->options->interruptible && !race->interrupted && race->rounds == RACE_ROUNDS_TO_TELL)
            interrupt_defer(true);
        uint64_t took = clock_now_ns() - before;
        longest = took > longest ? took : longest;
        r->round_ns = took;
        /* Only now it is known what a slice moves. */
        if (r->stage->options->rate_bytes)
            runner_plan(r);
        runner_progress(r, "measuring", round_progress(r));
        if (is_contested(r) && !race->interrupted && !r->is_late &&
            race->rounds >= r->elimination.next_look) {
            look(r);
            /* Further rounds of the only one are held against nobody's: who rests has none. */
            alone = runner_candidates(r) <= 1;
        }
    }
    race->exhausted = r->exhausted;
    if (race->rounds)
        return 0;
    if (!r->exhausted) {
        error_set(err, "the time is up before the first round");
        return stage_time_hint(r->stage, err);
    }
    error_set(err, "the scratch files are too small for one round of first writes");
    return error_hint(err, "a larger --size");
}

static int collect_latencies(struct runner *r, struct error **err)
{
    struct race *race = r->race;
    for (size_t i = 0; i < race->lane_count; i++)
        for (unsigned k = 0; k < race->work_count && !r->stage->lanes[i].failure; k++)
            if (slices_latencies(r->stage, i, k, &race_record(race, i, k)->latencies, err) < 0)
                return -1;
    return 0;
}

/* --- The race --------------------------------------------------------------------------------- */

static int run_all(struct runner *r, struct error **err)
{
    struct clock_pair from, to;
    if (goal_has(&r->race->goal, AIM_CPU) && !r->stage->probe->pid)
        return error_set(err, "QEMU is no process of this machine: its CPU time cannot be read");
    if (!r->order_count)
        return error_set(err, "no candidate is left to measure: %s",
                         r->stage->lane_count > r->stage->host_lanes
                             ? r->stage->lanes[r->stage->host_lanes].failure
                             : "all are left out");
    if (passes_read_cpu(r, err) < 0 || probe_read_clock(r->stage->probe, &from, err) < 0 ||
        run_short(r, err) < 0 || collect_latencies(r, err) < 0 || passes_run(r, err) < 0 ||
        probe_read_clock(r->stage->probe, &to, err) < 0)
        return -1;
    r->race->clock_drift = probe_clock_drift(&from, &to);
    r->race->clock_uncertainty = probe_clock_uncertainty(&from, &to);
    return 0;
}

struct race *race_run(struct stage *stage, const struct race_options *options, struct error **err)
{
    cleanup_race struct race *race = xcalloc(1, sizeof(*race));
    race->lane_count = stage->lane_count;
    race->work_count = stage->options->suite->count;
    race->goal = options->goal;
    race->margin = options->margin;
    race->slice_ns = options->slice_ns;
    if (goal_has(&race->goal, AIM_CPU) && race->slice_ns < CPU_SLICE_MIN_NS)
        race->slice_ns = CPU_SLICE_MIN_NS;
    race->out = xcalloc(race->lane_count, sizeof(*race->out));
    race->rests = xcalloc(race->lane_count, sizeof(*race->rests));
    race->records = xcalloc(race->lane_count * race->work_count, sizeof(*race->records));
    cleanup_runner struct runner *r = runner_new(stage, options, race);
    int result = run_all(r, err);
    /* A signal that came after the last look is for what would come after this race. */
    if (result == 0)
        runner_is_interrupted(r);
    interrupt_defer(false);
    return result < 0 ? NULL : TAKE_PTR(race);
}

void race_free(struct race *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->lane_count * r->work_count; i++) {
        for (enum aim k = 0; k < AIM_MAX; k++)
            free(*record_series(&r->records[i], k));
        free(r->records[i].long_ns);
    }
    free(r->records);
    free(r->out);
    free(r->rests);
    free(r);
}
