/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-cpulist.c - sets of CPUs as libvirt writes them.
 */
#undef NDEBUG
#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "host/cpulist.h"

static void test_read_and_written(void **state)
{
    (void)state;
    static const struct {
        const char *text, *written;
        unsigned count;
    } rows[] = {
        {"0", "0", 1},
        {"0-3,8,^2", "0-1,3,8", 4},
        {"^2,0-3", "0-1,3", 3},
        {"63-64", "63-64", 2},
        {"5,4,3", "3-5", 3},
        {" 1 , 7 ", "1,7", 2},
        {"0-8191", "0-8191", 8192},
        {"1,^1", "", 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct cpulist l;
        assert_int_equal(cpulist_parse(rows[i].text, &l), 0);
        cleanup_free char *written = cpulist_format(&l);
        assert_string_equal(written, rows[i].written);
        assert_int_equal(cpulist_count(&l), rows[i].count);
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "8192", "3-1", "^0-3", "1,,2", "-1", "1-", "a", "1a", "^", "18446744073709551616", NULL};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct cpulist l;
        assert_int_equal(cpulist_parse("0-2", &l), 0);
        assert_int_equal(cpulist_parse(rows[i], &l), -1);
        assert_int_equal(cpulist_count(&l), 0);
    }
}

static void test_sets(void **state)
{
    (void)state;
    struct cpulist all, some, none = {0};
    assert_int_equal(cpulist_parse("0-7", &all), 0);
    assert_int_equal(cpulist_parse("2-3", &some), 0);
    assert_true(cpulist_covers(&all, &some) && !cpulist_covers(&some, &all));
    assert_false(cpulist_covers(&all, &none));
    assert_true(cpulist_has(&some, 3) && !cpulist_has(&some, 4) && !cpulist_has(&all, CPULIST_MAX));
    cpulist_remove(&all, &some);
    cleanup_free char *left = cpulist_format(&all);
    assert_string_equal(left, "0-1,4-7");
    cpulist_add(&all, &some);
    assert_int_equal(cpulist_count(&all), 8);
    assert_int_equal(cpulist_parse("1-2,9", &some), 0);
    cpulist_keep(&all, &some);
    cleanup_free char *kept = cpulist_format(&all);
    assert_string_equal(kept, "1-2");
}

static void test_include(void **state)
{
    (void)state;
    struct cpulist l = {0};
    cpulist_include(&l, 64);
    cpulist_include(&l, 0);
    cpulist_include(&l, CPULIST_MAX);
    cleanup_free char *text = cpulist_format(&l);
    assert_string_equal(text, "0,64");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_include),
        cmocka_unit_test(test_read_and_written),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_sets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
