/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-image-tables.c - replies of qemu-img check, real ones and others, and what is made of them.
 */
#undef NDEBUG
#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "host/process.h"
#include "host/tables.h"
#include "scratch.h"

/* --- What it prints --------------------------------------------------------------------------- */

/* Those of qemu-img 7.2 as it printed them, but for the name of the image. */
static const struct {
    const char *json;
    struct image_tables expected;
    const char *error; /* NULL: it is read */
} replies[] = {
    /* An empty image. */
    {"{\n    \"image-end-offset\": 262144,\n    \"total-clusters\": 16384,\n"
     "    \"check-errors\": 0,\n    \"filename\": \"a.qcow2\",\n    \"format\": \"qcow2\"\n}\n",
     {0},
     NULL},
    {"{\n    \"image-end-offset\": 67436544,\n    \"total-clusters\": 16384,\n"
     "    \"check-errors\": 0,\n    \"leaks\": 5,\n    \"allocated-clusters\": 1019,\n"
     "    \"filename\": \"leak.qcow2\",\n    \"format\": \"qcow2\",\n"
     "    \"fragmented-clusters\": 1\n}\n",
     {.leaks = 5, .allocated = 1019, .fragmented = 1},
     NULL},
    {"{\n    \"image-end-offset\": 67436544,\n    \"total-clusters\": 16384,\n"
     "    \"corruptions\": 6,\n    \"check-errors\": 0,\n    \"allocated-clusters\": 1024,\n"
     "    \"filename\": \"bad.qcow2\",\n    \"format\": \"qcow2\"\n}\n",
     {.corruptions = 6, .allocated = 1024},
     NULL},
    {"{\n    \"image-end-offset\": 458752,\n    \"compressed-clusters\": 1024,\n"
     "    \"total-clusters\": 16384,\n    \"check-errors\": 0,\n"
     "    \"allocated-clusters\": 1024,\n    \"filename\": \"z.qcow2\",\n"
     "    \"format\": \"qcow2\",\n    \"fragmented-clusters\": 1024\n}\n",
     {.compressed = 1024, .allocated = 1024, .fragmented = 1024},
     NULL},
    /* Others. */
    {"{\"check-errors\": 1, \"corruptions\": 2}", {0}, "could not read all of them: 1"},
    {"{\"corruptions\": 9223372036854775807}", {.corruptions = INT64_MAX}, NULL},
    {"{\"corruptions\": 9223372036854775808}", {0}, "not understood"},
    {"{\"corruptions\": -1}", {0}, "'corruptions' is no count"},
    {"{\"leaks\": \"5\"}", {0}, "'leaks' is no count"},
    {"{\"leaks\": 5.5}", {0}, "'leaks' is no count"},
    {"{\"allocated-clusters\": null}", {0}, "'allocated-clusters' is no count"},
    {"{\"fragmented-clusters\": [1]}", {0}, "'fragmented-clusters' is no count"},
    {"{\"compressed-clusters\": true}", {0}, "'compressed-clusters' is no count"},
    {"{\"check-errors\": {}}", {0}, "'check-errors' is no count"},
    {"{}", {0}, NULL},
    {"", {0}, "not understood"},
    {"[]", {0}, "not understood"},
    {"{\"leaks\": 5", {0}, "not understood"},
    {"No errors were found on the image.\n", {0}, "not understood"},
    {"{\"filename\": \"\xff\"}", {0}, "not understood"},
};

static void test_replies(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(replies); i++) {
        cleanup_error struct error *err = NULL;
        cleanup_image_tables struct image_tables t = {0};
        int r = image_tables_parse(replies[i].json, &t, &err);
        if ((r < 0) != (replies[i].error != NULL))
            fail_msg("%s: %s", replies[i].json, err ? err->message : "is taken for a reply");
        if (replies[i].error && !strstr(err->message, replies[i].error))
            fail_msg("%s: '%s' is not in: %s", replies[i].json, replies[i].error, err->message);
        assert_int_equal(t.corruptions, replies[i].expected.corruptions);
        assert_int_equal(t.leaks, replies[i].expected.leaks);
        assert_int_equal(t.allocated, replies[i].expected.allocated);
        assert_int_equal(t.compressed, replies[i].expected.compressed);
        assert_int_equal(t.fragmented, replies[i].expected.fragmented);
        assert_false(t.in_use);
        assert_null(t.unread);
    }
}

/* --- Running it ------------------------------------------------------------------------------- */

/* What is made of what cannot be read is one line, without the name that QEMU has for the image. */
static void test_unread(void **state)
{
    (void)state;
    cleanup_free char *absent = scratch_path("absent"), *text = scratch_path("text");
    cleanup_free char *odd = scratch_path("\xff.qcow2");
    assert_int_equal(file_write_atomic(text, "this is no image at all", NULL), 0);
    const struct {
        const char *path;
        bool block_device;
        const char *why;
    } rows[] = {
        {absent, false, "Could not open "},
        {text, false, "Image is not in qcow2 format"},
        {text, true, "'host_device' driver requires "},
        {"/dev/null", false, "'file' driver requires "},
        {odd, false, "its path is no UTF-8"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        cleanup_image_tables struct image_tables t = {0};
        assert_int_equal(image_tables_read(rows[i].path, rows[i].block_device, &t, NULL), 0);
        assert_false(t.in_use);
        if (!t.unread || strncmp(t.unread, rows[i].why, strlen(rows[i].why)) != 0)
            fail_msg("%s: %s", rows[i].path, t.unread ? t.unread : "is read");
        assert_null(strchr(t.unread, '\n'));
    }
}

static void test_read(void **state)
{
    (void)state;
    cleanup_free char *path = scratch_path("json:{\"a\":'b',c\n");
    const char *const create[] = {
        "qemu-img", "create", "-q", "-f", "qcow2", "-o", "preallocation=metadata",
        path,       "64M",    NULL};
    cleanup_image_tables struct image_tables t = {0};
    assert_int_equal(process_run(create, NULL, NULL), 0);
    assert_int_equal(image_tables_read(path, false, &t, NULL), 0);
    assert_null(t.unread);
    assert_false(t.in_use);
    assert_int_equal(t.allocated, 1024);
    assert_int_equal(t.corruptions + t.leaks + t.compressed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replies),
        cmocka_unit_test(test_unread),
        cmocka_unit_test(test_read),
    };
    return cmocka_run_group_tests(tests, scratch_set_up, scratch_tear_down);
}
