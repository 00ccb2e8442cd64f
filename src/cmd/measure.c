/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * measure.c - virt-disktune measure: the host's own speed.
 */
#include "cmd/cmd.h"

#include <math.h>
#include <stdio.h>

#include "base/json.h"
#include "base/memory.h"
#include "host/claim.h"
#include "host/storage.h"
#include "measure/fio.h"
#include "report/report.h"

#define DEFAULT_SIZE (UINT64_C(1000) << 20)

struct arguments {
    struct common_options common;
    struct workload_options work;
    char *directory, *size, *runtime;
    gboolean print_fio;
    uint64_t size_bytes, runtime_ns;
    struct suite *suite;
    GPtrArray *notes;    /* what of a fio file is done otherwise */
    GPtrArray *warnings; /* why figures should be read with care */
};

/* What is measured, piece by piece. */
struct measuring {
    const struct arguments *arguments;
    const struct claim *scratch;
    struct progress *progress;
    struct measured *items;
    struct run_result total;
    struct histogram *latencies; /* of all of it */
    uint64_t written_bytes;
};

/* --- Arguments -------------------------------------------------------------------------------- */

static int parse_options(int argc, char **argv, struct arguments *a, struct error **err)
{
    const GOptionEntry own[] = {
        {"directory", 'd', 0, G_OPTION_ARG_FILENAME, &a->directory,
         "Measure in this directory", "DIR"},
        {"size", 0, 0, G_OPTION_ARG_STRING, &a->size, "Size of the scratch file [1000M]", "SIZE"},
        {"runtime", 0, 0, G_OPTION_ARG_STRING, &a->runtime,
         "Work so long, whatever the size, on each workload", "TIME"},
        {"print-fio", 0, 0, G_OPTION_ARG_NONE, &a->print_fio,
         "Print the work as a fio job file, and measure nothing", NULL},
        {NULL},
    };
    return options_parse(argc, argv, "measure the host's own disk", own, &a->common, &a->work, err);
}

static int parse(int argc, char **argv, struct arguments *a, struct error **err)
{
    if (parse_options(argc, argv, a, err) < 0 ||
        option_size("--size", a->size, &a->size_bytes, err) < 0 ||
        option_duration("--runtime", a->runtime, &a->runtime_ns, err) < 0)
        return -1;
    a->notes = g_ptr_array_new_with_free_func(g_free);
    a->warnings = g_ptr_array_new_with_free_func(g_free);
    a->suite = options_suite(&a->work, "dd", a->size_bytes, a->runtime_ns, a->notes, err);
    if (!a->suite)
        return -1;
    if (a->print_fio)
        return 0;
    if (!a->directory) {
        error_set(err, "measure needs --directory DIR");
        return error_hint(err, "the directory that disk images are stored in");
    }
    return option_directory(&a->directory, err);
}

static void free_arguments(struct arguments *a)
{
    g_clear_pointer(&a->suite, suite_free);
    g_clear_pointer(&a->notes, g_ptr_array_unref);
    g_clear_pointer(&a->warnings, g_ptr_array_unref);
}

static const struct work *work_at(const struct arguments *a, guint i)
{
    return &a->suite->works[i];
}

static const char *name_of(const struct work *w)
{
    return w->workload.name[0] ? w->workload.name : "this work";
}

/* --- Measuring -------------------------------------------------------------------------------- */

static uint64_t largest_span(const struct arguments *a)
{
    uint64_t largest = 0, mib = UINT64_C(1) << 20;
    for (guint i = 0; i < a->suite->count; i++)
        largest = MAX(largest, work_at(a, i)->span_bytes);
    return (largest + mib - 1) / mib * mib;
}

/* Creates the scratch file, written once unless first writes are to be measured. */
static int make_file(struct measuring *m, const char *path, struct error **err)
{
    const struct arguments *a = m->arguments;
    uint64_t size = largest_span(a);
    if (storage_create_file(path, size, !a->work.fresh, err) < 0)
        return -1;
    progress_show(m->progress, "writing the scratch file once", NAN);
    return a->work.fresh ? 0 : target_fill(path, size, 1, &m->written_bytes, err);
}

/* The runs, with an eye on what others do to the disk meanwhile. */
static int run_watched(struct measuring *m, struct site *site, guint first, guint count,
                       struct run_result *ret, struct error **err)
{
    struct load before, after;
    GPtrArray *warnings = m->arguments->warnings;
    const char *directory = m->arguments->directory;
    const struct work *works = work_at(m->arguments, first);
    uint64_t own = 0;
    bool known = load_read("", directory, &before, NULL) == 0;
    if (run_whole(site, works, count, ret, err) < 0)
        return -1;
    for (guint i = 0; i < count; i++) {
        own += ret[i].all_bytes;
        trust_check_run(&ret[i], name_of(&works[i]), warnings);
    }
    if (known && load_read("", directory, &after, NULL) == 0)
        trust_check_others(&before, &after, own, name_of(works), warnings);
    return 0;
}

static void take_figures(struct measuring *m, const struct site *site, guint first, guint i,
                         const struct run_result *run)
{
    struct measured *item = &m->items[first + i];
    cleanup_free struct histogram *requests = xcalloc(1, sizeof(*requests));
    cleanup_free struct histogram *syncs = xcalloc(1, sizeof(*syncs));
    site_add_latencies(site, i, requests);
    site_add_syncs(site, i, syncs);
    histogram_merge(m->latencies, requests);
    *item = (struct measured){
        .work = *work_at(m->arguments, first + i),
        .run = *run,
        .figures = figures_from(run->requests, run->bytes, run->elapsed_ns, requests),
        .syncs = syncs->count,
        .sync_latency = latency_us_from(syncs),
    };
}

/* Adds what works that were done at the same time came to. */
static void add_up(struct measuring *m, const struct run_result *runs, guint count)
{
    uint64_t longest = 0;
    for (guint i = 0; i < count; i++) {
        m->total.requests += runs[i].requests;
        m->total.bytes += runs[i].bytes;
        m->total.written_bytes += runs[i].written_bytes;
        m->written_bytes += runs[i].written_bytes;
        longest = MAX(longest, runs[i].elapsed_ns);
    }
    m->total.elapsed_ns += longest;
    m->total.sync_ns += runs[0].sync_ns;
}

/* The works from `first` on that are done at the same time. */
static int measure_group(struct measuring *m, guint first, guint count, const char *path,
                         struct error **err)
{
    const struct arguments *a = m->arguments;
    cleanup_free struct workload *workloads = xcalloc(count, sizeof(*workloads));
    cleanup_free uint64_t *spans = xcalloc(count, sizeof(*spans));
    cleanup_free struct run_result *runs = xcalloc(count, sizeof(*runs));
    for (guint i = 0; i < count; i++) {
        workloads[i] = work_at(a, first + i)->workload;
        spans[i] = work_at(a, first + i)->span_bytes;
    }
    cleanup_crew struct crew *crew = crew_new(workloads, count, first + 1, err);
    cleanup_site struct site *site =
        crew ? site_open(crew, path, spans, a->work.fresh, first + 1, err) : NULL;
    if (!site)
        return -1;
    progress_show(m->progress, "measuring", (double)first / a->suite->count);
    if (run_watched(m, site, first, count, runs, err) < 0)
        return -1;
    for (guint i = 0; i < count; i++)
        take_figures(m, site, first, i, &runs[i]);
    add_up(m, runs, count);
    return 0;
}

static guint group_size(const struct arguments *a, guint first)
{
    guint next = first + 1;
    while (next < a->suite->count && work_at(a, next)->group == work_at(a, first)->group)
        next++;
    return next - first;
}

/* All of it on one file, or for first writes each on a new one. */
static int measure_all(struct measuring *m, struct error **err)
{
    cleanup_free char *path = xasprintf("%s/host.raw", m->scratch->path);
    const struct arguments *a = m->arguments;
    if (storage_check_space(a->directory, largest_span(a), err) < 0 ||
        storage_check_direct(m->scratch->path, err) < 0)
        return -1;
    for (guint i = 0; i < a->suite->count; i += group_size(a, i)) {
        if (i && a->work.fresh)
            unlink(path);
        if (((i == 0 || a->work.fresh) && make_file(m, path, err) < 0) ||
            measure_group(m, i, group_size(a, i), path, err) < 0)
            return -1;
    }
    return 0;
}

static int measure(struct measuring *m, struct error **err)
{
    const struct arguments *a = m->arguments;
    cleanup_claim struct claim *scratch =
        claim_take(a->directory, CLAIM_SCRATCH_PREFIX, /* alone = */ true, err);
    if (!scratch)
        return -1;
    m->scratch = scratch;
    double others = trust_look_before(a->directory);
    if (measure_all(m, err) == 0) {
        double own = (double)m->total.bytes * 1e3 / (double)m->total.elapsed_ns;
        trust_check_idle(others, own, a->warnings);
        return 0;
    }
    /* While the scratch file is still there: without it the file system is no longer full. */
    storage_explain_full(a->directory, err);
    return -1;
}

/* --- The verb --------------------------------------------------------------------------------- */

static void print_report(const struct measuring *m)
{
    const struct arguments *a = m->arguments;
    struct measure_report report = {
        .directory = a->directory,
        .fresh = a->work.fresh,
        .count = a->suite->count,
        .items = m->items,
        .total = m->total,
        .figures = figures_from(m->total.requests, m->total.bytes, m->total.elapsed_ns, m->latencies),
        .written_bytes = m->written_bytes,
        .notes = a->notes,
        .warnings = a->warnings,
    };
    if (!a->common.json) {
        report_measure_text(&report, stdout);
        return;
    }
    cleanup_json json_t *json = report_measure_json(&report);
    report_print_json(json, stdout);
}

static void print_as_fio(const struct arguments *a)
{
    for (guint i = 0; i < a->suite->count; i++) {
        const struct work *w = work_at(a, i);
        cleanup_free char *text = fio_print(&w->workload, w->span_bytes);
        printf("%s%s", i ? "\n" : "", text);
    }
}

static int run(const struct arguments *a, struct error **err)
{
    if (a->print_fio) {
        print_as_fio(a);
        return finish_output(err);
    }
    struct progress progress = {.options = &a->common};
    cleanup_free struct measured *items = xcalloc(a->suite->count, sizeof(*items));
    cleanup_free struct histogram *latencies = xcalloc(1, sizeof(*latencies));
    struct measuring m = {
        .arguments = a, .progress = &progress, .items = items, .latencies = latencies};
    int r = measure(&m, err);
    progress_clear(&progress);
    if (r < 0)
        return -1;
    print_report(&m);
    return finish_output(err);
}

int cmd_measure(int argc, char **argv)
{
    static struct arguments a = {.size_bytes = DEFAULT_SIZE};
    cleanup_error struct error *err = NULL;
    int r = parse(argc, argv, &a, &err) < 0 ? -1 : run(&a, &err);
    free_arguments(&a);
    return r < 0 ? fail(err) : EXIT_DONE;
}
