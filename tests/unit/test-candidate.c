/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-candidate.c - which configurations there are, which rule leaves which of them out, and what
 * can be chosen from them.
 */
#undef NDEBUG
#include <assert.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "scratch.h"
#include "tune/candidate.h"

static const char why[] = "a reason of the test's own";

/* Everything is to be had. */
static const struct candidate_facts plenty = {.io_uring_allowed = true, .aio_contexts_left = true};

static const struct candidate *at(GPtrArray *all, unsigned i)
{
    assert_true(i < all->len);
    return all->pdata[i];
}

/* --- All of them ------------------------------------------------------------------------------ */

static const struct {
    const char *id, *format, *preallocation, *io;
    bool iothread;
    unsigned distance;
} known[] = {
    {"qcow2-threads", "qcow2", "off", "threads", false, 0},
    {"qcow2-threads-iothread", "qcow2", "off", "threads", true, 1},
    {"qcow2-native", "qcow2", "off", "native", false, 1},
    {"qcow2-native-iothread", "qcow2", "off", "native", true, 2},
    {"qcow2-io_uring", "qcow2", "off", "io_uring", false, 1},
    {"qcow2-io_uring-iothread", "qcow2", "off", "io_uring", true, 2},
    {"qcow2-prealloc-threads", "qcow2", "falloc", "threads", false, 1},
    {"qcow2-prealloc-threads-iothread", "qcow2", "falloc", "threads", true, 2},
    {"qcow2-prealloc-native", "qcow2", "falloc", "native", false, 2},
    {"qcow2-prealloc-native-iothread", "qcow2", "falloc", "native", true, 3},
    {"qcow2-prealloc-io_uring", "qcow2", "falloc", "io_uring", false, 2},
    {"qcow2-prealloc-io_uring-iothread", "qcow2", "falloc", "io_uring", true, 3},
    {"raw-threads", "raw", "falloc", "threads", false, 2},
    {"raw-threads-iothread", "raw", "falloc", "threads", true, 3},
    {"raw-native", "raw", "falloc", "native", false, 3},
    {"raw-native-iothread", "raw", "falloc", "native", true, 4},
    {"raw-io_uring", "raw", "falloc", "io_uring", false, 3},
    {"raw-io_uring-iothread", "raw", "falloc", "io_uring", true, 4},
};

static void test_all(void **state)
{
    (void)state;
    g_autoptr(GPtrArray) all = candidates_for_new_disk(&plenty);
    assert_int_equal(all->len, ARRAY_SIZE(known));
    for (unsigned i = 0; i < all->len; i++) {
        const struct candidate *c = at(all, i);
        assert_string_equal(c->id, known[i].id);
        assert_string_equal(c->config.bus, "virtio");
        assert_string_equal(c->config.cache, "none");
        assert_string_equal(c->config.format, known[i].format);
        assert_string_equal(c->config.preallocation, known[i].preallocation);
        assert_string_equal(c->config.io, known[i].io);
        assert_int_equal(c->config.iothread, known[i].iothread);
        assert_int_equal(candidate_distance(c, NULL), known[i].distance);
        cleanup_free char *line = candidate_create_line(c);
        cleanup_free char *wanted =
            xasprintf("qemu-img create -f %s -o preallocation=%s IMAGE SIZE", known[i].format,
                      known[i].preallocation);
        assert_string_equal(line, wanted);
    }
}

/* From what a disk has now it is as far as settings differ, and to itself it is no way. */
static void test_distance_from_current(void **state)
{
    (void)state;
    g_autoptr(GPtrArray) all = candidates_for_new_disk(&plenty);
    assert_null(candidates_current(all));
    for (unsigned i = 0; i < all->len; i++) {
        const struct candidate *c = at(all, i);
        assert_int_equal(candidate_distance(c, &c->config), 0);
        for (unsigned k = 0; k < all->len; k++)
            assert_int_equal(candidate_distance(at(all, k), &c->config),
                             candidate_distance(c, &at(all, k)->config));
    }
    struct disk_config one = at(all, 0)->config, other = one;
    other.cache = "directsync";
    other.queues = 1;
    other.discard = true;
    struct candidate changed = {.config = other};
    assert_int_equal(candidate_distance(&changed, &one), 3);
    /* Of two disks of what is current, one is. */
    ((struct candidate *)all->pdata[0])->current = true;
    cleanup_free char *twice = xasprintf("%s,%s", at(all, 0)->id, at(all, 0)->id);
    assert_int_equal(candidates_select(all, twice, NULL), 0);
    assert_ptr_equal(candidates_current(all), at(all, 0));
    assert_true(at(all, 0)->current && !at(all, 1)->current);
}

static void test_ids_are_unique(void **state)
{
    (void)state;
    g_autoptr(GPtrArray) all = candidates_for_new_disk(&plenty);
    for (unsigned i = 0; i < all->len; i++)
        for (unsigned k = 0; k < i; k++)
            assert_string_not_equal(at(all, i)->id, at(all, k)->id);
}

/* --- Rules ------------------------------------------------------------------------------------ */

static bool is_native(const struct disk_config *c)
{
    return strcmp(c->io, "native") == 0;
}

static bool grows_native(const struct disk_config *c)
{
    return is_native(c) && strcmp(c->preallocation, "off") == 0;
}

static bool is_uring(const struct disk_config *c)
{
    return strcmp(c->io, "io_uring") == 0;
}

/* Fails unless the candidates of one kind are left out with this reason, and `left` are not. */
static void check_left_out(const struct candidate_facts *facts,
                           bool (*kind)(const struct disk_config *), const char *reason,
                           unsigned left)
{
    g_autoptr(GPtrArray) all = candidates_for_new_disk(facts);
    assert_int_equal(all->len, ARRAY_SIZE(known));
    for (unsigned i = 0; i < all->len; i++) {
        const struct candidate *c = at(all, i);
        left -= !c->left_out;
        if (kind(&c->config) && (!c->left_out || !strstr(c->left_out, reason)))
            fail_msg("%s: %s", c->id, c->left_out ? c->left_out : "not left out");
        if (c->left_out)
            assert_null(strchr(c->left_out, '\n'));
    }
    assert_int_equal(left, 0);
}

static void test_rules(void **state)
{
    (void)state;
    struct candidate_facts no_uring = {false, why, true}, no_aio = {true, NULL, false};
    struct candidate_facts neither = {false, why, false};
    /* Growing images with native are left out always: two of them. */
    check_left_out(&plenty, grows_native, "an image that grows", 16);
    check_left_out(&no_uring, is_uring, why, 10);
    check_left_out(&no_uring, grows_native, "an image that grows", 10);
    check_left_out(&no_aio, is_native, "", 12);
    check_left_out(&no_aio, grows_native, "an image that grows", 12);
    check_left_out(&neither, is_native, "", 6);
    check_left_out(&neither, is_uring, why, 6);
    g_autoptr(GPtrArray) all = candidates_for_new_disk(&no_aio);
    for (unsigned i = 0; i < all->len; i++)
        if (strcmp(at(all, i)->id, "raw-native") == 0)
            assert_non_null(strstr(at(all, i)->left_out, "fs.aio-max-nr"));
}

/* --- Facts ------------------------------------------------------------------------------------ */

static void write_sysctl(const char *root, const char *name, const char *value)
{
    cleanup_free char *path = xasprintf("%s/proc/sys/%s", root, name);
    cleanup_free char *parent = xstrdup(path);
    *strrchr(parent, '/') = '\0';
    assert(file_make_directories(parent, NULL) == 0);
    assert(file_write_atomic(path, value, NULL) == 0);
}

static const struct {
    const char *used, *limit;
    unsigned contexts;
    bool left;
} aio[] = {
    {"0\n", "65536\n", 64, true},      {"0\n", "65536\n", 65, false},
    {"1024\n", "65536\n", 63, true},   {"1024\n", "65536\n", 64, false},
    {"65536\n", "65536\n", 0, true},   {"65536\n", "65536\n", 1, false},
    {"5000\n", "1048576\n", 18, true},
};

static void test_aio_contexts(void **state)
{
    (void)state;
    cleanup_free char *root = scratch_path("aio");
    for (size_t i = 0; i < ARRAY_SIZE(aio); i++) {
        write_sysctl(root, "fs/aio-nr", aio[i].used);
        write_sysctl(root, "fs/aio-max-nr", aio[i].limit);
        assert_int_equal(candidate_facts_read(root, aio[i].contexts).aio_contexts_left,
                         aio[i].left);
    }
}

/* 1 lets a privileged process in, which QEMU is not. */
static void test_io_uring_forbidden(void **state)
{
    (void)state;
    cleanup_free char *root = scratch_path("uring");
    static const char *const values[] = {"1\n", "2\n"};
    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        write_sysctl(root, "kernel/io_uring_disabled", values[i]);
        struct candidate_facts facts = candidate_facts_read(root, 1);
        assert_false(facts.io_uring_allowed);
        assert_non_null(strstr(facts.io_uring_why, "kernel.io_uring_disabled"));
    }
    /* 0 and no such file come to the same: the kernel is asked. */
    write_sysctl(root, "kernel/io_uring_disabled", "0\n");
    struct candidate_facts allowed = candidate_facts_read(root, 1);
    struct candidate_facts unknown = candidate_facts_read("/nonexistent", 1);
    assert_int_equal(allowed.io_uring_allowed, unknown.io_uring_allowed);
    assert_int_equal(!allowed.io_uring_why, allowed.io_uring_allowed);
    assert_true(unknown.aio_contexts_left);
}

/* --- Selection -------------------------------------------------------------------------------- */

static const struct {
    const char *selection;
    const char *ids[5]; /* what is chosen, in this order */
    const char *message, *hint;
} selections[] = {
    {"raw-native", {"raw-native"}},
    {"raw-native,qcow2-threads", {"raw-native", "qcow2-threads"}},
    {"qcow2-threads,raw-native", {"qcow2-threads", "raw-native"}},
    {" qcow2-threads , raw-native,, ", {"qcow2-threads", "raw-native"}},
    {"raw-native,raw-native", {"raw-native", "raw-native#2"}},
    {"raw-native,raw-threads,raw-native,raw-native,raw-threads",
     {"raw-native", "raw-threads", "raw-native#2", "raw-native#3", "raw-threads#2"}},
    {"raw-native, raw-native", {"raw-native", "raw-native#2"}},
    {"", {NULL}, "'' names no candidate", NULL},
    {" , ,", {NULL}, "names no candidate", NULL},
    {"raw-nativ", {NULL}, "there is no candidate 'raw-nativ'", "raw-native, "},
    {"raw-native,x", {NULL}, "there is no candidate 'x'", "qcow2-prealloc-io_uring-iothread"},
    {"RAW-NATIVE", {NULL}, "there is no candidate 'RAW-NATIVE'", "raw-threads, "},
    {"raw-native#2", {NULL}, "there is no candidate 'raw-native#2'", NULL},
    {"raw-native\nraw-threads", {NULL}, "there is no candidate", NULL},
    {"qcow2-native", {NULL}, "qcow2-native cannot be tried: io='native' on an image that", NULL},
    {"/nonexistent", {NULL}, "/nonexistent: No such file or directory", NULL},
};

static void check_chosen(const char *what, GPtrArray *all, const char *const ids[5])
{
    for (unsigned i = 0; i < 5 && ids[i]; i++) {
        if (i >= all->len || strcmp(at(all, i)->id, ids[i]) != 0)
            fail_msg("'%s': no %s in place %u", what, ids[i], i);
        assert_null(at(all, i)->left_out);
    }
    assert_true(all->len <= 5 && (all->len == 5 || !ids[all->len]));
}

static void test_selection(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(selections); i++) {
        const char *selection = selections[i].selection;
        cleanup_error struct error *err = NULL;
        g_autoptr(GPtrArray) all = candidates_for_new_disk(&plenty);
        int result = candidates_select(all, selection, &err);
        if (!selections[i].message) {
            assert_int_equal(result, 0);
            check_chosen(selection, all, selections[i].ids);
            continue;
        }
        assert_int_equal(result, -1);
        if (!strstr(err->message, selections[i].message))
            fail_msg("'%s': %s", selection, err->message);
        if (selections[i].hint && (!err->hint || !strstr(err->hint, selections[i].hint)))
            fail_msg("'%s': the hint is '%s'", selection, err->hint ? err->hint : "");
        assert_int_equal(all->len, ARRAY_SIZE(known));
    }
}

/* What comes again is another disk of the same configuration. */
static void test_copy_has_the_configuration(void **state)
{
    (void)state;
    g_autoptr(GPtrArray) all = candidates_for_new_disk(&plenty);
    assert_int_equal(candidates_select(all, "raw-native-iothread,raw-native-iothread", NULL), 0);
    const struct disk_config *a = &at(all, 0)->config, *b = &at(all, 1)->config;
    assert_string_equal(a->format, b->format);
    assert_string_equal(a->preallocation, b->preallocation);
    assert_string_equal(a->io, b->io);
    assert_string_equal(b->io, "native");
    assert_true(a->iothread && b->iothread);
}

static void test_file(void **state)
{
    (void)state;
    cleanup_free char *path = scratch_path("candidates"), *empty = scratch_path("none");
    static const char *const ids[5] = {"qcow2-threads", "raw-native", "qcow2-threads#2"};
    g_autoptr(GPtrArray) all = candidates_for_new_disk(&plenty);
    assert(file_write_atomic(path,
                             "# what to try\n\n qcow2-threads\r\n\t\n"
                             "  # and\nraw-native\t# the simplest # of all\nqcow2-threads #1",
                             NULL) == 0);
    assert_int_equal(candidates_select(all, path, NULL), 0);
    check_chosen(path, all, ids);
    cleanup_error struct error *err = NULL;
    g_autoptr(GPtrArray) others = candidates_for_new_disk(&plenty);
    assert(file_write_atomic(empty, "# nothing\n", NULL) == 0);
    assert_int_equal(candidates_select(others, empty, &err), -1);
    assert_non_null(strstr(err->message, "names no candidate"));
    assert_int_equal(candidates_select(others, scratch, &err), -1);
    assert_non_null(strstr(err->message, "Is a directory"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all),
        cmocka_unit_test(test_distance_from_current),
        cmocka_unit_test(test_ids_are_unique),
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_aio_contexts),
        cmocka_unit_test(test_io_uring_forbidden),
        cmocka_unit_test(test_selection),
        cmocka_unit_test(test_copy_has_the_configuration),
        cmocka_unit_test(test_file),
    };
    return cmocka_run_group_tests(tests, scratch_set_up, scratch_tear_down);
}
