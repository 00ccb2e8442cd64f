/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "apply/change_record.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/text.h"
#include "domain/edit.h"

static const char *const state_names[] = {
    [RECORD_MEANT] = "meant", [RECORD_MADE] = "made", [RECORD_UNDONE] = "undone"};

const char *change_record_state_name(enum record_state s)
{
    return state_names[s];
}

static char *directory_of(const char *state_directory)
{
    return xasprintf("%s/changes", state_directory);
}

/* --- The lock --------------------------------------------------------------------------------- */

int change_records_lock(const char *state_directory, struct error **err)
{
    cleanup_free char *directory = directory_of(state_directory);
    cleanup_free char *path = xasprintf("%s/lock", directory);
    if (file_make_directories(directory, err) < 0)
        return -1;
    cleanup_close int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return error_set_errno(err, errno, "cannot open %s", path);
    return file_lock(fd, path, FILE_LOCK_WAIT, err) < 0 ? -1 : TAKE_FD(fd);
}

/* --- Writing ---------------------------------------------------------------------------------- */

static char *time_text(const struct timespec *t, const char *format)
{
    char text[32];
    struct tm tm;
    strftime(text, sizeof(text), format, gmtime_r(&t->tv_sec, &tm));
    return xstrdup(text);
}

/* Names in the order of time, by letters alone, whatever a domain or its disk is called. */
static char *new_path(const char *state_directory, const struct timespec *now, const char *uuid,
                      const char *target)
{
    cleanup_free char *directory = directory_of(state_directory);
    cleanup_free char *time = time_text(now, "%Y%m%dT%H%M%S");
    cleanup_free char *name = xasprintf("%s-%09ld-%s-%s", time, (long)now->tv_nsec, uuid, target);
    text_plain_name(name);
    return xasprintf("%s/%s.json", directory, name);
}

struct change_record *change_record_new(const char *state_directory, const char *uri,
                                        const char *name, const char *uuid, const char *target,
                                        const char *before, GPtrArray *edits, json_t *plan)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct change_record *r = xcalloc(1, sizeof(*r));
    *r = (struct change_record){
        .path = new_path(state_directory, &now, uuid, target),
        .created = time_text(&now, "%Y-%m-%dT%H:%M:%SZ"),
        .uri = xstrdup(uri),
        .name = xstrdup(name),
        .uuid = xstrdup(uuid),
        .target = xstrdup(target),
        .before = xstrdup(before),
        .edits = g_ptr_array_ref(edits),
        .plan = json_incref(plan),
        .measured = json_object(),
    };
    return r;
}

int change_record_save(struct change_record *r, enum record_state state, struct error **err)
{
    cleanup_json json_t *json = json_pack(
        "{s:i, s:s, s:s, s:s, s:s, s:{s:s, s:s}, s:s, s:o, s:s, s:O?, s:O}", "change",
        RECORD_FORMAT, "version", VERSION, "created", r->created, "state", state_names[state],
        "uri", r->uri, "domain", "name", r->name, "uuid", r->uuid, "target", r->target, "edits",
        edits_to_json(r->edits), "before", r->before, "plan", r->plan, "measured", r->measured);
    cleanup_free char *text = json ? json_dumps(json, JSON_INDENT(2)) : NULL;
    if (!text)
        return error_set(err, "the definition of %s has what cannot be written down", r->name);
    cleanup_free char *line = xasprintf("%s\n", text);
    if (file_write_atomic(r->path, line, err) < 0)
        return error_prefix(err, "the record of the change");
    r->state = state;
    return 0;
}

/* --- Reading ---------------------------------------------------------------------------------- */

static int parse_state(const char *name, enum record_state *ret, struct error **err)
{
    for (size_t i = 0; i < ARRAY_SIZE(state_names); i++)
        if (strcmp(state_names[i], name) == 0) {
            *ret = (enum record_state)i;
            return 0;
        }
    return error_set(err, "'%s' is no state of a change", name);
}

static struct change_record *from_json(json_t *json, const char *path, struct error **err)
{
    int format = 0;
    const char *created, *state, *uri, *name, *uuid, *target, *before;
    json_t *edits, *plan = NULL, *measured = NULL;
    if (json_unpack(json, "{s:i}", "change", &format) < 0 || format != RECORD_FORMAT) {
        error_set(err, "is no record of a change that this version knows");
        return NULL;
    }
    if (json_unpack(json, "{s:s, s:s, s:s, s:{s:s, s:s}, s:s, s:o, s:s, s?o, s?o}", "created",
                    &created, "state", &state, "uri", &uri, "domain", "name", &name, "uuid", &uuid,
                    "target", &target, "edits", &edits, "before", &before, "plan", &plan,
                    "measured", &measured) < 0) {
        error_set(err, "has something missing");
        return NULL;
    }
    enum record_state parsed = RECORD_MEANT;
    g_autoptr(GPtrArray) changed = edits_from_json(edits, err);
    if (!changed || parse_state(state, &parsed, err) < 0)
        return NULL;
    struct change_record *r = xcalloc(1, sizeof(*r));
    *r = (struct change_record){
        .path = xstrdup(path),
        .created = xstrdup(created),
        .state = parsed,
        .uri = xstrdup(uri),
        .name = xstrdup(name),
        .uuid = xstrdup(uuid),
        .target = xstrdup(target),
        .before = xstrdup(before),
        .edits = g_steal_pointer(&changed),
        .plan = json_is_object(plan) ? json_incref(plan) : NULL,
        .measured = json_is_object(measured) ? json_incref(measured) : json_object(),
    };
    return r;
}

static struct change_record *read_record(const char *path, struct error **err)
{
    size_t length;
    cleanup_free char *text = file_read(path, &length, err);
    cleanup_json json_t *json =
        text ? json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL) : NULL;
    struct change_record *r = text ? from_json(json, path, err) : NULL;
    if (!r && text)
        error_prefix(err, "%s", path);
    return r;
}

static bool is_observed(const json_t *measured)
{
    const char *how = json_string_value(json_object_get(measured, "how"));
    return how && strcmp(how, "observed") == 0;
}

int change_record_keep(struct change_record *r, const char *when, json_t *measured,
                       struct error **err)
{
    cleanup_change_record struct change_record *now = read_record(r->path, err);
    if (!now)
        return -1;
    const json_t *there = json_object_get(now->measured, when);
    if (is_observed(measured) && there && !is_observed(there))
        return 0;
    json_object_set(r->measured, when, measured);
    json_object_set(now->measured, when, measured);
    if (change_record_save(now, now->state, err) < 0)
        return -1;
    r->state = now->state;
    return 0;
}

static bool is_asked_for(const struct change_record *r, const char *uuid, const char *target)
{
    return (!uuid || strcmp(r->uuid, uuid) == 0) && (!target || strcmp(r->target, target) == 0);
}

static gint compare_paths(gconstpointer a, gconstpointer b)
{
    return strcmp((*(const struct change_record *const *)a)->path,
                  (*(const struct change_record *const *)b)->path);
}

GPtrArray *change_records_read(const char *state_directory, const char *uuid, const char *target,
                               GPtrArray *notes, struct error **err)
{
    cleanup_free char *directory = directory_of(state_directory);
    g_autoptr(GPtrArray) records =
        g_ptr_array_new_with_free_func((GDestroyNotify)change_record_free);
    g_autoptr(GError) why = NULL;
    g_autoptr(GDir) dir = g_dir_open(directory, 0, &why);
    if (!dir && !g_error_matches(why, G_FILE_ERROR, G_FILE_ERROR_NOENT)) {
        error_set(err, "cannot read the records of changes: %s", why->message);
        return NULL;
    }
    for (const char *name; dir && (name = g_dir_read_name(dir));) {
        cleanup_error struct error *unread = NULL;
        if (!g_str_has_suffix(name, ".json"))
            continue;
        cleanup_free char *path = xasprintf("%s/%s", directory, name);
        cleanup_change_record struct change_record *r = read_record(path, &unread);
        if (!r)
            g_ptr_array_add(notes, TAKE_PTR(unread->message));
        else if (is_asked_for(r, uuid, target))
            g_ptr_array_add(records, TAKE_PTR(r));
    }
    g_ptr_array_sort(records, compare_paths);
    return g_steal_pointer(&records);
}

void change_record_free(struct change_record *r)
{
    if (!r)
        return;
    char *const owned[] = {r->path, r->created, r->uri, r->name, r->uuid, r->target, r->before};
    for (size_t i = 0; i < ARRAY_SIZE(owned); i++)
        free(owned[i]);
    if (r->edits)
        g_ptr_array_unref(r->edits);
    json_decref(r->plan);
    json_decref(r->measured);
    free(r);
}
