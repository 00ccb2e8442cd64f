/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "measure/target.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/interrupt.h"
#include "base/memory.h"
#include "measure/engine.h"

#define PAGE 4096

/* No data of a write comes again before so much other was written: more than the 128 KiB that btrfs
 * and, unless told otherwise, ZFS compress at a time. Not much more, as data that has left the
 * CPU's caches is slower to write: 4 MiB cost 10 % of the speed of dd's work on a virtual disk. */
#define VARIETY ((size_t)256 << 10)

/* Buffers lie in memory that is contiguous where the kernel has it so. Of small pages they are what
 * was freed last, in any order, and a large request is as many segments as pages: reads of 1 MiB
 * then took a virtual disk 2.4 or 6.2 ms, as luck had it, and luck differs between host and guest.
 */
#define HUGE_PAGE ((size_t)2 << 20)

static size_t stride_of(uint32_t block_bytes)
{
    return (block_bytes + PAGE - 1) / PAGE * PAGE;
}

static size_t buffers_stride(const struct buffers *b)
{
    return stride_of(b->block_bytes);
}

static unsigned turns_of(const struct workload *w)
{
    return w->zeros ? 1 : (unsigned)(VARIETY / (stride_of(w->block_bytes) * w->depth)) + 1;
}

size_t buffers_length(const struct workload *w)
{
    size_t used = stride_of(w->block_bytes) * w->depth * turns_of(w);
    return (used + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
}

struct buffers *buffers_new(const struct workload *w, uint64_t seed)
{
    struct buffers *b = xcalloc(1, sizeof(*b));
    *b = (struct buffers){.block_bytes = w->block_bytes, .depth = w->depth, .zeros = w->zeros};
    b->turns = turns_of(w);
    b->length = buffers_length(w);
    b->memory = aligned_alloc(HUGE_PAGE, b->length);
    if (!b->memory)
        abort();
    madvise(b->memory, b->length, MADV_HUGEPAGE);
    memset(b->memory, 0, b->length);
    if (!b->zeros) {
        struct random random;
        random_seed(&random, seed);
        for (size_t i = 0; i < b->length; i += sizeof(uint64_t)) {
            uint64_t value = random_u64(&random);
            memcpy(b->memory + i, &value, sizeof(value));
        }
    }
    return b;
}

void buffers_free(struct buffers *b)
{
    if (!b)
        return;
    free(b->memory);
    free(b);
}

unsigned char *buffers_slot(struct buffers *b, unsigned slot, uint32_t length, bool write)
{
    unsigned char *memory = b->memory + slot * buffers_stride(b) * b->turns;
    if (!write || b->zeros)
        return memory;
    /* All requests in flight go on to their next block together: their data differs anyway. */
    memory += b->turn++ / b->depth % b->turns * buffers_stride(b);
    /* Random data does not compress; a stamp in every page keeps it from being deduplicated. */
    for (uint32_t i = 0; i < length; i += PAGE, b->stamp++)
        memcpy(memory + i, &b->stamp, sizeof(b->stamp));
    return memory;
}

int engine_request_failed(const struct target *t, const struct request *request, int errnum,
                          struct error **err)
{
    static const char *const verbs[] = {"read", "write"};
    unsigned long long offset = request->offset;
    unsigned length = request->length;
    if (request->kind == REQUEST_SYNC)
        return error_set_errno(err, errnum, "%s: sync", t->path);
    const char *verb = verbs[request->kind];
    if (!errnum)
        return error_set(err, "%s: %s of %u bytes at %llu was cut short", t->path, verb, length,
                         offset);
    error_set_errno(err, errnum, "%s: %s of %u bytes at %llu", t->path, verb, length, offset);
    if (errnum == EINVAL)
        error_hint(err, "with O_DIRECT the block size has to be a multiple of the disk's own");
    return -1;
}

static int open_direct(const char *path, struct error **err)
{
    int fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
    if (fd < 0 && errno == EINVAL) {
        error_set(err, "%s: the file system refuses O_DIRECT", path);
        return error_hint(err, "without direct I/O this would measure the page cache; use a "
                               "directory on ext4, XFS or NFS");
    }
    return fd < 0 ? error_set_errno(err, errno, "cannot open %s", path) : fd;
}

static int size_of(int fd, const char *path, uint64_t *ret, struct error **err)
{
    off_t end = lseek(fd, 0, SEEK_END);
    if (end < 0)
        return error_set_errno(err, errno, "cannot get the size of %s", path);
    *ret = (uint64_t)end;
    return 0;
}

struct target *target_open(const char *path, const struct workload *w, uint64_t span_bytes,
                           bool once, uint64_t seed, struct buffers *buffers, struct error **err)
{
    cleanup_target struct target *t = xcalloc(1, sizeof(*t));
    t->path = xstrdup(path);
    t->workload = *w;
    t->buffers = buffers;
    t->fd = open_direct(path, err);
    uint64_t size = 0;
    if (t->fd < 0 || size_of(t->fd, path, &size, err) < 0)
        return NULL;
    if (!span_bytes || span_bytes > size)
        span_bytes = size;
    t->span_bytes = span_bytes / workload_unit(w) * workload_unit(w);
    if (t->span_bytes < w->block_bytes) {
        error_set(err, "%s holds less than one block of %u bytes", path, w->block_bytes);
        return NULL;
    }
    pattern_init(&t->pattern, w, t->span_bytes, once, seed);
    if (w->sync_every)
        t->syncs = xcalloc(1, sizeof(*t->syncs));
    const struct engine *engine = w->depth == 1 ? &engine_sync : &engine_uring;
    if (engine->open && engine->open(t, err) < 0)
        return NULL;
    t->engine = engine;
    return TAKE_PTR(t);
}

void target_free(struct target *t)
{
    if (!t)
        return;
    if (t->engine && t->engine->close)
        t->engine->close(t);
    if (t->fd >= 0)
        close(t->fd);
    free(t->path);
    free(t->syncs);
    free(t->sample);
    marks_done(&t->marks);
    free(t);
}

int target_run(struct target *t, const struct budget *budget, struct slice *ret, struct error **err)
{
    if (budget->sample > t->sample_room) {
        t->sample = xreallocarray(t->sample, budget->sample, sizeof(*t->sample));
        t->sample_room = budget->sample;
    }
    t->sample_left = budget->sample;
    int r = t->engine->run(t, budget, ret, err);
    if (!budget->stop)
        return r;
    if (r == 0)
        r = interrupt_check(err);
    if (r < 0)
        atomic_store(budget->stop, true);
    return r;
}

int target_sync(struct target *t, uint64_t *ret_ns, struct error **err)
{
    uint64_t start = clock_now_ns();
    if (fsync(t->fd) < 0)
        return error_set_errno(err, errno, "%s: sync", t->path);
    *ret_ns = clock_now_ns() - start;
    return 0;
}

int target_fill(const char *path, uint64_t span_bytes, uint64_t seed, uint64_t *ret_written,
                struct error **err)
{
    /* Depth 1 in large requests: no slower than the disk, and it needs no io_uring. */
    struct workload fill = {.rw = WORKLOAD_WRITE, .block_bytes = 1 << 20, .depth = 1, .jobs = 1};
    cleanup_buffers struct buffers *buffers = buffers_new(&fill, seed);
    cleanup_target struct target *t =
        target_open(path, &fill, span_bytes, /* once = */ true, seed, buffers, err);
    if (!t)
        return -1;
    /* A slow disk takes minutes over this: stop between requests when told to. */
    struct budget part = {.duration_ns = 200 * NS_PER_MS, .max_requests = UINT64_MAX};
    struct slice slice;
    uint64_t sync_ns;
    do {
        if (interrupt_check(err) < 0 || target_run(t, &part, &slice, err) < 0)
            return -1;
        *ret_written += slice.written_bytes;
    } while (!slice.exhausted);
    return target_sync(t, &sync_ns, err);
}
