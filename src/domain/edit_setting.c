/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * edit_setting.c - the settings of edit.h and their words.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "domain/edit.h"
#include "domain/metadata_cache.h"
#include "domain/xml.h"

#define QUEUES_MAX 256

/* Without words it is a number up to max, or the word `or`; a size is a number of bytes. */
static const struct words {
    const char *key, *const *values;
    const char * or ;
    uint64_t max;
    bool is_size;
} table[] = {
    {"cache",
     (const char *const[]){"none", "writethrough", "writeback", "directsync", "default", NULL}},
    {"io", (const char *const[]){"threads", "native", "io_uring", NULL}},
    {"discard", (const char *const[]){"unmap", "ignore", NULL}},
    {"detect_zeroes", (const char *const[]){"off", "on", "unmap", NULL}},
    {"queues", .max = QUEUES_MAX},
    {"iothread", .or = "new", .max = UINT32_MAX},
    {"metadata_cache", .max = INT64_MAX, .is_size = true},
};

static const struct words *words_of(const char *key)
{
    for (size_t i = 0; i < ARRAY_SIZE(table); i++)
        if (strcmp(table[i].key, key) == 0)
            return &table[i];
    return NULL;
}

static bool is_word(const struct words *w, const char *value)
{
    uint64_t number;
    if (w->values)
        return g_strv_contains(w->values, value);
    if (w->or &&strcmp(value, w->or) == 0)
        return true;
    /* As libvirt writes it, so that it can be compared as text. */
    return *value != '0' && text_parse_number(value, 1, w->max, &number, NULL) == 0;
}

static int unknown_key(const char *key, struct error **err)
{
    g_autoptr(GString) keys = g_string_new(NULL);
    for (size_t i = 0; i < ARRAY_SIZE(table); i++)
        g_string_append_printf(keys, "%s%s", i ? ", " : "", table[i].key);
    error_set(err, "a disk has no setting '%s'", key);
    return error_hint(err, "its settings are %s", keys->str);
}

static int unknown_value(const struct words *w, const char *value, struct error **err)
{
    error_set(err, "'%s' is no %s of a disk", value, w->key);
    if (w->is_size)
        return error_hint(err, "it is a size, as 65536, 64k or 4M");
    if (!w->values)
        return error_hint(err, "it is a number from 1 to %llu%s%s", (unsigned long long)w->max,
                          w->or ? ", or " : "", w->or ? w->or : "");
    g_autofree char *values = g_strjoinv(", ", (char **)w->values);
    return error_hint(err, "it can be %s", values);
}

int disk_setting_check(const struct disk_setting *setting, struct error **err)
{
    const struct words *w = words_of(setting->key);
    if (!w)
        return unknown_key(setting->key, err);
    if (!setting->value || is_word(w, setting->value))
        return 0;
    if (w->values && strcmp(w->key, "cache") == 0 && strcmp(setting->value, "unsafe") == 0)
        return error_set(err, "cache=unsafe loses data that the guest was told are on disk");
    return unknown_value(w, setting->value, err);
}

/* A size as libvirt writes it, in bytes; interned. What is none stays as it is. */
static const char *in_bytes(const char *value)
{
    uint64_t bytes;
    if (text_parse_size(value, &bytes, NULL) < 0)
        return value;
    cleanup_free char *text = xasprintf("%llu", (unsigned long long)bytes);
    return g_intern_string(text);
}

int disk_setting_parse(const char *text, struct disk_setting *ret, struct error **err)
{
    const char *equals = strchr(text, '=');
    if (!equals) {
        error_set(err, "'%s' is no setting", text);
        return error_hint(err, "a setting is KEY=VALUE, as in io=native");
    }
    cleanup_free char *key = xasprintf("%.*s", (int)(equals - text), text);
    const struct words *w = words_of(key);
    if (!w)
        return unknown_key(key, err);
    struct disk_setting setting = {w->key, equals[1] ? equals + 1 : NULL};
    if (w->is_size && setting.value)
        setting.value = in_bytes(setting.value);
    if (disk_setting_check(&setting, err) < 0)
        return -1;
    *ret = setting;
    return 0;
}

char *edit_to_setting(const struct edit *e)
{
    if (e->kind == EDIT_ATTRIBUTE)
        return xasprintf("%s=%s", e->attribute, e->after ? e->after : "");
    if (e->kind != EDIT_ELEMENT || !g_str_has_suffix(e->where, "/metadata_cache"))
        return NULL;
    cleanup_xml xmlDocPtr doc = e->after ? xml_parse(e->after, strlen(e->after), NULL) : NULL;
    return doc ? xasprintf("metadata_cache=%" PRIu64,
                           metadata_cache_bytes(xmlDocGetRootElement(doc)))
               : xstrdup("metadata_cache=");
}
