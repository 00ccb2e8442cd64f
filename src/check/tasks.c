/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check/tasks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* More than a guest with all the vCPUs there can be, and pools of workers, has. */
#define TASKS_MAX 4096

static void free_task(void *data)
{
    struct task *t = data;
    free(t->cpus);
    free(t);
}

char *task_status_value(const char *status, const char *name)
{
    cleanup_free char *start = xasprintf("\n%s:\t", name);
    const char *line = strstr(status, start);
    const char *value = line ? line + strlen(start) : NULL;
    return value ? xasprintf("%.*s", (int)strcspn(value, "\n"), value) : NULL;
}

/* Of a name the kernel keeps 15 bytes. */
bool task_find_role(const char *name, struct task *t)
{
    if (sscanf(name, "IO iothread%9u", &t->id) == 1)
        t->role = TASK_IOTHREAD;
    else if (sscanf(name, "CPU %9u/", &t->id) == 1 || g_str_has_prefix(name, "ALL CPUs/"))
        t->role = TASK_VCPU;
    else
        return false;
    return true;
}

static void note_task(GPtrArray *tasks, const struct root *r, const char *path, bool is_main)
{
    struct task t = {.role = TASK_MAIN};
    cleanup_free char *text = root_read(r, path);
    /* The first line is the name's. */
    cleanup_free char *status = xasprintf("\n%s", text ? text : "");
    cleanup_free char *name = task_status_value(status, "Name");
    cleanup_free char *cpus = task_status_value(status, "Cpus_allowed_list");
    if (!name || !cpus || (!is_main && !task_find_role(name, &t)))
        return;
    struct task *copy = xcalloc(1, sizeof(*copy));
    *copy = t;
    copy->cpus = TAKE_PTR(cpus);
    g_ptr_array_add(tasks, copy);
}

GPtrArray *tasks_read(const struct root *r, pid_t pid)
{
    GPtrArray *tasks = g_ptr_array_new_with_free_func(free_task);
    cleanup_free char *directory = xasprintf("/proc/%d/task", (int)pid);
    cleanup_free char *first = xasprintf("%s/%d/status", directory, (int)pid);
    g_autoptr(GPtrArray) names = root_list(r, directory);
    note_task(tasks, r, first, /* is_main = */ true);
    for (guint i = 0; i < MIN(names->len, TASKS_MAX); i++) {
        cleanup_free char *path =
            xasprintf("%s/%s/status", directory, (const char *)names->pdata[i]);
        if (strcmp(path, first) != 0)
            note_task(tasks, r, path, /* is_main = */ false);
    }
    return tasks;
}
