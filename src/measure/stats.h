/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stats.h - the statistics of a figure: a robust location, its standard error, Student's t.
 *
 * Nothing here changes what it is given. A NaN among the values makes the result NaN.
 */
#pragma once

#include <stddef.h>

/* NaN for n = 0, as the trimmed mean is. */
double stats_mean(const double *x, size_t n);

/* With n - 1; 0 for fewer than two. */
double stats_variance(const double *x, size_t n);

/* The mean without the floor(n * fraction) smallest and largest values; one or two always stay, so
 * that fractions from 0.5 on give the median. */
double stats_trimmed_mean(const double *x, size_t n, double fraction);

/* Its standard error, from the variance of the winsorized values: J. W. Tukey and D. H. McLaughlin,
 * Sankhya A 25 (1963): s_w / ((1 - 2 g/n) sqrt(n)) with g values trimmed at each end. The
 * h = n - 2 g values left give it h - 1 degrees of freedom; infinite without one. */
double stats_trimmed_mean_se(const double *x, size_t n, double fraction);

/* Its standard error from `batches` consecutive stretches of the series, each with a trimmed mean
 * of its own: neighbours that resemble each other (autocorrelation) are inside one stretch and do
 * not pass for independent. C. Alexopoulos and A. F. Seila in "Handbook of Simulation" (1998),
 * ch. 7. Has batches - 1 degrees of freedom; infinite for fewer than 2 batches, or values than
 * batches. */
double stats_batch_se(const double *x, size_t n, size_t batches, double fraction);

struct stats_location {
    double mean;   /* plain */
    double robust; /* 10 %-trimmed mean */
    double se;     /* of `robust` */
    double dof;    /* degrees of freedom of `se`: of that of the two which it is; at least 1 */
};

/* The location of a series of rounds. The standard error is the larger of the two above, the second
 * where there are enough rounds for 20 batches of two: autocorrelation must not make an interval
 * narrower than it is. The price is an interval that is a little too wide where there is none. With
 * one value the error is infinite, and so is every interval made of it.
 *
 * Simulated (tests/unit/test-stats.c), the 95 % interval of 200 rounds holds the truth in 96 % of
 * all cases where rounds are independent, in 95 % where bursts last five rounds, and in 93 % where
 * neighbours are correlated by 0.5 (AR(1)): what lasts longer than a batch is not seen in full.
 * Without batches the last two are 83 % and 75 %. */
struct stats_location stats_location(const double *x, size_t n);

/* The value that Student's t with `dof` >= 1 degrees of freedom stays below with probability p,
 * 1e-12 <= p <= 1 - 1e-12; the normal distribution's for infinite dof. Relative error below 1e-8,
 * but for p next to 0.5, where the result is next to 0: there the error is below 1e-14. */
double stats_t_quantile(double p, double dof);
