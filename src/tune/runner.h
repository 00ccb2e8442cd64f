/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * runner.h - a race while it is run: what its rounds and its long slices share.
 */
#pragma once

#include "measure/random.h"
#include "tune/elimination.h"
#include "tune/race.h"

/* Guest slices between two turns of the host: few enough that both share the weather, enough
 * that the conversation does not count. */
#define PART_LANES 8

/* The slices of one round (or pass) so far: sums of logarithms and their numbers by aim, placed as
 * records. */
struct tally {
    double *sums[AIM_MAX];
    unsigned *counts[AIM_MAX];
};

struct runner {
    struct stage *stage;
    const struct race_options *options;
    struct race *race;
    struct random random;
    int *candidates; /* those that are raced, as the elimination numbers them */
    struct elimination elimination;
    size_t *order; /* lane numbers of the guest lanes that run */
    size_t order_count;
    size_t *groups; /* in the order in which a round has them */
    size_t group_count;
    size_t parts;         /* of a group's turn in a round */
    size_t host_turn;     /* counts the host's turns, to rotate its lanes */
    bool half_time;       /* is over: whether there is a run-off is decided */
    bool exhausted;       /* in this round */
    bool is_late;         /* the time was over in the middle of a round, or pass */
    struct slice *slices; /* room for those of a part */
    uint64_t cpu_ns;      /* around the slices that were run last; 0: not known */
    struct tally tally;
    uint64_t start_ns, end_ns;
    uint64_t round_ns;          /* that the last round took */
    uint64_t short_deadline_ns; /* when the long slices have to begin */
};

struct runner *runner_new(struct stage *stage, const struct race_options *options,
                          struct race *race);
void runner_free(struct runner *r);
CLEANUP_PTR(cleanup_runner_handler, struct runner, runner_free)
#define cleanup_runner at_scope_end(cleanup_runner_handler)

/* The lanes that run, cut into parts, and when the long slices have to begin: less is to be done
 * the fewer are left. To be called again when that has changed. */
void runner_plan(struct runner *r);

/* How many candidates are raced and still have rounds. */
size_t runner_candidates(const struct runner *r);

/* Whether a signal has come that ends the race; a second one is an error from then on. */
bool runner_is_interrupted(struct runner *r);

/* Whether the race ends in the middle of what it does: by such a signal, or because its deadline is
 * over. */
bool runner_is_over(struct runner *r);

/* Whether long slices were asked for and can be had: after first writes the disks are full. */
bool runner_confirms(const struct runner *r);

void runner_progress(struct runner *r, const char *what, double fraction);

/* The number of a group's first work, and in *ret_count how many it has. */
size_t runner_works(const struct runner *r, size_t group, unsigned *ret_count);

/* What a slice of a round, or a long one, is to hold. */
struct budget runner_round_budget(const struct runner *r);
struct budget runner_long_budget(const struct runner *r);

/* A host lane's turn, before each part; `turn` rotates them. */
int runner_host(struct runner *r, size_t turn, size_t group, const struct budget *budget,
                size_t *ret_lane, struct error **err);

/* A slice on each of these guest lanes. */
int runner_guest(struct runner *r, const size_t *lanes, size_t count, size_t group,
                 const struct budget *budget, struct error **err);

/* Adds the CPU time around a group's slices on a lane, which alone were run last, to the lane's
 * records. */
void runner_count_cpu(struct runner *r, size_t lane, size_t group);

void tally_clear(struct runner *r);

/* Adds a figure to the sum of logarithms at `place`: geometric, as all ratios are. 0 is none. */
void tally_add(struct tally *t, enum aim aim, size_t place, double figure);

/* The time per request of a slice; 0 where it is empty. */
double tally_ns(const struct slice *slice);

/* Appends to a series of `count` the geometric mean of what was summed up at `place`; NaN where
 * that is nothing. */
void tally_append(const struct tally *t, enum aim aim, size_t place, double **series, size_t count);
