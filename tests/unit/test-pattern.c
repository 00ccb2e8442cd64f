/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-pattern.c - which addresses a workload comes to, in which sizes, and when it syncs.
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

#include "base/memory.h"
#include "measure/pattern.h"

/* --- Addresses -------------------------------------------------------------------------------- */

static struct workload work(enum workload_rw rw, unsigned read_percent, uint32_t block)
{
    return (struct workload){
        .rw = rw, .read_percent = read_percent, .block_bytes = block, .depth = 1, .jobs = 1};
}

static uint64_t next_block(struct pattern *p)
{
    struct request request;
    assert_true(pattern_next(p, &request));
    assert_int_equal(request.length, p->unit_bytes * p->block_units);
    assert_int_equal(request.offset % request.length, 0);
    return request.offset / request.length;
}

static void test_sequential(void **state)
{
    (void)state;
    struct pattern p;
    struct workload w = work(WORKLOAD_WRITE, 0, 4096);
    /* What is behind the last whole block is left alone. */
    pattern_init(&p, &w, 10 * 4096 + 4095, false, 1);
    for (uint64_t i = 0; i < 35; i++)
        assert_int_equal(next_block(&p), i % 10);
}

static const uint64_t counts[] = {1, 2, 3, 4, 5, 6, 7, 8, 10, 16, 100, 1000, 4096, 65536, 99991};

/* Each block once and then none, however often it is asked for. */
static void check_once(enum workload_rw rw, uint64_t n)
{
    struct pattern p;
    struct request request;
    struct workload w = work(rw, 0, 512);
    cleanup_free bool *seen = xcalloc(n, sizeof(*seen));
    uint64_t last = n, neighbours = 0;
    pattern_init(&p, &w, n * 512, true, n);
    for (uint64_t i = 0; i < n; i++) {
        uint64_t block = next_block(&p);
        assert_true(block < n && !seen[block]);
        seen[block] = true;
        neighbours += block == last + 1;
        last = block;
    }
    for (int i = 0; i < 3; i++)
        assert_false(pattern_next(&p, &request));
    if (n >= 10)
        assert_int_equal(neighbours, rw == WORKLOAD_WRITE ? n - 1 : 0);
}

static void test_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
        check_once(WORKLOAD_WRITE, counts[i]);
        check_once(WORKLOAD_RANDWRITE, counts[i]);
    }
}

static void test_random_is_uniform(void **state)
{
    (void)state;
    enum { BLOCKS = 64, DRAWS = 64000 };
    unsigned hits[BLOCKS] = {0};
    struct pattern p;
    struct workload w = work(WORKLOAD_RANDREAD, 100, 4096);
    pattern_init(&p, &w, BLOCKS * 4096, false, 7);
    for (unsigned i = 0; i < DRAWS; i++) {
        uint64_t block = next_block(&p);
        assert_true(block < BLOCKS);
        hits[block]++;
    }
    double chi2 = 0, expected = (double)DRAWS / BLOCKS;
    for (unsigned i = 0; i < BLOCKS; i++)
        chi2 += (hits[i] - expected) * (hits[i] - expected) / expected;
    /* 63 degrees of freedom: between these in all but one of a thousand cases. */
    assert_true(chi2 > 32 && chi2 < 107);
}

static void test_random_by_seed(void **state)
{
    (void)state;
    struct pattern a, b, c;
    struct request from_a, from_b, from_c;
    unsigned same = 0;
    struct workload w = work(WORKLOAD_RANDRW, 50, 512);
    pattern_init(&a, &w, 1 << 30, false, 1);
    pattern_init(&b, &w, 1 << 30, false, 1);
    pattern_init(&c, &w, 1 << 30, false, 2);
    for (int i = 0; i < 1000; i++) {
        assert_true(pattern_next(&a, &from_a) && pattern_next(&b, &from_b));
        assert_true(pattern_next(&c, &from_c));
        assert_true(from_a.offset == from_b.offset && from_a.kind == from_b.kind);
        same += from_a.offset == from_c.offset;
    }
    assert_true(same < 5);
}

static void test_mix(void **state)
{
    (void)state;
    static const unsigned percents[] = {0, 1, 30, 50, 70, 99, 100};
    enum { DRAWS = 100000 };
    for (size_t i = 0; i < ARRAY_SIZE(percents); i++) {
        struct pattern p;
        struct request request;
        unsigned reads = 0;
        struct workload w = work(WORKLOAD_RW, percents[i], 512);
        pattern_init(&p, &w, 1 << 20, false, 3);
        for (int k = 0; k < DRAWS && pattern_next(&p, &request); k++)
            reads += request.kind == REQUEST_READ;
        double share = 100.0 * reads / DRAWS;
        /* None and all are exact; the others within five standard errors. */
        double tolerance = percents[i] % 100 ? 0.8 : 0;
        assert_true(fabs(share - percents[i]) <= tolerance);
    }
}

/* Reads and writes of a mix each go through the span from its start, and round again; first writes
 * leave no block out, and none comes twice. */
static void test_mix_in_order(void **state)
{
    (void)state;
    enum { BLOCKS = 50 };
    struct pattern p;
    struct request request;
    struct workload w = work(WORKLOAD_RW, 70, 4096);
    uint64_t next[] = {[REQUEST_READ] = 0, [REQUEST_WRITE] = 0};
    pattern_init(&p, &w, BLOCKS * 4096, false, 5);
    for (unsigned i = 0; i < 1000; i++) {
        assert_true(pattern_next(&p, &request));
        assert_int_equal(request.offset, next[request.kind]++ % BLOCKS * 4096);
    }
    assert_true(next[REQUEST_READ] > 600 && next[REQUEST_WRITE] > 200);
    pattern_init(&p, &w, BLOCKS * 4096, true, 5);
    for (unsigned i = 0; i < BLOCKS; i++)
        assert_true(pattern_next(&p, &request) && request.offset == i * 4096);
    assert_false(pattern_next(&p, &request));
}

/* --- Mixed sizes ------------------------------------------------------------------------------ */

static const struct block_share boot_shares[] = {
    {4096, 50}, {8192, 15}, {16384, 15}, {32768, 10}, {65536, 10}};

static struct workload mixed(enum workload_rw rw)
{
    struct workload w = work(rw, workload_rw_read_percent(rw), 65536);
    w.size_count = ARRAY_SIZE(boot_shares);
    memcpy(w.sizes, boot_shares, sizeof(boot_shares));
    return w;
}

/* Chi-square of `draws` requests against the shares of their sizes; one without a share does not
 * come. */
static double size_chi2(const struct workload *w, uint64_t span, unsigned draws)
{
    struct pattern p;
    struct request request;
    unsigned hits[WORKLOAD_SIZES_MAX] = {0};
    pattern_init(&p, w, span, false, 11);
    for (unsigned i = 0; i < draws; i++) {
        unsigned k = 0;
        assert_true(pattern_next(&p, &request));
        while (k < w->size_count && w->sizes[k].bytes != request.length)
            k++;
        assert_true(k < w->size_count);
        hits[k]++;
    }
    double chi2 = 0;
    for (unsigned i = 0; i < w->size_count; i++) {
        double expected = draws * w->sizes[i].percent / 100.0;
        if (expected > 0)
            chi2 += (hits[i] - expected) * (hits[i] - expected) / expected;
        else
            assert_int_equal(hits[i], 0);
    }
    return chi2;
}

static void test_size_shares(void **state)
{
    (void)state;
    for (int rw = 0; rw < WORKLOAD_RW_MAX; rw++) {
        struct workload w = mixed((enum workload_rw)rw);
        /* 4 degrees of freedom: below in all but one of a thousand cases. */
        assert_true(size_chi2(&w, 1 << 24, 100000) < 18.5);
        w.size_count = 1;
        w.sizes[0] = (struct block_share){65536, 100};
        assert_true(size_chi2(&w, 1 << 24, 1000) == 0);
        w.size_count = 4;
        w.sizes[0].percent = w.sizes[3].percent = 0;
        w.sizes[1] = (struct block_share){8192, 1};
        w.sizes[2] = (struct block_share){32768, 99};
        assert_true(size_chi2(&w, 1 << 24, 100000) < 10.9);
    }
}

/* Every request of every kind of work, in spans down to a single block. */
static void test_in_the_span(void **state)
{
    (void)state;
    static const uint64_t spans[] = {65536, 65536 + 4096, 131072 - 4096, 131072, 10 << 20};
    for (int i = 0; i < WORKLOAD_RW_MAX * 2 * 2 * (int)ARRAY_SIZE(spans); i++) {
        struct workload w = mixed((enum workload_rw)(i % WORKLOAD_RW_MAX));
        uint64_t span = spans[i / WORKLOAD_RW_MAX / 4];
        struct pattern p;
        struct request request;
        w.zipf = i / WORKLOAD_RW_MAX % 2 && workload_is_random(&w) ? 0.9 : 0;
        w.sync_every = i / WORKLOAD_RW_MAX / 2 % 2 && workload_writes(&w) ? 3 : 0;
        pattern_init(&p, &w, span, false, (uint64_t)i);
        for (int k = 0; k < 5000; k++) {
            assert_true(pattern_next(&p, &request));
            if (request.kind == REQUEST_SYNC) {
                assert_true(w.sync_every && !request.offset && !request.length);
                continue;
            }
            assert_true(request.length && request.length % 4096 == 0);
            assert_int_equal(request.offset % 4096, 0);
            assert_true(request.offset + request.length <= span);
        }
    }
}

/* The next request begins where the last one ended, or at the start where it does not fit. */
static void test_mixed_wraps(void **state)
{
    (void)state;
    enum { SPAN = 1 << 20 };
    struct pattern p;
    struct request request;
    struct workload w = mixed(WORKLOAD_WRITE);
    uint64_t end = 0;
    unsigned wraps = 0;
    pattern_init(&p, &w, SPAN, false, 1);
    for (int i = 0; i < 2000; i++) {
        assert_true(pattern_next(&p, &request));
        if (request.offset != end) {
            assert_int_equal(request.offset, 0);
            assert_true(end + request.length > SPAN);
            wraps++;
        }
        end = request.offset + request.length;
    }
    assert_true(wraps > 10);
}

/* Mixed sizes at random begin at every unit alike, as far as they fit. */
static void test_mixed_is_uniform(void **state)
{
    (void)state;
    enum { UNITS = 32, DRAWS = 64000 };
    unsigned hits[UNITS] = {0}, draws = 0;
    struct pattern p;
    struct request request;
    struct workload w = mixed(WORKLOAD_RANDREAD);
    pattern_init(&p, &w, UNITS * 4096, false, 5);
    for (unsigned i = 0; i < DRAWS; i++) {
        assert_true(pattern_next(&p, &request));
        if (request.length != 4096)
            continue;
        hits[request.offset / 4096]++;
        draws++;
    }
    double chi2 = 0, expected = (double)draws / UNITS;
    for (unsigned i = 0; i < UNITS; i++)
        chi2 += (hits[i] - expected) * (hits[i] - expected) / expected;
    /* 31 degrees of freedom. */
    assert_true(chi2 > 11 && chi2 < 62);
}

/* With `once` no byte comes twice; sequential requests leave none out before the last. */
static void check_mixed_once(enum workload_rw rw, uint64_t units)
{
    struct pattern p;
    struct request request;
    struct workload w = mixed(rw);
    cleanup_free bool *seen = xcalloc(units, sizeof(*seen));
    uint64_t covered = 0, count = 0;
    pattern_init(&p, &w, units * 4096, true, units);
    while (pattern_next(&p, &request)) {
        uint64_t first = request.offset / 4096;
        for (uint64_t i = first; i < first + request.length / 4096; i++, covered++) {
            assert_true(i < units && !seen[i]);
            seen[i] = true;
        }
        assert_true(!workload_is_random(&w) ? covered == first + request.length / 4096
                                            : request.offset % 65536 == 0);
        count++;
    }
    if (workload_is_random(&w))
        assert_int_equal(count, units / 16);
    else
        assert_true(covered + 16 > units);
}

static void test_mixed_once(void **state)
{
    (void)state;
    for (uint64_t units = 16; units < 5000; units = units * 7 / 5 + 1) {
        check_mixed_once(WORKLOAD_WRITE, units);
        check_mixed_once(WORKLOAD_RANDWRITE, units);
    }
}

/* --- Zipf ------------------------------------------------------------------------------------- */

static int descending(const void *a, const void *b)
{
    const unsigned *x = a, *y = b;
    return *x < *y ? 1 : *x > *y ? -1 : 0;
}

/* Some block is the most frequent, another comes second: by the law, and not all at the start. */
static void test_zipf(void **state)
{
    (void)state;
    enum { BLOCKS = 10, DRAWS = 100000 };
    static const double thetas[] = {0.5, 1, 2};
    for (size_t t = 0; t < ARRAY_SIZE(thetas); t++) {
        struct pattern p;
        unsigned hits[BLOCKS] = {0};
        double sum = 0, chi2 = 0;
        struct workload w = work(WORKLOAD_RANDREAD, 100, 4096);
        w.zipf = thetas[t];
        pattern_init(&p, &w, BLOCKS * 4096 + 2048, false, 3);
        for (unsigned i = 0; i < DRAWS; i++) {
            uint64_t block = next_block(&p);
            assert_true(block < BLOCKS);
            hits[block]++;
        }
        assert_true(hits[0] + hits[1] < DRAWS * 3 / 4 || thetas[t] > 1);
        qsort(hits, BLOCKS, sizeof(hits[0]), descending);
        for (unsigned i = 0; i < BLOCKS; i++)
            sum += pow(i + 1, -thetas[t]);
        for (unsigned i = 0; i < BLOCKS; i++) {
            double expected = DRAWS * pow(i + 1, -thetas[t]) / sum;
            chi2 += (hits[i] - expected) * (hits[i] - expected) / expected;
        }
        /* 9 degrees of freedom. */
        assert_true(chi2 < 28);
    }
}

/* First writes are first writes, whatever the law. */
static void test_zipf_once(void **state)
{
    (void)state;
    struct pattern p;
    struct request request;
    bool seen[1000] = {false};
    struct workload w = work(WORKLOAD_RANDWRITE, 0, 512);
    w.zipf = 1.2;
    pattern_init(&p, &w, 1000 * 512, true, 1);
    for (int i = 0; i < 1000; i++) {
        uint64_t block = next_block(&p);
        assert_true(block < 1000 && !seen[block]);
        seen[block] = true;
    }
    assert_false(pattern_next(&p, &request));
}

/* --- Syncs ------------------------------------------------------------------------------------ */

static void check_syncs(enum workload_rw rw, unsigned every)
{
    struct pattern p;
    struct request request;
    struct workload w = work(rw, workload_rw_read_percent(rw), 4096);
    unsigned writes = 0, syncs = 0, reads = 0;
    w.sync_every = every;
    pattern_init(&p, &w, 1 << 20, false, every);
    for (int i = 0; i < 10000; i++) {
        assert_true(pattern_next(&p, &request));
        if (request.kind == REQUEST_SYNC) {
            assert_int_equal(writes, every);
            assert_true(request.offset == 0 && request.length == 0);
            writes = 0;
            syncs++;
        } else {
            assert_true(writes < every);
            writes += request.kind == REQUEST_WRITE;
            reads += request.kind == REQUEST_READ;
        }
    }
    assert_true(workload_reads(&w) == (reads > 0));
    /* Of mixes every other request is a write. */
    assert_true(syncs * (2 * every + 1) + 3 * every > 9000);
}

static void test_syncs(void **state)
{
    (void)state;
    static const unsigned everies[] = {1, 2, 3, 7, 64, 1000};
    for (size_t i = 0; i < ARRAY_SIZE(everies); i++) {
        check_syncs(WORKLOAD_WRITE, everies[i]);
        check_syncs(WORKLOAD_RANDWRITE, everies[i]);
        check_syncs(WORKLOAD_RW, everies[i]);
        check_syncs(WORKLOAD_RANDRW, everies[i]);
    }
}

/* A sync for the last writes comes before the end. */
static void test_syncs_once(void **state)
{
    (void)state;
    static const char wanted[] = "wwwswwwswwws";
    struct pattern p;
    struct request request;
    struct workload w = work(WORKLOAD_WRITE, 0, 4096);
    w.sync_every = 3;
    pattern_init(&p, &w, 9 * 4096, true, 1);
    for (size_t i = 0; wanted[i]; i++) {
        assert_true(pattern_next(&p, &request));
        assert_int_equal(request.kind, wanted[i] == 's' ? REQUEST_SYNC : REQUEST_WRITE);
    }
    assert_false(pattern_next(&p, &request));
}

static void test_no_syncs(void **state)
{
    (void)state;
    struct pattern p;
    struct request request;
    struct workload w = work(WORKLOAD_WRITE, 0, 4096);
    pattern_init(&p, &w, 1 << 20, false, 1);
    for (int i = 0; i < 1000; i++)
        assert_true(pattern_next(&p, &request) && request.kind == REQUEST_WRITE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sequential),
        cmocka_unit_test(test_once),
        cmocka_unit_test(test_random_is_uniform),
        cmocka_unit_test(test_random_by_seed),
        cmocka_unit_test(test_mix),
        cmocka_unit_test(test_mix_in_order),

        cmocka_unit_test(test_size_shares),
        cmocka_unit_test(test_in_the_span),
        cmocka_unit_test(test_mixed_wraps),
        cmocka_unit_test(test_mixed_is_uniform),
        cmocka_unit_test(test_mixed_once),
        cmocka_unit_test(test_zipf),
        cmocka_unit_test(test_zipf_once),
        cmocka_unit_test(test_syncs),
        cmocka_unit_test(test_syncs_once),
        cmocka_unit_test(test_no_syncs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
