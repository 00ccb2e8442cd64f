/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check/host.h"

#include "base/memory.h"

struct check_host *check_host_new(const char *directory, struct error **err)
{
    cleanup_check_host struct check_host *h = xcalloc(1, sizeof(*h));
    h->root = root_open(directory, err);
    if (!h->root)
        return NULL;
    h->mounts = mounts_read(h->root);
    h->stack = stack_new(h->root);
    h->facts = host_facts_read(h->root);
    h->places = places_new(h->root, h->mounts, h->stack, err);
    return h->places ? TAKE_PTR(h) : NULL;
}

void check_host_free(struct check_host *h)
{
    if (!h)
        return;
    host_facts_free(h->facts);
    if (h->places)
        places_free(h->places);
    if (h->stack)
        stack_free(h->stack);
    if (h->mounts)
        mounts_free(h->mounts);
    root_free(h->root);
    free(h);
}
