/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * target.h - a disk or file under measurement, and the slices of work done on it.
 *
 * Theory of operation. A target is opened once, with O_DIRECT, and is then given any number of
 * slices: each does requests until its budget is spent and says how many that were in what time.
 * The pattern of addresses goes on from slice to slice, so a slice costs a function call, and
 * the slices of many targets can be taken in turns.
 *
 * Within a slice two clock readings bound the time: the completion of the last request of the
 * ramp, and the completion of the last request that counts. Requests of the ramp, and those that
 * are still in flight when the budget is spent, are done but not counted: the queue is full at
 * both ends of what is counted, however short the slice. Without a ramp all are counted, from the
 * first submission to the last completion, and no more are started than max_requests.
 *
 * A whole run, as dd or fio would do it, is one slice without a ramp that somebody can stop: the
 * queue is never drained to look how it goes. It leaves marks instead, and at a rate it does not
 * wait for a request that is due when its time is over.
 *
 * How requests reach the kernel is the engine's business (engine.h): pread and pwrite at depth 1,
 * as dd does it, io_uring above.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "measure/histogram.h"
#include "measure/marks.h"
#include "measure/pace.h"
#include "measure/pattern.h"
#include "measure/workload.h"

struct engine;

struct uring;

/* Memory that the requests of a job read into and write from, and the ring it hands them over by:
 * for each of `depth` requests in flight one block or several, page aligned, shared by targets that
 * are never busy at the same time. Writes take the several in turn, so that nothing comes again
 * within what a compressing file system looks back over. */
struct buffers {
    unsigned char *memory;
    uint32_t block_bytes;
    unsigned depth;
    unsigned turns; /* blocks for each request in flight */
    uint64_t turn;  /* writes so far */
    bool zeros;
    uint64_t stamp;     /* makes each written page unlike any before it */
    size_t length;      /* of the memory */
    struct uring *ring; /* engine_uring's, while a target of it is open */
};

struct target {
    char *path;
    int fd;
    uint64_t span_bytes; /* what is worked on: a multiple of the block size */
    struct workload workload;
    struct pattern pattern;
    struct pace pace;
    struct histogram histogram; /* latencies of the requests that counted */
    struct histogram *syncs;    /* of all syncs; NULL in work without */
    struct marks marks;         /* of a whole run */
    struct buffers *buffers;    /* not owned */
    const struct engine *engine;
    void *engine_state;
    uint64_t *sample; /* latencies of a slice's first requests, where its budget asks for them */
    unsigned sample_room, sample_left; /* it has; it wants */
};

/* When a slice ends: at max_requests, or when duration_ns are over and at least min_requests
 * were counted. */
struct budget {
    uint64_t duration_ns;
    uint64_t min_requests;
    uint64_t max_requests;
    unsigned ramp; /* requests done before counting starts, beyond filling the queue */
    bool resume;   /* goes on with the slice before: what was due there and was not done still is */
    unsigned sample;   /* so many of the first requests that count have their p99 told; 0: none */
    atomic_bool *stop; /* of a whole run, and without a ramp: ends it when it is true, which it
                        * becomes where a signal came or a target failed; NULL: a slice */
};

struct slice {
    uint64_t requests;      /* counted */
    uint64_t issued;        /* all that were done, counted or not */
    uint64_t bytes;         /* moved by these */
    uint64_t elapsed_ns;    /* time in which these were done, syncs included */
    uint64_t written_bytes; /* by these */
    bool exhausted;         /* a pattern without repetition had no further block */
    uint64_t
        p99_ns; /* of the sample of each job, together; 0: not asked for, or too few requests */
};

/* The memory that the buffers of one job take. */
size_t buffers_length(const struct workload *w);
struct buffers *buffers_new(const struct workload *w, uint64_t seed);
void buffers_free(struct buffers *b);
CLEANUP_PTR(cleanup_buffers_handler, struct buffers, buffers_free)
#define cleanup_buffers at_scope_end(cleanup_buffers_handler)

/* The memory of request slot `i`: for a write its first `length` bytes are made unique, unless the
 * workload writes zeros. */
unsigned char *buffers_slot(struct buffers *b, unsigned slot, uint32_t length, bool write);

/* Opens a file or block device with O_DIRECT for this work over its first `span_bytes` (0: all of
 * it). `once`: no block twice (pattern.h). Errors: it cannot be opened, the file system refuses
 * O_DIRECT, it is smaller than a block, io_uring is not to be had. The caller frees. */
struct target *target_open(const char *path, const struct workload *w, uint64_t span_bytes,
                           bool once, uint64_t seed, struct buffers *buffers, struct error **err);
void target_free(struct target *t);
CLEANUP_PTR(cleanup_target_handler, struct target, target_free)
#define cleanup_target at_scope_end(cleanup_target_handler)

/* Does one slice of work. Errors are the I/O errors of the disk, and in a whole run a signal
 * (base/interrupt.h); nothing stays in flight. */
int target_run(struct target *t, const struct budget *budget, struct slice *ret,
               struct error **err);

/* fsync: what was written is on the disk when this returns. *ret_ns is how long it took. */
int target_sync(struct target *t, uint64_t *ret_ns, struct error **err);

/* Writes the whole span (whole MiB) once, in large sequential requests, and syncs: what is measured
 * afterwards is a rewrite, and what is read was written. Adds to *ret_written what it wrote, also
 * when it fails. Stops with an error at a signal (base/interrupt.h). */
int target_fill(const char *path, uint64_t span_bytes, uint64_t seed, uint64_t *ret_written,
                struct error **err);
