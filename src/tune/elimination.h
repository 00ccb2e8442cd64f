/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * elimination.h - who can still win, asked again and again while a race goes on.
 *
 * Theory of operation. At every look the difference of each two candidates has an interval. A
 * candidate is out when its interval against some other one lies below minus the margin: it is
 * slower than that by more than the margin. The race is settled when no two that are left are
 * further apart than the margin, as far as their intervals reach. What may go wrong is that the
 * fastest is put out, or that one is settled for that is slower than the fastest by more than the
 * margin: both need an interval between the fastest and another one that misses the truth. So the
 * error probability, over the whole race, is the chance that any of these is ever wrong.
 *
 * An interval has the two sources that contest.h tells of, and the wider counts:
 * - Within lanes, rounds differ. Each look sees new rounds, and looking often finds a wrong
 * interval sooner or later. So look number j may only err by error / (j (j + 1)), which adds up to
 * `error` however many there are; of these, each of the others gets its equal part (the union
 * bound; spending the error over looks: K. K. G. Lan and D. L. DeMets, Biometrika 70, 1983). Looks
 * come at round numbers that grow by a quarter, so that a long race has few.
 * - Between lanes of one candidate, disks differ, steadily: that is drawn once for the whole race,
 * and its interval is divided among the others only.
 *
 * What is assumed: that the rounds' noise is what stats.h says it can bear, and that no candidate's
 * speed depends on which others are still in the race. Nothing is assumed of how settings act
 * together: every combination is a candidate of its own from the first round on, and one that is
 * bad by each of its settings alone is measured all the same.
 *
 * Simulated (tests/unit/test-elimination.c) with the noises of the field; see there for the rates.
 */
#pragma once

#include <stdbool.h>

#include "tune/contest.h"

/* Rounds before the first look: stats.h has its say on autocorrelation from 40 on. */
#define ELIMINATION_FIRST_LOOK 40

struct elimination {
    double margin; /* 0.02: two within 2 % of each other make no difference */
    double error;  /* probability, over the whole race */
    size_t count;  /* of candidates */
    bool *out;     /* of each */
    size_t left;
    size_t looks, next_look; /* how often it was asked, and at which round it is to be again */
    bool settled;            /* those left lie within the margin of each other, or one is left */
};

/* All of `count` are in. The caller frees with elimination_done. */
struct elimination elimination_new(size_t count, double margin, double error);
void elimination_done(struct elimination *e);

/* One look at the contenders, `count` of them, of which those that are out keep the rounds they
 * had. */
void elimination_look(struct elimination *e, const struct contender *contenders);
