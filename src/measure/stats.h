/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stats.h - the statistics of a figure: a robust location, its standard error, Student's t.
 */
#pragma once

#include <stddef.h>

double stats_mean(const double *x, size_t n);

/* With n - 1; 0 for fewer than two. */
double stats_variance(const double *x, size_t n);

/* The mean without the floor(n * fraction) smallest and largest values. */
double stats_trimmed_mean(const double *x, size_t n, double fraction);

/* Its standard error, from the variance of the winsorized values: J. W. Tukey and D. H. McLaughlin,
 * Sankhya A 25 (1963): s_w / ((1 - 2 g/n) sqrt(n)) with g values trimmed at each end. */
double stats_trimmed_mean_se(const double *x, size_t n, double fraction);

/* Its standard error from `batches` consecutive stretches of the series, each with a trimmed mean of
 * its own: neighbours that resemble each other (autocorrelation) are inside one stretch and do not
 * pass for independent. C. Alexopoulos and A. F. Seila in "Handbook of Simulation" (1998), ch. 7. */
double stats_batch_se(const double *x, size_t n, size_t batches, double fraction);

struct stats_location {
    double mean;   /* plain */
    double robust; /* 10 %-trimmed mean */
    double se;     /* of `robust` */
    double dof;    /* degrees of freedom of `se` */
};

/* The location of a series of rounds. The standard error is the larger of the two above, the second
 * where there are enough rounds for 20 batches of two: autocorrelation must not make an interval
 * narrower than it is. With one value the error is infinite. */
struct stats_location stats_location(const double *x, size_t n);

/* The value that Student's t with `dof` >= 1 degrees of freedom stays below with probability p,
 * 0 < p < 1; the normal distribution's for infinite dof. Relative error below 1e-8. */
double stats_t_quantile(double p, double dof);
