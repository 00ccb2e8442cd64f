/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * outcome.h - the figures of a race and what they come to.
 */
#pragma once

#include "measure/figures.h"
#include "tune/candidate.h"
#include "tune/contest.h"
#include "tune/goal.h"

struct stage;
struct race;

/* What one of several works came to. */
struct part {
    struct figures figures;
    struct interval share; /* of the host's speed in the same work */
};

struct standing {
    const struct candidate *candidate;
    struct disk_config effective;
    size_t rounds;          /* that it took part in */
    struct figures figures; /* of all works together */
    struct part *parts;     /* of each work; NULL of a failed one */
    struct interval share;  /* of the host's speed: robust location and its interval; over several
                             * works their geometric mean by weight */
    struct interval goal_share; /* the same of the goal, by which verdicts and order go: 1 is as
                                 * good as the host, more is better */
    struct interval vs_current; /* its speed by that of the current configuration, which has 1; NaN
                                 * where none is, or that failed */
    double mean_share;          /* ratio of the MB/s, the plain mean; over several works as above */
    double long_share;          /* the same in long slices; NaN where there were none */
    bool long_disagrees;        /* beyond its uncertainty, and by more than 5 % */
    double replica_spread;      /* largest over smallest of its lanes, less one */
    double cpu_us_per_io; /* CPU time of the QEMU process; over several works their geometric mean
                           * by weight; NaN where not measured */
    double p99_ratio; /* p99 over the host's; over several works their geometric mean by weight */
    bool front;       /* on the Pareto front (front.h) over speed, p99 and CPU time */
    bool rested;      /* had no part in the run-off, or in the last of several races */
    enum verdict verdict;
    const char *failure; /* of VERDICT_FAILED */
};

struct outcome {
    size_t rounds;
    bool settled;  /* by the race, before its time was up */
    size_t runoff; /* candidates that had the second half of the time; 0: all that were left */
    bool time_is_up, interrupted;
    double margin; /* of the race, and of the front */
    struct goal goal;
    struct figures host;       /* of all works together */
    double host_cpu_us_per_io; /* of this program's own, as above */
    size_t part_count;         /* works */
    struct part *host_parts;   /* of each; their share is 1 */
    size_t count;
    struct standing *standings;         /* best first; failed ones last */
    const struct standing *current;     /* NULL unless one is, and has figures */
    const struct standing *best;        /* NULL unless one is */
    const struct standing *recommended; /* the best; or of equals the one that changes least of what
                                         * is current, or of what virt-install makes; or of those
                                         * between which it was left open the current one, else of
                                         * those in the run-off the one with the largest figure */
};

/* Weighs the race. The candidates' and the stage's memory is referred to, not copied. */
struct outcome *outcome_new(const struct stage *stage, const struct race *race);
void outcome_free(struct outcome *o);

/* Takes over the standings of an earlier race, of the same host and works, of those who were not
 * let into the later one: they have their figures from there. They are slower, but for those that
 * were ahead there and found no place in this one: these may still be the best, nobody is it for
 * certain then, and nothing is settled. What they refer to has to outlive this outcome. */
void outcome_adopt(struct outcome *o, struct outcome *earlier);
CLEANUP_PTR(cleanup_outcome_handler, struct outcome, outcome_free)
#define cleanup_outcome at_scope_end(cleanup_outcome_handler)
