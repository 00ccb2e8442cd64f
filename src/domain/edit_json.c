/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * edit_json.c - edits as JSON (edit.h): what a rollback finds, maybe long after.
 */
#include <string.h>

#include "base/memory.h"
#include "domain/edit.h"
#include "domain/edit_place.h"

/* By the kind. */
static const char *const kinds[] = {"attribute", "element", "text", "tag"};

static const char *copy_of(const char *text)
{
    return text ? xstrdup(text) : NULL;
}

struct edit *edit_copy(const struct edit *e)
{
    struct edit *copy = xcalloc(1, sizeof(*copy));
    *copy = (struct edit){
        .kind = e->kind,
        .where = xstrdup(e->where),
        .attribute = copy_of(e->attribute),
        .before = copy_of(e->before),
        .after = copy_of(e->after),
        .raw = copy_of(e->raw),
        .behind = copy_of(e->behind),
    };
    return copy;
}

void edit_free(struct edit *e)
{
    if (!e)
        return;
    const char *const owned[] = {e->where, e->attribute, e->before, e->after, e->raw, e->behind};
    for (size_t i = 0; i < ARRAY_SIZE(owned); i++)
        free((char *)owned[i]);
    free(e);
}

json_t *edits_to_json(const GPtrArray *edits)
{
    json_t *all = json_array();
    for (guint i = 0; i < edits->len; i++) {
        const struct edit *e = edits->pdata[i];
        json_array_append_new(all, json_pack("{s:s, s:s, s:s?, s:s?, s:s?, s:s?, s:s?}", "kind",
                                             kinds[e->kind], "where", e->where, "attribute",
                                             e->attribute, "before", e->before, "after", e->after,
                                             "raw", e->raw, "behind", e->behind));
    }
    return all;
}

static bool is_number(const char *text)
{
    return text && *text && strspn(text, "0123456789") == strlen(text);
}

/* An element that is written otherwise or goes, too, has to say how it was. */
static bool is_whole_cache(const struct edit *e)
{
    const char *const texts[] = {e->before, e->after};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        if (texts[i] && !g_str_has_prefix(texts[i], "<metadata_cache"))
            return false;
    return e->after || e->raw;
}

/* Whether it has what its kind needs, so that whoever takes it back need not ask. */
static bool is_whole(const struct edit *e)
{
    bool changes = g_strcmp0(e->before, e->after) != 0;
    bool of_attribute = e->kind == EDIT_ATTRIBUTE;
    bool of_driver = g_str_has_suffix(e->where, "/driver");
    if (!place_is_valid(e->where) || !e->attribute == of_attribute || !changes)
        return false;
    switch (e->kind) {
    case EDIT_ATTRIBUTE:
        return of_driver && strcmp(e->attribute, "metadata_cache") != 0 &&
               disk_setting_check(&(struct disk_setting){e->attribute}, NULL) == 0;
    case EDIT_ELEMENT:
        if (g_str_has_suffix(e->where, "/metadata_cache"))
            return is_whole_cache(e);
        return !e->before && (of_driver || g_str_has_prefix(e->where, "iothread"));
    case EDIT_TEXT:
        return strcmp(e->where, "iothreads") == 0 && is_number(e->before) && is_number(e->after);
    case EDIT_TAG:
        return g_str_has_prefix(e->where, of_driver ? "disk:" : "controller:");
    }
    return false;
}

static bool read_text(json_t *json, const char *key, const char **ret)
{
    json_t *value = json_object_get(json, key);
    *ret = json_string_value(value);
    return !value || json_is_null(value) || json_is_string(value);
}

static struct edit *from_json(json_t *json)
{
    const char *kind;
    struct edit e = {0};
    size_t known = 0;
    if (!read_text(json, "kind", &kind) || !read_text(json, "where", &e.where) ||
        !read_text(json, "attribute", &e.attribute) || !read_text(json, "before", &e.before) ||
        !read_text(json, "after", &e.after) || !read_text(json, "raw", &e.raw) ||
        !read_text(json, "behind", &e.behind) || !kind || !e.where)
        return NULL;
    while (known < ARRAY_SIZE(kinds) && strcmp(kinds[known], kind) != 0)
        known++;
    e.kind = (enum edit_kind)known;
    return known < ARRAY_SIZE(kinds) && is_whole(&e) ? edit_copy(&e) : NULL;
}

GPtrArray *edits_from_json(json_t *json, struct error **err)
{
    g_autoptr(GPtrArray) edits = g_ptr_array_new_with_free_func((GDestroyNotify)edit_free);
    size_t i;
    json_t *item;
    if (!json_is_array(json)) {
        error_set(err, "these are no edits: no array");
        return NULL;
    }
    json_array_foreach (json, i, item) {
        struct edit *e = from_json(item);
        if (!e) {
            error_set(err, "these are no edits: number %zu has something missing or unknown",
                      i + 1);
            return NULL;
        }
        g_ptr_array_add(edits, e);
    }
    return g_steal_pointer(&edits);
}
