/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * proof.h - what was measured inside a guest before a change, held against what came after it.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"

/* after / before, with the bounds of its 95 % interval; NaN where it is not known. */
struct proof_ratio {
    double ratio, low, high;
};

struct proof_work {
    const char *name; /* of the JSON that it was made from, as all strings here */
    double weight;
    double before_iops, after_iops; /* geometric means; NaN */
    struct proof_ratio ratio;
};

struct proof {
    const char *how; /* inside.h */
    bool comparable; /* both are of the same works, measured in the same way, and ours */
    size_t count;
    struct proof_work *works;
    struct proof_ratio whole;     /* of all works, by their weights */
    struct proof_ratio predicted; /* of the plan */
    double host_iops; /* of the plan's host; NaN: there is no plan, or it has several works */
};

/* Of results of inside_measure (`before` or `plan` may be NULL), which it refers to. The logarithms
 * of the runs' speeds are compared by the t-test for unequal variances (B. L. Welch, Biometrika 34
 * (1947)): the noise of a machine is relative, and differs from hour to hour. The caller releases
 * it with proof_done. */
struct proof proof_make(const json_t *before, const json_t *after, const json_t *plan);
void proof_done(struct proof *p);
#define cleanup_proof at_scope_end(proof_done)

/* Whether two results are of the same works on the same file system, measured in the same way. */
bool proof_is_alike(const json_t *a, const json_t *b);

/* Whether it is slower than before by more than the margin (0.02 for 2 %) as it was measured, and
 * slower at all for certain. */
bool proof_is_slower(const struct proof *p, double margin);
