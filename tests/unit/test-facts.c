/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-facts.c - what a host is set to, from files as a kernel and libvirt write them and from
 * none.
 */
#undef NDEBUG
#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "host/facts.h"
#include "tree.h"

#define CAPABILITIES "var/cache/libvirt/qemu/capabilities/"
#define X86 "/usr/bin/qemu-system-x86_64"
#define ARM "/usr/bin/qemu-system-aarch64"

static const struct entry host[] = {
    {"proc/sys/kernel/osrelease", "6.1.0-28-amd64\n"},
    {"sys/devices/system/cpu/online", "0-3,5,8-9\n"},
    {"sys/devices/system/node/online", "0,2-3\n"},
    {"sys/devices/system/node/node0/cpulist", "0-3\n"},
    {"sys/devices/system/node/node1/cpulist", "4\n"},
    {"sys/devices/system/node/node2/cpulist", "\n"},
    {"sys/devices/system/node/node3/cpulist", "5,8-9\n"},
    {"proc/meminfo", "MemTotal:       16384256 kB\nMemFree:          123456 kB\n"},
    {"proc/sys/fs/aio-nr", "1024\n"},
    {"proc/sys/fs/aio-max-nr", "65536\n"},
    {"proc/sys/kernel/io_uring_disabled", "1\n"},
    {"proc/sys/kernel/io_uring_group", "-1\n"},
    {"proc/sys/vm/dirty_ratio", "20\n"},
    {"proc/sys/vm/dirty_bytes", "0\n"},
    {"proc/sys/vm/dirty_background_ratio", "10\n"},
    {"proc/sys/vm/dirty_background_bytes", "16777216\n"},
    {"proc/sys/vm/swappiness", "60\n"},
    {"sys/module/kvm/parameters/halt_poll_ns", "200000\n"},
    {"sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave\n"},
    {"sys/devices/system/cpu/cpu0/cpufreq/scaling_driver", "intel_pstate\n"},
    {"sys/devices/system/cpu/cpu0/cpufreq/energy_performance_preference", "balance_power\n"},
    {"sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n"},
    {"sys/kernel/mm/ksm/run", "0\n"},
    {CAPABILITIES "1a.xml", "<!-- WARNING: made by libvirt -->\n"
                            "<qemuCaps>\n  <emulator>" X86 "</emulator>\n  <usedQMP/>\n"
                            "  <flag name='kvm'/>\n  <flag name='aio.io_uring'/>\n</qemuCaps>\n"},
    {CAPABILITIES "2b.xml", "<qemuCaps>\n  <emulator>" ARM "</emulator>\n"
                            "  <flag name='kvm'/>\n  <flag name='arm'/>\n</qemuCaps>"},
    {CAPABILITIES "3c.xml", "<qemuCaps>\n  <emulator>/opt/a&amp;b/qemu</emulator>\n"
                            "  <flag name='kvm'/>\n"},
    {CAPABILITIES "4d.xml.new", "<qemuCaps>\n  <flag name='unfinished'/>\n</qemuCaps>\n"},
    {NULL, NULL},
};

static struct host_facts *facts_below(const char *name, const struct entry *entries)
{
    cleanup_free char *directory = scratch_path(name);
    assert_int_equal(file_make_directories(directory, NULL), 0);
    make_entries(directory, entries);
    cleanup_root struct root *r = root_open(directory, NULL);
    assert_non_null(r);
    return host_facts_read(r);
}

static void test_a_host(void **state)
{
    (void)state;
    cleanup_host_facts struct host_facts *f = facts_below("host", host);
    assert_int_equal(f->kernel, 6001);
    assert_int_equal(f->cpus, 7);
    assert_string_equal(f->online, "0-3,5,8-9");
    /* Neither one that is offline nor one of memory alone. */
    assert_int_equal(f->node_count, 2);
    assert_int_equal(f->nodes[0].id, 0);
    assert_string_equal(f->nodes[0].cpus, "0-3");
    assert_int_equal(f->nodes[1].id, 3);
    assert_string_equal(f->nodes[1].cpus, "5,8-9");
    assert_true(f->memory_bytes == UINT64_C(16384256) * 1024);
    assert_true(f->aio_used == 1024 && f->aio_max == 65536);
    assert_true(f->io_uring_disabled == 1 && f->io_uring_group == -1);
    assert_true(f->dirty_ratio == 20 && f->dirty_bytes == 0 && f->dirty_background_ratio == 10 &&
                f->dirty_background_bytes == 16777216);
    assert_true(f->swappiness == 60 && f->halt_poll_ns == 200000 && f->ksm == 0);
    assert_string_equal(f->governor, "powersave");
    assert_string_equal(f->governor_driver, "intel_pstate");
    assert_string_equal(f->energy_preference, "balance_power");
    assert_string_equal(f->transparent_hugepages, "madvise");
}

static void test_flags(void **state)
{
    (void)state;
    static const struct {
        const char *emulator, *flag;
        int wanted;
    } rows[] = {
        {X86, "aio.io_uring", 1},
        {X86, "kvm", 1},
        {X86, "aio.io", 0},
        {X86, "arm", 0},
        {ARM, "arm", 1},
        {ARM, "aio.io_uring", 0},
        {"/usr/bin/qemu", "kvm", -1},
        {"/opt/a&b/qemu", "kvm", 1},
        {"/opt/a&b/qemu", "arm", 0},
        {NULL, "aio.io_uring", 1},
        {NULL, "arm", 1},
        {NULL, "unfinished", 0},
        {X86, "kvm'/>\n  <flag name='aio.io_uring", 0},
    };
    cleanup_host_facts struct host_facts *f = facts_below("flags", host);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (host_facts_qemu_flag(f, rows[i].emulator, rows[i].flag) != rows[i].wanted)
            fail_msg("%s of %s", rows[i].flag, rows[i].emulator ? rows[i].emulator : "any");
}

static void test_nothing_is_known(void **state)
{
    (void)state;
    static const struct entry none[] = {{NULL, NULL}};
    static const struct entry odd[] = {
        {"proc/sys/kernel/osrelease", "six\n"},
        {"sys/devices/system/cpu/online", "3-0\n"},
        {"proc/meminfo", "MemFree: 1 kB\n"},
        {"proc/sys/fs/aio-nr", "\n"},
        {"sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "\n"},
        {CAPABILITIES "1.xml", ""},
        {CAPABILITIES "2.xml/", NULL},
        {NULL, NULL},
    };
    static const struct entry *const hosts[] = {none, odd};
    static const char *const names[] = {"none", "odd"};
    for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
        cleanup_host_facts struct host_facts *f = facts_below(names[i], hosts[i]);
        assert_true(!f->kernel && !f->cpus && !f->memory_bytes);
        assert_true(f->aio_used == -1 && f->aio_max == -1 && f->io_uring_disabled == -1 &&
                    f->io_uring_group == -1 && f->dirty_ratio == -1 && f->dirty_bytes == -1 &&
                    f->dirty_background_ratio == -1 && f->dirty_background_bytes == -1 &&
                    f->swappiness == -1 && f->halt_poll_ns == -1 && f->ksm == -1);
        assert_true(!f->governor && !f->governor_driver && !f->energy_preference);
        assert_null(f->transparent_hugepages);
        assert_null(f->qemu_capabilities);
        assert_int_equal(host_facts_qemu_flag(f, NULL, "kvm"), -1);
        assert_int_equal(host_facts_qemu_flag(f, X86, "kvm"), -1);
    }
}

static void test_lists_of_cpus(void **state)
{
    (void)state;
    static const struct {
        const char *list;
        unsigned wanted;
    } rows[] = {
        {"0\n", 1}, {"0-63\n", 64}, {"0,2,4,6\n", 4}, {"\n", 0}, {"0,\n", 0}, {"0-1,x\n", 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct entry entries[] = {{"sys/devices/system/cpu/online", rows[i].list},
                                        {NULL, NULL}};
        cleanup_host_facts struct host_facts *f = facts_below("cpus", entries);
        assert_int_equal(f->cpus, rows[i].wanted);
    }
}

static void test_this_machine(void **state)
{
    (void)state;
    cleanup_root struct root *r = root_open(NULL, NULL);
    cleanup_host_facts struct host_facts *f = host_facts_read(r);
    assert_true(f->kernel >= 5006 && f->kernel < 100000);
    assert_int_equal(f->cpus, sysconf(_SC_NPROCESSORS_ONLN));
    assert_true(f->memory_bytes >= (uint64_t)sysconf(_SC_PHYS_PAGES) * 4096 / 2);
    assert_true(f->swappiness >= 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_host),           cmocka_unit_test(test_flags),
        cmocka_unit_test(test_nothing_is_known), cmocka_unit_test(test_lists_of_cpus),
        cmocka_unit_test(test_this_machine),
    };
    return cmocka_run_group_tests_name("facts", tests, scratch_set_up, scratch_tear_down);
}
