/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * live_threads.h - where the CPU time of a QEMU process goes: vCPUs, main loop, iothreads, workers.
 */
#pragma once

#include "explain/live.h"
#include "host/facts.h"
#include "host/root.h"

/* The threads of a process at a moment. */
struct live_threads;

/* NULL where there is no such process, or its threads may not be looked at. The caller frees. */
struct live_threads *live_threads_read(const struct root *r, pid_t pid);
void live_threads_free(struct live_threads *t);
CLEANUP_PTR(cleanup_live_threads_handler, struct live_threads, live_threads_free)
#define cleanup_live_threads at_scope_end(cleanup_live_threads_handler)

/* Appends what the kinds of threads did between two moments (struct live_thread_group *), in the
 * order of their roles, with so many requests in a second. `facts` may be NULL. Returns the seconds
 * of CPU time that the whole process took in each, threads that have ended included. */
double live_threads_compare(const struct live_threads *before, const struct live_threads *after,
                            double requests_per_second, const struct host_facts *facts,
                            GPtrArray *out);
