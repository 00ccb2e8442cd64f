/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-space-current.c - the candidates around a disk that there is: it is the first of them, what
 * is neither varied nor fixed they have of it, whatever that is, and each says what it needs.
 */
#undef NDEBUG
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "domain/needs.h"
#include "tune/space.h"

static const struct candidate_facts plenty = {
    .io_uring_allowed = true, .aio_contexts_left = true, .versions = {10000000, 11002000}};

static const struct {
    const char *what;
    struct disk_config current;
    const char *vary, *fix; /* or NULL */
    bool allow_image_conversion, allow_host_cache, allow_bus_change;
    bool one_at_a_time; /* no two requests of the work are in flight together */
    unsigned unasked_queues;
    const char *ids; /* those that a rule leaves out in brackets */
} spaces[] = {
    {.what = "as virt-install makes it: neither another image nor itself a second time",
     .current = {"virtio", "qcow2", "off", "none", "threads", false},
     .ids = "current qcow2-threads-iothread (qcow2-native) (qcow2-native-iothread) qcow2-io_uring "
            "qcow2-io_uring-iothread"},
    {.what = "what is written otherwise and comes to the same",
     .current = {"virtio", "qcow2", "off", "none", "threads", true, .iothreads = 1,
                 .poll_max_ns = DISK_POLL_DEFAULT_NS, .queues = 2, .cluster_bytes = 65536},
     .unasked_queues = 2,
     .vary = "iothread,queues,cluster",
     .fix = "cluster=64k",
     .ids = "qcow2-threads current qcow2-threads-perqueue qcow2-threads-1queue "
            "qcow2-threads-iothread-1queue (qcow2-threads-perqueue-1queue)"},
    {.what =
         "as many queues as there are vCPUs are asked for where they are not what there is unasked",
     .current = {"virtio", "raw", "falloc", "none", "threads", false, .queues = 2},
     .vary = "queues",
     .ids = "raw-threads current raw-threads-1queue"},
    {.what = "raw has no clusters, whatever is written",
     .current = {"virtio", "raw", "falloc", "none", "native", false, .cluster_bytes = 4096},
     .vary = "iothread",
     .fix = "iothread=yes",
     .ids = "current raw-native-iothread"},
    {.what = "a current value that is none of the axis's is kept",
     .current = {"virtio", "qcow2", "falloc", "none", "threads", false, .queues = 3,
                 .cluster_bytes = 4096, .metadata_cache_bytes = 1 << 20},
     .vary = "io",
     .ids = "current qcow2-prealloc-4k-cache1m-native-3queues "
            "qcow2-prealloc-4k-cache1m-io_uring-3queues"},
    {.what = "and is one value more of an axis that is varied, and none of one that is fixed",
     .current = {"virtio", "raw", "off", "none", "threads", false, .queues = 3},
     .vary = "queues",
     .ids = "current raw-sparse-threads raw-sparse-threads-1queue"},
    {.what = "and none of one that is fixed",
     .current = {"virtio", "raw", "full", "none", "threads", false, .queues = 3},
     .vary = "iothread",
     .fix = "queues=1,iothread=no",
     .ids = "current raw-full-threads-1queue"},
    {.what = "other images where they are allowed; what is kept of qcow2 does not keep raw out",
     .current = {"virtio", "qcow2", "off", "none", "threads", false, .cluster_bytes = 4096},
     .vary = "image",
     .allow_image_conversion = true,
     .ids = "current qcow2-prealloc-4k-threads raw-threads qcow2-meta-4k-threads"},
    {.what = "and by default",
     .current = {"virtio", "raw", "falloc", "none", "threads", false},
     .fix = "io=threads,iothread=no",
     .allow_image_conversion = true,
     .ids = "qcow2-threads qcow2-prealloc-threads current"},
    {.what = "left out with the reason where they were asked for and not allowed",
     .current = {"virtio", "qcow2", "off", "none", "threads", false},
     .vary = "image",
     .ids = "current (qcow2-prealloc-threads) (raw-threads) (qcow2-meta-threads)"},
    {.what = "extended L2 entries do not fit into small clusters",
     .current = {"virtio", "qcow2", "off", "none", "threads", false, .cluster_bytes = 4096},
     .vary = "extended_l2",
     .allow_image_conversion = true,
     .ids = "current (qcow2-4k-extended_l2-threads)"},
    {.what = "the host's cache is no reason against the disk as it is, and cache='none' is there",
     .current = {"virtio", "raw", "falloc", "writeback", "threads", false},
     .vary = "io",
     .ids = "raw-threads current raw-native (raw-native-writeback) raw-io_uring "
            "(raw-io_uring-writeback)"},
    {.what = "unless it is varied or fixed itself",
     .current = {"virtio", "raw", "falloc", "writeback", "threads", false},
     .vary = "io",
     .fix = "cache=writeback,io=io_uring",
     .allow_host_cache = true,
     .ids = "current raw-io_uring-writeback"},
    {.what = "what makes no difference is no reason against who has it of the disk",
     .current = {"virtio", "raw", "falloc", "none", "native", false, .queues = 1},
     .vary = "iothread,queues",
     .one_at_a_time = true,
     .ids = "raw-native current raw-native-iothread raw-native-iothread-1queue "
            "(raw-native-perqueue) (raw-native-perqueue-1queue)"},
    {.what = "who ignores flushes is no reference, and nobody has it of him",
     .current = {"virtio", "raw", "falloc", "unsafe", "threads", false},
     .vary = "discard",
     .allow_host_cache = true,
     .ids = "raw-threads (current) raw-threads-discard (raw-threads-unsafe-discard)"},
    {.what = "native on an image that grows is no reason against the disk as it is",
     .current = {"virtio", "qcow2", "off", "none", "native", false},
     .vary = "discard",
     .ids = "current (qcow2-native-discard)"},
    {.what = "polling, and an iothread that is gone",
     .current = {"virtio", "raw", "falloc", "none", "native", true, .poll_max_ns = 50000},
     .vary = "iothread",
     .fix = "iothread=no",
     .ids = "current raw-native"},
    {.what = "a polling time, and a number of iothreads, of nobody's axis",
     .current = {"virtio", "raw", "falloc", "none", "native", true, .iothreads = 3,
                 .poll_max_ns = 50000},
     .vary = "discard",
     .ids = "current raw-native-3iothreads-poll50us-discard"},
    {.what = "SCSI stays SCSI without being allowed, and virtio is the change",
     .current = {"scsi", "raw", "falloc", "none", "native", false},
     .vary = "bus,iothread",
     .fix = "iothread=yes",
     .ids = "current (raw-native-iothread) raw-scsi-native-iothread"},
    {.what = "a bus that the probe guest has not",
     .current = {"sata", "raw", "falloc", "none", "native", false},
     .vary = "bus",
     .allow_bus_change = true,
     .ids = "(current) raw-native raw-scsi-native"},
};

static GPtrArray *candidates_of(size_t i)
{
    struct space s = space_new();
    if (spaces[i].vary)
        assert_int_equal(space_vary(&s, spaces[i].vary, NULL), 0);
    if (spaces[i].fix)
        assert_int_equal(space_fix(&s, spaces[i].fix, NULL), 0);
    s.disk_bytes = UINT64_C(1) << 30;
    s.unasked_queues = spaces[i].unasked_queues;
    s.allow_image_conversion = spaces[i].allow_image_conversion;
    s.allow_host_cache = spaces[i].allow_host_cache;
    s.allow_bus_change = spaces[i].allow_bus_change;
    s.concurrent = !spaces[i].one_at_a_time;
    space_start_from(&s, &spaces[i].current);
    return space_candidates(&s, &plenty);
}

static bool is_id(const char *word, const struct candidate *c)
{
    cleanup_free char *wanted = c->left_out ? xasprintf("(%s)", c->id) : xstrdup(c->id);
    return strcmp(word, wanted) == 0;
}

/* The current candidate is the first, wherever it stands in the table. */
static void check_ids(size_t i, GPtrArray *all)
{
    g_auto(GStrv) words = g_strsplit(spaces[i].ids, " ", -1);
    assert_int_equal(((const struct candidate *)all->pdata[0])->current, true);
    for (char **word = words; *word; word++) {
        unsigned found = 0;
        for (unsigned k = 0; k < all->len; k++)
            found += is_id(*word, all->pdata[k]);
        if (found != 1)
            fail_msg("%s: %s is there %u times", spaces[i].what, *word, found);
    }
    for (unsigned k = 0; k < all->len; k++) {
        const struct candidate *c = all->pdata[k];
        assert_int_equal(c->current, k == 0);
        assert_int_equal(strcmp(c->id, "current") == 0, k == 0);
    }
    if (all->len != g_strv_length(words))
        for (unsigned k = 0; k < all->len; k++)
            print_message("# %s\n", ((const struct candidate *)all->pdata[k])->id);
    assert_int_equal(all->len, g_strv_length(words));
}

static void test_candidates(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(spaces); i++) {
        g_autoptr(GPtrArray) all = candidates_of(i);
        check_ids(i, all);
    }
}

/* What a candidate asks for beside what is varied is what the disk has. */
static void test_kept(void **state)
{
    (void)state;
    struct disk_config current = {.bus = "scsi",
                                  .format = "qcow2",
                                  .preallocation = "metadata",
                                  .cache = "directsync",
                                  .io = "threads",
                                  .iothread = true,
                                  .iothreads = 4,
                                  .poll_max_ns = 1000,
                                  .queues = 5,
                                  .cluster_bytes = 32768,
                                  .extended_l2 = true,
                                  .discard = true,
                                  .metadata_cache_bytes = 1 << 20,
                                  .detect_zeroes = true};
    struct space s = space_new();
    assert_int_equal(space_vary(&s, "io", NULL), 0);
    space_start_from(&s, &current);
    g_autoptr(GPtrArray) all = space_candidates(&s, &plenty);
    assert_int_equal(all->len, 3);
    for (unsigned i = 0; i < all->len; i++) {
        struct disk_config other = ((const struct candidate *)all->pdata[i])->config;
        assert_int_equal(disk_config_equal(&other, &current), i == 0);
        other.io = "threads";
        assert_true(disk_config_equal(&other, &current));
    }
}

static unsigned needs_of(GPtrArray *all, const char *id)
{
    for (unsigned i = 0; i < all->len; i++) {
        const struct candidate *c = all->pdata[i];
        if (strcmp(c->id, id) == 0)
            return c->needs;
    }
    fail_msg("there is no %s", id);
    return 0;
}

static void test_needs(void **state)
{
    (void)state;
    const struct disk_config current = {
        "virtio", "raw", "falloc", "none", "native", true, .poll_max_ns = 200000};
    struct candidate_facts facts = plenty;
    struct space s = space_new();
    facts.versions = (struct versions){7002000, 9000000};
    assert_int_equal(space_vary(&s, "image,bus,io,poll", NULL), 0);
    s.allow_image_conversion = s.allow_bus_change = true;
    g_autoptr(GPtrArray) new_disk = space_candidates(&s, &facts);
    assert_int_equal(needs_of(new_disk, "raw-scsi-native"), 0);
    assert_int_equal(needs_of(new_disk, "raw-native-poll200us"), DISK_NEEDS_LIBVIRT_9_4);
    space_start_from(&s, &current);
    g_autoptr(GPtrArray) all = space_candidates(&s, &facts);
    assert_int_equal(needs_of(all, "current"), 0);
    assert_int_equal(needs_of(all, "raw-threads-iothread"), DISK_NEEDS_RESTART);
    assert_int_equal(needs_of(all, "raw-native-iothread"), 0);
    assert_int_equal(needs_of(all, "raw-native-iothread-nopoll"), DISK_NEEDS_LIBVIRT_9_4);
    assert_int_equal(needs_of(all, "raw-scsi-native-iothread"),
                     DISK_NEEDS_RESTART | DISK_NEEDS_GUEST_DRIVER);
    assert_int_equal(needs_of(all, "qcow2-threads-iothread"),
                     DISK_NEEDS_RESTART | DISK_NEEDS_IMAGE_CONVERSION);
}

/* What is chosen by name is what it was; of two disks of one configuration one is the current. */
static void test_selected(void **state)
{
    (void)state;
    const struct disk_config current = {"virtio", "raw", "falloc", "none", "native", false};
    struct space s = space_new();
    space_start_from(&s, &current);
    g_autoptr(GPtrArray) all = space_candidates(&s, &plenty);
    assert_int_equal(candidates_select(all, "raw-threads,current,current", NULL), 0);
    const struct candidate *const *chosen = (const struct candidate *const *)all->pdata;
    assert_int_equal(chosen[0]->needs, DISK_NEEDS_RESTART);
    assert_int_equal(chosen[1]->needs, 0);
    assert_false(chosen[0]->current);
    assert_true(chosen[1]->current);
    assert_string_equal(chosen[2]->id, "current#2");
    assert_false(chosen[2]->current);
    /* What others are compared with is there unasked. */
    g_autoptr(GPtrArray) again = space_candidates(&s, &plenty);
    assert_int_equal(candidates_select(again, "raw-threads", NULL), 0);
    assert_int_equal(again->len, 2);
    assert_string_equal(((struct candidate *)again->pdata[0])->id, "current");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_candidates),
        cmocka_unit_test(test_kept),
        cmocka_unit_test(test_needs),
        cmocka_unit_test(test_selected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
