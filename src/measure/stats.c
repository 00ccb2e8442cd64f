/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "measure/stats.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/memory.h"

#define TRIM 0.10
#define BATCHES 20

double stats_mean(const double *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    return n ? sum / (double)n : NAN;
}

double stats_variance(const double *x, size_t n)
{
    if (n < 2)
        return 0;
    double mean = stats_mean(x, n), sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (x[i] - mean) * (x[i] - mean);
    return sum / (double)(n - 1);
}

/* qsort needs a total order: NaN comes last. */
static int compare(const void *pa, const void *pb)
{
    double a = *(const double *)pa, b = *(const double *)pb;
    if (isnan(a) || isnan(b))
        return !!isnan(a) - !!isnan(b);
    return (a > b) - (a < b);
}

/* The values in ascending order. The caller frees. */
static double *sorted(const double *x, size_t n)
{
    double *copy = xcalloc(n, sizeof(*copy));
    if (n)
        memcpy(copy, x, n * sizeof(*x));
    qsort(copy, n, sizeof(*copy), compare);
    return copy;
}

static size_t trimmed_each_end(size_t n, double fraction)
{
    if (!n)
        return 0;
    /* What is meant as a whole number may be a rounding error below it. */
    double wanted = floor((double)n * fraction + 1e-9);
    return (size_t)fmin(wanted, (double)((n - 1) / 2));
}

/* Trimming must not hide that a value is missing. */
static bool has_nan(const double *sorted_values, size_t n)
{
    return n && isnan(sorted_values[n - 1]);
}

double stats_trimmed_mean(const double *x, size_t n, double fraction)
{
    cleanup_free double *s = sorted(x, n);
    size_t g = trimmed_each_end(n, fraction);
    return has_nan(s, n) ? NAN : stats_mean(s + g, n - 2 * g);
}

double stats_trimmed_mean_se(const double *x, size_t n, double fraction)
{
    size_t g = trimmed_each_end(n, fraction);
    if (n - 2 * g < 2)
        return INFINITY;
    cleanup_free double *s = sorted(x, n);
    if (has_nan(s, n))
        return NAN;
    for (size_t i = 0; i < g; i++) {
        s[i] = s[g];
        s[n - 1 - i] = s[n - 1 - g];
    }
    double kept = 1 - 2 * (double)g / (double)n;
    return sqrt(stats_variance(s, n)) / (kept * sqrt((double)n));
}

double stats_batch_se(const double *x, size_t n, size_t batches, double fraction)
{
    if (batches < 2 || n < batches)
        return INFINITY;
    cleanup_free double *means = xcalloc(batches, sizeof(*means));
    for (size_t b = 0; b < batches; b++) {
        size_t from = n * b / batches, to = n * (b + 1) / batches;
        means[b] = stats_trimmed_mean(x + from, to - from, fraction);
    }
    return sqrt(stats_variance(means, batches) / (double)batches);
}

struct stats_location stats_location(const double *x, size_t n)
{
    size_t kept = n - 2 * trimmed_each_end(n, TRIM);
    struct stats_location l = {
        .mean = stats_mean(x, n),
        .robust = stats_trimmed_mean(x, n, TRIM),
        .se = stats_trimmed_mean_se(x, n, TRIM),
        .dof = kept > 1 ? (double)kept - 1 : 1,
    };
    double batch_se = n >= 2 * BATCHES ? stats_batch_se(x, n, BATCHES, TRIM) : 0;
    if (batch_se > l.se) {
        l.se = batch_se;
        l.dof = BATCHES - 1;
    }
    return l;
}

/* --- Student's t ------------------------------------------------------------------------------ */

/* The continued fraction of the regularised incomplete beta function I_x(a, b), by Lentz's method:
 * NIST Digital Library of Mathematical Functions, 8.17.22. Converges quickly for
 * x < (a + 1) / (a + b + 2). */
static double beta_fraction(double a, double b, double x)
{
    const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    d = 1 / (fabs(d) < tiny ? tiny : d);
    double h = d;
    for (int m = 1; m <= 2000; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        const double coefficients[] = {even, odd};
        double step = 1;
        for (int i = 0; i < 2; i++) {
            d = 1 + coefficients[i] * d;
            c = 1 + coefficients[i] / c;
            d = 1 / (fabs(d) < tiny ? tiny : d);
            c = fabs(c) < tiny ? tiny : c;
            step = d * c;
            h *= step;
        }
        if (fabs(step - 1) < 1e-15)
            break;
    }
    return h;
}

/* I_x(a, b). Takes y = 1 - x as well, as that difference would have no digits left where x is
 * almost 1. */
static double incomplete_beta(double a, double b, double x, double y)
{
    if (x <= 0 || y <= 0)
        return x <= 0 ? 0 : 1;
    double log_x = x < 0.5 ? log(x) : log1p(-y), log_y = y < 0.5 ? log(y) : log1p(-x);
    double front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log_x + b * log_y);
    return x < (a + 1) / (a + b + 2) ? front * beta_fraction(a, b, x) / a
                                     : 1 - front * beta_fraction(b, a, y) / b;
}

/* P(T > t) for t >= 0. */
static double t_upper_tail(double t, double dof)
{
    if (isinf(dof))
        return 0.5 * erfc(t / sqrt(2));
    double square = t * t;
    return 0.5 * incomplete_beta(dof / 2, 0.5, dof / (dof + square), square / (dof + square));
}

/* The t with P(T > t) = q, for q < 0.5. */
static double t_of_upper_tail(double q, double dof)
{
    double low = 0, high = 1;
    while (t_upper_tail(high, dof) > q && high < 1e12)
        high *= 2;
    for (int i = 0; i < 200 && high - low > 1e-12 * high; i++) {
        double middle = (low + high) / 2;
        if (t_upper_tail(middle, dof) > q)
            low = middle;
        else
            high = middle;
    }
    return (low + high) / 2;
}

/* The same for many degrees of freedom, where differences of logarithms of the gamma function lose
 * digits: M. Abramowitz and I. Stegun, "Handbook of Mathematical Functions" (1964), 26.7.5. */
static double t_near_normal(double q, double dof)
{
    double z = t_of_upper_tail(q, INFINITY), z2 = z * z;
    return z + z * (z2 + 1) / (4 * dof) + z * (5 * z2 * z2 + 16 * z2 + 3) / (96 * dof * dof);
}

double stats_t_quantile(double p, double dof)
{
    double q = p < 0.5 ? p : 1 - p;
    if (q == 0.5)
        return 0;
    double t = dof > 1e5 ? t_near_normal(q, dof) : t_of_upper_tail(q, dof);
    return p < 0.5 ? -t : t;
}
