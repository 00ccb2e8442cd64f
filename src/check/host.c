/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check/host.h"

#include <string.h>

#include "base/memory.h"

static struct check_host *make_host(const char *directory, struct record *record,
                                    struct error **err)
{
    cleanup_check_host struct check_host *h = xcalloc(1, sizeof(*h));
    g_mutex_init(&h->lock);
    h->seen_mounts = g_ptr_array_new();
    h->root = root_open(directory, err);
    if (!h->root)
        return NULL;
    root_record_into(h->root, record);
    h->mounts = mounts_read(h->root);
    h->stack = stack_new(h->root);
    h->facts = host_facts_read(h->root);
    h->places = places_new(h->root, h->mounts, h->stack, err);
    return h->places ? TAKE_PTR(h) : NULL;
}

struct check_host *check_host_new(const char *directory, struct error **err)
{
    return make_host(directory, NULL, err);
}

struct check_host *check_host_new_recorded(struct record *record, struct error **err)
{
    return make_host(NULL, record, err);
}

struct place *check_host_look(struct check_host *h, const char *path, struct error **err)
{
    struct place *p = place_look(h->places, path, err);
    if (!p || !p->mount)
        return p;
    g_mutex_lock(&h->lock);
    if (!g_ptr_array_find(h->seen_mounts, p->mount, NULL))
        g_ptr_array_add(h->seen_mounts, (gpointer)p->mount);
    g_mutex_unlock(&h->lock);
    return p;
}

struct check_process *check_host_process(struct check_host *h, const struct domain_model *m)
{
    g_mutex_lock(&h->lock);
    if (!h->processes)
        h->processes = processes_read(h->root);
    g_mutex_unlock(&h->lock);
    return process_look(h->processes, h->root, h->mounts, m);
}

static int compare_points(const void *a, const void *b)
{
    const struct mount *x = *(struct mount *const *)a, *y = *(struct mount *const *)b;
    return strcmp(x->point, y->point);
}

GPtrArray *check_host_mounts(struct check_host *h)
{
    g_mutex_lock(&h->lock);
    GPtrArray *mounts = g_ptr_array_copy(h->seen_mounts, NULL, NULL);
    g_mutex_unlock(&h->lock);
    g_ptr_array_sort(mounts, compare_points);
    return mounts;
}

void check_host_free(struct check_host *h)
{
    if (!h)
        return;
    host_facts_free(h->facts);
    if (h->processes)
        processes_free(h->processes);
    if (h->places)
        places_free(h->places);
    if (h->stack)
        stack_free(h->stack);
    if (h->mounts)
        mounts_free(h->mounts);
    root_free(h->root);
    g_ptr_array_unref(h->seen_mounts);
    g_mutex_clear(&h->lock);
    free(h);
}
