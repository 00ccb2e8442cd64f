/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * run.h - one whole piece of work from start to end, as dd or fio would time it.
 */
#pragma once

#include "measure/target.h"

struct run_result {
    uint64_t requests;
    uint64_t bytes;      /* moved by these */
    uint64_t elapsed_ns; /* from the first request to the last completion */
    uint64_t sync_ns;    /* the fsync after it; 0 when nothing was written */
    uint64_t written_bytes;
};

/* Moves `bytes` in requests of t's workload, then syncs what was written. Latencies are in
 * t->histogram. Stops with an error at a signal (base/interrupt.h). */
int run_whole(struct target *t, uint64_t bytes, struct run_result *ret, struct error **err);
