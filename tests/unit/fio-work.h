/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fio-work.h - works as the tests of job files write them, and how two are compared. After
 * cmocka.h.
 */
#pragma once

#include <stdint.h>

#include "measure/fio.h"

#define K 1024u
#define MIX(percent_) .rw = WORKLOAD_RANDRW, .read_percent = (percent_)
#define SPLIT(...)                                                                                 \
    .size_count = sizeof((struct block_share[]){__VA_ARGS__}) / sizeof(struct block_share),        \
    .sizes = {__VA_ARGS__}

static inline struct fio_file *parse(const char *text)
{
    cleanup_error struct error *err = NULL;
    struct fio_file *file = fio_parse(text, "F", &err);
    if (!file)
        fail_msg("%s\n: %s", text, err->message);
    assert_null(err);
    assert_true(file->count > 0);
    return file;
}

/* One work alone as a job file. The caller frees. */
static inline char *print_one(const struct workload *w, uint64_t size_bytes)
{
    struct work work = {.workload = *w, .span_bytes = size_bytes};
    const struct suite suite = {.count = 1, .works = &work};
    return fio_print(&suite);
}

static inline void check_sizes(const char *text, const struct workload *is,
                               const struct workload *wanted)
{
    if (is->size_count != wanted->size_count)
        fail_msg("%s\n: %u sizes", text, is->size_count);
    for (unsigned i = 0; i < is->size_count; i++) {
        assert_int_equal(is->sizes[i].bytes, wanted->sizes[i].bytes);
        assert_int_equal(is->sizes[i].percent, wanted->sizes[i].percent);
    }
}

#define SAME(field)                                                                                \
    if (is->field != wanted->field)                                                                \
    fail_msg("%s\n: its " #field " is %g, not %g", text, (double)is->field, (double)wanted->field)

static inline void check_work(const char *text, const struct workload *is,
                              const struct workload *wanted)
{
    SAME(rw);
    SAME(read_percent);
    SAME(block_bytes);
    SAME(depth);
    SAME(jobs);
    SAME(zipf);
    SAME(rate_iops);
    SAME(sync_every);
    SAME(datasync);
    SAME(zeros);
    check_sizes(text, is, wanted);
}

/* What is 0 but cannot be is fio's default. */
static inline struct workload with_defaults(struct workload w)
{
    w.block_bytes = w.block_bytes ? w.block_bytes : 4 * K;
    w.depth = w.depth ? w.depth : 1;
    w.jobs = w.jobs ? w.jobs : 1;
    return w;
}
