/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tune/rules.h"

#include <liburing.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"

/* --- Facts ------------------------------------------------------------------------------------ */

/* A number out of /proc/sys; `fallback` where there is no such file. */
static unsigned long read_sysctl(const char *sysroot, const char *name, unsigned long fallback)
{
    cleanup_free char *path = xasprintf("%s/proc/sys/%s", sysroot, name);
    cleanup_free char *text = file_read(path, NULL, NULL);
    return text ? strtoul(text, NULL, 10) : fallback;
}

/* Why io_uring is not to be had; NULL when it is. Value 1 lets root in: QEMU as libvirt starts it
 * in production is not root, and would not get it (Documentation/admin-guide/sysctl/kernel.rst). */
static const char *io_uring_obstacle(const char *sysroot)
{
    if (read_sysctl(sysroot, "kernel/io_uring_disabled", 0) != 0)
        return "the host forbids io_uring (sysctl kernel.io_uring_disabled)";
    struct io_uring ring;
    if (io_uring_queue_init(1, &ring, 0) < 0)
        return "the host's kernel has no io_uring, or a container's policy forbids it";
    io_uring_queue_exit(&ring);
    return NULL;
}

/* QEMU asks for this many events for each context (block/linux-aio.c, MAX_EVENTS). */
#define QEMU_AIO_EVENTS 1024

struct candidate_facts candidate_facts_read(const char *sysroot, unsigned contexts)
{
    unsigned long used = read_sysctl(sysroot, "fs/aio-nr", 0);
    unsigned long limit = read_sysctl(sysroot, "fs/aio-max-nr", 65536);
    const char *obstacle = io_uring_obstacle(sysroot);
    return (struct candidate_facts){
        .io_uring_allowed = !obstacle,
        .io_uring_why = obstacle,
        .aio_contexts_left = used + (unsigned long)contexts * QEMU_AIO_EVENTS <= limit,
    };
}

/* --- Rules ------------------------------------------------------------------------------------ */

/* What is judged, and what by. */
struct judged {
    const struct disk_config *config;
    const struct candidate_facts *facts;
    const struct space *space;
};

/* A rule returns why the configuration is not tried, for the caller to free, or NULL. */

static bool is_native(const struct judged *j)
{
    return strcmp(j->config->io, "native") == 0;
}

/* A disk that there is can be what no axis has. */

static char *bus_is_known(const struct judged *j)
{
    if (strcmp(j->config->bus, "virtio") == 0 || strcmp(j->config->bus, "scsi") == 0)
        return NULL;
    return xasprintf("the probe guest has no disks on bus='%s'", j->config->bus);
}

static char *format_is_known(const struct judged *j)
{
    if (strcmp(j->config->format, "raw") == 0 || strcmp(j->config->format, "qcow2") == 0)
        return NULL;
    return xasprintf("the probe guest has no images of the format %s", j->config->format);
}

/* Not even as what others are compared with: who does not wait for the disk wins against all who
 * do, and would be what to keep. Without it a race has no current disk to compare with, and says
 * why. */
static char *cache_is_safe(const struct judged *j)
{
    if (strcmp(j->config->cache, "unsafe") != 0)
        return NULL;
    return xstrdup("cache='unsafe' loses what the guest was told is on the disk: how fast that is "
                   "says nothing");
}

/* docs/interop/qcow2.rst: a cluster has 32 parts of 512 bytes or more. */
static char *extended_l2_has_room(const struct judged *j)
{
    uint32_t cluster = j->config->cluster_bytes;
    if (!j->config->extended_l2 || !cluster || cluster >= 16384)
        return NULL;
    return xstrdup("extended L2 entries need clusters of at least 16 KiB");
}

static char *native_is_direct(const struct judged *j)
{
    if (!is_native(j) || disk_config_is_direct(j->config))
        return NULL;
    return xstrdup("io='native' needs cache='none' or 'directsync': libvirt refuses it otherwise");
}

static char *native_owns_its_blocks(const struct judged *j)
{
    const char *preallocation = j->config->preallocation;
    if (!is_native(j) ||
        (strcmp(preallocation, "off") != 0 && strcmp(preallocation, "metadata") != 0))
        return NULL;
    return xstrdup("io='native' on an image that grows: submitting a request that allocates blocks "
                   "the whole event loop");
}

static char *native_has_contexts(const struct judged *j)
{
    if (!is_native(j) || j->facts->aio_contexts_left)
        return NULL;
    return xstrdup("not enough Linux AIO contexts left on the host (sysctl fs.aio-max-nr)");
}

static char *io_uring_is_there(const struct judged *j)
{
    if (strcmp(j->config->io, "io_uring") != 0 || j->facts->io_uring_allowed)
        return NULL;
    return xstrdup(j->facts->io_uring_why);
}

static char *image_conversion_is_allowed(const struct judged *j)
{
    const struct disk_config *current = j->space->current;
    if (!current || j->space->allow_image_conversion || disk_config_same_image(current, j->config))
        return NULL;
    return xstrdup("the disk has another image, which would be converted: "
                   "--allow-image-conversion tries it");
}

static char *bus_change_is_allowed(const struct judged *j)
{
    const struct disk_config *current = j->space->current;
    if (strcmp(j->config->bus, current ? current->bus : "virtio") == 0 ||
        j->space->allow_bus_change)
        return NULL;
    return xstrdup("on another bus the guest needs another driver, and calls the disk by another "
                   "name: --allow-bus-change tries it");
}

static char *host_cache_is_allowed(const struct judged *j)
{
    if (disk_config_is_direct(j->config) || j->space->allow_host_cache)
        return NULL;
    return xstrdup("libvirt does not migrate a guest whose disk uses the host's cache, and its "
                   "memory is taken from the host: --allow-host-cache tries it");
}

static char *queues_matter(const struct judged *j)
{
    const struct disk_config *current = j->space->current;
    if (!j->config->queues || (current && current->queues == j->config->queues))
        return NULL;
    if (j->space->vcpus == 1)
        return xstrdup("queues make no difference to a guest with one vCPU");
    if (!j->space->concurrent)
        return xstrdup("queues make no difference to work with one request in flight");
    return NULL;
}

static char *poll_has_a_thread(const struct judged *j)
{
    if (!j->config->poll_max_ns || j->config->iothread)
        return NULL;
    return xstrdup("only an iothread has a polling time, and here is none: --fix iothread=yes");
}

/* --- Versions --------------------------------------------------------------------------------- */

/* "QEMU 7.2"; for the caller to free. */
static char *version_text(const char *what, unsigned long version)
{
    return version ? xasprintf("%s %lu.%lu", what, version / 1000000, version / 1000 % 1000)
                   : xasprintf("a %s whose version is not known", what);
}

/* Why a feature that came with these versions is not to be had; NULL when it is. */
static char *too_old(const struct judged *j, const char *feature, struct versions needed)
{
    const struct versions *v = &j->facts->versions;
    if (v->qemu >= needed.qemu && v->libvirt >= needed.libvirt)
        return NULL;
    cleanup_free char *qemu = needed.qemu ? version_text("QEMU", needed.qemu) : NULL;
    cleanup_free char *libvirt = version_text("libvirt", needed.libvirt);
    cleanup_free char *own_qemu = version_text("QEMU", v->qemu);
    cleanup_free char *own_libvirt = version_text("libvirt", v->libvirt);
    return qemu ? xasprintf("%s needs %s and %s, and here are %s and %s", feature, qemu, libvirt,
                            own_qemu, own_libvirt)
                : xasprintf("%s needs %s, and here is %s", feature, libvirt, own_libvirt);
}

/* --- Several iothreads ------------------------------------------------------------------------ */

/* From these versions on libvirt maps queues of a virtio-blk disk to iothreads, and those of a
 * virtio-scsi controller. */
static char *iothreads_are_known(const struct judged *j)
{
    static const struct versions blk = {9000000, 10000000}, scsi = {10000000, 11002000};
    bool controller = disk_config_has_controller(j->config);
    if (!j->config->iothreads)
        return NULL;
    return controller ? too_old(j, "more than one iothread for a SCSI controller", scsi)
                      : too_old(j, "more than one iothread for a disk", blk);
}

static char *iothreads_matter(const struct judged *j)
{
    const struct disk_config *current = j->space->current;
    if (!j->config->iothreads || (current && current->iothreads == j->config->iothreads))
        return NULL;
    if (space_queues(j->space, j->config) == 1)
        return xstrdup("a disk with one queue is served by one iothread");
    if (!j->space->concurrent)
        return xstrdup("several iothreads make no difference to work with one request in flight");
    return NULL;
}

/* --- qcow2's tables --------------------------------------------------------------------------- */

static char *l2_cache_is_known(const struct judged *j)
{
    static const struct versions needed = {.libvirt = 7000000};
    return j->config->metadata_cache_bytes ? too_old(j, "a size of qcow2's cache", needed) : NULL;
}

static char *l2_cache_matters(const struct judged *j)
{
    uint64_t covered = disk_config_covered_bytes(j->config), disk = j->space->disk_bytes;
    const struct disk_config *current = j->space->current;
    uint64_t bytes = j->config->metadata_cache_bytes;
    char texts[2][32];
    if (!bytes || disk > covered || (current && current->metadata_cache_bytes == bytes))
        return NULL;
    return xasprintf("QEMU's L2 cache covers %s of such an image unasked, and this one has %s",
                     text_format_size(covered, texts[0], sizeof(texts[0])),
                     text_format_size(disk, texts[1], sizeof(texts[1])));
}

/* --- All of them ------------------------------------------------------------------------------ */

/* The first that is against it is the reason. One of `taste` does not hold against the disk as it
 * is: that it could be better, or that it will be no better, is what it is run for. Nor is it held
 * against others that a setting of theirs makes no difference, if they have it of that disk. */
static const struct {
    char *(*against)(const struct judged *);
    bool taste;
} rules[] = {
    {bus_is_known, false},
    {format_is_known, false},
    {cache_is_safe, false},
    {extended_l2_has_room, false},
    {native_is_direct, false},
    {native_owns_its_blocks, true},
    {native_has_contexts, false},
    {io_uring_is_there, false},
    {iothreads_are_known, false},
    {l2_cache_is_known, false},
    {image_conversion_is_allowed, true},
    {bus_change_is_allowed, true},
    {host_cache_is_allowed, true},
    {queues_matter, true},
    {iothreads_matter, true},
    {l2_cache_matters, true},
    {poll_has_a_thread, true},
};

char *rules_against(const struct space *s, const struct candidate_facts *facts,
                    const struct disk_config *c, bool current)
{
    const struct judged judged = {c, facts, s};
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
        char *why = current && rules[i].taste ? NULL : rules[i].against(&judged);
        if (why)
            return why;
    }
    return NULL;
}
