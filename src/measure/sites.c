/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "measure/sites.h"

#include <string.h>

#include "base/memory.h"

/* Of a probe guest that has 512 MiB, and most of whose own needs are disks. */
#define MEMORY_MAX_MIB 256

struct sites {
    struct suite *suite;
    bool once;
    unsigned groups;
    struct crew **crews; /* of each group */
    size_t disks;
    struct site **sites; /* of each disk, one for each group */
};

static struct suite *copy_suite(const struct suite *suite)
{
    struct suite *copy = suite_new(suite->name);
    for (unsigned i = 0; i < suite->count; i++)
        suite_add(copy, &suite->works[i], i && suite->works[i].group == suite->works[i - 1].group);
    return copy;
}

static struct crew *crew_of(const struct suite *suite, unsigned group, uint64_t seed,
                            struct error **err)
{
    unsigned count;
    const struct work *works = suite_group(suite, group, &count);
    cleanup_free struct workload *workloads = xcalloc(count, sizeof(*workloads));
    for (unsigned i = 0; i < count; i++)
        workloads[i] = works[i].workload;
    return crew_new(workloads, count, seed, err);
}

int sites_check_memory(const struct suite *suite, struct error **err)
{
    uint64_t bytes = 0;
    for (unsigned i = 0; i < suite->count; i++)
        bytes += buffers_length(&suite->works[i].workload) * suite->works[i].workload.jobs;
    if (bytes >> 20 <= MEMORY_MAX_MIB)
        return 0;
    error_set(err, "the buffers of all works and jobs take %llu MiB, and there is room for %d",
              (unsigned long long)(bytes >> 20), MEMORY_MAX_MIB);
    return error_hint(err,
                      "each job takes its queue depth by its block size, in whole 2 MiB: fewer "
                      "works at a time, or smaller ones");
}

struct sites *sites_new(const struct suite *suite, bool once, uint64_t seed, struct error **err)
{
    cleanup_sites struct sites *s = xcalloc(1, sizeof(*s));
    s->suite = copy_suite(suite);
    s->once = once;
    s->groups = suite_groups(suite);
    s->crews = xcalloc(s->groups, sizeof(struct crew *));
    if (once && s->groups > 1) {
        error_set(err, "first writes can be measured of one work at a time");
        return NULL;
    }
    if (sites_check_memory(suite, err) < 0)
        return NULL;
    for (unsigned g = 0; g < s->groups; g++) {
        s->crews[g] = crew_of(suite, g, seed + g, err);
        if (!s->crews[g])
            return NULL;
    }
    return TAKE_PTR(s);
}

void sites_free(struct sites *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->disks * s->groups; i++)
        site_free(s->sites[i]);
    for (unsigned g = 0; g < s->groups; g++)
        crew_free(s->crews[g]);
    free(s->sites);
    free(s->crews);
    suite_free(s->suite);
    free(s);
}

static struct site *open_site(struct sites *s, const char *path, unsigned group, uint64_t seed,
                              struct error **err)
{
    unsigned count;
    const struct work *works = suite_group(s->suite, group, &count);
    cleanup_free uint64_t *spans = xcalloc(count, sizeof(*spans));
    for (unsigned i = 0; i < count; i++)
        spans[i] = works[i].span_bytes;
    return site_open(s->crews[group], path, spans, s->once, seed, err);
}

int sites_add(struct sites *s, const char *path, uint64_t seed, struct error **err)
{
    s->sites = xreallocarray(s->sites, (s->disks + 1) * s->groups, sizeof(struct site *));
    struct site **own = s->sites + s->disks * s->groups;
    memset(own, 0, s->groups * sizeof(struct site *));
    s->disks++;
    for (unsigned g = 0; g < s->groups; g++) {
        own[g] = open_site(s, path, g, seed + g * UINT64_C(7919), err);
        if (!own[g])
            return -1;
    }
    return 0;
}

size_t sites_disks(const struct sites *s)
{
    return s->disks;
}

const struct suite *sites_suite(const struct sites *s)
{
    return s->suite;
}

struct site *sites_site(struct sites *s, size_t disk, unsigned group)
{
    return s->sites[disk * s->groups + group];
}

int sites_run(struct sites *s, size_t disk, unsigned group, const struct budget *budget,
              struct slice *ret, struct error **err)
{
    unsigned count;
    suite_group(s->suite, group, &count);
    cleanup_free struct budget *budgets = xcalloc(count, sizeof(*budgets));
    for (unsigned i = 0; i < count; i++)
        budgets[i] = *budget;
    return site_run(sites_site(s, disk, group), budgets, ret, err);
}

void sites_clear_latencies(struct sites *s)
{
    for (size_t i = 0; i < s->disks * s->groups; i++)
        site_clear_latencies(s->sites[i]);
}

void sites_add_latencies(const struct sites *s, size_t disk, unsigned work, struct histogram *into)
{
    unsigned count, group = s->suite->works[work].group;
    const struct work *first = suite_group(s->suite, group, &count);
    unsigned within = (unsigned)(&s->suite->works[work] - first);
    site_add_latencies(s->sites[disk * s->groups + group], within, into);
}
