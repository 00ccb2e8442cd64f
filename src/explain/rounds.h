/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rounds.h - the measuring behind an explanation: a slice of the work on every lane of a stage in
 * each round, in an order that is shuffled anew, with every clock read around it.
 *
 * The guest is idle while the host has its slice, and a lane is alone while it has its own: what
 * clocks add up is its work and nobody else's, but for the device's, which the whole host shares.
 */
#pragma once

#include <stdint.h>

#include "explain/clocks.h"

struct rounds_options {
    uint64_t slice_ns;
    size_t max_rounds;
    uint64_t deadline_ns; /* clock.h: when the last round is over */
    uint64_t seed;
};

/* What a lane's rounds came to: series of the time, in ns, that one of the program's requests spent
 * inside of each boundary; with several in flight their waiting for each other is in it. NaN where
 * a clock was not to be read. */
struct lane_rounds {
    double *program;
    double *inside[CLOCKS];
    double program_elapsed_ns, program_requests; /* of all rounds */
    double requests[CLOCKS], issued;             /* the clocks', and the program's beside them */
};

struct rounds {
    size_t lane_count, count; /* of complete rounds */
    unsigned in_flight;       /* requests that the work keeps in flight */
    struct lane_rounds *lanes;
    bool exhausted, interrupted; /* why they ended early */
    double clock_drift;          /* guest against host */
    double clock_uncertainty;    /* of that figure */
};

/* Runs them. Errors: those of a slice and of a clock; not two complete rounds; a signal before
 * that. A later one ends the rounds with what is known; where none has, it is deferred still, until
 * the caller has no more to do (interrupt.h). The caller frees. */
struct rounds *rounds_run(struct stage *stage, const struct rounds_options *options,
                          struct error **err);
void rounds_free(struct rounds *r);
CLEANUP_PTR(cleanup_rounds_handler, struct rounds, rounds_free)
#define cleanup_rounds at_scope_end(cleanup_rounds_handler)

/* How many of the program's requests were inside of a boundary on average (Little's law): the time
 * that each spent there, by how many were completed in a time. */
double rounds_depth(const struct rounds *r, size_t lane, enum clock clock);
