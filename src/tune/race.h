/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * race.h - the rounds: every lane gets a short slice in each, in an order shuffled anew.
 *
 * Theory of operation (DESIGN: "How a figure is taken"). What disturbs a shared machine is slow and
 * comes in bursts; a slice shorter than a burst is hit together with its neighbours, and the ratio
 * of two slices of one round forgets it. So a figure is not one long run but hundreds of short
 * slices, each held against the host's slices of the same round.
 *
 * The guest is idle while the host has its slice. A round is cut into a few parts, each one command
 * to the guest; between them the host's lanes take their turns, so the host is measured in the
 * guest's weather, and the conversation costs a few milliseconds a round.
 *
 * Where there are several works a round has all of them, one group after the other in shuffled
 * order, so that every lane's figures of every work are of the same time.
 *
 * Now and then it is asked who can still win (elimination.h): the lanes of the others rest from
 * then on, rounds get shorter, and those that are left get the time. The race is over when it is
 * settled.
 *
 * Where half of the time is over and many are left, the rest is for those that are ahead
 * (runoff.h).
 *
 * What decides is the goal (goal.h). With latency in it every slice has as many requests as a
 * percentile needs. With CPU time in it every guest lane's slice is a command of its own, and
 * longer, so that QEMU's CPU time can be read around it; the host's is that of this program around
 * its slice.
 *
 * At the end each lane that is left gets a few long slices, as far as there is time. They show what
 * short ones cannot (caches that fill, throttles), and are long enough to read the CPU time of the
 * QEMU process around each. Before the first round a disk of each candidate has one such slice of
 * each work, so that those that are put out have a figure of CPU time, too; nothing else of these
 * counts.
 *
 * A deadline is a bound: what would end behind it is not begun, and a round in which it passes all
 * the same is none.
 */
#pragma once

#include <stdint.h>

#include "tune/goal.h"
#include "tune/stage.h"

/* What tells a slice's end from its noise: so many requests at least, and none of the first, for
 * which an iothread may have to wake up. */
#define RACE_MIN_REQUESTS 8
#define RACE_RAMP 2

/* The requests of a slice whose percentile is told: more make a figure less noisy, but twice as
 * many less than two figures of half as many. */
#define RACE_SAMPLE 100

/* The chance of an error that a whole race may have. */
#define RACE_ERROR 0.05

/* Without a second round there is no interval. */
#define RACE_ROUNDS_TO_TELL 2

struct race_options {
    uint64_t slice_ns;
    uint64_t min_requests; /* of a slice: slow work gets longer slices */
    unsigned ramp;         /* requests at the start of a slice that do not count */
    size_t max_rounds;
    struct goal goal;
    double error;         /* the chance that the fastest is put out, or one settled for that is too
                           * slow; 0: RACE_ERROR */
    double margin;        /* 0.02: who is slower than another by more than 2 % for certain is out */
    bool exhaustive;      /* nobody is put out, and the race goes on to its end */
    bool confirm;         /* by long slices at the end */
    bool interruptible;   /* a first signal ends it with what is known, once that is something */
    uint64_t deadline_ns; /* clock.h: when all measuring is to be over; 0: by the duration alone */
    uint64_t duration_ns; /* of all measuring, where there is no deadline */
    uint64_t seed;

    /* Who won an earlier race of this kind, a member for each candidate of the stage; NULL where
     * nothing is known. Asked once the stage stands, as what kind it is depends on its guest. May
     * be NULL itself. The array outlives the race. */
    const bool *(*prior)(void *data, const struct stage *stage);
    void *prior_data;
};

/* What the slices of one work on one lane added up to. */
struct record {
    double *ns;             /* time per request in each round; NaN where the round does not count */
    double *p99_ns;         /* the percentile in each round, where the goal has latency */
    double *request_cpu_ns; /* CPU time per request in each round, where the goal has that; of works
                             * done at the same time, that of all of them */
    size_t rounds;          /* that it took part in */
    uint64_t requests;      /* of the short slices, counted */
    uint64_t bytes;         /* moved by these */
    uint64_t elapsed_ns;
    struct histogram latencies; /* of the short slices */
    double *long_ns;            /* time per request in each pass of long slices */
    /* CPU time around the slices of this many requests, QEMU's or on the host this program's; where
     * works are done at the same time it is with the first of their group. */
    uint64_t cpu_requests, cpu_ns;
};

/* The series of a record that an aim goes by. */
static inline double **record_series(struct record *r, enum aim aim)
{
    return aim == AIM_THROUGHPUT ? &r->ns : aim == AIM_LATENCY ? &r->p99_ns : &r->request_cpu_ns;
}

struct race {
    size_t lane_count, work_count;
    size_t rounds; /* complete ones */
    size_t passes; /* of long slices */
    struct goal goal;
    double margin;
    uint64_t slice_ns; /* of the rounds' slices */
    uint64_t long_slice_ns;
    struct record *records; /* see race_record() */
    bool *out;              /* of each lane: its candidate was put out */
    bool *rests;            /* of each lane: its candidate has no part in the run-off */
    size_t runoff;          /* candidates that have; 0: there is none */
    bool settled;     /* those that are left lie within the margin of each other, or one is left */
    bool time_is_up;  /* before that */
    bool interrupted; /* by a signal: the round, or pass, that it came in is none; its requests are
                       * among those of the records all the same */
    bool hurried;     /* there was no time for all of the long slices */
    bool exhausted;   /* first writes only: ended because a disk had no block left */
    double clock_drift;       /* guest against host over the whole race */
    double clock_uncertainty; /* of that figure */
};

/* What a work came to on a lane, by their numbers in the stage and its suite. */
static inline struct record *race_record(const struct race *r, size_t lane, size_t work)
{
    return &r->records[lane * r->work_count + work];
}

static inline bool race_has_lane(const struct race *r, size_t lane)
{
    return !r->out[lane] && !r->rests[lane];
}

/* Runs it. Errors: an I/O error, the guest gone or hung, a signal (unless it is interruptible, and
 * this the first, after RACE_ROUNDS_TO_TELL rounds), not one complete round. The caller frees. */
struct race *race_run(struct stage *stage, const struct race_options *options, struct error **err);
void race_free(struct race *r);
CLEANUP_PTR(cleanup_race_handler, struct race, race_free)
#define cleanup_race at_scope_end(cleanup_race_handler)
