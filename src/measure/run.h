/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * run.h - one whole piece of work from start to end, as dd or fio would time it.
 */
#pragma once

#include "measure/crew.h"

/* Where a run ends: when this many bytes were moved by each job, or the time is up. */
struct run_bounds {
    uint64_t bytes;
    uint64_t duration_ns; /* 0: no bound */
    uint64_t ramp_ns;     /* work at the beginning that does not count */
    bool time_based;      /* goes on for all of duration_ns, whatever was moved */
};

/* A piece of work: what, on how much of a disk, and for how long. */
struct work {
    struct workload workload;
    uint64_t span_bytes;
    unsigned group; /* works of one group are done at the same time, groups one after another */
    struct run_bounds bounds;
};

struct run_result {
    uint64_t requests;
    uint64_t bytes;      /* moved by these */
    uint64_t all_bytes;  /* and by those that did not count */
    uint64_t elapsed_ns; /* from the first request to the last completion */
    uint64_t sync_ns;    /* the fsync after it; 0 when nothing was written */
    uint64_t written_bytes;
    double spread; /* relative standard deviation of the speed of its parts; NaN: too few */
    double trend;  /* speed of the last part against the first, less one; NaN: too few */
};

/* Does the `count` works that the site's crew was made for, at the same time, each within its bounds
 * and in whole requests, then syncs what was written. Latencies are in the site, which must be a new
 * one. Stops with an error at a signal (base/interrupt.h). */
int run_whole(struct site *s, const struct work *works, unsigned count, struct run_result *ret,
              struct error **err);
