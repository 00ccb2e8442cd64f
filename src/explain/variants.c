/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "explain/variants.h"

#include <string.h>

#include "base/memory.h"
#include "tune/rules.h"

static void free_variant(void *data)
{
    struct variant *v = data;
    free(v->candidate.id);
    free(v->candidate.left_out);
    free(v);
}

/* What cannot be had has its reason; that it would not be recommended is none here. */
static void add(GPtrArray *variants, const struct variants_options *o, enum variant_role role,
                const char *name, const struct disk_config *config)
{
    struct space space = space_new();
    space.vcpus = o->vcpus;
    space.disk_bytes = o->disk_bytes;
    struct variant *v = xcalloc(1, sizeof(*v));
    *v = (struct variant){
        .role = role,
        .candidate = {.id = xstrdup(name), .config = *config, .current = role == VARIANT_DISK},
    };
    if (role != VARIANT_FLOOR)
        v->candidate.left_out = rules_against(&space, o->facts, config, /* current = */ true);
    g_ptr_array_add(variants, v);
}

/* --- One layer each --------------------------------------------------------------------------- */

static bool is_raw(const struct disk_config *c)
{
    return strcmp(c->format, "raw") == 0;
}

static void add_file(GPtrArray *variants, const struct variants_options *o)
{
    if (!o->filesystem)
        return;
    cleanup_free char *name = xasprintf("%s on it", o->filesystem);
    add(variants, o, VARIANT_FILE, name, o->disk);
    struct variant *v = variants->pdata[variants->len - 1];
    v->candidate.filesystem = o->filesystem;
}

static void add_free(GPtrArray *variants, const struct variants_options *o)
{
    if (o->limited)
        add(variants, o, VARIANT_FREE, "no limits", o->disk);
}

/* Allocated in the image's own tables and not on the host: what the host does for a first write it
 * does here as well. */
static void add_written(GPtrArray *variants, const struct variants_options *o)
{
    struct disk_config c = *o->disk;
    if (!o->fresh || is_raw(&c) || strcmp(c.preallocation, "off") != 0)
        return;
    c.preallocation = "metadata";
    add(variants, o, VARIANT_WRITTEN, "clusters allocated", &c);
}

static void add_raw(GPtrArray *variants, const struct variants_options *o)
{
    struct disk_config c = *o->disk;
    if (is_raw(&c))
        return;
    c.format = "raw";
    c.cluster_bytes = 0;
    c.extended_l2 = false;
    c.metadata_cache_bytes = 0;
    /* The raw image's way of being allocated; what qcow2 has allocated in its own tables alone is
     * a file with holes as well. */
    if (strcmp(c.preallocation, "metadata") == 0)
        c.preallocation = "off";
    add(variants, o, VARIANT_RAW, "raw", &c);
}

/* Behind a device like the disk's. That is of virtio-blk: a SCSI controller has no such twin. */
static void add_floor(GPtrArray *variants, const struct variants_options *o)
{
    if (disk_config_has_controller(o->disk))
        return;
    struct disk_config c = {
        .bus = "virtio",
        .format = DISK_FORMAT_NULL,
        .preallocation = "off",
        .cache = "none",
        .io = "threads",
        .iothread = disk_config_iothreads(o->disk) > 0,
        .poll_max_ns = o->disk->poll_max_ns,
    };
    add(variants, o, VARIANT_FLOOR, "nothing behind it", &c);
}

static void add_ways(GPtrArray *variants, const struct variants_options *o)
{
    static const char *const ways[] = {"threads", "native", "io_uring"};
    for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
        struct disk_config c = *o->disk;
        cleanup_free char *name = xasprintf("io=%s", ways[i]);
        if (strcmp(c.io, ways[i]) == 0)
            continue;
        c.io = ways[i];
        add(variants, o, VARIANT_AIO, name, &c);
    }
}

static void add_thread(GPtrArray *variants, const struct variants_options *o)
{
    struct disk_config c = *o->disk;
    bool has = disk_config_iothreads(&c) > 0;
    c.iothread = !has;
    c.iothreads = 0;
    c.poll_max_ns = 0;
    add(variants, o, VARIANT_THREAD, has ? "no iothread" : "iothread", &c);
}

static void add_cache(GPtrArray *variants, const struct variants_options *o)
{
    struct disk_config c = *o->disk;
    if (strcmp(c.cache, "none") == 0)
        return;
    c.cache = "none";
    add(variants, o, VARIANT_CACHE, "cache=none", &c);
}

static void add_tables(GPtrArray *variants, const struct variants_options *o)
{
    struct disk_config c = *o->disk;
    uint64_t needed = disk_config_full_cache_bytes(&c, o->disk_bytes);
    bool covers = c.metadata_cache_bytes ? c.metadata_cache_bytes >= needed
                                         : disk_config_covered_bytes(&c) >= o->disk_bytes;
    if (is_raw(&c) || covers)
        return;
    c.metadata_cache_bytes = needed;
    add(variants, o, VARIANT_TABLES, "metadata_cache for all", &c);
}

/* --- All of them ------------------------------------------------------------------------------ */

GPtrArray *variants_new(const struct variants_options *o)
{
    GPtrArray *variants = g_ptr_array_new_with_free_func(free_variant);
    add(variants, o, VARIANT_DISK, "the disk", o->disk);
    add_file(variants, o);
    add_free(variants, o);
    add_written(variants, o);
    add_raw(variants, o);
    add_floor(variants, o);
    add_ways(variants, o);
    add_thread(variants, o);
    add_cache(variants, o);
    add_tables(variants, o);
    return variants;
}

GPtrArray *variants_candidates(const GPtrArray *variants)
{
    GPtrArray *candidates = g_ptr_array_new();
    for (guint i = 0; i < variants->len; i++)
        g_ptr_array_add(candidates, &((struct variant *)variants->pdata[i])->candidate);
    return candidates;
}

int variants_find(const GPtrArray *variants, enum variant_role role)
{
    for (guint i = 0; i < variants->len; i++) {
        const struct variant *v = variants->pdata[i];
        if (v->role == role && !v->candidate.left_out)
            return (int)i;
    }
    return -1;
}
