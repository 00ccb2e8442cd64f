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

/* Each line only where the one before has done it: a copy that broke off is not to take the
 * image's place. qemu-img would make a file that everybody may read, and leaves the mode and the
 * owner of one that is there. cp has to know SELinux for --preserve=context, and not for all. */
char *images_copy_lines(const struct images_copy *c)
{
    g_autofree char *from = g_shell_quote(c->from), *to = g_shell_quote(c->to);
    return xasprintf("cp --attributes-only --preserve=all %s %s &&\n"
                     "qemu-img convert -p -t none -T none -m 16 -f %s -O %s%s %s %s &&\n"
                     "qemu-img compare -f %s -F %s %s %s",
                     from, to, c->format, c->new_format, c->words ? c->words : "", from, to,
                     c->format, c->new_format, from, to);
}

char *images_beside(const char *path, const struct place *p, const char *suffix)
{
    return xasprintf("%s%s", p ? p->path : path, suffix);
}

void images_fix_on_device(struct finding *f, const char *options)
{
    finding_fix(f, FIX_ADVICE, "convert it to another volume%s%s, and give the guest that one",
                *options ? ", with -o " : "", options);
}

static bool is_device(const struct check_image *i)
{
    return i->place && i->place->type == PLACE_BLOCK;
}

/* Whether the image behind has another path for a copy than for this image: its name is relative,
 * QEMU looks for it beside the path that it is given, and that may be a symbolic link. */
static bool loses_backing(const struct check_image *i)
{
    const char *backing = i->header.backing;
    return backing && image_backing_is_path(backing) && backing[0] != '/' && i->place &&
           i->place->type == PLACE_FILE && strcmp(i->path, i->place->path) != 0;
}

/* Why a plain copy is not the whole image; NULL where it is. */
static const char *obstacle_to_copy(const struct check_image *image)
{
    const struct image *i = &image->header;
    if (i->snapshots)
        return "a copy would not have its internal snapshots: delete them, then convert it";
    if (i->encryption)
        return "convert it with its secret (qemu-img convert --object secret,…)";
    if (i->data_file)
        return "convert it together with its data file";
    if (loses_backing(image))
        return "a symbolic link leads to it, and the image behind it is named as seen from there: "
               "convert it with care for both";
    return NULL;
}

/* What makes a copy with these options stay on top of the image that this one is on. The caller
 * frees. */
static char *copy_words(const struct image *i, const char *options)
{
    g_autofree char *backing = i->backing ? g_shell_quote(i->backing) : NULL;
    return xasprintf("%s%s%s%s%s%s%s", backing ? " -B " : "", backing ? backing : "",
                     backing ? " -F " : "", backing ? i->backing_format : "",
                     i->bitmaps ? " --bitmaps" : "", *options ? " -o " : "", options);
}

void images_fix_by_copy(struct finding *f, const struct look *at, const char *options)
{
    const struct check_image *i = at->image;
    const char *obstacle = obstacle_to_copy(i);
    if (obstacle) {
        finding_fix(f, FIX_ADVICE, "%s", obstacle);
        return;
    }
    if (is_device(i)) {
        images_fix_on_device(f, options);
        return;
    }
    cleanup_free char *copied = images_beside(i->path, i->place, ".new");
    cleanup_free char *aside = images_beside(i->path, i->place, ".old");
    cleanup_free char *file = images_beside(i->path, i->place, "");
    cleanup_free char *words = copy_words(&i->header, options);
    const struct images_copy copy = {
        .from = i->path,
        .to = copied,
        .format = i->header.format,
        .new_format = i->header.format,
        .words = words,
    };
    cleanup_free char *lines = images_copy_lines(&copy);
    g_autofree char *from = g_shell_quote(file), *to = g_shell_quote(copied);
    g_autofree char *old = g_shell_quote(aside);
    finding_fix(f, FIX_QEMU_IMG, "%s &&\nmv %s %s &&\nmv %s %s", lines, from, old, to, from);
}

void images_fix_by_check(struct finding *f, const struct look *at)
{
    const struct check_image *i = at->image;
    g_autofree char *path = g_shell_quote(i->path);
    if (is_device(i)) {
        finding_fix(f, FIX_ADVICE,
                    "copy it to another volume, then see what qemu-img check -f qcow2 %s says",
                    path);
        return;
    }
    cleanup_free char *copied = images_beside(i->path, i->place, ".copy");
    g_autofree char *copy = g_shell_quote(copied);
    finding_fix(f, FIX_QEMU_IMG, "cp --sparse=always %s %s &&\nqemu-img check -f qcow2 %s", path,
                copy, path);
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
