/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-zipf.c - ranks come as often as Zipf's law has it, whatever the exponent and however many
 * there are. All draws are of fixed seeds.
 */
#undef NDEBUG
#include <assert.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "measure/workload.h"
#include "measure/zipf.h"

#define RANKS_MAX 100

/* Chi-square of a million draws against k^-theta. */
static double chi2_of(double theta, unsigned n, uint64_t seed)
{
    enum { DRAWS = 1000000 };
    unsigned hits[RANKS_MAX] = {0};
    struct random random;
    struct zipf z;
    double sum = 0, chi2 = 0;
    random_seed(&random, seed);
    zipf_init(&z, n, theta);
    for (unsigned i = 0; i < DRAWS; i++) {
        uint64_t rank = zipf_draw(&z, &random);
        assert_true(rank < n);
        hits[rank]++;
    }
    for (unsigned i = 0; i < n; i++)
        sum += pow(i + 1, -theta);
    for (unsigned i = 0; i < n; i++) {
        double expected = DRAWS * pow(i + 1, -theta) / sum;
        chi2 += (hits[i] - expected) * (hits[i] - expected) / expected;
    }
    return chi2;
}

static void check_law(double theta, uint64_t seed)
{
    double chi2 = chi2_of(theta, RANKS_MAX, seed);
    /* 99 degrees of freedom: outside of these in one case of a thousand. */
    if (chi2 < 57 || chi2 > 149)
        fail_msg("theta %g: chi-square %g", theta, chi2);
}

static void test_law(void **state)
{
    (void)state;
    static const double thetas[] = {0.5, 0.99, 1, 1.2, 2.5};
    for (size_t i = 0; i < ARRAY_SIZE(thetas); i++) {
        check_law(thetas[i], 1);
        check_law(thetas[i], 2);
    }
}

/* Where the formulas of the area have no digits left, and where one passes into the other. */
static void test_about_one(void **state)
{
    (void)state;
    static const double off[] = {1e-16, 1e-12, 1e-9, 1.9e-9, 2.3e-9, 1e-8, 1e-6, 1e-4};
    for (size_t i = 0; i < ARRAY_SIZE(off); i++) {
        check_law(1 - off[i], 3);
        check_law(1 + off[i], 4);
    }
}

/* Nearly uniform, and with ranks that nearly never come. */
static void test_ends(void **state)
{
    (void)state;
    check_law(1e-300, 1);
    check_law(1e-9, 1);
    check_law(0.01, 1);
    assert_true(chi2_of(WORKLOAD_ZIPF_MAX, 5, 1) < 18.5);
}

static void test_few(void **state)
{
    (void)state;
    static const double thetas[] = {1e-9, 0.5, 0.99, 1, 1.2, 2.5, WORKLOAD_ZIPF_MAX};
    /* Of one in a thousand cases, by the number of ranks. */
    static const double most[] = {0, 0, 10.9, 13.9, 16.3};
    for (size_t i = 0; i < ARRAY_SIZE(thetas); i++)
        for (unsigned n = 1; n <= 4; n++)
            assert_true(chi2_of(thetas[i], n, 5) <= most[n]);
}

/* The share of the first rank is 1 / the sum of all k^-theta, for which there are formulas. */
static const struct {
    double theta, sum; /* over 2^40 ranks */
} first_shares[] = {
    {0.5, 2 * 1048576.0 - 1.4603545}, /* 2 sqrt(n) + zeta(1/2) */
    {1, 40 * 0.69314718 + 0.57721566},
    {2, 1.64493407},
    {4, 1.08232323},
};

static void test_many(void **state)
{
    (void)state;
    enum { DRAWS = 1000000 };
    const uint64_t n = UINT64_C(1) << 40;
    for (size_t i = 0; i < ARRAY_SIZE(first_shares); i++) {
        double expected = DRAWS / first_shares[i].sum;
        struct random random;
        struct zipf z;
        unsigned first = 0, beyond = 0;
        random_seed(&random, 7);
        zipf_init(&z, n, first_shares[i].theta);
        for (unsigned k = 0; k < DRAWS; k++) {
            uint64_t rank = zipf_draw(&z, &random);
            assert_true(rank < n);
            first += rank == 0;
            beyond += rank >= n / 2;
        }
        assert_true(fabs(first - expected) <= 4 * sqrt(expected) + 2);
        /* The upper half of all ranks has 1 - sqrt(1/2) of the sum at theta 1/2. */
        if (first_shares[i].theta == 0.5)
            assert_true(fabs(beyond - 0.29289 * DRAWS) < 5 * sqrt(0.21 * DRAWS));
    }
}

static void test_in_range(void **state)
{
    (void)state;
    static const uint64_t counts[] = {1, 2, 3, 1000003, (UINT64_C(1) << 40) - 1, UINT64_C(1) << 40};
    for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
        for (double theta = 0.05; theta <= WORKLOAD_ZIPF_MAX; theta += 0.05) {
            struct random random;
            struct zipf z;
            random_seed(&random, i);
            zipf_init(&z, counts[i], theta);
            for (int k = 0; k < 500; k++)
                assert_true(zipf_draw(&z, &random) < counts[i]);
        }
    }
}

static void test_by_seed(void **state)
{
    (void)state;
    struct random a, b;
    struct zipf z;
    random_seed(&a, 1);
    random_seed(&b, 1);
    zipf_init(&z, 1000, 0.99);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(zipf_draw(&z, &a), zipf_draw(&z, &b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_law),     cmocka_unit_test(test_about_one),
        cmocka_unit_test(test_ends),    cmocka_unit_test(test_few),
        cmocka_unit_test(test_many),    cmocka_unit_test(test_in_range),
        cmocka_unit_test(test_by_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
