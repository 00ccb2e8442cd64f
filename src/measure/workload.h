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

#define WORKLOAD_NAME_MAX 31
#define WORKLOAD_DEPTH_MAX 1024
#define WORKLOAD_JOBS_MAX 64
#define WORKLOAD_SIZES_MAX 8
#define WORKLOAD_BLOCK_MAX ((uint32_t)16 << 20)
#define WORKLOAD_ZIPF_MAX 5.0

/* One of several sizes of requests, and how many of a hundred have it. */
struct block_share {
    uint32_t bytes;
    unsigned percent;
};

struct workload {
    char name[WORKLOAD_NAME_MAX + 1]; /* "dd"; empty where it has none */
    enum workload_rw rw;
    unsigned read_percent; /* share of reads in a mix, 0 to 100 */
    uint32_t block_bytes;  /* a multiple of 512; the largest where sizes are mixed */
    unsigned size_count;   /* 0: every request is of block_bytes */
    struct block_share sizes[WORKLOAD_SIZES_MAX]; /* percents add up to 100 */
    unsigned depth;      /* requests in flight of each job, 1 to WORKLOAD_DEPTH_MAX */
    unsigned jobs;       /* threads that do this at the same time, 1 to WORKLOAD_JOBS_MAX */
    double zipf;         /* theta of Zipf's law for random addresses; 0: uniform */
    unsigned rate_iops;  /* requests a second of each job; 0: as fast as it goes */
    unsigned sync_every; /* writes of a job between two syncs; 0: none */
    bool datasync;       /* sync by fdatasync instead of fsync */
    bool zeros;          /* write zeros instead of incompressible data */
};

const char *workload_rw_name(enum workload_rw rw);

/* Reads fio's names: read, write, randread, randwrite, rw, randrw. */
int workload_rw_parse(const char *name, enum workload_rw *ret, struct error **err);

/* The smallest size of a request, which every address is a multiple of. */
uint32_t workload_unit(const struct workload *w);

/* Whether reads and writes are mixed. */
bool workload_rw_is_mix(enum workload_rw rw);

/* The share of reads that goes with the direction; 50 for a mix. */
unsigned workload_rw_read_percent(enum workload_rw rw);

/* The mean size of a request. */
double workload_mean_bytes(const struct workload *w);

bool workload_is_random(const struct workload *w);
bool workload_writes(const struct workload *w);
bool workload_reads(const struct workload *w);

/* 0, or -1 with the reason why this work cannot be done. */
int workload_check(const struct workload *w, struct error **err);

/* {"name","rw","read_percent","block_bytes","sizes":[{"bytes","percent"},…],"depth","jobs","zipf",
 * "rate_iops","sync_every","datasync","zeros"}: as printed and as sent to the guest. The caller
 * owns the object. */
json_t *workload_to_json(const struct workload *w);
int workload_from_json(json_t *json, struct workload *ret, struct error **err);
