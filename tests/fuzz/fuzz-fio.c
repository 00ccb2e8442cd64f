/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz-fio.c - a job file is refused, or is work that can be done, within the limits of a file, and
 * the same work when it is printed and read again.
 */
#undef NDEBUG
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/memory.h"
#include "measure/fio.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_same(const struct workload *a, const struct workload *b)
{
    assert(a->rw == b->rw && a->read_percent == b->read_percent);
    assert(a->block_bytes == b->block_bytes && a->size_count == b->size_count);
    for (unsigned i = 0; i < a->size_count; i++) {
        assert(a->sizes[i].bytes == b->sizes[i].bytes);
        assert(a->sizes[i].percent == b->sizes[i].percent);
    }
    assert(a->depth == b->depth && a->jobs == b->jobs);
    assert(a->zipf <= b->zipf && a->zipf >= b->zipf);
    assert(a->rate_iops == b->rate_iops && a->sync_every == b->sync_every);
    assert(a->datasync == b->datasync && a->zeros == b->zeros);
    assert(strcmp(a->name, b->name) == 0);
}

static void check_job(const struct fio_job *job)
{
    assert(workload_check(&job->workload, NULL) == 0);
    assert(job->line > 0 && job->name && *job->name);
    json_t *json = workload_to_json(&job->workload);
    assert(json);
    json_decref(json);
    struct work work = {.workload = job->workload, .span_bytes = job->size_bytes};
    const struct suite suite = {.count = 1, .works = &work};
    cleanup_free char *text = fio_print(&suite);
    cleanup_error struct error *err = NULL;
    cleanup_fio struct fio_file *again = fio_parse(text, "again", &err);
    assert(again && again->count == 1);
    assert(again->jobs[0].size_bytes == job->size_bytes);
    check_same(&job->workload, &again->jobs[0].workload);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cleanup_free char *text = xcalloc(size + 1, 1);
    memcpy(text, data, size);
    cleanup_error struct error *err = NULL;
    cleanup_fio struct fio_file *file = fio_parse(text, "input", &err);
    assert(!file == !!err);
    if (!file)
        return 0;
    assert(file->count > 0 && file->count <= FIO_JOBS_MAX);
    for (size_t i = 0; i < file->count; i++) {
        check_job(&file->jobs[i]);
        assert(file->jobs[i].group <= i);
        assert(i == 0 || file->jobs[i].group >= file->jobs[i - 1].group);
        assert(i == 0 || file->jobs[i].line > file->jobs[i - 1].line);
    }
    for (size_t i = 0; i < file->note_count; i++)
        assert(strncmp(file->notes[i], "input:", strlen("input:")) == 0);
    return 0;
}
