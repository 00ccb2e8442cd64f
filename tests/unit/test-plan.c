/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-plan.c - plans say what differs and nothing else, and what is read is what was written.
 */
#undef NDEBUG
#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "scratch.h"
#include "tune/plan.h"

static const struct disk_config usual = {
    .bus = "virtio", .format = "qcow2", .preallocation = "off", .cache = "none", .io = "threads"};

static json_t *plan_to(const struct disk_config *from, const struct disk_config *to)
{
    cleanup_json json_t *needs = json_pack("[s]", "restart");
    cleanup_json json_t *evidence = json_pack("{s:f}", "seconds", 1.5);
    struct plan_parts parts = {
        .uri = "qemu:///system",
        .name = "web",
        .uuid = "4dea22b3-1d52-d8f3-2516-782e98ab3fa0",
        .target = "vda",
        .disk_sha256 = "abc",
        .current = from,
        .chosen = to,
        .needs = needs,
        .evidence = evidence,
    };
    return plan_new(&parts);
}

static void assert_set(const struct disk_config *to, const char *set)
{
    cleanup_json json_t *plan = plan_to(&usual, to);
    cleanup_free char *text =
        json_dumps(json_object_get(plan, "set"), JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(text, set);
}

static void test_what_differs(void **state)
{
    (void)state;
    struct disk_config to = usual;
    assert_set(&to, "{}");
    to.io = "io_uring";
    assert_set(&to, "{\"io\":\"io_uring\"}");
    to.iothread = true;
    to.queues = 1;
    assert_set(&to, "{\"io\":\"io_uring\",\"iothread\":\"new\",\"queues\":1}");
    to = usual;
    to.cache = "directsync";
    to.discard = to.detect_zeroes = true;
    assert_set(&to, "{\"cache\":\"directsync\",\"detect_zeroes\":\"unmap\",\"discard\":\"unmap\"}");
}

/* As long as it is to be, whatever that is written as inside. */
static void test_polling(void **state)
{
    (void)state;
    struct disk_config to = usual;
    to.iothread = true;
    assert_set(&to, "{\"iothread\":\"new\"}");
    to.poll_max_ns = DISK_POLL_OFF;
    assert_set(&to, "{\"iothread\":\"new\",\"poll_max_ns\":0}");
    to.poll_max_ns = 200000;
    assert_set(&to, "{\"iothread\":\"new\",\"poll_max_ns\":200000}");
}

/* null takes away what is there. */
static void test_what_goes(void **state)
{
    (void)state;
    struct disk_config from = usual;
    from.iothread = true;
    from.queues = 4;
    cleanup_json json_t *plan = plan_to(&from, &usual);
    json_t *set = json_object_get(plan, "set");
    assert_int_equal(json_object_size(set), 2);
    assert_true(json_is_null(json_object_get(set, "iothread")));
    assert_true(json_is_null(json_object_get(set, "queues")));
}

/* Several iothreads are one setting, which goes as such. */
static void test_several_iothreads(void **state)
{
    (void)state;
    struct disk_config from = usual, to = usual;
    from.iothread = to.iothread = true;
    from.iothreads = 3;
    cleanup_json json_t *one = plan_to(&from, &to), *none = plan_to(&from, &usual),
                        *several = plan_to(&usual, &from);
    const struct {
        json_t *plan;
        const char *set;
    } rows[] = {{one, "{\"iothreads\":1}"},
                {none, "{\"iothreads\":0}"},
                {several, "{\"iothread\":\"new\",\"iothreads\":3}"}};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        cleanup_free char *text =
            json_dumps(json_object_get(rows[i].plan, "set"), JSON_COMPACT | JSON_SORT_KEYS);
        assert_string_equal(text, rows[i].set);
    }
}

static void test_images(void **state)
{
    (void)state;
    struct disk_config to = usual;
    to.io = "native";
    cleanup_json json_t *none = plan_to(&usual, &to);
    assert_int_equal(json_array_size(json_object_get(none, "commands")), 0);
    to.preallocation = "falloc";
    to.cluster_bytes = 131072;
    cleanup_json json_t *plan = plan_to(&usual, &to);
    assert_string_equal(json_string_value(json_array_get(json_object_get(plan, "commands"), 0)),
                        "qemu-img convert -p -f qcow2 -O qcow2 -o "
                        "preallocation=falloc,cluster_size=131072 OLD NEW");
}

static void test_read_is_what_was_written(void **state)
{
    (void)state;
    cleanup_free char *path = scratch_path("deep/er/plan.json");
    struct disk_config to = usual;
    to.io = "native";
    cleanup_json json_t *plan = plan_to(&usual, &to);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(plan_write(plan, path, NULL), 0);
        cleanup_json json_t *read = plan_read(path, NULL);
        assert_true(json_equal(plan, read));
    }
}

static void test_what_is_no_plan(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words;
    } rows[] = {
        {"", "is no plan"},
        {"[]", "is no plan"},
        {"{\"plan\":\"1\"}", "is no plan"},
        {"{\"plan\":1, \"plan\":1}", "is no plan"},
        {"{\"plan\":2}", "format 2"},
        {"{\"plan\":1}", "something missing"},
        {"{\"plan\":1,\"domain\":{\"name\":\"a\"},\"target\":\"vda\",\"disk_sha256\":\"a\","
         "\"set\":[]}",
         "something missing"},
    };
    cleanup_free char *path = scratch_path("none.json");
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        cleanup_error struct error *err = NULL;
        assert_int_equal(file_write_atomic(path, rows[i].text, NULL), 0);
        assert_null(plan_read(path, &err));
        assert_non_null(strstr(err->message, rows[i].words));
    }
    cleanup_error struct error *err = NULL;
    assert_null(plan_read("/nowhere.json", &err));
}

/* Nothing that a domain says leads out of the directory. */
static void test_paths(void **state)
{
    (void)state;
    cleanup_free char *usual_path = plan_default_path("/s", "4dea-22", "vda");
    assert_string_equal(usual_path, "/s/plans/4dea-22-vda.json");
    cleanup_free char *hostile = plan_default_path("/s", "../../etc", "a/../b\n");
    assert_string_equal(hostile, "/s/plans/------etc-a----b-.json");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_differs),    cmocka_unit_test(test_what_goes),
        cmocka_unit_test(test_polling),         cmocka_unit_test(test_several_iothreads),
        cmocka_unit_test(test_images),          cmocka_unit_test(test_read_is_what_was_written),
        cmocka_unit_test(test_what_is_no_plan), cmocka_unit_test(test_paths),
    };
    return cmocka_run_group_tests_name("plan", tests, scratch_set_up, scratch_tear_down);
}
