/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * core.c - the measuring core alone, on a file that is there: for bench/core-cost,
 * bench/fio-agreement and tests/functional/test-instructions.py.
 *
 * usage: core FILE WORKLOAD direct|cached SECONDS [RAMP [REQUESTS]]
 *
 * Ends after so many seconds, or after so many requests; before them there are RAMP seconds that do not
 * count. Prints one JSON object: requests, seconds, latencies, and the CPU time of this process in µs. It
 * writes to the file if the workload does.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/memory.h"
#include "measure/figures.h"
#include "measure/named.h"
#include "measure/target.h"

static double cpu_us(const struct timeval *t)
{
    return (double)t->tv_sec * 1e6 + (double)t->tv_usec;
}

static const char usage[] = "usage: core FILE WORKLOAD direct|cached SECONDS [RAMP [REQUESTS]]";

static int fail(const struct error *err)
{
    fprintf(stderr, "core: %s\n", err ? err->message : usage);
    return 2;
}

static int ramp_up(struct target *t, double seconds, struct error **err)
{
    struct budget budget = {.duration_ns = (uint64_t)(seconds * 1e9), .max_requests = UINT64_MAX};
    struct slice slice;
    if (!budget.duration_ns)
        return 0;
    if (target_run(t, &budget, &slice, err) < 0)
        return -1;
    histogram_clear(&t->histogram);
    return 0;
}

int main(int argc, char **argv)
{
    cleanup_error struct error *err = NULL;
    if (argc < 5 || argc > 7)
        return fail(NULL);
    const struct workload *w = named_workload(argv[2], &err);
    if (!w)
        return fail(err);
    cleanup_buffers struct buffers *buffers = buffers_new(w, 1);
    cleanup_target struct target *t = target_open(argv[1], w, 0, false, clock_now_ns(), buffers, &err);
    if (!t)
        return fail(err);
    /* The core itself knows direct I/O alone. */
    if (strcmp(argv[3], "cached") == 0 && fcntl(t->fd, F_SETFL, O_RDWR) < 0)
        return fail(NULL);
    struct budget budget = {
        .duration_ns = (uint64_t)(strtod(argv[4], NULL) * 1e9),
        .max_requests = argc > 6 ? strtoull(argv[6], NULL, 10) : UINT64_MAX,
        /* With a ramp the queue is full at both ends of what counts, as fio's is. */
        .ramp = argc > 5 && strtod(argv[5], NULL) > 0,
    };
    if (argc > 5 && ramp_up(t, strtod(argv[5], NULL), &err) < 0)
        return fail(err);
    struct rusage before, after;
    struct slice slice;
    getrusage(RUSAGE_SELF, &before);
    int r = target_run(t, &budget, &slice, &err);
    getrusage(RUSAGE_SELF, &after);
    if (r < 0)
        return fail(err);
    struct latency_us l = latency_us_from(&t->histogram);
    printf("{\"requests\": %" PRIu64 ", \"seconds\": %.6f, \"user_us\": %.0f, \"system_us\": %.0f, "
           "\"mean\": %.3f, \"p50\": %.3f, \"p99\": %.3f}\n",
           slice.requests, (double)slice.elapsed_ns / 1e9,
           cpu_us(&after.ru_utime) - cpu_us(&before.ru_utime),
           cpu_us(&after.ru_stime) - cpu_us(&before.ru_stime), l.mean, l.p50, l.p99);
    return 0;
}
