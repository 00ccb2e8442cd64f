/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rules_guest.c - what a guest does with its disks, where it was asked: the running ones, of which
 * check_disk.guest is known.
 */
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "check/guest_facts.h"
#include "check/rule.h"
#include "domain/xml.h"

/* --- What several ask ------------------------------------------------------------------------- */

static bool is(const char *text, const char *word)
{
    return text && strcmp(text, word) == 0;
}

/* The guest's device of a disk under virtio-blk. */
static bool is_virtio(const struct guest_disk *g)
{
    return g_str_has_prefix(g->name, "vd");
}

/* Whether a flush of the guest reaches something: the running disk has a cache, and QEMU does not
 * throw flushes away. */
static bool has_volatile_cache(const struct look *at)
{
    const struct domain_disk *live = look_live(at->disk);
    return live && (is(live->config.cache, "none") || is(live->config.cache, "writeback"));
}

/* Hardware that has no heads to move, and says so. */
static bool is_solid(const struct block_device *d)
{
    return d->kind == DEVICE_DISK && d->rotational == 0 && !is(d->driver, "virtio_blk");
}

static const struct block_device *storage_of(const struct look *at)
{
    return at->disk->place ? at->disk->place->block : NULL;
}

/* Now, and at every boot. */
static void fix_queue(struct finding *f, const char *name, const char *attribute, const char *value)
{
    finding_fix(f, FIX_GUEST,
                "echo %s > /sys/block/%s/queue/%s\n"
                "echo 'ACTION==\"add|change\", KERNEL==\"%s\", ATTR{queue/%s}=\"%s\"' > "
                "/etc/udev/rules.d/60-%s-%s.rules",
                value, name, attribute, name, attribute, value, name, attribute);
}

static void append(GString *list, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void append(GString *list, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (list->len)
        g_string_append(list, ", ");
    g_string_append_vprintf(list, format, args);
    va_end(args);
}

/* --- The guest as a whole --------------------------------------------------------------------- */

static void look_silent(const struct look *at, struct found *out)
{
    const struct guest_facts *g = at->domain->guest;
    if (!g || !g->silent)
        return;
    struct finding *f = found_say(out, "the guest was not asked: %s", g->silent);
    if (g->hint)
        finding_fix(f, FIX_ADVICE, "%s", g->hint);
}

static void look_unread(const struct look *at, struct found *out)
{
    const struct guest_facts *g = at->domain->guest;
    if (!g || g->silent || !g->unread)
        return;
    struct finding *f = found_say(out, "%s", g->unread);
    if (g->remedy)
        finding_fix(f, FIX_ADVICE, "%s", g->remedy);
}

/* --- Caches ----------------------------------------------------------------------------------- */

static void look_flush(const struct look *at, struct found *out)
{
    const struct guest_disk *g = at->disk->guest;
    if (!g || !has_volatile_cache(at) || !is(g->device_cache, "write back") ||
        !is(g->kernel_cache, "write through"))
        return;
    struct finding *f =
        found_say(out,
                  "the guest's kernel takes %s for a disk without a cache and sends "
                  "no flush, and the disk has one (cache='%s')",
                  g->name, look_live(at->disk)->config.cache);
    finding_fix(f, FIX_GUEST, "echo 'write back' > /sys/block/%s/queue/write_cache", g->name);
}

static void look_cache(const struct look *at, struct found *out)
{
    const struct guest_disk *g = at->disk->guest;
    if (!g || !has_volatile_cache(at))
        return;
    if (is(g->device_cache, "write through")) {
        struct finding *f = found_say(out,
                                      "the guest has set %s to 'write through' although the "
                                      "domain says cache='%s'",
                                      g->name, look_live(at->disk)->config.cache);
        finding_fix(f, FIX_GUEST, "echo 'write back' > /sys/block/%s/cache_type", g->name);
    } else if (!g->device_cache && is(g->kernel_cache, "write through") &&
               g_str_has_prefix(g->name, "sd") && !is(look_live(at->disk)->device, "lun")) {
        struct finding *f = found_say(out,
                                      "the guest takes %s for a disk without a cache although the "
                                      "domain says cache='%s'",
                                      g->name, look_live(at->disk)->config.cache);
        finding_fix(f, FIX_GUEST,
                    "echo 'write back' | tee /sys/block/%s/device/scsi_disk/*/cache_type", g->name);
    }
}

/* --- Mounts ----------------------------------------------------------------------------------- */

/* How a file system turns barriers on again; NULL: not known here. */
static const char *barrier_option(const struct mount *m)
{
    static const struct {
        const char *type, *option;
    } known[] = {
        {"ext3", "barrier=1"}, {"ext4", "barrier"}, {"btrfs", "barrier"}, {"xfs", "barrier"}};
    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (is(m->type, known[i].type))
            return known[i].option;
    return NULL;
}

static void say_nobarrier(const struct mount *m, struct found *out)
{
    struct finding *f = found_say(out, "%s (%s) is mounted without barriers: fsync reaches no disk",
                                  m->point, m->type);
    g_autofree char *quoted = g_shell_quote(m->point);
    const char *option = barrier_option(m);
    /* A command in several lines is not one to be pasted. */
    if (option && !strpbrk(m->point, "\n\r"))
        finding_fix(f, FIX_GUEST, "mount -o remount,%s %s    # and without nobarrier in /etc/fstab",
                    option, quoted);
    else
        finding_fix(f, FIX_ADVICE, "Mount it without nobarrier");
}

static void look_nobarrier(const struct look *at, struct found *out)
{
    const struct guest_disk *g = at->disk->guest;
    if (!g || !has_volatile_cache(at))
        return;
    for (guint i = 0; i < g->mounts->len; i++) {
        const struct mount *m = g->mounts->pdata[i];
        if (mount_has_no_barriers(m))
            say_nobarrier(m, out);
    }
}

/* Of a block device nothing is taken: its room is its own. */
static void look_mount_discard(const struct look *at, struct found *out)
{
    const struct guest_disk *g = at->disk->guest;
    const struct domain_disk *live = look_live(at->disk);
    g_autoptr(GString) points = g_string_new(NULL);
    if (!g || !live || !live->config.discard || !look_is_allocated(at->disk) ||
        at->disk->place->type != PLACE_FILE)
        return;
    for (guint i = 0; i < g->mounts->len; i++) {
        const struct mount *m = g->mounts->pdata[i];
        if (mount_has_option(m, "discard") || mount_has_option(m, "discard=async"))
            append(points, "%s", m->point);
    }
    if (!points->len)
        return;
    struct finding *f = found_say(
        out, "%s: what is deleted there is taken out of the allocated image", points->str);
    finding_fix(f, FIX_ADVICE,
                "Where the room is to stay: mount without discard, without fstrim.timer, and with "
                "discard='ignore'");
}

/* --- Discard ---------------------------------------------------------------------------------- */

static void fix_discard(struct finding *f, const struct look *at)
{
    const struct guest_disk *g = at->disk->guest;
    unsigned machine = look_machine_version(at->domain);
    if (g->discard_device_bytes > 0)
        finding_fix(f, FIX_GUEST, "echo %lld > /sys/block/%s/queue/discard_max_bytes",
                    (long long)g->discard_device_bytes, g->name);
    else if (is_virtio(g) && machine && machine < 4000)
        finding_fix(f, FIX_ADVICE,
                    "virtio-blk has it from machine type 4.0 on (this one is %s); virtio-scsi has "
                    "it on all",
                    at->domain->model->machine);
    else if (is_virtio(g))
        finding_fix(f, FIX_ADVICE,
                    "virtio-blk has it with a machine type from 4.0 and a kernel from 5.0 on in "
                    "the guest; virtio-scsi has it with older ones");
}

static void look_discard(const struct look *at, struct found *out)
{
    const struct guest_disk *g = at->disk->guest;
    const struct domain_disk *live = look_live(at->disk);
    if (!g || !live || !live->config.discard || g->discard_max_bytes != 0 ||
        xml_child(at->disk->node, "readonly"))
        return;
    fix_discard(found_say(out,
                          "discard='unmap' is configured, and the guest's %s %s "
                          "(discard_max_bytes is 0)",
                          g->name,
                          g->discard_device_bytes > 0 ? "is told not to use it" : "has no discard"),
                at);
}

/* --- The queue -------------------------------------------------------------------------------- */

static void look_scheduler(const struct look *at, struct found *out)
{
    const struct guest_disk *g = at->disk->guest;
    const struct block_device *storage = storage_of(at);
    if (!g || !g->scheduler || is(g->scheduler, "none") || is(g->scheduler, "noop") ||
        (storage && stack_is_rotating(storage)))
        return;
    fix_queue(
        found_say(out, "the guest puts the requests of %s in order with %s", g->name, g->scheduler),
        g->name, "scheduler", "none");
}

static void look_rotational(const struct look *at, struct found *out)
{
    const struct guest_disk *g = at->disk->guest;
    const struct block_device *storage = storage_of(at);
    if (!g || g->rotational != 1 || !storage || !stack_every_end(storage, is_solid))
        return;
    fix_queue(found_say(out, "the guest takes %s for a disk with heads, and it is on %s", g->name,
                        storage->label ? storage->label : storage->name),
              g->name, "rotational", "0");
}

/* --- What is on the disk ---------------------------------------------------------------------- */

/* Smaller ones hold a boot loader, or the description of others. */
#define PARTITION_KIB_MIN (16 << 10)

/* The partitions that do not begin at a multiple of so many sectors. The caller frees. */
static GString *unaligned(const struct guest_disk *g, int64_t sectors)
{
    GString *list = g_string_new(NULL);
    for (guint i = 0; i < g->partitions->len; i++) {
        const struct guest_partition *p = g->partitions->pdata[i];
        if (p->first_sector > 0 && p->first_sector % sectors && p->size_kib >= PARTITION_KIB_MIN)
            append(list, "%s at sector %lld", p->name, (long long)p->first_sector);
    }
    return list;
}

static void look_partitions(const struct look *at, struct found *out)
{
    const struct guest_disk *g = at->disk->guest;
    if (!g)
        return;
    g_autoptr(GString) blocks = unaligned(g, 8);
    g_autoptr(GString) mib = unaligned(g, 2048);
    struct finding *f = NULL;
    if (blocks->len) {
        f = found_say(out, "not at a multiple of 4 KiB: %s", blocks->str);
    } else if (mib->len) {
        f = found_say(out, "not at a multiple of 1 MiB: %s", mib->str);
        f->severity = SEVERITY_NOTE;
    }
    if (f)
        finding_fix(f, FIX_ADVICE,
                    "Only a new partition at a multiple of 2048 sectors helps; the data go there "
                    "by a copy");
}

/* What has been put there and never asked for again costs nothing. */
#define SWAP_KIB_MIN (16 << 10)

static void look_swap(const struct look *at, struct found *out)
{
    char size[32];
    const struct guest_disk *g = at->disk->guest;
    if (!g || g->swap_used_kib < SWAP_KIB_MIN)
        return;
    struct finding *f =
        found_say(out, "%s of the guest's memory are in swap on %s",
                  text_format_size(g->swap_used_kib << 10, size, sizeof(size)), g->name);
    finding_fix(f, FIX_ADVICE, "Give the guest more memory, or its swap another disk");
}

static void look_layers(const struct look *at, struct found *out)
{
    const struct guest_disk *g = at->disk->guest;
    g_autoptr(GString) list = g_string_new(NULL);
    if (!g)
        return;
    for (guint i = 0; i < g->layers->len; i++)
        append(list, "%s", (const char *)g->layers->pdata[i]);
    if (list->len)
        found_say(out, "in the guest there is on %s: %s", g->name, list->str);
}

/* --- The rules -------------------------------------------------------------------------------- */

static const struct rule rows[] = {
    {
        .id = "guest-silent",
        .scope = RULE_DOMAIN,
        .severity = SEVERITY_NOTE,
        .title = "the guest's agent does not answer, so the guest was not looked into",
        .why = "What the guest's kernel does with its disks is known only inside.",
        .source = "libvirt: virDomainQemuAgentCommand",
        .look = look_silent,
    },
    {
        .id = "guest-unread",
        .scope = RULE_DOMAIN,
        .severity = SEVERITY_NOTE,
        .title = "not all of the guest could be looked into",
        .why = "What the guest's kernel does with these disks is not known.",
        .source = "qemu: qga/qapi-schema.json; RHEL's qemu-guest-agent allows no guest-file-open",
        .look = look_unread,
    },
    {
        .id = "guest-flush-off",
        .scope = RULE_DISK,
        .severity = SEVERITY_ERROR,
        .title = "the guest's kernel sends no flushes to a disk that has a cache",
        .why = "What is written to queue/write_cache changes what the kernel believes, and nothing "
               "in the device: with 'write through' there fsync returns before anything is safe, "
               "and a crash of the host loses it.",
        .source = "linux: Documentation/ABI/stable/sysfs-block, queue/write_cache",
        .look = look_flush,
    },
    {
        .id = "guest-nobarrier",
        .scope = RULE_DISK,
        .severity = SEVERITY_ERROR,
        .title = "a file system of the guest is mounted without barriers",
        .why = "It does not flush the disk's cache when it should: a crash of the host can lose "
               "what was synced, and damage the file system.",
        .source = "ext4(5), mount option barrier",
        .look = look_nobarrier,
    },
    {
        .id = "guest-cache-through",
        .scope = RULE_DISK,
        .severity = SEVERITY_WARNING,
        .title = "the guest has turned the disk's write cache off",
        .why = "A virtio disk lets its guest choose, whatever the domain says: then QEMU flushes "
               "the image after every write before it is done.",
        .source = "qemu: hw/block/virtio-blk.c; linux: drivers/block/virtio_blk.c (cache_type)",
        .look = look_cache,
    },
    {
        .id = "guest-misaligned",
        .scope = RULE_DISK,
        .severity = SEVERITY_WARNING,
        .title = "a partition of the guest begins inside of a block",
        .why = "On storage with blocks of 4 KiB a request of 4 KiB touches two, and a write "
               "becomes reads and writes. A beginning between two MiB is a note: large requests "
               "can cross one more cluster or stripe.",
        .source = "parted(8), alignment; qcow2: clusters of 64 KiB",
        .look = look_partitions,
    },
    {
        .id = "guest-discard",
        .scope = RULE_DISK,
        .severity = SEVERITY_WARNING,
        .title = "discard='unmap' is configured, and the guest cannot discard",
        .why = "What is deleted inside stays in the image, which only grows.",
        .source = "linux: Documentation/ABI/stable/sysfs-block, discard_max_bytes; qemu: "
                  "hw/core/machine.c, hw_compat_3_1",
        .look = look_discard,
    },
    {
        .id = "guest-mount-discard",
        .scope = RULE_DISK,
        .severity = SEVERITY_NOTE,
        .title = "the guest discards from an image that was allocated on purpose",
        .why = "A discard makes holes in the image, and the next write there has to find room "
               "again.",
        .source = "qemu: block/file-posix.c, handle_aiocb_discard",
        .look = look_mount_discard,
    },
    {
        .id = "guest-scheduler",
        .scope = RULE_DISK,
        .severity = SEVERITY_NOTE,
        .title = "the guest sorts requests that the host will sort again",
        .why = "Linux takes mq-deadline for a disk with one queue. In front of storage without "
               "heads it mostly costs time of the guest's CPUs; whether that shows depends on the "
               "work: measure.",
        .source = "linux: block/elevator.c, elevator_set_default",
        .look = look_scheduler,
    },
    {
        .id = "guest-rotational",
        .scope = RULE_DISK,
        .severity = SEVERITY_NOTE,
        .title = "the guest takes the disk for one with heads, and it has none",
        .why = "Linux says so of every virtio disk; its schedulers and file systems go by it "
               "where they choose between seeking less and waiting less.",
        .source = "linux: drivers/block/virtio_blk.c, BLK_FEAT_ROTATIONAL",
        .look = look_rotational,
    },
    {
        .id = "guest-swap",
        .scope = RULE_DISK,
        .severity = SEVERITY_NOTE,
        .title = "the guest swaps to the disk",
        .why = "Pages that come and go take the disk's time from the data.",
        .source = "proc(5), /proc/swaps",
        .look = look_swap,
    },
    {
        .id = "guest-layers",
        .scope = RULE_DISK,
        .severity = SEVERITY_NOTE,
        .title = "there is a layer between the guest's file systems and its disk",
        .why = "Each request goes through it. A linear volume of LVM only moves its address; "
               "encryption takes time of the guest's CPUs.",
        .source = "linux: Documentation/admin-guide/device-mapper",
        .look = look_layers,
    },
};

RULE_TABLE(rules_guest, rows);
