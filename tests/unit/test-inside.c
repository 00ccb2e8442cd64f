/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-inside.c - what is done in a user's guest to measure it: nobody else gets at our program, dd
 * rewrites its file and is understood, and what was made is removed, after a signal as well. The
 * guest's agent is played by this file.
 */
#undef NDEBUG
#include <assert.h>
#include <glib.h>
#include <libvirt/libvirt-qemu.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "apart.h"
#include "apply/inside_ways.h"
#include "base/interrupt.h"
#include "base/json.h"
#include "base/memory.h"

/* --- The agent -------------------------------------------------------------------------------- */

static struct {
    GPtrArray *done;     /* "install -m 700 …", "open PATH": in order */
    bool interrupts;     /* a signal comes while our program is written */
    const char *df, *dd; /* what these write */
    char last[PATH_MAX]; /* of the program that was run last, its name */
} guest;

int virDomainGetState(virDomainPtr domain, int *state, int *reason, unsigned flags)
{
    (void)domain, (void)reason, (void)flags;
    *state = VIR_DOMAIN_RUNNING;
    return 0;
}

int virDomainRef(virDomainPtr domain)
{
    (void)domain;
    return 0;
}

int virDomainFree(virDomainPtr domain)
{
    (void)domain;
    return 0;
}

/* The words of a program, with blanks between. */
static char *words_of(json_t *arguments)
{
    size_t i;
    json_t *word;
    g_autoptr(GString) line = g_string_new(json_string_value(json_object_get(arguments, "path")));
    json_array_foreach (json_object_get(arguments, "arg"), i, word)
        g_string_append_printf(line, " %s", json_string_value(word));
    return xstrdup(line->str);
}

static char *run_program(json_t *arguments)
{
    char *words = words_of(arguments);
    g_ptr_array_add(guest.done, words);
    snprintf(guest.last, sizeof(guest.last), "%s", words);
    /* No directory that programs may be run from. */
    return words[0] == '/' ? NULL : xstrdup("{\"return\": {\"pid\": 1}}");
}

static char *tell_status(void)
{
    const char *out = strstr(guest.last, " df ") ? guest.df : "";
    const char *err = strstr(guest.last, " dd ") ? guest.dd : "";
    g_autofree char *out_data = g_base64_encode((const guchar *)out, strlen(out));
    g_autofree char *err_data = g_base64_encode((const guchar *)err, strlen(err));
    return xasprintf("{\"return\": {\"exited\": true, \"exitcode\": 0, \"out-data\": \"%s\", "
                     "\"err-data\": \"%s\"}}",
                     out_data, err_data);
}

static char *write_piece(json_t *arguments)
{
    size_t length;
    if (guest.interrupts)
        kill(getpid(), SIGINT);
    g_free(g_base64_decode(json_string_value(json_object_get(arguments, "buf-b64")), &length));
    return xasprintf("{\"return\": {\"count\": %zu, \"eof\": false}}", length);
}

static char *answer(const char *command, json_t *arguments)
{
    const char *path = json_string_value(json_object_get(arguments, "path"));
    if (strcmp(command, "guest-info") == 0)
        return xstrdup("{\"return\": {\"supported_commands\": [{\"name\": \"guest-exec\"}, "
                       "{\"name\": \"guest-exec-status\"}, {\"name\": \"guest-file-open\"}, "
                       "{\"name\": \"guest-file-write\"}, {\"name\": \"guest-file-flush\"}, "
                       "{\"name\": \"guest-file-close\"}]}}");
    if (strcmp(command, "guest-exec") == 0)
        return run_program(arguments);
    if (strcmp(command, "guest-exec-status") == 0)
        return tell_status();
    if (strcmp(command, "guest-file-write") == 0)
        return write_piece(arguments);
    if (strcmp(command, "guest-file-open") == 0)
        g_ptr_array_add(guest.done, xasprintf("open %s", path));
    return xstrdup("{\"return\": 1}");
}

char *virDomainQemuAgentCommand(virDomainPtr domain, const char *text, int seconds, unsigned flags)
{
    (void)domain, (void)seconds, (void)flags;
    cleanup_json json_t *json = json_loads(text, 0, NULL);
    return answer(json_string_value(json_object_get(json, "execute")),
                  json_object_get(json, "arguments"));
}

/* --- The ways --------------------------------------------------------------------------------- */

static const char *done(guint i)
{
    return i < guest.done->len ? guest.done->pdata[i] : "";
}

static struct agent *open_guest(void)
{
    guest.done = g_ptr_array_new_with_free_func(free);
    return agent_open(NULL, NULL);
}

static json_t *by_program(struct agent *a, struct error **err)
{
    bool final;
    cleanup_suite struct suite *suite = suite_new("");
    const struct work w = {.workload = {.block_bytes = 4096, .depth = 1, .jobs = 1},
                           .span_bytes = 1 << 20,
                           .weight = 1,
                           .bounds = {.bytes = 1 << 20, .duration_ns = 1000000}};
    suite_add(suite, &w, /* beside = */ false);
    const struct inside_options o = {.target = "vda", .suite = suite, .runs = 2};
    return inside_by_program(a, &o, "/data", &final, err);
}

/* It is there for its owner alone before the first piece of it is written. */
static void test_program_is_private(void **state)
{
    (void)state;
    cleanup_error struct error *err = NULL;
    cleanup_agent struct agent *a = open_guest();
    assert_non_null(a);
    assert_null(by_program(a, &err));
    static const char *const places[] = {"/var/tmp", "/tmp", "/root", "/data"};
    for (guint i = 0; i < ARRAY_SIZE(places); i++) {
        const char *made = done(4 * i), *path = strrchr(made, ' ') + 1;
        cleanup_free char *expected = xasprintf("install -m 700 /dev/null %s", path);
        cleanup_free char *opened = xasprintf("open %s", path);
        cleanup_free char *removed = xasprintf("rm -f %s", path);
        assert_true(g_str_has_prefix(path, places[i]));
        assert_string_equal(made, expected);
        assert_string_equal(done(4 * i + 1), opened);
        assert_string_equal(done(4 * i + 2), path);
        assert_string_equal(done(4 * i + 3), removed);
    }
    assert_int_equal(guest.done->len, 4 * ARRAY_SIZE(places));
    g_ptr_array_unref(guest.done);
}

static bool is_removed(size_t row)
{
    (void)row;
    cleanup_error struct error *err = NULL;
    guest.interrupts = true;
    if (interrupt_install(NULL) < 0)
        return false;
    cleanup_agent struct agent *a = open_guest();
    return a && !by_program(a, &err) && strstr(err->message, "SIGINT") && guest.done->len == 3 &&
           g_str_has_prefix(done(2), "rm -f /var/tmp/");
}

static void test_signal(void **state)
{
    (void)state;
    assert_true(is_right_apart(is_removed, 0));
}

#define COPIED "65536000 bytes (66 MB, 62 MiB) copied, 0.5 s, 131 MB/s\n"
#define DF(available)                                                                              \
    "Filesystem     1024-blocks  Used Available Capacity Mounted on\n"                             \
    "/dev/vdb            245679   123 " available "       1% /data\n"

static const struct {
    const char *df, *dd;
    const char *error; /* a part; NULL: measured */
} dd_rows[] = {
    {DF("240000"), COPIED, NULL},
    {"", COPIED, NULL}, /* it does not tell */
    {DF("100000"), COPIED, "/data has 98 MiB free, and 126 MiB are needed"},
    {DF("240000"), "dd: failed to open", "dd in the guest: dd: failed to open"},
};

static void test_dd(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(dd_rows); i++) {
        cleanup_error struct error *err = NULL;
        cleanup_agent struct agent *a = open_guest();
        const struct inside_options o = {.target = "vda", .runs = 2};
        guest.df = dd_rows[i].df;
        guest.dd = dd_rows[i].dd;
        cleanup_json json_t *result = inside_by_dd(a, &o, "/data", &err);
        assert_int_equal(result == NULL, dd_rows[i].error != NULL);
        if (dd_rows[i].error && !strstr(err->message, dd_rows[i].error))
            fail_msg("%s", err->message);
        /* The room, the run that makes the file, those that count, and the end. */
        assert_int_equal(guest.done->len, dd_rows[i].error ? guest.done->len : 5);
        assert_true(g_str_has_prefix(done(guest.done->len - 1), "rm -f /data/.virt-disktune-"));
        for (guint k = 1; k + 1 < guest.done->len; k++) {
            assert_true(g_str_has_prefix(done(k), "env LC_ALL=C dd "));
            assert_non_null(strstr(done(k), "conv=fsync,notrunc"));
        }
        g_ptr_array_unref(guest.done);
    }
}

int main(void)
{
    /* Before that libvirt's last error is somebody else's memory. */
    assert(virInitialize() == 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_program_is_private),
        cmocka_unit_test(test_signal),
        cmocka_unit_test(test_dd),
    };
    return cmocka_run_group_tests_name("inside", tests, NULL, NULL);
}
