/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * suite.h - the pieces of work that are measured together: on how much of a disk, for how long, and
 * what each counts for.
 *
 * Works of one group are done at the same time (in slices they begin together, and each ends by
 * itself), groups one after another. A group's works stand next to each other, and groups are
 * numbered from 0 in their order.
 */
#pragma once

#include "measure/workload.h"

#define SUITE_WORKS_MAX 256

/* Where a whole run ends: when this many bytes were moved by each job, or the time is up. */
struct run_bounds {
    uint64_t bytes;
    uint64_t duration_ns; /* 0: no bound */
    uint64_t ramp_ns;     /* work at the beginning that does not count */
    bool time_based;      /* goes on for all of duration_ns, whatever was moved */
};

struct work {
    struct workload workload;
    uint64_t span_bytes; /* of the disk, from its start; 0: all of it */
    unsigned group;
    double weight; /* in the mean over several works, positive */
    struct run_bounds bounds;
};

struct suite {
    char name[WORKLOAD_NAME_MAX + 1]; /* "general"; empty where it has none */
    unsigned count;
    struct work *works;
};

struct suite *suite_new(const char *name);
void suite_free(struct suite *s);
CLEANUP_PTR(cleanup_suite_handler, struct suite, suite_free)
#define cleanup_suite at_scope_end(cleanup_suite_handler)

/* Appends a copy of the work, in the last group (`beside`) or in one of its own. */
void suite_add(struct suite *s, const struct work *w, bool beside);

/* The number of groups. */
unsigned suite_groups(const struct suite *s);

/* The first work of a group, and in *ret_count how many it has. */
const struct work *suite_group(const struct suite *s, unsigned group, unsigned *ret_count);

/* The size of a file that has room for each of the works, in whole MiB. */
uint64_t suite_file_bytes(const struct suite *s);

/* Whether any of the works does. */
bool suite_writes(const struct suite *s);

/* The sum of the weights. */
double suite_weight(const struct suite *s);

/* What the guest is told of the works: an array of {"workload","span_bytes","group","bounds"}. The
 * caller owns it, and frees what is read. Weights and the name are not in it. */
json_t *suite_to_json(const struct suite *s);
struct suite *suite_from_json(json_t *json, struct error **err);
