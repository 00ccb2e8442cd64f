/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/record.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

struct record {
    GMutex lock;
    GHashTable *entries;
    json_t *refusals, *places;
};

/* The kernel's own bound. */
#define LINKS_MAX 40

static void free_recorded(void *data)
{
    struct recorded *e = data;
    free(e->data);
    free(e);
}

struct record *record_new(void)
{
    struct record *r = xcalloc(1, sizeof(*r));
    g_mutex_init(&r->lock);
    r->entries = g_hash_table_new_full(g_str_hash, g_str_equal, free, free_recorded);
    r->refusals = json_object();
    r->places = json_object();
    return r;
}

void record_free(struct record *r)
{
    if (!r)
        return;
    g_hash_table_unref(r->entries);
    json_decref(r->refusals);
    json_decref(r->places);
    g_mutex_clear(&r->lock);
    free(r);
}

/* --- Entries. Under the lock ------------------------------------------------------------------ */

/* Whether the new one tells more. */
static bool tells_more(const struct recorded *old, const struct recorded *new)
{
    return old->listed || (old->type == RECORDED_FILE && !old->data && new->data);
}

static void put(struct record *r, const char *path, const struct recorded *what)
{
    struct recorded *old = g_hash_table_lookup(r->entries, path);
    if (old && !tells_more(old, what)) {
        old->image = old->image || what->image;
        return;
    }
    struct recorded *e = xcalloc(1, sizeof(*e));
    *e = *what;
    if (what->data) {
        e->data = xcalloc(what->length + 1, 1);
        memcpy(e->data, what->data, what->length);
    }
    g_hash_table_replace(r->entries, xstrdup(path), e);
}

static void put_link(struct record *r, const char *path, const char *target)
{
    put(r, path,
        &(struct recorded){
            .type = RECORDED_LINK, .data = (char *)target, .length = strlen(target)});
}

/* --- Paths ------------------------------------------------------------------------------------ */

/* Where a link points; NULL where it is none. /proc/self counts as none: whose it is is no matter.
 * The caller frees. */
static char *target_of(const char *path)
{
    char target[PATH_MAX];
    if (strcmp(path, "/proc/self") == 0)
        return NULL;
    ssize_t n = readlink(path, target, sizeof(target));
    return n <= 0 || n == sizeof(target) ? NULL : strndup(target, (size_t)n);
}

static void go_up(GString *at)
{
    const char *slash = strrchr(at->str, '/');
    g_string_truncate(at, slash ? (gsize)(slash - at->str) : 0);
}

/* Takes the first name off; false where there is none. The caller frees the name. */
static bool take_name(GString *rest, char **ret)
{
    size_t skip = strspn(rest->str, "/"), length = strcspn(rest->str + skip, "/");
    *ret = strndup(rest->str + skip, length);
    g_string_erase(rest, 0, (gssize)(skip + length));
    return length;
}

/* The path without symbolic links, each of which is noted, and each directory that is left by "..".
 * NULL where they have no end. The caller frees. */
static char *walk(struct record *r, const char *path, bool follow_last)
{
    const struct recorded directory = {.type = RECORDED_DIRECTORY};
    g_autoptr(GString) at = g_string_new(NULL), rest = g_string_new(path);
    for (int links = 0; links <= LINKS_MAX;) {
        cleanup_free char *name = NULL;
        if (!take_name(rest, &name))
            return xstrdup(at->len ? at->str : "/");
        if (strcmp(name, ".") == 0)
            continue;
        if (strcmp(name, "..") == 0) {
            if (at->len)
                put(r, at->str, &directory);
            go_up(at);
            continue;
        }
        g_string_append_printf(at, "/%s", name);
        bool last = rest->str[strspn(rest->str, "/")] == '\0';
        cleanup_free char *target = last && !follow_last ? NULL : target_of(at->str);
        if (!target)
            continue;
        put_link(r, at->str, target);
        links++;
        g_string_prepend_c(rest, '/');
        g_string_prepend(rest, target);
        go_up(at);
        if (target[0] == '/')
            g_string_truncate(at, 0);
    }
    return NULL;
}

static void note(struct record *r, const char *path, bool follow_last, const struct recorded *what)
{
    g_mutex_lock(&r->lock);
    cleanup_free char *resolved = walk(r, path, follow_last);
    if (resolved)
        put(r, resolved, what);
    g_mutex_unlock(&r->lock);
}

/* --- Noting ----------------------------------------------------------------------------------- */

void record_seen(struct record *r, const char *path, mode_t mode, bool followed)
{
    /* What is neither a file nor a block device is as little to be read as a directory. */
    bool is_file = S_ISREG(mode) || S_ISBLK(mode);
    enum recorded_type type = is_file ? RECORDED_FILE : RECORDED_DIRECTORY;
    if (!S_ISLNK(mode))
        note(r, path, followed, &(struct recorded){.type = type});
}

void record_data(struct record *r, const char *path, const void *data, size_t length)
{
    note(r, path, true, &(struct recorded){.data = (char *)data, .length = length});
}

void record_image(struct record *r, const char *path, const void *header, size_t length)
{
    note(r, path, true,
         &(struct recorded){.data = (char *)header, .length = length, .image = true});
}

void record_link(struct record *r, const char *path, const char *target)
{
    const struct recorded link = {
        .type = RECORDED_LINK, .data = (char *)target, .length = strlen(target)};
    note(r, path, false, &link);
}

void record_name(struct record *r, const char *directory, const char *name, bool is_directory)
{
    cleanup_free char *path = xasprintf("%s/%s", directory, name);
    enum recorded_type type = is_directory ? RECORDED_DIRECTORY : RECORDED_FILE;
    note(r, path, false, &(struct recorded){.type = type, .listed = true});
}

void record_refused(struct record *r, const char *path, int errnum)
{
    g_mutex_lock(&r->lock);
    json_object_set_new(r->refusals, path, json_integer(errnum));
    g_mutex_unlock(&r->lock);
}

void record_place(struct record *r, const char *path, json_t *place)
{
    g_mutex_lock(&r->lock);
    json_object_set_new(r->places, path, place);
    g_mutex_unlock(&r->lock);
}

/* --- What came of it -------------------------------------------------------------------------- */

GHashTable *record_entries(const struct record *r)
{
    return r->entries;
}

json_t *record_refusals(const struct record *r)
{
    return r->refusals;
}

json_t *record_places(const struct record *r)
{
    return r->places;
}
