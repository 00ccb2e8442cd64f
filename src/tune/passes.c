/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tune/passes.h"

#include <math.h>

#include "base/clock.h"
#include "base/interrupt.h"
#include "tune/slices.h"

#define LONG_PASSES 3
#define LONG_SLICE_MIN_NS (20 * NS_PER_MS)
#define LONG_SLICE_MAX_NS (150 * NS_PER_MS)
/* The part of the time that long slices may take. */
#define LONG_SHARE 0.2

/* The part of the time that reading CPU times beforehand should take, and the one that it must not
 * exceed for slices that are long enough. */
#define EARLY_SHARE 0.05
#define EARLY_SHARE_MAX 0.2

/* The length nearest to this that a long slice can have. */
static uint64_t long_slice_ns(uint64_t ns)
{
    return ns < LONG_SLICE_MIN_NS   ? LONG_SLICE_MIN_NS
           : ns > LONG_SLICE_MAX_NS ? LONG_SLICE_MAX_NS
                                    : ns;
}

/* How many times its own time a slice takes where there is a rate: what it moves is waited for.
 * Before the first round nobody knows. */
static double stretch(const struct runner *r)
{
    uint64_t rate = r->stage->options->rate_bytes, bytes = 0, ns = 0;
    if (!rate)
        return 1;
    for (size_t i = 0; i < r->race->lane_count * r->group_count; i++) {
        unsigned count;
        size_t first = runner_works(r, i % r->group_count, &count);
        const struct record *records = race_record(r->race, i / r->group_count, first);
        ns += records->elapsed_ns;
        for (unsigned k = 0; k < count; k++)
            bytes += records[k].bytes;
    }
    return ns ? fmax(1, (double)bytes / (double)ns * (double)NS_PER_SECOND / (double)rate)
              : INFINITY;
}

/* As many as a round has. */
static uint64_t slices_of_pass(const struct runner *r)
{
    return r->group_count * (r->order_count + r->parts);
}

/* What a pass is to take, and a little more. */
static double planned_ns(const struct runner *r)
{
    return (double)(slices_of_pass(r) * r->race->long_slice_ns * 11 / 10) * stretch(r);
}

uint64_t passes_plan(struct runner *r, uint64_t left_ns)
{
    double share = LONG_SHARE * (double)left_ns, pass = (double)slices_of_pass(r) * stretch(r);
    unsigned count = LONG_PASSES;
    /* Fewer, where so many would be more than their share. */
    while (r->options->deadline_ns && count && share / (count * pass) < LONG_SLICE_MIN_NS)
        count--;
    r->race->long_slice_ns = long_slice_ns(count ? (uint64_t)(share / (count * pass)) : 0);
    return runner_confirms(r) && count ? (uint64_t)(count * planned_ns(r)) : 0;
}

/* --- Before the rounds ------------------------------------------------------------------------ */

static int read_cpu_of(struct runner *r, size_t lane, size_t group, const struct budget *budget,
                       struct error **err)
{
    if (interrupt_check(err) < 0 || runner_guest(r, &lane, 1, group, budget, err) < 0)
        return -1;
    runner_count_cpu(r, lane, group);
    return 0;
}

/* How long each of so many slices is to be; 0 where there is no time for them, or it is not known
 * whether there is. */
static uint64_t early_slice_ns(const struct runner *r, size_t slices, uint64_t left_ns)
{
    if (!slices || r->stage->options->rate_bytes ||
        (double)(slices * LONG_SLICE_MIN_NS) > EARLY_SHARE_MAX * (double)left_ns)
        return 0;
    return long_slice_ns((uint64_t)(EARLY_SHARE * (double)left_ns) / slices);
}

/* Each candidate has one, on its first disk, as far as the time goes: slow work has longer ones. */
static int read_cpu_until(struct runner *r, uint64_t end_ns, const struct budget *budget,
                          struct error **err)
{
    for (size_t i = 0; i < r->order_count; i++)
        for (size_t g = 0; g < r->group_count && !r->stage->lanes[r->order[i]].replica; g++)
            if (clock_now_ns() < end_ns && read_cpu_of(r, r->order[i], g, budget, err) < 0)
                return -1;
    return 0;
}

int passes_read_cpu(struct runner *r, struct error **err)
{
    const struct stage *stage = r->stage;
    size_t count = r->order_count / stage->options->replicas;
    uint64_t now = clock_now_ns(), left = r->end_ns > now ? r->end_ns - now : 0;
    struct budget budget = runner_long_budget(r);
    budget.duration_ns = early_slice_ns(r, count * r->group_count, left);
    if (!runner_confirms(r) || goal_has(&r->race->goal, AIM_CPU) || !budget.duration_ns)
        return 0;
    runner_progress(r, "reading CPU times", 0);
    uint64_t end =
        r->options->deadline_ns ? now + (uint64_t)(EARLY_SHARE_MAX * (double)left) : UINT64_MAX;
    return read_cpu_until(r, end, &budget, err) < 0 ? -1 : slices_forget(r->stage, err);
}

/* --- After the rounds ------------------------------------------------------------------------- */

static void record_long(struct runner *r, size_t lane, size_t group)
{
    unsigned count;
    size_t first = runner_works(r, group, &count);
    runner_count_cpu(r, lane, group);
    for (unsigned i = 0; i < count; i++) {
        const struct record *record = race_record(r->race, lane, first + i);
        tally_add(&r->tally, AIM_THROUGHPUT, (size_t)(record - r->race->records),
                  tally_ns(&r->slices[i]));
    }
}

/* As in a round: the host has its turn before each part. */
static int run_long_group(struct runner *r, size_t group, struct error **err)
{
    const struct budget budget = runner_long_budget(r);
    random_shuffle(&r->random, r->order, r->order_count);
    for (size_t i = 0, part = 0; i < r->order_count; i++) {
        if (i == r->order_count * part / r->parts) {
            size_t host;
            if (runner_host(r, part++, group, &budget, &host, err) < 0)
                return -1;
            record_long(r, host, group);
        }
        if (runner_is_over(r))
            return 0;
        if (interrupt_check(err) < 0 || runner_guest(r, &r->order[i], 1, group, &budget, err) < 0)
            return -1;
        record_long(r, r->order[i], group);
    }
    return 0;
}

static int run_pass(struct runner *r, struct error **err)
{
    struct race *race = r->race;
    tally_clear(r);
    random_shuffle(&r->random, r->groups, r->group_count);
    for (size_t i = 0; i < r->group_count; i++) {
        if (run_long_group(r, r->groups[i], err) < 0)
            return -1;
        runner_progress(r, "long slices",
                        ((double)(i + 1) / (double)r->group_count + (double)race->passes) /
                            LONG_PASSES);
    }
    if (race->interrupted || r->is_late)
        return 0;
    for (size_t i = 0; i < race->lane_count * race->work_count; i++)
        tally_append(&r->tally, AIM_THROUGHPUT, i, &race->records[i].long_ns, race->passes);
    race->passes++;
    return 0;
}

int passes_run(struct runner *r, struct error **err)
{
    if (r->exhausted || !runner_confirms(r) || runner_is_interrupted(r))
        return 0;
    struct race *race = r->race;
    /* Slices are longer than asked for where the work is slow, as the rounds have shown. */
    double need = fmax(planned_ns(r) * 10 / 11, (double)r->round_ns);
    runner_progress(r, "long slices", 0);
    while (race->passes < LONG_PASSES && !race->hurried && !runner_is_interrupted(r)) {
        uint64_t before = clock_now_ns();
        /* One that would end after the deadline is not begun. */
        race->hurried =
            r->options->deadline_ns && (double)before + need > (double)r->options->deadline_ns;
        if (!race->hurried && run_pass(r, err) < 0)
            return -1;
        race->hurried |= r->is_late;
        need = (double)(clock_now_ns() - before);
    }
    return 0;
}
