/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * histogram.h - latencies in fixed memory, with a known relative error.
 *
 * Theory of operation. Values below 256 ns have a bucket each. Above, every octave [2^k, 2^(k+1))
 * is cut into 128 buckets of equal width, 2^(k-7). A value is reported as the middle of its bucket,
 * so it is off by at most half a width, 2^(k-8), and being at least 2^k itself, by at most one part
 * in 256: HISTOGRAM_RELATIVE_ERROR. Count, sum, smallest and largest value are kept exactly.
 *
 * A zeroed struct is an empty histogram. It holds no pointers and may be copied.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "base/error.h"

#define HISTOGRAM_RELATIVE_ERROR (1.0 / 256)

#define HISTOGRAM_SUB_BITS 7
#define HISTOGRAM_SUB (1u << HISTOGRAM_SUB_BITS)
#define HISTOGRAM_MAX_BITS 42 /* up to 2^42 ns, 73 minutes; longer ones are clamped and counted */
#define HISTOGRAM_BUCKETS ((HISTOGRAM_MAX_BITS - HISTOGRAM_SUB_BITS + 1) * HISTOGRAM_SUB)

/* Where a value and the sum stop instead of wrapping: the largest integer that JSON has here, 292
 * years. Only a clock that runs backwards gets there. */
#define HISTOGRAM_NS_MAX ((uint64_t)INT64_MAX)

/* More values in one document are not believed: nine years at a million a second. Tens of thousands
 * of such can be merged before a count wraps. */
#define HISTOGRAM_COUNT_MAX (UINT64_C(1) << 48)

struct histogram {
    uint64_t count;
    uint64_t sum_ns, min_ns, max_ns; /* of all values; 0 when there are none */
    uint64_t overflow;               /* values of 2^42 ns and more: in the last bucket */
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

/* The bucket of a value below 2^42. The first two octave groups run together: 0 … 255. */
static inline unsigned histogram_index(uint64_t ns)
{
    if (ns < 2 * HISTOGRAM_SUB)
        return (unsigned)ns;
    unsigned octave = 63u - (unsigned)__builtin_clzll(ns);
    unsigned shift = octave - HISTOGRAM_SUB_BITS;
    return (shift << HISTOGRAM_SUB_BITS) + (unsigned)(ns >> shift);
}

/* a + b, up to HISTOGRAM_NS_MAX, which a does not exceed. */
static inline uint64_t histogram_add_ns(uint64_t a, uint64_t b)
{
    return b > HISTOGRAM_NS_MAX - a ? HISTOGRAM_NS_MAX : a + b;
}

/* Counts one value. Inline and without allocation, as it is part of every request measured. */
static inline void histogram_add(struct histogram *h, uint64_t ns)
{
    unsigned index = HISTOGRAM_BUCKETS - 1;
    if (ns >> HISTOGRAM_MAX_BITS) {
        h->overflow++;
        ns = histogram_add_ns(0, ns);
    } else {
        index = histogram_index(ns);
    }
    h->buckets[index]++;
    if (!h->count++ || ns < h->min_ns)
        h->min_ns = ns;
    if (ns > h->max_ns)
        h->max_ns = ns;
    h->sum_ns = histogram_add_ns(h->sum_ns, ns);
}

void histogram_clear(struct histogram *h);

/* Adds what is in src to dst. */
void histogram_merge(struct histogram *dst, const struct histogram *src);

/* The smallest value that at least the share `q` (0 to 1) of all values are not above, within
 * HISTOGRAM_RELATIVE_ERROR; never beyond the smallest and the largest; q = 1 is the largest
 * exactly. Among values of 2^42 ns and more it is only a lower bound, q = 1 apart. In ns; 0 when
 * there are none. */
uint64_t histogram_quantile(const struct histogram *h, double q);

/* The exact mean in ns; 0 when there are none. */
double histogram_mean(const struct histogram *h);

/* {"count","min_ns","max_ns","sum_ns","overflow","buckets":[index,count,…]}, ascending and without
 * the empty ones. The caller owns it. */
json_t *histogram_to_json(const struct histogram *h);

/* Reads it back into *ret, which is only written on success. It may come from a guest, which is not
 * trusted. Errors: a number missing, no integer or out of range; buckets that are out of order, are
 * empty or do not add up to the count; figures that values in these buckets cannot have. */
int histogram_from_json(json_t *json, struct histogram *ret, struct error **err);
