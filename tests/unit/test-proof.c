/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-proof.c - before and after: the ratio, an interval that holds the truth as often as it says,
 * and no comparison of what cannot be compared.
 */
#undef NDEBUG
#include <assert.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "apply/proof.h"
#include "base/json.h"
#include "measure/random.h"

#define RUNS 5

/* A result with one work for each median, whose runs scatter by this relative deviation. */
static json_t *result(const char *how, int bytes, size_t works, const double *medians,
                      double deviation, struct random *r)
{
    json_t *all = json_array();
    for (size_t w = 0; w < works; w++) {
        json_t *iops = json_array();
        for (int i = 0; i < RUNS; i++) {
            /* The sum of twelve uniform ones is normal enough. */
            double z = -6;
            for (int k = 0; r && k < 12; k++)
                z += random_double(r);
            json_array_append_new(iops, json_real(medians[w] * exp(r ? z * deviation : 0)));
        }
        json_array_append_new(all, json_pack("{s:s, s:f, s:o}", "name", w ? "commit" : "dd",
                                             "weight", w ? 3.0 : 1.0, "iops", iops));
    }
    return json_pack("{s:s, s:s, s:i, s:o}", "how", how, "directory", "/data", "file_system_bytes",
                     bytes, "works", all);
}

static void test_ratio(void **state)
{
    (void)state;
    const double one[] = {100, 50}, other[] = {200, 50};
    cleanup_json json_t *before = result("program", 1, 2, one, 0, NULL);
    cleanup_json json_t *after = result("program", 1, 2, other, 0, NULL);
    cleanup_proof struct proof p = proof_make(before, after, NULL);
    assert_true(p.comparable);
    assert_int_equal(p.count, 2);
    assert_float_equal(p.works[0].ratio.ratio, 2, 1e-9);
    assert_float_equal(p.works[0].before_iops, 100, 1e-6);
    assert_float_equal(p.works[1].ratio.ratio, 1, 1e-9);
    /* Of a weight of one and of three. */
    assert_float_equal(p.whole.ratio, pow(2, 0.25), 1e-9);
    assert_true(isnan(p.predicted.ratio) && isnan(p.host_iops));
}

/* Two works of different noise, 4,000 times: the truth is outside in about one of twenty. */
static void test_coverage(void **state)
{
    (void)state;
    struct random r;
    random_seed(&r, 7);
    const double one[] = {1000, 80}, other[] = {1200, 60};
    const double truth = exp((log(1.2) + 3 * log(0.75)) / 4);
    int outside[2] = {0};
    for (int i = 0; i < 4000; i++) {
        cleanup_json json_t *before = result("program", 1, 2, one, 0.05, &r);
        cleanup_json json_t *after = result("program", 1, 2, other, 0.15, &r);
        cleanup_proof struct proof p = proof_make(before, after, NULL);
        outside[0] += p.works[0].ratio.low > 1.2 || p.works[0].ratio.high < 1.2;
        outside[1] += p.whole.low > truth || p.whole.high < truth;
    }
    for (int i = 0; i < 2; i++)
        assert_in_range(outside[i], 120, 280);
}

static void test_slower(void **state)
{
    (void)state;
    static const struct {
        double ratio, high;
        bool slower;
    } rows[] = {
        {0.90, 0.95, true}, {0.90, 1.01, false}, {0.985, 0.99, false}, {1.20, 1.30, false},
        {0.50, 0.60, true}, {NAN, NAN, false},   {0.97, 0.999, true},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct proof p = {.whole = {rows[i].ratio, rows[i].ratio, rows[i].high}};
        assert_int_equal(proof_is_slower(&p, 0.02), rows[i].slower);
    }
}

static void test_not_comparable(void **state)
{
    (void)state;
    static const struct {
        const char *how_before, *how_after;
        int bytes_before, bytes_after;
    } rows[] = {
        {"program", "dd", 1, 1},
        {"program", "program", 1, 2}, /* another file system was mounted there */
        {"observed", "observed", 1, 1},
        {NULL, "program", 1, 1},
    };
    const double one[] = {100};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        cleanup_json json_t *before =
            rows[i].how_before ? result(rows[i].how_before, rows[i].bytes_before, 1, one, 0, NULL)
                               : NULL;
        cleanup_json json_t *after =
            result(rows[i].how_after, rows[i].bytes_after, 1, one, 0, NULL);
        cleanup_proof struct proof p = proof_make(before, after, NULL);
        assert_false(p.comparable);
        assert_true(isnan(p.whole.ratio));
        assert_float_equal(p.works[0].after_iops, 100, 1e-6);
        assert_false(proof_is_slower(&p, 0.02));
    }
}

/* Works that have no name, or one that others have too, are told apart by what they are. */
static void test_works_are_told_apart(void **state)
{
    (void)state;
    const double speeds[] = {100, 50};
    cleanup_json json_t *before = result("program", 1, 2, speeds, 0, NULL);
    cleanup_json json_t *after = result("program", 1, 2, speeds, 0, NULL);
    json_t *works[] = {json_object_get(before, "works"), json_object_get(after, "works")};
    for (size_t i = 0; i < 4; i++)
        json_object_set_new(json_array_get(works[i / 2], i % 2), "name", json_string(""));
    json_object_set_new(before, "suite", json_pack("[{s:i}]", "block_bytes", 4096));
    json_object_set_new(after, "suite", json_pack("[{s:i}]", "block_bytes", 4096));
    cleanup_proof struct proof same = proof_make(before, after, NULL);
    assert_true(same.comparable);
    for (size_t i = 0; i < 2; i++)
        assert_float_equal(same.works[i].before_iops, speeds[i], 1e-6);
    json_object_set_new(after, "suite", json_pack("[{s:i}]", "block_bytes", 1048576));
    cleanup_proof struct proof other = proof_make(before, after, NULL);
    assert_false(other.comparable);
    json_object_del(before, "suite"); /* of a version that did not tell */
    cleanup_proof struct proof unknown = proof_make(before, after, NULL);
    assert_false(unknown.comparable);
}

/* Records are files, and a guest may have said anything. */
static void test_nonsense(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{}",
        "{\"works\": 1}",
        "{\"how\": \"program\", \"works\": [1]}",
        "{\"how\": \"program\", \"works\": [{\"name\": 1, \"iops\": [0, -1, null]}]}",
        "{\"how\": \"program\", \"works\": [{\"name\": \"dd\", \"weight\": 0, \"iops\": [1, 2]}]}",
    };
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        cleanup_json json_t *json = json_loads(texts[i], 0, NULL);
        assert_non_null(json);
        cleanup_proof struct proof p = proof_make(json, json, json);
        assert_false(proof_is_slower(&p, 0.02));
    }
}

static void test_plan(void **state)
{
    (void)state;
    const double one[] = {100};
    cleanup_json json_t *after = result("program", 1, 1, one, 0, NULL);
    cleanup_json json_t *plan = json_loads(
        "{\"evidence\": {\"workloads\": [{}], \"host\": {\"iops\": 500.5}, \"candidates\": ["
        "{\"current\": true, \"vs_current\": {\"ratio\": 1, \"low\": 1, \"high\": 1}},"
        "{\"current\": false, \"vs_current\": {\"ratio\": 1.4, \"low\": 1.3, \"high\": 1.5}}]}}",
        0, NULL);
    cleanup_proof struct proof p = proof_make(NULL, after, plan);
    assert_float_equal(p.predicted.ratio, 1.4, 1e-9);
    assert_float_equal(p.predicted.high, 1.5, 1e-9);
    assert_float_equal(p.host_iops, 500.5, 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ratio),
        cmocka_unit_test(test_coverage),
        cmocka_unit_test(test_slower),
        cmocka_unit_test(test_not_comparable),
        cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_plan),
        cmocka_unit_test(test_works_are_told_apart),
    };
    return cmocka_run_group_tests_name("proof", tests, NULL, NULL);
}
