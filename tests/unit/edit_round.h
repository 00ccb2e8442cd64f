/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * edit_round.h - what tests of edits share: settings from words, and edits by way of their JSON.
 */
#pragma once

#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "domain/edit.h"

#define SETTINGS_MAX 8

/* Reads "io=native cache=none"; the words stay in `text`, which is changed. Asserts that they are
 * settings. */
static inline size_t settings_from(char *text, struct disk_setting settings[SETTINGS_MAX])
{
    size_t count = 0;
    char *rest = NULL;
    for (char *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        assert(count < SETTINGS_MAX);
        assert(disk_setting_parse(word, &settings[count++], NULL) == 0);
    }
    return count;
}

/* The edits as they come out of a file. */
static inline GPtrArray *through_json(const GPtrArray *edits)
{
    cleanup_json json_t *json = edits_to_json(edits);
    cleanup_free char *text = json_dumps(json, JSON_INDENT(2));
    cleanup_json json_t *again = json_loads(text, 0, NULL);
    GPtrArray *read = edits_from_json(again, NULL);
    assert(read && read->len == edits->len);
    return read;
}
