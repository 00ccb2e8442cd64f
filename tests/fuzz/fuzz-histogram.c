/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz-histogram.c - what a guest may send as its latencies is refused, or is a histogram like any
 * other: it can be asked, merged, and written and read back as it is.
 */
#undef NDEBUG
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/json.h"
#include "measure/histogram.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_quantiles(const struct histogram *h)
{
    static const double shares[] = {0, 0.5, 0.95, 0.999, 1};
    uint64_t last = h->min_ns;
    for (size_t i = 0; i < ARRAY_SIZE(shares); i++) {
        uint64_t value = histogram_quantile(h, shares[i]);
        assert(value >= last && value <= h->max_ns);
        last = value;
    }
    assert(last == h->max_ns);
}

static void check_round_trip(const struct histogram *h)
{
    static struct histogram back;
    cleanup_json json_t *json = histogram_to_json(h);
    assert(histogram_from_json(json, &back, NULL) == 0);
    assert(memcmp(h, &back, sizeof(back)) == 0);
}

static void check_merge(const struct histogram *h)
{
    static struct histogram twice;
    histogram_clear(&twice);
    histogram_merge(&twice, h);
    assert(memcmp(h, &twice, sizeof(twice)) == 0);
    histogram_merge(&twice, h);
    assert(twice.count == 2 * h->count && twice.sum_ns >= h->sum_ns);
    check_quantiles(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct histogram h;
    cleanup_error struct error *err = NULL;
    cleanup_json json_t *json = json_loadb((const char *)data, size, JSON_DECODE_ANY, NULL);
    if (!json)
        return 0;
    int result = histogram_from_json(json, &h, &err);
    assert((result < 0) == !!err);
    if (result < 0)
        return 0;
    check_quantiles(&h);
    check_round_trip(&h);
    check_merge(&h);
    return 0;
}
