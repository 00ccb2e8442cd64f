/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * engine_uring.c - io_uring, with a fixed number of requests in flight.
 *
 * Each turn of the loop is one io_uring_enter: it hands over what was prepared and waits for at
 * least one completion. One clock reading serves all completions that a turn finds, and is the
 * start of the requests that replace them.
 */
#include "measure/engine.h"

#include <errno.h>
#include <liburing.h>

#include "base/clock.h"
#include "base/memory.h"

struct slot {
    struct request request;
    uint64_t start_ns;
};

struct uring {
    struct io_uring ring;
    unsigned *free_slots; /* a stack of the slots that are not in flight */
    unsigned free_count;
    struct slot slots[];
};

/* What a slice knows while it runs. */
struct progress {
    struct slice slice;
    bool whole;        /* a whole run: everything counts, the last of the queue included */
    uint64_t left;     /* requests that may still be started */
    unsigned ramp;     /* completions still to come before counting begins */
    bool counting;     /* from the turn after the ramp's last completion */
    uint64_t start_ns; /* when counting began */
    uint64_t last_ns;  /* completion of the last request that counted */
    bool stopping;
    struct request failed;
    int errnum; /* of the first request that failed; -1: it was cut short */
};

static int uring_open(struct target *t, struct error **err)
{
    unsigned depth = t->workload.depth;
    struct uring *u = xcalloc(1, sizeof(*u) + depth * sizeof(u->slots[0]));
    int r = io_uring_queue_init(depth, &u->ring, 0);
    if (r < 0) {
        free(u);
        error_set_errno(err, -r, "io_uring cannot be set up");
        return error_hint(err, "queue depths above 1 need io_uring: see sysctl "
                               "kernel.io_uring_disabled; --depth 1 works without it");
    }
    u->free_slots = xcalloc(depth, sizeof(*u->free_slots));
    while (u->free_count < depth) {
        u->free_slots[u->free_count] = depth - 1 - u->free_count;
        u->free_count++;
    }
    t->engine_state = u;
    return 0;
}

static void uring_close(struct target *t)
{
    struct uring *u = t->engine_state;
    io_uring_queue_exit(&u->ring);
    free(u->free_slots);
    free(u);
}

/* Prepares a request for every free slot, all starting `now`. */
static void fill_queue(struct target *t, struct uring *u, struct progress *p, uint64_t now)
{
    uint32_t length = t->workload.block_bytes;
    while (u->free_count && p->left && !p->stopping) {
        struct request request;
        if (!pattern_next(&t->pattern, &request)) {
            p->slice.exhausted = p->stopping = true;
            return;
        }
        unsigned i = u->free_slots[--u->free_count];
        unsigned char *buffer = buffers_slot(t->buffers, i, request.write);
        struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);
        if (request.write)
            io_uring_prep_write(sqe, t->fd, buffer, length, request.offset);
        else
            io_uring_prep_read(sqe, t->fd, buffer, length, request.offset);
        io_uring_sqe_set_data64(sqe, i);
        u->slots[i] = (struct slot){request, now};
        p->left--;
    }
}

static void complete(struct target *t, struct progress *p, const struct slot *slot, int res,
                     uint64_t now)
{
    if (res != (int)t->workload.block_bytes) {
        p->stopping = true;
        if (p->errnum)
            return;
        p->errnum = res < 0 ? -res : -1;
        p->failed = slot->request;
        return;
    }
    p->slice.issued++;
    p->slice.written_bytes += slot->request.write ? t->workload.block_bytes : 0;
    if (p->stopping && !p->whole)
        return;
    p->last_ns = now;
    if (!p->counting) {
        p->ramp -= p->ramp > 0;
        return;
    }
    histogram_add(&t->histogram, now - slot->start_ns);
    p->slice.requests++;
}

static void reap(struct target *t, struct uring *u, struct progress *p, uint64_t now)
{
    struct io_uring_cqe *cqe;
    unsigned head, seen = 0;
    io_uring_for_each_cqe(&u->ring, head, cqe)
    {
        unsigned i = (unsigned)io_uring_cqe_get_data64(cqe);
        complete(t, p, &u->slots[i], cqe->res, now);
        u->free_slots[u->free_count++] = i;
        seen++;
    }
    io_uring_cq_advance(&u->ring, seen);
    /* Completions that share the clock reading that starts the count are not part of it. */
    if (!p->counting && !p->ramp) {
        p->counting = true;
        p->start_ns = now;
    }
}

static bool budget_spent(const struct progress *p, const struct budget *budget, uint64_t now)
{
    if (p->slice.requests >= budget->max_requests)
        return true;
    return p->counting && now - p->start_ns >= budget->duration_ns &&
           p->slice.requests >= budget->min_requests;
}

static int uring_run(struct target *t, const struct budget *budget, struct slice *ret,
                     struct error **err)
{
    struct uring *u = t->engine_state;
    unsigned depth = t->workload.depth;
    uint64_t now = clock_now_ns();
    /* The queue counts as full once as many requests came back as it holds. A budget without a
     * ramp is a whole run, as dd would time it: from the first submission to the last completion. */
    struct progress p = {.whole = !budget->ramp,
                         .left = budget->ramp ? UINT64_MAX : budget->max_requests,
                         .start_ns = now,
                         .last_ns = now,
                         .counting = !budget->ramp,
                         .ramp = budget->ramp ? budget->ramp + depth : 0};

    fill_queue(t, u, &p, now);
    while (u->free_count < depth) {
        int r = io_uring_submit_and_wait(&u->ring, 1);
        if (r < 0 && r != -EINTR)
            return error_set_errno(err, -r, "io_uring_enter on %s", t->path);
        now = clock_now_ns();
        reap(t, u, &p, now);
        p.stopping = p.stopping || budget_spent(&p, budget, now);
        fill_queue(t, u, &p, now);
    }
    if (p.errnum)
        return engine_request_failed(t, &p.failed, p.errnum < 0 ? 0 : p.errnum, err);
    p.slice.elapsed_ns = p.last_ns - p.start_ns;
    *ret = p.slice;
    return 0;
}

const struct engine engine_uring = {
    .name = "io_uring",
    .open = uring_open,
    .run = uring_run,
    .close = uring_close,
};
