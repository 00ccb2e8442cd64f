/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pattern.h - which block comes next, and whether it is read or written.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "measure/random.h"
#include "measure/workload.h"

struct pattern {
    struct random random;
    uint64_t blocks; /* blocks in the span */
    uint64_t next;   /* sequential: the next block; once: how many were given out */
    uint64_t stride; /* once and random: a step that meets every block exactly once */
    uint32_t block_bytes;
    uint32_t read_below; /* a draw of 2^32 below this is a read */
    bool is_random;
    bool once;
};

struct request {
    uint64_t offset;
    bool write;
};

/* Sets up the addresses of `w` over the first `span_bytes` bytes of a disk. With `once` every
 * block is given out a single time (a first write that comes twice is a rewrite); otherwise
 * sequential work wraps round and random work draws uniformly. */
void pattern_init(struct pattern *p, const struct workload *w, uint64_t span_bytes, bool once,
                  uint64_t seed);

/* The next request; false when every block was given out (only with `once`). */
bool pattern_next(struct pattern *p, struct request *ret);
