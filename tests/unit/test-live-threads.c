/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-live-threads.c - what QEMU's threads did between two moments, on a host made of files.
 */
#undef NDEBUG
#include <assert.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/memory.h"
#include "explain/live_threads.h"
#include "tree.h"

static struct root *root;

static int set_up(void **state)
{
    if (scratch_set_up(state) < 0)
        return -1;
    root = root_open(scratch, NULL);
    return root ? 0 : -1;
}

static int tear_down(void **state)
{
    root_free(root);
    return scratch_tear_down(state);
}

/* Where libvirt has it. */
static char *cgroup_of(const char *name)
{
    const char *group = strncmp(name, "CPU ", 4) == 0  ? "vcpu0"
                        : strncmp(name, "IO ", 3) == 0 ? "iothread1"
                                                       : "emulator";
    return xasprintf("1:pids:/else\n0::/above/machine.slice/web.scope/libvirt/%s\n", group);
}

/* A thread of process 4711 that ran and waited for so long, last on this CPU. */
static void put_thread(int id, const char *name, uint64_t ran_ns, uint64_t waited_ns, int cpu,
                       const char *allowed)
{
    cleanup_free char *directory = xasprintf("proc/4711/task/%d", id);
    cleanup_free char *comm = xasprintf("%s/comm", directory);
    cleanup_free char *sched = xasprintf("%s/schedstat", directory);
    cleanup_free char *stat = xasprintf("%s/stat", directory);
    cleanup_free char *status = xasprintf("%s/status", directory);
    cleanup_free char *cgroup = xasprintf("%s/cgroup", directory);
    cleanup_free char *group_is = cgroup_of(name);
    cleanup_free char *times =
        xasprintf("%llu %llu 77\n", (unsigned long long)ran_ns, (unsigned long long)waited_ns);
    /* Fields 4 to 38 are 0. */
    g_autoptr(GString) fields = g_string_new(NULL);
    g_string_append_printf(fields, "%d (%s) S", id, name);
    for (int i = 4; i < 39; i++)
        g_string_append(fields, " 0");
    g_string_append_printf(fields, " %d 0 0\n", cpu);
    cleanup_free char *said =
        xasprintf("Name:\t%s\nCpus_allowed:\tf\nCpus_allowed_list:\t%s\n", name, allowed);
    const struct entry entries[] = {{comm, name},   {sched, times},     {stat, fields->str},
                                    {status, said}, {cgroup, group_is}, {NULL, NULL}};
    make_entries(scratch, entries);
}

/* The ticks of the whole process. */
static void put_process(unsigned user, unsigned system)
{
    cleanup_free char *stat =
        xasprintf("4711 (qemu (1) x) S 1 2 3 0 -1 4 5 6 7 8 %u %u 0 0 20 0\n", user, system);
    const struct entry entries[] = {{"proc/4711/stat", stat}, {NULL, NULL}};
    make_entries(scratch, entries);
}

static const struct live_thread_group *group(const GPtrArray *groups, const char *name)
{
    for (guint i = 0; i < groups->len; i++)
        if (strcmp(((const struct live_thread_group *)groups->pdata[i])->name, name) == 0)
            return groups->pdata[i];
    fail_msg("no group '%s'", name);
    return NULL;
}

static void test_groups(void **state)
{
    (void)state;
    const struct host_facts facts = {
        .nodes = (struct host_node[]){{0, (char *)"0-3"}, {1, (char *)"4-7"}}, .node_count = 2};
    put_process(100, 50);
    put_thread(4711, "qemu-system-x86", 1000, 0, 1, "0-7");
    put_thread(4712, "CPU 0/KVM", 5000, 10, 2, "0-3");
    put_thread(4713, "CPU 1/KVM", 6000, 10, 5, "4-7");
    put_thread(4714, "IO iothread1", 0, 0, 3, "3");
    put_thread(4715, "worker", 9000, 0, 0, "0-7");
    cleanup_live_threads struct live_threads *before = live_threads_read(root, 4711);
    assert_non_null(before);
    usleep(20000);
    put_thread(4711, "qemu-system-x86", 2001000, 0, 1, "0-7");
    put_thread(4712, "CPU 0/KVM", 3005000, 1000010, 2, "0-3");
    put_thread(4713, "CPU 1/KVM", 3006000, 10, 5, "4-7");
    put_thread(4714, "IO iothread1", 4000000, 0, 3, "3");
    /* Another that got its number; one that is new; one that is neither. */
    put_thread(4715, "worker", 5000, 0, 0, "0-7");
    put_thread(4716, "iou-wrk-4714", 5000, 0, 4, "0-7");
    put_thread(4717, "vnc_worker", 0, 0, 0, "0-7");
    cleanup_live_threads struct live_threads *after = live_threads_read(root, 4711);
    cleanup_live_report struct live_report *r = live_report_new("web");
    live_threads_compare(before, after, 1000, &facts, r->threads);
    static const char *const order[] = {"vCPUs", "main loop", "iothread 1", "workers", "others"};
    assert_int_equal(r->threads->len, ARRAY_SIZE(order));
    for (size_t i = 0; i < ARRAY_SIZE(order); i++)
        assert_string_equal(((struct live_thread_group *)r->threads->pdata[i])->name, order[i]);
    const struct live_thread_group *vcpus = group(r->threads, "vCPUs");
    const struct live_thread_group *main_loop = group(r->threads, "main loop");
    assert_int_equal(vcpus->threads, 2);
    assert_string_equal(vcpus->allowed, "0-7");
    assert_string_equal(vcpus->last_cpus, "2,5");
    assert_string_equal(vcpus->last_nodes, "0-1");
    assert_true(vcpus->waiting > 0);
    /* 6 ms against 2: whatever the interval was. */
    assert_true(fabs(vcpus->cpu / main_loop->cpu - 3) < 1e-9);
    assert_true(fabs(vcpus->us_per_request - vcpus->cpu * 1e6 / 1000) < 1e-6);
    assert_int_equal(group(r->threads, "workers")->threads, 2);
    assert_true(fabs(group(r->threads, "workers")->cpu / main_loop->cpu - 0.005) < 1e-9);
    assert_string_equal(group(r->threads, "iothread 1")->last_nodes, "0");
    static const struct {
        const char *group;
        double times; /* what the main loop took */
    } groups[] = {
        {"/", 6.005},
        {"/machine.slice/web.scope", 6.005},
        {"/machine.slice/web.scope/libvirt/emulator", 1.005},
        {"/machine.slice/web.scope/libvirt/vcpu0", 3},
        {"/machine.slice/web", NAN},
    };
    for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
        double times = live_threads_of_group(before, after, groups[i].group) / main_loop->cpu;
        if (isnan(times) != isnan(groups[i].times) || fabs(times - groups[i].times) > 1e-9)
            fail_msg("%s: %g times", groups[i].group, times);
    }
}

/* Two seconds that no living thread has. */
static void test_ended(void **state)
{
    (void)state;
    put_process(100, 50);
    cleanup_live_threads struct live_threads *before = live_threads_read(root, 4711);
    assert_non_null(before);
    usleep(1000);
    put_process(100 + (unsigned)sysconf(_SC_CLK_TCK), 50 + (unsigned)sysconf(_SC_CLK_TCK));
    cleanup_live_threads struct live_threads *after = live_threads_read(root, 4711);
    cleanup_live_report struct live_report *r = live_report_new("web");
    live_threads_compare(before, after, 0, NULL, r->threads);
    double cpu = live_threads_of_group(before, after, "/machine.slice");
    const struct live_thread_group *ended = group(r->threads, "those that ended");
    assert_true(ended->cpu > 0 && fabs(ended->cpu - cpu) < 1e-9);
    assert_true(isnan(ended->us_per_request));
    assert_null(ended->allowed);
    assert_null(ended->last_cpus);
    assert_null(group(r->threads, "vCPUs")->last_nodes);
}

static void test_none(void **state)
{
    (void)state;
    assert_null(live_threads_read(root, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_ended),
        cmocka_unit_test(test_none),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
