/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tune.h - what tune was asked for.
 */
#pragma once

#include "cmd/cmd.h"
#include "tune/space.h"
#include "tune/subject.h"

struct tune_arguments {
    struct common_options common;
    struct workload_options work;
    struct guest_options guest;
    char *directory, *size, *slice, *rounds, *time, *candidates, *replicas, *seed, *margin_percent;
    char *axes, *fix, *xml, *plan, *rate, *ionice, *samples, *goal_list;
    gboolean cold, exhaustive, no_confirm, list_axes;
    gboolean allow_host_cache, allow_bus_change, allow_image_conversion;

    struct operand operand; /* the domain and its disk */

    struct suite *suite;
    GPtrArray *notes; /* what of a fio file is done otherwise */
    struct guest_choice choice;
    struct space space;
    struct goal goal;
    double margin;
    enum io_priority io_priority;
    uint64_t rate_bytes, size_bytes, slice_ns, max_rounds, time_ns, replica_count, seed_number;
};

/* Reads the arguments of the verb. Errors name the option. What it made, tune_arguments_done
 * releases, after an error too. */
int tune_arguments_parse(int argc, char **argv, struct tune_arguments *a, struct error **err);
void tune_arguments_done(struct tune_arguments *a);

/* --- tune_domain.c ---------------------------------------------------------------------------- */

struct tune_report;

/* Whether the arguments name the disk of a domain. */
bool tune_has_subject(const struct tune_arguments *a);

/* Reads that disk, through a connection that becomes the ground's, and has what the arguments leave
 * open as it is: directory, URI, vCPUs, emulator. Errors: those of subject.h. */
int tune_find_subject(struct tune_arguments *a, struct ground *ground, struct subject *ret,
                      struct error **err);

/* Writes the plan for what was recommended, and returns its path in *ret_path, which the caller
 * frees; NULL where nothing is to be changed. */
int tune_write_plan(const struct tune_arguments *a, const struct subject *subject,
                    const struct tune_report *report, char **ret_path, struct error **err);

/* --- past.c ----------------------------------------------------------------------------------- */

/* What is known of an earlier race of the same kind. */
struct past {
    const struct goal *goal; /* of this race, and so of its like */
    bool ignored;            /* nothing is to be known */
    bool warned;             /* of a history that cannot be read */
    GPtrArray *warnings;     /* not owned */
    bool *prior;             /* of each candidate: it won; NULL where nothing is known */
    GPtrArray *winners;      /* the ids of those; NULL as well */
    int64_t time;            /* of that race, in seconds since 1970 */
};

/* What race_options want: data is a struct past. */
const bool *past_prior(void *data, const struct stage *stage);

/* Leaves the race to those that come; a warning where that cannot be. */
void past_record(struct past *p, const struct raced *raced, double seconds);
void past_done(struct past *p);
#define cleanup_past at_scope_end(past_done)
