/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rules_place.c - where an image lies: file system, direct I/O, allocation.
 */
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "check/images.h"
#include "check/rule.h"
#include "domain/xml.h"

static bool is_read_only(const struct look *at)
{
    return xml_child(at->disk->node, "readonly");
}

/* The top image's place where that is a file that the guest writes to; NULL. */
static const struct place *written_place(const struct look *at)
{
    const struct place *p = at->image->place;
    return p && !at->layer && p->type == PLACE_FILE && !is_read_only(at) ? p : NULL;
}

static bool has_option(const struct place *p, const char *word)
{
    return p->mount && mount_has_option(p->mount, word);
}

/* --- Direct I/O ------------------------------------------------------------------------------- */

/* With data=journal there is none either, which is said of the file system. */
static bool lacks_direct(const struct look *at, const struct place *p)
{
    if (p->fs_magic == FS_TMPFS)
        return at->facts && at->facts->kernel && at->facts->kernel < 6006;
    return p->direct_known && !p->direct_offset_align && !has_option(p, "data=journal");
}

/* Old tmpfs refuses O_DIRECT; of others some take it, and cache all the same. */
static void find_no_direct(const struct look *at, struct found *out)
{
    const struct disk_config *c = &at->disk->model->config;
    const struct place *p = at->image->place;
    if (!look_is_host_file(at->disk) || !disk_config_is_direct(c) || !p || !lacks_direct(at, p))
        return;
    cleanup_free char *where = place_describe(p);
    struct finding *f = found_say(out, "%scache='%s', and there is no direct I/O on %s",
                                  images_prefix(at), c->cache, where);
    if (p->fs_magic != FS_TMPFS)
        f->severity = SEVERITY_WARNING;
    finding_fix(f, FIX_ADVICE,
                "move the image to a file system with direct I/O (ext4, XFS), or to a block "
                "device");
}

/* What direct I/O has to be aligned to; 0 where that is not known. */
static unsigned alignment_of(const struct place *p)
{
    if (p->direct_known)
        return p->direct_offset_align;
    return p->block && p->block->logical_block_bytes > 0 ? (unsigned)p->block->logical_block_bytes
                                                         : 0;
}

/* QEMU takes physical sectors of up to 2 MiB. A device that is passed through (device='lun') shows
 * sectors of its own, and QEMU's scsi-block takes no other size. */
static void find_4k(const struct look *at, struct found *out)
{
    const struct check_disk *d = at->disk;
    xmlNodePtr io = xml_child(d->node, "blockio");
    unsigned align = d->place ? alignment_of(d->place) : 0;
    if (!look_is_host_file(d) || strcmp(d->model->device, "lun") == 0 ||
        !disk_config_is_direct(&d->model->config) || align < 4096 || align > 2 << 20 ||
        xml_number(io, "logical_block_size", 512) >= align ||
        xml_number(io, "physical_block_size", 512) >= align)
        return;
    cleanup_free char *size = xasprintf("%u", align);
    cleanup_free char *xml =
        look_element_with(io, "blockio", "physical_block_size", size, (char *)NULL);
    finding_fix(found_say(out,
                          "direct I/O is in units of %u bytes here, and the guest sees sectors "
                          "of 512",
                          align),
                FIX_XML, "%s", xml);
}

/* --- File systems of an image ----------------------------------------------------------------- */

static void find_btrfs(const struct look *at, struct found *out)
{
    const struct place *p = written_place(at);
    if (!p || p->fs_magic != FS_BTRFS || p->nocow || has_option(p, "nodatacow"))
        return;
    images_fix_by_same_copy(found_say(out, "it is on btrfs, and copied on write (no attribute C)"),
                            at, "nocow=on");
}

static void find_zfs(const struct look *at, struct found *out)
{
    const struct place *p = written_place(at);
    if (p && p->fs_magic == FS_ZFS)
        finding_fix(
            found_say(out, "it is a file on ZFS"), FIX_ADVICE,
            "a zvol with type='block', or a dataset whose recordsize is near the sizes that "
            "the guest writes (16k to 64k)");
}

static void find_overlay(const struct look *at, struct found *out)
{
    const struct place *p = written_place(at);
    if (p && p->fs_magic == FS_OVERLAY)
        finding_fix(found_say(out, "it is on overlayfs"), FIX_ADVICE,
                    "keep images on a volume, or a file system of their own");
}

static void find_fuse(const struct look *at, struct found *out)
{
    const struct place *p = written_place(at);
    if (p && p->fs_magic == FS_FUSE && !(p->mount && strcmp(p->mount->type, "virtiofs") == 0))
        found_say(out, "it is on a file system that a process serves (%s)",
                  p->mount ? p->mount->type : "FUSE");
}

static void find_tmpfs(const struct look *at, struct found *out)
{
    const struct place *p = written_place(at);
    if (p && p->fs_magic == FS_TMPFS)
        found_say(out, "it is in memory (tmpfs)");
}

/* A domain without a name was made up around an image, and writes nothing. */
static void find_read_only(const struct look *at, struct found *out)
{
    const struct place *p = written_place(at);
    if (!p || !p->fs_read_only || !at->domain->name)
        return;
    struct finding *f = found_say(out, "the file system is mounted read-only");
    if (p->mount) {
        g_autofree char *point = g_shell_quote(p->mount->point);
        finding_fix(f, FIX_HOST, "mount -o remount,rw %s", point);
    }
}

/* --- Blocks of an image ----------------------------------------------------------------------- */

/* Where all is copied on write anyway that is what is said. A copy that found no room must not take
 * the image's place: each command waits for the one before it to succeed. */
static void find_reflinked(const struct look *at, struct found *out)
{
    const struct place *p = written_place(at);
    if (!p || !p->extents_known || !p->shared || place_is_copied(p))
        return;
    cleanup_free char *copied = xasprintf("%s.new", at->image->path);
    cleanup_free char *aside = xasprintf("%s.old", at->image->path);
    g_autofree char *from = g_shell_quote(at->image->path), *to = g_shell_quote(copied);
    g_autofree char *old = g_shell_quote(aside);
    finding_fix(found_say(out, "other files share blocks of it"), FIX_QEMU_IMG,
                "cp --preserve=all --sparse=never --reflink=never %s %s &&\n"
                "mv %s %s &&\n"
                "mv %s %s",
                from, to, from, old, to, from);
}

static void find_encoded(const struct look *at, struct found *out)
{
    const struct place *p = written_place(at);
    if (!p || !p->extents_known || !p->encoded || place_is_copied(p))
        return;
    finding_fix(found_say(out, "the file system compresses or encrypts it"), FIX_ADVICE,
                "a copy in a directory where it does not");
}

/* --- Mounts ----------------------------------------------------------------------------------- */

static void find_data_journal(const struct look *at, struct found *out)
{
    const struct mount *m = at->mount;
    if (!g_str_has_prefix(m->type, "ext") || !mount_has_option(m, "data=journal"))
        return;
    g_autofree char *point = g_shell_quote(m->point);
    finding_fix(found_say(out, "%s (%s) is mounted with data=journal", m->point, m->type), FIX_HOST,
                "umount %s\nmount -o data=ordered %s  # and in /etc/fstab", point, point);
}

static void find_no_barrier(const struct look *at, struct found *out)
{
    const struct mount *m = at->mount;
    if (!mount_has_no_barriers(m))
        return;
    g_autofree char *point = g_shell_quote(m->point);
    finding_fix(found_say(out, "%s (%s) is mounted without barriers", m->point, m->type), FIX_HOST,
                "mount -o remount,barrier %s  # and in /etc/fstab", point);
}

/* XFS takes a remount with nodiscard, and goes on discarding. */
static void find_online_discard(const struct look *at, struct found *out)
{
    const struct mount *m = at->mount;
    if (!mount_has_option(m, "discard"))
        return;
    g_autofree char *point = g_shell_quote(m->point);
    struct finding *f = found_say(out, "%s (%s) is mounted with discard", m->point, m->type);
    if (strcmp(m->type, "xfs") == 0)
        finding_fix(
            f, FIX_ADVICE,
            "take discard out of /etc/fstab, for the next time that it is mounted (XFS does "
            "not change it by a remount), and systemctl enable --now fstrim.timer");
    else
        finding_fix(f, FIX_HOST,
                    "mount -o remount,nodiscard %s  # and in /etc/fstab\n"
                    "systemctl enable --now fstrim.timer",
                    point);
}

/* "softerr" is another word for it, with another error. */
static void find_soft(const struct look *at, struct found *out)
{
    static const char *const words[] = {"soft", "softerr"};
    const struct mount *m = at->mount;
    for (size_t i = 0; g_str_has_prefix(m->type, "nfs") && i < ARRAY_SIZE(words); i++)
        if (mount_has_option(m, words[i]))
            finding_fix(found_say(out, "%s (%s) is mounted with %s", m->point, m->type, words[i]),
                        FIX_ADVICE,
                        "hard in the place of %s in /etc/fstab, then umount and mount it",
                        words[i]);
}

static void find_local_locks(const struct look *at, struct found *out)
{
    static const char *const words[] = {"nolock", "local_lock=all", "local_lock=posix"};
    const struct mount *m = at->mount;
    for (size_t i = 0; g_str_has_prefix(m->type, "nfs") && i < ARRAY_SIZE(words); i++)
        if (mount_has_option(m, words[i])) {
            found_say(out, "%s (%s) is mounted with %s", m->point, m->type, words[i]);
            return;
        }
}

/* --- Rows ------------------------------------------------------------------------------------- */

static const struct rule rows[] = {
    {
        .id = "direct-io-none",
        .scope = RULE_IMAGE,
        .severity = SEVERITY_ERROR,
        .title = "cache='none' where there is no direct I/O",
        .why =
            "QEMU opens the image with O_DIRECT: the file system refuses that, and the guest does "
            "not start, or takes it and goes through the page cache all the same.",
        .source = "statx(2), STATX_DIOALIGN; qemu: \"Could not find working O_DIRECT alignment\"",
        .look = find_no_direct,
    },
    {
        .id = "sector-4k",
        .scope = RULE_DISK,
        .severity = SEVERITY_NOTE,
        .title = "a guest that sees smaller sectors than direct I/O has",
        .why =
            "QEMU reads, changes and writes back what the guest writes in smaller pieces. With a "
            "physical size the guest aligns what it makes anew, and old data stay readable; a "
            "logical size would make an existing partition table unreadable.",
        .source = "qemu: block/file-posix.c, QEMU_AIO_MISALIGNED; hw/block/block.c",
        .needs = FIX_NEEDS_RESTART,
        .look = find_4k,
    },
    {
        .id = "fs-btrfs-cow",
        .scope = RULE_IMAGE,
        .severity = SEVERITY_WARNING,
        .title = "an image that btrfs copies on write",
        .why =
            "Each rewrite goes elsewhere and its checksum with it, and kernels of late (7.1 does) "
            "write what has checksums through the page cache. Without, btrfs cannot tell rotten "
            "data, and snapshots of the file are copied on write again.",
        .source = "linux: fs/btrfs/direct-io.c; btrfs(5), nodatacow",
        .needs = FIX_NEEDS_IMAGE_CONVERSION,
        .look = find_btrfs,
    },
    {
        .id = "fs-zfs",
        .scope = RULE_IMAGE,
        .severity = SEVERITY_NOTE,
        .title = "an image as a file on ZFS",
        .why =
            "What is written in smaller pieces than a record has the record read first. Whether "
            "cache='none' goes round ZFS's cache depends on its version: before 2.3 it is said not "
            "to.",
        .source = "openzfs: release notes of 2.3, zfsprops(7) recordsize and direct",
        .needs = FIX_NEEDS_RESTART | FIX_NEEDS_IMAGE_CONVERSION,
        .look = find_zfs,
    },
    {
        .id = "fs-overlay",
        .scope = RULE_IMAGE,
        .severity = SEVERITY_WARNING,
        .title = "an image on overlayfs",
        .why =
            "The first write to an image of a lower layer copies all of it to the upper one before "
            "anything else happens.",
        .source = "linux: Documentation/filesystems/overlayfs",
        .needs = FIX_NEEDS_RESTART,
        .look = find_overlay,
    },
    {
        .id = "fs-fuse",
        .scope = RULE_IMAGE,
        .severity = SEVERITY_NOTE,
        .title = "an image on a file system in user space",
        .why =
            "Each request that is not cached goes through one more process, and whether there is "
            "direct I/O depends on that.",
        .source = "linux: Documentation/filesystems/fuse",
        .look = find_fuse,
    },
    {
        .id = "fs-tmpfs",
        .scope = RULE_IMAGE,
        .severity = SEVERITY_NOTE,
        .title = "an image in memory",
        .why = "It is gone when the host stops, and figures of it are those of no disk.",
        .source = "tmpfs(5)",
        .look = find_tmpfs,
    },
    {
        .id = "fs-read-only",
        .scope = RULE_IMAGE,
        .severity = SEVERITY_ERROR,
        .title = "an image to be written to on a read-only file system",
        .why =
            "QEMU cannot open it for writing. A file system that was not meant to be so has met an "
            "error: see the kernel's log first.",
        .source = "statfs(2), ST_RDONLY",
        .needs = FIX_NEEDS_REMOUNT,
        .look = find_read_only,
    },
    {
        .id = "image-reflinked",
        .scope = RULE_IMAGE,
        .severity = SEVERITY_NOTE,
        .title = "an image that shares blocks with other files",
        .why = "The first write to each such block is to a new place, and leaves the file in more "
               "pieces. A plain copy shares nothing, and takes all of its room.",
        .source = "FIEMAP_EXTENT_SHARED; linux: fs/xfs/xfs_reflink.c",
        .needs = FIX_NEEDS_RESTART,
        .look = find_reflinked,
    },
    {
        .id = "image-compressed-fs",
        .scope = RULE_IMAGE,
        .severity = SEVERITY_NOTE,
        .title = "an image that the file system compresses or encrypts",
        .why =
            "What is read and written is changed on its way, by the host's CPUs, in units of the "
            "file system's own.",
        .source = "FIEMAP_EXTENT_ENCODED (kernel: Documentation/filesystems/fiemap)",
        .needs = FIX_NEEDS_IMAGE_CONVERSION,
        .look = find_encoded,
    },
    {
        .id = "fs-ext4-data-journal",
        .scope = RULE_MOUNT,
        .severity = SEVERITY_WARNING,
        .title = "a file system that journals data",
        .why =
            "All data are written twice, and there is no direct I/O: cache='none' goes through the "
            "page cache.",
        .source = "linux: Documentation/admin-guide/ext4",
        .needs = FIX_NEEDS_REMOUNT,
        .look = find_data_journal,
    },
    {
        .id = "fs-nobarrier",
        .scope = RULE_MOUNT,
        .severity = SEVERITY_ERROR,
        .title = "a file system that does not flush the disk's cache",
        .why =
            "What the guest was told is on the disk is lost with the host's power, and the file "
            "system can be, too. Where a disk has no volatile cache the kernel knows, and barriers "
            "cost nothing.",
        .source = "linux: Documentation/admin-guide/ext4, barrier",
        .needs = FIX_NEEDS_REMOUNT,
        .look = find_no_barrier,
    },
    {
        .id = "fs-discard",
        .scope = RULE_MOUNT,
        .severity = SEVERITY_NOTE,
        .title = "a file system that discards at once",
        .why = "Freeing blocks then waits for the disk to discard them, which is said to show as "
               "peaks of latency on some; fstrim does it at a time of its own.",
        .source = "general knowledge; fstrim(8)",
        .needs = FIX_NEEDS_REMOUNT,
        .look = find_online_discard,
    },
    {
        .id = "fs-nfs-soft",
        .scope = RULE_MOUNT,
        .severity = SEVERITY_WARNING,
        .title = "an NFS that gives up",
        .why =
            "When the server does not answer for a while requests fail, and the guest is told of "
            "errors of its disk, by which its file systems become read-only or damaged. With hard "
            "they wait until the server is back.",
        .source = "nfs(5), soft: \"can cause silent data corruption in certain cases\"",
        .needs = FIX_NEEDS_REMOUNT,
        .look = find_soft,
    },
    {
        .id = "fs-nfs-nolock",
        .scope = RULE_MOUNT,
        .severity = SEVERITY_NOTE,
        .title = "an NFS whose locks do not leave the host",
        .why =
            "QEMU locks an image against a second guest that writes; with this another host does "
            "not see the lock. It matters where more than one host has the images.",
        .source = "nfs(5), local_lock; qemu: disk image file locking",
        .needs = FIX_NEEDS_REMOUNT,
        .look = find_local_locks,
    },
};

RULE_TABLE(rules_place, rows);
