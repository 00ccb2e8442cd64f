/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "measure/pattern.h"

#include <math.h>

static uint64_t greatest_common_divisor(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Blocks i * stride mod n meet each of n blocks once when stride and n have no common divisor;
 * a stride near the golden section of n spreads any run of them evenly (Weyl's sequence). */
static uint64_t golden_stride(uint64_t n)
{
    uint64_t stride = (uint64_t)((double)n * 0.6180339887498949) | 1;
    while (greatest_common_divisor(stride, n) != 1)
        stride++;
    return stride;
}

void pattern_init(struct pattern *p, const struct workload *w, uint64_t span_bytes, bool once,
                  uint64_t seed)
{
    *p = (struct pattern){
        .blocks = span_bytes / w->block_bytes,
        .block_bytes = w->block_bytes,
        .read_below = (uint32_t)(((uint64_t)w->read_percent * UINT32_MAX) / 100),
        .is_random = workload_is_random(w),
        .once = once,
    };
    random_seed(&p->random, seed);
    p->stride = golden_stride(p->blocks);
}

bool pattern_next(struct pattern *p, struct request *ret)
{
    uint64_t block;
    if (p->once) {
        if (p->next == p->blocks)
            return false;
        block = p->next++;
        if (p->is_random)
            block = (uint64_t)((__uint128_t)block * p->stride % p->blocks);
    } else if (p->is_random) {
        block = random_below(&p->random, p->blocks);
    } else {
        block = p->next++;
        if (p->next == p->blocks)
            p->next = 0;
    }
    ret->offset = block * p->block_bytes;
    if (p->read_below == 0)
        ret->write = true;
    else if (p->read_below == UINT32_MAX)
        ret->write = false;
    else
        ret->write = (uint32_t)(random_u64(&p->random) >> 32) >= p->read_below;
    return true;
}
