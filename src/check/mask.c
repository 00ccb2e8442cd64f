/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check/mask.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "check/process.h"
#include "host/facts.h"
#include "host/mounts.h"

struct mask {
    GHashTable *pids; /* "4711" of the QEMUs that are looked at */
    const GPtrArray *mounts;
};

/* --- Processes -------------------------------------------------------------------------------- */

/* What is behind the process's number in a path of /proc ("", "/cmdline"); NULL for another path.
 * The caller frees the number. */
static const char *below_process(const char *path, char **ret_pid)
{
    static const char proc[] = "/proc/";
    const char *number = path + strlen(proc);
    if (!g_str_has_prefix(path, proc) || !g_ascii_isdigit(*number))
        return NULL;
    size_t length = strcspn(number, "/");
    *ret_pid = strndup(number, length);
    return number + length;
}

static char *uuid_of(const struct recorded *e)
{
    return e->data ? process_uuid(e->data, e->length) : NULL;
}

static void find_processes(struct mask *m, const struct record *r, GHashTable *uuids)
{
    GHashTableIter i;
    gpointer path, e;
    g_hash_table_iter_init(&i, record_entries(r));
    while (g_hash_table_iter_next(&i, &path, &e)) {
        cleanup_free char *pid = NULL;
        const char *name = below_process(path, &pid);
        cleanup_free char *uuid = name && strcmp(name, "/cmdline") == 0 ? uuid_of(e) : NULL;
        if (uuid && g_hash_table_contains(uuids, uuid))
            g_hash_table_add(m->pids, TAKE_PTR(pid));
    }
}

struct mask *mask_new(const struct record *r, GHashTable *uuids, const GPtrArray *mounts)
{
    struct mask *m = xcalloc(1, sizeof(*m));
    m->pids = g_hash_table_new_full(g_str_hash, g_str_equal, free, NULL);
    m->mounts = mounts;
    find_processes(m, r, uuids);
    return m;
}

void mask_free(struct mask *m)
{
    if (m)
        g_hash_table_unref(m->pids);
    free(m);
}

/* Of a process's descriptors those of files count. */
static bool is_no_file(const char *name, const struct recorded *e)
{
    return g_str_has_prefix(name, "/fd/") && (e->type != RECORDED_LINK || e->data[0] != '/');
}

bool mask_drops(const struct mask *m, const char *path, const struct recorded *e)
{
    cleanup_free char *pid = NULL;
    const char *name = below_process(path, &pid);
    if (name)
        return !g_hash_table_contains(m->pids, pid) || (e && is_no_file(name, e));
    return e && e->listed && g_str_has_prefix(path, "/proc/");
}

/* --- What is in files ------------------------------------------------------------------------- */

/* The program and the UUID, both with their NUL. */
static char *mask_command(const struct recorded *e, size_t *ret_length)
{
    cleanup_free char *uuid = uuid_of(e);
    GString *line = g_string_new(e->data);
    g_string_append_len(line, "\0-uuid", sizeof("\0-uuid"));
    g_string_append_len(line, uuid ? uuid : "", (gssize)(uuid ? strlen(uuid) : 0) + 1);
    *ret_length = line->len;
    return g_string_free(line, FALSE);
}

/* The lines that begin with a word. */
static char *lines_with(const char *text, const char *word)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    GString *out = g_string_new(NULL);
    for (char **line = lines; *line; line++)
        if (g_str_has_prefix(*line, word))
            g_string_append_printf(out, "%s\n", *line);
    return g_string_free(out, FALSE);
}

/* What tasks.c reads of a thread's: beside it there are users, groups and memory. */
static char *mask_status(const char *text)
{
    cleanup_free char *name = lines_with(text, "Name:");
    cleanup_free char *cpus = lines_with(text, "Cpus_allowed_list:");
    return xasprintf("%s%s", name, cpus);
}

/* The version, without what a distribution or somebody else put behind it. */
static char *mask_release(const char *text)
{
    return xasprintf("%.*s\n", (int)strspn(text, "0123456789."), text);
}

static char *mask_log(const char *text)
{
    g_autoptr(GPtrArray) lines = process_fallbacks(text);
    GString *out = g_string_new(NULL);
    for (guint i = 0; i < lines->len; i++)
        g_string_append_printf(out, "%s\n", (char *)lines->pdata[i]);
    return g_string_free(out, FALSE);
}

/* How much of an identity says what it is of: what is in front of the first hyphen, and of
 * encryption its kind as well. */
static size_t kind_length(const char *text)
{
    static const char crypt[] = "CRYPT-";
    size_t first = strcspn(text, "-");
    const char *second = g_str_has_prefix(text, crypt) ? strchr(text + strlen(crypt), '-') : NULL;
    return second ? (size_t)(second - text) : first;
}

/* "mpath-3600508b1001c" → "mpath-xxxxxxxxxxxxx": the kind stays, a pool is known by what it ends
 * in, and hyphens count. */
static char *mask_identity(const char *text)
{
    static const char pool[] = "-tpool";
    char *masked = xstrdup(text);
    size_t length = strcspn(text, "\n");
    bool is_pool =
        length >= strlen(pool) && strncmp(text + length - strlen(pool), pool, strlen(pool)) == 0;
    size_t end = is_pool ? length - strlen(pool) : length;
    for (size_t i = kind_length(text); i < end; i++)
        masked[i] = isspace((unsigned char)text[i]) || text[i] == '-' ? text[i] : 'x';
    return masked;
}

/* Where control groups are mounted tells where limits are. Blanks in a name are written otherwise.
 */
static bool is_of_groups(const char *line)
{
    return strstr(line, " - cgroup ") || strstr(line, " - cgroup2 ");
}

static bool is_seen(const struct mask *m, const char *line)
{
    unsigned id = (unsigned)strtoul(line, NULL, 10);
    for (guint i = 0; *line && i < m->mounts->len; i++)
        if (((const struct mount *)m->mounts->pdata[i])->id == id)
            return true;
    return false;
}

/* An option of a network file system that says who somebody is. */
static bool is_personal(const char *option, size_t length)
{
    static const char *const names[] = {"username", "user",      "password", "pass",
                                        "domain",   "password2", "secret",   "name"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (strlen(names[i]) == length && strncmp(option, names[i], length) == 0)
            return true;
    return false;
}

static void append_mount(GString *out, const char *line)
{
    for (const char *at = line; *at;) {
        size_t word = strcspn(at, ", "), name = strcspn(at, "=, ");
        bool masked = name < word && is_personal(at, name);
        g_string_append_len(out, at, (gssize)(masked ? name + 1 : word));
        g_string_append(out, masked ? "masked" : "");
        at += word;
        if (*at)
            g_string_append_c(out, *at++);
    }
    g_string_append_c(out, '\n');
}

static char *mask_mounts(const struct mask *m, const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    GString *out = g_string_new(NULL);
    for (char **line = lines; *line; line++)
        if (is_of_groups(*line) || is_seen(m, *line))
            append_mount(out, *line);
    return g_string_free(out, FALSE);
}

char *mask_data(const struct mask *m, const char *path, const struct recorded *e,
                size_t *ret_length)
{
    cleanup_free char *pid = NULL;
    const char *name = below_process(path, &pid);
    if (name && strcmp(name, "/cmdline") == 0)
        return mask_command(e, ret_length);
    char *masked = NULL;
    if (name && g_str_has_prefix(name, "/fdinfo/"))
        masked = lines_with(e->data, "flags:");
    else if (name && g_str_has_prefix(name, "/task/") && g_str_has_suffix(name, "/status"))
        masked = mask_status(e->data);
    else if (strcmp(path, "/proc/self/mountinfo") == 0)
        masked = mask_mounts(m, e->data);
    else if (strcmp(path, "/proc/sys/kernel/osrelease") == 0)
        masked = mask_release(e->data);
    else if (strcmp(path, "/proc/meminfo") == 0)
        masked = lines_with(e->data, "MemTotal:");
    else if (g_str_has_prefix(path, "/var/log/"))
        masked = mask_log(e->data);
    else if (g_str_has_prefix(path, "/sys/") && g_str_has_suffix(path, "/dm/uuid"))
        masked = mask_identity(e->data);
    else
        masked = host_facts_asked_for(path, e->data);
    if (masked)
        *ret_length = strlen(masked);
    return masked;
}
