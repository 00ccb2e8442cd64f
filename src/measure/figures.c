/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "measure/figures.h"

static struct latency_us latency_from(const struct histogram *h)
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

struct figures figures_from(uint64_t requests, uint64_t elapsed_ns, uint32_t block_bytes,
                            const struct histogram *latencies)
{
    double iops = elapsed_ns ? (double)requests / ((double)elapsed_ns / 1e9) : 0;
    return (struct figures){
        .mb_per_s = iops * block_bytes / 1e6,
        .iops = iops,
        .latency = latency_from(latencies),
        .requests = requests,
    };
}
