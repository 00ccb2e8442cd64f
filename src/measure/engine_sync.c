/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * engine_sync.c - one request after the other with pread and pwrite, as dd does it.
 *
 * One clock reading a request: the completion of one is the start of the next.
 */
#include "measure/engine.h"

#include <errno.h>

#include "base/clock.h"

/* The bytes moved; of a sync 0; or -1 with errno. */
static ssize_t transfer(const struct target *t, const struct request *r)
{
    if (r->kind == REQUEST_SYNC)
        return t->workload.datasync ? fdatasync(t->fd) : fsync(t->fd);
    bool write = r->kind == REQUEST_WRITE;
    unsigned char *buffer = buffers_slot(t->buffers, 0, r->length, write);
    ssize_t n;
    do {
        n = write ? pwrite(t->fd, buffer, r->length, (off_t)r->offset)
                  : pread(t->fd, buffer, r->length, (off_t)r->offset);
    } while (n < 0 && errno == EINTR);
    return n;
}

/* Waits until the next request may start, which the end of the run may prevent; *now is the time
 * then. Its latency begins when the one before ended, or when it was due: that whoever asks has to
 * be woken first is part of it, as it is of a request that was waited for. */
static bool wait_for_turn(struct target *t, const struct budget *budget, uint64_t end,
                          uint64_t *now, uint64_t *ret_from)
{
    struct pace *pace = &t->pace;
    uint64_t due;
    if (pace_take(pace, *now, &due)) {
        *ret_from = due;
        return true;
    }
    while (*now < due) {
        pace_sleep_until(engine_wait_until(budget, due, end, *now));
        *now = clock_now_ns();
        if (*now >= end || engine_is_stopped(budget))
            return false;
    }
    pace->given++;
    *ret_from = due;
    return true;
}

static int sync_run(struct target *t, const struct budget *budget, struct slice *ret,
                    struct error **err)
{
    struct slice slice = {0};
    unsigned ramp = budget->ramp;
    uint64_t before = clock_now_ns();
    uint64_t start = before, from;
    const uint64_t end = engine_end(budget, start);
    struct request request;
    engine_start(t, budget, start);

    while (slice.requests < budget->max_requests && !engine_is_stopped(budget)) {
        bool sync = pattern_sync_is_next(&t->pattern);
        from = before;
        if (!sync && !wait_for_turn(t, budget, end, &before, &from))
            break;
        if (!pattern_next(&t->pattern, &request)) {
            slice.exhausted = true;
            break;
        }
        ssize_t n = transfer(t, &request);
        if (n != (ssize_t)request.length)
            return engine_request_failed(t, &request, n < 0 ? errno : 0, err);
        uint64_t now = clock_now_ns();
        before = now;
        if (sync) {
            histogram_add(t->syncs, now - from);
            continue;
        }
        slice.issued++;
        slice.written_bytes += request.kind == REQUEST_WRITE ? request.length : 0;
        if (ramp) {
            ramp--;
            start = now;
        } else {
            engine_count(t, now - from);
            slice.requests++;
            slice.bytes += request.length;
            if (budget->stop)
                marks_pass(&t->marks, now, slice.requests);
        }
        if (now - start >= budget->duration_ns && slice.requests >= budget->min_requests)
            break;
    }
    slice.elapsed_ns = before - start;
    *ret = slice;
    return 0;
}

const struct engine engine_sync = {
    .name = "sync",
    .run = sync_run,
};
