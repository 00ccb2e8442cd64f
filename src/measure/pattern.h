/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pattern.h - what a job's next request is: which blocks, read or written, or a sync.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "measure/random.h"
#include "measure/workload.h"
#include "measure/zipf.h"

struct pattern {
    struct random random;
    uint64_t units;   /* in the span; a unit is what every size is a multiple of */
    uint64_t blocks;  /* of the largest size, in the span */
    uint64_t next[2]; /* sequential: the next unit, of writes and of reads; once: the first of
                       * them, for both; once and random: blocks given out */
    uint64_t stride;  /* a step that meets every block exactly once */
    uint32_t unit_bytes;
    uint32_t block_units;
    uint32_t read_below; /* a draw of 2^32 below this is a read */
    unsigned size_count; /* 0: all requests are of block_units */
    struct {
        uint32_t units, below; /* a draw of 2^32 below this has the size */
    } sizes[WORKLOAD_SIZES_MAX];
    unsigned sync_every, unsynced; /* writes */
    bool is_random;
    bool is_zipf;
    bool once;
    struct zipf zipf;
};

enum request_kind {
    REQUEST_READ,
    REQUEST_WRITE,
    REQUEST_SYNC,
};

struct request {
    uint64_t offset;
    uint32_t length; /* of a sync 0 */
    enum request_kind kind;
};

/* Sets up the addresses of `w` over the first `span_bytes` bytes of a disk. With `once` every
 * block is given out a single time (a first write that comes twice is a rewrite); otherwise
 * sequential work wraps round and random work draws again and again. In a sequential mix reads go
 * through the span in their order and writes in theirs, as fio has it. Mixed sizes begin at any
 * unit, and under Zipf's law, or `once` at random, at multiples of the largest. */
void pattern_init(struct pattern *p, const struct workload *w, uint64_t span_bytes, bool once,
                  uint64_t seed);

/* Whether the next request is a sync. */
static inline bool pattern_sync_is_next(const struct pattern *p)
{
    return p->sync_every && p->unsynced == p->sync_every;
}

/* The next request; false when every block was given out (only with `once`). */
bool pattern_next(struct pattern *p, struct request *ret);
