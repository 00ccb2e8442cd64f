/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rules_qcow2.c - what the header of a qcow2 says, and the cache of its tables.
 */
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "check/images.h"
#include "check/rule.h"
#include "domain/metadata_cache.h"
#include "domain/xml.h"

#define SIZE_TEXT 32

static const struct image *header(const struct look *at)
{
    return &at->image->header;
}

static bool is_qcow2(const struct look *at)
{
    return strcmp(header(at)->format, "qcow2") == 0;
}

/* What the arithmetic of caches wants to know of an image. */
static struct disk_config clusters_of(const struct image *i)
{
    return (struct disk_config){.cluster_bytes = i->cluster_bytes, .extended_l2 = i->extended_l2};
}

/* --- The cache of tables ---------------------------------------------------------------------- */

/* The <metadata_cache> of the image looked at: of the disk, or of one of its <backingStore>s. */
static xmlNodePtr cache_element(const struct look *at)
{
    if (at->layer == 0)
        return xml_child(at->disk->driver, "metadata_cache");
    xmlNodePtr node = at->disk->node;
    for (size_t i = 0; i < at->layer; i++)
        node = xml_child(node, "backingStore");
    return xml_child(xml_child(node, "format"), "metadata_cache");
}

enum cache_size { CACHE_UNSTATED, CACHE_STATED, CACHE_UNREADABLE };

static enum cache_size read_cache(const struct look *at, uint64_t *ret)
{
    xmlNodePtr cache = cache_element(at);
    if (!xml_child(cache, "max_size"))
        return CACHE_UNSTATED;
    *ret = metadata_cache_bytes(cache);
    return *ret ? CACHE_STATED : CACHE_UNREADABLE;
}

/* The disk's <driver> with a cache of this size. */
static char *driver_with_cache(const struct check_disk *d, uint64_t bytes)
{
    cleanup_free char *number = xasprintf("%llu", (unsigned long long)bytes);
    cleanup_xml xmlDocPtr doc = look_copy_element(d->driver, "driver");
    xmlNodePtr driver = xmlDocGetRootElement(doc);
    look_drop(driver, "metadata_cache");
    xmlNodePtr cache = xmlNewChild(driver, NULL, BAD_CAST "metadata_cache", NULL);
    xmlNodePtr size = xmlNewTextChild(cache, NULL, BAD_CAST "max_size", BAD_CAST number);
    xmlNewProp(size, BAD_CAST "unit", BAD_CAST "bytes");
    return look_to_text(driver);
}

static void fix_cache(const struct look *at, struct finding *f)
{
    const struct disk_config c = clusters_of(header(at));
    uint64_t full = disk_config_full_cache_bytes(&c, header(at)->virtual_bytes);
    cleanup_free char *xml = at->layer
                                 ? xasprintf("<metadata_cache><max_size unit='bytes'>%llu"
                                             "</max_size></metadata_cache> in the <format> of "
                                             "its <backingStore>",
                                             (unsigned long long)full)
                                 : driver_with_cache(at->disk, full);
    finding_fix(f, at->layer ? FIX_ADVICE : FIX_XML, "%s", xml);
}

/* What QEMU takes unasked: all tables, or those that its L2 cache holds; and refcounts. */
static uint64_t usual_cache(const struct image *i)
{
    const struct disk_config c = clusters_of(i);
    uint64_t full = disk_config_full_cache_bytes(&c, i->virtual_bytes);
    uint64_t limited = disk_config_full_cache_bytes(&c, disk_config_covered_bytes(&c));
    return MIN(full, limited);
}

/* Where these are the reason for many tables, and are what is to be changed. */
static bool has_small_clusters(const struct image *i)
{
    return i->cluster_bytes < 64 << 10;
}

/* Tables are read for what is allocated alone: until that is more than the cache covers, none is
 * missed. Of a data file's blocks nothing is known here. */
static void find_small_cache(const struct look *at, struct found *out)
{
    const struct image *i = header(at);
    uint64_t stated;
    char covered_text[SIZE_TEXT], disk_text[SIZE_TEXT];
    if (!is_qcow2(at) || read_cache(at, &stated) != CACHE_UNSTATED)
        return;
    const struct disk_config c = clusters_of(i);
    uint64_t covered = disk_config_covered_bytes(&c);
    bool full = !i->data_file && i->allocated_bytes > covered;
    if (i->virtual_bytes <= covered || (at->layer ? !full : has_small_clusters(i)))
        return;
    struct finding *f =
        found_say(out, "%sQEMU's L2 cache covers %s of %s%s", images_prefix(at),
                  text_format_size(covered, covered_text, SIZE_TEXT),
                  text_format_size(i->virtual_bytes, disk_text, SIZE_TEXT),
                  full || i->data_file ? "" : ", of which less is allocated so far");
    f->severity = full && !at->layer ? SEVERITY_WARNING : SEVERITY_NOTE;
    fix_cache(at, f);
}

static void find_reduced_cache(const struct look *at, struct found *out)
{
    uint64_t stated, usual;
    char stated_text[SIZE_TEXT], usual_text[SIZE_TEXT];
    if (!is_qcow2(at) || read_cache(at, &stated) != CACHE_STATED)
        return;
    usual = usual_cache(header(at));
    if (stated >= usual)
        return;
    fix_cache(at, found_say(out, "%smetadata_cache allows %s, and without it QEMU would take %s",
                            images_prefix(at), text_format_size(stated, stated_text, SIZE_TEXT),
                            text_format_size(usual, usual_text, SIZE_TEXT)));
}

/* More than QEMU would take, and yet not all. */
static void find_partial_cache(const struct look *at, struct found *out)
{
    const struct image *i = header(at);
    uint64_t stated;
    char stated_text[SIZE_TEXT], full_text[SIZE_TEXT];
    if (!is_qcow2(at) || at->layer || read_cache(at, &stated) != CACHE_STATED)
        return;
    const struct disk_config c = clusters_of(i);
    uint64_t full = disk_config_full_cache_bytes(&c, i->virtual_bytes);
    if (stated >= full || stated < usual_cache(i))
        return;
    fix_cache(at, found_say(out, "metadata_cache allows %s, and the tables of this disk take %s",
                            text_format_size(stated, stated_text, SIZE_TEXT),
                            text_format_size(full, full_text, SIZE_TEXT)));
}

/* --- Clusters --------------------------------------------------------------------------------- */

/* A copy that is as the image is, but for the size of its clusters. */
static void fix_clusters(struct finding *f, const struct look *at, uint32_t bytes)
{
    struct check_image image = *at->image;
    struct look as = *at;
    image.header.cluster_bytes = bytes;
    as.image = &image;
    images_fix_by_same_copy(f, &as, "");
}

static void find_small_clusters(const struct look *at, struct found *out)
{
    const struct image *i = header(at);
    char cluster[SIZE_TEXT], covered[SIZE_TEXT], disk[SIZE_TEXT];
    if (!is_qcow2(at) || at->layer || !has_small_clusters(i))
        return;
    const struct disk_config c = clusters_of(i);
    text_format_size(i->cluster_bytes, cluster, SIZE_TEXT);
    text_format_size(disk_config_covered_bytes(&c), covered, SIZE_TEXT);
    text_format_size(i->virtual_bytes, disk, SIZE_TEXT);
    struct finding *f =
        i->virtual_bytes > disk_config_covered_bytes(&c)
            ? found_say(out, "its clusters are of %s: QEMU's L2 cache covers %s of %s", cluster,
                        covered, disk)
            : found_say(out, "its clusters are of %s", cluster);
    fix_clusters(f, at, 64 << 10);
}

static void find_large_clusters(const struct look *at, struct found *out)
{
    const struct image *i = header(at);
    char text[SIZE_TEXT];
    if (!is_qcow2(at) || at->layer || i->cluster_bytes < 512 << 10 || i->extended_l2 || !i->backing)
        return;
    struct finding *f = found_say(out, "its clusters are of %s, and there is an image behind it",
                                  text_format_size(i->cluster_bytes, text, SIZE_TEXT));
    images_fix_by_copy(f, at, "cluster_size=128k,extended_l2=on");
}

/* --- Flags and features ----------------------------------------------------------------------- */

static void find_corrupt(const struct look *at, struct found *out)
{
    if (is_qcow2(at) && header(at)->corrupt)
        images_fix_by_check(found_say(out, "%sQEMU has marked it as corrupt", images_prefix(at)),
                            at);
}

/* While a guest runs the mark says nothing. */
static void find_dirty(const struct look *at, struct found *out)
{
    if (!is_qcow2(at) || !header(at)->dirty || at->domain->running)
        return;
    found_say(out, "%sit is marked as in use: by another process, or by one that did not end well",
              images_prefix(at));
}

static void find_lazy_refcounts(const struct look *at, struct found *out)
{
    const char *cache = at->disk->model->config.cache;
    bool useful = strcmp(cache, "writethrough") == 0 || strcmp(cache, "directsync") == 0;
    if (!is_qcow2(at) || at->layer || !header(at)->lazy_refcounts || useful)
        return;
    g_autofree char *path = g_shell_quote(at->image->path);
    finding_fix(found_say(out, "lazy_refcounts is on, with cache='%s'", cache), FIX_QEMU_IMG,
                "qemu-img amend -f qcow2 -o lazy_refcounts=off %s", path);
}

static void find_old_version(const struct look *at, struct found *out)
{
    if (!is_qcow2(at) || at->layer || header(at)->version != 2)
        return;
    g_autofree char *path = g_shell_quote(at->image->path);
    finding_fix(found_say(out, "its format is the old one (compat=0.10)"), FIX_QEMU_IMG,
                "qemu-img amend -f qcow2 -o compat=1.1 %s", path);
}

static void find_snapshots(const struct look *at, struct found *out)
{
    unsigned count = is_qcow2(at) ? header(at)->snapshots : 0;
    if (!count || at->layer)
        return;
    struct finding *f =
        found_say(out, "%u snapshot%s inside the image", count, count == 1 ? "" : "s");
    g_autofree char *name = at->domain->name ? g_shell_quote(at->domain->name) : NULL;
    g_autofree char *path = g_shell_quote(at->image->path);
    if (name) {
        finding_fix(f, FIX_VIRSH, "virsh snapshot-list %s\nvirsh snapshot-delete %s SNAPSHOT", name,
                    name);
        return;
    }
    finding_fix(f, FIX_QEMU_IMG, "qemu-img snapshot -l %s\nqemu-img snapshot -d SNAPSHOT %s", path,
                path);
    f->needs = FIX_NEEDS_RESTART;
}

/* Backup programs keep one or a few. */
#define BITMAPS_MANY 10

static void find_bitmaps(const struct look *at, struct found *out)
{
    if (!is_qcow2(at) || at->layer || header(at)->bitmaps <= BITMAPS_MANY)
        return;
    finding_fix(found_say(out, "%u bitmaps in the image", header(at)->bitmaps), FIX_ADVICE,
                "have the backup program delete the checkpoints that it no longer needs");
}

static void find_raw_data_file(const struct look *at, struct found *out)
{
    if (is_qcow2(at) && !at->layer && header(at)->data_file_raw)
        found_say(out, "its data file is to be read as raw as well (data_file_raw)");
}

/* --- Rows ------------------------------------------------------------------------------------- */

static const struct rule rows[] = {
    {
        .id = "image-corrupt",
        .scope = RULE_IMAGE,
        .severity = SEVERITY_ERROR,
        .title = "an image that QEMU found to be corrupt",
        .why =
            "No guest starts with it any more. Copy it first, then have it checked; qemu-img check "
            "-r all repairs what it can, and never while a guest uses the image.",
        .source = "qemu: docs/interop/qcow2, incompatible feature bit 1",
        .needs = FIX_NEEDS_RESTART,
        .look = find_corrupt,
    },
    {
        .id = "image-dirty",
        .scope = RULE_IMAGE,
        .severity = SEVERITY_NOTE,
        .title = "an image that was not closed",
        .why =
            "Its reference counts are behind, and the next start counts all clusters first, which "
            "takes long in a large image.",
        .source = "qemu: docs/interop/qcow2, incompatible feature bit 0",
        .look = find_dirty,
    },
    {
        .id = "l2-cache-small",
        .scope = RULE_IMAGE,
        .severity = SEVERITY_WARNING,
        .title = "a qcow2 that is larger than QEMU's cache of its tables covers",
        .why =
            "Accesses all over the disk find their table missing in the cache, and read it before "
            "they read what they want. The cache takes up to its size of the host's memory.",
        .source = "qemu: docs/qcow2-cache.txt, block/qcow2.c read_cache_sizes",
        .needs = FIX_NEEDS_RESTART,
        .since = {.libvirt = 7000000},
        .look = find_small_cache,
    },
    {
        .id = "metadata-cache-reduces",
        .scope = RULE_IMAGE,
        .severity = SEVERITY_WARNING,
        .title = "a metadata_cache that is smaller than what QEMU takes without it",
        .why = "The size is that of L2 tables and reference counts together, and replaces QEMU's "
               "own: a small one makes the cache smaller.",
        .source = "qemu: block/qcow2.c read_cache_sizes",
        .needs = FIX_NEEDS_RESTART,
        .since = {.libvirt = 7000000},
        .look = find_reduced_cache,
    },
    {
        .id = "metadata-cache-partial",
        .scope = RULE_IMAGE,
        .severity = SEVERITY_NOTE,
        .title = "a metadata_cache that does not hold all tables of the disk",
        .why =
            "That is enough where what the guest uses is less than the disk; the figure is for all "
            "of it.",
        .source = "qemu: docs/qcow2-cache.txt",
        .needs = FIX_NEEDS_RESTART,
        .since = {.libvirt = 7000000},
        .look = find_partial_cache,
    },
    {
        .id = "cluster-small",
        .scope = RULE_IMAGE,
        .severity = SEVERITY_NOTE,
        .title = "a qcow2 with clusters below 64 KiB",
        .why = "There are more tables for the same disk, so the cache covers less of it, and the "
               "image is allocated in smaller pieces. Clusters can only be changed by a copy.",
        .source = "qemu: docs/qcow2-cache.txt; qemu-img amend -f qcow2 -o help",
        .needs = FIX_NEEDS_IMAGE_CONVERSION,
        .look = find_small_clusters,
    },
    {
        .id = "cluster-large",
        .scope = RULE_IMAGE,
        .severity = SEVERITY_WARNING,
        .title = "an overlay with large clusters and no subclusters",
        .why =
            "The first small write to a cluster copies all the rest of it from the image behind. "
            "With extended L2 entries a 32nd of a cluster is copied.",
        .source = "qemu: docs/interop/qcow2, extended L2 entries; block/qcow2-cluster.c",
        .needs = FIX_NEEDS_IMAGE_CONVERSION,
        .since = {.qemu = 5002000},
        .look = find_large_clusters,
    },
    {
        .id = "lazy-refcounts",
        .scope = RULE_IMAGE,
        .severity = SEVERITY_NOTE,
        .title = "lazy_refcounts without a use",
        .why =
            "It saves writes where each write is flushed (cache='writethrough'). Elsewhere what is "
            "left of it is that after a crash the whole image is gone through at the next start.",
        .source = "qemu: qcow2 options, lazy_refcounts",
        .needs = FIX_NEEDS_RESTART,
        .look = find_lazy_refcounts,
    },
    {
        .id = "image-old-version",
        .scope = RULE_IMAGE,
        .severity = SEVERITY_NOTE,
        .title = "a qcow2 of version 2",
        .why = "It knows no clusters of zeros: what the guest discards or zeroes costs more. The "
               "change takes moments; qemu-img older than 1.1 cannot read the image afterwards.",
        .source = "qemu: docs/interop/qcow2, version; qemu-img amend",
        .needs = FIX_NEEDS_RESTART,
        .look = find_old_version,
    },
    {
        .id = "image-internal-snapshots",
        .scope = RULE_IMAGE,
        .severity = SEVERITY_NOTE,
        .title = "snapshots inside the image",
        .why = "The first write to each cluster that a snapshot has as well copies it elsewhere, "
               "after "
               "each snapshot anew; a copy of the image has none of them.",
        .source = "qemu: docs/interop/qcow2, snapshots",
        .look = find_snapshots,
    },
    {
        .id = "image-bitmaps",
        .scope = RULE_IMAGE,
        .severity = SEVERITY_NOTE,
        .title = "many bitmaps in the image",
        .why =
            "All are read when the guest starts and written when it ends, and each that is active "
            "is kept up to date with every write.",
        .source = "qemu: docs/interop/bitmaps",
        .look = find_bitmaps,
    },
    {
        .id = "data-file-raw",
        .scope = RULE_IMAGE,
        .severity = SEVERITY_NOTE,
        .title = "a data file that has to be readable as raw",
        .why = "QEMU cannot note zeros in the tables alone, and writes them to the data file.",
        .source = "qemu: qcow2 options, data_file_raw",
        .look = find_raw_data_file,
    },
};

RULE_TABLE(rules_qcow2, rows);
