/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * agent_work.c - files and programs of a guest, by its agent.
 */
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "base/clock.h"
#include "base/interrupt.h"
#include "base/json.h"
#include "base/memory.h"
#include "domain/agent_call.h"
#include "domain/agent_reply.h"

/* Bytes of a file in one call, which are a third more as base64: far below what libvirt and the
 * agent take for one message. */
#define CHUNK (48 << 10)

/* For what only tidies up. */
#define CLOSE_SECONDS 2

/* --- Files ------------------------------------------------------------------------------------ */

/* An open file of the guest's. */
struct remote_file {
    struct agent *agent; /* NULL: none is open */
    json_int_t handle;
};

static void remote_close(struct remote_file *f)
{
    if (!f->agent || agent_is_silent(f->agent))
        return;
    json_decref(agent_call_with_manners(f->agent, "guest-file-close",
                                        json_pack("{s:I}", "handle", f->handle), CLOSE_SECONDS,
                                        AGENT_TIDYING, NULL));
    f->agent = NULL;
}

static int remote_open(struct agent *a, const char *path, const char *mode, struct remote_file *ret,
                       struct error **err)
{
    json_t *arguments = json_pack("{s:s, s:s}", "path", path, "mode", mode);
    if (!arguments)
        return error_set(err, "the name of a file in the guest is no UTF-8: %s", path);
    cleanup_json json_t *handle = agent_call(a, "guest-file-open", arguments, AGENT_SECONDS, err);
    if (!handle)
        return error_prefix(err, "cannot open %s in the guest", path);
    *ret = (struct remote_file){.agent = a, .handle = json_integer_value(handle)};
    return 0;
}

/* The next bytes, at most `room`. */
static int remote_read(const struct remote_file *f, size_t room, GByteArray *to, bool *ret_end,
                       struct error **err)
{
    size_t count = MIN(room, CHUNK);
    cleanup_json json_t *value =
        agent_call(f->agent, "guest-file-read",
                   json_pack("{s:I, s:I}", "handle", f->handle, "count", (json_int_t)count),
                   AGENT_SECONDS, err);
    return value ? agent_reply_bytes(value, count, to, ret_end, err) : -1;
}

char *agent_read_file(struct agent *a, const char *path, size_t max_bytes, size_t *ret_length,
                      struct error **err)
{
    at_scope_end(remote_close) struct remote_file file = {0};
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    bool end = false;
    if (remote_open(a, path, "rb", &file, err) < 0)
        return NULL;
    /* One byte more than there may be tells that there are more. */
    while (!end && bytes->len <= max_bytes)
        if (remote_read(&file, max_bytes + 1 - bytes->len, bytes, &end, err) < 0) {
            error_prefix(err, "cannot read %s in the guest", path);
            return NULL;
        }
    if (bytes->len > max_bytes) {
        error_set(err, "%s in the guest is longer than %zu bytes", path, max_bytes);
        return NULL;
    }
    char *copy = xcalloc(bytes->len + 1, 1);
    if (bytes->len)
        memcpy(copy, bytes->data, bytes->len);
    if (ret_length)
        *ret_length = bytes->len;
    return copy;
}

/* Returns how many were written, at least one; -1. */
static gssize remote_write(const struct remote_file *f, const guchar *data, size_t length,
                           struct error **err)
{
    size_t count = MIN(length, CHUNK);
    g_autofree char *text = g_base64_encode(data, count);
    cleanup_json json_t *value = agent_call(
        f->agent, "guest-file-write", json_pack("{s:I, s:s}", "handle", f->handle, "buf-b64", text),
        AGENT_SECONDS, err);
    json_int_t written = json_integer_value(json_object_get(value, "count"));
    if (value && (written <= 0 || written > (json_int_t)count))
        return error_set(err, "the agent says that it wrote %lld of %zu bytes", (long long)written,
                         count);
    return value ? (gssize)written : -1;
}

/* What the agent's stdio holds back is written now, and what is wrong with that is told. */
static int remote_flush(const struct remote_file *f, struct error **err)
{
    cleanup_json json_t *value = agent_call(
        f->agent, "guest-file-flush", json_pack("{s:I}", "handle", f->handle), AGENT_SECONDS, err);
    return value ? 0 : -1;
}

int agent_write_file(struct agent *a, const char *path, const void *data, size_t length,
                     struct error **err)
{
    at_scope_end(remote_close) struct remote_file file = {0};
    if (remote_open(a, path, "wb", &file, err) < 0)
        return -1;
    for (size_t done = 0; done < length;) {
        gssize n = remote_write(&file, (const guchar *)data + done, length - done, err);
        if (n < 0)
            return error_prefix(err, "cannot write %s in the guest", path);
        done += (size_t)n;
    }
    return remote_flush(&file, err) < 0 ? error_prefix(err, "cannot write %s in the guest", path)
                                        : 0;
}

/* --- Programs --------------------------------------------------------------------------------- */

/* NULL where a word is no UTF-8, which JSON has no way to say. */
static json_t *exec_arguments(const struct agent_program *p)
{
    cleanup_json json_t *words = json_array();
    for (size_t i = 1; p->argv[i]; i++)
        if (json_array_append_new(words, json_string(p->argv[i])) < 0)
            return NULL;
    json_t *object =
        json_pack("{s:s, s:O, s:b}", "path", p->argv[0], "arg", words, "capture-output", 1);
    if (object && p->input) {
        g_autofree char *text = g_base64_encode(p->input, p->input_length);
        json_object_set_new(object, "input-data", json_string(text));
    }
    return object;
}

static enum agent_manners manners_of(const struct agent_program *p)
{
    return p->tidies ? AGENT_TIDYING : AGENT_INTERRUPTIBLE;
}

static int start_program(struct agent *a, const struct agent_program *p, json_int_t *ret_pid,
                         struct error **err)
{
    if (p->input_length > AGENT_INPUT_MAX)
        return error_set(err, "%s: more than %d bytes of input", p->argv[0], AGENT_INPUT_MAX);
    json_t *arguments = exec_arguments(p);
    if (!arguments)
        return error_set(err, "%s: an argument is no UTF-8", p->argv[0]);
    cleanup_json json_t *value =
        agent_call_with_manners(a, "guest-exec", arguments, AGENT_SECONDS, manners_of(p), err);
    const json_t *pid = json_object_get(value, "pid");
    if (value && !json_is_integer(pid))
        error_set(err, "the agent does not say which process it is");
    *ret_pid = json_integer_value(pid);
    return json_is_integer(pid) ? 0 : error_prefix(err, "cannot run %s in the guest", p->argv[0]);
}

static int ask_status(struct agent *a, const struct agent_program *p, json_int_t pid,
                      struct agent_result *ret, bool *ret_exited, struct error **err)
{
    cleanup_json json_t *value = agent_call_with_manners(
        a, "guest-exec-status", json_pack("{s:I}", "pid", pid), AGENT_SECONDS, manners_of(p), err);
    return value ? agent_reply_status(value, ret, ret_exited, err) : -1;
}

int agent_exec(struct agent *a, const struct agent_program *p, struct agent_result *ret,
               struct error **err)
{
    json_int_t pid = 0;
    bool exited = false;
    uint64_t end = clock_now_ns() + p->timeout_seconds * NS_PER_SECOND;
    *ret = (struct agent_result){0};
    if (start_program(a, p, &pid, err) < 0)
        return -1;
    ret->started = true;
    for (int pause = 5;; pause = MIN(2 * pause, 500)) {
        cleanup_error struct error *unanswered = NULL;
        if (ask_status(a, p, pid, ret, &exited, &unanswered) < 0 &&
            (!agent_is_silent(a) || clock_now_ns() >= end))
            return error_set(err, "%s in the guest: %s", p->argv[0], unanswered->message);
        if (exited)
            return 0;
        if (clock_now_ns() >= end)
            return error_set(err, "%s in the guest has not ended within %u seconds", p->argv[0],
                             p->timeout_seconds);
        if (p->tidies)
            g_usleep((gulong)pause * 1000);
        else if (interrupt_sleep_ms(pause, err) < 0)
            return -1;
    }
}

void agent_result_done(struct agent_result *r)
{
    free(r->out);
    free(r->err_text);
    *r = (struct agent_result){0};
}
