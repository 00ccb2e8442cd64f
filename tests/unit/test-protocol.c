/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-protocol.c - what host and guest say to each other arrives as it was sent, and a message
 * with a number missing, of another type or out of range is refused, not bent into shape.
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
#include "base/memory.h"
#include "measure/protocol.h"
#include "measure/workload.h"
#include "work.h"

/* --- There and back --------------------------------------------------------------------------- */

/* Through text, as on the port. */
static json_t *send(json_t *message)
{
    cleanup_json json_t *owned = message;
    cleanup_free char *line = json_dumps(owned, JSON_COMPACT);
    assert_non_null(line);
    assert_null(strchr(line, '\n'));
    json_t *received = json_loads(line, 0, NULL);
    assert_non_null(received);
    return received;
}

static void test_workload(void **state)
{
    (void)state;
    static const struct workload works[] = {
        {"", WORKLOAD_READ, 100, 512, .depth = 1, .jobs = 1},
        {"dd", WORKLOAD_WRITE, 0, 65536, .depth = 1, .jobs = 1, .zeros = true},
        {"", WORKLOAD_RANDREAD, 100, 4096, .depth = 32, .jobs = 3, .zipf = 0.99},
        {"", WORKLOAD_RANDWRITE, 0, WORKLOAD_BLOCK_MAX, .depth = WORKLOAD_DEPTH_MAX,
         .jobs = WORKLOAD_JOBS_MAX, .zipf = WORKLOAD_ZIPF_MAX, .rate_iops = UINT32_MAX,
         .sync_every = UINT32_MAX},
        {"", WORKLOAD_RW, 0, 1536, .depth = 7, .jobs = 2, .rate_iops = 1, .sync_every = 1},
        {"a name of as many as 31 letters", WORKLOAD_RANDRW, 70, 8192, .depth = 2, .jobs = 1,
         .datasync = true, .zeros = true},
        {"", WORKLOAD_WRITE, 0, 65536, 2, {{4096, 1}, {65536, 99}}, .depth = 1, .jobs = 1},
        {"",
         WORKLOAD_WRITE,
         0,
         8192,
         8,
         {{512, 1}, {1024, 2}, {1536, 3}, {2048, 4}, {512, 5}, {8192, 85}, {4096, 0}, {512, 0}},
         .depth = 1,
         .jobs = 1},
    };
    for (size_t i = 0; i < ARRAY_SIZE(works); i++) {
        const struct workload *w = &works[i];
        struct workload back = {0};
        cleanup_json json_t *json = send(workload_to_json(w));
        assert_int_equal(workload_from_json(json, &back, NULL), 0);
        assert_true(work_same(&back, w));
    }
}

static void test_budget(void **state)
{
    (void)state;
    static const struct budget budgets[] = {
        {0, 0, 0, 0},
        {5000000, 1, 100, 16},
        {.duration_ns = 5000000, .min_requests = 100, .ramp = 2, .sample = 100},
        {INT64_MAX, INT64_MAX, INT64_MAX, UINT32_MAX},
        /* "Without limit" is as much as JSON has. */
        {UINT64_MAX, UINT64_MAX, UINT64_MAX, 1},
    };
    for (size_t i = 0; i < ARRAY_SIZE(budgets); i++) {
        struct budget b = budgets[i], back = {0};
        cleanup_json json_t *json = send(budget_to_json(&b));
        assert_int_equal(budget_from_json(json, &back, NULL), 0);
        b.duration_ns = b.duration_ns > INT64_MAX ? INT64_MAX : b.duration_ns;
        b.min_requests = b.min_requests > INT64_MAX ? INT64_MAX : b.min_requests;
        b.max_requests = b.max_requests > INT64_MAX ? INT64_MAX : b.max_requests;
        assert_true(back.duration_ns == b.duration_ns && back.min_requests == b.min_requests &&
                    back.max_requests == b.max_requests && back.ramp == b.ramp &&
                    back.sample == b.sample);
    }
}

static void test_slice(void **state)
{
    (void)state;
    static const struct slice slices[] = {
        {0, 0, 0, 0, 0, true},
        {10, 26, 40960, 5000000, 655360, false},
        {.requests = 100, .issued = 102, .elapsed_ns = 1, .p99_ns = 270000},
        {INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(slices); i++) {
        const struct slice *s = &slices[i];
        struct slice back;
        cleanup_json json_t *json = send(slice_to_json(s));
        assert_int_equal(slice_from_json(json, &back, NULL), 0);
        assert_true(back.requests == s->requests && back.issued == s->issued &&
                    back.bytes == s->bytes && back.elapsed_ns == s->elapsed_ns &&
                    back.written_bytes == s->written_bytes && back.exhausted == s->exhausted &&
                    back.p99_ns == s->p99_ns);
    }
}

static void check_hello(size_t disks)
{
    char kernel[] = "6.1.0-56-cloud-amd64", clocksource[] = "tsc";
    struct hello h = {kernel, clocksource, 2, disks, xcalloc(disks, sizeof(*h.disks))}, back;
    for (size_t i = 0; i < disks; i++) {
        snprintf(h.disks[i].serial, sizeof(h.disks[i].serial), "d%019zu", i);
        h.disks[i].bytes = i ? i << 20 : INT64_MAX;
    }
    cleanup_json json_t *json = send(hello_to_json(&h));
    assert_int_equal(hello_from_json(json, &back, NULL), 0);
    assert_string_equal(back.kernel, kernel);
    assert_string_equal(back.clocksource, clocksource);
    assert_int_equal(back.vcpus, 2);
    assert_int_equal(back.disk_count, disks);
    for (size_t i = 0; i < disks; i++) {
        assert_string_equal(back.disks[i].serial, h.disks[i].serial);
        assert_int_equal(back.disks[i].bytes, h.disks[i].bytes);
    }
    hello_done(&back);
    assert_null(back.disks);
    hello_done(&back);
    free(h.disks);
}

static void test_hello(void **state)
{
    (void)state;
    check_hello(0);
    check_hello(3);
    check_hello(PROTOCOL_DISKS_MAX);
}

/* --- Refused ---------------------------------------------------------------------------------- */

/* A reader over a result of its own, which is not looked at. */
static int read_workload(json_t *json, struct error **err)
{
    struct workload w;
    return workload_from_json(json, &w, err);
}

static int read_budget(json_t *json, struct error **err)
{
    struct budget b;
    return budget_from_json(json, &b, err);
}

static int read_slice(json_t *json, struct error **err)
{
    struct slice s;
    return slice_from_json(json, &s, err);
}

static int read_hello(json_t *json, struct error **err)
{
    struct hello h;
    if (hello_from_json(json, &h, err) < 0)
        return -1;
    hello_done(&h);
    return 0;
}

/* Good messages; each of their fields is spoilt in turn. */
static const struct {
    const char *what;
    int (*read)(json_t *json, struct error **err);
    const char *good;
} messages[] = {
    {"workload", read_workload,
     "{'name':'mine','rw':'randrw','read_percent':30,'block_bytes':4096,'sizes':"
     "[{'bytes':512,'percent':25},{'bytes':4096,'percent':75}],'depth':8,'jobs':2,'zipf':1.2,"
     "'rate_iops':100,'sync_every':4,'datasync':true,'zeros':false}"},
    {"budget", read_budget,
     "{'duration_ns':5000000,'min_requests':1,'max_requests':100,'ramp':2,'sample':100}"},
    {"slice", read_slice,
     "{'requests':9,'issued':11,'bytes':36864,'elapsed_ns':1000,'written_bytes':36864,"
     "'exhausted':false,'p99_ns':270000}"},
    {"hello", read_hello,
     "{'event':'hello','protocol':1,'kernel':'6.1','clocksource':'tsc','vcpus':2,"
     "'disks':[{'serial':'d0','bytes':1048576}]}"},
};

/* JSON with ' for ", which C text can hold. */
static json_t *parse(const char *text)
{
    cleanup_free char *quoted = xstrdup(text);
    for (char *c = quoted; *c; c++)
        if (*c == '\'')
            *c = '"';
    json_t *json = json_loads(quoted, JSON_DECODE_ANY, NULL);
    if (!json)
        fail_msg("%s is no JSON", text);
    return json;
}

/* Fails unless the message is refused with an error. */
static void check_refused(size_t message, const char *key, const char *value)
{
    cleanup_error struct error *err = NULL;
    cleanup_json json_t *json = parse(messages[message].good);
    if (value)
        json_object_set_new(json, key, parse(value));
    else
        json_object_del(json, key);
    if (messages[message].read(json, &err) == 0)
        fail_msg("%s: %s = %s is read", messages[message].what, key, value ? value : "(missing)");
    assert_true(err && err->message[0]);
    assert_int_equal(messages[message].read(json, NULL), -1);
}

static void test_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(messages); i++) {
        cleanup_error struct error *err = NULL;
        cleanup_json json_t *json = parse(messages[i].good);
        /* What a later version may add is no concern of this one. */
        json_object_set_new(json, "new", json_null());
        if (messages[i].read(json, &err) < 0)
            fail_msg("%s: %s", messages[i].what, err->message);
    }
}

static void test_missing_and_of_another_type(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(messages); i++) {
        cleanup_json json_t *good = parse(messages[i].good);
        const char *key;
        json_t *value;
        json_object_foreach (good, key, value) {
            check_refused(i, key, NULL);
            check_refused(i, key, "null");
            check_refused(i, key, "{}");
            /* A real number may be written as a whole one. */
            check_refused(i, key, json_is_number(value) ? "'1'" : "1");
            if (!json_is_real(value))
                check_refused(i, key, json_is_integer(value) ? "1.0" : "0.5");
            check_refused(i, key, json_is_boolean(value) ? "'true'" : "true");
            if (!json_is_array(value))
                check_refused(i, key, "[]");
        }
    }
}

static void test_no_objects(void **state)
{
    (void)state;
    static const char *const others[] = {"null", "1", "'hello'", "[]", "{}", "[{}]"};
    for (size_t i = 0; i < ARRAY_SIZE(messages); i++) {
        for (size_t k = 0; k < ARRAY_SIZE(others); k++) {
            cleanup_json json_t *json = parse(others[k]);
            assert_int_equal(messages[i].read(json, NULL), -1);
        }
        assert_int_equal(messages[i].read(NULL, NULL), -1);
    }
}

static void test_negative(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(messages); i++) {
        cleanup_json json_t *good = parse(messages[i].good);
        const char *key;
        json_t *value;
        json_object_foreach (good, key, value) {
            if (!json_is_number(value))
                continue;
            check_refused(i, key, "-1");
            check_refused(i, key, "-9223372036854775808");
        }
    }
}

/* Each of these is a good number once its upper half is lost. */
static const struct {
    size_t message;
    const char *key, *value;
} huge[] = {
    {0, "block_bytes", "4294971392"},  /* 2^32 + 4096 */
    {0, "depth", "4294967297"},        /* 2^32 + 1 */
    {0, "read_percent", "4294967346"}, /* 2^32 + 50 */
    {0, "jobs", "4294967297"},
    {0, "rate_iops", "4294967296"},
    {0, "sync_every", "4294967296"},
    {0, "sizes", "[{'bytes':4096,'percent':4294967396}]"},
    {0, "sizes", "[{'bytes':4294971392,'percent':100}]"},
    {1, "ramp", "4294967296"},
    {1, "ramp", "9223372036854775807"},
    {1, "sample", "65537"},
    {3, "protocol", "4294967297"},
    {3, "vcpus", "4294967298"},
};

static void test_workload_huge(void **state)
{
    (void)state;
    for (size_t i = 0; i < 8; i++)
        check_refused(huge[i].message, huge[i].key, huge[i].value);
}

static void test_budget_huge(void **state)
{
    (void)state;
    for (size_t i = 8; i < 11; i++)
        check_refused(huge[i].message, huge[i].key, huge[i].value);
}

static void test_hello_huge(void **state)
{
    (void)state;
    for (size_t i = 11; i < ARRAY_SIZE(huge); i++)
        check_refused(huge[i].message, huge[i].key, huge[i].value);
}

static const struct {
    size_t message;
    const char *key, *value;
} wrong[] = {
    {0, "rw", "'trim'"},
    {0, "block_bytes", "0"},
    {0, "block_bytes", "4095"},
    {0, "block_bytes", "16777728"},
    {0, "depth", "0"},
    {0, "depth", "1025"},
    {0, "jobs", "0"},
    {0, "jobs", "65"},
    {0, "zipf", "-0.5"},
    {0, "zipf", "5.01"},
    {0, "zipf", "1e308"},
    {0, "name", "'12345678901234567890123456789012'"},
    {0, "rw", "'rw'"}, /* which has no random addresses for its zipf */
    {0, "sizes", "[1]"},
    {0, "sizes", "[{}]"},
    {0, "sizes", "[[]]"},
    {0, "sizes", "[{'bytes':4096}]"},
    {0, "sizes", "[{'percent':100}]"},
    {0, "sizes", "[{'bytes':'4096','percent':100}]"},
    {0, "sizes", "[{'bytes':4096,'percent':99}]"},
    {0, "sizes", "[{'bytes':4096,'percent':101}]"},
    {0, "sizes", "[{'bytes':0,'percent':100}]"},
    {0, "sizes", "[{'bytes':512,'percent':100}]"}, /* without the largest */
    {0, "sizes",
     "[{'bytes':4096,'percent':20},{'bytes':512,'percent':10},{'bytes':512,'percent':10},"
     "{'bytes':512,'percent':10},{'bytes':512,'percent':10},{'bytes':512,'percent':10},"
     "{'bytes':512,'percent':10},{'bytes':512,'percent':10},{'bytes':512,'percent':10}]"},
    {0, "read_percent", "101"},
    {3, "event", "'goodbye'"},
    {3, "protocol", "0"},
    {3, "protocol", "2"},
    {3, "vcpus", "0"},
    {3, "vcpus", "4097"},
    {3, "disks", "[1]"},
    {3, "disks", "[{}]"},
    {3, "disks", "[{'serial':'d0'}]"},
    {3, "disks", "[{'bytes':1}]"},
    {3, "disks", "[{'serial':1,'bytes':1}]"},
    {3, "disks", "[{'serial':'d0','bytes':-1}]"},
    {3, "disks", "[{'serial':'d0','bytes':'1'}]"},
    {3, "disks", "[{'serial':'d0','bytes':1},{'serial':'d1'}]"},
    {3, "disks", "[{'serial':'123456789012345678901','bytes':1}]"},
};

static void test_out_of_range(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        check_refused(wrong[i].message, wrong[i].key, wrong[i].value);
}

static void test_too_many_disks(void **state)
{
    (void)state;
    cleanup_json json_t *json = parse(messages[3].good);
    json_t *disks = json_object_get(json, "disks");
    while (json_array_size(disks) <= PROTOCOL_DISKS_MAX)
        json_array_append(disks, json_array_get(disks, 0));
    assert_int_equal(read_hello(json, NULL), -1);
}

static void test_get_u64(void **state)
{
    (void)state;
    uint64_t value = 7;
    cleanup_error struct error *err = NULL;
    cleanup_json json_t *json = parse("{'zero':0,'most':9223372036854775807,'less':-1}");
    assert_int_equal(protocol_get_u64(json, "less", &value, &err), -1);
    assert_non_null(strstr(err->message, "'less'"));
    assert_int_equal(protocol_get_u64(json, "none", &value, NULL), -1);
    assert_int_equal(value, 7);
    assert_int_equal(protocol_get_u64(json, "zero", &value, NULL), 0);
    assert_int_equal(value, 0);
    assert_int_equal(protocol_get_u64(json, "most", &value, NULL), 0);
    assert_int_equal(value, INT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_workload),       cmocka_unit_test(test_budget),
        cmocka_unit_test(test_slice),          cmocka_unit_test(test_hello),
        cmocka_unit_test(test_good),           cmocka_unit_test(test_missing_and_of_another_type),
        cmocka_unit_test(test_no_objects),     cmocka_unit_test(test_negative),
        cmocka_unit_test(test_workload_huge),  cmocka_unit_test(test_budget_huge),
        cmocka_unit_test(test_hello_huge),     cmocka_unit_test(test_out_of_range),
        cmocka_unit_test(test_too_many_disks), cmocka_unit_test(test_get_u64),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
