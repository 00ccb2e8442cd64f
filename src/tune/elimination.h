/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * elimination.h - who can still win, asked again and again while a race goes on.
 *
 * Theory of operation. At every look the difference of each two candidates has bounds. A candidate
 * is out when it is slower than some other one by more than the margin, as far as that bound
 * reaches. The race is settled when no two that are left are further apart than the margin, as far
 * as theirs reach. What may go wrong is that the fastest is put out, or that one is settled for
 * that is slower than the fastest by more than the margin. Both need the bound on how far the
 * fastest is ahead of another one to lie below the truth; bounds between others may be as wrong as
 * they like. So the error probability, over the whole race, is the chance that any of the bounds of
 * the fastest on the others is ever wrong. Of two that are equally fast each is the fastest, so a
 * candidate has half of it: that either of them goes has the same probability.
 *
 * A bound has the two sources of uncertainty that contest.h tells of, and the wider counts:
 * - Within lanes, rounds differ. Each look sees new rounds, and looking often finds a wrong bound
 * sooner or later. So look number j may only err by error / (j (j + 1)), which adds up to `error`
 * however many there are (spending the error over looks: K. K. G. Lan and D. L. DeMets, Biometrika
 * 70, 1983). Looks come at round numbers that grow by a quarter, so that a long race has few.
 * - Between lanes of one candidate, disks differ, steadily: that is drawn once for the whole race,
 * and its bound is the same at all looks.
 *
 * The error is divided among the others (the union bound): equally, unless it is known who won an
 * earlier race of this kind. Then whoever may be the fastest has most of it for the tests against
 * those winners, who are the likely ones to put it out, or to be left with it, and the rest for the
 * tests against all others (weighted tests: C. R. Genovese, K. Roeder and L. Wasserman, Biometrika
 * 93, 2006). Whichever is the fastest, the parts of its error add up to the same, so the
 * probability holds whether the earlier race was right or not: where it was, there is certainty
 * sooner, and where it was not, later.
 *
 * What is assumed: that the rounds' noise is what stats.h says it can bear, that no candidate's
 * speed depends on which others are still in the race, and that the luck that disks have with their
 * places is not that of the earlier race. Nothing is assumed of how settings act together: every
 * combination is a candidate of its own from the first round on, and one that is bad by each of its
 * settings alone is measured all the same.
 *
 * Simulated (tests/unit/test-elimination.c) with the noises of the field; see there for the rates.
 */
#pragma once

#include <stdbool.h>

#include "tune/contest.h"

/* Rounds before the first look: stats.h has its say on autocorrelation from 40 on. That is also why
 * nobody looks sooner where it is known who won before. */
#define ELIMINATION_FIRST_LOOK 40

/* The part of the error that goes to the tests against those who won before. */
#define ELIMINATION_TRUST 0.8

struct elimination {
    double margin; /* 0.02: two within 2 % of each other make no difference */
    double error;  /* probability, over the whole race */
    size_t count;  /* of candidates */
    bool *out;     /* of each */
    size_t left;
    bool *expected; /* of each: to win, as it did before */
    size_t expected_count;
    size_t looks, next_look; /* how often it was asked, and at which round it is to be again */
    bool settled;            /* those left lie within the margin of each other, or one is left */
};

/* All of `count` are in. The caller frees with elimination_done. */
struct elimination elimination_new(size_t count, double margin, double error);
void elimination_done(struct elimination *e);

/* Marks, of each, whether it won an earlier race. Before the first look; without it nothing is
 * known. */
void elimination_expect(struct elimination *e, const bool *winners);

/* One look at the contenders, `count` of them, of which those that are out keep the rounds they
 * had. */
void elimination_look(struct elimination *e, const struct contender *contenders);
