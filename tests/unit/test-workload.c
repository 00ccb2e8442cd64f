/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-workload.c - which work can be asked for, and what is written: nothing that a disk could
 * compress, or tell from what it has.
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

#include "base/json.h"
#include "base/memory.h"
#include "measure/target.h"
#include "measure/workload.h"
#include "work.h"

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
            .jobs = 1,
        };
        assert_int_equal(workload_check(&w, NULL), 0);
        assert_int_equal(workload_is_random(&w), directions[i].random);
        assert_int_equal(workload_reads(&w), directions[i].reads);
        assert_int_equal(workload_writes(&w), directions[i].writes);
        assert_int_equal(workload_rw_read_percent(rw), w.read_percent);
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

#define W(direction, percent, block) .rw = direction, .read_percent = percent, .block_bytes = block
#define ONE .depth = 1, .jobs = 1

static const struct {
    struct workload w;
    const char *message; /* NULL: it can be done */
} limits[] = {
    {{W(WORKLOAD_WRITE, 0, 512), ONE}, NULL},
    {{W(WORKLOAD_WRITE, 0, 1536), ONE}, NULL},
    {{W(WORKLOAD_WRITE, 0, WORKLOAD_BLOCK_MAX), .depth = WORKLOAD_DEPTH_MAX, .jobs = 1}, NULL},
    {{W(WORKLOAD_WRITE, 0, 0), ONE}, "block size 0:"},
    {{W(WORKLOAD_WRITE, 0, 511), ONE}, "block size 511:"},
    {{W(WORKLOAD_WRITE, 0, 513), ONE}, "block size 513:"},
    {{W(WORKLOAD_WRITE, 0, WORKLOAD_BLOCK_MAX + 512), ONE}, "block size 16777728:"},
    {{W(WORKLOAD_WRITE, 0, UINT32_MAX), ONE}, "block size 4294967295:"},
    {{W(WORKLOAD_WRITE, 0, 512), .depth = 0, .jobs = 1}, "queue depth 0:"},
    {{W(WORKLOAD_WRITE, 0, 512), .depth = WORKLOAD_DEPTH_MAX + 1, .jobs = 1}, "queue depth 1025:"},
    {{W(WORKLOAD_WRITE, 0, 512), .depth = UINT32_MAX, .jobs = 1}, "queue depth 4294967295:"},
    {{W(WORKLOAD_WRITE, 0, 512), .depth = 1, .jobs = WORKLOAD_JOBS_MAX}, NULL},
    {{W(WORKLOAD_WRITE, 0, 512), .depth = 1, .jobs = 0}, "0 jobs:"},
    {{W(WORKLOAD_WRITE, 0, 512), .depth = 1, .jobs = WORKLOAD_JOBS_MAX + 1}, "65 jobs:"},
    {{W(WORKLOAD_WRITE, 0, 512), .depth = 1, .jobs = UINT32_MAX}, "4294967295 jobs:"},

    {{W(WORKLOAD_RW, 0, 512), ONE}, NULL},
    {{W(WORKLOAD_RW, 100, 512), ONE}, NULL},
    {{W(WORKLOAD_RANDRW, 70, 512), ONE}, NULL},
    {{W(WORKLOAD_RW, 101, 512), ONE}, "read share 101 %"},
    {{W(WORKLOAD_READ, 100, 512), ONE}, NULL},
    {{W(WORKLOAD_READ, 99, 512), ONE}, "not with read"},
    {{W(WORKLOAD_READ, 0, 512), ONE}, "not with read"},
    {{W(WORKLOAD_WRITE, 1, 512), ONE}, "not with write"},
    {{W(WORKLOAD_RANDREAD, 50, 512), ONE}, "not with randread"},
    {{W(WORKLOAD_RANDWRITE, 100, 512), ONE}, "not with randwrite"},

    {{W(WORKLOAD_RANDREAD, 100, 512), ONE, .zipf = 1e-300}, NULL},
    {{W(WORKLOAD_RANDWRITE, 0, 512), ONE, .zipf = 1}, NULL},
    {{W(WORKLOAD_RANDRW, 50, 512), ONE, .zipf = WORKLOAD_ZIPF_MAX}, NULL},
    {{W(WORKLOAD_RANDRW, 50, 512), ONE, .zipf = WORKLOAD_ZIPF_MAX + 1e-9}, "zipf 5:"},
    {{W(WORKLOAD_RANDRW, 50, 512), ONE, .zipf = -0.1}, "zipf -0.1:"},
    {{W(WORKLOAD_RANDRW, 50, 512), ONE, .zipf = INFINITY}, "zipf inf:"},
    {{W(WORKLOAD_RANDRW, 50, 512), ONE, .zipf = -INFINITY}, "zipf -inf:"},
    {{W(WORKLOAD_RANDRW, 50, 512), ONE, .zipf = NAN}, "zipf nan:"},
    {{W(WORKLOAD_READ, 100, 512), ONE, .zipf = 1}, "zipf is about random addresses, and read has"},
    {{W(WORKLOAD_RW, 50, 512), ONE, .zipf = 1}, "zipf is about random addresses, and rw has"},

    {{W(WORKLOAD_WRITE, 0, 512), ONE, .rate_iops = 1}, NULL},
    {{W(WORKLOAD_READ, 100, 512), ONE, .rate_iops = UINT32_MAX}, NULL},
    {{W(WORKLOAD_WRITE, 0, 512), ONE, .sync_every = 1, .datasync = true}, NULL},
    {{W(WORKLOAD_RW, 99, 512), ONE, .sync_every = UINT32_MAX}, NULL},
    {{W(WORKLOAD_RW, 100, 512), ONE, .sync_every = 1}, "syncs are about writes"},
    {{W(WORKLOAD_RANDREAD, 100, 512), ONE, .sync_every = 1}, "syncs are about writes"},

    {{W(WORKLOAD_WRITE, 0, 512), ONE, .size_count = 1, .sizes = {{512, 100}}}, NULL},
    {{W(WORKLOAD_WRITE, 0, 4608), ONE, .size_count = 2, .sizes = {{4608, 1}, {1536, 99}}}, NULL},
    {{W(WORKLOAD_WRITE, 0, WORKLOAD_BLOCK_MAX), ONE, .size_count = 3,
      .sizes = {{512, 50}, {WORKLOAD_BLOCK_MAX, 50}, {4096, 0}}},
     NULL},
    {{W(WORKLOAD_WRITE, 0, 1024), ONE, .size_count = 8,
      .sizes = {{512, 9}, {512, 9}, {512, 9}, {512, 9}, {512, 9}, {512, 9}, {512, 9}, {1024, 37}}},
     NULL},
    {{W(WORKLOAD_WRITE, 0, 512), ONE, .size_count = 9, .sizes = {{512, 100}}},
     "more than 8 block sizes"},
    {{W(WORKLOAD_WRITE, 0, 512), ONE, .size_count = UINT32_MAX}, "more than 8 block sizes"},
    {{W(WORKLOAD_WRITE, 0, 512), ONE, .size_count = 2, .sizes = {{512, 100}}}, "block size 0:"},
    {{W(WORKLOAD_WRITE, 0, 512), ONE, .size_count = 2, .sizes = {{512, 50}, {100, 50}}},
     "block size 100:"},
    {{W(WORKLOAD_WRITE, 0, WORKLOAD_BLOCK_MAX + 512), ONE, .size_count = 1,
      .sizes = {{WORKLOAD_BLOCK_MAX + 512, 100}}},
     "block size 16777728:"},
    {{W(WORKLOAD_WRITE, 0, 1536), ONE, .size_count = 2, .sizes = {{1536, 50}, {1024, 50}}},
     "block size 1536: it has to be a multiple of the smallest, 1024"},
    {{W(WORKLOAD_WRITE, 0, 1024), ONE, .size_count = 2, .sizes = {{512, 50}, {1024, 49}}},
     "add up"},
    {{W(WORKLOAD_WRITE, 0, 1024), ONE, .size_count = 2, .sizes = {{512, 50}, {1024, 51}}},
     "add up"},
    {{W(WORKLOAD_WRITE, 0, 1024), ONE, .size_count = 2, .sizes = {{512, 0}, {1024, 0}}}, "add up"},
    /* 100 once the upper half of the sum is lost. */
    {{W(WORKLOAD_WRITE, 0, 1024), ONE, .size_count = 2, .sizes = {{512, UINT32_MAX}, {1024, 101}}},
     "add up"},
    /* The block size is the largest of all, neither more nor less. */
    {{W(WORKLOAD_WRITE, 0, 0), ONE, .size_count = 1, .sizes = {{512, 100}}}, ""},
    {{W(WORKLOAD_WRITE, 0, 1024), ONE, .size_count = 1, .sizes = {{512, 100}}}, ""},
    {{W(WORKLOAD_WRITE, 0, 512), ONE, .size_count = 2, .sizes = {{512, 50}, {1024, 50}}}, ""},
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

static void test_unit(void **state)
{
    (void)state;
    struct workload w = {.block_bytes = 65536};
    assert_int_equal(workload_unit(&w), 65536);
    w.size_count = 3;
    w.sizes[0] = (struct block_share){8192, 10};
    w.sizes[1] = (struct block_share){4096, 0};
    w.sizes[2] = (struct block_share){65536, 90};
    assert_int_equal(workload_unit(&w), 4096);
}

/* What can be done is the same behind JSON; what cannot be done is not read. */
static void test_json(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
        struct workload w = limits[i].w, back = {.depth = 12345};
        if (!isfinite(w.zipf) || w.size_count > WORKLOAD_SIZES_MAX)
            continue;
        strcpy(w.name, "some");
        cleanup_json json_t *json = workload_to_json(&w);
        assert_non_null(json);
        assert_int_equal(workload_from_json(json, &back, NULL), limits[i].message ? -1 : 0);
        assert_true(limits[i].message ? back.depth == 12345 : work_same(&w, &back));
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
        const unsigned char *block = buffers_slot(b, slot, 65536, true);
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
        const unsigned char *data = buffers_slot(b, i % depth, block, true);
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

/* A request that is shorter than a block is as unlike all others, in every page that it writes. */
static void test_short_writes(void **state)
{
    (void)state;
    enum { WRITES = 300 };
    static const uint32_t lengths[] = {512, 4096, 4608, 16384, 65536};
    struct workload w = {.rw = WORKLOAD_WRITE, .block_bytes = 65536, .depth = 3, .jobs = 1};
    cleanup_buffers struct buffers *b = buffers_new(&w, 1);
    cleanup_free unsigned char *heads = xcalloc(WRITES * 16, 8);
    size_t pages = 0;
    for (unsigned i = 0; i < WRITES; i++) {
        uint32_t length = lengths[i % ARRAY_SIZE(lengths)];
        const unsigned char *data = buffers_slot(b, i % 3, length, true);
        assert_int_equal((uintptr_t)data % PAGE, 0);
        assert_true(data >= b->memory && data + 65536 <= b->memory + 3 * b->turns * 65536);
        for (uint32_t k = 0; k < length; k += PAGE)
            memcpy(heads + pages++ * 8, data + k, 8);
    }
    assert_int_equal(b->stamp, pages);
    assert_int_equal(count_distinct(heads, pages * 8), pages);
}

static void test_zeros(void **state)
{
    (void)state;
    static const unsigned char none[65536];
    struct workload w = {.rw = WORKLOAD_WRITE, .block_bytes = 65536, .depth = 3, .zeros = true};
    cleanup_buffers struct buffers *b = buffers_new(&w, 1);
    for (unsigned i = 0; i < 9; i++)
        assert_memory_equal(buffers_slot(b, i % 3, 65536, true), none, sizeof(none));
}

static void test_data_by_seed(void **state)
{
    (void)state;
    struct workload w = {.rw = WORKLOAD_WRITE, .block_bytes = 4096, .depth = 2};
    cleanup_buffers struct buffers *a = buffers_new(&w, 1), *b = buffers_new(&w, 1);
    cleanup_buffers struct buffers *c = buffers_new(&w, 2);
    assert_memory_equal(buffers_slot(a, 1, 4096, true), buffers_slot(b, 1, 4096, true), 4096);
    assert_memory_not_equal(buffers_slot(a, 0, 4096, false), buffers_slot(c, 0, 4096, false), 4096);
    buffers_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_directions),    cmocka_unit_test(test_no_directions),
        cmocka_unit_test(test_limits),        cmocka_unit_test(test_unit),
        cmocka_unit_test(test_json),          cmocka_unit_test(test_incompressible),
        cmocka_unit_test(test_no_page_twice), cmocka_unit_test(test_short_writes),
        cmocka_unit_test(test_zeros),         cmocka_unit_test(test_data_by_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
