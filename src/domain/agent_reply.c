/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "domain/agent_reply.h"

#include <limits.h>
#include <string.h>

#include "base/json.h"
#include "base/memory.h"

json_t *agent_reply_value(const char *reply, struct error **err)
{
    json_error_t wrong;
    cleanup_json json_t *object = json_loads(reply, JSON_ALLOW_NUL, &wrong);
    json_t *value = json_object_get(object, "return");
    if (!object)
        error_set(err, "the agent's answer is no JSON: %s", wrong.text);
    else if (!value)
        error_set(err, "the agent's answer returns nothing");
    return value ? json_incref(value) : NULL;
}

GHashTable *agent_reply_commands(const json_t *info, struct error **err)
{
    size_t i;
    json_t *command;
    const json_t *list = json_object_get(info, "supported_commands");
    GHashTable *names = g_hash_table_new_full(g_str_hash, g_str_equal, free, NULL);
    json_array_foreach (list, i, command) {
        const char *name = json_string_value(json_object_get(command, "name"));
        /* Agents before QEMU 1.2 have no "enabled". */
        if (name && !json_is_false(json_object_get(command, "enabled")))
            g_hash_table_add(names, xstrdup(name));
    }
    if (g_hash_table_size(names))
        return names;
    g_hash_table_unref(names);
    error_set(err, "the agent lists no commands");
    return NULL;
}

/* The bytes of a text in base64, with a NUL behind; NULL where it is none. The caller frees. */
static char *decode(const json_t *text, size_t *ret_length)
{
    const char *encoded = json_string_value(text);
    if (!encoded)
        return NULL;
    g_autofree guchar *bytes = g_base64_decode(encoded, ret_length);
    char *copy = xcalloc(*ret_length + 1, 1);
    memcpy(copy, bytes, *ret_length);
    return copy;
}

int agent_reply_bytes(const json_t *value, size_t max_bytes, GByteArray *to, bool *ret_end,
                      struct error **err)
{
    size_t length = 0;
    cleanup_free char *bytes = decode(json_object_get(value, "buf-b64"), &length);
    if (!bytes)
        return error_set(err, "the agent's answer has no bytes");
    if (length > max_bytes)
        return error_set(err, "the agent's answer has %zu bytes, more than %zu", length, max_bytes);
    g_byte_array_append(to, (const guint8 *)bytes, (guint)length);
    *ret_end = !length || json_is_true(json_object_get(value, "eof"));
    return 0;
}

/* What a program wrote: nothing where the agent has no member for it. */
static char *output(const json_t *value, const char *name, size_t *ret_length)
{
    char *text = decode(json_object_get(value, name), ret_length);
    return text ? text : xcalloc(1, 1);
}

int agent_reply_status(const json_t *value, struct agent_result *ret, bool *ret_exited,
                       struct error **err)
{
    const json_t *exited = json_object_get(value, "exited");
    const json_t *code = json_object_get(value, "exitcode");
    const json_t *signal = json_object_get(value, "signal");
    if (!json_is_boolean(exited))
        return error_set(err, "the agent does not say whether the program has ended");
    *ret_exited = json_is_true(exited);
    if (!*ret_exited)
        return 0;
    if (!json_is_integer(signal) && !json_is_integer(code))
        return error_set(err, "the agent does not say how the program has ended");
    json_int_t number = json_integer_value(json_is_integer(signal) ? signal : code);
    *ret = (struct agent_result){
        .status = (int)CLAMP(number, INT_MIN, INT_MAX / 2) + (json_is_integer(signal) ? 128 : 0),
        .truncated = json_is_true(json_object_get(value, "out-truncated")) ||
                     json_is_true(json_object_get(value, "err-truncated")),
    };
    ret->out = output(value, "out-data", &ret->out_length);
    ret->err_text = output(value, "err-data", &ret->err_length);
    return 0;
}
