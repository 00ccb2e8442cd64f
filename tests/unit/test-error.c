/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-error.c - an error is one line: what failed, inner context after outer, and a remedy.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"

static void test_set(void **state)
{
    (void)state;
    cleanup_error struct error *err = NULL;
    assert_int_equal(error_set(&err, "%s: %d of %d", "disk", 2, 3), -1);
    assert_string_equal(err->message, "disk: 2 of 3");
    assert_null(err->hint);
}

static void test_set_replaces(void **state)
{
    (void)state;
    cleanup_error struct error *err = NULL;
    error_set(&err, "the first");
    struct error *same = err;
    error_set(&err, "the second");
    assert_ptr_equal(err, same);
    assert_string_equal(err->message, "the second");
    /* Even out of what it replaces. */
    error_set(&err, "%s, and more", err->message);
    assert_string_equal(err->message, "the second, and more");
}

static void test_errno(void **state)
{
    (void)state;
    cleanup_error struct error *err = NULL;
    errno = EPERM;
    assert_int_equal(error_set_errno(&err, ENOENT, "cannot open %s", "x"), -1);
    assert_string_equal(err->message, "cannot open x: No such file or directory");
    assert_int_equal(error_set_errno(&err, 99999, "odd"), -1);
    assert_string_equal(err->message, "odd: Unknown error 99999");
}

static void test_prefix_order(void **state)
{
    (void)state;
    cleanup_error struct error *err = NULL;
    error_set(&err, "why");
    assert_int_equal(error_prefix(&err, "in"), -1);
    assert_int_equal(error_prefix(&err, "out %d", 1), -1);
    assert_string_equal(err->message, "out 1: in: why");
}

static void test_prefix_keeps_hint(void **state)
{
    (void)state;
    cleanup_error struct error *err = NULL;
    error_set(&err, "why");
    assert_int_equal(error_hint(&err, "do %s", "this"), -1);
    error_prefix(&err, "context");
    assert_string_equal(err->hint, "do this");
    assert_string_equal(err->message, "context: why");
}

static void test_hint_replaces(void **state)
{
    (void)state;
    cleanup_error struct error *err = NULL;
    error_set(&err, "why");
    error_hint(&err, "this");
    error_hint(&err, "rather\nthat\n");
    assert_string_equal(err->hint, "rather that");
}

/* A percent sign in a message is not a format for whoever puts context before it. */
static void test_percent(void **state)
{
    (void)state;
    cleanup_error struct error *err = NULL;
    error_set(&err, "%s", "100 %s %n full");
    error_prefix(&err, "%s", "50 %d");
    assert_string_equal(err->message, "50 %d: 100 %s %n full");
}

static void test_one_line(void **state)
{
    (void)state;
    cleanup_error struct error *err = NULL;
    error_set(&err, "internal error:\nqemu:\tno\n");
    assert_string_equal(err->message, "internal error: qemu: no");
    error_prefix(&err, "a\nb");
    assert_string_equal(err->message, "a b: internal error: qemu: no");
    error_set_errno(&err, EIO, "c\nd");
    assert_string_equal(err->message, "c d: Input/output error");
}

/* Where the reason does not matter there is no place for it. */
static void test_nobody_asks(void **state)
{
    (void)state;
    assert_int_equal(error_set(NULL, "why"), -1);
    assert_int_equal(error_set_errno(NULL, EIO, "why"), -1);
    assert_int_equal(error_prefix(NULL, "context"), -1);
    assert_int_equal(error_hint(NULL, "do this"), -1);
    error_free(NULL);
}

/* Context for an error that did not happen makes none. */
static void test_no_error(void **state)
{
    (void)state;
    struct error *err = NULL;
    assert_int_equal(error_prefix(&err, "context"), -1);
    assert_int_equal(error_hint(&err, "do this"), -1);
    assert_null(err);
}

static void test_take(void **state)
{
    (void)state;
    struct error *err = NULL, *none = NULL, *other = NULL;
    error_set(&err, "mine");
    error_take(&err, &none);
    assert_string_equal(err->message, "mine");
    error_set(&other, "theirs");
    error_hint(&other, "do this");
    error_take(NULL, &other);
    assert_non_null(other);
    error_take(&err, &other);
    assert_string_equal(err->message, "theirs");
    assert_string_equal(err->hint, "do this");
    assert_null(other);
    error_free(err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_set_replaces),
        cmocka_unit_test(test_errno),
        cmocka_unit_test(test_prefix_order),
        cmocka_unit_test(test_prefix_keeps_hint),
        cmocka_unit_test(test_hint_replaces),
        cmocka_unit_test(test_percent),
        cmocka_unit_test(test_one_line),
        cmocka_unit_test(test_nobody_asks),
        cmocka_unit_test(test_no_error),
        cmocka_unit_test(test_take),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
