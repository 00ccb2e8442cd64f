/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tune/candidate.h"

#include <string.h>

#include "base/file.h"
#include "base/memory.h"

void candidate_free(void *data)
{
    struct candidate *c = data;
    free(c->id);
    free(c->left_out);
    free(c);
}

/* virt-install: a qcow2 that grows, no attribute but the cache mode, no iothread. */
static const struct disk_config unasked = {
    .bus = "virtio",
    .format = "qcow2",
    .preallocation = "off",
    .cache = "none",
    .io = "threads",
};

unsigned candidate_distance(const struct candidate *candidate, const struct disk_config *from)
{
    const struct disk_config *c = &candidate->config, *d = from ? from : &unasked;
    unsigned distance = 0;
    distance += strcmp(c->bus, d->bus) != 0;
    distance += strcmp(c->format, d->format) != 0;
    distance += strcmp(c->preallocation, d->preallocation) != 0;
    distance += strcmp(c->io, d->io) != 0;
    distance += strcmp(c->cache, d->cache) != 0;
    distance += c->iothread != d->iothread;
    distance += c->queues != d->queues;
    distance += c->cluster_bytes != d->cluster_bytes;
    distance += c->extended_l2 != d->extended_l2;
    distance += c->discard != d->discard;
    distance += c->detect_zeroes != d->detect_zeroes;
    distance += c->metadata_cache_bytes != d->metadata_cache_bytes;
    distance += c->poll_max_ns != d->poll_max_ns;
    distance += c->iothreads != d->iothreads;
    return distance;
}

const struct candidate *candidates_current(const GPtrArray *candidates)
{
    for (unsigned i = 0; i < candidates->len; i++) {
        const struct candidate *c = candidates->pdata[i];
        if (c->current)
            return c;
    }
    return NULL;
}

char *candidate_create_line(const struct candidate *c)
{
    cleanup_free char *options = disk_config_image_options(&c->config);
    return xasprintf("qemu-img create -f %s -o %s IMAGE SIZE", c->config.format, options);
}

/* --- Selection -------------------------------------------------------------------------------- */

/* A comment begins with a # at the beginning or behind a blank: "ID#2" is an id. */
static void cut_comment(char *line)
{
    for (char *at = line; (at = strchr(at, '#')); at++)
        if (at == line || g_ascii_isspace(at[-1])) {
            *at = '\0';
            return;
        }
}

/* The ids of a comma list, or of the file it names; free with g_strfreev. */
static char **selected_ids(const char *selection, struct error **err)
{
    if (!strchr(selection, '/') && access(selection, F_OK) < 0)
        return g_strsplit(selection, ",", -1);
    cleanup_free char *text = file_read(selection, NULL, err);
    char **lines = text ? g_strsplit(text, "\n", -1) : NULL;
    for (char **line = lines; lines && *line; line++)
        cut_comment(*line);
    return lines;
}

static struct candidate *find(GPtrArray *candidates, const char *id)
{
    for (unsigned i = 0; i < candidates->len; i++) {
        struct candidate *c = candidates->pdata[i];
        if (strcmp(c->id, id) == 0)
            return c;
    }
    return NULL;
}

static int unknown_candidate(GPtrArray *candidates, const char *id, struct error **err)
{
    g_autoptr(GString) known = g_string_new(NULL);
    for (unsigned i = 0; i < candidates->len; i++)
        g_string_append_printf(known, "%s%s", i ? ", " : "",
                               ((struct candidate *)candidates->pdata[i])->id);
    error_set(err, "there is no candidate '%s'", id);
    return error_hint(err, "the candidates are %s", known->str);
}

/* Another disk of a configuration that was chosen already: what an A/A race is made of. */
static struct candidate *copy_of(const struct candidate *c, unsigned number)
{
    struct candidate *copy = xcalloc(1, sizeof(*copy));
    copy->id = xasprintf("%s#%u", c->id, number);
    copy->config = c->config;
    copy->needs = c->needs;
    copy->current = c->current && number == 1;
    return copy;
}

static unsigned count_same(char **ids, char **end)
{
    unsigned count = 1;
    for (char **id = ids; id < end; id++)
        count += strcmp(*id, *end) == 0;
    return count;
}

/* What others are compared with is there unasked. */
static void keep_current(GPtrArray *candidates, GPtrArray *chosen)
{
    for (unsigned i = 0; i < chosen->len; i++)
        if (((struct candidate *)chosen->pdata[i])->current)
            return;
    for (unsigned i = 0; i < candidates->len; i++) {
        const struct candidate *c = candidates->pdata[i];
        if (!c->current || c->left_out)
            continue;
        struct candidate *copy = copy_of(c, 1);
        *strrchr(copy->id, '#') = '\0';
        g_ptr_array_insert(chosen, 0, copy);
        return;
    }
}

int candidates_select(GPtrArray *candidates, const char *selection, struct error **err)
{
    g_auto(GStrv) ids = selected_ids(selection, err);
    if (!ids)
        return -1;
    g_autoptr(GPtrArray) chosen = g_ptr_array_new_with_free_func(candidate_free);
    for (char **id = ids; *id; id++) {
        g_strstrip(*id);
        if (!**id)
            continue;
        struct candidate *c = find(candidates, *id);
        if (!c)
            return unknown_candidate(candidates, *id, err);
        if (c->left_out)
            return error_set(err, "the candidate %s cannot be tried: %s", c->id, c->left_out);
        unsigned number = count_same(ids, id);
        struct candidate *copy = copy_of(c, number);
        if (number == 1)
            *strrchr(copy->id, '#') = '\0';
        g_ptr_array_add(chosen, copy);
    }
    if (!chosen->len)
        return error_set(err, "'%s' names no candidate", selection);
    keep_current(candidates, chosen);
    g_ptr_array_set_size(candidates, 0);
    while (chosen->len)
        g_ptr_array_add(candidates, g_ptr_array_steal_index(chosen, 0));
    return 0;
}

GPtrArray *candidate_only(const char *id, unsigned lanes, struct error **err)
{
    struct candidate_facts facts = candidate_facts_read("", lanes);
    g_autoptr(GPtrArray) candidates = candidates_for_new_disk(&facts);
    if (strchr(id, ',') || strchr(id, '/')) {
        error_set(err, "'%s' is not one configuration", id);
        return NULL;
    }
    return candidates_select(candidates, id, err) < 0 ? NULL : g_steal_pointer(&candidates);
}
