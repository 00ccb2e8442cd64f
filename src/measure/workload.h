/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * workload.h - what is done to a disk: direction, block size, queue depth, data.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

enum workload_rw {
    WORKLOAD_READ,
    WORKLOAD_WRITE,
    WORKLOAD_RANDREAD,
    WORKLOAD_RANDWRITE,
    WORKLOAD_RW,     /* sequential, reads and writes mixed */
    WORKLOAD_RANDRW, /* random addresses, reads and writes mixed */
    WORKLOAD_RW_MAX,
};

struct workload {
    enum workload_rw rw;
    unsigned read_percent; /* share of reads in a mix, 0 to 100 */
    uint32_t block_bytes;  /* a multiple of 512 */
    unsigned depth;        /* requests in flight, 1 to WORKLOAD_DEPTH_MAX */
    bool zeros;            /* write zeros instead of incompressible data */
};

#define WORKLOAD_DEPTH_MAX 1024
#define WORKLOAD_BLOCK_MAX ((uint32_t)16 << 20)

/* The work of dd if=/dev/zero of=FILE oflag=direct bs=64k. */
extern const struct workload workload_dd;

const char *workload_rw_name(enum workload_rw rw);

/* Reads fio's names: read, write, randread, randwrite, rw, randrw. */
int workload_rw_parse(const char *name, enum workload_rw *ret, struct error **err);

bool workload_is_random(const struct workload *w);
bool workload_writes(const struct workload *w);
bool workload_reads(const struct workload *w);

/* 0, or -1 with the reason why this work cannot be done. */
int workload_check(const struct workload *w, struct error **err);

/* {"rw","block_bytes","depth","read_percent","zeros"}: as printed and as sent to the guest.
 * The caller owns the object. */
json_t *workload_to_json(const struct workload *w);
int workload_from_json(json_t *json, struct workload *ret, struct error **err);
