/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * crew.h - the jobs of one workload or several: threads that work on one disk at the same time.
 *
 * A crew is one thread for each job, the caller's own being the first, with its buffers. A site is
 * a disk or file that it works on: opened once for each job, since each has its own pattern and,
 * above queue depth 1, its own ring. A crew is on one site at a time, so its buffers serve all of
 * them. Work with a single job starts no thread.
 *
 * Most crews do one workload. Where they do several, arrays have a member for each.
 */
#pragma once

#include "measure/target.h"

struct crew;

/* Starts the threads for `count` workloads. The caller frees, after all sites. An error where no
 * thread can be had, or more than 256 MiB would be in flight. */
struct crew *crew_new(const struct workload *workloads, unsigned count, uint64_t seed,
                      struct error **err);
void crew_free(struct crew *c);
CLEANUP_PTR(cleanup_crew_handler, struct crew, crew_free)
#define cleanup_crew at_scope_end(cleanup_crew_handler)

struct site {
    struct crew *crew; /* not owned */
    unsigned jobs;
    struct target *targets[];
};

/* As target_open, for every job; each job works on the whole span of its workload, from its start
 * where it is sequential, as fio's numjobs do. An error besides those: first writes (`once`) of
 * several jobs, which would write the same blocks. The caller frees. */
struct site *site_open(struct crew *c, const char *path, const uint64_t *span_bytes, bool once,
                       uint64_t seed, struct error **err);
void site_free(struct site *s);
CLEANUP_PTR(cleanup_site_handler, struct site, site_free)
#define cleanup_site at_scope_end(cleanup_site_handler)

/* One slice of every job at the same time, each within the budget of its workload. For each
 * workload requests and bytes in `ret` are those of all its jobs, and elapsed_ns is the time in
 * which they would do as many at the sum of their rates, or in a whole run that of the job that
 * took longest. The error is that of the first job that has one. */
int site_run(struct site *s, const struct budget *budgets, struct slice *ret, struct error **err);

/* How steady the whole run was that a workload's jobs did last, as marks_steadiness has it. */
void site_steadiness(const struct site *s, unsigned workload, double *ret_spread,
                     double *ret_trend);

/* Forgets all latencies. */
void site_clear_latencies(struct site *s);

/* Adds the latencies of the requests, or of the syncs, of all jobs of a workload to *into. */
void site_add_latencies(const struct site *s, unsigned workload, struct histogram *into);
void site_add_syncs(const struct site *s, unsigned workload, struct histogram *into);
