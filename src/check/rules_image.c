/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rules_image.c - images and their chains.
 */
#include <errno.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "check/images.h"
#include "check/rule.h"
#include "domain/xml.h"

static const char *format_of(const struct look *at)
{
    return at->disk->model->config.format;
}

static bool is_raw_or_qcow2(const char *format)
{
    return strcmp(format, "raw") == 0 || strcmp(format, "qcow2") == 0;
}

/* --- Reading ---------------------------------------------------------------------------------- */

/* What cannot be read by us can be there, and be read by QEMU. A capture can have an image's place
 * without its header. */
static bool is_missing(const struct check_disk *d)
{
    return look_is_host_file(d) && (!d->place || d->images->len) &&
           strstr(d->unread, strerror(ENOENT));
}

static void find_unreadable(const struct look *at, struct found *out)
{
    const struct check_disk *d = at->disk;
    if (!d->unread || !is_raw_or_qcow2(format_of(at)))
        return;
    struct finding *f = found_say(out, "%s", d->unread);
    if (!is_missing(d))
        f->severity = SEVERITY_NOTE;
}

/* --- Formats ---------------------------------------------------------------------------------- */

static bool is_device(const struct check_disk *d)
{
    return d->place ? d->place->type == PLACE_BLOCK : strcmp(d->model->type, "block") == 0;
}

static void fix_foreign(const struct check_disk *d, const char *format, struct finding *f)
{
    if (is_device(d)) {
        images_fix_on_device(f, "");
        return;
    }
    const char *named = d->model->source ? d->model->source : "SOURCE";
    const char *path = d->path ? d->path : named;
    cleanup_free char *copied = images_beside(path, d->place, ".qcow2");
    cleanup_free char *lines = images_copy_lines(
        &(struct images_copy){.from = path, .to = copied, .format = format, .new_format = "qcow2"});
    finding_fix(f, FIX_QEMU_IMG, "%s", lines);
}

static void find_foreign(const struct look *at, struct found *out)
{
    static const char *const formats[] = {"vmdk", "vdi",       "vpc",   "vhdx",  "qed",  "qcow",
                                          "dmg",  "parallels", "bochs", "cloop", "ploop"};
    for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
        if (strcmp(format_of(at), formats[i]) == 0)
            fix_foreign(at->disk, formats[i],
                        found_say(out, "its image is of the format %s", formats[i]));
}

static void find_unstated_format(const struct look *at, struct found *out)
{
    if (!look_says(at->disk->driver, "type", "auto"))
        return;
    finding_fix(found_say(out, "the image's format is to be guessed (type='auto')"), FIX_ADVICE,
                "type='raw' or type='qcow2' in the driver element, whichever it is");
}

static void find_old_encryption(const struct look *at, struct found *out)
{
    const char *encryption = at->image->header.encryption;
    if (!encryption || strcmp(encryption, "aes") != 0)
        return;
    g_autofree char *path = g_shell_quote(at->image->path);
    finding_fix(found_say(out, "%sit is encrypted in qcow's old way (AES-CBC)", images_prefix(at)),
                FIX_ADVICE, "convert %s with its secret to encrypt.format=luks, by qemu-img", path);
}

/* --- Chains ----------------------------------------------------------------------------------- */

#define CHAIN_NOTED 2
#define CHAIN_LONG 5
#define CHAIN_LIMIT 25

static unsigned images_behind(const struct check_disk *d)
{
    return d->images->len ? d->images->len - 1 : 0;
}

/* Into one image, by libvirt while the guest runs, by a copy while it does not. */
static void fix_chain(const struct look *at, struct finding *f)
{
    const struct check_disk *d = at->disk;
    const struct check_image *top = d->images->pdata[0];
    if (at->domain->running && at->domain->name && d->model->target) {
        g_autofree char *name = g_shell_quote(at->domain->name);
        g_autofree char *target = g_shell_quote(d->model->target);
        finding_fix(f, FIX_VIRSH, "virsh blockpull %s %s --wait --verbose", name, target);
        return;
    }
    f->needs = FIX_NEEDS_IMAGE_CONVERSION;
    if (top->header.snapshots || top->header.encryption) {
        finding_fix(f, FIX_ADVICE, "start the guest, and have virsh blockpull flatten it");
        return;
    }
    if (is_device(d)) {
        images_fix_on_device(f, "");
        return;
    }
    cleanup_free char *copied = images_beside(top->path, top->place, ".flat");
    cleanup_free char *lines = images_copy_lines(&(struct images_copy){
        .from = top->path, .to = copied, .format = "qcow2", .new_format = "qcow2"});
    finding_fix(f, FIX_QEMU_IMG, "%s", lines);
}

static void find_chain(const struct look *at, struct found *out)
{
    unsigned behind = images_behind(at->disk);
    if (behind < CHAIN_NOTED)
        return;
    struct finding *f =
        found_say(out, "%s%u images are behind it", at->disk->unread ? "at least " : "", behind);
    f->severity = behind < CHAIN_LONG ? SEVERITY_NOTE : SEVERITY_WARNING;
    fix_chain(at, f);
}

static void find_chain_limit(const struct look *at, struct found *out)
{
    unsigned behind = images_behind(at->disk);
    unsigned long libvirt = at->versions.libvirt;
    if (behind <= CHAIN_LIMIT || !libvirt || libvirt >= 12000000)
        return;
    fix_chain(at, found_say(out, "%u images are behind it, and libvirt is %lu.%lu.%lu", behind,
                            libvirt / 1000000, libvirt / 1000 % 1000, libvirt % 1000));
}

/* --- Blocks ----------------------------------------------------------------------------------- */

static bool copies_on_write(const struct place *p)
{
    return p->fs_magic == FS_BTRFS || p->fs_magic == FS_ZFS;
}

/* Who asks for discard wants an image that gives back its room, and with io='native' more is said
 * of it than this. Over NFS it is the server that finds room; to have it beforehand takes
 * version 4.2, and a server that can. */
static void find_sparse(const struct look *at, struct found *out)
{
    const struct disk_config *c = &at->disk->model->config;
    const struct place *p = at->image->place;
    char allocated[32], size[32];
    if (at->layer || strcmp(at->image->header.format, "raw") != 0 || !p || p->type != PLACE_FILE ||
        place_is_allocated(p) || copies_on_write(p) || look_is_remote(at->disk) ||
        look_is_memory(at->disk) || c->discard || !disk_config_is_direct(c) ||
        strcmp(c->io, "native") == 0 || look_keeps_nothing(at->disk))
        return;
    struct finding *f =
        found_say(out, "%s of %s are allocated, the rest comes with the first write",
                  text_format_size(p->allocated_bytes, allocated, sizeof(allocated)),
                  text_format_size(p->size_bytes, size, sizeof(size)));
    g_autofree char *path = g_shell_quote(at->image->path);
    finding_fix(f, FIX_HOST, "fallocate -l %llu %s", (unsigned long long)p->size_bytes, path);
}

/* Those of a compressed file say nothing. */
static void find_fragments(const struct look *at, struct found *out)
{
    const struct place *p = at->image->place;
    char text[32];
    if (!p || !p->extents_known || p->encoded ||
        !images_are_pieces_small(p->extents, p->allocated_bytes))
        return;
    bool all = p->extents < PLACE_EXTENTS_MAX;
    struct finding *f =
        found_say(out, "%sit lies in %s%u pieces, of %s on average", images_prefix(at),
                  all ? "" : "more than ", p->extents,
                  text_format_size(p->allocated_bytes / p->extents, text, sizeof(text)));
    f->severity = p->block && stack_is_rotating(p->block) ? SEVERITY_WARNING : SEVERITY_NOTE;
    images_fix_by_same_copy(f, at, "");
}

/* --- Rows ------------------------------------------------------------------------------------- */

static const struct rule rows[] = {
    {
        .id = "image-unreadable",
        .scope = RULE_DISK,
        .severity = SEVERITY_ERROR,
        .title = "an image that could not be read",
        .why = "What is not there keeps the guest from starting. What may not be read here is not "
               "checked; as root more can be.",
        .source = "this host",
        .look = find_unreadable,
    },
    {
        .id = "format-foreign",
        .scope = RULE_DISK,
        .severity = SEVERITY_WARNING,
        .title = "an image of another hypervisor's format",
        .why =
            "QEMU has drivers for these to convert from them: little is done for their speed, and "
            "little of it is tested with guests that write. qcow2 or raw are for running.",
        .source = "qemu: docs/system/qemu-block-drivers, disk image formats",
        .needs = FIX_NEEDS_RESTART | FIX_NEEDS_IMAGE_CONVERSION,
        .look = find_foreign,
    },
    {
        .id = "format-unstated",
        .scope = RULE_DISK,
        .severity = SEVERITY_NOTE,
        .title = "an image whose format is left to be guessed",
        .why = "libvirt takes it for raw, or has QEMU look, depending on its age; and a guest can "
               "write the header of another format into its raw disk, one that names a "
               "file of the host as what is behind. Say what the image is.",
        .source = "libvirt: formatdomain, driver type; qemu: raw format probing",
        .needs = FIX_NEEDS_RESTART,
        .look = find_unstated_format,
    },
    {
        .id = "encryption-aes",
        .scope = RULE_IMAGE,
        .severity = SEVERITY_ERROR,
        .title = "an image with qcow's old encryption",
        .why = "libvirt starts no guest with it any more, and it was never safe.",
        .source = "libvirt: \"old qcow/qcow2 encryption is not supported\"",
        .needs = FIX_NEEDS_IMAGE_CONVERSION,
        .look = find_old_encryption,
    },
    {
        .id = "chain-long",
        .scope = RULE_DISK,
        .severity = SEVERITY_WARNING,
        .title = "a chain of images",
        .why = "A read of what is not in an image asks the one behind it, and so on down; each has "
               "its own tables and its own cache of them.",
        .source = "qemu: docs/interop/live-block-operations; libvirt: virDomainBlockPull",
        .look = find_chain,
    },
    {
        .id = "chain-limit",
        .scope = RULE_DISK,
        .severity = SEVERITY_WARNING,
        .title = "a chain that libvirt may be unable to start",
        .why =
            "Builds of libvirt before 12.0.0 that use json-c fail with chains of more than about "
            "25 images. The limit of all is 200.",
        .source = "libvirt: release notes of 12.0.0",
        .look = find_chain_limit,
    },
    {
        .id = "image-sparse",
        .scope = RULE_IMAGE,
        .severity = SEVERITY_NOTE,
        .title = "a raw image with holes",
        .why =
            "The first write to each block waits until the host's file system has found room for "
            "it. If there is enough, all of it can be given now; its data stay.",
        .source = "fallocate(1); tried with qemu-img 7.2",
        .needs = FIX_NEEDS_RESTART,
        .look = find_sparse,
    },
    {
        .id = "image-fragmented",
        .scope = RULE_IMAGE,
        .severity = SEVERITY_WARNING,
        .title = "an image in many small pieces",
        .why =
            "Heads have to move from each to the next; on flash it costs the file system a look-up "
            "and large requests are cut. A copy is in fewer pieces.",
        .source = "FIEMAP of this file (kernel: Documentation/filesystems/fiemap)",
        .needs = FIX_NEEDS_IMAGE_CONVERSION,
        .look = find_fragments,
    },
};

RULE_TABLE(rules_image, rows);
