/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fio_keys.h - what the keys of a fio job file mean; for fio.c alone.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "measure/fio.h"

/* The keys of one section as they add up, over those of the global ones before it. */
struct fio_options {
    uint64_t kb_base; /* 1024, or 1000 */
    enum workload_rw rw;
    uint64_t read_mix;
    uint64_t block_bytes;
    unsigned size_count; /* as in struct workload: of bssplit, which wins over bs */
    struct block_share sizes[WORKLOAD_SIZES_MAX];
    uint64_t depth;
    uint64_t depth_low; /* 0: not given */
    uint64_t jobs;
    double zipf;
    uint64_t rate[2], rate_iops[2]; /* of reads, of writes */
    uint64_t fsync, fdatasync;
    uint64_t size, io_size;
    unsigned io_percent; /* of size, instead of io_size; 0: not given */
    uint64_t runtime_ns, ramp_ns;
    bool time_based, stonewall, direct_given, file_given, norandommap, zeros;
    const char *engine; /* NULL: fio's own choice */
    bool engine_waits;  /* one request at a time, whatever the depth */
};

/* Where a key stands, for its note. */
struct fio_place {
    struct fio_file *file;
    const char *file_name;
    unsigned line;
};

/* Adds "FILE:LINE: text" unless the same text is there already. */
void fio_note(const struct fio_place *place, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

extern const struct fio_options fio_defaults;

/* Applies one key; value is NULL where there was no "=". The error does not say where. */
int fio_key_apply(struct fio_options *o, const char *key, const char *value,
                  const struct fio_place *place, struct error **err);

/* Makes the work of a section, fio_work.c. The error does not say where. */
int fio_options_finish(const struct fio_options *o, const struct fio_place *place,
                       struct fio_job *job, struct error **err);

/* --- Values, fio_value.c ---------------------------------------------------------------------- */

/* Reads "4096", "0x1000", "64k", "1M" as fio does with this kb_base. */
int fio_value_number(const char *value, uint64_t kb_base, uint64_t *ret, struct error **err);

/* Reads "30", "500ms", "2m", "1d"; a bare number is seconds. */
int fio_value_time(const char *value, uint64_t *ret_ns, struct error **err);

/* Reads "20%", 1 to 100. */
bool fio_value_percent(const char *value, unsigned *ret);

/* Reads "A", "A,B" or "A,B,C" for reads, writes and trims into the first two; an empty one leaves
 * what is there, and a single one is for both. */
int fio_value_pair(const char *value, uint64_t kb_base, uint64_t ret[2], struct error **err);

/* Reads "4k/60:64k/40"; sizes without a share have the rest in equal parts. */
int fio_value_split(const char *value, uint64_t kb_base, struct fio_options *o, struct error **err);

/* Reads "zipf", "zipf:THETA" or "random". */
int fio_value_distribution(const char *value, double *ret_zipf, struct error **err);
