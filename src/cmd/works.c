/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * works.c - the pieces of work that a verb's options name: workloads by name, or a fio job file.
 */
#include "cmd/cmd.h"

#include <string.h>

#include "base/memory.h"
#include "measure/fio.h"
#include "measure/named.h"

/* Of one workload: all of the file once, or for the time given. */
static struct work work_of(const struct workload *w, uint64_t size_bytes, uint64_t runtime_ns)
{
    return (struct work){
        .workload = *w,
        .span_bytes = size_bytes,
        .bounds = {.bytes = size_bytes, .duration_ns = runtime_ns, .time_based = runtime_ns > 0},
    };
}

/* Each of a comma list, with what the other options change. */
static int add_named(const struct workload_options *o, uint64_t size_bytes, uint64_t runtime_ns,
                     GArray *works, struct error **err)
{
    g_auto(GStrv) names = g_strsplit(o->workload ? o->workload : "dd", ",", -1);
    /* What g_strsplit makes of an empty string is an empty list, which would measure nothing. */
    if (!*names)
        return named_workload("", err) ? 0 : error_prefix(err, "--workload");
    for (char **name = names; *name; name++) {
        struct workload_options one = *o;
        struct workload w;
        one.workload = g_strstrip(*name);
        if (options_workload(&one, &w, err) < 0)
            return -1;
        struct work work = work_of(&w, size_bytes, runtime_ns);
        work.group = works->len;
        g_array_append_val(works, work);
    }
    return 0;
}

static void add_job(const struct fio_file *file, size_t i, uint64_t size_bytes, GArray *works)
{
    const struct fio_job *job = &file->jobs[i];
    uint64_t span = job->size_bytes ? job->size_bytes : size_bytes;
    struct work work = work_of(&job->workload, span, job->runtime_ns);
    work.bounds.bytes = job->io_bytes ? job->io_bytes : span;
    work.bounds.ramp_ns = job->ramp_ns;
    work.bounds.time_based = job->time_based && job->runtime_ns;
    work.group = job->group;
    g_array_append_val(works, work);
}

static int add_fio(const char *path, uint64_t size_bytes, GArray *works, GPtrArray *notes,
                   struct error **err)
{
    cleanup_fio struct fio_file *file = fio_read(path, err);
    if (!file)
        return -1;
    for (size_t i = 0; i < file->count; i++)
        add_job(file, i, size_bytes, works);
    for (size_t i = 0; i < file->note_count; i++)
        g_ptr_array_add(notes, g_strdup(file->notes[i]));
    return 0;
}

static int check_work(const struct work *w, bool fresh, struct error **err)
{
    if (w->span_bytes < w->workload.block_bytes)
        return error_set(err, "--size: smaller than one request");
    if (fresh && !workload_writes(&w->workload))
        return error_set(err, "--fresh is about writes, and this work only reads");
    return 0;
}

GArray *options_works(const struct workload_options *o, uint64_t size_bytes, uint64_t runtime_ns,
                      GPtrArray *notes, struct error **err)
{
    g_autoptr(GArray) works = g_array_new(FALSE, FALSE, sizeof(struct work));
    bool alone = !o->workload && !o->rw && !o->block && !o->depth && !o->jobs && !o->read_percent;
    if (o->fio && !alone) {
        error_set(err, "--fio brings its own work: no --workload, --rw, --block, --depth or --jobs");
        return NULL;
    }
    int r = o->fio ? add_fio(o->fio, size_bytes, works, notes, err)
                   : add_named(o, size_bytes, runtime_ns, works, err);
    for (guint i = 0; r == 0 && i < works->len; i++)
        r = check_work(&g_array_index(works, struct work, i), o->fresh, err);
    return r < 0 ? NULL : g_steal_pointer(&works);
}
