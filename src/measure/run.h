/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * run.h - one whole piece of work from start to end, as dd or fio would time it.
 */
#pragma once

#include "measure/crew.h"
#include "measure/suite.h"

struct run_result {
    uint64_t requests;
    uint64_t bytes;      /* moved by these */
    uint64_t all_bytes;  /* and by those that did not count */
    uint64_t elapsed_ns; /* from the first request to the last completion of any job */
    uint64_t sync_ns;    /* the fsync after it; 0 when nothing was written */
    uint64_t written_bytes;
    double spread; /* relative standard deviation of its speed in quarter seconds; NaN: too few */
    double trend;  /* speed in the last of these against the first, less one; NaN: too few */
};

/* A crew for works that are done at the same time, and its site on this file, opened as site_open
 * has it. The caller frees both, the site first. Errors: those of crew_new and site_open. */
struct site *run_open(const struct work *works, unsigned count, const char *path, bool once,
                      uint64_t seed, struct crew **ret_crew, struct error **err);

/* Does the `count` works that the site's crew was made for, at the same time, each within its
 * bounds and in whole requests, then syncs what was written. Latencies are in the site, which must
 * be a new one. First writes have no ramp. Stops with an error at a signal (base/interrupt.h), and
 * where one of the works did not come to a single request. */
int run_whole(struct site *s, const struct work *works, unsigned count, struct run_result *ret,
              struct error **err);
