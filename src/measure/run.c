/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "measure/run.h"

#include <math.h>
#include <stdbool.h>

#include "base/clock.h"
#include "base/interrupt.h"
#include "base/memory.h"

/* Runs are made of parts, so that a signal is heard soon on any disk, and that it shows whether the
 * speed was steady. */
#define PART_NS (NS_PER_SECOND / 4)

/* Fewer say nothing about steadiness. */
#define PARTS_MIN 4

/* The speed of the parts so far: mean and squared deviations by Welford's recurrence (Technometrics
 * 4, 1962). */
struct parts {
    unsigned count;
    double mean, squares, first, last;
};

static void add_part(struct parts *p, const struct slice *slice)
{
    /* What is left for the end of a run is too short to be compared. */
    if (slice->elapsed_ns < PART_NS / 2)
        return;
    double speed = (double)slice->requests / (double)slice->elapsed_ns;
    double off = speed - p->mean;
    if (!p->count++)
        p->first = speed;
    p->last = speed;
    p->mean += off / p->count;
    p->squares += off * (speed - p->mean);
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* What a run knows of one of its works. */
struct course {
    const struct work *work;
    struct run_result result;
    struct parts parts;
    bool ended;
};

/* Requests that each job is to make; mixed sizes count by their mean. */
static uint64_t requests_wanted(const struct work *w)
{
    return w->bounds.time_based ? UINT64_MAX
                                : w->bounds.bytes / (uint64_t)workload_mean_bytes(&w->workload);
}

/* The next part of a work that has gone on for `spent`; one that has ended does nothing. */
static struct budget next_part(struct course *c, uint64_t spent)
{
    const struct run_bounds *b = &c->work->bounds;
    uint64_t most = b->duration_ns ? b->duration_ns : UINT64_MAX;
    uint64_t wanted = requests_wanted(c->work);
    c->ended |= spent >= most || c->result.requests / c->work->workload.jobs >= wanted;
    return (struct budget){
        .duration_ns = c->ended ? 0 : smaller(most - spent, PART_NS),
        .max_requests = c->ended ? 0 : wanted,
        .resume = c->result.all_bytes > 0,
    };
}

static void add_slice(struct course *c, const struct slice *slice)
{
    if (c->ended)
        return;
    c->result.requests += slice->requests;
    c->result.bytes += slice->bytes;
    c->result.all_bytes += slice->bytes;
    c->result.elapsed_ns += slice->elapsed_ns;
    c->result.written_bytes += slice->written_bytes;
    c->ended = slice->exhausted;
    add_part(&c->parts, slice);
}

static int ramp_up(struct site *s, struct course *courses, unsigned count, struct slice *slices,
                   struct budget *budgets, struct error **err)
{
    uint64_t ramp_ns = 0, begin = clock_now_ns();
    for (unsigned i = 0; i < count; i++)
        ramp_ns =
            courses[i].work->bounds.ramp_ns > ramp_ns ? courses[i].work->bounds.ramp_ns : ramp_ns;
    for (uint64_t spent; (spent = clock_now_ns() - begin) < ramp_ns;) {
        for (unsigned i = 0; i < count; i++)
            budgets[i] = (struct budget){
                .duration_ns = smaller(ramp_ns - spent, PART_NS),
                .max_requests = UINT64_MAX,
                .resume = courses[i].result.all_bytes > 0,
            };
        if (interrupt_check(err) < 0 || site_run(s, budgets, slices, err) < 0)
            return -1;
        for (unsigned i = 0; i < count; i++) {
            courses[i].result.written_bytes += slices[i].written_bytes;
            courses[i].result.all_bytes += slices[i].bytes;
        }
    }
    site_clear_latencies(s);
    return 0;
}

static int run_parts(struct site *s, struct course *courses, unsigned count, struct slice *slices,
                     struct budget *budgets, struct error **err)
{
    uint64_t begin = clock_now_ns();
    for (;;) {
        bool all_ended = true;
        for (unsigned i = 0; i < count; i++) {
            budgets[i] = next_part(&courses[i], clock_now_ns() - begin);
            all_ended &= courses[i].ended;
        }
        if (all_ended)
            return 0;
        if (interrupt_check(err) < 0 || site_run(s, budgets, slices, err) < 0)
            return -1;
        for (unsigned i = 0; i < count; i++)
            add_slice(&courses[i], &slices[i]);
    }
}

static struct run_result result_of(const struct course *c, uint64_t sync_ns)
{
    struct run_result r = c->result;
    const struct parts *p = &c->parts;
    bool known = p->count >= PARTS_MIN;
    r.sync_ns = r.written_bytes ? sync_ns : 0;
    r.spread = known ? sqrt(p->squares / (p->count - 1)) / p->mean : NAN;
    r.trend = known ? p->last / p->first - 1 : NAN;
    return r;
}

struct site *run_open(const struct work *works, unsigned count, const char *path, bool once,
                      uint64_t seed, struct crew **ret_crew, struct error **err)
{
    cleanup_free struct workload *workloads = xcalloc(count, sizeof(*workloads));
    cleanup_free uint64_t *spans = xcalloc(count, sizeof(*spans));
    for (unsigned i = 0; i < count; i++) {
        workloads[i] = works[i].workload;
        spans[i] = works[i].span_bytes;
    }
    cleanup_crew struct crew *crew = crew_new(workloads, count, seed, err);
    struct site *site = crew ? site_open(crew, path, spans, once, seed, err) : NULL;
    *ret_crew = site ? TAKE_PTR(crew) : NULL;
    return site;
}

int run_whole(struct site *s, const struct work *works, unsigned count, struct run_result *ret,
              struct error **err)
{
    cleanup_free struct course *courses = xcalloc(count, sizeof(*courses));
    cleanup_free struct slice *slices = xcalloc(count, sizeof(*slices));
    cleanup_free struct budget *budgets = xcalloc(count, sizeof(*budgets));
    uint64_t written = 0, sync_ns = 0;
    for (unsigned i = 0; i < count; i++)
        courses[i].work = &works[i];
    if (ramp_up(s, courses, count, slices, budgets, err) < 0 ||
        run_parts(s, courses, count, slices, budgets, err) < 0)
        return -1;
    for (unsigned i = 0; i < count; i++)
        written += courses[i].result.written_bytes;
    if (written && target_sync(s->targets[0], &sync_ns, err) < 0)
        return -1;
    for (unsigned i = 0; i < count; i++)
        ret[i] = result_of(&courses[i], sync_ns);
    return 0;
}
