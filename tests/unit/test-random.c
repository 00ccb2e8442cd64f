/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-random.c - the generators give the numbers that their authors' programs give, and all
 * numbers of a range come up alike. Every seed is fixed: a test that passes once passes always.
 */
#undef NDEBUG
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "measure/random.h"

static void test_splitmix64(void **state)
{
    (void)state;
    static const uint64_t expected[] = {
        UINT64_C(0xe220a8397b1dcdaf),
        UINT64_C(0x6e789e6aa1b965f4),
        UINT64_C(0x06c45d188009454f),
        UINT64_C(0xf88bb8a8724c81ec),
    };
    uint64_t seed = 0;
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
        assert_int_equal(random_splitmix64(&seed), expected[i]);
}

static void test_xoshiro(void **state)
{
    (void)state;
    static const uint64_t expected[] = {
        UINT64_C(11520),
        UINT64_C(0),
        UINT64_C(1509978240),
        UINT64_C(1215971899390074240),
        UINT64_C(1216172134540287360),
        UINT64_C(607988272756665600),
        UINT64_C(16172922978634559625),
        UINT64_C(8476171486693032832),
        UINT64_C(10595114339597558777),
        UINT64_C(2904607092377533576),
    };
    struct random r = {{1, 2, 3, 4}};
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
        assert_int_equal(random_u64(&r), expected[i]);
}

/* The state is what splitmix64 gives, so that the seed 0 is as good as any. */
static void test_seed(void **state)
{
    (void)state;
    static const uint64_t seeds[] = {0, 1, 42, UINT64_MAX};
    for (size_t i = 0; i < ARRAY_SIZE(seeds); i++) {
        struct random a, b;
        random_seed(&a, seeds[i]);
        random_seed(&b, seeds[i]);
        uint64_t seed = seeds[i];
        for (size_t k = 0; k < ARRAY_SIZE(a.s); k++)
            assert_int_equal(a.s[k], random_splitmix64(&seed));
        for (int k = 0; k < 100; k++)
            assert_int_equal(random_u64(&a), random_u64(&b));
    }
}

#define CELLS_MAX 100

/* Draws below n, counted in `cells` equal parts of the range, or by remainder, against equal
 * shares. The limits are the 99.9 % quantiles of chi-square with cells - 1 degrees of freedom. 3 *
 * 2^62 shows what has a bias: with a plain modulo n the first third of the range comes up twice as
 * often as the rest, with a plain product every third number does. */
static const struct {
    uint64_t n;
    unsigned cells;
    double limit;
    bool by_remainder;
} ranges[] = {
    {2, 2, 10.83},
    {6, 6, 20.52},
    {10, 10, 27.88},
    {100, 100, 148.23},
    {UINT64_C(3) << 62, 6, 20.52},
    {UINT64_C(3) << 62, 3, 13.82, true},
    {UINT64_C(1) << 63, 10, 27.88},
    {UINT64_MAX, 10, 27.88},
};

static void test_below_is_uniform(void **state)
{
    (void)state;
    const unsigned draws = 100000;
    struct random r;
    random_seed(&r, 2024);
    for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
        unsigned counts[CELLS_MAX] = {0};
        for (unsigned k = 0; k < draws; k++) {
            uint64_t value = random_below(&r, ranges[i].n);
            assert_true(value < ranges[i].n);
            counts[ranges[i].by_remainder ? value % ranges[i].cells
                                          : (__uint128_t)value * ranges[i].cells / ranges[i].n]++;
        }
        double expected = (double)draws / ranges[i].cells, chi_square = 0;
        for (unsigned k = 0; k < ranges[i].cells; k++)
            chi_square += (counts[k] - expected) * (counts[k] - expected) / expected;
        if (chi_square >= ranges[i].limit)
            fail_msg("chi-square %g below %llu", chi_square, (unsigned long long)ranges[i].n);
    }
}

static void test_below_one(void **state)
{
    (void)state;
    struct random r;
    random_seed(&r, 7);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(random_below(&r, 1), 0);
}

/* Mean 1/2 and variance 1/12, each within five standard errors, and never 1. */
static void test_double(void **state)
{
    (void)state;
    const int draws = 100000;
    struct random r;
    random_seed(&r, 11);
    double sum = 0, squares = 0;
    for (int i = 0; i < draws; i++) {
        double x = random_double(&r);
        assert_true(x >= 0 && x < 1);
        sum += x - 0.5;
        squares += (x - 0.5) * (x - 0.5);
    }
    double mean = sum / draws, variance = squares / draws;
    assert_true(mean > -0.0046 && mean < 0.0046);
    assert_true(variance > 1.0 / 12 - 0.0012 && variance < 1.0 / 12 + 0.0012);

    /* xoshiro256** gives rotl(s[1] * 5, 7) * 9: this state makes that 2^64 - 1, the largest. */
    struct random largest = {{0, 0, 0, 1}};
    uint64_t inverse_of_9 = UINT64_C(0x8e38e38e38e38e39),
             inverse_of_5 = UINT64_C(0xcccccccccccccccd);
    assert_int_equal(inverse_of_9 * 9, 1);
    assert_int_equal(inverse_of_5 * 5, 1);
    uint64_t rotated = UINT64_MAX * inverse_of_9;
    largest.s[1] = (rotated >> 7 | rotated << 57) * inverse_of_5;
    struct random copy = largest;
    assert_int_equal(random_u64(&copy), UINT64_MAX);
    assert_true(random_double(&largest) == 1 - 0x1p-53);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_splitmix64), cmocka_unit_test(test_xoshiro),
        cmocka_unit_test(test_seed),       cmocka_unit_test(test_below_is_uniform),
        cmocka_unit_test(test_below_one),  cmocka_unit_test(test_double),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
