/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "measure/stats.h"

#include <math.h>
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

static int compare(const void *pa, const void *pb)
{
    double a = *(const double *)pa, b = *(const double *)pb;
    return (a > b) - (a < b);
}

static double *sorted(const double *x, size_t n)
{
    double *copy = xcalloc(n, sizeof(*copy));
    memcpy(copy, x, n * sizeof(*x));
    qsort(copy, n, sizeof(*copy), compare);
    return copy;
}

static size_t trimmed_each_end(size_t n, double fraction)
{
    return (size_t)floor((double)n * fraction);
}

double stats_trimmed_mean(const double *x, size_t n, double fraction)
{
    cleanup_free double *s = sorted(x, n);
    size_t g = trimmed_each_end(n, fraction);
    return stats_mean(s + g, n - 2 * g);
}

double stats_trimmed_mean_se(const double *x, size_t n, double fraction)
{
    if (n < 2)
        return INFINITY;
    cleanup_free double *s = sorted(x, n);
    size_t g = trimmed_each_end(n, fraction);
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

static double incomplete_beta(double a, double b, double x)
{
    if (x <= 0 || x >= 1)
        return x <= 0 ? 0 : 1;
    double front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
    return x < (a + 1) / (a + b + 2) ? front * beta_fraction(a, b, x) / a
                                     : 1 - front * beta_fraction(b, a, 1 - x) / b;
}

/* P(T > t) for t >= 0. */
static double t_upper_tail(double t, double dof)
{
    if (isinf(dof))
        return 0.5 * erfc(t / sqrt(2));
    return 0.5 * incomplete_beta(dof / 2, 0.5, dof / (dof + t * t));
}

double stats_t_quantile(double p, double dof)
{
    if (p < 0.5)
        return -stats_t_quantile(1 - p, dof);
    /* Far out the beta function loses no digits, and beyond a million the difference to the normal
     * distribution is below what is promised. */
    dof = dof > 1e6 ? INFINITY : dof;
    double low = 0, high = 1;
    while (t_upper_tail(high, dof) > 1 - p && high < 1e12)
        high *= 2;
    for (int i = 0; i < 200 && high - low > 1e-12 * high; i++) {
        double middle = (low + high) / 2;
        if (t_upper_tail(middle, dof) > 1 - p)
            low = middle;
        else
            high = middle;
    }
    return (low + high) / 2;
}
