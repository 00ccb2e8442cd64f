/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-histogram.c - no value is reported further off than promised, and no document makes a
 * histogram that counting could not have made.
 */
#undef NDEBUG
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "measure/histogram.h"
#include "measure/random.h"

#define LIMIT_NS (UINT64_C(1) << HISTOGRAM_MAX_BITS)

static struct histogram h;

/* --- Buckets ---------------------------------------------------------------------------------- */

/* What is reported for a value that is neither the smallest nor the largest. */
static uint64_t reported(uint64_t ns)
{
    histogram_clear(&h);
    histogram_add(&h, 0);
    histogram_add(&h, ns);
    histogram_add(&h, UINT64_C(1) << 50);
    return histogram_quantile(&h, 0.5);
}

static void check_error(uint64_t ns)
{
    uint64_t value = reported(ns), off = value > ns ? value - ns : ns - value;
    if ((double)off > (double)ns * HISTOGRAM_RELATIVE_ERROR)
        fail_msg("%" PRIu64 " ns is reported as %" PRIu64, ns, value);
    /* Alone it is the smallest and the largest, and these are exact. */
    histogram_clear(&h);
    histogram_add(&h, ns);
    assert_int_equal(histogram_quantile(&h, 0.5), ns);
}

/* Goes through the buckets from 0 up: where one ends the next begins, and none is left at the end.
 * Their widths are written down here once more, octave by octave. */
static void test_buckets(void **state)
{
    (void)state;
    unsigned index = 0;
    uint64_t low = 0;
    while (low < LIMIT_NS) {
        uint64_t width = 1;
        while (low >= 256 * width)
            width *= 2;
        assert_int_equal(histogram_index(low), index);
        assert_int_equal(histogram_index(low + width - 1), index);
        check_error(low);
        check_error(low + width / 2);
        check_error(low + width - 1);
        low += width;
        index++;
    }
    assert_int_equal(low, LIMIT_NS);
    assert_int_equal(index, HISTOGRAM_BUCKETS);
}

static void test_exact_below_256(void **state)
{
    (void)state;
    for (uint64_t ns = 0; ns < 256; ns++)
        assert_int_equal(reported(ns), ns);
}

/* As many of each order of magnitude. */
static void test_random_values(void **state)
{
    (void)state;
    struct random r;
    random_seed(&r, 1);
    for (int i = 0; i < 20000; i++) {
        unsigned bits = 1 + (unsigned)random_below(&r, HISTOGRAM_MAX_BITS);
        check_error(random_below(&r, UINT64_C(1) << bits));
    }
}

/* --- Figures ---------------------------------------------------------------------------------- */

static const struct {
    const char *what;
    uint64_t first, last, step;
    double q;
    uint64_t value;
} quantiles[] = {
    {"one value, q = 0", 77, 77, 1, 0, 77},
    {"one value, q = 1", 77, 77, 1, 1, 77},
    {"the smallest", 1, 100, 1, 0, 1},
    {"one of a hundred", 1, 100, 1, 0.01, 1},
    {"a little more than one of a hundred", 1, 100, 1, 0.0101, 2},
    {"the lower median", 1, 100, 1, 0.5, 50},
    {"the median", 1, 101, 1, 0.5, 51},
    /* These products are a little above a whole number in binary. */
    {"7 of a hundred", 1, 100, 1, 0.07, 7},
    {"55 of a hundred", 1, 100, 1, 0.55, 55},
    {"95 of a hundred", 1, 100, 1, 0.95, 95},
    {"99 of a hundred", 1, 100, 1, 0.99, 99},
    {"99.9 of a hundred", 1, 100, 1, 0.999, 100},
    {"the largest", 1, 100, 1, 1, 100},
    {"half of two", 10, 20, 10, 0.5, 10},
    {"more than half of two", 10, 20, 10, 0.51, 20},
    /* 500 is in the bucket 500 … 501, and the middle of that is reported as 501. */
    {"of a wider bucket", 1, 1000, 1, 0.5, 501},
    {"exact maximum in a wide bucket", 1000001, 1000001, 1, 1, 1000001},
    {"never above the maximum", 1000000, 1000001, 1, 0.99, 1000001},
};

static void test_quantiles(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(quantiles); i++) {
        histogram_clear(&h);
        for (uint64_t ns = quantiles[i].first; ns <= quantiles[i].last; ns += quantiles[i].step)
            histogram_add(&h, ns);
        uint64_t value = histogram_quantile(&h, quantiles[i].q);
        if (value != quantiles[i].value)
            fail_msg("%s: %" PRIu64 " instead of %" PRIu64, quantiles[i].what, value,
                     quantiles[i].value);
    }
}

static void test_exact_figures(void **state)
{
    (void)state;
    static const uint64_t values[] = {1000003, 17, 999999999, 1000003, 4200};
    histogram_clear(&h);
    for (size_t i = 0; i < ARRAY_SIZE(values); i++)
        histogram_add(&h, values[i]);
    assert_int_equal(h.count, 5);
    assert_int_equal(h.sum_ns, 1002004222);
    assert_int_equal(h.min_ns, 17);
    assert_int_equal(h.max_ns, 999999999);
    assert_int_equal(h.overflow, 0);
    assert_true(histogram_mean(&h) == 1002004222 / 5.0);
    assert_int_equal(histogram_quantile(&h, 1), 999999999);
}

static void test_empty(void **state)
{
    (void)state;
    static const struct histogram zeroed;
    memset(&h, 0xa5, sizeof(h));
    histogram_clear(&h);
    assert_memory_equal(&h, &zeroed, sizeof(h));
    assert_int_equal(histogram_quantile(&h, 0), 0);
    assert_int_equal(histogram_quantile(&h, 0.5), 0);
    assert_int_equal(histogram_quantile(&h, 1), 0);
    assert_true(histogram_mean(&h) == 0);
}

static void test_overflow(void **state)
{
    (void)state;
    histogram_clear(&h);
    histogram_add(&h, LIMIT_NS - 1);
    assert_int_equal(h.overflow, 0);
    histogram_add(&h, LIMIT_NS);
    histogram_add(&h, 3 * LIMIT_NS);
    assert_int_equal(h.overflow, 2);
    assert_int_equal(h.count, 3);
    assert_int_equal(h.buckets[HISTOGRAM_BUCKETS - 1], 3);
    assert_int_equal(h.max_ns, 3 * LIMIT_NS);
    assert_int_equal(h.sum_ns, 5 * LIMIT_NS - 1);
    assert_int_equal(histogram_quantile(&h, 1), 3 * LIMIT_NS);
    /* A lower bound, and not less than the smallest of all. */
    assert_true(histogram_quantile(&h, 0.5) >= LIMIT_NS - 1);
    assert_true(histogram_quantile(&h, 0.5) <= LIMIT_NS);
}

/* --- Merging ---------------------------------------------------------------------------------- */

static void test_merge(void **state)
{
    (void)state;
    static struct histogram parts[3], all, merged;
    struct random r;
    random_seed(&r, 3);
    /* The third stays empty, and is merged first and last: its minimum of 0 is none. */
    for (int i = 0; i < 10000; i++) {
        uint64_t ns = 1 + random_below(&r, UINT64_C(1) << random_below(&r, 46));
        histogram_add(&all, ns);
        histogram_add(&parts[i % 2], ns);
    }
    histogram_merge(&merged, &parts[2]);
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        histogram_merge(&merged, &parts[i]);
    assert_true(all.overflow > 0 && all.min_ns > 0);
    assert_memory_equal(&merged, &all, sizeof(all));
}

/* --- JSON ------------------------------------------------------------------------------------- */

static void check_round_trip(const char *what)
{
    static struct histogram back;
    cleanup_error struct error *err = NULL;
    cleanup_json json_t *json = histogram_to_json(&h);
    cleanup_free char *text = json_dumps(json, JSON_COMPACT);
    cleanup_json json_t *parsed = json_loads(text, 0, NULL);
    memset(&back, 0xa5, sizeof(back));
    if (histogram_from_json(parsed, &back, &err) < 0)
        fail_msg("%s: %s: %.200s", what, err->message, text);
    assert_null(err);
    assert_memory_equal(&back, &h, sizeof(h));
}

static void test_round_trip(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        uint64_t values[4];
    } cases[] = {
        {"small ones", {0, 1, 2, 255}},
        {"ordinary ones", {80000, 80001, 123456, 99999999}},
        {"the edges", {0, 255, 256, LIMIT_NS - 1}},
        {"some too large", {LIMIT_NS - 1, LIMIT_NS, LIMIT_NS + 1, 5}},
        {"all too large", {LIMIT_NS, LIMIT_NS, LIMIT_NS + 7, LIMIT_NS * 2}},
        /* A clock that ran backwards: neither a value nor the sum wraps. */
        {"absurd ones", {UINT64_MAX, UINT64_MAX, UINT64_MAX - 5, UINT64_MAX}},
        {"absurd and ordinary", {UINT64_MAX, 1000, UINT64_C(1) << 63, 2000}},
    };
    histogram_clear(&h);
    check_round_trip("none");
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        histogram_clear(&h);
        for (size_t k = 0; k < ARRAY_SIZE(cases[i].values); k++) {
            histogram_add(&h, cases[i].values[k]);
            check_round_trip(cases[i].what);
        }
    }
}

static void test_json_text(void **state)
{
    (void)state;
    histogram_clear(&h);
    histogram_add(&h, 300);
    histogram_add(&h, 100);
    histogram_add(&h, 200);
    cleanup_json json_t *json = histogram_to_json(&h);
    cleanup_free char *text = json_dumps(json, JSON_COMPACT);
    assert_string_equal(text, "{\"count\":3,\"min_ns\":100,\"max_ns\":300,\"sum_ns\":600,"
                              "\"overflow\":0,\"buckets\":[100,1,200,1,278,1]}");
}

#define DOCUMENT(count, min, max, sum, overflow, buckets)                                          \
    "{\"count\":" count ",\"min_ns\":" min ",\"max_ns\":" max ",\"sum_ns\":" sum                   \
    ",\"overflow\":" overflow ",\"buckets\":" buckets "}"

#define USUAL "[100,1,200,1,278,1]"
#define LARGEST "9223372036854775807"

/* What a guest may send; `message` is in the error, NULL: there is none. */
static const struct {
    const char *what, *text, *message;
} documents[] = {
    {"good", DOCUMENT("3", "100", "300", "600", "0", USUAL), NULL},
    {"another key",
     "{\"count\":0,\"min_ns\":0,\"max_ns\":0,\"sum_ns\":0,\"overflow\":0,"
     "\"buckets\":[],\"disk\":1}",
     NULL},
    {"good overflow", DOCUMENT("2", "1", "4398046511104", "4398046511105", "1", "[1,1,4607,1]"),
     NULL},

    {"null", "null", "count"},
    {"a number", "3", "count"},
    {"an array", "[]", "count"},
    {"nothing in it", "{}", "count"},
    {"no buckets", "{\"count\":0,\"min_ns\":0,\"max_ns\":0,\"sum_ns\":0,\"overflow\":0}",
     "buckets"},
    {"no overflow", "{\"count\":0,\"min_ns\":0,\"max_ns\":0,\"sum_ns\":0,\"buckets\":[]}",
     "overflow"},

    {"a count with a fraction", DOCUMENT("3.0", "100", "300", "600", "0", USUAL), "count"},
    {"a count as text", DOCUMENT("\"3\"", "100", "300", "600", "0", USUAL), "count"},
    {"a negative count", DOCUMENT("-3", "100", "300", "600", "0", USUAL), "count"},
    {"a count nobody measured", DOCUMENT(LARGEST, "1", "1", LARGEST, "0", "[1," LARGEST "]"),
     "count"},
    {"a negative minimum", DOCUMENT("3", "-1", "300", "600", "0", USUAL), "min_ns"},
    {"no maximum", DOCUMENT("3", "100", "null", "600", "0", USUAL), "max_ns"},
    {"a negative sum", DOCUMENT("3", "100", "300", "-600", "0", USUAL), "sum_ns"},
    {"a true overflow", DOCUMENT("3", "100", "300", "600", "true", USUAL), "overflow"},

    {"buckets of another type", DOCUMENT("3", "100", "300", "600", "0", "{\"100\":3}"), "buckets"},
    {"half a pair", DOCUMENT("3", "100", "300", "600", "0", "[100,1,200,1,278]"), "buckets"},
    {"an index too large", DOCUMENT("1", "5", "5", "5", "0", "[4608,1]"), "buckets"},
    {"an index far too large", DOCUMENT("1", "5", "5", "5", "0", "[4294967301,1]"), "buckets"},
    {"a negative index", DOCUMENT("1", "5", "5", "5", "0", "[-1,1]"), "buckets"},
    {"an index with a fraction", DOCUMENT("1", "5", "5", "5", "0", "[5.0,1]"), "buckets"},
    {"an index as an object", DOCUMENT("1", "5", "5", "5", "0", "[{},1]"), "buckets"},
    {"an empty bucket", DOCUMENT("1", "5", "5", "5", "0", "[4,0,5,1]"), "buckets"},
    {"a negative bucket", DOCUMENT("1", "5", "5", "5", "0", "[4,-1,5,2]"), "buckets"},
    {"a bucket with a fraction", DOCUMENT("1", "5", "5", "5", "0", "[5,1.5]"), "buckets"},
    {"the same bucket twice", DOCUMENT("2", "5", "5", "10", "0", "[5,1,5,1]"), "buckets"},
    {"buckets out of order", DOCUMENT("2", "4", "5", "9", "0", "[5,1,4,1]"), "buckets"},
    {"more in the buckets", DOCUMENT("2", "100", "300", "600", "0", USUAL), "buckets"},
    {"less in the buckets", DOCUMENT("4", "100", "300", "600", "0", USUAL), "buckets"},
    {"buckets that wrap to the count",
     DOCUMENT("0", "5", "6", "5", "0", "[4," LARGEST ",5," LARGEST ",6,2]"), "buckets"},

    {"the minimum above the maximum", DOCUMENT("2", "801", "800", "1601", "0", "[456,2]"),
     "figures"},
    {"the same, with a sum that stopped",
     DOCUMENT("2", "9223372036854775807", "9223372036854775806", "9223372036854775807", "2",
              "[4607,2]"),
     "figures"},
    {"a minimum of another bucket", DOCUMENT("3", "99", "300", "600", "0", USUAL), "figures"},
    {"a maximum of another bucket", DOCUMENT("3", "100", "302", "600", "0", USUAL), "figures"},
    {"a maximum beyond all", DOCUMENT("3", "100", LARGEST, "600", "0", USUAL), "figures"},
    {"a sum too small", DOCUMENT("3", "100", "300", "299", "0", USUAL), "figures"},
    {"a sum too large", DOCUMENT("3", "100", "300", "901", "0", USUAL), "figures"},
    {"figures of nothing", DOCUMENT("0", "0", "1", "0", "0", "[]"), "figures"},
    {"a minimum of nothing", DOCUMENT("0", "1", "1", "0", "0", "[]"), "figures"},
    {"a sum of nothing", DOCUMENT("0", "0", "0", "1", "0", "[]"), "figures"},
    {"an overflow of nothing", DOCUMENT("0", "0", "0", "0", "1", "[]"), "figures"},
    {"an overflow elsewhere", DOCUMENT("3", "100", "300", "600", "1", USUAL), "figures"},
    {"an overflow that is none",
     DOCUMENT("1", "4398046511103", "4398046511103", "4398046511103", "1", "[4607,1]"), "figures"},
    {"no overflow though the maximum is one",
     DOCUMENT("1", "4398046511104", "4398046511104", "4398046511104", "0", "[4607,1]"), "figures"},
    {"no overflow though one of two is",
     DOCUMENT("2", "1", "4398046511104", "4398046511105", "0", "[1,1,4607,1]"), "figures"},
    {"an overflow that the maximum is not",
     DOCUMENT("2", "1", "4398046511103", "4398046511104", "1", "[1,1,4607,1]"), "figures"},
    {"more overflow than the last bucket has",
     DOCUMENT("3", "1", "4398046511104", "4398046511106", "2", "[1,2,4607,1]"), "figures"},
    {"all overflow but the minimum",
     DOCUMENT("2", "4398046511103", "4398046511104", "8796093022207", "2", "[4607,2]"), "figures"},
};

static void test_documents(void **state)
{
    (void)state;
    static struct histogram before;
    memset(&before, 0xa5, sizeof(before));
    for (size_t i = 0; i < ARRAY_SIZE(documents); i++) {
        cleanup_error struct error *err = NULL;
        cleanup_json json_t *json = json_loads(documents[i].text, JSON_DECODE_ANY, NULL);
        assert_non_null(json);
        h = before;
        int result = histogram_from_json(json, &h, &err);
        const char *message = documents[i].message;
        if ((result < 0) != !!message || !err != !message)
            fail_msg("%s: result %d, %s", documents[i].what, result,
                     err ? err->message : "no error");
        if (message && !strstr(err->message, message))
            fail_msg("%s: the error is: %s", documents[i].what, err->message);
        if (message)
            assert_memory_equal(&h, &before, sizeof(h));
        assert_int_equal(histogram_from_json(json, &h, NULL), result);
    }
    assert_int_equal(histogram_from_json(NULL, &h, NULL), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buckets),       cmocka_unit_test(test_exact_below_256),
        cmocka_unit_test(test_random_values), cmocka_unit_test(test_quantiles),
        cmocka_unit_test(test_exact_figures), cmocka_unit_test(test_empty),
        cmocka_unit_test(test_overflow),      cmocka_unit_test(test_merge),
        cmocka_unit_test(test_round_trip),    cmocka_unit_test(test_json_text),
        cmocka_unit_test(test_documents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
