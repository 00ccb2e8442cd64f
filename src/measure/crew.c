/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "measure/crew.h"

#include <pthread.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/memory.h"

/* Bytes in flight of all jobs: the memory for them has to fit into the probe guest. */
#define FLIGHT_MAX ((uint64_t)256 << 20)

struct worker {
    struct crew *crew;
    unsigned job;
    unsigned workload; /* its number */
    pthread_t thread;  /* of all but the first */
    struct buffers *buffers;
    struct slice slice; /* what its last turn came to */
    struct error *err;
};

struct crew {
    unsigned jobs, started;
    unsigned count; /* of workloads */
    struct workload *workloads;
    pthread_mutex_t mutex; /* over what follows */
    pthread_cond_t begin, end;
    uint64_t turn;  /* counts the slices; another number is the sign to begin */
    unsigned busy;  /* workers that have not ended this one */
    bool dismissed; /* there is no further slice */
    struct site *site;
    const struct budget *budgets;
    struct worker workers[];
};

/* --- The threads ------------------------------------------------------------------------------ */

static void take_turn(struct worker *w, struct site *site, const struct budget *budgets)
{
    w->slice = (struct slice){0};
    target_run(site->targets[w->job], &budgets[w->workload], &w->slice, &w->err);
}

static void *work(void *data)
{
    struct worker *w = data;
    struct crew *c = w->crew;
    uint64_t done = 0;
    pthread_mutex_lock(&c->mutex);
    for (;;) {
        while (c->turn == done && !c->dismissed)
            pthread_cond_wait(&c->begin, &c->mutex);
        if (c->dismissed)
            break;
        done = c->turn;
        struct site *site = c->site;
        const struct budget *budgets = c->budgets;
        pthread_mutex_unlock(&c->mutex);
        take_turn(w, site, budgets);
        pthread_mutex_lock(&c->mutex);
        if (--c->busy == 0)
            pthread_cond_signal(&c->end);
    }
    pthread_mutex_unlock(&c->mutex);
    return NULL;
}

static int start_threads(struct crew *c, struct error **err)
{
    int r = 0;
    for (unsigned i = 1; i < c->jobs && !r; i++) {
        r = interrupt_start_thread(&c->workers[i].thread, work, &c->workers[i]);
        c->started += !r;
    }
    return r ? error_set_errno(err, r, "cannot start %u threads", c->jobs) : 0;
}

static void add_worker(struct crew *c, unsigned workload, uint64_t seed)
{
    unsigned job = c->jobs++;
    c->workers[job] = (struct worker){
        .crew = c,
        .job = job,
        .workload = workload,
        .buffers = buffers_new(&c->workloads[workload], seed + (uint64_t)job * INT32_MAX),
    };
}

struct crew *crew_new(const struct workload *workloads, unsigned count, uint64_t seed,
                      struct error **err)
{
    unsigned jobs = 0;
    uint64_t flight = 0;
    for (unsigned i = 0; i < count; i++) {
        jobs += workloads[i].jobs;
        flight += (uint64_t)workloads[i].jobs * workloads[i].depth * workloads[i].block_bytes;
    }
    if (flight > FLIGHT_MAX) {
        error_set(err, "more than 256 MiB would be in flight: %u jobs by queue depth by block size",
                  jobs);
        return NULL;
    }
    cleanup_crew struct crew *c = xcalloc(1, sizeof(*c) + jobs * sizeof(c->workers[0]));
    c->count = count;
    c->workloads = xcalloc(count, sizeof(*c->workloads));
    memcpy(c->workloads, workloads, count * sizeof(*workloads));
    pthread_mutex_init(&c->mutex, NULL);
    pthread_cond_init(&c->begin, NULL);
    pthread_cond_init(&c->end, NULL);
    for (unsigned i = 0; i < count; i++)
        for (unsigned job = 0; job < workloads[i].jobs; job++)
            add_worker(c, i, seed);
    return start_threads(c, err) < 0 ? NULL : TAKE_PTR(c);
}

void crew_free(struct crew *c)
{
    if (!c)
        return;
    pthread_mutex_lock(&c->mutex);
    c->dismissed = true;
    pthread_cond_broadcast(&c->begin);
    pthread_mutex_unlock(&c->mutex);
    for (unsigned i = 1; i <= c->started; i++)
        pthread_join(c->workers[i].thread, NULL);
    for (unsigned i = 0; i < c->jobs; i++)
        buffers_free(c->workers[i].buffers);
    pthread_cond_destroy(&c->begin);
    pthread_cond_destroy(&c->end);
    pthread_mutex_destroy(&c->mutex);
    free(c->workloads);
    free(c);
}

/* --- Sites ------------------------------------------------------------------------------------ */

struct site *site_open(struct crew *c, const char *path, const uint64_t *span_bytes, bool once,
                       uint64_t seed, struct error **err)
{
    if (once && c->jobs > 1) {
        error_set(err,
                  "%u jobs cannot be measured in first writes: they would write the same blocks",
                  c->jobs);
        return NULL;
    }
    cleanup_site struct site *s = xcalloc(1, sizeof(*s) + c->jobs * sizeof(s->targets[0]));
    s->crew = c;
    for (; s->jobs < c->jobs; s->jobs++) {
        const struct worker *w = &c->workers[s->jobs];
        s->targets[s->jobs] =
            target_open(path, &c->workloads[w->workload], span_bytes[w->workload], once,
                        seed + s->jobs * UINT64_C(1000003), w->buffers, err);
        if (!s->targets[s->jobs])
            return NULL;
    }
    return TAKE_PTR(s);
}

void site_free(struct site *s)
{
    if (!s)
        return;
    for (unsigned i = 0; i < s->jobs; i++)
        target_free(s->targets[i]);
    free(s);
}

/* Has all workers take their turn on the site, the caller as the first of them. */
static void run_together(struct site *s, const struct budget *budgets)
{
    struct crew *c = s->crew;
    pthread_mutex_lock(&c->mutex);
    c->site = s;
    c->budgets = budgets;
    c->busy = c->jobs - 1;
    c->turn++;
    pthread_cond_broadcast(&c->begin);
    pthread_mutex_unlock(&c->mutex);
    take_turn(&c->workers[0], s, budgets);
    pthread_mutex_lock(&c->mutex);
    while (c->busy)
        pthread_cond_wait(&c->end, &c->mutex);
    pthread_mutex_unlock(&c->mutex);
}

/* Adds up what the workers of one workload did; the first error among them, or 0. */
static int add_up(struct crew *c, unsigned workload, bool whole, struct slice *ret,
                  struct error **err)
{
    struct slice all = {0};
    double rate = 0;
    uint64_t longest = 0;
    for (unsigned i = 0; i < c->jobs; i++) {
        const struct slice *slice = &c->workers[i].slice;
        if (c->workers[i].workload != workload)
            continue;
        if (c->workers[i].err) {
            error_take(err, &c->workers[i].err);
            return -1;
        }
        all.requests += slice->requests;
        all.issued += slice->issued;
        all.bytes += slice->bytes;
        all.written_bytes += slice->written_bytes;
        all.exhausted |= slice->exhausted;
        rate += slice->elapsed_ns ? (double)slice->requests / (double)slice->elapsed_ns : 0;
        longest = slice->elapsed_ns > longest ? slice->elapsed_ns : longest;
    }
    all.elapsed_ns = rate > 0 ? (uint64_t)((double)all.requests / rate + 0.5) : 0;
    if (whole)
        all.elapsed_ns = longest;
    *ret = all;
    return 0;
}

static int compare_ns(const void *pa, const void *pb)
{
    uint64_t a = *(const uint64_t *)pa, b = *(const uint64_t *)pb;
    return a < b ? -1 : a > b;
}

/* Of equally many requests of every job of a workload, whatever the disk: so it is the same order
 * statistic everywhere, and how far it is off the true percentile is alike. */
static uint64_t p99_of(const struct site *s, unsigned workload, unsigned sample)
{
    size_t count = 0;
    cleanup_free uint64_t *all = xcalloc((size_t)s->jobs * sample, sizeof(*all));
    for (unsigned i = 0; i < s->jobs; i++) {
        if (s->crew->workers[i].workload != workload)
            continue;
        if (s->targets[i]->sample_left)
            return 0;
        memcpy(all + count, s->targets[i]->sample, sample * sizeof(*all));
        count += sample;
    }
    qsort(all, count, sizeof(*all), compare_ns);
    return all[(count * 99 + 99) / 100 - 1];
}

/* All jobs at the same time; what a single one does, this thread does itself. */
static int run_jobs(struct site *s, const struct budget *budgets, struct slice *ret,
                    struct error **err)
{
    struct crew *c = s->crew;
    if (s->jobs == 1)
        return target_run(s->targets[0], budgets, ret, err);
    run_together(s, budgets);
    int result = 0;
    for (unsigned i = 0; i < c->count && result == 0; i++)
        result = add_up(c, i, budgets[i].stop, &ret[i], err);
    /* One is told; the others' are most likely the same. */
    for (unsigned i = 0; i < c->jobs; i++)
        error_free(TAKE_PTR(c->workers[i].err));
    return result;
}

int site_run(struct site *s, const struct budget *budgets, struct slice *ret, struct error **err)
{
    if (run_jobs(s, budgets, ret, err) < 0)
        return -1;
    for (unsigned i = 0; i < s->crew->count; i++)
        if (budgets[i].sample)
            ret[i].p99_ns = p99_of(s, i, budgets[i].sample);
    return 0;
}

void site_steadiness(const struct site *s, unsigned workload, double *ret_spread, double *ret_trend)
{
    unsigned count = 0;
    cleanup_free const struct marks **all = xcalloc(s->jobs, sizeof(*all));
    for (unsigned i = 0; i < s->jobs; i++)
        if (s->crew->workers[i].workload == workload)
            all[count++] = &s->targets[i]->marks;
    marks_steadiness(all, count, ret_spread, ret_trend);
}

void site_clear_latencies(struct site *s)
{
    for (unsigned i = 0; i < s->jobs; i++) {
        histogram_clear(&s->targets[i]->histogram);
        if (s->targets[i]->syncs)
            histogram_clear(s->targets[i]->syncs);
    }
}

void site_add_latencies(const struct site *s, unsigned workload, struct histogram *into)
{
    for (unsigned i = 0; i < s->jobs; i++)
        if (s->crew->workers[i].workload == workload)
            histogram_merge(into, &s->targets[i]->histogram);
}

void site_add_syncs(const struct site *s, unsigned workload, struct histogram *into)
{
    for (unsigned i = 0; i < s->jobs; i++)
        if (s->crew->workers[i].workload == workload && s->targets[i]->syncs)
            histogram_merge(into, s->targets[i]->syncs);
}
