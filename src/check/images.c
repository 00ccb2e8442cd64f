/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check/images.h"

#include <string.h>

#include "base/memory.h"
#include "domain/xml.h"

const char *images_prefix(const struct look *at)
{
    const char *slash = strrchr(at->image->path, '/');
    cleanup_free char *prefix = xasprintf("%s: ", slash ? slash + 1 : at->image->path);
    return at->layer ? g_intern_string(prefix) : "";
}

xmlNodePtr images_encryption(const struct check_disk *d)
{
    xmlNodePtr own = xml_child(d->node, "encryption");
    return own ? own : xml_child(xml_child(d->node, "source"), "encryption");
}

/* --- Copies ----------------------------------------------------------------------------------- */

/* Why a plain copy is not the whole image; NULL where it is. */
static const char *obstacle_to_copy(const struct image *i)
{
    if (i->snapshots)
        return "a copy would not have its internal snapshots: delete them, then convert it";
    if (i->encryption)
        return "convert it with its secret (qemu-img convert --object secret,…)";
    if (i->data_file)
        return "convert it together with its data file";
    return NULL;
}

/* The options by which a copy stays on top of the image that this one is on; "". */
static char *backing_options(const struct image *i)
{
    if (!i->backing)
        return xstrdup("");
    g_autofree char *backing = g_shell_quote(i->backing);
    return xasprintf(" -B %s -F %s", backing, i->backing_format);
}

void images_fix_by_copy(struct finding *f, const struct look *at, const char *options)
{
    const struct image *i = &at->image->header;
    const char *obstacle = obstacle_to_copy(i);
    if (obstacle) {
        finding_fix(f, FIX_ADVICE, "%s", obstacle);
        return;
    }
    cleanup_free char *copied = xasprintf("%s.new", at->image->path);
    cleanup_free char *aside = xasprintf("%s.old", at->image->path);
    g_autofree char *from = g_shell_quote(at->image->path), *to = g_shell_quote(copied);
    g_autofree char *old = g_shell_quote(aside);
    cleanup_free char *backing = backing_options(i);
    finding_fix(f, FIX_QEMU_IMG,
                "qemu-img convert -p -t none -T none -m 16 -f %s -O %s%s%s%s%s %s %s\n"
                "qemu-img compare -f %s -F %s %s %s\n"
                "mv %s %s\n"
                "mv %s %s",
                i->format, i->format, backing, i->bitmaps ? " --bitmaps" : "",
                *options ? " -o " : "", options, from, to, i->format, i->format, from, to, from,
                old, to, from);
}

void images_fix_by_check(struct finding *f, const struct look *at)
{
    g_autofree char *path = g_shell_quote(at->image->path);
    cleanup_free char *copied = xasprintf("%s.copy", at->image->path);
    g_autofree char *copy = g_shell_quote(copied);
    finding_fix(f, FIX_QEMU_IMG, "cp --sparse=always %s %s\nqemu-img check -f qcow2 %s", path, copy,
                path);
}

/* qemu-img preallocates an overlay only where it has extended L2 entries. */
static bool keeps_allocation(const struct look *at)
{
    const struct image *i = &at->image->header;
    return at->image->place && place_is_allocated(at->image->place) &&
           i->allocated_bytes >= i->virtual_bytes && (!i->backing || i->extended_l2);
}

/* The options of a copy that is as the image looked at is, and has `more`. The caller frees. */
static char *same_options(const struct look *at, const char *more)
{
    const struct image *i = &at->image->header;
    g_autoptr(GString) options = g_string_new(NULL);
    if (i->cluster_bytes)
        g_string_append_printf(options, ",cluster_size=%u", i->cluster_bytes);
    if (i->extended_l2)
        g_string_append(options, ",extended_l2=on");
    if (keeps_allocation(at))
        g_string_append(options, ",preallocation=falloc");
    if (*more)
        g_string_append_printf(options, ",%s", more);
    return xstrdup(options->len ? options->str + 1 : "");
}

void images_fix_by_same_copy(struct finding *f, const struct look *at, const char *more)
{
    cleanup_free char *options = same_options(at, more);
    images_fix_by_copy(f, at, options);
}

/* --- Pieces ----------------------------------------------------------------------------------- */

#define PIECES_MANY 4096
#define PIECE_SMALL (UINT64_C(1) << 20)

bool images_are_pieces_small(uint64_t pieces, uint64_t bytes)
{
    return pieces >= PIECES_MANY && bytes / pieces < PIECE_SMALL;
}

/* --- Devices ---------------------------------------------------------------------------------- */

bool images_is_hardware(const struct block_device *d)
{
    return d->kind == DEVICE_DISK && d->driver && !stack_is_virtual(d) &&
           (strcmp(d->driver, "nvme") == 0 || strcmp(d->driver, "sd") == 0);
}

static bool is_flash(const struct block_device *d)
{
    return images_is_hardware(d) && d->rotational == 0;
}

bool images_on_flash(const struct block_device *d)
{
    return d && stack_every_end(d, is_flash);
}
