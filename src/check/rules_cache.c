/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rules_cache.c - cache mode and AIO.
 *
 * SCSI devices that are passed through (device='lun') are left alone: QEMU hands their commands on,
 * past its cache modes and AIO.
 */
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "check/rule.h"
#include "domain/xml.h"

static bool is_lun(const struct check_disk *d)
{
    return strcmp(d->model->device, "lun") == 0;
}

/* Whether libvirt's cache modes are what they are said to be: for clients of network storage, which
 * a volume may be as well, they mean something else each. */
static bool has_host_cache(const struct check_disk *d)
{
    bool is_found = strcmp(d->model->type, "volume") != 0 || d->place;
    return look_is_host_file(d) && is_found && !is_lun(d) && !look_is_memory(d);
}

static bool has_cache(const struct check_disk *d, const char *cache)
{
    return strcmp(d->model->config.cache, cache) == 0;
}

static bool has_io(const struct check_disk *d, const char *io)
{
    return strcmp(d->model->config.io, io) == 0;
}

/* --- Cache ------------------------------------------------------------------------------------ */

/* The safe mode that this storage can do. Without direct I/O, which tmpfs refuses before Linux 6.6
 * and does not need, io='native' has to go, too; nor does it come into effect that way on an image
 * that it is not fit for. */
static void fix_cache(struct finding *f, const struct check_disk *d)
{
    bool buffered = look_lacks_direct(d) || look_is_memory(d);
    const char *io = look_attribute(d->driver, "io");
    bool unfit = buffered || (!disk_config_is_direct(&d->model->config) && look_waits_for_room(d));
    if (unfit && strcmp(io, "native") == 0)
        io = "";
    cleanup_free char *driver =
        look_driver_with(d, "cache", buffered ? "writeback" : "none", "io", *io ? io : NULL, NULL);
    finding_fix(f, FIX_XML, "%s", driver);
}

static void look_unsafe(const struct look *at, struct found *out)
{
    const struct check_disk *d = at->disk;
    if (!has_cache(d, "unsafe") || is_lun(d) || look_is_memory(d) || look_keeps_nothing(d))
        return;
    fix_cache(found_say(out,
                        "cache='unsafe': the guest's flushes are ignored, and a crash or power "
                        "cut of the host loses what it was told is on the disk"),
              d);
}

/* A device without a volatile cache has nothing to flush: all that a flush costs there is a commit
 * of the file system. */
static bool flushes_are_cheap(const struct check_disk *d)
{
    const struct block_device *b = d->place ? d->place->block : NULL;
    return b && b->write_cache && strcmp(b->write_cache, "write through") == 0;
}

/* io='native' with a buffered mode is refused as a whole, which another rule says. */
static void look_write_through(const struct look *at, struct found *out)
{
    const struct check_disk *d = at->disk;
    if (!has_cache(d, "writethrough") || !has_host_cache(d) || look_keeps_nothing(d) ||
        has_io(d, "native"))
        return;
    fix_cache(found_say(out, "cache='writethrough': the guest waits after each of its writes until "
                             "that is flushed, and the data is copied through the page cache"),
              d);
}

static void look_direct_sync(const struct look *at, struct found *out)
{
    const struct check_disk *d = at->disk;
    if (!has_cache(d, "directsync") || !has_host_cache(d) || look_keeps_nothing(d))
        return;
    bool cheap = flushes_are_cheap(d);
    struct finding *f =
        found_say(out,
                  "cache='directsync': the guest waits after each of its writes until that is "
                  "flushed%s",
                  cheap ? ", which costs little on this device, as it has no volatile cache" : "");
    f->severity = cheap ? SEVERITY_NOTE : f->severity;
    fix_cache(f, d);
}

/* btrfs goes through the page cache whatever it is asked, unless the file is marked; ZFS has a
 * cache of its own. */
static bool has_another_cache(const struct check_disk *d)
{
    return d->place && place_is_copied(d->place);
}

static void look_write_back(const struct look *at, struct found *out)
{
    const struct check_disk *d = at->disk;
    const char *said = look_attribute(d->driver, "cache");
    if (!has_cache(d, "writeback") || !has_host_cache(d) || look_lacks_direct(d) ||
        look_keeps_nothing(d) || has_another_cache(d) || has_io(d, "native"))
        return;
    bool explicit = strcmp(said, "writeback") == 0;
    struct finding *f = explicit
                            ? found_say(out, "cache='writeback': its data is cached twice, by the "
                                             "guest and by the host")
                            : found_say(out, "cache is not set, which is 'writeback': its data is "
                                             "cached twice, by the guest and by the host");
    bool gains = look_has_direct(d) && !look_is_rotating(d) && !look_is_remote(d);
    f->severity = gains ? f->severity : SEVERITY_NOTE;
    fix_cache(f, d);
}

/* --- AIO -------------------------------------------------------------------------------------- */

static void look_native_buffered(const struct look *at, struct found *out)
{
    const struct check_disk *d = at->disk;
    const char *cache = look_attribute(d->driver, "cache");
    if (!has_io(d, "native") || !look_is_host_file(d) || has_cache(d, "unsafe") ||
        disk_config_is_direct(&d->model->config))
        return;
    struct finding *f = found_say(out, "io='native' with %s: libvirt refuses to define it",
                                  *cache ? "a cache that is not direct" : "no cache set");
    fix_cache(f, d);
}

/* What its writes will have to find room in; the caller frees. */
static char *room_of(const struct check_disk *d)
{
    char allocated[32], size[32];
    const struct check_image *top = d->images->len ? d->images->pdata[0] : NULL;
    if (xml_child(d->node, "transient"))
        return xstrdup("is transient, and begins as an empty overlay each time");
    if (look_is_copied(d))
        return xstrdup("is copied by its file system where it is written");
    if (top->header.backing)
        return xstrdup("grows over a backing image");
    return xasprintf("has room for %s of its %s so far",
                     text_format_size(top->place->allocated_bytes, allocated, sizeof(allocated)),
                     text_format_size(top->header.virtual_bytes, size, sizeof(size)));
}

static void look_native_growing(const struct look *at, struct found *out)
{
    const struct check_disk *d = at->disk;
    if (!has_io(d, "native") || !disk_config_is_direct(&d->model->config) ||
        !look_waits_for_room(d) || is_lun(d))
        return;
    const char *best = look_best_io(at);
    cleanup_free char *room = room_of(d);
    struct finding *f = found_say(out,
                                  "io='native', and the image %s: what has to wait for room "
                                  "there holds up all other requests of its thread",
                                  room);
    finding_fix_driver(f, d, "io", best ? best : "threads");
}

/* Whether nobody knows if io='native' would be fit for it. */
static bool native_is_open(const struct check_disk *d)
{
    return disk_config_is_direct(&d->model->config) && !look_lacks_direct(d) && !look_grows(d) &&
           !look_is_copied(d) && !look_is_allocated(d) && !d->model->config.discard;
}

static void fix_threads(struct finding *f, const struct check_disk *d, const char *best)
{
    /* libvirt wants to read that it is direct, also where that is the default (<shareable/>). */
    cleanup_free char *native =
        look_driver_with(d, "cache", d->model->config.cache, "io", "native", NULL);
    if (!best && native_is_open(d)) {
        finding_fix(f, FIX_XML, "<!-- if all blocks of the image are allocated: -->\n%s", native);
        return;
    }
    if (!best) {
        finding_fix(f, FIX_ADVICE,
                    "Allocate the image (qemu-img convert -o preallocation=falloc), "
                    "then set io='native'");
        f->needs |= FIX_NEEDS_IMAGE_CONVERSION;
        return;
    }
    bool is_native = strcmp(best, "native") == 0;
    cleanup_free char *driver = is_native ? xstrdup(native) : look_driver_with(d, "io", best, NULL);
    if (native_is_open(d))
        finding_fix(f, FIX_XML, "%s\n<!-- or, if all blocks of the image are allocated: -->\n%s",
                    driver, native);
    else
        finding_fix(f, FIX_XML, "%s", driver);
}

/* Threads are the best there is for what goes through the page cache where there is no io_uring.
 * Who has asked for them may have measured. */
static void look_threads(const struct look *at, struct found *out)
{
    const struct check_disk *d = at->disk;
    bool said = look_says(d->driver, "io", "threads");
    bool direct = disk_config_is_direct(&d->model->config) && !look_lacks_direct(d);
    const char *best = look_best_io(at);
    bool can_be_native = direct && (native_is_open(d) || look_grows(d)) && !has_another_cache(d);
    if (!has_io(d, "threads") || !has_host_cache(d) || look_is_rotating(d) ||
        (!best && !can_be_native))
        return;
    struct finding *f =
        found_say(out,
                  "%s its requests go through a pool of QEMU's worker threads, a switch to one "
                  "and back for each",
                  said ? "io='threads':" : "io is not set:");
    bool fast_path = look_is_virtio_blk(d) || look_is_virtio_scsi(d);
    bool gains = !said && direct && fast_path && !look_is_remote(d);
    bool now = best || native_is_open(d);
    f->severity = gains && now ? f->severity : SEVERITY_NOTE;
    fix_threads(f, d, best);
}

static void look_ignored_io(const struct look *at, struct found *out)
{
    const struct check_disk *d = at->disk;
    const char *io = look_attribute(d->driver, "io");
    if (!*io || strcmp(d->model->type, "network") != 0)
        return;
    struct finding *f = found_say(out,
                                  "io='%s' has no effect: QEMU reaches this disk over the "
                                  "network by itself",
                                  io);
    finding_fix_driver(f, d, "io", NULL);
}

/* --- Table ------------------------------------------------------------------------------------ */

static const struct rule rows[] = {
    {
        .id = "cache-unsafe",
        .scope = RULE_DISK,
        .severity = SEVERITY_ERROR,
        .title = "the guest's flushes are ignored",
        .why = "QEMU tells the guest that a flush is done without doing one, so file systems and "
               "databases in it can be destroyed by a crash of the host. It is for disks that "
               "nobody will miss.",
        .source = "libvirt: qemuDomainDiskCachemodeFlags; qemu: qemu-options.hx",
        .needs = FIX_NEEDS_RESTART,
        .look = look_unsafe,
    },
    {
        .id = "cache-writethrough",
        .scope = RULE_DISK,
        .severity = SEVERITY_WARNING,
        .title = "each write is flushed, and copied through the page cache",
        .why = "The guest sees a disk without a write cache, and QEMU flushes after each write. "
               "With cache='none' the guest flushes when it has to, as all current guests do; "
               "one that never flushes, or is mounted with nobarrier, needs this mode.",
        .source = "libvirt: qemuDomainDiskCachemodeFlags; qemu: qemu-options.hx",
        .needs = FIX_NEEDS_RESTART,
        .look = look_write_through,
    },
    {
        .id = "cache-directsync",
        .scope = RULE_DISK,
        .severity = SEVERITY_WARNING,
        .title = "each write is flushed",
        .why = "It is cache='none' with a flush after each write. With cache='none' the guest "
               "flushes when it has to, as all current guests do; one that never flushes, or is "
               "mounted with nobarrier, needs this mode.",
        .source = "libvirt: qemuDomainDiskCachemodeFlags; qemu: qemu-options.hx",
        .needs = FIX_NEEDS_RESTART,
        .look = look_direct_sync,
    },
    {
        .id = "cache-writeback",
        .scope = RULE_DISK,
        .severity = SEVERITY_WARNING,
        .title = "the host's page cache lies between the guest and its disk",
        .why = "The host copies and keeps what the guest has cached already, and writes it back in "
               "bursts; libvirt does not migrate such a guest while it runs unless QEMU can drop "
               "that cache (4.0). It pays only where the host has memory to spare that the guest "
               "has not, for data that is read again.",
        .source = "libvirt: qemuDomainPrepareDiskCachemode; qemu: qemu-options.hx",
        .needs = FIX_NEEDS_RESTART,
        .look = look_write_back,
    },
    {
        .id = "io-native-buffered",
        .scope = RULE_DISK,
        .severity = SEVERITY_ERROR,
        .title = "io='native' without direct I/O",
        .why = "Linux AIO is asynchronous on files that are opened with O_DIRECT alone, so libvirt "
               "and QEMU take it with cache='none' and 'directsync' only.",
        .source = "libvirt 9.0.0, tried; qemu: block/file-posix.c",
        .needs = FIX_NEEDS_RESTART,
        .look = look_native_buffered,
    },
    {
        .id = "io-native-growing",
        .scope = RULE_DISK,
        .severity = SEVERITY_WARNING,
        .title = "io='native' on an image that is not allocated",
        .why = "Submitting a write that needs new blocks waits in the kernel until the file system "
               "has found them, and with it all that the thread serves. Allocated images are what "
               "native is for.",
        .source = "OpenStack Nova: libvirt-aio-mode",
        .needs = FIX_NEEDS_RESTART,
        .look = look_native_growing,
    },
    {
        .id = "io-threads",
        .scope = RULE_DISK,
        .severity = SEVERITY_WARNING,
        .title = "requests go through worker threads",
        .why = "Each request is handed to one of up to 64 threads and back. io='native' (for an "
               "image that is allocated) and io='io_uring' hand it to the kernel at once, which "
               "gave 15 to 27 % more requests per second on a device without latency; which of "
               "the two is faster here is to be measured.",
        .source = "qemu: util/thread-pool.c, block/file-posix.c; rooshm/benchmarks",
        .needs = FIX_NEEDS_RESTART,
        .look = look_threads,
    },
    {
        .id = "io-ignored",
        .scope = RULE_DISK,
        .severity = SEVERITY_NOTE,
        .title = "io= on a disk that QEMU reaches over the network",
        .why = "The attribute chooses how QEMU reads and writes files and block devices of its "
               "host. Its clients for rbd, iSCSI, NBD and the like do not look at it.",
        .source = "OpenStack Nova: libvirt-aio-mode; qemu: block/file-posix.c",
        .needs = FIX_NEEDS_RESTART,
        .look = look_ignored_io,
    },
};

RULE_TABLE(rules_cache, rows);
