/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * works.c - the pieces of work that a verb's options name: workloads by name, or a fio job file.
 */
#include "cmd/cmd.h"

#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "measure/fio.h"
#include "measure/named.h"
#include "measure/sites.h"

/* All of the file once, or for the time given. */
static struct work work_within(uint64_t size_bytes, uint64_t runtime_ns)
{
    return (struct work){
        .span_bytes = size_bytes,
        .weight = 1,
        .bounds = {.bytes = size_bytes, .duration_ns = runtime_ns, .time_based = runtime_ns > 0},
    };
}

static int add_workload(const struct workload_options *o, const char *name, const struct work *like,
                        struct suite *suite, struct error **err)
{
    struct workload_options one = *o;
    struct work work = *like;
    if (named_mix(name))
        return error_set(err, "--workload: %s is several workloads and stands alone", name);
    one.workload = (char *)name;
    if (options_workload(&one, &work.workload, err) < 0)
        return -1;
    suite_add(suite, &work, /* beside = */ false);
    return 0;
}

/* Each of a list, with what the other options change. */
static int add_list(const struct workload_options *o, const char *list, const struct work *like,
                    struct suite *suite, struct error **err)
{
    g_auto(GStrv) items = g_strsplit(list, ",", -1);
    /* What g_strsplit makes of an empty string is an empty list, which would measure nothing. */
    if (!*items)
        return named_workload("", err) ? 0 : error_prefix(err, "--workload");
    for (char **item = items; *item; item++) {
        struct work own = *like;
        const char *name = g_strstrip(*item);
        double weight;
        if (text_split_weight(*item, &weight, err) < 0)
            return error_prefix(err, "--workload");
        own.weight *= weight;
        if (add_workload(o, name, &own, suite, err) < 0)
            return -1;
    }
    return 0;
}

/* The list that the options name, or the mix: its parts are in the list of its own. A mix with
 * others beside it would have parts whose weights nobody could tell. */
static struct suite *named_suite(const struct workload_options *o, const char *unnamed,
                                 const struct work *like, struct error **err)
{
    const char *list = o->workload ? o->workload : options_change_workload(o) ? "dd" : unnamed;
    const struct named_mix *mix = named_mix(list);
    cleanup_suite struct suite *suite =
        suite_new(mix && !options_change_workload(o) ? mix->name : "");
    return add_list(o, mix ? mix->parts : list, like, suite, err) < 0 ? NULL : TAKE_PTR(suite);
}

static uint64_t share_of(uint64_t bytes, unsigned percent)
{
    return bytes / 100 * percent + bytes % 100 * percent / 100;
}

static void add_job(const struct fio_file *file, size_t i, uint64_t size_bytes, struct suite *suite)
{
    const struct fio_job *job = &file->jobs[i];
    uint64_t span = job->size_bytes ? job->size_bytes : size_bytes;
    struct work work = work_within(span, job->runtime_ns);
    work.workload = job->workload;
    work.bounds.bytes = job->io_percent ? share_of(span, job->io_percent)
                        : job->io_bytes ? job->io_bytes
                                        : span;
    work.bounds.ramp_ns = job->ramp_ns;
    work.bounds.time_based = job->time_based && job->runtime_ns;
    suite_add(suite, &work, /* beside = */ i && job->group == file->jobs[i - 1].group);
}

static struct suite *fio_suite(const struct workload_options *o, uint64_t size_bytes,
                               uint64_t runtime_ns, GPtrArray *notes, struct error **err)
{
    if (o->workload || options_change_workload(o) || runtime_ns) {
        error_set(err, "--fio brings its own work: no --workload, --rw, --block, --depth, --jobs, "
                       "--zeros or --runtime");
        return NULL;
    }
    cleanup_fio struct fio_file *file = fio_read(o->fio, err);
    if (!file)
        return NULL;
    if (file->count > SUITE_WORKS_MAX) {
        error_set(err, "%s: more than %d jobs", o->fio, SUITE_WORKS_MAX);
        return NULL;
    }
    struct suite *suite = suite_new("");
    for (size_t i = 0; i < file->count; i++)
        add_job(file, i, size_bytes, suite);
    for (size_t i = 0; i < file->note_count; i++)
        g_ptr_array_add(notes, g_strdup(file->notes[i]));
    return suite;
}

static int check_works(const struct workload_options *o, const struct suite *suite,
                       struct error **err)
{
    for (unsigned i = 0; i < suite->count; i++) {
        const struct work *w = &suite->works[i];
        if (w->span_bytes < w->workload.block_bytes)
            return error_set(err, "--size: smaller than one request");
        if (options_check_fresh(o, &w->workload, err) < 0)
            return -1;
    }
    return 0;
}

struct suite *options_suite(const struct workload_options *o, const char *unnamed,
                            uint64_t size_bytes, uint64_t runtime_ns, GPtrArray *notes,
                            struct error **err)
{
    const struct work like = work_within(size_bytes, runtime_ns);
    cleanup_suite struct suite *suite = o->fio ? fio_suite(o, size_bytes, runtime_ns, notes, err)
                                               : named_suite(o, unnamed, &like, err);
    return suite && check_works(o, suite, err) == 0 ? TAKE_PTR(suite) : NULL;
}

int options_fit_suite(const struct workload_options *o, struct suite *suite, uint64_t size_bytes,
                      GPtrArray *notes, struct error **err)
{
    char size[32];
    bool cut = false;
    if (sites_check_memory(suite, err) < 0)
        return -1;
    for (unsigned i = 0; i < suite->count; i++) {
        struct work *w = &suite->works[i];
        if (size_bytes / 16 < w->workload.block_bytes)
            return error_set(err, "--size: has to be at least 4M and 16 requests");
        cut |= w->span_bytes > size_bytes;
        w->span_bytes = MIN(w->span_bytes, size_bytes);
    }
    if (cut)
        g_ptr_array_add(notes, g_strdup_printf("work is on the %s of the scratch images (--size)",
                                               text_format_size(size_bytes, size, sizeof(size))));
    if (o->fio)
        g_ptr_array_add(notes, g_strdup("what is measured are slices of work: run times and "
                                        "amounts are not the file's"));
    return 0;
}
