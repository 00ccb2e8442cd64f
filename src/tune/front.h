/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * front.h - the Pareto front over speed, latency and CPU time: those that nobody else is better
 * than in one without being worse in another.
 */
#pragma once

#include <stddef.h>

#include "tune/goal.h"

/* The figures of one candidate by aim, of which more is better; NaN where it has none. */
struct point {
    double figures[AIM_MAX];
};

/* Sets ret[i] to whether point i is on the front: unless there is another that is at least as good
 * in every aim, and by more than `margin` (0.02: 2 %) better in one, it is. As the first is asked
 * of the figures as they are, that relation is an order, and the front never empty. An aim that one
 * of the points has no figure of is left out for all of them. */
void front_mark(const struct point *points, size_t count, double margin, bool *ret);
