/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tune/runner.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/interrupt.h"
#include "base/memory.h"
#include "host/process.h"
#include "tune/passes.h"
#include "tune/slices.h"

void runner_progress(struct runner *r, const char *what, double fraction)
{
    const struct stage_options *o = r->stage->options;
    if (o->progress)
        o->progress(o->progress_data, what, fraction);
}

size_t runner_works(const struct runner *r, size_t group, unsigned *ret_count)
{
    const struct suite *suite = r->stage->options->suite;
    return (size_t)(suite_group(suite, (unsigned)group, ret_count) - suite->works);
}

/* --- Slices ----------------------------------------------------------------------------------- */

static struct budget budget_of(const struct race_options *o, uint64_t duration_ns)
{
    return (struct budget){
        .duration_ns = duration_ns,
        .min_requests = o->min_requests,
        .max_requests = UINT64_MAX,
        .ramp = o->ramp,
    };
}

struct budget runner_round_budget(const struct runner *r)
{
    struct budget budget = budget_of(r->options, r->race->slice_ns);
    if (goal_has(&r->race->goal, AIM_LATENCY)) {
        budget.sample = RACE_SAMPLE;
        if (budget.min_requests < RACE_SAMPLE)
            budget.min_requests = RACE_SAMPLE;
    }
    return budget;
}

struct budget runner_long_budget(const struct runner *r)
{
    return budget_of(r->options, r->race->long_slice_ns);
}

/* A process that is gone has no CPU time; what there is to say of that its silence says. */
static uint64_t cpu_of(pid_t pid)
{
    uint64_t ns;
    return pid && process_cpu_ns(pid, &ns, NULL) == 0 ? ns : 0;
}

static void read_cpu(struct runner *r, pid_t pid, uint64_t before)
{
    uint64_t after = cpu_of(pid);
    r->cpu_ns = before && after > before ? after - before : 0;
}

int runner_host(struct runner *r, size_t turn, size_t group, const struct budget *budget,
                size_t *ret_lane, struct error **err)
{
    if (stage_rest(r->stage, err) < 0)
        return -1;
    uint64_t before = cpu_of(getpid());
    *ret_lane = turn % r->stage->host_lanes;
    if (slices_on_host(r->stage, *ret_lane, (unsigned)group, budget, r->slices, err) < 0)
        return -1;
    read_cpu(r, getpid(), before);
    return 0;
}

int runner_guest(struct runner *r, const size_t *lanes, size_t count, size_t group,
                 const struct budget *budget, struct error **err)
{
    pid_t pid = r->stage->probe->pid;
    if (stage_rest(r->stage, err) < 0)
        return -1;
    uint64_t before = cpu_of(pid);
    if (slices_in_guest(r->stage, lanes, count, (unsigned)group, budget, r->slices, err) < 0)
        return -1;
    read_cpu(r, pid, before);
    return 0;
}

void runner_count_cpu(struct runner *r, size_t lane, size_t group)
{
    unsigned count;
    size_t first = runner_works(r, group, &count);
    if (!r->cpu_ns)
        return;
    race_record(r->race, lane, first)->cpu_ns += r->cpu_ns;
    for (unsigned i = 0; i < count; i++)
        race_record(r->race, lane, first + i)->cpu_requests += r->slices[i].issued;
}

void tally_clear(struct runner *r)
{
    size_t places = r->race->lane_count * r->race->work_count;
    for (enum aim i = 0; i < AIM_MAX; i++) {
        memset(r->tally.sums[i], 0, places * sizeof(*r->tally.sums[i]));
        memset(r->tally.counts[i], 0, places * sizeof(*r->tally.counts[i]));
    }
}

void tally_add(struct tally *t, enum aim aim, size_t place, double figure)
{
    if (!(figure > 0))
        return;
    t->sums[aim][place] += log(figure);
    t->counts[aim][place]++;
}

double tally_ns(const struct slice *slice)
{
    return slice->requests ? (double)slice->elapsed_ns / (double)slice->requests : 0;
}

void tally_append(const struct tally *t, enum aim aim, size_t place, double **series, size_t count)
{
    unsigned figures = t->counts[aim][place];
    *series = xreallocarray(*series, count + 1, sizeof(**series));
    (*series)[count] = figures ? exp(t->sums[aim][place] / figures) : NAN;
}

/* --- The runner ------------------------------------------------------------------------------- */

static bool has_rounds(const struct runner *r, int candidate)
{
    bool has = false;
    for (size_t i = 0; i < r->race->lane_count; i++)
        has |= r->stage->lanes[i].candidate == candidate && race_has_lane(r->race, i);
    return has;
}

size_t runner_candidates(const struct runner *r)
{
    size_t count = 0;
    for (size_t i = 0; i < r->elimination.count; i++)
        count += has_rounds(r, r->candidates[i]);
    return count;
}

bool runner_is_interrupted(struct runner *r)
{
    if (interrupt_is_deferred()) {
        r->race->interrupted = true;
        interrupt_defer(false);
    }
    return r->race->interrupted;
}

bool runner_is_over(struct runner *r)
{
    r->is_late |= r->options->deadline_ns && clock_now_ns() > r->end_ns;
    return runner_is_interrupted(r) || r->is_late;
}

bool runner_confirms(const struct runner *r)
{
    return r->options->confirm && !r->stage->options->fresh;
}

void runner_plan(struct runner *r)
{
    struct stage *stage = r->stage;
    r->order_count = 0;
    for (size_t i = stage->host_lanes; i < stage->lane_count; i++)
        if (!stage->lanes[i].failure && race_has_lane(r->race, i))
            r->order[r->order_count++] = i;
    r->parts = (r->order_count + PART_LANES - 1) / PART_LANES;
    if (r->parts < stage->host_lanes)
        r->parts = stage->host_lanes;

    uint64_t left = r->end_ns > r->start_ns ? r->end_ns - r->start_ns : 0;
    uint64_t reserve = passes_plan(r, left);
    r->short_deadline_ns = r->end_ns > r->start_ns + reserve ? r->end_ns - reserve : r->start_ns;
}

/* Enters each candidate all of whose lanes run; returns how many there are. */
static size_t enter_candidates(struct runner *r)
{
    size_t count = 0;
    const struct stage *stage = r->stage;
    for (int c = 0; c < (int)stage->candidates->len; c++) {
        size_t lanes = 0, failures = 0;
        for (size_t i = 0; i < stage->lane_count; i++) {
            lanes += stage->lanes[i].candidate == c;
            failures += stage->lanes[i].candidate == c && stage->lanes[i].failure;
        }
        if (lanes && !failures)
            r->candidates[count++] = c;
    }
    return count;
}

/* Tells the elimination who won before, of those that are raced. */
static void expect(struct runner *r)
{
    const struct race_options *o = r->options;
    const bool *prior = o->prior ? o->prior(o->prior_data, r->stage) : NULL;
    cleanup_free bool *winners = xcalloc(r->elimination.count, sizeof(*winners));
    for (size_t i = 0; prior && i < r->elimination.count; i++)
        winners[i] = prior[r->candidates[i]];
    elimination_expect(&r->elimination, winners);
}

struct runner *runner_new(struct stage *stage, const struct race_options *options,
                          struct race *race)
{
    struct runner *r = xcalloc(1, sizeof(*r));
    size_t places = race->lane_count * race->work_count;
    *r = (struct runner){.stage = stage, .options = options, .race = race};
    random_seed(&r->random, options->seed);
    r->order = xcalloc(race->lane_count, sizeof(*r->order));
    r->group_count = suite_groups(stage->options->suite);
    r->groups = xcalloc(r->group_count, sizeof(*r->groups));
    for (size_t i = 0; i < r->group_count; i++)
        r->groups[i] = i;
    r->slices = xcalloc(PART_LANES * race->work_count, sizeof(*r->slices));
    for (enum aim i = 0; i < AIM_MAX; i++) {
        r->tally.sums[i] = xcalloc(places, sizeof(*r->tally.sums[i]));
        r->tally.counts[i] = xcalloc(places, sizeof(*r->tally.counts[i]));
    }
    r->candidates = xcalloc(stage->candidates->len, sizeof(*r->candidates));
    r->elimination = elimination_new(enter_candidates(r), options->margin,
                                     options->error > 0 ? options->error : RACE_ERROR);
    expect(r);
    r->start_ns = clock_now_ns();
    r->end_ns = options->deadline_ns ? options->deadline_ns : r->start_ns + options->duration_ns;
    runner_plan(r);
    return r;
}

void runner_free(struct runner *r)
{
    elimination_done(&r->elimination);
    free(r->candidates);
    free(r->order);
    free(r->groups);
    free(r->slices);
    for (enum aim i = 0; i < AIM_MAX; i++) {
        free(r->tally.sums[i]);
        free(r->tally.counts[i]);
    }
    free(r);
}
