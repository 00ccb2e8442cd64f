/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * engine.h - the ways in which requests reach the kernel.
 */
#pragma once

#include "base/interrupt.h"
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

/* Sets the pace and, of a whole run, the first mark. */
static inline void engine_start(struct target *t, const struct budget *budget, uint64_t now)
{
    if (!budget->resume)
        t->pace = pace_start(&t->workload, now);
    if (budget->stop)
        marks_start(&t->marks, now, pace_due_share(&t->pace, now));
}

/* Whether a whole run is to end before its time. */
static inline bool engine_is_stopped(const struct budget *budget)
{
    return budget->stop &&
           (atomic_load_explicit(budget->stop, memory_order_relaxed) || interrupt_check(NULL) < 0);
}

/* When the time of a whole run is over. */
static inline uint64_t engine_end(const struct budget *budget, uint64_t start)
{
    bool bound = budget->stop && budget->duration_ns < UINT64_MAX - start;
    return bound ? start + budget->duration_ns : UINT64_MAX;
}

/* Until when to wait for a request that is due `due`, in a whole run that ends at `end`: signals
 * are looked at meanwhile. */
static inline uint64_t engine_wait_until(const struct budget *budget, uint64_t due, uint64_t end,
                                         uint64_t now)
{
    uint64_t until = due < end ? due : end;
    return budget->stop && until > now + MARK_NS ? now + MARK_NS : until;
}

/* A request failed with `errnum` (0: it was cut short): the error that says so. Returns -1. */
int engine_request_failed(const struct target *t, const struct request *request, int errnum,
                          struct error **err);
