/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-space.c - the candidates of a space are all combinations of what is varied, once each; what
 * is fixed all of them have; what a rule is against has its reason; and nothing in it loses data.
 */
#undef NDEBUG
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "tune/space.h"

#define GIB (UINT64_C(1) << 30)

/* Everything is to be had. */
static const struct candidate_facts plenty = {
    .io_uring_allowed = true, .aio_contexts_left = true, .versions = {10000000, 11002000}};

static struct space everything(void)
{
    struct space s = space_new();
    assert_int_equal(
        space_vary(&s,
                   "image,cluster,extended_l2,l2_cache,bus,io,cache,iothread,poll,queues,discard,"
                   "detect_zeroes",
                   NULL),
        0);
    s.allow_host_cache = s.allow_bus_change = true;
    return s;
}

static const struct candidate *at(GPtrArray *all, unsigned i)
{
    return all->pdata[i];
}

static void check_ids(struct space *s, const char *wanted)
{
    g_autoptr(GPtrArray) all = space_candidates(s, &plenty);
    g_autoptr(GString) ids = g_string_new(NULL);
    for (unsigned i = 0; i < all->len; i++)
        g_string_append_printf(ids, "%s%s", i ? " " : "", at(all, i)->id);
    assert_string_equal(ids->str, wanted);
}

static void test_ids(void **state)
{
    (void)state;
    struct space s = space_new();
    assert_int_equal(space_vary(&s, "l2_cache", NULL), 0);
    check_ids(&s, "qcow2-threads qcow2-l2full-threads");
    assert_int_equal(space_vary(&s, "bus", NULL), 0);
    check_ids(&s, "qcow2-threads qcow2-scsi-threads");
    assert_int_equal(space_vary(&s, "iothread,queues", NULL), 0);
    check_ids(&s, "qcow2-threads qcow2-threads-iothread qcow2-threads-perqueue "
                  "qcow2-threads-1queue qcow2-threads-iothread-1queue "
                  "qcow2-threads-perqueue-1queue");
    assert_int_equal(space_vary(&s, "poll", NULL), 0);
    assert_int_equal(space_fix(&s, "iothread=yes", NULL), 0);
    check_ids(&s, "qcow2-threads-iothread qcow2-threads-iothread-nopoll "
                  "qcow2-threads-iothread-poll200us");
    assert_int_equal(space_vary(&s, "iothread", NULL), 0);
    check_ids(&s, "qcow2-threads qcow2-threads-iothread qcow2-threads-perqueue");
    assert_int_equal(space_vary(&s, "image, io", NULL), 0);
    assert_int_equal(space_fix(&s, "io=native,iothread=yes", NULL), 0);
    check_ids(&s, "qcow2-native-iothread qcow2-prealloc-native-iothread raw-native-iothread "
                  "qcow2-meta-native-iothread");
    /* raw has no clusters. */
    assert_int_equal(space_vary(&s, "image,extended_l2", NULL), 0);
    assert_int_equal(space_fix(&s, "cluster=128k", NULL), 0);
    check_ids(&s, "qcow2-128k-threads qcow2-128k-extended_l2-threads qcow2-prealloc-128k-threads "
                  "qcow2-prealloc-128k-extended_l2-threads qcow2-meta-128k-threads "
                  "qcow2-meta-128k-extended_l2-threads");
    assert_int_equal(space_vary(&s, "queues", NULL), 0);
    assert_int_equal(
        space_fix(&s, "cache=directsync,discard=unmap,detect_zeroes=on,image=raw", NULL), 0);
    check_ids(&s, "raw-threads-directsync-discard-detect_zeroes "
                  "raw-threads-directsync-1queue-discard-detect_zeroes");
}

/* 3 io, 4 cache modes, 3 polling times, 3 of iothread, and 2 of bus, queues, discard and zeroes
 * each, for raw; for each of three qcow2, six cluster sizes, extended L2 entries and two sizes of
 * their cache besides. */
static void test_everything(void **state)
{
    (void)state;
    struct space s = everything();
    g_autoptr(GPtrArray) all = space_candidates(&s, &plenty);
    g_autoptr(GHashTable) ids = g_hash_table_new(g_str_hash, g_str_equal);
    assert_int_equal(all->len, 3 * 4 * 3 * 3 * 16 * (1 + 3 * 6 * 2 * 2));
    for (unsigned i = 0; i < all->len; i++) {
        const struct candidate *c = at(all, i);
        if (!g_hash_table_add(ids, c->id))
            fail_msg("%s comes twice", c->id);
        assert_string_not_equal(c->config.cache, "unsafe");
        bool native = strcmp(c->config.io, "native") == 0;
        if (c->config.poll_max_ns && !c->config.iothread)
            assert_non_null(c->left_out);
        if (native && !disk_config_is_direct(&c->config))
            assert_non_null(c->left_out);
    }
}

static const struct {
    const char *fix, *why;
    bool allow_host_cache, concurrent;
    unsigned vcpus;
    uint64_t disk_bytes;
    bool allow_bus_change;
} rules[] = {
    {"cache=writeback", "--allow-host-cache", false, true, 2},
    {"cache=writethrough", "--allow-host-cache", false, true, 2},
    {"cache=writeback", NULL, true, true, 2},
    {"cache=directsync", NULL, false, true, 2},
    {"cache=writeback,io=native", "libvirt refuses it", true, true, 2},
    {"bus=scsi", "--allow-bus-change", false, true, 2},
    {"bus=scsi", NULL, false, true, 2, .allow_bus_change = true},
    {"poll=off", "only an iothread", false, true, 2},
    {"poll=default", NULL, false, true, 2},
    {"poll=200us,iothread=yes", NULL, false, true, 2},
    {"iothread=perqueue", NULL, false, true, 2},
    {"iothread=perqueue,poll=off", NULL, false, true, 2},
    {"iothread=perqueue,bus=scsi", NULL, false, true, 2, .allow_bus_change = true},
    {"iothread=perqueue", "one queue", false, true, 1},
    {"iothread=perqueue", "one request in flight", false, false, 2},
    {"queues=1", NULL, false, true, 2},
    {"queues=1", "one vCPU", false, true, 1},
    {"queues=1", "one request in flight", false, false, 2},
    {"queues=vcpus", NULL, false, false, 1},
    {"io=native", "grows", false, true, 2},
    {"io=native,image=qcow2-meta", "grows", false, true, 2},
    {"io=threads,image=qcow2-meta", NULL, false, true, 2},
    {"io=native,image=raw", NULL, false, true, 2},
    {"l2_cache=full", "covers 256 GiB of such an image unasked, and this one has 256 GiB", false,
     true, 2, 256 * GIB},
    {"l2_cache=full", NULL, false, true, 2, 256 * GIB + 1},
    {"l2_cache=full,extended_l2=yes", NULL, false, true, 2, 256 * GIB},
    {"l2_cache=full,cluster=2m", "covers 8 TiB", false, true, 2, 256 * GIB + 1},
};

static void test_rules(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
        struct space s = space_new();
        space_vary(&s, "discard", NULL);
        assert_int_equal(space_fix(&s, rules[i].fix, NULL), 0);
        assert_int_equal(space_fix(&s, "discard=ignore", NULL), 0);
        s.allow_host_cache = rules[i].allow_host_cache;
        s.allow_bus_change = rules[i].allow_bus_change;
        s.concurrent = rules[i].concurrent;
        s.vcpus = rules[i].vcpus;
        s.disk_bytes = rules[i].disk_bytes;
        g_autoptr(GPtrArray) all = space_candidates(&s, &plenty);
        assert_int_equal(all->len, 1);
        const char *why = at(all, 0)->left_out;
        if (rules[i].why ? !why || !strstr(why, rules[i].why) : why != NULL)
            fail_msg("%s: %s", rules[i].fix, why ? why : "not left out");
    }
}

static const struct {
    const char *fix;
    struct versions versions;
    const char *why;
} olds[] = {
    {"iothread=perqueue", {9000000, 10000000}, NULL},
    {"iothread=perqueue",
     {8002007, 10000000},
     "more than one iothread for a disk needs QEMU 9.0 and libvirt 10.0, and here are QEMU 8.2 "
     "and libvirt 10.0"},
    {"iothread=perqueue", {9000000, 9010000}, "and here are QEMU 9.0 and libvirt 9.10"},
    {"iothread=perqueue", {0, 10000000}, "a QEMU whose version is not known"},
    {"iothread=perqueue,bus=scsi", {10000000, 11002000}, NULL},
    {"iothread=perqueue,bus=scsi", {9002000, 11002000}, "needs QEMU 10.0 and libvirt 11.2"},
    {"iothread=perqueue,bus=scsi", {10000000, 11001000}, "needs QEMU 10.0 and libvirt 11.2"},
    {"iothread=yes,bus=scsi", {7002000, 9000000}, NULL},
    {"l2_cache=full", {7002000, 7000000}, NULL},
    {"l2_cache=full", {7002000, 6010000}, "needs libvirt 7.0, and here is libvirt 6.10"},
    {"l2_cache=full", {0, 0}, "here is a libvirt whose version is not known"},
};

static void test_versions(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(olds); i++) {
        struct space s = space_new();
        struct candidate_facts facts = plenty;
        facts.versions = olds[i].versions;
        s.disk_bytes = 1024 * GIB;
        s.allow_bus_change = true;
        assert_int_equal(space_vary(&s, "discard", NULL), 0);
        assert_int_equal(space_fix(&s, "discard=ignore", NULL), 0);
        assert_int_equal(space_fix(&s, olds[i].fix, NULL), 0);
        g_autoptr(GPtrArray) all = space_candidates(&s, &facts);
        const char *why = at(all, 0)->left_out;
        if (olds[i].why ? !why || !strstr(why, olds[i].why) : why != NULL)
            fail_msg("%s: %s", olds[i].fix, why ? why : "not left out");
    }
}

/* What is refused leaves the space as it was. */
static void test_refused(void **state)
{
    (void)state;
    static const char *const lists[] = {"", "speed", "io,", "IO", "io=native"};
    static const char *const fixes[] = {"",    "io",          "speed=1",     "io=fast",
                                        "io=", "io=native,x", "cache=unsafe"};
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        struct space s = space_new(), before = s;
        assert_int_equal(space_vary(&s, lists[i], NULL), -1);
        assert_memory_equal(s.values, before.values, sizeof(s.values));
    }
    for (size_t i = 0; i < ARRAY_SIZE(fixes); i++) {
        struct space s = space_new(), before = s;
        assert_int_equal(space_fix(&s, fixes[i], NULL), -1);
        assert_memory_equal(s.values, before.values, sizeof(s.values));
    }
}

static const struct {
    const char *axis, *needs;
} axis_needs[] = {
    {"image  ", "restart, image-conversion\n"},
    {"cluster  ", "restart, image-conversion\n"},
    {"extended_l2 ", "restart, image-conversion\n"},
    {"l2_cache  ", "restart\n"},
    {"bus  ", "restart, guest-driver\n"},
    {"io  ", "restart\n"},
    {"iothread  ", "restart\n"},
    {"poll  ", "libvirt-9.4\n"},
    {"queues  ", "restart\n"},
};

static void test_lines(void **state)
{
    (void)state;
    struct space s = everything();
    assert_int_equal(
        space_fix(&s,
                  "image=qcow2-prealloc,cluster=1m,extended_l2=yes,io=io_uring,cache=none,"
                  "iothread=yes,queues=1,discard=unmap,detect_zeroes=on",
                  NULL),
        0);
    g_autoptr(GPtrArray) all = space_candidates(&s, &plenty);
    cleanup_free char *create = candidate_create_line(at(all, 0));
    cleanup_free char *driver = disk_config_driver_line(&at(all, 0)->config);
    assert_string_equal(create,
                        "qemu-img create -f qcow2 -o preallocation=falloc,cluster_size=1048576,"
                        "extended_l2=on IMAGE SIZE");
    assert_string_equal(driver, "<driver name='qemu' type='qcow2' cache='none' io='io_uring' "
                                "discard='unmap' detect_zeroes='unmap' queues='1' iothread='1'/>");
    assert_int_equal(candidate_distance(at(all, 0), NULL), 8);
    cleanup_free char *text = space_describe();
    assert_non_null(strstr(text, "detect_zeroes off, on"));
    for (size_t i = 0; i < ARRAY_SIZE(axis_needs); i++) {
        const char *axis = strstr(text, axis_needs[i].axis);
        const char *needs = axis ? strstr(axis, "changing it needs: ") : NULL;
        assert_non_null(needs);
        if (strncmp(needs + 19, axis_needs[i].needs, strlen(axis_needs[i].needs)) != 0)
            fail_msg("%s: %.60s", axis_needs[i].axis, needs);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids),   cmocka_unit_test(test_everything),
        cmocka_unit_test(test_rules), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_lines), cmocka_unit_test(test_versions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
