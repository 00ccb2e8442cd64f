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
 * order of their roles, with so many requests in a second. `facts` may be NULL. */
void live_threads_compare(const struct live_threads *before, const struct live_threads *after,
                          double requests_per_second, const struct host_facts *facts,
                          GPtrArray *out);

/* CPU seconds in a second of those in this control group, as a path below where its hierarchy is
 * mounted ("/machine.slice/…/emulator"), and in groups below it. libvirt has groups of their own
 * for vCPUs, iothreads and all others. Threads that have ended are included where all are in it.
 * NaN: there are none, or that is not known. */
double live_threads_of_group(const struct live_threads *before, const struct live_threads *after,
                             const char *group);
