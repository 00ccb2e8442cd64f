/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-agent-reply.c - what a guest agent answers is understood, and what it must not answer is
 * refused.
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
#include "domain/agent_reply.h"

static json_t *value_of(const char *reply)
{
    struct error *err = NULL;
    json_t *value = agent_reply_value(reply, &err);
    if (!value)
        fail_msg("%s: %s", reply, err->message);
    return value;
}

static void assert_message(const struct error *err, const char *words)
{
    assert_non_null(err);
    if (!strstr(err->message, words))
        fail_msg("\"%s\" is not in: %s", words, err->message);
}

/* --- Replies ---------------------------------------------------------------------------------- */

static void test_values(void **state)
{
    (void)state;
    static const char *const good[] = {"{\"return\": {}}", "{\"return\": 1000}", "{\"return\": []}",
                                       "{\"id\": 3, \"return\": null}"};
    static const struct {
        const char *reply, *words;
    } bad[] = {
        {"", "no JSON"},
        {"{\"return\": {}", "no JSON"},
        {"\xff", "no JSON"},
        {"[]", "returns nothing"},
        {"{\"error\": {\"desc\": \"no\"}}", "returns nothing"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        json_decref(value_of(good[i]));
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        cleanup_error struct error *err = NULL;
        assert_null(agent_reply_value(bad[i].reply, &err));
        assert_message(err, bad[i].words);
    }
}

/* As qemu-ga 7.2 lists them, shortened. */
#define INFO                                                                                       \
    "{\"return\": {\"version\": \"7.2.17\", \"supported_commands\": ["                             \
    "{\"enabled\": true, \"name\": \"guest-get-disks\", \"success-response\": true},"              \
    "{\"enabled\": false, \"name\": \"guest-file-open\", \"success-response\": true},"             \
    "{\"name\": \"guest-ping\"}, {\"enabled\": true}, 5]}}"

static void test_commands(void **state)
{
    (void)state;
    cleanup_json json_t *info = value_of(INFO);
    g_autoptr(GHashTable) commands = agent_reply_commands(info, NULL);
    assert_int_equal(g_hash_table_size(commands), 2);
    assert_true(g_hash_table_contains(commands, "guest-get-disks"));
    assert_true(g_hash_table_contains(commands, "guest-ping"));
    static const char *const none[] = {"{\"return\": {}}", "{\"return\": 5}",
                                       "{\"return\": {\"supported_commands\": []}}",
                                       "{\"return\": {\"supported_commands\": {\"name\": 1}}}"};
    for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
        cleanup_error struct error *err = NULL;
        cleanup_json json_t *value = value_of(none[i]);
        assert_null(agent_reply_commands(value, &err));
        assert_message(err, "lists no commands");
    }
}

/* --- Files ------------------------------------------------------------------------------------ */

static void test_bytes(void **state)
{
    (void)state;
    static const struct {
        const char *reply;
        size_t max;
        const char *bytes;
        size_t length;
        bool end;
    } rows[] = {
        {"{\"return\": {\"count\": 5, \"buf-b64\": \"bm9uZQo=\", \"eof\": true}}", 5, "none\n", 5,
         true},
        {"{\"return\": {\"count\": 5, \"buf-b64\": \"bm9uZQo=\", \"eof\": false}}", 9, "none\n", 5,
         false},
        {"{\"return\": {\"count\": 0, \"buf-b64\": \"\", \"eof\": false}}", 5, "", 0, true},
        {"{\"return\": {\"count\": 4, \"buf-b64\": \"AP8AAQ==\", \"eof\": true}}", 4, "\0\xff\0\1",
         4, true},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        bool end;
        cleanup_json json_t *value = value_of(rows[i].reply);
        g_autoptr(GByteArray) bytes = g_byte_array_new();
        assert_int_equal(agent_reply_bytes(value, rows[i].max, bytes, &end, NULL), 0);
        assert_int_equal(bytes->len, rows[i].length);
        assert_memory_equal(bytes->data ? (char *)bytes->data : "", rows[i].bytes, rows[i].length);
        assert_int_equal(end, rows[i].end);
    }
}

static void test_wrong_bytes(void **state)
{
    (void)state;
    static const struct {
        const char *reply, *words;
    } rows[] = {
        {"{\"return\": {}}", "no bytes"},
        {"{\"return\": {\"buf-b64\": 5}}", "no bytes"},
        {"{\"return\": []}", "no bytes"},
        {"{\"return\": {\"buf-b64\": \"bm9uZQo=\", \"eof\": true}}", "more than 4"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        bool end;
        cleanup_error struct error *err = NULL;
        cleanup_json json_t *value = value_of(rows[i].reply);
        g_autoptr(GByteArray) bytes = g_byte_array_new();
        assert_int_equal(agent_reply_bytes(value, 4, bytes, &end, &err), -1);
        assert_message(err, rows[i].words);
        assert_int_equal(bytes->len, 0);
    }
}

/* --- Programs --------------------------------------------------------------------------------- */

static void test_status(void **state)
{
    (void)state;
    static const struct {
        const char *reply;
        int status;
        const char *out, *err_text;
        bool truncated;
    } rows[] = {
        {"{\"return\": {\"exitcode\": 0, \"out-data\": \"aGkK\", \"exited\": true}}", 0, "hi\n", "",
         false},
        {"{\"return\": {\"exitcode\": 3, \"err-data\": \"aGkK\", \"exited\": true, "
         "\"err-truncated\": true}}",
         3, "", "hi\n", true},
        {"{\"return\": {\"signal\": 9, \"exited\": true}}", 137, "", "", false},
        {"{\"return\": {\"exitcode\": 1, \"exited\": true, \"out-truncated\": true}}", 1, "", "",
         true},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        bool exited = false;
        cleanup_json json_t *value = value_of(rows[i].reply);
        cleanup_agent_result struct agent_result result = {0};
        assert_int_equal(agent_reply_status(value, &result, &exited, NULL), 0);
        assert_true(exited);
        assert_int_equal(result.status, rows[i].status);
        assert_string_equal(result.out, rows[i].out);
        assert_string_equal(result.err_text, rows[i].err_text);
        assert_int_equal(result.out_length, strlen(rows[i].out));
        assert_int_equal(result.err_length, strlen(rows[i].err_text));
        assert_int_equal(result.truncated, rows[i].truncated);
    }
}

static void test_no_status(void **state)
{
    (void)state;
    bool exited = true;
    cleanup_agent_result struct agent_result result = {0};
    cleanup_json json_t *runs = value_of("{\"return\": {\"exited\": false}}");
    assert_int_equal(agent_reply_status(runs, &result, &exited, NULL), 0);
    assert_false(exited);
    assert_null(result.out);
    static const struct {
        const char *reply, *words;
    } rows[] = {
        {"{\"return\": {}}", "whether the program has ended"},
        {"{\"return\": {\"exited\": 1}}", "whether the program has ended"},
        {"{\"return\": {\"exited\": true}}", "how the program has ended"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        cleanup_error struct error *err = NULL;
        cleanup_json json_t *value = value_of(rows[i].reply);
        assert_int_equal(agent_reply_status(value, &result, &exited, &err), -1);
        assert_message(err, rows[i].words);
    }
    cleanup_json json_t *absurd =
        value_of("{\"return\": {\"exited\": true, \"signal\": 9223372036854775807}}");
    assert_int_equal(agent_reply_status(absurd, &result, &exited, NULL), 0);
    assert_true(result.status > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values), cmocka_unit_test(test_commands),
        cmocka_unit_test(test_bytes),  cmocka_unit_test(test_wrong_bytes),
        cmocka_unit_test(test_status), cmocka_unit_test(test_no_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
