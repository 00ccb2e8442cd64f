/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * recorded-guest.h - a guest as it was recorded: its domain's XML, its agent's replies, its files.
 *
 * {"domain": XML, "commands": [those that are allowed], COMMAND: what it returns, …,
 *  "files": {PATH: text}, "capacity": {TARGET: bytes},
 *  "silent": PATH or COMMAND after which nothing more is answered}
 */
#pragma once

#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "check/guest.h"
#include "check/subject.h"
#include "domain/xml.h"

struct recorded_guest {
    json_t *json;
    bool silent;
};

static inline bool recorded_can(void *data, const char *command)
{
    size_t i;
    json_t *allowed;
    const struct recorded_guest *g = data;
    const json_t *commands = json_object_get(g->json, "commands");
    json_array_foreach (commands, i, allowed)
        if (json_is_string(allowed) && strcmp(json_string_value(allowed), command) == 0)
            return true;
    return false;
}

/* Whether it answers this one. */
static inline bool recorded_answers(struct recorded_guest *g, const char *what, struct error **err)
{
    const char *last = json_string_value(json_object_get(g->json, "silent"));
    g->silent = g->silent || (last && strcmp(last, what) == 0);
    if (g->silent) {
        error_set(err, "guest agent didn't respond to command within '5' seconds");
        error_hint(err, "is it running?");
    }
    return !g->silent;
}

static inline json_t *recorded_call(void *data, const char *command, struct error **err)
{
    struct recorded_guest *g = data;
    json_t *value = json_object_get(g->json, command);
    if (!recorded_answers(g, command, err))
        return NULL;
    if (!value)
        error_set(err, "%s failed", command);
    return value ? json_incref(value) : NULL;
}

static inline char *recorded_read(void *data, const char *path, struct error **err)
{
    struct recorded_guest *g = data;
    const char *text = json_string_value(json_object_get(json_object_get(g->json, "files"), path));
    if (!recorded_answers(g, path, err))
        return NULL;
    if (!text)
        error_set(err, "cannot open %s", path);
    return text ? xstrdup(text) : NULL;
}

static inline bool recorded_is_silent(void *data)
{
    return ((struct recorded_guest *)data)->silent;
}

static inline uint64_t recorded_capacity(void *data, const char *target)
{
    const struct recorded_guest *g = data;
    json_int_t bytes =
        json_integer_value(json_object_get(json_object_get(g->json, "capacity"), target));
    return bytes > 0 ? (uint64_t)bytes : 0;
}

/* The domain that it is of, with all that is known of the guest; NULL where it is none. The caller
 * frees. */
static inline struct check_domain *recorded_domain(json_t *json)
{
    struct recorded_guest guest = {.json = json};
    const struct guest_source by_record = {
        .can = recorded_can,
        .call = recorded_call,
        .read = recorded_read,
        .is_silent = recorded_is_silent,
        .capacity = recorded_capacity,
        .data = &guest,
    };
    const char *xml = json_string_value(json_object_get(json, "domain"));
    const struct subject_source source = {
        .xml = xml, .length = xml ? strlen(xml) : 0, .live = xml, .persistent = true};
    struct check_domain *d = xml ? check_domain_new(NULL, &source, NULL) : NULL;
    if (d)
        guest_attach(guest_read(&by_record, xml_child(d->node, "devices")), d);
    return d;
}
