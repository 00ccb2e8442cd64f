/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kinds.h - the noises of the field, and races under them.
 *
 * The series are logarithms of speeds. In each there is what all lanes of a round have in common,
 * a noise of the lane's own, and a steady difference, by which two disks of one configuration are
 * apart however long they are measured.
 */
#pragma once

#include "base/memory.h"
#include "field.h"
#include "measure/stats.h"
#include "noise.h"

/* Rounds in which a lane's error is taken. */
#define KINDS_ROUNDS 80

/* --- Noises: the logarithm of a slice's time -------------------------------------------------- */

static double calm(struct noise *s)
{
    return 0.02 * noise_normal(s);
}

static double log_normal(struct noise *s)
{
    return 0.1 * noise_normal(s);
}

/* A stretch of rounds of twice the time. */
static double bursts(struct noise *s)
{
    double burst = noise_in_burst(s) ? log(2) : 0;
    return burst + 0.05 * noise_normal(s);
}

static double heavy(struct noise *s)
{
    return 0.05 * noise_heavy(s);
}

static double stalls(struct noise *s)
{
    return log(noise_stalls(s)) + 0.05 * noise_normal(s);
}

static double correlated(struct noise *s)
{
    return 0.05 * noise_autoregressive(s);
}

static double persistent(struct noise *s)
{
    return 0.05 * noise_persistent(s);
}

/* `disks` is the standard deviation of the steady differences, in those of a lane's location by its
 * noise: the prototype's copies differed by 0.4 % to 1.6 %, measured with errors of 0.2 %, so 4 is
 * the field's. 1 is where neither source of uncertainty can be neglected, and where it matters that
 * a lane's error is estimated from noise that is not as textbooks have it. */
static const struct kind {
    const char *what;
    double (*common)(struct noise *s), (*own)(struct noise *s);
    double common_trend, own_trend; /* standard deviations of a slope, over 100 rounds */
    double disks;
    double unequal; /* how many times as noisy the first candidate's lanes are as the others' */
} kinds[] = {
    {"log-normal", log_normal, calm, 0, 0, 4, 1},
    {"drift", log_normal, calm, 0.5, 0.03, 1, 1},
    {"bursts that hit all", bursts, calm, 0, 0, 4, 1},
    {"bursts of a lane's own", log_normal, bursts, 0, 0, 1, 1},
    {"Student's t with 2", heavy, heavy, 0, 0, 1, 1},
    {"Pareto stalls", stalls, stalls, 0, 0, 1, 1},
    {"AR(1) of 0.5", correlated, correlated, 0, 0, 1, 1},
    {"AR(1) of 0.95", log_normal, persistent, 0, 0, 0, 1},
    {"one twice as noisy", log_normal, calm, 0, 0, 4, 2},
};

/* The series of a source's noise, with a trend of its own, from when the source has forgotten how
 * it began. */
static void draw_series(struct noise *s, double (*next)(struct noise *s), double trend, double *x,
                        size_t rounds)
{
    double slope = trend > 0 ? trend * noise_normal(s) : 0;
    for (size_t i = 0; i < 60; i++)
        next(s);
    for (size_t i = 0; i < rounds; i++)
        x[i] = -next(s) - slope * (double)i / 100;
}

/* The standard deviation of a lane's location by its noise. */
static double error_of(const struct kind *kind)
{
    struct noise s = {0};
    random_seed(&s.random, 1);
    double locations[500], x[KINDS_ROUNDS];
    for (size_t i = 0; i < ARRAY_SIZE(locations); i++) {
        draw_series(&s, kind->own, kind->own_trend, x, ARRAY_SIZE(x));
        locations[i] = stats_trimmed_mean(x, ARRAY_SIZE(x), 0.1);
    }
    return sqrt(stats_variance(locations, ARRAY_SIZE(locations)));
}

/* A race of candidates that are equal, with two disks each. */
static void draw_race(struct noise *s, const struct kind *kind, double disks, size_t candidates,
                      size_t rounds, struct field *f)
{
    double common[ROUNDS_MAX];
    field_init(f, candidates, 2, rounds);
    draw_series(s, kind->common, kind->common_trend, common, f->rounds);
    for (size_t i = 0; i < candidates * 2; i++) {
        double *x = f->series[i / 2][i % 2], scale = i / 2 == 0 ? kind->unequal : 1;
        draw_series(s, kind->own, kind->own_trend, x, f->rounds);
        double disk = disks * noise_normal(s);
        for (size_t round = 0; round < f->rounds; round++)
            x[round] = common[round] + scale * (x[round] + disk);
    }
}
