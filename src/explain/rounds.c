/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "explain/rounds.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/interrupt.h"
#include "base/memory.h"
#include "measure/random.h"
#include "measure/stats.h"
#include "tune/slices.h"

/* As in a race (race.h): slow work gets longer slices, and a queue is full before it counts. Where
 * there is none, what counts is all that the clocks see: a ramp is in theirs, and not in the
 * program's. */
#define MIN_REQUESTS 8
#define RAMP 2

/* Fewer tell no interval. */
#define ROUNDS_LEAST 2

struct run {
    struct stage *stage;
    const struct rounds_options *options;
    struct clocks *clocks;
    struct rounds *rounds;
    struct random random;
    size_t *order; /* lanes that run */
    size_t order_count;
};

static void run_done(struct run *r)
{
    clocks_free(r->clocks);
    free(r->order);
}

static void append(double **series, size_t count, double value)
{
    *series = xreallocarray(*series, count + 1, sizeof(**series));
    (*series)[count] = value;
}

/* What no layer cuts up on its way. */
#define WHOLE_BYTES (128 * 1024)

/* How many requests of a boundary follow each other for one of the program's: the request itself
 * and its syncs, and what a file system or a format asks for besides. Pieces of a large one are not
 * under way one after the other but together, and of neighbours that were put together each waits
 * for the whole: these are one. */
static double in_turn(const struct workload *w, double requests, double issued)
{
    double split = requests / issued, own = 1 + (w->sync_every ? 1.0 / w->sync_every : 0);
    if (split < 1)
        return 1;
    return w->block_bytes > WHOLE_BYTES ? fmin(own, split) : split;
}

static double inside(const struct workload *w, const struct reading *r, enum clock clock,
                     double issued)
{
    if (!r->known[clock] || !(issued > 0))
        return NAN;
    double requests = r->requests[clock];
    return requests > 0 ? r->busy_ns[clock] / requests * in_turn(w, requests, issued) : 0;
}

/* A closed loop keeps its queue full, so that requests in flight over those completed in a time are
 * the time that each took (Little's law). */
static void note(struct run *r, size_t lane, const struct slice *slice,
                 const struct reading *clocks)
{
    struct lane_rounds *l = &r->rounds->lanes[lane];
    size_t number = r->rounds->count;
    const struct workload *w = &r->stage->options->suite->works[0].workload;
    double in_flight = r->rounds->in_flight, issued = (double)slice->issued;
    append(&l->program, number,
           slice->requests ? in_flight * (double)slice->elapsed_ns / (double)slice->requests : NAN);
    l->program_elapsed_ns += (double)slice->elapsed_ns;
    l->program_requests += (double)slice->requests;
    l->issued += issued;
    for (enum clock i = 0; i < CLOCKS; i++) {
        append(&l->inside[i], number, inside(w, clocks, i, issued));
        l->requests[i] += clocks->requests[i];
    }
}

static int run_lane(struct run *r, size_t lane, struct error **err)
{
    const struct budget budget = {
        .duration_ns = r->options->slice_ns,
        .min_requests = MIN_REQUESTS,
        .max_requests = UINT64_MAX,
        .ramp = r->rounds->in_flight > 1 ? RAMP : 0,
    };
    struct slice slice;
    struct reading before, after;
    bool on_host = r->stage->lanes[lane].candidate == LANE_HOST;
    if (clocks_read(r->clocks, lane, &before, err) < 0 ||
        (on_host ? slices_on_host(r->stage, lane, 0, &budget, &slice, err)
                 : slices_in_guest(r->stage, &lane, 1, 0, &budget, &slice, err)) < 0 ||
        clocks_read(r->clocks, lane, &after, err) < 0)
        return -1;
    struct reading between = clocks_between(&before, &after);
    r->rounds->exhausted |= slice.exhausted;
    note(r, lane, &slice, &between);
    return 0;
}

/* Whether a signal has come that ends the rounds; a second one is an error from then on. */
static bool is_interrupted(struct run *r)
{
    if (interrupt_is_deferred()) {
        r->rounds->interrupted = true;
        interrupt_defer(false);
    }
    return r->rounds->interrupted;
}

/* A round that is not complete does not count: the next is noted in its place. */
static int run_round(struct run *r, struct error **err)
{
    random_shuffle(&r->random, r->order, r->order_count);
    for (size_t i = 0; i < r->order_count; i++) {
        if (is_interrupted(r))
            return 0;
        if (run_lane(r, r->order[i], err) < 0)
            return -1;
        if (r->rounds->exhausted)
            return 0;
    }
    r->rounds->count++;
    return 0;
}

static int run_rounds(struct run *r, struct error **err)
{
    uint64_t longest = 0, begin = clock_now_ns();
    struct rounds *rounds = r->rounds;
    while (rounds->count < r->options->max_rounds && !rounds->exhausted && !rounds->interrupted) {
        uint64_t before = clock_now_ns();
        if (before + longest > r->options->deadline_ns)
            break;
        if (run_round(r, err) < 0)
            return -1;
        if (rounds->count == ROUNDS_LEAST && !rounds->interrupted)
            interrupt_defer(true);
        uint64_t took = clock_now_ns() - before;
        longest = took > longest ? took : longest;
        stage_tell(r->stage, "measuring", clock_now_ns() - begin, r->options->deadline_ns - begin);
    }
    if (rounds->count >= ROUNDS_LEAST)
        return 0;
    error_set(err, rounds->exhausted
                       ? "the scratch files are too small for two rounds of first writes"
                       : "the time is up before the second round");
    return error_hint(err, rounds->exhausted ? "a larger --size"
                                             : "a longer --time or a smaller --size");
}

/* With the guest's clock held against the host's: a layer is between both. */
static int run_timed(struct run *r, struct error **err)
{
    struct clock_pair from, to;
    struct probe *probe = r->stage->probe;
    if (probe_read_clock(probe, &from, err) < 0 || run_rounds(r, err) < 0 ||
        probe_read_clock(probe, &to, err) < 0)
        return -1;
    r->rounds->clock_drift = probe_clock_drift(&from, &to);
    r->rounds->clock_uncertainty = probe_clock_uncertainty(&from, &to);
    return 0;
}

struct rounds *rounds_run(struct stage *stage, const struct rounds_options *options,
                          struct error **err)
{
    cleanup_rounds struct rounds *rounds = xcalloc(1, sizeof(*rounds));
    const struct workload *w = &stage->options->suite->works[0].workload;
    rounds->lane_count = stage->lane_count;
    rounds->in_flight = w->depth * w->jobs;
    rounds->lanes = xcalloc(stage->lane_count, sizeof(*rounds->lanes));
    at_scope_end(run_done) struct run r = {.stage = stage, .options = options, .rounds = rounds};
    random_seed(&r.random, options->seed);
    r.order = xcalloc(stage->lane_count, sizeof(*r.order));
    for (size_t i = 0; i < stage->lane_count; i++)
        if (!stage->lanes[i].failure)
            r.order[r.order_count++] = i;
    r.clocks = clocks_new(stage, err);
    if (r.clocks && run_timed(&r, err) == 0)
        return TAKE_PTR(rounds);
    interrupt_defer(false);
    return NULL;
}

void rounds_free(struct rounds *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->lane_count; i++) {
        free(r->lanes[i].program);
        for (enum clock k = 0; k < CLOCKS; k++)
            free(r->lanes[i].inside[k]);
    }
    free(r->lanes);
    free(r);
}

double rounds_depth(const struct rounds *r, size_t lane, enum clock clock)
{
    const struct lane_rounds *l = &r->lanes[lane];
    return stats_mean(l->inside[clock], r->count) / (l->program_elapsed_ns / l->program_requests);
}
