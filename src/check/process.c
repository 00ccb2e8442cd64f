/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check/process.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "check/tasks.h"
#include "host/cgroup.h"

struct processes {
    GHashTable *by_uuid; /* char * → GINT_TO_POINTER(pid), 0 where there are several */
};

/* --- Which process ---------------------------------------------------------------------------- */

char *process_uuid(const char *line, size_t length)
{
    for (const char *at = line, *end = line + length; at < end; at += strlen(at) + 1) {
        const char *value = at + strlen(at) + 1;
        if (strcmp(at, "-uuid") == 0 && value < end)
            return xstrdup(value);
    }
    return NULL;
}

static void note_process(struct processes *p, const struct root *r, const char *pid)
{
    size_t length;
    cleanup_free char *path = xasprintf("/proc/%s/cmdline", pid);
    cleanup_free char *line = root_read_data(r, path, &length);
    cleanup_free char *uuid = line ? process_uuid(line, length) : NULL;
    if (!uuid)
        return;
    /* Anybody can write what a QEMU is started with: of two it is not known which one is it. */
    bool again = g_hash_table_contains(p->by_uuid, uuid);
    g_hash_table_insert(p->by_uuid, TAKE_PTR(uuid), GINT_TO_POINTER(again ? 0 : atoi(pid)));
}

struct processes *processes_read(const struct root *r)
{
    struct processes *p = xcalloc(1, sizeof(*p));
    p->by_uuid = g_hash_table_new_full(g_str_hash, g_str_equal, free, NULL);
    g_autoptr(GPtrArray) names = root_list(r, "/proc");
    for (guint i = 0; i < names->len; i++)
        if (g_ascii_isdigit(*(const char *)names->pdata[i]))
            note_process(p, r, names->pdata[i]);
    return p;
}

void processes_free(struct processes *p)
{
    g_hash_table_unref(p->by_uuid);
    free(p);
}

/* --- What it has open ------------------------------------------------------------------------- */

/* Of several descriptors of one file, one that is direct decides: QEMU opens it a second time to
 * look at it. */
static void note_descriptor(GHashTable *direct, const struct root *r, pid_t pid, const char *number)
{
    cleanup_free char *link = xasprintf("/proc/%d/fd/%s", (int)pid, number);
    cleanup_free char *info = xasprintf("/proc/%d/fdinfo/%s", (int)pid, number);
    cleanup_free char *path = root_readlink(r, link);
    cleanup_free char *text = path && path[0] == '/' ? root_read(r, info) : NULL;
    const char *flags = text ? strstr(text, "flags:") : NULL;
    if (!flags)
        return;
    bool is_direct = strtoul(flags + strlen("flags:"), NULL, 8) & O_DIRECT;
    if (is_direct || !g_hash_table_contains(direct, path))
        g_hash_table_insert(direct, TAKE_PTR(path), GINT_TO_POINTER(is_direct));
}

static GHashTable *read_descriptors(const struct root *r, pid_t pid)
{
    GHashTable *direct = g_hash_table_new_full(g_str_hash, g_str_equal, free, NULL);
    cleanup_free char *directory = xasprintf("/proc/%d/fd", (int)pid);
    g_autoptr(GPtrArray) numbers = root_list(r, directory);
    for (guint i = 0; i < numbers->len; i++)
        note_descriptor(direct, r, pid, numbers->pdata[i]);
    return direct;
}

/* --- What it said ----------------------------------------------------------------------------- */

GPtrArray *process_fallbacks(const char *log)
{
    GPtrArray *found = g_ptr_array_new_with_free_func(free);
    g_auto(GStrv) lines = g_strsplit(log, "\n", -1);
    for (char **line = lines; *line; line++)
        if (strstr(*line, ": starting up"))
            g_ptr_array_set_size(found, 0);
        else if (strstr(*line, "falling back to thread pool"))
            g_ptr_array_add(found, xstrdup(*line));
    return found;
}

/* The name of a domain is not one of a file unless it is checked. */
static char *read_log(const struct root *r, const char *name)
{
    if (strchr(name, '/') || name[0] == '.')
        return NULL;
    cleanup_free char *path = xasprintf("/var/log/libvirt/qemu/%s.log", name);
    return root_read(r, path);
}

/* --- All of it -------------------------------------------------------------------------------- */

struct check_process *process_look(const struct processes *p, const struct root *r,
                                   const struct mounts *mounts, const struct domain_model *m)
{
    pid_t pid = m->uuid ? GPOINTER_TO_INT(g_hash_table_lookup(p->by_uuid, m->uuid)) : 0;
    if (!pid)
        return NULL;
    cleanup_free char *log = read_log(r, m->name);
    struct check_process *c = xcalloc(1, sizeof(*c));
    *c = (struct check_process){
        .pid = pid,
        .direct = read_descriptors(r, pid),
        .fallbacks = process_fallbacks(log ? log : ""),
        .io_limit = cgroup_io_limit(r, mounts, pid),
        .cpu_limit = cgroup_cpu_limit(r, mounts, pid),
        .tasks = tasks_read(r, pid),
    };
    return c;
}

void check_process_free(struct check_process *p)
{
    if (!p)
        return;
    g_hash_table_unref(p->direct);
    g_ptr_array_unref(p->fallbacks);
    if (p->tasks)
        g_ptr_array_unref(p->tasks);
    free(p->io_limit);
    free(p->cpu_limit);
    free(p);
}
