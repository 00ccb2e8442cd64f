/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-workload.c - which work can be asked for, which addresses it comes to, and what is written:
 * nothing that a disk could compress, or tell from what it has.
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
#include "measure/target.h"
#include "measure/workload.h"

#define PAGE 4096

/* --- Directions ------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    enum workload_rw rw;
    bool random, reads, writes; /* the last two as a mix of half and half */
} directions[] = {
    {"read", WORKLOAD_READ, false, true, false},
    {"write", WORKLOAD_WRITE, false, false, true},
    {"randread", WORKLOAD_RANDREAD, true, true, false},
    {"randwrite", WORKLOAD_RANDWRITE, true, false, true},
    {"rw", WORKLOAD_RW, false, true, true},
    {"randrw", WORKLOAD_RANDRW, true, true, true},
};

static void test_directions(void **state)
{
    (void)state;
    assert_int_equal(ARRAY_SIZE(directions), WORKLOAD_RW_MAX);
    for (size_t i = 0; i < ARRAY_SIZE(directions); i++) {
        enum workload_rw rw = WORKLOAD_RW_MAX;
        assert_int_equal(workload_rw_parse(directions[i].name, &rw, NULL), 0);
        assert_int_equal(rw, directions[i].rw);
        assert_string_equal(workload_rw_name(rw), directions[i].name);
        bool mix = directions[i].reads && directions[i].writes;
        struct workload w = {
            .rw = rw,
            .read_percent = mix                   ? 50
                            : directions[i].reads ? 100
                                                  : 0,
            .block_bytes = 512,
            .depth = 1,
        };
        assert_int_equal(workload_check(&w, NULL), 0);
        assert_int_equal(workload_is_random(&w), directions[i].random);
        assert_int_equal(workload_reads(&w), directions[i].reads);
        assert_int_equal(workload_writes(&w), directions[i].writes);
    }
}

static void test_no_directions(void **state)
{
    (void)state;
    static const char *const names[] = {"", "Read", "readwrite", "rand", "trim", "rw ", " rw"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        enum workload_rw rw = WORKLOAD_RW_MAX;
        cleanup_error struct error *err = NULL;
        assert_int_equal(workload_rw_parse(names[i], &rw, &err), -1);
        assert_int_equal(rw, WORKLOAD_RW_MAX);
        assert_non_null(strstr(err->message, "is not a direction"));
        for (size_t k = 0; k < ARRAY_SIZE(directions); k++)
            assert_non_null(strstr(err->hint, directions[k].name));
    }
}

static const struct {
    struct workload w;
    const char *message; /* NULL: it can be done */
} limits[] = {
    {{WORKLOAD_WRITE, 0, 512, 1}, NULL},
    {{WORKLOAD_WRITE, 0, 1536, 1}, NULL},
    {{WORKLOAD_WRITE, 0, WORKLOAD_BLOCK_MAX, WORKLOAD_DEPTH_MAX}, NULL},
    {{WORKLOAD_WRITE, 0, 0, 1}, "block size 0:"},
    {{WORKLOAD_WRITE, 0, 511, 1}, "block size 511:"},
    {{WORKLOAD_WRITE, 0, 513, 1}, "block size 513:"},
    {{WORKLOAD_WRITE, 0, WORKLOAD_BLOCK_MAX + 512, 1}, "block size 16777728:"},
    {{WORKLOAD_WRITE, 0, UINT32_MAX, 1}, "block size 4294967295:"},
    {{WORKLOAD_WRITE, 0, 512, 0}, "queue depth 0:"},
    {{WORKLOAD_WRITE, 0, 512, WORKLOAD_DEPTH_MAX + 1}, "queue depth 1025:"},
    {{WORKLOAD_WRITE, 0, 512, UINT32_MAX}, "queue depth 4294967295:"},
    {{WORKLOAD_RW, 0, 512, 1}, NULL},
    {{WORKLOAD_RW, 100, 512, 1}, NULL},
    {{WORKLOAD_RANDRW, 70, 512, 1}, NULL},
    {{WORKLOAD_RW, 101, 512, 1}, "read share 101 %"},
    {{WORKLOAD_READ, 100, 512, 1}, NULL},
    {{WORKLOAD_READ, 99, 512, 1}, "not with read"},
    {{WORKLOAD_READ, 0, 512, 1}, "not with read"},
    {{WORKLOAD_WRITE, 1, 512, 1}, "not with write"},
    {{WORKLOAD_RANDREAD, 50, 512, 1}, "not with randread"},
    {{WORKLOAD_RANDWRITE, 100, 512, 1}, "not with randwrite"},
};

static void test_limits(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
        cleanup_error struct error *err = NULL;
        int result = workload_check(&limits[i].w, &err);
        if (!limits[i].message && result < 0)
            fail_msg("row %zu: %s", i, err->message);
        if (limits[i].message && (!err || !strstr(err->message, limits[i].message)))
            fail_msg("row %zu: '%s'", i, err ? err->message : "");
        assert_int_equal(result, limits[i].message ? -1 : 0);
    }
}

static void test_dd(void **state)
{
    (void)state;
    assert_int_equal(workload_check(&workload_dd, NULL), 0);
    assert_int_equal(workload_dd.rw, WORKLOAD_WRITE);
    assert_int_equal(workload_dd.block_bytes, 65536);
    assert_int_equal(workload_dd.depth, 1);
    assert_false(workload_dd.zeros);
}

/* --- Addresses -------------------------------------------------------------------------------- */

static struct workload work(enum workload_rw rw, unsigned read_percent, uint32_t block)
{
    return (struct workload){
        .rw = rw, .read_percent = read_percent, .block_bytes = block, .depth = 1};
}

static uint64_t next_block(struct pattern *p)
{
    struct request request;
    assert_true(pattern_next(p, &request));
    assert_int_equal(request.offset % p->block_bytes, 0);
    return request.offset / p->block_bytes;
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
        assert_true(from_a.offset == from_b.offset && from_a.write == from_b.write);
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
            reads += !request.write;
        double share = 100.0 * reads / DRAWS;
        /* None and all are exact; the others within five standard errors. */
        double tolerance = percents[i] % 100 ? 0.8 : 0;
        assert_true(fabs(share - percents[i]) <= tolerance);
    }
}

/* --- Data ------------------------------------------------------------------------------------- */

static int compare_words(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    return x < y ? -1 : x > y;
}

/* How many of the 8-byte words differ from all others. */
static size_t count_distinct(unsigned char *data, size_t length)
{
    size_t words = length / 8, distinct = words > 0;
    qsort(data, words, 8, compare_words);
    for (size_t i = 1; i < words; i++)
        distinct += compare_words(data + 8 * i, data + 8 * i - 8) != 0;
    return distinct;
}

/* Bits of information in a byte, were each byte independent of the others. */
static double entropy(const unsigned char *data, size_t length)
{
    size_t hits[256] = {0};
    double bits = 0;
    for (size_t i = 0; i < length; i++)
        hits[data[i]]++;
    for (int i = 0; i < 256; i++)
        if (hits[i])
            bits -= (double)hits[i] / (double)length * log2((double)hits[i] / (double)length);
    return bits;
}

static void test_incompressible(void **state)
{
    (void)state;
    struct workload w = {.rw = WORKLOAD_WRITE, .block_bytes = 65536, .depth = 8};
    cleanup_buffers struct buffers *b = buffers_new(&w, 1);
    cleanup_free unsigned char *all = xcalloc(8, 65536);
    for (unsigned slot = 0; slot < 8; slot++) {
        const unsigned char *block = buffers_slot(b, slot, true);
        assert_int_equal((uintptr_t)block % PAGE, 0);
        assert_true(entropy(block, 65536) > 7.99);
        memcpy(all + slot * 65536, block, 65536);
    }
    assert_int_equal(count_distinct(all, 8 * 65536), 8 * 65536 / 8);
}

/* A disk that looks for pages that it has already finds none, from write to write and slot to
 * slot, whatever the size of a block. */
static void check_no_page_twice(uint32_t block, unsigned depth)
{
    enum { WRITES = 200 };
    struct workload w = {.rw = WORKLOAD_WRITE, .block_bytes = block, .depth = depth};
    cleanup_buffers struct buffers *b = buffers_new(&w, block);
    size_t pages = (block + PAGE - 1) / PAGE;
    cleanup_free unsigned char *heads = xcalloc(WRITES * pages, 8);
    for (unsigned i = 0; i < WRITES; i++) {
        const unsigned char *data = buffers_slot(b, i % depth, true);
        for (size_t k = 0; k < pages; k++)
            memcpy(heads + (i * pages + k) * 8, data + k * PAGE, 8);
    }
    assert_int_equal(count_distinct(heads, WRITES * pages * 8), WRITES * pages);
}

static void test_no_page_twice(void **state)
{
    (void)state;
    static const uint32_t blocks[] = {512, 4096, 4608, 65536};
    for (size_t i = 0; i < ARRAY_SIZE(blocks); i++) {
        check_no_page_twice(blocks[i], 1);
        check_no_page_twice(blocks[i], 7);
    }
}

static void test_zeros(void **state)
{
    (void)state;
    static const unsigned char none[65536];
    struct workload w = {.rw = WORKLOAD_WRITE, .block_bytes = 65536, .depth = 3, .zeros = true};
    cleanup_buffers struct buffers *b = buffers_new(&w, 1);
    for (unsigned i = 0; i < 9; i++)
        assert_memory_equal(buffers_slot(b, i % 3, true), none, sizeof(none));
}

static void test_data_by_seed(void **state)
{
    (void)state;
    struct workload w = {.rw = WORKLOAD_WRITE, .block_bytes = 4096, .depth = 2};
    cleanup_buffers struct buffers *a = buffers_new(&w, 1), *b = buffers_new(&w, 1);
    cleanup_buffers struct buffers *c = buffers_new(&w, 2);
    assert_memory_equal(buffers_slot(a, 1, true), buffers_slot(b, 1, true), 4096);
    assert_memory_not_equal(buffers_slot(a, 0, false), buffers_slot(c, 0, false), 4096);
    buffers_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_directions),
        cmocka_unit_test(test_no_directions),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_dd),
        cmocka_unit_test(test_sequential),
        cmocka_unit_test(test_once),
        cmocka_unit_test(test_random_is_uniform),
        cmocka_unit_test(test_random_by_seed),
        cmocka_unit_test(test_mix),
        cmocka_unit_test(test_incompressible),
        cmocka_unit_test(test_no_page_twice),
        cmocka_unit_test(test_zeros),
        cmocka_unit_test(test_data_by_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
