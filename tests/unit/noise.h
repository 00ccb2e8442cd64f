/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * noise.h - what rounds are like: independent, skewed, in bursts, correlated, with stalls.
 *
 * Each function gives the next value of a source.
 */
#pragma once

#include <math.h>
#include <stdbool.h>

#include "measure/random.h"

/* A source of rounds that may depend on the one before. */
struct noise {
    struct random random;
    double last;
    bool burst;
};

static inline double noise_normal(struct noise *s)
{
    /* G. Box and M. Muller (1958). */
    double radius = sqrt(-2 * log(1 - random_double(&s->random)));
    return radius * cos(2 * M_PI * random_double(&s->random));
}

/* Whether this round is in a burst: they last five rounds on average and take 5 % of the time. */
static inline bool noise_in_burst(struct noise *s)
{
    double change = s->burst ? 1.0 / 5 : 1.0 / 95;
    if (random_double(&s->random) < change)
        s->burst = !s->burst;
    return s->burst;
}

/* Skewed, and threefold in bursts. */
static inline double noise_bursty(struct noise *s)
{
    double factor = noise_in_burst(s) ? 3 : 1;
    return exp(0.3 * noise_normal(s)) * factor;
}

/* Each round is correlated with the one before by 0.5. */
static inline double noise_autoregressive(struct noise *s)
{
    return s->last = 0.5 * s->last + noise_normal(s);
}

/* By 0.95, so that twenty rounds resemble each other; of variance 1, as the normal one. */
static inline double noise_persistent(struct noise *s)
{
    return s->last = 0.95 * s->last + sqrt(1 - 0.95 * 0.95) * noise_normal(s);
}

/* Student's t with 2 degrees of freedom: a normal by the root of half a chi-square, which with two
 * is an exponential. Has no variance. */
static inline double noise_heavy(struct noise *s)
{
    double z = noise_normal(s);
    return z / sqrt(-log(1 - random_double(&s->random)));
}

/* How many times as long as usual: one round in thirty stalls, with Pareto's tail of exponent 1.5,
 * which has no variance either. */
static inline double noise_stalls(struct noise *s)
{
    bool stalls = random_below(&s->random, 30) == 0;
    return 1 + (stalls ? pow(1 - random_double(&s->random), -1 / 1.5) : 0);
}
