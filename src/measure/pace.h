/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pace.h - when the next request is due in work that is limited to a rate.
 *
 * Requests are due at fixed times from the start of a slice on, whatever became of those before. A
 * request's latency counts from when it was due: the time that it waits because an earlier one was
 * late is part of it, or a disk that stalls would look well for what was never asked of it
 * meanwhile.
 */
#pragma once

#include <errno.h>
#include <stdbool.h>

#include "base/clock.h"
#include "measure/workload.h"

struct pace {
    double interval_ns; /* 0: no limit, every request is due at once */
    uint64_t start_ns;
    uint64_t given; /* due times that were taken */
};

static inline struct pace pace_start(const struct workload *w, uint64_t now)
{
    return (struct pace){.interval_ns = w->rate_iops ? 1e9 / w->rate_iops : 0, .start_ns = now};
}

/* When the next request is due. */
static inline uint64_t pace_due(const struct pace *p)
{
    return p->start_ns + (uint64_t)((double)p->given * p->interval_ns);
}

/* How far the time up to the next one is gone: 1 where it is due, or at no rate 0. */
static inline double pace_due_share(const struct pace *p, uint64_t now)
{
    uint64_t due = pace_due(p);
    if (!p->interval_ns)
        return 0;
    double left = due > now ? (double)(due - now) / p->interval_ns : 0;
    return left < 1 ? 1 - left : 0;
}

/* Whether a request may start `now`; its latency then counts from *ret_from. */
static inline bool pace_take(struct pace *p, uint64_t now, uint64_t *ret_from)
{
    *ret_from = now;
    if (!p->interval_ns)
        return true;
    *ret_from = pace_due(p);
    if (*ret_from > now)
        return false;
    p->given++;
    return true;
}

/* Sleeps until then. */
static inline void pace_sleep_until(uint64_t ns)
{
    struct timespec t = {.tv_sec = (time_t)(ns / NS_PER_SECOND),
                         .tv_nsec = (long)(ns % NS_PER_SECOND)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
        continue;
}
