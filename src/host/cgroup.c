/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A process is in one group of each hierarchy. /proc/PID/cgroup has a line for each,
 * "N:CONTROLLERS:/GROUP", and "0::/GROUP" for that of version 2 (cgroups(7)). A controller is in
 * one of them only: where version 1 has it, the files of version 2 are not there.
 */
#include "host/cgroup.h"

#include <inttypes.h>
#include <string.h>

#include "base/memory.h"

/* --- Where they are --------------------------------------------------------------------------- */

/* Whether a list with commas has the word; an empty one has the empty word. */
static bool list_has(const char *list, size_t length, const char *word)
{
    g_autofree char *copy = g_strndup(list, length);
    g_auto(GStrv) words = g_strsplit(copy, ",", -1);
    return *word ? g_strv_contains((const char *const *)words, word) : !length;
}

/* The group in the hierarchy of this controller, "" for that of version 2: "/machine.slice/…";
 * NULL. One above the root that we see is not known. The caller frees. */
static char *group_of(const struct root *r, pid_t pid, const char *controller)
{
    cleanup_free char *path = xasprintf("/proc/%d/cgroup", (int)pid);
    cleanup_free char *text = root_read(r, path);
    g_auto(GStrv) lines = g_strsplit(text ? text : "", "\n", -1);
    for (char **line = lines; *line; line++) {
        const char *list = strchr(*line, ':');
        const char *group = list ? strchr(++list, ':') : NULL;
        if (group && group[1] == '/' && list_has(list, (size_t)(group - list), controller))
            return strstr(group, "/..") ? NULL : xstrdup(group + 1);
    }
    return NULL;
}

/* The part of a group's path that is below a mount of the hierarchy, whose root may be a group
 * itself; NULL where it is not. */
static const char *below_mount(const struct mount *m, const char *group)
{
    size_t length = strcmp(m->root, "/") == 0 ? 0 : strlen(m->root);
    return strncmp(group, m->root, length) == 0 && group[length] == '/' ? group + length : NULL;
}

/* A group's place: where its hierarchy is mounted, and its path below that. */
struct place_of_group {
    const char *point;
    char *group; /* "" for the hierarchy's root */
};

static void place_done(struct place_of_group *p)
{
    free(p->group);
}
#define cleanup_group at_scope_end(place_done)

/* *ret is for the caller to clean up; without a point where that is not known. */
static void find_group(const struct root *r, const struct mounts *m, pid_t pid,
                       const char *controller, struct place_of_group *ret)
{
    *ret = (struct place_of_group){0};
    cleanup_free char *group = group_of(r, pid, controller);
    const GPtrArray *list = mounts_list(m);
    for (guint i = 0; group && i < list->len; i++) {
        const struct mount *mount = list->pdata[i];
        bool is_it = *controller
                         ? strcmp(mount->type, "cgroup") == 0 && mount_has_option(mount, controller)
                         : strcmp(mount->type, "cgroup2") == 0;
        const char *below = is_it ? below_mount(mount, group) : NULL;
        if (!below)
            continue;
        *ret = (struct place_of_group){mount->point, xstrdup(strcmp(below, "/") ? below : "")};
        return;
    }
}

static char *read_value(const struct root *r, const struct place_of_group *at, const char *file)
{
    cleanup_free char *path = xasprintf("%s%s/%s", at->point, at->group, file);
    char *value = root_read_word(r, path);
    /* One device a line. */
    return value ? g_strdelimit(value, "\n", ',') : NULL;
}

/* Moves on to the group above; whether there is one. */
static bool ascend(struct place_of_group *at)
{
    if (!at->group[0])
        return false;
    *strrchr(at->group, '/') = '\0';
    return true;
}

static const char *name_of(const struct place_of_group *at)
{
    return at->group[0] ? at->group : "/";
}

/* --- Version 2 -------------------------------------------------------------------------------- */

/* A limit of the group or of one above it, the innermost first (cgroup-v2.rst). */
static char *find_limit(const struct root *r, const struct mounts *m, pid_t pid, const char *file)
{
    cleanup_group struct place_of_group at;
    find_group(r, m, pid, "", &at);
    if (!at.point)
        return NULL;
    do {
        cleanup_free char *value = read_value(r, &at, file);
        if (value && value[0] && !g_str_has_prefix(value, "max"))
            return xasprintf("%s of %s: %s", file, name_of(&at), value);
    } while (ascend(&at));
    return NULL;
}

/* --- Version 1 -------------------------------------------------------------------------------- */

/* Of the group alone: throttles of version 1 do not hold what is in groups below
 * (cgroup-v1/blkio-controller.rst: "hierarchy support is enabled iff sane_behavior"). */
static char *find_throttles(const struct root *r, const struct mounts *m, pid_t pid)
{
    static const char *const files[] = {
        "blkio.throttle.read_bps_device", "blkio.throttle.write_bps_device",
        "blkio.throttle.read_iops_device", "blkio.throttle.write_iops_device"};
    cleanup_group struct place_of_group at;
    g_autoptr(GString) text = g_string_new(NULL);
    find_group(r, m, pid, "blkio", &at);
    for (size_t i = 0; at.point && i < ARRAY_SIZE(files); i++) {
        cleanup_free char *value = read_value(r, &at, files[i]);
        if (value && value[0])
            g_string_append_printf(text, "%s%s of %s: %s", text->len ? "; " : "", files[i],
                                   name_of(&at), value);
    }
    return text->len ? xstrdup(text->str) : NULL;
}

/* A quota of the group or of one above it, the innermost first (sched-bwc.rst). */
static char *find_quota(const struct root *r, const struct mounts *m, pid_t pid)
{
    cleanup_group struct place_of_group at;
    find_group(r, m, pid, "cpu", &at);
    if (!at.point)
        return NULL;
    do {
        int64_t quota = root_read_number(r, "%s%s/cpu.cfs_quota_us", at.point, at.group);
        int64_t period = root_read_number(r, "%s%s/cpu.cfs_period_us", at.point, at.group);
        if (quota > 0 && period > 0)
            return xasprintf("cpu.cfs_quota_us of %s: %" PRId64 " of %" PRId64, name_of(&at), quota,
                             period);
    } while (ascend(&at));
    return NULL;
}

/* --- Either ----------------------------------------------------------------------------------- */

char *cgroup_io_limit(const struct root *r, const struct mounts *m, pid_t pid)
{
    char *limit = find_limit(r, m, pid, "io.max");
    return limit ? limit : find_throttles(r, m, pid);
}

char *cgroup_cpu_limit(const struct root *r, const struct mounts *m, pid_t pid)
{
    char *limit = find_limit(r, m, pid, "cpu.max");
    return limit ? limit : find_quota(r, m, pid);
}
