/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * engine.h - the ways in which requests reach the kernel.
 */
#pragma once

#include "measure/target.h"

struct engine {
    const char *name;

    /* Sets up t->engine_state for t->workload. May be NULL. */
    int (*open)(struct target *t, struct error **err);

    /* One slice (target.h). Must leave nothing in flight, also after an error, and must do no
     * system call and no allocation per request but the I/O itself. */
    int (*run)(struct target *t, const struct budget *budget, struct slice *ret,
               struct error **err);

    /* Undoes open; called once, also after a failed run. May be NULL. */
    void (*close)(struct target *t);
};

extern const struct engine engine_sync;  /* pread and pwrite: queue depth 1 */
extern const struct engine engine_uring; /* io_uring: any queue depth */

/* Counts the latency of a request. */
static inline void engine_count(struct target *t, uint64_t ns)
{
    histogram_add(&t->histogram, ns);
    if (t->sample_left)
        t->sample[--t->sample_left] = ns;
}

/* A request failed with `errnum` (0: it was cut short): the error that says so. Returns -1. */
int engine_request_failed(const struct target *t, const struct request *request, int errnum,
                          struct error **err);
