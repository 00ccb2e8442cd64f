/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "measure/histogram.h"

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
    dst->sum_ns += src->sum_ns;
    dst->overflow += src->overflow;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        dst->buckets[i] += src->buckets[i];
}

uint64_t histogram_quantile(const struct histogram *h, double q)
{
    if (!h->count)
        return 0;
    double wanted = ceil(q * (double)h->count);
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

/* Reads the pairs of index and count; their total must not overflow. */
static bool read_buckets(json_t *pairs, struct histogram *h, uint64_t *ret_total)
{
    json_int_t last = -1;
    *ret_total = 0;
    if (!json_is_array(pairs) || json_array_size(pairs) % 2)
        return false;
    for (size_t i = 0; i < json_array_size(pairs); i += 2) {
        json_t *index = json_array_get(pairs, i), *count = json_array_get(pairs, i + 1);
        json_int_t at = json_integer_value(index), n = json_integer_value(count);
        if (!json_is_integer(index) || !json_is_integer(count) || at <= last ||
            at >= (json_int_t)HISTOGRAM_BUCKETS || n <= 0)
            return false;
        if (__builtin_add_overflow(*ret_total, (uint64_t)n, ret_total))
            return false;
        h->buckets[at] = (uint64_t)n;
        last = at;
    }
    return true;
}

/* Whether the exact figures can be those of the buckets. */
static bool is_consistent(const struct histogram *h, uint64_t total)
{
    if (total != h->count || h->min_ns > h->max_ns ||
        h->overflow > h->buckets[HISTOGRAM_BUCKETS - 1])
        return false;
    if (!h->count)
        return !h->sum_ns && !h->max_ns && !h->overflow;
    double mean = (double)h->sum_ns / (double)h->count;
    return mean >= (double)h->min_ns * (1 - 1e-9) && mean <= (double)h->max_ns * (1 + 1e-9);
}

int histogram_from_json(json_t *json, struct histogram *ret, struct error **err)
{
    cleanup_free struct histogram *h = xcalloc(1, sizeof(*h));
    const struct {
        const char *key;
        uint64_t *value;
    } numbers[] = {{"count", &h->count},
                   {"min_ns", &h->min_ns},
                   {"max_ns", &h->max_ns},
                   {"sum_ns", &h->sum_ns},
                   {"overflow", &h->overflow}};
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        json_t *number = json_object_get(json, numbers[i].key);
        if (!json_is_integer(number) || json_integer_value(number) < 0)
            return error_set(err, "a histogram without '%s'", numbers[i].key);
        *numbers[i].value = (uint64_t)json_integer_value(number);
    }
    uint64_t total;
    if (!read_buckets(json_object_get(json, "buckets"), h, &total) || !is_consistent(h, total))
        return error_set(err, "a histogram that does not add up");
    *ret = *h;
    return 0;
}
