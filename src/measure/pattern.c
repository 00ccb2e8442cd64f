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

/* The bound under which a draw of 32 bits falls in `percent` of 100 cases. */
static uint32_t bound_of(unsigned percent)
{
    return (uint32_t)(((uint64_t)percent * UINT32_MAX) / 100);
}

static void init_sizes(struct pattern *p, const struct workload *w)
{
    unsigned percent = 0;
    for (; p->size_count < w->size_count; p->size_count++) {
        const struct block_share *share = &w->sizes[p->size_count];
        percent += share->percent;
        p->sizes[p->size_count].units = share->bytes / p->unit_bytes;
        p->sizes[p->size_count].below = bound_of(percent);
    }
}

void pattern_init(struct pattern *p, const struct workload *w, uint64_t span_bytes, bool once,
                  uint64_t seed)
{
    uint32_t unit = workload_unit(w);
    *p = (struct pattern){
        .units = span_bytes / unit,
        .blocks = span_bytes / w->block_bytes,
        .unit_bytes = unit,
        .block_units = w->block_bytes / unit,
        .read_below = bound_of(w->read_percent),
        .sync_every = w->sync_every,
        .is_random = workload_is_random(w),
        .is_zipf = w->zipf > 0,
        .once = once,
    };
    init_sizes(p, w);
    random_seed(&p->random, seed);
    p->stride = golden_stride(p->blocks);
    if (p->is_zipf)
        zipf_init(&p->zipf, p->blocks, w->zipf);
}

static uint32_t draw(struct pattern *p)
{
    return (uint32_t)(random_u64(&p->random) >> 32);
}

static uint32_t next_length(struct pattern *p)
{
    if (!p->size_count)
        return p->block_units;
    uint32_t drawn = draw(p);
    unsigned i = 0;
    while (i + 1 < p->size_count && drawn >= p->sizes[i].below)
        i++;
    return p->sizes[i].units;
}

/* The block with this number in an order that meets each once and leaves no neighbours together. */
static uint64_t scattered(const struct pattern *p, uint64_t number)
{
    return (uint64_t)((__uint128_t)number * p->stride % p->blocks);
}

/* Goes on where the last request of its kind has ended. */
static bool next_in_order(struct pattern *p, bool read, uint32_t units, uint64_t *ret)
{
    uint64_t *next = &p->next[read && !p->once];
    if (*next + units > p->units) {
        if (p->once)
            return false;
        *next = 0;
    }
    *ret = *next;
    *next += units;
    return true;
}

/* The unit at which the next request of this many units begins; false when there is none left. */
static bool next_address(struct pattern *p, bool read, uint32_t units, uint64_t *ret)
{
    if (p->once && p->is_random) {
        if (p->next[0] == p->blocks)
            return false;
        *ret = scattered(p, p->next[0]++) * p->block_units;
    } else if (p->is_zipf) {
        *ret = scattered(p, zipf_draw(&p->zipf, &p->random)) * p->block_units;
    } else if (p->is_random) {
        *ret = p->size_count ? random_below(&p->random, p->units - units + 1)
                             : random_below(&p->random, p->blocks) * p->block_units;
    } else {
        return next_in_order(p, read, units, ret);
    }
    return true;
}

static bool is_read(struct pattern *p)
{
    if (p->read_below == 0 || p->read_below == UINT32_MAX)
        return p->read_below;
    return draw(p) < p->read_below;
}

bool pattern_next(struct pattern *p, struct request *ret)
{
    if (pattern_sync_is_next(p)) {
        p->unsynced = 0;
        *ret = (struct request){.kind = REQUEST_SYNC};
        return true;
    }
    uint32_t units = next_length(p);
    uint64_t unit;
    bool read = is_read(p);
    if (!next_address(p, read, units, &unit))
        return false;
    p->unsynced += !read;
    *ret = (struct request){
        .offset = unit * p->unit_bytes,
        .length = units * p->unit_bytes,
        .kind = read ? REQUEST_READ : REQUEST_WRITE,
    };
    return true;
}
