/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-stats.c - the statistics against numbers from tables and closed forms, and the interval
 * against what it promises: to hold the truth in 95 of 100 cases.
 */
#undef NDEBUG
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "measure/stats.h"
#include "noise.h"

/* cmocka compares floats, not doubles. */
static void check_close(const char *what, double value, double expected, double relative)
{
    bool equal = value == expected || (isnan(value) && isnan(expected)) ||
                 fabs(value - expected) <= relative * fabs(expected);
    if (!equal)
        fail_msg("%s: %.12g instead of %.12g", what, value, expected);
}

/* --- Known samples ---------------------------------------------------------------------------- */

#define VALUES_MAX 20

static const struct {
    const char *what;
    size_t n;
    double fraction;
    double mean, variance, trimmed, se;
    double values[VALUES_MAX];
} samples[] = {
    {"nothing", 0, 0.1, NAN, 0, NAN, INFINITY, {0}},
    {"one", 1, 0.1, 7, 0, 7, INFINITY, {7}},
    /* Nothing to trim: the usual s / sqrt(n). */
    {"two", 2, 0.1, 4, 2, 4, 1, {3, 5}},
    {"nine", 9, 0.1, 5, 7.5, 5, 0.91287092917527690, {9, 1, 8, 2, 7, 3, 6, 4, 5}},
    /* Winsorized 2 2 3 … 8 9 9: mean 5.5, sum of squares 66.5, so s_w = sqrt(66.5 / 9), and
     * se = s_w / (0.8 sqrt(10)). */
    {"ten", 10, 0.1, 14.5, 909.16666666666667, 5.5, 1.0744830900, {3, 1, 100, 2, 5, 4, 6, 7, 8, 9}},
    /* Of self-awareness, R. Wilcox, "Introduction to Robust Estimation and Hypothesis Testing",
     * chapter 3: 20 % trimmed mean 282.7, winsorized variance 21551.4. */
    {"Wilcox",
     19,
     0.2,
     8514 / 19.0,
     353584.2105263158,
     3675 / 13.0,
     49.2233835,
     {77, 87, 88, 114, 151, 210, 219, 246, 253, 262, 296, 299, 306, 376, 428, 515, 666, 1310,
      2611}},
    {"median of an odd number", 5, 0.5, 22, 1902.5, 3, INFINITY, {100, 3, 1, 2, 4}},
    {"median of an even number",
     4,
     0.5,
     26.5,
     2401.6666666666667,
     2.5,
     0.5773502691896257,
     {1, 100, 2, 3}},
    {"more than all", 4, 3, 26.5, 2401.6666666666667, 2.5, 0.5773502691896257, {1, 100, 2, 3}},
    /* Trimming must not hide it, wherever it stands. */
    {"a value that is missing", 10, 0.1, NAN, NAN, NAN, NAN, {3, 1, NAN, 2, 5, 4, 6, 7, 8, 9}},
    {"the first is missing", 10, 0.1, NAN, NAN, NAN, NAN, {NAN, 3, 1, 2, 5, 4, 6, 7, 8, 9}},
    {"the last is missing", 10, 0.1, NAN, NAN, NAN, NAN, {3, 1, 2, 5, 4, 6, 7, 8, 9, NAN}},
};

static void test_samples(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
        const double *x = samples[i].values;
        size_t n = samples[i].n;
        double before[VALUES_MAX];
        memcpy(before, x, sizeof(before));
        check_close(samples[i].what, stats_mean(x, n), samples[i].mean, 1e-12);
        check_close(samples[i].what, stats_variance(x, n), samples[i].variance, 1e-12);
        check_close(samples[i].what, stats_trimmed_mean(x, n, samples[i].fraction),
                    samples[i].trimmed, 1e-12);
        check_close(samples[i].what, stats_trimmed_mean_se(x, n, samples[i].fraction),
                    samples[i].se, 1e-7);
        assert_memory_equal(before, x, sizeof(before));
    }
    assert_true(isnan(stats_trimmed_mean(NULL, 0, 0.1)));
}

/* 0.29 * 100 is a little less than 29 in binary, and 29 have to go on each side all the same. */
static void test_trimming_whole_numbers(void **state)
{
    (void)state;
    double x[100];
    for (size_t i = 0; i < ARRAY_SIZE(x); i++)
        x[i] = (double)(i * i);
    check_close("29 of 100", stats_trimmed_mean(x, ARRAY_SIZE(x), 0.29), stats_mean(x + 29, 42),
                1e-12);
}

static const struct {
    const char *what;
    size_t n, batches;
    double fraction, se;
    double values[VALUES_MAX];
} batched[] = {
    /* Means 1.5 3.5 5.5 7.5 have the variance 20/3. */
    {"pairs", 8, 4, 0, 1.2909944487358056, {1, 2, 3, 4, 5, 6, 7, 8}},
    {"in the order they came", 8, 4, 0, 0, {1, 8, 8, 1, 1, 8, 8, 1}},
    {"uneven", 5, 2, 0, 1.5, {1, 3, 4, 5, 6}},
    {"trimmed", 6, 2, 0.34, 1.5, {-100, 2, 50, 5, 99, 4}},
    {"one batch", 5, 1, 0, INFINITY, {1, 2, 3, 4, 5}},
    {"more batches than values", 5, 6, 0, INFINITY, {1, 2, 3, 4, 5}},
    {"as many batches as values", 2, 2, 0.1, 1, {3, 5}},
    {"a value that is missing", 5, 2, 0, NAN, {1, 3, 4, NAN, 6}},
};

static void test_batches(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(batched); i++)
        check_close(batched[i].what,
                    stats_batch_se(batched[i].values, batched[i].n, batched[i].batches,
                                   batched[i].fraction),
                    batched[i].se, 1e-12);
}

/* --- Location --------------------------------------------------------------------------------- */

static double alternate(size_t i)
{
    return i % 2 ? 1 : -1;
}

static double ramp(size_t i)
{
    return (double)i;
}

static double constant(size_t i)
{
    (void)i;
    return 42;
}

static double missing(size_t i)
{
    return i == 7 ? NAN : 1;
}

static const struct {
    const char *what;
    size_t n;
    double (*value)(size_t i);
    double dof;
    bool by_batches, infinite;
} locations[] = {
    {"none", 0, ramp, 1, false, true},
    {"one", 1, ramp, 1, false, true},
    {"two", 2, ramp, 1, false, false},
    {"ten", 10, ramp, 7, false, false},
    {"too few for batches", 39, ramp, 32, false, false},
    {"enough for batches", 40, ramp, 19, true, false},
    {"batches that agree", 40, alternate, 31, false, false},
    {"many", 1000, alternate, 799, false, false},
    {"many that drift", 1000, ramp, 19, true, false},
    {"no noise at all", 40, constant, 31, false, false},
    {"a value that is missing", 40, missing, 31, false, false},
};

static void test_location(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(locations); i++) {
        const char *what = locations[i].what;
        size_t n = locations[i].n;
        cleanup_free double *x = xcalloc(n, sizeof(*x));
        for (size_t k = 0; k < n; k++)
            x[k] = locations[i].value(k);
        struct stats_location l = stats_location(x, n);
        check_close(what, l.mean, stats_mean(x, n), 0);
        check_close(what, l.robust, stats_trimmed_mean(x, n, 0.1), 0);
        check_close(what, l.dof, locations[i].dof, 0);
        check_close(what, l.se,
                    locations[i].by_batches ? stats_batch_se(x, n, 20, 0.1)
                                            : stats_trimmed_mean_se(x, n, 0.1),
                    0);
        assert_int_equal(!!isinf(l.se), locations[i].infinite);
        /* Whatever n was, it makes an interval. */
        assert_true(isfinite(stats_t_quantile(0.975, l.dof)));
    }
}

/* --- Quantiles -------------------------------------------------------------------------------- */

static const struct {
    double p, dof, t;
} quantiles[] = {
    {0.975, 1, 12.7062047},
    {0.975, 2, 4.30265273},
    {0.975, 5, 2.57058184},
    {0.975, 16, 2.11990530},
    {0.975, 19, 2.09302405},
    {0.975, 30, 2.04227246},
    {0.95, 10, 1.81246112},
    {0.995, 3, 5.84090931},
    /* From the finite series for whole numbers, in 60 digits. */
    {0.975, 179, 1.9733054338415},
    {1 - 1e-8, 1000, 5.6579123376791},
    /* Not whole: from the integral of the density, by Simpson's rule. */
    {0.975, 1.5, 6.016663104},
    {0.975, 2.5, 3.574654842},
    {0.9, 3.7, 1.557565839},
    {0.995, 12.25, 3.043228310},
    {0.975, 23.6, 2.065751312},
    /* The normal distribution's. */
    {0.9, INFINITY, 1.2815515655446004},
    {0.975, INFINITY, 1.9599639845400545},
    {0.995, INFINITY, 2.5758293035489004},
    {0.975, 1e9, 1.9599639845400545 + 2.3722e-9},
};

static void test_t_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(quantiles); i++) {
        double p = quantiles[i].p, dof = quantiles[i].dof;
        check_close("quantile", stats_t_quantile(p, dof), quantiles[i].t, 1e-8);
        /* 1 - p is not exact, so neither is the mirror image. */
        check_close("mirrored", stats_t_quantile(1 - p, dof), -quantiles[i].t, 1e-8);
    }
}

static const double shares[] = {1e-12, 1e-8,   1e-4, 0.001, 0.025, 0.05, 0.2,   0.4,
                                0.499, 0.4999, 0.6,  0.75,  0.95,  0.99, 0.9999};

/* For 1, 2 and 4 degrees of freedom there are formulas. */
static void test_t_closed_forms(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(shares); i++) {
        double p = shares[i], alpha = 4 * p * (1 - p);
        check_close("1 degree", stats_t_quantile(p, 1), -1 / tan(M_PI * p), 1e-8);
        check_close("2 degrees", stats_t_quantile(p, 2), (2 * p - 1) * sqrt(2 / alpha), 1e-8);
        double q = cos(acos(sqrt(alpha)) / 3) / sqrt(alpha);
        check_close("4 degrees", stats_t_quantile(p, 4), copysign(2 * sqrt(q - 1), p - 0.5), 1e-7);
    }
}

static void test_t_shape(void **state)
{
    (void)state;
    static const double dofs[] = {1,   1.01, 1.5, 2,     3,   4.7,    10,  50,
                                  179, 1000, 1e4, 99999, 1e5, 100001, 1e6, INFINITY};
    for (size_t i = 0; i < ARRAY_SIZE(dofs); i++) {
        assert_true(stats_t_quantile(0.5, dofs[i]) == 0);
        for (size_t k = 0; k < ARRAY_SIZE(shares); k++) {
            double t = stats_t_quantile(shares[k], dofs[i]);
            assert_true(k == 0 || t > stats_t_quantile(shares[k - 1], dofs[i]));
            /* More degrees of freedom, thinner tails; next to 1e5 by less than the error. */
            double fewer = i ? stats_t_quantile(shares[k], dofs[i - 1]) : -INFINITY;
            assert_true(fabs(t) <= fabs(fewer) * (1 + 1e-8));
        }
    }
}

/* --- Coverage --------------------------------------------------------------------------------- */

#define RUNS 2000
#define ROUNDS_MAX 800

/* The bands are what a simulation ten times as long found, and four standard errors at least. */
static const struct {
    const char *what;
    double (*next)(struct noise *s);
    bool skewed;
    size_t n;
    double least, most;
} sources[] = {
    {"normal, 20 rounds", noise_normal, false, 20, 0.925, 0.97},
    {"normal, 39 rounds", noise_normal, false, 39, 0.925, 0.97},
    /* From here on with batches, and so a little too wide. */
    {"normal, 40 rounds", noise_normal, false, 40, 0.935, 0.98},
    {"normal, 200 rounds", noise_normal, false, 200, 0.94, 0.985},
    {"bursts, 200 rounds", noise_bursty, true, 200, 0.925, 0.97},
    {"bursts, 800 rounds", noise_bursty, true, 800, 0.94, 0.985},
    {"AR(1), 200 rounds", noise_autoregressive, false, 200, 0.91, 0.955},
    {"AR(1), 800 rounds", noise_autoregressive, false, 800, 0.92, 0.965},
};

static void draw(struct noise *s, double (*next)(struct noise *s), double *x, size_t n)
{
    /* Until it has forgotten how it began. */
    for (int i = 0; i < 100; i++)
        next(s);
    for (size_t i = 0; i < n; i++)
        x[i] = next(s);
}

/* The location that the intervals have to hold: 0 by symmetry, or that of very many rounds. */
static double truth(struct noise *s, double (*next)(struct noise *s), bool skewed)
{
    const size_t n = 1000000;
    if (!skewed)
        return 0;
    cleanup_free double *x = xcalloc(n, sizeof(*x));
    draw(s, next, x, n);
    return stats_trimmed_mean(x, n, 0.1);
}

struct coverage {
    double batches;     /* the share of stats_location's intervals that hold the truth */
    double independent; /* the same if every round is taken to be independent of the others */
};

static struct coverage simulate(size_t source)
{
    struct noise s = {0};
    random_seed(&s.random, 1 + source);
    double expected = truth(&s, sources[source].next, sources[source].skewed);
    double x[ROUNDS_MAX];
    size_t n = sources[source].n;
    unsigned batches = 0, independent = 0;
    for (unsigned i = 0; i < RUNS; i++) {
        draw(&s, sources[source].next, x, n);
        struct stats_location l = stats_location(x, n);
        double off = fabs(l.robust - expected);
        batches += off <= stats_t_quantile(0.975, l.dof) * l.se;
        independent +=
            off <= stats_t_quantile(0.975, 0.8 * (double)n - 1) * stats_trimmed_mean_se(x, n, 0.1);
    }
    return (struct coverage){(double)batches / RUNS, (double)independent / RUNS};
}

static void test_coverage(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
        struct coverage c = simulate(i);
        print_message("# %s: %.1f %%, without batches %.1f %%\n", sources[i].what, 100 * c.batches,
                      100 * c.independent);
        if (c.batches < sources[i].least || c.batches > sources[i].most)
            fail_msg("%s: the interval holds in %.1f %%", sources[i].what, 100 * c.batches);
        /* What the batches are for: were they not needed, this would not be noise to test with. */
        if (sources[i].next != noise_normal && c.independent > 0.86)
            fail_msg("%s: the rounds are as good as independent", sources[i].what);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples), cmocka_unit_test(test_trimming_whole_numbers),
        cmocka_unit_test(test_batches), cmocka_unit_test(test_location),
        cmocka_unit_test(test_t_table), cmocka_unit_test(test_t_closed_forms),
        cmocka_unit_test(test_t_shape), cmocka_unit_test(test_coverage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
