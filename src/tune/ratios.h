/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ratios.h - what the rounds of a race say of a candidate: its speed against the host's, or what
 * else the goal is, lane by lane.
 */
#pragma once

#include "tune/contest.h"
#include "tune/race.h"

#define RATIOS_ALL SIZE_MAX

/* Which slices the ratios are of. */
struct ratios {
    const struct stage *stage;
    const struct race *race;
    size_t work;      /* or RATIOS_ALL, all of them by their weights */
    bool long_slices; /* the long ones instead of the short, which tell of throughput alone */
    const struct goal *goal;
};

/* The series of a candidate's lanes, or of the host's (LANE_HOST). Release it with contender_done.
 */
struct contender ratios_contender(const struct ratios *r, int candidate);
void contender_done(struct contender *c);

/* Those of several candidates. Release them with contenders_free. */
struct contender *ratios_contenders(const struct ratios *r, const int *candidates, size_t count);
void contenders_free(struct contender *contenders, size_t count);
