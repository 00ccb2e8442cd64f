/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-report.c - what all reports are made of: bytes that are no UTF-8 take nothing away.
 */
#undef NDEBUG
#include <assert.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Before cmocka.h, which makes macros of some of its names. */
#include "cmd/cmd.h"

#include <cmocka.h>

#include "base/json.h"
#include "base/memory.h"
#include "explain/live.h"
#include "host/cpulist.h"
#include "report/report.h"
#include "report/table.h"
#include "report/threads.h"

/* The first byte of four, and no more; Latin-1 in the middle. */
#define TRUNCATED "/images/\xf0"
#define LATIN                                                                                      \
    "/b\xfc"                                                                                       \
    "cher/a b"

/* --- JSON ------------------------------------------------------------------------------------- */

static void test_strings(void **state)
{
    (void)state;
    g_autoptr(GPtrArray) strings = g_ptr_array_new();
    g_ptr_array_add(strings, (char *)"plain");
    g_ptr_array_add(strings, (char *)TRUNCATED);
    g_ptr_array_add(strings, (char *)LATIN);
    cleanup_json json_t *all = report_strings_json(strings);
    assert_int_equal(json_array_size(all), 3);
    assert_string_equal(json_string_value(json_array_get(all, 0)), "plain");
    assert_string_equal(json_string_value(json_array_get(all, 1)), "/images/\xef\xbf\xbd");
    assert_string_equal(json_string_value(json_array_get(all, 2)), "/b\xef\xbf\xbd"
                                                                   "cher/a b");
    cleanup_json json_t *none = report_path_json(NULL);
    assert_true(json_is_null(none));
}

static void test_no_json(void **state)
{
    (void)state;
    cleanup_error struct error *err = NULL;
    assert_int_equal(finish_json(NULL, &err), -1);
    assert_non_null(strstr(err->message, "JSON"));
}

/* --- Text ------------------------------------------------------------------------------------- */

static void test_wrapped(void **state)
{
    (void)state;
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    report_print_wrapped_to("no room for " TRUNCATED, 2, 20, out);
    fclose(out);
    assert_string_equal(text, "  no room for\n  /images/\xef\xbf\xbd\n");
    free(text);
}

static void test_table(void **state)
{
    (void)state;
    static const struct table_column columns[] = {{"image", false}, {"size", true}};
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    cleanup_table struct table *t = table_new(columns, ARRAY_SIZE(columns));
    table_cell(t, "%s", "/b\xfc");
    table_cell(t, "%d", 7);
    table_cell(t, "%s", TRUNCATED);
    table_cell(t, "%d", 12345);
    table_print(t, out);
    fclose(out);
    assert_string_equal(text, "  image       size\n"
                              "  /b\xef\xbf\xbd            7\n"
                              "  /images/\xef\xbf\xbd  12345\n");
    free(text);
}

/* Each third CPU of 180 is no list for a table, and stays one in JSON. */
static void test_threads(void **state)
{
    (void)state;
    g_autoptr(GPtrArray) groups = live_thread_groups_new();
    struct live_thread_group *g = xcalloc(1, sizeof(*g));
    struct cpulist scattered = {0};
    for (unsigned i = 0; i < 180; i += 3)
        cpulist_include(&scattered, i);
    *g = (struct live_thread_group){.name = xstrdup("vCPUs"),
                                    .threads = 64,
                                    .allowed = xstrdup("0-179"),
                                    .last_cpus = cpulist_format(&scattered)};
    g_ptr_array_add(groups, g);
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    report_threads_text(groups, out);
    fclose(out);
    assert_non_null(strstr(text, "  0-179  "));
    assert_non_null(strstr(text, "  60 CPUs  "));
    assert_null(strstr(text, "0,3"));
    free(text);
    cleanup_json json_t *json = report_threads_json(groups);
    const json_t *first = json_array_get(json, 0);
    assert_string_equal(json_string_value(json_object_get(first, "last_cpus")), g->last_cpus);
    assert_true(json_is_null(json_object_get(first, "last_nodes")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strings), cmocka_unit_test(test_no_json),
        cmocka_unit_test(test_wrapped), cmocka_unit_test(test_table),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
