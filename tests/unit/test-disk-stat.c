/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-disk-stat.c - what kernels of every age say of a block device, and what is none of it.
 */
#undef NDEBUG
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "measure/disk_stat.h"

#define OLD                                                                                        \
    "    8916        7   262146     1520    21093      159  5178950    26117        2     5768"

static void check_reads_and_writes(const struct disk_stat *s)
{
    assert_int_equal(s->reads, 8916);
    assert_int_equal(s->read_sectors, 262146);
    assert_int_equal(s->read_ms, 1520);
    assert_int_equal(s->writes, 21093);
    assert_int_equal(s->written_sectors, 5178950);
    assert_int_equal(s->write_ms, 26117);
}

static void test_every_age(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t flushes, flush_ms;
    } rows[] = {
        {OLD "    27637\n", 0, 0},                                          /* 11, to 4.17 */
        {OLD "    27637       14        6      148        9\n", 0, 0},      /* 15, from 4.18 */
        {OLD "    27637  14  6  148  9     3885     2319\n", 3885, 2319},   /* 17, from 5.5 */
        {OLD "    27637  14  6  148  9     3885     2319 1\n", 3885, 2319}, /* whatever comes */
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct disk_stat s = {.flushes = 77};
        assert_int_equal(disk_stat_read(rows[i].text, &s), 0);
        check_reads_and_writes(&s);
        assert_int_equal(s.flushes, rows[i].flushes);
        assert_int_equal(s.flush_ms, rows[i].flush_ms);
        /* Flushes are in the writes that ask for them. */
        assert_int_equal(disk_stat_busy_ms(&s), 1520 + 26117);
    }
}

static void test_large_numbers(void **state)
{
    (void)state;
    struct disk_stat s;
    assert_int_equal(disk_stat_read("1 2 18446744073709551615 4 5 6 7 8 9 10 11", &s), 0);
    assert_true(s.read_sectors == UINT64_MAX);
    assert_int_equal(disk_stat_busy_ms(&s), 4 + 8);
}

static void test_garbage(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "\n",
        "none",
        "8916 7 262146 1520",
        "1 2 3 4 5 6 7",
        "1 2 x 4 5 6 7 8 9 10 11",
        "vda 1 2 3 4 5 6 7 8 9 10 11",
    };
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct disk_stat s;
        assert_int_equal(disk_stat_read(texts[i], &s), -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_age),
        cmocka_unit_test(test_large_numbers),
        cmocka_unit_test(test_garbage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
