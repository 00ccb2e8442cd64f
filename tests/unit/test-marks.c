/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-marks.c - the quarter seconds of a run, and what they say of its steadiness.
 */
#undef NDEBUG
#include <assert.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "measure/marks.h"

#define START UINT64_C(123456789)

/* Completions at a fixed interval, up to the time. */
static struct marks steady(uint64_t interval_ns, uint64_t until_ns)
{
    struct marks m = {0};
    uint64_t requests = 0;
    marks_start(&m, START, 0);
    for (uint64_t t = interval_ns; t <= until_ns; t += interval_ns)
        marks_pass(&m, START + t, ++requests);
    return m;
}

static void look(const struct marks *a, const struct marks *b, double *spread, double *trend)
{
    marks_steadiness((const struct marks *const[]){a, b}, b ? 2 : 1, spread, trend);
}

/* Whatever a request takes: a thousandth of a quarter, most of one, or several. */
static void test_steady(void **state)
{
    (void)state;
    static const uint64_t intervals_us[] = {250, 999, 70000, 240000, 250000, 610000};
    for (size_t i = 0; i < sizeof(intervals_us) / sizeof(*intervals_us); i++) {
        double spread, trend;
        struct marks m = steady(intervals_us[i] * 1000, 30 * NS_PER_SECOND);
        assert_true(m.count >= 118 && m.count <= 121);
        for (unsigned k = 0; k < m.count; k++) {
            double wanted = k * 250000.0 / (double)intervals_us[i];
            assert_true(fabs(m.requests[k] - wanted) < 1e-6 * (wanted + 1));
        }
        look(&m, NULL, &spread, &trend);
        assert_true(spread < 1e-6 && fabs(trend) < 1e-6);
        marks_done(&m);
    }
}

/* Half the speed from the middle on. */
static void test_slower(void **state)
{
    (void)state;
    double spread, trend;
    uint64_t requests = 0, t = 0;
    struct marks m = {0};
    marks_start(&m, START, 0);
    for (; t < 2 * NS_PER_SECOND; t += NS_PER_MS)
        marks_pass(&m, START + t + NS_PER_MS, ++requests);
    for (; t < 4 * NS_PER_SECOND; t += 2 * NS_PER_MS)
        marks_pass(&m, START + t + 2 * NS_PER_MS, ++requests);
    assert_int_equal(m.count, 17);
    look(&m, NULL, &spread, &trend);
    assert_true(fabs(trend + 0.5) < 1e-6);
    /* Eight quarters of 250 and eight of 125 about 187.5. */
    assert_true(fabs(spread - 62.5 * sqrt(16 / 15.0) / 187.5) < 1e-6);
    marks_done(&m);
}

static void test_too_few(void **state)
{
    (void)state;
    double spread = 0, trend = 0;
    struct marks m = steady(NS_PER_MS, 999 * NS_PER_MS);
    look(&m, NULL, &spread, &trend);
    assert_true(isnan(spread) && isnan(trend));
    marks_done(&m);
    m = steady(NS_PER_MS, NS_PER_SECOND);
    look(&m, NULL, &spread, &trend);
    assert_true(spread < 1e-6 && fabs(trend) < 1e-6);
    marks_done(&m);
    marks_steadiness(NULL, 0, &spread, &trend);
    assert_true(isnan(spread) && isnan(trend));
}

/* One job ends sooner: that there is one less from then on is no change of the speed. */
static void test_jobs(void **state)
{
    (void)state;
    double spread, trend;
    struct marks longer = steady(NS_PER_MS, 10 * NS_PER_SECOND);
    struct marks shorter = steady(2 * NS_PER_MS, 3 * NS_PER_SECOND);
    look(&longer, &shorter, &spread, &trend);
    assert_true(spread < 1e-6 && fabs(trend) < 1e-6);
    marks_done(&longer);
    marks_done(&shorter);
}

/* A second run forgets the first; at a rate the first request is there at once. */
static void test_anew(void **state)
{
    (void)state;
    double spread, trend;
    struct marks m = steady(NS_PER_MS, 5 * NS_PER_SECOND);
    uint64_t requests = 0;
    marks_start(&m, START, 1);
    assert_int_equal(m.count, 1);
    for (uint64_t t = 1; t < 3 * NS_PER_SECOND; t += NS_PER_SECOND / 10)
        marks_pass(&m, START + t, ++requests);
    look(&m, NULL, &spread, &trend);
    assert_true(spread < 1e-6 && fabs(trend) < 1e-6);
    marks_done(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steady),  cmocka_unit_test(test_slower),
        cmocka_unit_test(test_too_few), cmocka_unit_test(test_jobs),
        cmocka_unit_test(test_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
