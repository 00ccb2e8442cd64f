/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "measure/run.h"

#include <string.h>

#include "base/memory.h"

/* Requests that each job is to make; mixed sizes count by their mean. */
static uint64_t requests_wanted(const struct work *w)
{
    return w->bounds.time_based ? UINT64_MAX
                                : w->bounds.bytes / (uint64_t)workload_mean_bytes(&w->workload);
}

/* What a run knows while it goes on. */
struct course {
    struct site *site;
    const struct work *works;
    unsigned count;
    struct budget *budgets;
    struct slice *slices;
    struct run_result *results;
    atomic_bool stop;
};

/* All works at the same time, each until its budget is spent. */
static int run_once(struct course *c, struct error **err)
{
    if (site_run(c->site, c->budgets, c->slices, err) < 0)
        return -1;
    for (unsigned i = 0; i < c->count; i++) {
        c->results[i].written_bytes += c->slices[i].written_bytes;
        c->results[i].all_bytes += c->slices[i].bytes;
    }
    return 0;
}

/* The longest of the ramps, for all. First writes have none: what it wrote could not be measured.
 */
static uint64_t ramp_ns_of(const struct course *c)
{
    uint64_t longest = 0;
    for (unsigned i = 0; i < c->count; i++) {
        uint64_t own = c->works[i].bounds.ramp_ns;
        longest = own > longest ? own : longest;
    }
    return c->site->targets[0]->pattern.once ? 0 : longest;
}

static int ramp_up(struct course *c, uint64_t ramp_ns, struct error **err)
{
    for (unsigned i = 0; i < c->count; i++)
        c->budgets[i] =
            (struct budget){.duration_ns = ramp_ns, .max_requests = UINT64_MAX, .stop = &c->stop};
    if (run_once(c, err) < 0)
        return -1;
    site_clear_latencies(c->site);
    return 0;
}

static int run_counted(struct course *c, bool resume, struct error **err)
{
    for (unsigned i = 0; i < c->count; i++) {
        uint64_t most = c->works[i].bounds.duration_ns;
        c->budgets[i] = (struct budget){.duration_ns = most ? most : UINT64_MAX,
                                        .max_requests = requests_wanted(&c->works[i]),
                                        .resume = resume,
                                        .stop = &c->stop};
    }
    if (run_once(c, err) < 0)
        return -1;
    for (unsigned i = 0; i < c->count; i++) {
        c->results[i].requests = c->slices[i].requests;
        c->results[i].bytes = c->slices[i].bytes;
        c->results[i].elapsed_ns = c->slices[i].elapsed_ns;
        site_steadiness(c->site, i, &c->results[i].spread, &c->results[i].trend);
    }
    return 0;
}

/* A figure without a request would be none. */
static int check_figures(const struct course *c, struct error **err)
{
    for (unsigned i = 0; i < c->count; i++) {
        const char *name = c->works[i].workload.name;
        if (c->results[i].requests)
            continue;
        error_set(err, "%s: not one request was due, or done, in its time or for its bytes",
                  *name ? name : "this work");
        return error_hint(err, "it needs more time, or as many bytes as one request has");
    }
    return 0;
}

static int sync_written(const struct course *c, struct error **err)
{
    uint64_t written = 0, sync_ns = 0;
    for (unsigned i = 0; i < c->count; i++)
        written += c->results[i].written_bytes;
    if (written && target_sync(c->site->targets[0], &sync_ns, err) < 0)
        return -1;
    for (unsigned i = 0; i < c->count; i++)
        c->results[i].sync_ns = c->results[i].written_bytes ? sync_ns : 0;
    return 0;
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
    cleanup_free struct budget *budgets = xcalloc(count, sizeof(*budgets));
    cleanup_free struct slice *slices = xcalloc(count, sizeof(*slices));
    cleanup_free struct run_result *results = xcalloc(count, sizeof(*results));
    struct course c = {
        .site = s,
        .works = works,
        .count = count,
        .budgets = budgets,
        .slices = slices,
        .results = results,
    };
    uint64_t ramp_ns = ramp_ns_of(&c);
    if ((ramp_ns && ramp_up(&c, ramp_ns, err) < 0) || run_counted(&c, ramp_ns > 0, err) < 0 ||
        check_figures(&c, err) < 0 || sync_written(&c, err) < 0)
        return -1;
    memcpy(ret, results, count * sizeof(*ret));
    return 0;
}
