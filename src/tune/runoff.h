/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * runoff.h - who has the rest of a race whose time is half over and which is far from settled.
 *
 * Theory of operation. What is put out was found slower for certain. Where configurations are close
 * together there is no such certainty within a minute or two: most are left at the end, and the one
 * with the largest figure is named, which is more often the wrong one the noisier the figures are.
 * So the second half of the time is for those alone that have the largest figures after the first.
 * That is the first step of sequential halving, the known way to name the best of many by a given
 * number of measurements (Z. Karnin, T. Koren and O. Somekh, Proceedings of the 30th International
 * Conference on Machine Learning, 2013): who is far behind at half time is seldom the best, and
 * with what he does not use the others' figures get as certain as in a race of more than twice the
 * time.
 *
 * The others rest, and are not out: nothing was found about them, they can still be equal to the
 * one that is named, and the race is settled only if they are held to be within its margin, too.
 * They are held against others in the rounds that both had (contest.h).
 *
 * Simulated (tests/unit/test-runoff.c): of 16 that differ by 2.5 %, in rounds as noisy as those of
 * a shared disk, that which is named is slower than the fastest by 0.59 % on average, without by
 * 0.87.
 */
#pragma once

#include "tune/contest.h"

#define RUNOFF_AT 0.5      /* of the time, or of the rounds */
#define RUNOFF_ABOVE 8     /* where more than so many are left */
#define RUNOFF_FINALISTS 4 /* and what is current, which all are held against */

/* Marks those of `count` contenders that are in and not to have part in it. Returns how many have;
 * 0: there is none. `current` is among them what the disk has now, or -1. */
size_t runoff_choose(const struct contender *contenders, size_t count, int current, bool *rests);
