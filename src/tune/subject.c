/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tune/subject.h"

#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "host/image.h"

static void note(struct subject *s, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void note(struct subject *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_ptr_array_add(s->notes, g_strdup_vprintf(format, args));
    va_end(args);
}

/* --- Whether a scratch image can stand for the disk ------------------------------------------- */

static bool is_type(const struct domain_disk *d, const char *type)
{
    return strcmp(d->type, type) == 0;
}

static int cannot_probe(const struct subject *s, const char *why, struct error **err)
{
    return error_set(err, "%s of %s cannot be probed: %s",
                     s->disk->target ? s->disk->target : "a disk", s->definitions.next->name, why);
}

static int check_bus(const struct subject *s, struct error **err)
{
    const char *bus = s->disk->config.bus;
    if (strcmp(bus, "virtio") == 0 || strcmp(bus, "scsi") == 0)
        return 0;
    cleanup_free char *why =
        xasprintf("it is on the bus %s, and the probe guest's disks are virtio", bus);
    cannot_probe(s, why, err);
    return error_hint(err, "what disks on virtio reach there: tune --directory");
}

static int check_type(const struct subject *s, const char *directory, struct error **err)
{
    const struct domain_disk *d = s->disk;
    if (strcmp(d->device, "lun") == 0)
        return cannot_probe(s, "a SCSI device is passed through to it (device='lun')", err);
    if (strcmp(d->device, "disk") != 0)
        return cannot_probe(s, "it is no disk, but a drive for media", err);
    if (is_type(d, "network")) {
        cleanup_free char *why =
            xasprintf("it is on the network (%s), where no scratch image can be "
                      "made beside it",
                      d->protocol ? d->protocol : "unknown protocol");
        return cannot_probe(s, why, err);
    }
    if (!is_type(d, "file") && !is_type(d, "block") && !is_type(d, "volume")) {
        cleanup_free char *why =
            xasprintf("no scratch image can stand for a disk of type '%s'", d->type);
        return cannot_probe(s, why, err);
    }
    if (is_type(d, "block") && !directory) {
        cannot_probe(s, "it is a block device, and scratch images are files", err);
        return error_hint(err, "--directory DIR makes them in a file system on the same storage");
    }
    return check_bus(s, err);
}

/* The probe guest runs a kernel of this host. */
static int check_machine(const struct subject *s, struct error **err)
{
    struct utsname host;
    const char *arch = s->definitions.next->arch;
    if (!arch || uname(&host) < 0 || strcmp(arch, host.machine) == 0)
        return 0;
    cleanup_free char *why =
        xasprintf("its domain is of the architecture %s, this host %s", arch, host.machine);
    return cannot_probe(s, why, err);
}

/* --- The image -------------------------------------------------------------------------------- */

static int find_image(struct subject *s, const struct connection *c, struct error **err)
{
    const struct domain_disk *d = s->disk;
    if (!is_type(d, "volume")) {
        s->image = d->source ? xstrdup(d->source) : NULL;
        return s->image ? 0 : cannot_probe(s, "it has no source", err);
    }
    if (!c || !d->pool || !d->volume)
        return cannot_probe(s, "a volume is found through libvirt alone", err);
    s->image = lookup_volume_path(c, d->pool, d->volume, err);
    return s->image ? 0 : -1;
}

static int read_image(struct subject *s, struct error **err)
{
    struct disk_config *c = &s->current;
    cleanup_image struct image image = {0};
    *c = s->disk->config;
    if (image_read(s->image, c->format, &image, err) < 0 ||
        image_chain_depth(s->image, &image, &s->images.depth, err) < 0)
        return -1;
    bool whole = !s->images.depth && image_is_allocated(&image);
    c->preallocation = whole ? "falloc" : "off";
    c->cluster_bytes = image.cluster_bytes != DISK_CLUSTER_DEFAULT ? image.cluster_bytes : 0;
    c->extended_l2 = image.extended_l2;
    s->images.image = *c;
    s->images.virtual_bytes = image.virtual_bytes;
    if (image.encryption)
        note(s, "the image is encrypted (%s); the probe guest's are not", image.encryption);
    return 0;
}

/* Where scratch images of this disk's kind go. */
static int find_directory(struct subject *s, const struct connection *c, const char *directory,
                          struct error **err)
{
    if (directory) {
        s->directory = xstrdup(directory);
    } else if (is_type(s->disk, "volume")) {
        s->directory = lookup_pool_directory(c, s->disk->pool, err);
    } else {
        /* A link's own directory may lie on other storage. */
        cleanup_free char *path = realpath(s->image, NULL);
        if (!path)
            return error_set_errno(err, errno, "cannot find the image %s", s->image);
        s->directory = xstrdup(dirname(path));
    }
    return s->directory ? 0 : -1;
}

/* --- The machine ------------------------------------------------------------------------------ */

/* Whether the host has enough huge pages of this size free for the probe guest's memory, whatever
 * disks it gets. */
static bool hugepages_free(uint64_t kib, unsigned vcpus)
{
    unsigned least_mib = probe_memory_mib(0);
    unsigned most_mib = probe_memory_mib((uint64_t)STAGE_DISKS_MAX * vcpus);
    unsigned step_mib = most_mib > least_mib ? PROBE_MEMORY_STEP_MIB : least_mib;
    cleanup_free char *path =
        xasprintf("/sys/kernel/mm/hugepages/hugepages-%" PRIu64 "kB/free_hugepages", kib);
    cleanup_free char *text = file_read(path, NULL, NULL);
    uint64_t free_kib = text ? strtoull(text, NULL, 10) * kib : 0;
    return free_kib >= (uint64_t)most_mib << 10 && ((uint64_t)step_mib << 10) % kib == 0;
}

/* The CPUs that the disk's iothread is pinned to; where it has none, those of the first: a
 * candidate with an iothread is to be what the domain would have. */
static const char *iothread_cpuset(const struct domain_model *m, unsigned id)
{
    for (size_t i = 0; i < m->iothread_pin_count; i++)
        if (m->iothread_pins[i].id == id)
            return m->iothread_pins[i].cpuset;
    return !id && m->iothread_pin_count ? m->iothread_pins[0].cpuset : NULL;
}

static void fill_mirror(struct subject *s)
{
    const struct domain_model *m = s->definitions.next;
    s->mirror = (struct probe_mirror){
        .machine = m->machine,
        .cpuset = m->cpuset,
        .vcpu_pins = m->vcpu_pins,
        .vcpu_pin_count = m->vcpu_pin_count,
        .emulator_cpuset = m->emulator_cpuset,
        .iothread_cpuset = iothread_cpuset(m, s->disk->iothread),
        .numa_mode = m->numa_mode,
        .numa_nodeset = m->numa_nodeset,
        .hugepage_kib = m->hugepage_kib,
    };
    s->vcpus = m->vcpus < PROBE_VCPUS_MAX ? m->vcpus : PROBE_VCPUS_MAX;
    if (s->vcpus < m->vcpus)
        note(s, "the domain has %u vCPUs, and the probe guest %u, the most that it can have",
             m->vcpus, s->vcpus);
    if (m->hugepage_kib && !hugepages_free(m->hugepage_kib, s->vcpus)) {
        s->mirror.hugepage_kib = 0;
        note(s,
             "the domain's memory is in huge pages of %" PRIu64 " KiB; the host has not enough of "
             "them free, and the probe guest's is in ordinary ones",
             m->hugepage_kib);
    }
}

/* What runs can differ from what the next start brings. */
static void compare_live(struct subject *s)
{
    const struct domain_disk *live =
        s->definitions.live && s->disk->target
            ? domain_model_disk(s->definitions.live, s->disk->target, NULL)
            : NULL;
    if (!live || !s->definitions.persistent)
        return;
    cleanup_free char *now = disk_config_driver_line(&live->config);
    cleanup_free char *next = disk_config_driver_line(&s->disk->config);
    if (strcmp(now, next) != 0)
        note(s, "the domain runs with %s, and starts next with %s: the latter is the current one",
             now, next);
}

/* --- All of it -------------------------------------------------------------------------------- */

static int complete(struct subject *s, const struct connection *c, const char *target,
                    const char *directory, struct error **err)
{
    s->notes = g_ptr_array_new_with_free_func(g_free);
    s->disk = domain_model_disk(s->definitions.next, target, err);
    if (!s->disk || check_type(s, directory, err) < 0 || check_machine(s, err) < 0 ||
        find_image(s, c, err) < 0 || read_image(s, err) < 0 ||
        find_directory(s, c, directory, err) < 0)
        return -1;
    fill_mirror(s);
    compare_live(s);
    return 0;
}

/* libvirt lets no name have a slash. */
int subject_from_domain(const struct connection *c, const char *name, const char *directory,
                        struct subject *ret, struct error **err)
{
    cleanup_subject struct subject s = {0};
    g_auto(GStrv) parts = g_strsplit(name, "/", 2);
    cleanup_domain virDomainPtr domain = lookup_domain(c, parts[0] ? parts[0] : "", err);
    s.uri = virConnectGetURI(c->handle);
    if (!domain || lookup_definitions(domain, &s.definitions, err) < 0 ||
        complete(&s, c, parts[1], directory, err) < 0)
        return -1;
    *ret = s;
    s = (struct subject){0};
    return 0;
}

int subject_from_file(const char *path, const char *target, const char *directory,
                      struct subject *ret, struct error **err)
{
    cleanup_subject struct subject s = {0};
    size_t length;
    cleanup_free char *text = file_read(path, &length, err);
    if (!text)
        return -1;
    s.definitions.next = domain_model_from_xml(text, length, err);
    if (!s.definitions.next)
        return error_prefix(err, "%s", path);
    s.definitions.persistent = true;
    if (complete(&s, NULL, target, directory, err) < 0)
        return -1;
    *ret = s;
    s = (struct subject){0};
    return 0;
}

void subject_done(struct subject *s)
{
    definitions_done(&s->definitions);
    free(s->uri);
    free(s->image);
    free(s->directory);
    g_clear_pointer(&s->notes, g_ptr_array_unref);
    *s = (struct subject){0};
}
