/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "measure/histogram.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/memory.h"

/* The first value of a bucket and how many values it has: histogram_index undone. */
static uint64_t bucket_low(unsigned index, uint64_t *ret_width)
{
    unsigned group = index >> HISTOGRAM_SUB_BITS;
    unsigned shift = group ? group - 1 : 0;
    *ret_width = UINT64_C(1) << shift;
    return (uint64_t)(index - (shift << HISTOGRAM_SUB_BITS)) << shift;
}

void histogram_clear(struct histogram *h)
{
    memset(h, 0, sizeof(*h));
}

void histogram_merge(struct histogram *dst, const struct histogram *src)
{
    if (!src->count)
        return;
    if (!dst->count || src->min_ns < dst->min_ns)
        dst->min_ns = src->min_ns;
    if (src->max_ns > dst->max_ns)
        dst->max_ns = src->max_ns;
    dst->count += src->count;
    dst->sum_ns = histogram_add_ns(dst->sum_ns, src->sum_ns);
    dst->overflow += src->overflow;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        dst->buckets[i] += src->buckets[i];
}

uint64_t histogram_quantile(const struct histogram *h, double q)
{
    if (!h->count)
        return 0;
    /* 0.07 * 100 is a little above 7 in binary, and would be rounded up to 8. */
    double wanted = ceil(q * (double)h->count * (1 - 4 * DBL_EPSILON));
    uint64_t seen = 0, width;
    for (unsigned i = 0; q < 1 && i < HISTOGRAM_BUCKETS; i++) {
        seen += h->buckets[i];
        if (!h->buckets[i] || (double)seen < wanted)
            continue;
        uint64_t value = bucket_low(i, &width) + width / 2;
        return value < h->min_ns ? h->min_ns : value > h->max_ns ? h->max_ns : value;
    }
    return h->max_ns;
}

double histogram_mean(const struct histogram *h)
{
    return h->count ? (double)h->sum_ns / (double)h->count : 0;
}

json_t *histogram_to_json(const struct histogram *h)
{
    json_t *buckets = json_array();
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        if (!h->buckets[i])
            continue;
        json_array_append_new(buckets, json_integer(i));
        json_array_append_new(buckets, json_integer((json_int_t)h->buckets[i]));
    }
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:o}", "count", (json_int_t)h->count, "min_ns",
                     (json_int_t)h->min_ns, "max_ns", (json_int_t)h->max_ns, "sum_ns",
                     (json_int_t)h->sum_ns, "overflow", (json_int_t)h->overflow, "buckets",
                     buckets);
}

/* --- Reading back ----------------------------------------------------------------------------- */

/* An integer from 0 to max. */
static bool read_integer(json_t *json, uint64_t max, uint64_t *ret)
{
    json_int_t value = json_integer_value(json);
    if (!json_is_integer(json) || value < 0 || (uint64_t)value > max)
        return false;
    *ret = (uint64_t)value;
    return true;
}

/* Reads the pairs of index and count; these have to add up to h->count. */
static bool read_buckets(json_t *pairs, struct histogram *h)
{
    uint64_t next = 0, left = h->count;
    if (!json_is_array(pairs) || json_array_size(pairs) % 2)
        return false;
    for (size_t i = 0; i < json_array_size(pairs); i += 2) {
        uint64_t index, count;
        if (!read_integer(json_array_get(pairs, i), HISTOGRAM_BUCKETS - 1, &index) ||
            !read_integer(json_array_get(pairs, i + 1), left, &count) || index < next || !count)
            return false;
        h->buckets[index] = count;
        left -= count;
        next = index + 1;
    }
    return !left;
}

/* Whether a bucket with values in it has `ns` among them. */
static bool is_in_bucket(unsigned index, uint64_t ns)
{
    bool overflow = ns >> HISTOGRAM_MAX_BITS;
    return index == (overflow ? HISTOGRAM_BUCKETS - 1 : histogram_index(ns));
}

/* Whether the smallest and the largest value, and how many are too large, can be of the buckets. */
static bool has_consistent_bounds(const struct histogram *h)
{
    unsigned first = 0, last = HISTOGRAM_BUCKETS - 1;
    if (!h->count)
        return !h->min_ns && !h->max_ns && !h->overflow;
    while (!h->buckets[first])
        first++;
    while (!h->buckets[last])
        last--;
    /* The largest value is an overflow if there is any, the smallest if all of them are. */
    return h->min_ns <= h->max_ns && is_in_bucket(first, h->min_ns) &&
           is_in_bucket(last, h->max_ns) && h->overflow <= h->buckets[HISTOGRAM_BUCKETS - 1] &&
           (h->overflow > 0) == (h->max_ns >> HISTOGRAM_MAX_BITS > 0) &&
           (h->overflow == h->count) == (h->min_ns >> HISTOGRAM_MAX_BITS > 0);
}

/* Whether the mean is between the smallest and the largest value. */
static bool has_consistent_sum(const struct histogram *h)
{
    /* 2^48 values of 2^63 ns: far from 128 bits. */
    __uint128_t least = (__uint128_t)h->count * h->min_ns;
    __uint128_t most = (__uint128_t)h->count * h->max_ns;
    return h->sum_ns <= most && (h->sum_ns >= least || h->sum_ns == HISTOGRAM_NS_MAX);
}

int histogram_from_json(json_t *json, struct histogram *ret, struct error **err)
{
    cleanup_free struct histogram *h = xcalloc(1, sizeof(*h));
    const struct {
        const char *key;
        uint64_t max, *value;
    } numbers[] = {{"count", HISTOGRAM_COUNT_MAX, &h->count},
                   {"min_ns", HISTOGRAM_NS_MAX, &h->min_ns},
                   {"max_ns", HISTOGRAM_NS_MAX, &h->max_ns},
                   {"sum_ns", HISTOGRAM_NS_MAX, &h->sum_ns},
                   {"overflow", HISTOGRAM_COUNT_MAX, &h->overflow}};
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
        if (!read_integer(json_object_get(json, numbers[i].key), numbers[i].max, numbers[i].value))
            return error_set(err, "a histogram without a usable '%s'", numbers[i].key);
    if (!read_buckets(json_object_get(json, "buckets"), h))
        return error_set(err, "a histogram whose buckets are unusable or do not add up");
    if (!has_consistent_bounds(h) || !has_consistent_sum(h))
        return error_set(err, "a histogram whose figures are not those of its buckets");
    *ret = *h;
    return 0;
}
