/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * figures.h - what work came to, in the units people compare.
 */
#pragma once

#include <stdint.h>

#include "measure/histogram.h"

struct latency_us {
    double mean, p50, p95, p99, p999, max;
};

struct figures {
    double mb_per_s; /* 10^6 bytes per second, as dd counts */
    double iops;
    struct latency_us latency;
    uint64_t requests;
};

/* The mean exactly, percentiles within HISTOGRAM_RELATIVE_ERROR. */
struct latency_us latency_us_from(const struct histogram *h);

/* The figures of `requests` that moved `bytes` in `elapsed_ns`, altogether each. */
struct figures figures_from(uint64_t requests, uint64_t bytes, uint64_t elapsed_ns,
                            const struct histogram *latencies);
