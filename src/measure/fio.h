/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fio.h - the load that a fio job file describes, and a job file for a load.
 *
 * A key is supported, passed over because it does not change the load (with a note where somebody
 * may wonder), or an error: a file that was read is measured as it is meant or not at all. What is
 * read is what fio reads, even where that surprises ("4KiB" is 4000 bytes unless kb_base=1000), and
 * some things are refused that fio takes and misunderstands ("1.5k", "1m30s").
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "measure/suite.h"

#define FIO_FILE_MAX ((size_t)1 << 20)
#define FIO_LINE_MAX 4096
#define FIO_JOBS_MAX 256

/* One section. Its numjobs are workload.jobs. */
struct fio_job {
    char *name;     /* the section's, as long as it may be */
    unsigned line;  /* where the section begins, from 1 */
    unsigned group; /* from 0: jobs of one group run at the same time, groups one after another */
    struct workload workload;
    uint64_t size_bytes; /* 0: not given, as with the others below */
    uint64_t io_bytes;
    unsigned io_percent; /* of its size, instead of io_bytes */
    uint64_t runtime_ns;
    uint64_t ramp_ns;
    bool time_based;
};

struct fio_file {
    size_t count; /* at least 1 */
    struct fio_job *jobs;
    size_t note_count;
    char **notes; /* "FILE:LINE: key: what is done instead", each text once */
};

/* Reads a job file; file_name is what messages begin with. */
struct fio_file *fio_parse(const char *text, const char *file_name, struct error **err);
struct fio_file *fio_read(const char *path, struct error **err);

void fio_free(struct fio_file *file);
CLEANUP_PTR(cleanup_fio_handler, struct fio_file, fio_free)
#define cleanup_fio at_scope_end(cleanup_fio_handler)

/* A job file with which fio does these works, groups one after another; a span of 0 leaves the size
 * to whoever runs it, and bounds (times, amounts, ramps) and weights are not in it. Read by
 * fio_parse they are the same works again, but for characters that a section's name cannot have and
 * for a zipf of exactly 1, which fio does not take. The caller frees the text. */
char *fio_print(const struct suite *suite);
