/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * zipf.h - ranks by Zipf's law: rank k of n comes with a probability proportional to k^-theta.
 *
 * Drawn by rejection from the area under x^-theta, which costs the same whatever n is, where a table
 * of n sums would cost n (W. Hörmann and G. Derflinger, "Rejection-inversion to generate variates
 * from monotone discrete distributions", ACM TOMACS 6, 1996).
 */
#pragma once

#include <stdint.h>

#include "measure/random.h"

struct zipf {
    double theta;
    double n;
    double area_low, area_high; /* the range that the inverted variable is drawn from */
    double squeeze;             /* ranks so close above x are taken without a further look */
};

/* Sets up ranks 1 to n; theta > 0. */
void zipf_init(struct zipf *z, uint64_t n, double theta);

/* A rank, less one: 0 to n - 1, 0 being the most frequent. */
uint64_t zipf_draw(const struct zipf *z, struct random *r);
