/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-machine.c - a machine's key is its own, stays the same, and does not give its id away.
 */
#undef NDEBUG
#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "host/machine.h"
#include "scratch.h"

#define ID "3d1219c7c4c5404aaa1f6d2a48adfda4"

/* The key of a machine with this content of its machine-id; of none for NULL. The caller frees. */
static char *key_with(const char *name, const char *id)
{
    cleanup_free char *root = scratch_path(name), *etc = xasprintf("%s/etc", root);
    cleanup_free char *path = xasprintf("%s/machine-id", etc);
    assert_int_equal(file_make_directories(etc, NULL), 0);
    if (id)
        assert_int_equal(file_write_atomic(path, id, NULL), 0);
    return machine_key(root);
}

/* HMAC-SHA256 of the id, keyed with the program's name; by Python's hmac. */
static void test_hashed(void **state)
{
    (void)state;
    cleanup_free char *key = key_with("one", ID "\n");
    assert_string_equal(key, "fe1778b9cc690a972497bc78d46c66d4ccf8cdc2171e7448d8931ec37580e2c5");
    cleanup_free char *again = key_with("again", ID);
    assert_string_equal(again, key);
    cleanup_free char *other = key_with("other", "00000000000000000000000000000001\n");
    assert_string_not_equal(other, key);
}

/* Images that were not started yet say so, and thousands of machines have no id at all: these must
 * not all be one machine. The host's name is the next best. */
static void test_without_id(void **state)
{
    (void)state;
    cleanup_free char *none = key_with("none", NULL);
    static const char *const bad[] = {"",
                                      "\n",
                                      "uninitialized\n",
                                      ID "0\n",
                                      ID "\n" ID "\n",
                                      "3d1219c7c4c5404aaa1f6d2a48adfdaX\n"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        cleanup_free char *key = key_with("bad", bad[i]);
        assert_string_equal(key, none);
    }
    assert_int_equal(strlen(none), 64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hashed),
        cmocka_unit_test(test_without_id),
    };
    return cmocka_run_group_tests(tests, scratch_set_up, scratch_tear_down);
}
