/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * goal.h - what a race is decided by: speed, latency, CPU time, or a mix of these.
 *
 * Each is a figure of a round of which less is better; a candidate's is held against the host's,
 * and of several the logarithms of these ratios are averaged by weight.
 */
#pragma once

#include <stdbool.h>

#include "base/error.h"

enum aim {
    AIM_THROUGHPUT, /* time per request */
    AIM_LATENCY,    /* the latency that one request of a hundred exceeds */
    AIM_CPU,        /* CPU time of QEMU, or of the program itself on the host, per request */
    AIM_MAX,
};

struct goal {
    double weights[AIM_MAX]; /* none negative, at least one positive */
};

extern const struct goal goal_throughput;

/* Reads "latency" or "throughput:2,cpu", each with its weight as those of --workload. An error
 * where there is no aim of a name, or a weight is none. */
int goal_parse(const char *list, struct goal *ret, struct error **err);

/* As goal_parse reads it; a single aim has no weight. The caller frees. */
char *goal_text(const struct goal *g);

bool goal_has(const struct goal *g, enum aim aim);

/* Whether nothing but throughput counts. */
bool goal_is_throughput(const struct goal *g);
