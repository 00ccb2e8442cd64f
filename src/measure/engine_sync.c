/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * engine_sync.c - one request after the other with pread and pwrite, as dd does it.
 *
 * One clock reading a request: the completion of one is the start of the next.
 */
#include "measure/engine.h"

#include <errno.h>

#include "base/clock.h"

static ssize_t transfer(const struct target *t, const struct request *request)
{
    unsigned char *buffer = buffers_slot(t->buffers, 0, request->write);
    size_t length = t->workload.block_bytes;
    off_t offset = (off_t)request->offset;
    ssize_t n;
    do {
        n = request->write ? pwrite(t->fd, buffer, length, offset)
                           : pread(t->fd, buffer, length, offset);
    } while (n < 0 && errno == EINTR);
    return n;
}

static int sync_run(struct target *t, const struct budget *budget, struct slice *ret,
                    struct error **err)
{
    struct slice slice = {0};
    unsigned ramp = budget->ramp;
    uint64_t before = clock_now_ns();
    uint64_t start = before;
    struct request request;

    while (slice.requests < budget->max_requests) {
        if (!pattern_next(&t->pattern, &request)) {
            slice.exhausted = true;
            break;
        }
        ssize_t n = transfer(t, &request);
        if (n != (ssize_t)t->workload.block_bytes)
            return engine_request_failed(t, &request, n < 0 ? errno : 0, err);
        uint64_t now = clock_now_ns();
        slice.issued++;
        slice.written_bytes += request.write ? t->workload.block_bytes : 0;
        if (ramp) {
            ramp--;
            start = now;
        } else {
            histogram_add(&t->histogram, now - before);
            slice.requests++;
        }
        before = now;
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
