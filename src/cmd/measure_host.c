/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * measure_host.c - whole runs on a scratch file, as dd or fio would do them.
 */
#include "base/memory.h"
#include "cmd/cmd.h"
#include "host/claim.h"
#include "host/storage.h"
#include "report/report.h"

/* What is being measured. */
struct measuring {
    const struct measure_task *task;
    const struct suite *suite;
    bool fresh;
    struct measured_set *set;
};

static const char *name_of(const struct work *w)
{
    return w->workload.name[0] ? w->workload.name : "this work";
}

/* Creates the scratch file, written once unless first writes are to be measured. */
static int make_file(struct measuring *m, const char *path, struct error **err)
{
    uint64_t size = suite_file_bytes(m->suite);
    if (storage_create_file(path, size, !m->fresh, err) < 0)
        return -1;
    progress_step(m->task->progress, "writing the scratch file once");
    return m->fresh ? 0 : target_fill(path, size, 1, &m->set->written_bytes, err);
}

/* The runs, with an eye on what others do to the disk meanwhile. */
static int run_watched(struct measuring *m, struct site *site, const struct work *works,
                       unsigned count, struct run_result *ret, struct error **err)
{
    uint64_t own = 0;
    struct watch watch = trust_watch(m->task->directory, 0);
    int r = run_whole(site, works, count, ret, err);
    for (unsigned i = 0; r == 0 && i < count; i++) {
        own += ret[i].all_bytes;
        trust_check_run(&ret[i], name_of(&works[i]), m->task->warnings);
    }
    g_autoptr(GPtrArray) unused = g_ptr_array_new_with_free_func(g_free);
    trust_watched(&watch, own, name_of(works), r == 0 ? m->task->warnings : unused);
    return r;
}

static void take_figures(struct measuring *m, const struct site *site, const struct work *work,
                         unsigned i, const struct run_result *run)
{
    cleanup_free struct histogram *requests = xcalloc(1, sizeof(*requests));
    cleanup_free struct histogram *syncs = xcalloc(1, sizeof(*syncs));
    site_add_latencies(site, i, requests);
    site_add_syncs(site, i, syncs);
    measured_set_add(m->set,
                     &(struct measured){
                         .work = *work,
                         .fresh = m->fresh,
                         .run = *run,
                         .host = figures_from(run->requests, run->bytes, run->elapsed_ns, requests),
                         .syncs = syncs->count,
                         .sync_latency = latency_us_from(syncs),
                     });
    histogram_merge(m->set->latencies, requests);
}

/* Adds what works that were done at the same time came to. */
static void add_up(struct measured_set *set, const struct run_result *runs, unsigned count)
{
    struct run_result *total = &set->total;
    uint64_t longest = 0;
    for (unsigned i = 0; i < count; i++) {
        total->requests += runs[i].requests;
        total->bytes += runs[i].bytes;
        total->written_bytes += runs[i].written_bytes;
        set->written_bytes += runs[i].written_bytes;
        longest = MAX(longest, runs[i].elapsed_ns);
    }
    total->elapsed_ns += longest;
    total->sync_ns += runs[0].sync_ns;
    set->host = figures_from(total->requests, total->bytes, total->elapsed_ns, set->latencies);
}

/* The works of one group, at the same time. */
static int measure_group(struct measuring *m, unsigned group, const char *path, struct error **err)
{
    unsigned count;
    const struct work *works = suite_group(m->suite, group, &count);
    cleanup_free struct run_result *runs = xcalloc(count, sizeof(*runs));
    cleanup_crew struct crew *crew = NULL;
    cleanup_site struct site *site = run_open(works, count, path, m->fresh, group + 1, &crew, err);
    if (!site)
        return -1;
    progress_show(m->task->progress, "measuring", (double)group / suite_groups(m->suite));
    if (run_watched(m, site, works, count, runs, err) < 0)
        return -1;
    for (unsigned i = 0; i < count; i++)
        take_figures(m, site, &works[i], i, &runs[i]);
    add_up(m->set, runs, count);
    return 0;
}

static int measure_groups(struct measuring *m, const struct claim *scratch, struct error **err)
{
    cleanup_free char *path = xasprintf("%s/host.raw", scratch->path);
    if (storage_check_space(m->task->directory, suite_file_bytes(m->suite), err) < 0 ||
        storage_check_direct(scratch->path, err) < 0 || make_file(m, path, err) < 0)
        return -1;
    for (unsigned g = 0; g < suite_groups(m->suite); g++)
        if (measure_group(m, g, path, err) < 0)
            return -1;
    return 0;
}

int measure_on_host(const struct measure_task *t, const struct suite *suite, bool fresh,
                    struct measure_report *report, struct measured_set *set, struct error **err)
{
    (void)report;
    struct measuring m = {.task = t, .suite = suite, .fresh = fresh, .set = set};
    cleanup_claim struct claim *scratch =
        claim_take(t->directory, CLAIM_SCRATCH_PREFIX, /* alone = */ true, err);
    if (!scratch)
        return -1;
    if (!set->latencies)
        set->latencies = xcalloc(1, sizeof(*set->latencies));
    double others = trust_look_before(t->directory);
    if (measure_groups(&m, scratch, err) == 0) {
        trust_check_idle(others, (double)set->total.bytes * 1e3 / (double)set->total.elapsed_ns,
                         t->warnings);
        return 0;
    }
    /* While the scratch file is still there: without it the file system is no longer full. */
    storage_explain_full(t->directory, err);
    return -1;
}
