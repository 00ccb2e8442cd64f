/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-run.c - a whole run does as much as was asked for, to the request: of one size or of many,
 * with syncs or without.
 *
 *   test-run [DEPTH]     1: the engine of pread and pwrite; more: io_uring
 */
#undef NDEBUG
#include <assert.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "disk.h"
#include "measure/run.h"

#define BLOCK 8192u
#define SPAN (UINT64_C(64) * BLOCK)

static unsigned depth = 1;

static struct workload work(enum workload_rw rw)
{
    return (struct workload){.rw = rw,
                             .read_percent = workload_rw_read_percent(rw),
                             .block_bytes = BLOCK,
                             .depth = depth,
                             .jobs = 1};
}

/* Runs it in a file of twice the span; whatever it does, nothing is written behind the span. */
static struct run_result run_within(const struct workload *w, struct run_bounds bounds, bool once,
                                    struct histogram *ret_latencies, struct histogram *ret_syncs)
{
    struct run_result result;
    cleanup_error struct error *err = NULL;
    cleanup_free char *path = disk_file(2 * SPAN);
    cleanup_crew struct crew *crew = crew_new(w, 1, 1, NULL);
    cleanup_site struct site *s = site_open(crew, path, &(uint64_t){SPAN}, once, 1, NULL);
    assert_non_null(s);
    if (run_whole(s, &(struct work){.workload = *w, .bounds = bounds}, 1, &result, &err) < 0)
        fail_msg("%s", err->message);
    memset(ret_latencies, 0, sizeof(*ret_latencies));
    memset(ret_syncs, 0, sizeof(*ret_syncs));
    site_add_latencies(s, 0, ret_latencies);
    site_add_syncs(s, 0, ret_syncs);
    assert_int_equal(ret_latencies->count, result.requests);
    assert_true(result.bytes <= result.all_bytes && result.written_bytes <= result.all_bytes);
    assert_true(!workload_writes(w) == !result.written_bytes);
    assert_true((result.sync_ns > 0) == workload_writes(w));
    assert_true(result.elapsed_ns > 0);
    size_t length;
    cleanup_free char *data = file_read(path, &length, NULL);
    assert_int_equal(length, 2 * SPAN);
    for (size_t i = SPAN; i < length; i++)
        assert_true(data[i] == 0);
    return result;
}

static struct run_result run(const struct workload *w, uint64_t bytes, bool once,
                             struct histogram *ret_latencies, struct histogram *ret_syncs)
{
    struct run_bounds bounds = {.bytes = bytes};
    struct run_result result = run_within(w, bounds, once, ret_latencies, ret_syncs);
    assert_int_equal(result.all_bytes, result.bytes);
    return result;
}

static void test_whole(void **state)
{
    (void)state;
    static const unsigned counts[] = {1, 2, 10, 31, 64, 65, 200};
    static struct histogram latencies, syncs;
    for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
        for (int rw = 0; rw < WORKLOAD_RW_MAX; rw++) {
            struct workload w = work((enum workload_rw)rw);
            bool mix = rw == WORKLOAD_RW || rw == WORKLOAD_RANDRW;
            if (mix && counts[i] < 10)
                continue;
            /* Half a block more than ten is ten. */
            struct run_result result =
                run(&w, (uint64_t)BLOCK * counts[i] + BLOCK / 2, false, &latencies, &syncs);
            assert_int_equal(result.requests, counts[i]);
            assert_int_equal(result.bytes, counts[i] * BLOCK);
            assert_true(mix || result.written_bytes == (workload_writes(&w) ? result.bytes : 0));
            assert_int_equal(syncs.count, 0);
        }
    }
}

/* What came to no request is an error, and not a figure of 0. */
static void test_nothing(void **state)
{
    (void)state;
    static struct histogram latencies;
    struct run_result result = {.requests = 5};
    struct workload w = work(WORKLOAD_WRITE);
    cleanup_free char *path = disk_file(SPAN);
    cleanup_crew struct crew *crew = crew_new(&w, 1, 1, NULL);
    cleanup_site struct site *s = site_open(crew, path, &(uint64_t){0}, false, 1, NULL);
    cleanup_error struct error *err = NULL;
    assert_non_null(s);
    assert_int_equal(run_whole(s, &(struct work){.workload = w, .bounds = {.bytes = BLOCK - 1}}, 1,
                               &result, &err),
                     -1);
    assert_non_null(strstr(err->message, "this work: not one request"));
    assert_int_equal(result.requests, 5);
    site_add_latencies(s, 0, &latencies);
    assert_int_equal(latencies.count, 0);
}

/* First writes end with the file, whatever more was asked for; a ramp would take what counts. */
static void test_exhausted(void **state)
{
    (void)state;
    static struct histogram latencies, syncs;
    for (int i = 0; i < 2; i++) {
        struct workload w = work(i ? WORKLOAD_RANDWRITE : WORKLOAD_WRITE);
        struct run_bounds b = {.bytes = 10 * SPAN, .ramp_ns = i ? 0 : NS_PER_SECOND / 4};
        struct run_result result = run_within(&w, b, true, &latencies, &syncs);
        assert_int_equal(result.bytes, SPAN);
        assert_int_equal(result.written_bytes, SPAN);
    }
}

/* --- Bounds ----------------------------------------------------------------------------------- */

/* At 100 a second: what ends a run, and how much of it counts. */
static const struct {
    const char *what;
    uint64_t blocks, duration_ms, ramp_ms;
    bool time_based;
    uint64_t least, most, took_ms;
} bounds[] = {
    {"bytes", 40, 0, 0, false, 40, 40, 380},
    {"bytes before the time is up", 40, 5000, 0, false, 40, 40, 380},
    {"the time before the bytes", 10000, 400, 0, false, 38, 44, 400},
    {"the time, although all was moved", 5, 600, 0, true, 57, 66, 600},
    {"the time, without any bytes", 0, 300, 0, true, 28, 34, 300},
    {"bytes behind a ramp", 20, 0, 400, false, 20, 20, 580},
    {"the time behind a ramp", 10000, 300, 300, false, 28, 35, 600},
};

static void test_bounds(void **state)
{
    (void)state;
    static struct histogram latencies, syncs;
    for (size_t i = 0; i < ARRAY_SIZE(bounds); i++) {
        struct workload w = work(WORKLOAD_READ);
        w.rate_iops = 100;
        struct run_bounds b = {bounds[i].blocks * BLOCK, bounds[i].duration_ms * NS_PER_MS,
                               bounds[i].ramp_ms * NS_PER_MS, bounds[i].time_based};
        uint64_t start = clock_now_ns();
        struct run_result result = run_within(&w, b, false, &latencies, &syncs);
        uint64_t took_ms = (clock_now_ns() - start) / NS_PER_MS;
        if (result.requests < bounds[i].least || result.requests > bounds[i].most)
            fail_msg("%s: %llu requests", bounds[i].what, (unsigned long long)result.requests);
        if (took_ms < bounds[i].took_ms * 9 / 10 || took_ms > bounds[i].took_ms + 500)
            fail_msg("%s: %llu ms", bounds[i].what, (unsigned long long)took_ms);
        assert_int_equal(result.bytes, result.requests * BLOCK);
        assert_true(bounds[i].ramp_ms ? result.all_bytes > result.bytes
                                      : result.all_bytes == result.bytes);
        assert_true(result.elapsed_ns / NS_PER_MS <= took_ms);
    }
}

/* Too short a run says nothing of its steadiness; one at a rate that a disk keeps is steady. */
static void test_steadiness(void **state)
{
    (void)state;
    static struct histogram latencies, syncs;
    struct workload w = work(WORKLOAD_READ);
    w.rate_iops = 200;
    struct run_bounds b = {.duration_ns = 500 * NS_PER_MS, .time_based = true};
    struct run_result result = run_within(&w, b, false, &latencies, &syncs);
    assert_true(isnan(result.spread) && isnan(result.trend));
    b.duration_ns = 1500 * NS_PER_MS;
    result = run_within(&w, b, false, &latencies, &syncs);
    assert_true(result.spread >= 0 && result.spread < 0.1);
    assert_true(result.trend > -0.2 && result.trend < 0.2);
}

/* --- Mixed sizes ------------------------------------------------------------------------------ */

static struct workload mixed(enum workload_rw rw)
{
    struct workload w = work(rw);
    w.block_bytes = 65536;
    w.size_count = 3;
    w.sizes[0] = (struct block_share){4096, 60};
    w.sizes[1] = (struct block_share){65536, 10};
    w.sizes[2] = (struct block_share){16384, 30};
    return w;
}

/* The same requests again, by the pattern alone: so many come to so many bytes. */
static uint64_t bytes_of(const struct workload *w, uint64_t requests, uint64_t *ret_written)
{
    struct pattern p;
    struct request request;
    uint64_t bytes = 0;
    *ret_written = 0;
    pattern_init(&p, w, SPAN, false, 1);
    for (uint64_t i = 0; i < requests; i++) {
        assert_true(pattern_next(&p, &request));
        assert_true(request.offset + request.length <= SPAN);
        bytes += request.length;
        *ret_written += request.kind == REQUEST_WRITE ? request.length : 0;
    }
    return bytes;
}

static void test_mixed_sizes(void **state)
{
    (void)state;
    static struct histogram latencies, syncs;
    for (int rw = 0; rw < WORKLOAD_RW_MAX; rw++) {
        struct workload w = mixed((enum workload_rw)rw);
        uint64_t wanted = 8 << 20, written;
        struct run_result result = run(&w, wanted, false, &latencies, &syncs);
        assert_int_equal(result.bytes, bytes_of(&w, result.requests, &written));
        assert_int_equal(result.written_bytes, written);
        /* So many of the mean size, which for 60, 10 and 30 % of these is 13926.4 bytes; what they
         * come to is off by less than five standard errors of 18000 bytes each. */
        assert_true(workload_mean_bytes(&w) > 13926.3 && workload_mean_bytes(&w) < 13926.5);
        assert_int_equal(result.requests, wanted / 13926);
        double error = (double)result.bytes - (double)wanted;
        assert_true(fabs(error) < 5 * 18000 * sqrt((double)result.requests));
    }
}

/* --- Syncs ------------------------------------------------------------------------------------ */

static void check_syncs(enum workload_rw rw, unsigned every, bool datasync)
{
    static struct histogram latencies, syncs;
    struct workload w = work(rw);
    w.sync_every = every;
    w.datasync = datasync;
    struct run_result result = run(&w, 40 * BLOCK, false, &latencies, &syncs);
    assert_int_equal(result.requests, 40);
    assert_int_equal(latencies.count, 40);
    uint64_t writes = result.written_bytes / BLOCK;
    /* The one after the last write may be left to the sync that ends the run. */
    assert_true(syncs.count == writes / every || syncs.count + 1 == writes / every);
    assert_true(!syncs.count || syncs.min_ns > 0);
}

static void test_syncs(void **state)
{
    (void)state;
    static const unsigned everies[] = {1, 3, 4, 40, 41};
    for (size_t i = 0; i < ARRAY_SIZE(everies); i++) {
        check_syncs(WORKLOAD_WRITE, everies[i], true);
        check_syncs(WORKLOAD_WRITE, everies[i], false);
        check_syncs(WORKLOAD_RANDRW, everies[i], true);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),      cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_exhausted),  cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_steadiness), cmocka_unit_test(test_mixed_sizes),
        cmocka_unit_test(test_syncs),
    };
    depth = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1;
    if (disk_skip(depth))
        return 0;
    return cmocka_run_group_tests(tests, scratch_set_up, scratch_tear_down);
}
