/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "measure/figures.h"

struct latency_us latency_us_from(const struct histogram *h)
{
    return (struct latency_us){
        .mean = histogram_mean(h) / 1e3,
        .p50 = (double)histogram_quantile(h, 0.50) / 1e3,
        .p95 = (double)histogram_quantile(h, 0.95) / 1e3,
        .p99 = (double)histogram_quantile(h, 0.99) / 1e3,
        .p999 = (double)histogram_quantile(h, 0.999) / 1e3,
        .max = (double)histogram_quantile(h, 1) / 1e3,
    };
}

struct figures figures_from(uint64_t requests, uint64_t bytes, uint64_t elapsed_ns,
                            const struct histogram *latencies)
{
    double seconds = (double)elapsed_ns / 1e9;
    return (struct figures){
        .mb_per_s = elapsed_ns ? (double)bytes / seconds / 1e6 : 0,
        .iops = elapsed_ns ? (double)requests / seconds : 0,
        .latency = latency_us_from(latencies),
        .requests = requests,
    };
}
