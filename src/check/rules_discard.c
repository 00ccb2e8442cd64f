/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rules_discard.c - discard, zeroes, copy on read, error policy, limits.
 */
#include <glib.h>
#include <string.h>

#include "base/memory.h"
#include "check/rule.h"
#include "domain/xml.h"

static bool is_qcow2(const struct check_disk *d)
{
    return strcmp(d->model->config.format, "qcow2") == 0;
}

/* Whether discards are QEMU's business there: not what is passed through, nor what is not written.
 */
static bool can_discard(const struct check_disk *d)
{
    return look_is_host_file(d) && strcmp(d->model->device, "lun") != 0 && !look_keeps_nothing(d) &&
           !xml_child(d->node, "shareable");
}

/* --- Discard ---------------------------------------------------------------------------------- */

/* virtio-blk got discards with machine type 4.0. */
static bool offers_no_discard(const struct check_disk *d)
{
    unsigned machine = look_machine_version(d->domain);
    return look_is_virtio_blk(d) && machine && machine < 4000;
}

/* NFS has holes from version 4.2 on: a raw image on an older one gives nothing back. A qcow2 at
 * least uses again what it was given back. */
static bool has_no_holes(const struct check_disk *d)
{
    const struct mount *m = look_is_remote(d) ? d->place->mount : NULL;
    return m && !is_qcow2(d) && !mount_has_option(m, "vers=4.2");
}

/* Who wants its image allocated loses that by discards; a growing image never shrinks without. A
 * qcow2 that nobody has looked at is taken for one that grows, as most are. */
static void look_discard_off(const struct look *at, struct found *out)
{
    const struct check_disk *d = at->disk;
    bool grows = look_grows(d) || (is_qcow2(d) && !look_is_allocated(d));
    if (*look_attribute(d->driver, "discard") || !can_discard(d) || !grows ||
        offers_no_discard(d) || has_no_holes(d))
        return;
    struct finding *f =
        found_say(out, "discard is not set: what the guest trims stays allocated on "
                       "the host");
    finding_fix_driver(f, d, "discard", "unmap");
}

static void look_discard_unseen(const struct look *at, struct found *out)
{
    const struct check_disk *d = at->disk;
    if (!d->model->config.discard || !can_discard(d) || !offers_no_discard(d))
        return;
    struct finding *f = found_say(out,
                                  "discard='unmap', and the machine type %s never offers a "
                                  "virtio disk's guest to discard",
                                  d->domain->model->machine);
    finding_fix(f, FIX_ADVICE,
                "Take a machine type of 4.0 or later, which changes what the guest "
                "sees of its hardware");
}

static void look_discard_allocated(const struct look *at, struct found *out)
{
    const struct check_disk *d = at->disk;
    if (!d->model->config.discard || !can_discard(d) ||
        strcmp(d->model->config.io, "native") != 0 || !look_is_allocated(d) ||
        d->place->type != PLACE_FILE)
        return;
    struct finding *f =
        found_say(out, "discard='unmap' with io='native' on an allocated image: what "
                       "the guest trims has to be allocated again");
    finding_fix_driver(f, d, "discard", "ignore");
}

static void look_no_unref_refused(const struct look *at, struct found *out)
{
    const struct check_disk *d = at->disk;
    bool read_only = xml_child(d->node, "readonly");
    if (!look_says(d->driver, "discard_no_unref", "on") || (is_qcow2(d) && !read_only))
        return;
    struct finding *f = found_say(out, "discard_no_unref='on' on a %s: libvirt refuses it",
                                  read_only ? "disk that is read only" : "disk that is no qcow2");
    finding_fix_driver(f, d, "discard_no_unref", NULL);
}

/* Only where it is to be had: there is no other remedy. */
static void look_no_unref(const struct look *at, struct found *out)
{
    const struct check_disk *d = at->disk;
    if (!d->model->config.discard || !can_discard(d) || !is_qcow2(d) || offers_no_discard(d) ||
        *look_attribute(d->driver, "discard_no_unref") || !at->versions.qemu ||
        !look_has_versions(at, &out->rule->since))
        return;
    struct finding *f =
        found_say(out, "discarded clusters are given up and found anew elsewhere, so "
                       "that the qcow2 becomes fragmented");
    finding_fix_driver(f, d, "discard_no_unref", "on");
}

/* --- Zeroes ----------------------------------------------------------------------------------- */

/* An image that has all its room has nothing to gain by unmapping, and discards would take it away.
 */
static void look_zeroes_unmap(const struct look *at, struct found *out)
{
    const struct check_disk *d = at->disk;
    if (!look_says(d->driver, "detect_zeroes", "unmap") || d->model->config.discard ||
        look_keeps_nothing(d))
        return;
    struct finding *f =
        found_say(out, "detect_zeroes='unmap' without discard='unmap' is no more than "
                       "'on': nothing is unmapped");
    if (look_is_allocated(d))
        finding_fix_driver(f, d, "detect_zeroes", "off");
    else
        finding_fix_driver(f, d, "discard", "unmap");
}

static void look_zeroes(const struct look *at, struct found *out)
{
    const struct check_disk *d = at->disk;
    bool unmaps = look_says(d->driver, "detect_zeroes", "unmap") && d->model->config.discard;
    bool wanted = unmaps && !look_is_allocated(d);
    if ((!unmaps && !look_says(d->driver, "detect_zeroes", "on")) || wanted ||
        look_is_rotating(d) || look_keeps_nothing(d))
        return;
    struct finding *f = found_say(out,
                                  "detect_zeroes='%s': QEMU reads through the data of each write "
                                  "in search of anything but zeros",
                                  unmaps ? "unmap" : "on");
    finding_fix_driver(f, d, "detect_zeroes", "off");
}

/* --- Copy on read ----------------------------------------------------------------------------- */

static bool copies_on_read(const struct check_disk *d)
{
    return look_says(d->driver, "copy_on_read", "on");
}

static const char *copy_obstacle(const struct check_disk *d)
{
    return xml_child(d->node, "readonly")         ? "a disk that is read only"
           : strcmp(d->model->device, "lun") == 0 ? "device='lun'"
                                                  : NULL;
}

static void look_copy_refused(const struct look *at, struct found *out)
{
    const char *obstacle = copies_on_read(at->disk) ? copy_obstacle(at->disk) : NULL;
    if (!obstacle)
        return;
    struct finding *f = found_say(out, "copy_on_read='on' with %s: libvirt refuses it", obstacle);
    finding_fix_driver(f, at->disk, "copy_on_read", NULL);
}

/* It has its use over a base that is far away or slow. */
static bool base_may_be_slow(const struct check_disk *d)
{
    const struct check_image *base = d->images->len > 1 ? d->images->pdata[1] : NULL;
    return !base || !base->place || !base->place->block || stack_is_rotating(base->place->block);
}

static void look_copy(const struct look *at, struct found *out)
{
    const struct check_disk *d = at->disk;
    const struct check_image *top = d->images->len ? d->images->pdata[0] : NULL;
    if (!copies_on_read(d) || copy_obstacle(d) || !top)
        return;
    bool useless = !top->header.backing;
    if (!useless && base_may_be_slow(d))
        return;
    struct finding *f = found_say(
        out, useless ? "copy_on_read='on', and the image has no backing image to copy from"
                     : "copy_on_read='on': what is first read of the backing image, which is on "
                       "this host as well, is written into the top one");
    f->severity = useless ? f->severity : SEVERITY_NOTE;
    finding_fix_driver(f, d, "copy_on_read", "off");
}

/* --- Error policy ----------------------------------------------------------------------------- */

/* Without a policy of its own for reads that for writes is taken. */
static void look_error_ignored(const struct look *at, struct found *out)
{
    const struct check_disk *d = at->disk;
    bool writes = look_says(d->driver, "error_policy", "ignore");
    bool reads = look_says(d->driver, "rerror_policy", "ignore");
    if (!writes && !reads)
        return;
    const char *policy = writes ? "enospace" : look_attribute(d->driver, "error_policy");
    const char *read_policy = reads ? "report" : look_attribute(d->driver, "rerror_policy");
    cleanup_free char *driver =
        look_driver_with(d, "error_policy", *policy ? policy : NULL, "rerror_policy",
                         *read_policy ? read_policy : NULL, NULL);
    struct finding *f =
        found_say(out, "%s='ignore': the guest is told that %s have succeeded when they have not",
                  writes ? "error_policy" : "rerror_policy", writes ? "writes" : "reads");
    finding_fix(f, FIX_XML, "%s", driver);
}

static void look_no_space_reported(const struct look *at, struct found *out)
{
    const struct check_disk *d = at->disk;
    if (!look_says(d->driver, "error_policy", "report") || !look_grows(d) || look_keeps_nothing(d))
        return;
    struct finding *f =
        found_say(out, "error_policy='report' on an image that grows: when its storage "
                       "is full the guest gets errors, instead of a pause");
    finding_fix_driver(f, d, "error_policy", "enospace");
}

/* --- Limits ----------------------------------------------------------------------------------- */

static const char *const limit_directions[] = {"total", "read", "write"};
static const char *const limit_units[] = {"bytes", "iops"};

/* The value of <iotune>'s element of this name; 0 where there is none. */
static uint64_t iotune_number(const struct check_disk *d, const char *name)
{
    cleanup_free char *text = xml_child_text(xml_child(d->node, "iotune"), name);
    return text ? g_ascii_strtoull(text, NULL, 10) : 0;
}

/* That for this direction and unit with this end ("", "_max"). */
static uint64_t limit(const struct check_disk *d, size_t direction, size_t unit, const char *end)
{
    cleanup_free char *name =
        xasprintf("%s_%s_sec%s", limit_directions[direction], limit_units[unit], end);
    return iotune_number(d, name);
}

/* Below this guests are said to hang. */
#define LIMIT_SAFE_BYTES 2000000

struct limits {
    GString *seen;    /* "total_iops_sec 500, …" */
    GString *options; /* of virsh, that take them away */
    bool small;
};

static void add_limit(struct limits *l, const struct check_disk *d, size_t direction, size_t unit)
{
    static const char *const ends[] = {"", "_max"};
    for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
        uint64_t value = limit(d, direction, unit, ends[i]);
        if (!value)
            continue;
        const char *direction_name = limit_directions[direction], *unit_name = limit_units[unit];
        g_string_append_printf(l->seen, "%s%s_%s_sec%s %llu", l->seen->len ? ", " : "",
                               direction_name, unit_name, ends[i], (unsigned long long)value);
        g_string_append_printf(l->options, " --%s-%s-sec%s 0", direction_name, unit_name,
                               i ? "-max" : "");
        l->small = l->small || (!i && unit == 0 && value < LIMIT_SAFE_BYTES);
    }
}

/* What goes with limits has to go with them: libvirt keeps what a command does not name, and then
 * refuses the length of a burst that has no limit. */
static void add_rest(struct limits *l, const struct check_disk *d)
{
    for (size_t unit = 0; unit < ARRAY_SIZE(limit_units); unit++)
        for (size_t direction = 0; direction < ARRAY_SIZE(limit_directions); direction++)
            if (limit(d, direction, unit, "_max_length"))
                g_string_append_printf(l->options, " --%s-%s-sec-max-length 0",
                                       limit_directions[direction], limit_units[unit]);
    if (iotune_number(d, "size_iops_sec"))
        g_string_append(l->options, " --size-iops-sec 0");
}

static void look_limited(const struct look *at, struct found *out)
{
    const struct check_disk *d = at->disk;
    g_autoptr(GString) seen = g_string_new(NULL), options = g_string_new(NULL);
    struct limits l = {.seen = seen, .options = options};
    for (size_t unit = 0; unit < ARRAY_SIZE(limit_units); unit++)
        for (size_t direction = 0; direction < ARRAY_SIZE(limit_directions); direction++)
            add_limit(&l, d, direction, unit);
    add_rest(&l, d);
    if (!seen->len)
        return;
    struct finding *f = found_say(out, "<iotune> limits it: %s%s", seen->str,
                                  l.small ? ", which is little enough for a guest to hang" : "");
    f->severity = l.small ? f->severity : SEVERITY_NOTE;
    g_autofree char *name = g_shell_quote(d->domain->model->name);
    g_autofree char *target = g_shell_quote(d->model->target ? d->model->target : "");
    finding_fix(f, FIX_VIRSH, "virsh blkdeviotune %s %s%s %s", name, target, options->str,
                look_virsh_flags(d->domain));
}

/* What is wrong with the limits of one unit; NULL. */
static const char *limit_fault(const struct check_disk *d, size_t unit)
{
    uint64_t total = limit(d, 0, unit, ""), read = limit(d, 1, unit, "");
    if (total && (read || limit(d, 2, unit, "")))
        return "total and read or write limits exclude each other";
    for (size_t i = 0; i < ARRAY_SIZE(limit_directions); i++)
        if (limit(d, i, unit, "_max") && !limit(d, i, unit, ""))
            return "a limit for bursts (_max) needs the limit that it exceeds";
    return NULL;
}

static void look_limit_refused(const struct look *at, struct found *out)
{
    const struct check_disk *d = at->disk;
    const char *fault = NULL;
    if (xml_child(d->node, "iotune") && xml_child(d->node, "throttlefilters"))
        fault = "it excludes <throttlefilters>";
    for (size_t unit = 0; !fault && unit < ARRAY_SIZE(limit_units); unit++)
        fault = limit_fault(d, unit);
    if (fault)
        finding_fix(found_say(out, "<iotune> is refused: %s", fault), FIX_ADVICE,
                    "Leave one of the two out, or set the one that is missing");
}

/* --- Table ------------------------------------------------------------------------------------ */

static const struct rule rows[] = {
    {
        .id = "discard-off",
        .scope = RULE_DISK,
        .severity = SEVERITY_NOTE,
        .title = "what the guest trims is not given back",
        .why = "Without discard='unmap' QEMU ignores the guest's discards, so an image or a thin "
               "volume only grows, and an SSD below keeps what is dead. The guest has to trim "
               "(fstrim.timer).",
        .source = "libvirt: formatdomain, discard; qemu: hw/block/virtio-blk.c",
        .needs = FIX_NEEDS_RESTART,
        .since = {.qemu = 1005000, .libvirt = 1000006},
        .look = look_discard_off,
    },
    {
        .id = "discard-unseen",
        .scope = RULE_DISK,
        .severity = SEVERITY_NOTE,
        .title = "the machine type is too old for discards",
        .why = "virtio-blk tells a guest that it can discard only from machine type 4.0 on, "
               "whatever the version of QEMU. A disk of virtio-scsi can with older ones.",
        .source = "qemu: hw/core/machine.c, hw_compat_3_1",
        .needs = FIX_NEEDS_RESTART,
        .look = look_discard_unseen,
    },
    {
        .id = "discard-allocated",
        .scope = RULE_DISK,
        .severity = SEVERITY_NOTE,
        .title = "discards undo the allocation that io='native' wants",
        .why =
            "A discard leaves a hole in the image, and the next write there waits for new blocks "
            "while it is being submitted, with all that its thread serves. Keep discards where "
            "the space matters more, with io='io_uring'.",
        .source = "qemu: block/file-posix.c; OpenStack Nova: libvirt-aio-mode",
        .needs = FIX_NEEDS_RESTART,
        .look = look_discard_allocated,
    },
    {
        .id = "discard-no-unref-refused",
        .scope = RULE_DISK,
        .severity = SEVERITY_ERROR,
        .title = "discard_no_unref on what is no writable qcow2",
        .why = "It is a property of qcow2's clusters, and of what is written.",
        .source = "libvirt: qemuValidateDomainDeviceDefDisk",
        .needs = FIX_NEEDS_RESTART,
        .look = look_no_unref_refused,
    },
    {
        .id = "discard-no-unref",
        .scope = RULE_DISK,
        .severity = SEVERITY_NOTE,
        .title = "discards fragment the qcow2",
        .why = "With discard_no_unref='on' a discarded cluster keeps its place in the file, so the "
               "image is neither fragmented nor lengthened by discards; its blocks are given back "
               "all the same. It matters to guests that trim and write a lot.",
        .source = "qemu: block/qcow2.c, discard-no-unref",
        .needs = FIX_NEEDS_RESTART,
        .since = {.qemu = 8001000, .libvirt = 9005000},
        .look = look_no_unref,
    },
    {
        .id = "detect-zeroes-unmap",
        .scope = RULE_DISK,
        .severity = SEVERITY_NOTE,
        .title = "detect_zeroes='unmap' that unmaps nothing",
        .why = "libvirt takes 'unmap' for 'on' where the disk does not discard, so the writes are "
               "searched for zeros, and no space is saved by it.",
        .source = "libvirt: virDomainDiskGetDetectZeroesMode",
        .needs = FIX_NEEDS_RESTART,
        .look = look_zeroes_unmap,
    },
    {
        .id = "detect-zeroes",
        .scope = RULE_DISK,
        .severity = SEVERITY_NOTE,
        .title = "each write is searched for zeros",
        .why = "That costs CPU time for each byte written, which shows on fast storage. It pays "
               "where guests write many zeros to images that are to stay small.",
        .source = "qemu: block/io.c; libvirt: formatdomain, detect_zeroes",
        .needs = FIX_NEEDS_RESTART,
        .look = look_zeroes,
    },
    {
        .id = "copy-on-read-refused",
        .scope = RULE_DISK,
        .severity = SEVERITY_ERROR,
        .title = "copy_on_read where it cannot be",
        .why = "What is read is written into the image, so it has to be one that QEMU writes to.",
        .source = "libvirt: virDomainDiskDefValidate",
        .needs = FIX_NEEDS_RESTART,
        .look = look_copy_refused,
    },
    {
        .id = "copy-on-read",
        .scope = RULE_DISK,
        .severity = SEVERITY_WARNING,
        .title = "reads are copied into the image",
        .why = "Each first read of a part becomes a write, and reads that overlap wait for one "
               "another. It pays over a backing image that is slow to reach.",
        .source = "qemu: block/io.c, bdrv_co_do_copy_on_readv",
        .needs = FIX_NEEDS_RESTART,
        .look = look_copy,
    },
    {
        .id = "error-ignored",
        .scope = RULE_DISK,
        .severity = SEVERITY_ERROR,
        .title = "the storage's errors are hidden from the guest",
        .why = "The guest goes on with data that was never written or never read. QEMU's own "
               "default pauses the guest when space has run out and reports all else.",
        .source = "libvirt: formatdomain, error_policy",
        .needs = FIX_NEEDS_RESTART,
        .look = look_error_ignored,
    },
    {
        .id = "error-reported",
        .scope = RULE_DISK,
        .severity = SEVERITY_NOTE,
        .title = "a full storage shows as I/O errors in the guest",
        .why = "File systems in the guest stop or turn read-only at a failed write. With "
               "'enospace', QEMU's default, the guest is paused until there is space, and goes "
               "on.",
        .source = "libvirt: formatdomain, error_policy; qemu: qemu-options.hx, werror",
        .needs = FIX_NEEDS_RESTART,
        .look = look_no_space_reported,
    },
    {
        .id = "iotune",
        .scope = RULE_DISK,
        .severity = SEVERITY_WARNING,
        .title = "the disk is throttled",
        .why = "No setting makes it faster than its limit. A limit is usually meant; one below "
               "2 MB/s can make a guest hang.",
        .source = "libvirt: formatdomain, iotune; virsh blkdeviotune",
        .look = look_limited,
    },
    {
        .id = "iotune-refused",
        .scope = RULE_DISK,
        .severity = SEVERITY_ERROR,
        .title = "limits that exclude each other",
        .why = "libvirt refuses to define such a disk, or QEMU to start it.",
        .source = "libvirt 9.0.0, tried; qemu: util/throttle.c",
        .look = look_limit_refused,
    },
};

RULE_TABLE(rules_discard, rows);
