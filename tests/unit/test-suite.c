/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-suite.c - works keep their groups on the way to the guest, and every disk has a place for
 * every group, whose slices and latencies are its own.
 */
#undef NDEBUG
#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/json.h"
#include "disk.h"
#include "measure/named.h"
#include "measure/sites.h"
#include "work.h"

#define SPAN (UINT64_C(1) << 20)

static struct work work_of(enum workload_rw rw, uint32_t block)
{
    return (struct work){
        .workload = {.rw = rw,
                     .read_percent = workload_rw_read_percent(rw),
                     .block_bytes = block,
                     .depth = 1,
                     .jobs = 1},
        .span_bytes = SPAN,
        .weight = 2,
        .bounds = {.bytes = 3 * SPAN, .duration_ns = 5, .ramp_ns = 7, .time_based = true},
    };
}

/* Reads alone; reads of 8 KiB beside writes of 16 KiB. */
static struct suite *three_works(void)
{
    struct suite *s = suite_new("three");
    const struct work works[] = {work_of(WORKLOAD_RANDREAD, 4096), work_of(WORKLOAD_READ, 8192),
                                 work_of(WORKLOAD_RANDWRITE, 16384)};
    for (unsigned i = 0; i < 3; i++)
        suite_add(s, &works[i], /* beside = */ i == 2);
    return s;
}

/* --- Works ------------------------------------------------------------------------------------ */

static void test_groups(void **state)
{
    (void)state;
    cleanup_suite struct suite *s = three_works();
    unsigned count;
    assert_string_equal(s->name, "three");
    assert_int_equal(s->count, 3);
    assert_int_equal(suite_groups(s), 2);
    assert_ptr_equal(suite_group(s, 0, &count), &s->works[0]);
    assert_int_equal(count, 1);
    assert_ptr_equal(suite_group(s, 1, &count), &s->works[1]);
    assert_int_equal(count, 2);
    assert_true(suite_weight(s) == 6);
    assert_true(suite_writes(s));
    s->count = 2;
    assert_false(suite_writes(s));
    cleanup_suite struct suite *none = suite_new("a name that is longer than a name may ever be");
    assert_int_equal(suite_groups(none), 0);
    assert_int_equal(strlen(none->name), WORKLOAD_NAME_MAX);
    /* The first has nothing to be beside of. */
    suite_add(none, &s->works[0], /* beside = */ true);
    assert_int_equal(suite_groups(none), 1);
}

static void test_json(void **state)
{
    (void)state;
    cleanup_suite struct suite *s = three_works();
    cleanup_json json_t *json = suite_to_json(s);
    cleanup_suite struct suite *back = suite_from_json(json, NULL);
    assert_non_null(back);
    assert_int_equal(back->count, s->count);
    for (unsigned i = 0; i < s->count; i++) {
        const struct work *a = &s->works[i], *b = &back->works[i];
        assert_true(work_same(&a->workload, &b->workload));
        assert_true(a->span_bytes == b->span_bytes && a->group == b->group);
        assert_true(a->bounds.bytes == b->bounds.bytes &&
                    a->bounds.duration_ns == b->bounds.duration_ns &&
                    a->bounds.ramp_ns == b->bounds.ramp_ns && b->bounds.time_based);
    }
}

/* What the guest is told is checked there as well: a group out of its order would be run as
 * another. */
static void test_bad_json(void **state)
{
    (void)state;
    static const int groups[][3] = {{1, 1, 1}, {0, 2, 2}, {0, 1, 0}, {0, 1, SUITE_WORKS_MAX}};
    assert_null(suite_from_json(NULL, NULL));
    for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
        cleanup_suite struct suite *s = three_works();
        cleanup_json json_t *json = suite_to_json(s);
        cleanup_error struct error *err = NULL;
        for (size_t k = 0; k < 3; k++)
            json_object_set_new(json_array_get(json, k), "group", json_integer(groups[i][k]));
        if (suite_from_json(json, &err))
            fail_msg("row %zu was taken", i);
        assert_non_null(strstr(err->message, "group"));
    }
    cleanup_json json_t *none = json_array();
    assert_null(suite_from_json(none, NULL));
    cleanup_suite struct suite *s = three_works();
    cleanup_json json_t *json = suite_to_json(s);
    json_object_del(json_array_get(json, 1), "bounds");
    assert_null(suite_from_json(json, NULL));
}

/* --- Places ----------------------------------------------------------------------------------- */

static uint64_t count_latencies(const struct sites *s, size_t disk, unsigned work)
{
    cleanup_free struct histogram *all = xcalloc(1, sizeof(*all));
    sites_add_latencies(s, disk, work, all);
    return all->count;
}

static void test_sites(void **state)
{
    (void)state;
    cleanup_suite struct suite *suite = three_works();
    cleanup_free char *one = disk_file(SPAN), *other = disk_file(SPAN);
    cleanup_sites struct sites *s = sites_new(suite, false, 1, NULL);
    assert_non_null(s);
    const struct budget budget = {.duration_ns = 60 * NS_PER_SECOND, .max_requests = 12};
    struct slice slices[2];
    assert_int_equal(sites_add(s, one, 1, NULL), 0);
    assert_int_equal(sites_add(s, other, 2, NULL), 0);
    assert_int_equal(sites_disks(s), 2);
    assert_int_equal(sites_suite(s)->count, 3);
    assert_int_equal(
        sites_run(s, 1, 0, &(struct budget){.max_requests = 5, .min_requests = 5}, slices, NULL),
        0);
    assert_int_equal(slices[0].requests, 5);
    assert_int_equal(slices[0].written_bytes, 0);
    assert_int_equal(sites_run(s, 1, 1, &budget, slices, NULL), 0);
    assert_int_equal(slices[0].requests, 12);
    assert_int_equal(slices[0].bytes, 12 * 8192);
    assert_int_equal(slices[1].requests, 12);
    assert_int_equal(slices[1].written_bytes, 12 * 16384);
    for (unsigned work = 0; work < 3; work++)
        assert_int_equal(count_latencies(s, 0, work), 0);
    assert_int_equal(count_latencies(s, 1, 0), 5);
    assert_int_equal(count_latencies(s, 1, 1), 12);
    assert_int_equal(count_latencies(s, 1, 2), 12);
}

/* Where one work wrote first, the next would rewrite. */
static void test_first_writes(void **state)
{
    (void)state;
    cleanup_suite struct suite *suite = three_works();
    cleanup_error struct error *err = NULL;
    assert_null(sites_new(suite, /* once = */ true, 1, &err));
    assert_non_null(strstr(err->message, "one work at a time"));
    suite->count = 1;
    cleanup_sites struct sites *s = sites_new(suite, /* once = */ true, 1, NULL);
    assert_non_null(s);
}

/* All groups have their buffers at the same time: what fits alone may not fit with others. */
static void test_memory(void **state)
{
    (void)state;
    cleanup_suite struct suite *suite = suite_new("");
    cleanup_error struct error *err = NULL;
    struct work big = {.workload = {.rw = WORKLOAD_WRITE, .block_bytes = 1 << 20, .jobs = 4},
                       .weight = 1};
    big.workload.depth = 32;
    suite_add(suite, &big, false);
    suite_add(suite, &big, false);
    assert_int_equal(sites_check_memory(suite, NULL), 0);
    /* Two small jobs: 2 MiB each. */
    big.workload = (struct workload){
        .rw = WORKLOAD_READ, .read_percent = 100, .block_bytes = 4096, .depth = 1, .jobs = 2};
    suite_add(suite, &big, false);
    assert_int_equal(sites_check_memory(suite, &err), -1);
    assert_non_null(strstr(err->message, "take 260 MiB, and there is room for 256"));
    assert_null(sites_new(suite, false, 1, NULL));
}

static void test_bad_disk(void **state)
{
    (void)state;
    cleanup_suite struct suite *suite = three_works();
    cleanup_sites struct sites *s = sites_new(suite, false, 1, NULL);
    cleanup_error struct error *err = NULL;
    assert_int_equal(sites_add(s, "/nonexistent", 1, &err), -1);
    assert_non_null(strstr(err->message, "/nonexistent"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_groups),       cmocka_unit_test(test_json),
        cmocka_unit_test(test_bad_json),     cmocka_unit_test(test_sites),
        cmocka_unit_test(test_first_writes), cmocka_unit_test(test_bad_disk),
        cmocka_unit_test(test_memory),
    };
    if (disk_skip(1))
        return 0;
    return cmocka_run_group_tests(tests, scratch_set_up, scratch_tear_down);
}
