/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-accelerator.c - what was learnt about KVM is there in the next run, for what it was learnt
 * of and for nothing else; a file that is damaged is no knowledge and no obstacle.
 */
#undef NDEBUG
#include <assert.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/json.h"
#include "probe/accelerator.h"
#include "scratch.h"

#define FILE_NAME "kvm-hangs.json"

static void test_remember(void **state)
{
    (void)state;
    /* The directory and its parents are made. */
    cleanup_free char *directory = scratch_path("a/b/state");
    assert_false(accelerator_kvm_hangs(directory, "one"));
    accelerator_remember_kvm_hangs(directory, "one");
    assert_true(accelerator_kvm_hangs(directory, "one"));
    assert_false(accelerator_kvm_hangs(directory, "two"));
    accelerator_remember_kvm_hangs(directory, "two");
    accelerator_remember_kvm_hangs(directory, "two");
    assert_true(accelerator_kvm_hangs(directory, "one"));
    assert_true(accelerator_kvm_hangs(directory, "two"));
    assert_false(accelerator_kvm_hangs(directory, "on"));
    assert_false(accelerator_kvm_hangs(directory, ""));
}

/* A guest that boots after all takes back what was learnt of the like of it, and nothing else. */
static void test_take_back(void **state)
{
    (void)state;
    cleanup_free char *directory = scratch_path("back"), *nowhere = scratch_path("nowhere");
    accelerator_remember_kvm_hangs(directory, "one");
    accelerator_remember_kvm_hangs(directory, "two");
    accelerator_forget_kvm_hangs(directory, "one");
    accelerator_forget_kvm_hangs(directory, "three");
    assert_false(accelerator_kvm_hangs(directory, "one"));
    assert_true(accelerator_kvm_hangs(directory, "two"));
    /* Where nothing is known nothing is made. */
    accelerator_forget_kvm_hangs(nowhere, "one");
    assert_int_not_equal(access(nowhere, F_OK), 0);
}

/* Whoever wants to have KVM tried again removes the file, or a line of it. */
static void test_forget(void **state)
{
    (void)state;
    cleanup_free char *directory = scratch_path("forget");
    cleanup_free char *file = scratch_path("forget/" FILE_NAME);
    accelerator_remember_kvm_hangs(directory, "one");
    assert_int_equal(file_write_atomic(file, "{\"one\": false, \"two\": true}", NULL), 0);
    assert_false(accelerator_kvm_hangs(directory, "one"));
    assert_true(accelerator_kvm_hangs(directory, "two"));
    assert_int_equal(unlink(file), 0);
    assert_false(accelerator_kvm_hangs(directory, "two"));
}

static const char *const damaged[] = {
    "",
    "{",
    "{\"key\": tr",
    "null",
    "[]",
    "[\"key\"]",
    "true",
    "{\"key\": 1}",
    "{\"key\": \"true\"}",
    "{\"key\": null}",
    "{\"other\": true}",
    "\xff\xfe",
    "not JSON",
    "{\"key\": true} and more",
};

static void test_damaged(void **state)
{
    (void)state;
    cleanup_free char *directory = scratch_path("damaged");
    cleanup_free char *file = scratch_path("damaged/" FILE_NAME);
    assert_int_equal(file_make_directories(directory, NULL), 0);
    for (size_t i = 0; i < ARRAY_SIZE(damaged); i++) {
        assert_int_equal(file_write_atomic(file, damaged[i], NULL), 0);
        assert_false(accelerator_kvm_hangs(directory, "key"));
        accelerator_remember_kvm_hangs(directory, "key");
        assert_true(accelerator_kvm_hangs(directory, "key"));
    }
}

/* What else is known stays known. */
static void test_keeps_others(void **state)
{
    (void)state;
    cleanup_free char *directory = scratch_path("others");
    cleanup_free char *file = scratch_path("others/" FILE_NAME);
    accelerator_remember_kvm_hangs(directory, "\"quoted\" \\ and \xc3\xb6");
    accelerator_remember_kvm_hangs(directory, "second");
    cleanup_json json_t *known = json_load_file(file, 0, NULL);
    assert_int_equal(json_object_size(known), 2);
    assert_true(accelerator_kvm_hangs(directory, "\"quoted\" \\ and \xc3\xb6"));
}

static void test_no_directory(void **state)
{
    (void)state;
    cleanup_free char *file = scratch_path("file"), *below = scratch_path("file/state");
    assert_int_equal(file_write_atomic(file, "", NULL), 0);
    accelerator_remember_kvm_hangs(below, "key");
    assert_false(accelerator_kvm_hangs(below, "key"));
    assert_false(accelerator_kvm_hangs("/nonexistent", "key"));
}

static void test_key(void **state)
{
    (void)state;
    cleanup_free char *key = accelerator_key(NULL, 7002022, "6.1.0-56-cloud-amd64");
    cleanup_free char *same = accelerator_key(NULL, 7002022, "6.1.0-56-cloud-amd64");
    cleanup_free char *newer = accelerator_key(NULL, 7002023, "6.1.0-56-cloud-amd64");
    cleanup_free char *other = accelerator_key(NULL, 7002022, "6.1.0-57\n");
    assert_string_equal(key, same);
    assert_string_not_equal(key, newer);
    assert_string_not_equal(key, other);
    assert_non_null(strstr(key, "qemu 7002022"));
    assert_non_null(strstr(key, "guest 6.1.0-56-cloud-amd64"));
    assert_null(strchr(other, '\n'));
    for (const char *c = key; *c; c++)
        assert_true((unsigned char)*c >= ' ');
}

/* What was learnt of one binary is not known of another, nor of what takes its place. */
static void test_key_of_an_emulator(void **state)
{
    (void)state;
    cleanup_free char *qemu = scratch_path("qemu"), *link = scratch_path("link");
    assert_int_equal(file_write_atomic(qemu, "", NULL), 0);
    assert_int_equal(symlink("qemu", link), 0);
    cleanup_free char *unasked = accelerator_key(NULL, 1, "6.1");
    cleanup_free char *asked = accelerator_key(qemu, 1, "6.1"),
                      *same = accelerator_key(qemu, 1, "6.1"),
                      *other = accelerator_key(link, 1, "6.1");
    struct timespec times[] = {{.tv_sec = 1}, {.tv_sec = 1}};
    assert_int_equal(utimensat(AT_FDCWD, qemu, times, 0), 0);
    cleanup_free char *newer = accelerator_key(qemu, 1, "6.1");
    assert_string_equal(asked, same);
    assert_string_not_equal(asked, unasked);
    assert_string_not_equal(asked, other);
    assert_string_not_equal(asked, newer);
    cleanup_free char *absent = accelerator_key("/nonexistent", 1, "6.1");
    assert_non_null(strstr(absent, "qemu /nonexistent of "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_remember),     cmocka_unit_test(test_forget),
        cmocka_unit_test(test_damaged),      cmocka_unit_test(test_keeps_others),
        cmocka_unit_test(test_no_directory), cmocka_unit_test(test_key),
        cmocka_unit_test(test_take_back),    cmocka_unit_test(test_key_of_an_emulator),
    };
    return cmocka_run_group_tests(tests, scratch_set_up, scratch_tear_down);
}
