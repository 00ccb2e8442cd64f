/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rules_tables.c - what qemu-img says of the tables of images that nobody uses (check --tables).
 */
#include <inttypes.h>

#include "base/memory.h"
#include "base/text.h"
#include "check/images.h"
#include "check/rule.h"
#include "host/tables.h"

#define SIZE_TEXT 32

/* NULL: they were not read. */
static const struct image_tables *tables_of(const struct look *at)
{
    const struct image_tables *t = at->image->tables;
    return t && !t->unread && !t->in_use ? t : NULL;
}

/* So many clusters, as far as bytes can be counted. */
static uint64_t cluster_bytes(const struct look *at, uint64_t clusters)
{
    uint64_t bytes;
    return __builtin_mul_overflow(clusters, at->image->header.cluster_bytes, &bytes) ? UINT64_MAX
                                                                                     : bytes;
}

/* --- Damage ----------------------------------------------------------------------------------- */

static void find_unread(const struct look *at, struct found *out)
{
    const struct image_tables *t = at->image->tables;
    if (t && t->unread)
        found_say(out, "%sits tables could not be read: %s", images_prefix(at), t->unread);
}

static void find_corrupt(const struct look *at, struct found *out)
{
    const struct image_tables *t = tables_of(at);
    if (t && t->corruptions)
        images_fix_by_check(found_say(out, "%sits tables have %" PRIu64 " error%s",
                                      images_prefix(at), t->corruptions,
                                      t->corruptions == 1 ? "" : "s"),
                            at);
}

/* Of a damaged image nothing is to be freed: who knows what else refers to it. */
static void find_leaks(const struct look *at, struct found *out)
{
    const struct image_tables *t = tables_of(at);
    char size[SIZE_TEXT];
    if (!t || !t->leaks || t->corruptions)
        return;
    g_autofree char *path = g_shell_quote(at->image->path);
    finding_fix(found_say(out, "%s%" PRIu64 " lost cluster%s up to %s", images_prefix(at), t->leaks,
                          t->leaks == 1 ? " takes" : "s take",
                          text_format_size(cluster_bytes(at, t->leaks), size, SIZE_TEXT)),
                FIX_QEMU_IMG, "qemu-img check -f qcow2 -r leaks %s", path);
}

/* --- How clusters lie ------------------------------------------------------------------------- */

/* On flash there is nothing to move, but a large request is cut into pieces all the same: reads of
 * 1 MiB out of pieces of 64 KiB took 1.5 times as long (docs/check.md). */
static void find_fragmented(const struct look *at, struct found *out)
{
    const struct image_tables *t = tables_of(at);
    char size[SIZE_TEXT];
    if (!t)
        return;
    uint64_t pieces = t->fragmented - MIN(t->fragmented, t->compressed);
    uint64_t bytes = cluster_bytes(at, t->allocated - MIN(t->allocated, t->compressed));
    if (!images_are_pieces_small(pieces, bytes))
        return;
    struct finding *f =
        found_say(out, "%sthe disk lies in %" PRIu64 " pieces inside it, of %s on average",
                  images_prefix(at), pieces, text_format_size(bytes / pieces, size, SIZE_TEXT));
    images_fix_by_same_copy(f, at, "");
}

/* A few are what is left of an image that was compressed and is rewritten since. */
static void find_compressed(const struct look *at, struct found *out)
{
    const struct image_tables *t = tables_of(at);
    if (!t || !t->compressed || t->compressed < t->allocated / 100)
        return;
    struct finding *f = found_say(out, "%s%" PRIu64 " of %" PRIu64 " clusters are compressed",
                                  images_prefix(at), t->compressed, t->allocated);
    images_fix_by_same_copy(f, at, "");
}

/* --- Rows ------------------------------------------------------------------------------------- */

static const struct rule rows[] = {
    {
        .id = "tables-corrupt",
        .scope = RULE_IMAGE,
        .severity = SEVERITY_ERROR,
        .title = "an image whose tables are damaged (--tables)",
        .why = "What the guest writes may go over its other data. Let no guest start with it, and "
               "copy it first: qemu-img check -r all repairs what it can, by guesses that may be "
               "wrong, so it is for the copy, and the guest's own file systems are to be checked "
               "after.",
        .source = "qemu: docs/tools/qemu-img, check",
        .needs = FIX_NEEDS_RESTART,
        .look = find_corrupt,
    },
    {
        .id = "tables-leaks",
        .scope = RULE_IMAGE,
        .severity = SEVERITY_NOTE,
        .title = "an image with lost clusters (--tables)",
        .why =
            "Nothing refers to them: the data are whole, and the room is gone until it is freed. "
            "That is what is left where QEMU or the host ended in the middle of something.",
        .source = "qemu: docs/tools/qemu-img, check; block/qcow2-refcount.c",
        .needs = FIX_NEEDS_RESTART,
        .look = find_leaks,
    },
    {
        .id = "tables-fragmented",
        .scope = RULE_IMAGE,
        .severity = SEVERITY_NOTE,
        .title = "a disk that lies in many small pieces inside its image (--tables)",
        .why =
            "Clusters lie in the order of their first write. Where the guest reads much in a row, "
            "heads move from each piece to the next, and on flash large requests are cut; small "
            "ones all over the disk lose nothing. In a copy all are in order.",
        .source = "qemu: block/qcow2-refcount.c, fragmented_clusters; docs/interop/qcow2",
        .needs = FIX_NEEDS_IMAGE_CONVERSION,
        .look = find_fragmented,
    },
    {
        .id = "tables-compressed",
        .scope = RULE_IMAGE,
        .severity = SEVERITY_NOTE,
        .title = "an image with compressed clusters (--tables)",
        .why = "Each read of one reads and expands all of it, and the first write to it finds room "
               "for it elsewhere. A copy has none of them, and takes as much room as the data do.",
        .source = "qemu: docs/interop/qcow2, compressed clusters; block/qcow2.c",
        .needs = FIX_NEEDS_IMAGE_CONVERSION,
        .look = find_compressed,
    },
    {
        .id = "tables-unread",
        .scope = RULE_IMAGE,
        .severity = SEVERITY_NOTE,
        .title = "an image whose tables could not be read (--tables)",
        .why = "Nothing is known of damage in it, nor of how its clusters lie.",
        .source = "this host, qemu-img check",
        .look = find_unread,
    },
};

RULE_TABLE(rules_tables, rows);
