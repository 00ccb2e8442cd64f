/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-options.c - options become values, and an error names the option that it is about.
 */
#undef NDEBUG
#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Before cmocka, whose fail() is a macro. */
#include "cmd/cmd.h"

#include <cmocka.h>

#include "scratch.h"

static char *text(const char *s)
{
    return (char *)s;
}

/* --- Work ------------------------------------------------------------------------------------- */

static const struct {
    struct {
        const char *rw, *block, *depth, *read_percent;
        gboolean zeros, fresh;
    } given;
    struct workload work;
    const char *message; /* NULL: it comes to `work` */
} works[] = {
    {{NULL}, {WORKLOAD_WRITE, 0, 65536, 1, false}},
    {{"read"}, {WORKLOAD_READ, 100, 65536, 1, false}},
    {{"randread", "4k", "32"}, {WORKLOAD_RANDREAD, 100, 4096, 32, false}},
    {{"randwrite", "16M", "1024"}, {WORKLOAD_RANDWRITE, 0, WORKLOAD_BLOCK_MAX, 1024, false}},
    {{"rw"}, {WORKLOAD_RW, 50, 65536, 1, false}},
    {{"randrw", "8k", "4", "70"}, {WORKLOAD_RANDRW, 70, 8192, 4, false}},
    {{"rw", NULL, NULL, "0"}, {WORKLOAD_RW, 0, 65536, 1, false}},
    {{"rw", NULL, NULL, "100"}, {WORKLOAD_RW, 100, 65536, 1, false}},
    {{NULL, NULL, NULL, NULL, TRUE}, {WORKLOAD_WRITE, 0, 65536, 1, true}},
    {{NULL, NULL, NULL, NULL, FALSE, TRUE}, {WORKLOAD_WRITE, 0, 65536, 1, false}},
    {{"rw", NULL, NULL, NULL, FALSE, TRUE}, {WORKLOAD_RW, 50, 65536, 1, false}},
    {{"trim"}, {0}, "--rw: 'trim' is not a direction"},
    {{NULL, "many"}, {0}, "--block: 'many' is not a size"},
    {{NULL, "1000"}, {0}, "block size 1000"},
    {{NULL, "0"}, {0}, "block size 0"},
    {{NULL, "16777728"}, {0}, "block size 16777728"},
    /* 2^32 + 4096: not the 4096 that a narrower number would hold. */
    {{NULL, "4294971392"}, {0}, "block size"},
    {{NULL, NULL, "0"}, {0}, "--depth: 0 is out of range (1 to 1024)"},
    {{NULL, NULL, "1025"}, {0}, "--depth: 1025 is out of range"},
    {{NULL, NULL, "-1"}, {0}, "--depth: '-1' is not a whole number"},
    {{"rw", NULL, NULL, "101"}, {0}, "--rwmixread: 101 is out of range (0 to 100)"},
    {{NULL, NULL, NULL, "50"}, {0}, "--rwmixread goes with"},
    {{"read", NULL, NULL, "100"}, {0}, "--rwmixread goes with"},
    {{"read", NULL, NULL, NULL, FALSE, TRUE}, {0}, "--fresh is about writes"},
    {{"rw", NULL, NULL, "100", FALSE, TRUE}, {0}, "--fresh is about writes"},
};

static void test_workload(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(works); i++) {
        struct workload_options o = {
            .rw = text(works[i].given.rw),
            .block = text(works[i].given.block),
            .depth = text(works[i].given.depth),
            .read_percent = text(works[i].given.read_percent),
            .zeros = works[i].given.zeros,
            .fresh = works[i].given.fresh,
        };
        struct workload w = {0};
        const struct workload *wanted = &works[i].work;
        cleanup_error struct error *err = NULL;
        int result = options_workload(&o, &w, &err);
        if (works[i].message) {
            if (result == 0 || !strstr(err->message, works[i].message))
                fail_msg("row %zu: %s", i, err ? err->message : "no error");
            assert_int_equal(w.block_bytes, 0);
            continue;
        }
        if (result < 0)
            fail_msg("row %zu: %s", i, err->message);
        assert_true(w.rw == wanted->rw && w.read_percent == wanted->read_percent &&
                    w.block_bytes == wanted->block_bytes && w.depth == wanted->depth &&
                    w.zeros == wanted->zeros);
    }
}

/* --- Values ----------------------------------------------------------------------------------- */

static void test_values(void **state)
{
    (void)state;
    uint64_t value = 7;
    assert_int_equal(option_size("--size", NULL, &value, NULL), 0);
    assert_int_equal(option_number("--n", NULL, 0, 1, &value, NULL), 0);
    assert_int_equal(option_duration("--time", NULL, &value, NULL), 0);
    assert_int_equal(value, 7);
    assert_int_equal(option_size("--size", "4k", &value, NULL), 0);
    assert_int_equal(value, 4096);
    assert_int_equal(option_number("--n", "5", 0, 9, &value, NULL), 0);
    assert_int_equal(value, 5);
    assert_int_equal(option_duration("--time", "5ms", &value, NULL), 0);
    assert_int_equal(value, 5000000);
}

static void test_value_errors(void **state)
{
    (void)state;
    uint64_t value = 7;
    cleanup_error struct error *err = NULL;
    assert_int_equal(option_size("--size", "", &value, &err), -1);
    assert_string_equal(err->message, "--size: '' is not a size");
    assert_int_equal(option_number("--n", "10", 0, 9, &value, &err), -1);
    assert_string_equal(err->message, "--n: 10 is out of range (0 to 9)");
    assert_int_equal(option_duration("--time", "soon", &value, &err), -1);
    assert_string_equal(err->message, "--time: 'soon' is not a time");
    assert_int_equal(value, 7);
}

static void test_directory(void **state)
{
    (void)state;
    cleanup_free char *path = scratch_path("link"), *absent = xstrdup("/nonexistent");
    cleanup_error struct error *err = NULL;
    assert(symlink(".", path) == 0);
    assert_int_equal(option_directory(&path, NULL), 0);
    assert_string_equal(path, scratch);
    assert_int_equal(option_directory(&absent, &err), -1);
    assert_non_null(strstr(err->message, "/nonexistent: No such file or directory"));
    assert_string_equal(absent, "/nonexistent");
}

/* --- Command lines ---------------------------------------------------------------------------- */

static const struct {
    const char *argv[6];
    const char *message, *hint;
} lines[] = {
    {{"verb"}, NULL, NULL},
    {{"verb", "--json", "--own", "5", "--rw", "read"}, NULL, NULL},
    {{"verb", "-q", "-v", "--connect=test:///default"}, NULL, NULL},
    {{"verb", "--none"}, "Unknown option --none", "virt-disktune verb --help"},
    {{"verb", "--own"}, "Missing argument for --own", "virt-disktune verb --help"},
    {{"verb", "left", "over"}, "what is 'left'?", "virt-disktune verb --help"},
    {{"verb", "--", "--json"}, "what is '--", "virt-disktune verb --help"},
};

static void test_parse(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        g_autofree char *own = NULL;
        const GOptionEntry entries[] = {
            {"own", 0, 0, G_OPTION_ARG_STRING, &own, "Its own", "X"},
            {NULL},
        };
        struct common_options common = {0};
        struct workload_options workload = {0};
        cleanup_error struct error *err = NULL;
        char *argv[7] = {0};
        int argc = 0;
        for (; argc < 6 && lines[i].argv[argc]; argc++)
            argv[argc] = text(lines[i].argv[argc]);
        int result = options_parse(argc, argv, "does things", entries, &common, &workload, &err);
        if (lines[i].message && (!err || !strstr(err->message, lines[i].message)))
            fail_msg("row %zu: %s", i, err ? err->message : "no error");
        if (lines[i].message)
            assert_non_null(strstr(err->hint, lines[i].hint));
        assert_int_equal(result, lines[i].message ? -1 : 0);
        g_free(common.connect);
        g_free(workload.rw);
    }
}

static void test_parsed(void **state)
{
    (void)state;
    char *argv[] = {text("verb"),   text("--json"),    text("-q"), text("--rw"),
                    text("randrw"), text("--block"),   text("4k"), text("--zeros"),
                    text("-c"),     text("test:///x"), NULL};
    const GOptionEntry none[] = {{NULL}};
    struct common_options common = {0};
    struct workload_options workload = {0};
    assert_int_equal(options_parse(10, argv, "", none, &common, &workload, NULL), 0);
    assert_true(common.json && common.quiet && !common.verbose);
    assert_string_equal(common.connect, "test:///x");
    assert_string_equal(workload.rw, "randrw");
    assert_string_equal(workload.block, "4k");
    assert_true(workload.zeros && !workload.fresh && !workload.depth);
    g_free(common.connect);
    g_free(workload.rw);
    g_free(workload.block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_workload),     cmocka_unit_test(test_values),
        cmocka_unit_test(test_value_errors), cmocka_unit_test(test_directory),
        cmocka_unit_test(test_parse),        cmocka_unit_test(test_parsed),
    };
    return cmocka_run_group_tests(tests, scratch_set_up, scratch_tear_down);
}
