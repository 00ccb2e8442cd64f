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

#include "disk.h"
#include "measure/named.h"
#include "scratch.h"
#include "work.h"

static char *text(const char *s)
{
    return (char *)s;
}

/* --- Work ------------------------------------------------------------------------------------- */

#define KIB 1024u

/* The strings of options are not constant, as GLib has them. */
#define T(s) ((char *)(uintptr_t)(s))
#define W(title, direction, percent, block)                                                        \
    .name = title, .rw = direction, .read_percent = percent, .block_bytes = block
#define DD W("dd", WORKLOAD_WRITE, 0, 64 * KIB)
#define CHANGED_DD(direction, percent) W("", direction, percent, 64 * KIB)
#define ONE .depth = 1, .jobs = 1

static const struct {
    struct workload_options given;
    struct workload work;
    const char *message; /* NULL: it comes to `work` */
} works[] = {
    {{.fresh = FALSE}, {DD, ONE}},
    {{.workload = T("dd")}, {DD, ONE}},
    {{.fresh = TRUE}, {DD, ONE}},
    {{.zeros = TRUE}, {CHANGED_DD(WORKLOAD_WRITE, 0), ONE, .zeros = true}},
    {{.rw = T("read")}, {CHANGED_DD(WORKLOAD_READ, 100), ONE}},
    {{.rw = T("randread"), .block = T("4k"), .depth = T("32")},
     {W("", WORKLOAD_RANDREAD, 100, 4 * KIB), .depth = 32, .jobs = 1}},
    {{.rw = T("randwrite"), .block = T("16M"), .depth = T("1024")},
     {W("", WORKLOAD_RANDWRITE, 0, WORKLOAD_BLOCK_MAX), .depth = 1024, .jobs = 1}},
    {{.rw = T("rw")}, {CHANGED_DD(WORKLOAD_RW, 50), ONE}},
    {{.rw = T("randrw"), .block = T("8k"), .depth = T("4"), .read_percent = T("70")},
     {W("", WORKLOAD_RANDRW, 70, 8 * KIB), .depth = 4, .jobs = 1}},
    {{.rw = T("rw"), .read_percent = T("0")}, {CHANGED_DD(WORKLOAD_RW, 0), ONE}},
    {{.rw = T("rw"), .read_percent = T("100")}, {CHANGED_DD(WORKLOAD_RW, 100), ONE}},
    {{.rw = T("rw"), .fresh = TRUE}, {CHANGED_DD(WORKLOAD_RW, 50), ONE}},
    {{.jobs = T("64")}, {CHANGED_DD(WORKLOAD_WRITE, 0), .depth = 1, .jobs = 64}},

    /* What is not given is that of the name, which goes with the first change. */
    {{.workload = T("mixed")}, {W("mixed", WORKLOAD_RANDRW, 70, 8 * KIB), .depth = 16, .jobs = 1}},
    {{.workload = T("mixed"), .depth = T("4")},
     {W("", WORKLOAD_RANDRW, 70, 8 * KIB), .depth = 4, .jobs = 1}},
    {{.workload = T("mixed"), .jobs = T("3")},
     {W("", WORKLOAD_RANDRW, 70, 8 * KIB), .depth = 16, .jobs = 3}},
    {{.workload = T("mixed"), .read_percent = T("30")},
     {W("", WORKLOAD_RANDRW, 30, 8 * KIB), .depth = 16, .jobs = 1}},
    {{.workload = T("mixed"), .rw = T("randwrite")},
     {W("", WORKLOAD_RANDWRITE, 0, 8 * KIB), .depth = 16, .jobs = 1}},
    {{.workload = T("commit"), .zeros = TRUE},
     {W("", WORKLOAD_WRITE, 0, 4 * KIB), ONE, .sync_every = 1, .datasync = true, .zeros = true}},
    {{.workload = T("boot"), .depth = T("8")},
     {W("", WORKLOAD_RANDREAD, 100, 64 * KIB), .size_count = 5,
      .sizes = {{4 * KIB, 50}, {8 * KIB, 15}, {16 * KIB, 15}, {32 * KIB, 10}, {64 * KIB, 10}},
      .depth = 8, .jobs = 1}},
    /* One size takes the place of all. */
    {{.workload = T("boot"), .block = T("8k")},
     {W("", WORKLOAD_RANDREAD, 100, 8 * KIB), .depth = 4, .jobs = 1}},

    {{.workload = T("fast")}, {.depth = 0}, "--workload: there is no workload 'fast'"},
    {{.workload = T("")}, {.depth = 0}, "--workload: there is no workload ''"},
    {{.workload = T("DD")}, {.depth = 0}, "--workload: there is no workload 'DD'"},
    {{.workload = T("boot"), .fresh = TRUE}, {.depth = 0}, "--fresh is about writes"},
    {{.workload = T("commit"), .rw = T("read")}, {.depth = 0}, "syncs are about writes"},
    {{.workload = T("seqread"), .read_percent = T("50")}, {.depth = 0}, "--rwmixread goes with"},
    {{.rw = T("trim")}, {.depth = 0}, "--rw: 'trim' is not a direction"},
    {{.block = T("many")}, {.depth = 0}, "--block: 'many' is not a size"},
    {{.block = T("1000")}, {.depth = 0}, "block size 1000"},
    {{.block = T("0")}, {.depth = 0}, "block size 0"},
    {{.block = T("16777728")}, {.depth = 0}, "block size 16777728"},
    /* 2^32 + 4096: not the 4096 that a narrower number would hold. */
    {{.block = T("4294971392")}, {.depth = 0}, "block size"},
    {{.depth = T("0")}, {.depth = 0}, "--depth: 0 is out of range (1 to 1024)"},
    {{.depth = T("1025")}, {.depth = 0}, "--depth: 1025 is out of range"},
    {{.depth = T("-1")}, {.depth = 0}, "--depth: '-1' is not a whole number"},
    {{.jobs = T("0")}, {.depth = 0}, "--jobs: 0 is out of range (1 to 64)"},
    {{.jobs = T("65")}, {.depth = 0}, "--jobs: 65 is out of range"},
    {{.jobs = T("4294967297")}, {.depth = 0}, "--jobs: 4294967297 is out of range"},
    {{.rw = T("rw"), .read_percent = T("101")},
     {.depth = 0},
     "--rwmixread: 101 is out of range (0 to 100)"},
    {{.read_percent = T("50")}, {.depth = 0}, "--rwmixread goes with"},
    {{.rw = T("read"), .read_percent = T("100")}, {.depth = 0}, "--rwmixread goes with"},
    {{.rw = T("read"), .fresh = TRUE}, {.depth = 0}, "--fresh is about writes"},
    {{.rw = T("rw"), .read_percent = T("100"), .fresh = TRUE},
     {.depth = 0},
     "--fresh is about writes"},
};

static void test_workload(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(works); i++) {
        struct workload w = {0};
        cleanup_error struct error *err = NULL;
        int result = options_workload(&works[i].given, &w, &err);
        if (works[i].message) {
            if (result == 0 || !strstr(err->message, works[i].message))
                fail_msg("row %zu: %s", i, err ? err->message : "no error");
            assert_int_equal(w.block_bytes, 0);
            continue;
        }
        if (result < 0)
            fail_msg("row %zu: %s", i, err->message);
        if (!work_same(&w, &works[i].work))
            fail_msg("row %zu: another workload", i);
    }
}

/* A name without options is the workload itself. */
static void test_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < named_workload_count; i++) {
        char *name = text(named_workloads[i].workload.name);
        struct workload_options o = {.workload = name}, with_all = o;
        struct workload w;
        assert_int_equal(options_workload(&o, &w, NULL), 0);
        assert_true(work_same(&w, &named_workloads[i].workload));
        with_all.rw = text("randwrite");
        with_all.block = text("4k");
        with_all.depth = text("2");
        with_all.jobs = text("3");
        assert_int_equal(options_workload(&with_all, &w, NULL), 0);
        assert_true(w.rw == WORKLOAD_RANDWRITE && w.read_percent == 0 && w.block_bytes == 4096);
        assert_true(w.size_count == 0 && w.depth == 2 && w.jobs == 3 && !w.name[0]);
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
    error_free(TAKE_PTR(err));
    /* Rounded up to whole MiB it would be none at all. */
    assert_int_equal(option_image_size("--size", "18446744073709551615", &value, &err), -1);
    assert_non_null(strstr(err->message, "is more than any file holds"));
    error_free(TAKE_PTR(err));
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

/* --- Job files -------------------------------------------------------------------------------- */

/* What is moved is a share of the section's size, or of ours where it has none of its own. */
static void test_shares(void **state)
{
    (void)state;
    static const struct {
        const char *keys;
        uint64_t bytes;
    } shares[] = {{"io_size=10%", 50 << 20},
                  {"io_size=10%\nsize=50%", 50 << 20},
                  {"io_size=10%\nsize=100m", 10 << 20},
                  {"size=100m", 100 << 20},
                  {"io_size=3m", 3 << 20}};
    g_autoptr(GPtrArray) notes = g_ptr_array_new_with_free_func(g_free);
    for (size_t i = 0; i < ARRAY_SIZE(shares); i++) {
        cleanup_free char *path = scratch_path("share.fio");
        cleanup_free char *file = xasprintf("[a]\n%s\n", shares[i].keys);
        assert_true(g_file_set_contents(path, file, -1, NULL));
        cleanup_suite struct suite *suite =
            options_suite(&(struct workload_options){.fio = path}, "dd", 500 << 20, 0, notes, NULL);
        assert_non_null(suite);
        assert_int_equal(suite->works[0].bounds.bytes, shares[i].bytes);
    }
}

/* --- Command lines ---------------------------------------------------------------------------- */

static const struct {
    const char *argv[6];
    const char *message, *hint;
} lines[] = {
    {{"verb"}, NULL, NULL},
    {{"verb", "--json", "--own", "5", "--rw", "read"}, NULL, NULL},
    {{"verb", "-q", "-v", "--connect=test:///default"}, NULL, NULL},
    {{"verb", "-w", "boot", "--jobs=2"}, NULL, NULL},
    {{"verb", "--list-workloads=no"},
     "--list-workloads takes no value",
     "virt-disktune verb --help"},
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
        int result =
            options_parse(argc, argv, "does things", entries, &common, &workload, NULL, NULL, &err);
        if (lines[i].message && (!err || !strstr(err->message, lines[i].message)))
            fail_msg("row %zu: %s", i, err ? err->message : "no error");
        if (lines[i].message)
            assert_non_null(strstr(err->hint, lines[i].hint));
        assert_int_equal(result, lines[i].message ? -1 : 0);
        g_free(common.connect);
        g_free(workload.rw);
        g_free(workload.workload);
        g_free(workload.jobs);
    }
}

static void test_parsed(void **state)
{
    (void)state;
    char *argv[] = {text("verb"),   text("--json"),    text("-q"), text("--rw"),
                    text("randrw"), text("--block"),   text("4k"), text("--zeros"),
                    text("-c"),     text("test:///x"), text("-w"), text("boot"),
                    text("--jobs"), text("3"),         NULL};
    const GOptionEntry none[] = {{NULL}};
    struct common_options common = {0};
    struct workload_options workload = {0};
    assert_int_equal(options_parse(14, argv, "", none, &common, &workload, NULL, NULL, NULL), 0);
    assert_true(common.json && common.quiet && !common.verbose);
    assert_string_equal(common.connect, "test:///x");
    assert_string_equal(workload.rw, "randrw");
    assert_string_equal(workload.block, "4k");
    assert_string_equal(workload.workload, "boot");
    assert_string_equal(workload.jobs, "3");
    assert_true(workload.zeros && !workload.fresh && !workload.depth);
    g_free(common.connect);
    g_free(workload.rw);
    g_free(workload.block);
    g_free(workload.workload);
    g_free(workload.jobs);
}

/* Ends the program by itself, so in a child, whose standard output is the file. */
static void list_into(const char *path)
{
    char *argv[] = {text("verb"), text("--list-workloads"), NULL};
    const GOptionEntry none[] = {{NULL}};
    struct common_options common = {0};
    struct workload_options workload = {0};
    assert(freopen(path, "w", stdout));
    options_parse(2, argv, "", none, &common, &workload, NULL, NULL, NULL);
    _exit(1);
}

/* What follows the line with this name and summary. */
static const char *listed(const char *line, const char *name, const char *summary)
{
    size_t length = strlen(name);
    assert_true(strncmp(line, name, length) == 0 && line[length] == ' ');
    line += length + strspn(line + length, " ");
    assert_int_equal(strncmp(line, summary, strlen(summary)), 0);
    line += strlen(summary);
    assert_int_equal(*line, '\n');
    return line + 1;
}

static void test_list(void **state)
{
    (void)state;
    cleanup_free char *path = scratch_path("list");
    assert_int_equal(disk_in_child(list_into, path), 0);
    cleanup_free char *list = file_read(path, NULL, NULL);
    const char *rest = list;
    assert_non_null(list);
    for (size_t i = 0; i < named_workload_count; i++)
        rest = listed(rest, named_workloads[i].workload.name, named_workloads[i].summary);
    for (size_t i = 0; i < named_mix_count; i++)
        rest = listed(rest, named_mixes[i].name, named_mixes[i].summary);
    assert_string_equal(rest, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_workload),  cmocka_unit_test(test_names),
        cmocka_unit_test(test_values),    cmocka_unit_test(test_value_errors),
        cmocka_unit_test(test_directory), cmocka_unit_test(test_parse),
        cmocka_unit_test(test_parsed),    cmocka_unit_test(test_list),
        cmocka_unit_test(test_shares),
    };
    return cmocka_run_group_tests(tests, scratch_set_up, scratch_tear_down);
}
