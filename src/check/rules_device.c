/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rules_device.c - block devices below images.
 */
#include <string.h>

#include "base/memory.h"
#include "check/images.h"
#include "check/rule.h"

static bool has_driver(const struct block_device *d, const char *driver)
{
    return images_is_hardware(d) && strcmp(d->driver, driver) == 0;
}

/* Whether it is a disk of this driver whose scheduler has requests to see. */
static bool is_scheduled(const struct block_device *d, const char *driver)
{
    return has_driver(d, driver) && !d->is_path;
}

static bool has_scheduler(const struct block_device *d, const char *scheduler)
{
    return d->scheduler && strcmp(d->scheduler, scheduler) == 0;
}

/* --- Schedulers ------------------------------------------------------------------------------- */

static struct finding *say_scheduler(const struct block_device *d, struct found *out,
                                     const char *better)
{
    struct finding *f = found_say(out, "%s has the scheduler %s", d->label, d->scheduler);
    finding_fix(f, FIX_HOST, "echo %s > /sys/block/%s/queue/scheduler", better, d->name);
    return f;
}

/* With one hardware queue the kernel takes mq-deadline itself. */
static void find_nvme_scheduler(const struct look *at, struct found *out)
{
    const struct block_device *d = at->device;
    if (!is_scheduled(d, "nvme") || !d->scheduler || has_scheduler(d, "none"))
        return;
    struct finding *f = say_scheduler(d, out, "none");
    if (!has_scheduler(d, "bfq"))
        f->severity = SEVERITY_NOTE;
}

static void find_flash_scheduler(const struct look *at, struct found *out)
{
    const struct block_device *d = at->device;
    if (is_scheduled(d, "sd") && d->rotational == 0 && has_scheduler(d, "bfq"))
        say_scheduler(d, out, "mq-deadline");
}

/* The controllers whose volumes are sold under these names put requests in order themselves. */
static bool is_of_controller(const struct block_device *d)
{
    static const char *const models[] = {"PERC", "RAID", "LOGICAL VOLUME", "MR9"};
    for (size_t i = 0; d->model && i < ARRAY_SIZE(models); i++)
        if (strcasestr(d->model, models[i]))
            return true;
    return false;
}

static void find_rotating_scheduler(const struct look *at, struct found *out)
{
    const struct block_device *d = at->device;
    if (is_scheduled(d, "sd") && d->rotational == 1 && has_scheduler(d, "none") &&
        !is_of_controller(d))
        say_scheduler(d, out, "mq-deadline");
}

/* --- Queues ----------------------------------------------------------------------------------- */

static void find_wrong_rotation(const struct look *at, struct found *out)
{
    const struct block_device *d = at->device;
    if (!images_is_hardware(d) || d->rotational != 1 || !d->model || !strstr(d->model, "SSD"))
        return;
    finding_fix(found_say(out, "%s (%s) is taken for a rotating disk", d->label, d->model),
                FIX_HOST, "echo 0 > /sys/block/%s/queue/rotational", d->name);
}

static void find_merges_off(const struct look *at, struct found *out)
{
    const struct block_device *d = at->device;
    if (images_is_hardware(d) && d->merges_off == 2)
        finding_fix(found_say(out, "%s merges no requests (nomerges is 2)", d->label), FIX_HOST,
                    "echo 0 > /sys/block/%s/queue/nomerges", d->name);
}

static void find_one_queue(const struct look *at, struct found *out)
{
    const struct block_device *d = at->device;
    if (has_driver(d, "nvme") && d->hardware_queues == 1 && at->facts && at->facts->cpus > 1)
        found_say(out, "%s has one hardware queue for %u CPUs", d->label, at->facts->cpus);
}

/* --- Layers ----------------------------------------------------------------------------------- */

static void find_buffered_loop(const struct look *at, struct found *out)
{
    const struct block_device *d = at->device;
    if (d->kind != DEVICE_LOOP || d->direct_io != 0)
        return;
    finding_fix(found_say(out, "%s goes through the page cache to %s", d->name,
                          d->detail ? d->detail : "its file"),
                FIX_HOST, "losetup --direct-io=on /dev/%s", d->name);
}

/* The flags themselves are in no file of /sys, but what comes of one: a refresh that does not name
 * it again takes it away. Only LUKS2 has a place to keep them in. */
static void find_crypt_queues(const struct look *at, struct found *out)
{
    const struct block_device *d = at->device;
    bool old = at->facts && at->facts->kernel && at->facts->kernel < 5009;
    if (d->kind != DEVICE_CRYPT || old || !images_on_flash(d))
        return;
    g_autofree char *name = g_shell_quote(d->label);
    bool discards = d->discard_max_bytes > 0;
    bool keeps = d->detail && strcmp(d->detail, "LUKS2") == 0;
    finding_fix(found_say(out,
                          "%s is a dm-crypt on flash; whether it has work queues cannot be seen "
                          "without dmsetup table",
                          d->label),
                FIX_HOST,
                "cryptsetup refresh --perf-no_read_workqueue --perf-no_write_workqueue%s%s %s",
                discards ? " --allow-discards" : "", keeps ? " --persistent" : "", name);
}

static void find_thin(const struct look *at, struct found *out)
{
    const struct block_device *d = at->device;
    if (d->kind == DEVICE_THIN)
        finding_fix(found_say(out, "%s is a thin volume", d->label), FIX_ADVICE,
                    "watch the pool's data_percent (lvs), or have a thick volume (lvcreate -L)");
}

/* --- Rows ------------------------------------------------------------------------------------- */

static const struct rule rows[] = {
    {
        .id = "scheduler-nvme",
        .scope = RULE_DEVICE,
        .severity = SEVERITY_WARNING,
        .title = "an NVMe disk with a scheduler",
        .why =
            "Sorting and waiting cost more than they save on a disk that serves many requests at "
            "once; bfq costs most. It is of use where cgroups share the disk out by weight. A "
            "udev rule keeps the change.",
        .source = "linux: block/elevator.c; Documentation/block/switching-sched",
        .look = find_nvme_scheduler,
    },
    {
        .id = "scheduler-ssd",
        .scope = RULE_DEVICE,
        .severity = SEVERITY_NOTE,
        .title = "an SSD with bfq",
        .why =
            "bfq takes CPU time for each request to be fair, which the guests of a server rarely "
            "need; mq-deadline or none take less. It is of use where cgroups have weights. A udev "
            "rule keeps the change.",
        .source = "linux: Documentation/block/bfq-iosched",
        .look = find_flash_scheduler,
    },
    {
        .id = "scheduler-hdd",
        .scope = RULE_DEVICE,
        .severity = SEVERITY_NOTE,
        .title = "a rotating disk without a scheduler",
        .why =
            "mq-deadline and bfq save movements of its heads, unless a RAID controller in front of "
            "it does so. A udev rule keeps the change.",
        .source = "linux: block/elevator.c; Documentation/block/deadline-iosched",
        .look = find_rotating_scheduler,
    },
    {
        .id = "rotational-flash",
        .scope = RULE_DEVICE,
        .severity = SEVERITY_NOTE,
        .title = "an SSD that is taken for a rotating disk",
        .why =
            "Some bridges and RAID controllers do not say what is behind them, and the kernel and "
            "its file systems then spare heads that are not there.",
        .source = "linux: Documentation/ABI/stable/sysfs-block, rotational",
        .look = find_wrong_rotation,
    },
    {
        .id = "merges-off",
        .scope = RULE_DEVICE,
        .severity = SEVERITY_NOTE,
        .title = "a disk that merges no requests",
        .why = "Sequential work in small requests reaches the disk as it is; it is of use for "
               "tests of "
               "the disk itself.",
        .source = "linux: Documentation/ABI/stable/sysfs-block, nomerges",
        .look = find_merges_off,
    },
    {
        .id = "nvme-one-queue",
        .scope = RULE_DEVICE,
        .severity = SEVERITY_NOTE,
        .title = "an NVMe disk with one queue",
        .why =
            "All CPUs share it, and one of them takes all its interrupts: some disks have no more, "
            "and some hosts no interrupts to give.",
        .source = "linux: drivers/nvme/host/pci.c; /sys/block/*/mq",
        .look = find_one_queue,
    },
    {
        .id = "loop-buffered",
        .scope = RULE_DEVICE,
        .severity = SEVERITY_WARNING,
        .title = "a loop device through the page cache",
        .why =
            "What cache='none' is to avoid happens one layer below: data are copied to the host's "
            "cache, and written from there. The file itself as the image is shorter still.",
        .source = "losetup(8), --direct-io",
        .look = find_buffered_loop,
    },
    {
        .id = "crypt-workqueues",
        .scope = RULE_DEVICE,
        .severity = SEVERITY_NOTE,
        .title = "a dm-crypt on flash",
        .why = "Unless told otherwise it hands each request to a thread of its own and back, which "
               "fast disks are slowed by; the command tells it, without an interruption: it asks "
               "for the passphrase, and takes away every flag that it does not name. --persistent "
               "keeps them in a LUKS2 header. It is to be measured: on few CPUs the threads can be "
               "of use.",
        .source = "linux: Documentation/admin-guide/device-mapper/dm-crypt; cryptsetup-refresh(8)",
        .look = find_crypt_queues,
    },
    {
        .id = "lvm-thin",
        .scope = RULE_DEVICE,
        .severity = SEVERITY_NOTE,
        .title = "a thin volume",
        .why = "The first write to each chunk allocates it, and a chunk that a snapshot has as "
               "well is "
               "copied; when the pool is full, writes fail.",
        .source = "lvmthin(7)",
        .look = find_thin,
    },
};

RULE_TABLE(rules_device, rows);
