/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check/pins.h"

struct cpulist pins_of_vcpus(const struct domain_model *m, bool single)
{
    struct cpulist all = {0};
    for (size_t i = 0; i < m->vcpu_pin_count; i++) {
        struct cpulist one;
        if (cpulist_parse(m->vcpu_pins[i].cpuset, &one) == 0 &&
            (!single || cpulist_count(&one) == 1))
            cpulist_add(&all, &one);
    }
    return all;
}

const char *pins_of_iothread(const struct domain_model *m, unsigned id)
{
    for (size_t i = 0; i < m->iothread_pin_count; i++)
        if (m->iothread_pins[i].id == id)
            return m->iothread_pins[i].cpuset;
    return NULL;
}

bool pins_overlap(const struct domain_model *m, unsigned id, const struct cpulist *dedicated)
{
    const char *pin = pins_of_iothread(m, id);
    struct cpulist own;
    return cpulist_parse(pin, &own) == 0 && cpulist_covers(dedicated, &own);
}

/* What the disk lies on, from its own device down. The caller frees. */
static GPtrArray *devices_of(const struct check_disk *d)
{
    return d->place && d->place->block ? stack_all(d->place->block) : g_ptr_array_new();
}

const struct block_device *pins_near_node(const struct check_disk *d)
{
    g_autoptr(GPtrArray) all = devices_of(d);
    for (guint i = 0; i < all->len; i++) {
        const struct block_device *at = all->pdata[i];
        if (at->numa_node >= 0)
            return at;
    }
    return NULL;
}

struct cpulist pins_disk_nodes(const struct check_disk *d)
{
    struct cpulist nodes = {0};
    g_autoptr(GPtrArray) all = devices_of(d);
    for (guint i = 0; i < all->len; i++) {
        const struct block_device *at = all->pdata[i];
        if (at->numa_node >= 0)
            cpulist_include(&nodes, (unsigned)at->numa_node);
    }
    return nodes;
}

bool pins_memory_is_far(const struct domain_model *m, const struct check_disk *d)
{
    struct cpulist memory, near = pins_disk_nodes(d);
    if (cpulist_parse(m->numa_nodeset, &memory) < 0)
        return false;
    unsigned all = cpulist_count(&memory);
    cpulist_remove(&memory, &near);
    return cpulist_count(&near) && all && cpulist_count(&memory) == all;
}
