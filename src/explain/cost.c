/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "explain/cost.h"

#include "base/clock.h"
#include "explain/live_threads.h"
#include "tune/slices.h"

/* The kernel's own count of a thread's time is exact to far less than this; what QEMU does now and
 * then is to be in it. */
#define SLICE_NS NS_PER_SECOND

GPtrArray *cost_measure(struct stage *stage, struct error **err)
{
    g_autoptr(GPtrArray) groups = live_thread_groups_new();
    cleanup_root struct root *root = root_open(NULL, err);
    cleanup_host_facts struct host_facts *facts = root ? host_facts_read(root) : NULL;
    const struct budget budget = {.duration_ns = SLICE_NS, .max_requests = UINT64_MAX};
    const size_t disk = stage->host_lanes;
    struct slice slice;
    if (!root)
        return NULL;
    stage_tell(stage, "reading CPU times", 0, 0);
    cleanup_live_threads struct live_threads *before = live_threads_read(root, stage->probe->pid);
    uint64_t begin_ns = clock_now_ns();
    if (slices_in_guest(stage, &disk, 1, 0, &budget, &slice, err) < 0)
        return NULL;
    double seconds = (double)(clock_now_ns() - begin_ns) / 1e9;
    cleanup_live_threads struct live_threads *after = live_threads_read(root, stage->probe->pid);
    if (before && after)
        live_threads_compare(before, after, (double)slice.issued / seconds, facts, groups);
    return g_steal_pointer(&groups);
}
