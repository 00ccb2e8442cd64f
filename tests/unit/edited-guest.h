/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * edited-guest.h - a recorded guest of tests/data/agent, with changes.
 */
#pragma once

#include "recorded-guest.h"

static inline json_t *record(const char *name)
{
    json_error_t wrong;
    cleanup_free char *path =
        xasprintf("%s/agent/%s.json", getenv("VIRT_DISKTUNE_TEST_DATA"), name);
    json_t *json = json_load_file(path, 0, &wrong);
    if (!json)
        fail_msg("%s: %s", path, wrong.text);
    return json;
}

/* An edit of a record: in the domain's XML, or of a file, where the text NULL removes it. */
struct edit {
    const char *file, *text; /* of a file */
    const char *old, *now;   /* of the domain */
};
#define EDITS 4

static inline void apply(json_t *json, const struct edit *e)
{
    json_t *files = json_object_get(json, "files");
    if (e->file && e->text)
        json_object_set_new(files, e->file, json_string(e->text));
    else if (e->file)
        json_object_del(files, e->file);
    if (!e->old)
        return;
    g_auto(GStrv) parts =
        g_strsplit(json_string_value(json_object_get(json, "domain")), e->old, -1);
    if (!parts[1])
        fail_msg("the domain has no %s", e->old);
    g_autofree char *changed = g_strjoinv(e->now, parts);
    json_object_set_new(json, "domain", json_string(changed));
}

static inline struct check_domain *edited(const char *name, const struct edit edits[EDITS])
{
    cleanup_json json_t *json = record(name);
    for (size_t i = 0; i < EDITS; i++)
        apply(json, &edits[i]);
    struct check_domain *d = recorded_domain(json);
    assert_non_null(d);
    return d;
}
