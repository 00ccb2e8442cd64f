/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "probe/spec.h"

#include <ctype.h>
#include <libxml/tree.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/memory.h"
#include "measure/protocol.h"

static const char *const accelerator_names[] = {
    [ACCELERATOR_KVM] = "kvm",
    [ACCELERATOR_TCG] = "tcg",
    [ACCELERATOR_AUTO] = "auto",
};

const char *accelerator_name(enum accelerator a)
{
    return accelerator_names[a];
}

int accelerator_parse(const char *name, enum accelerator *ret, struct error **err)
{
    for (size_t i = 0; i < ARRAY_SIZE(accelerator_names); i++) {
        if (strcmp(name, accelerator_names[i]) == 0) {
            *ret = (enum accelerator)i;
            return 0;
        }
    }
    error_set(err, "'%s' is not an accelerator", name);
    return error_hint(err, "one of kvm, tcg, auto");
}

/* --- XML -------------------------------------------------------------------------------------- */

/* Adds <name>, with pairs of attribute and value up to NULL; a NULL value leaves its one out. */
static xmlNodePtr add(xmlNodePtr parent, const char *name, ...)
{
    xmlNodePtr node = xmlNewChild(parent, NULL, BAD_CAST name, NULL);
    va_list args;
    va_start(args, name);
    for (const char *attribute; (attribute = va_arg(args, const char *));) {
        const char *value = va_arg(args, const char *);
        if (value)
            xmlNewProp(node, BAD_CAST attribute, BAD_CAST value);
    }
    va_end(args);
    return node;
}

/* Adds <name>text</name>, text escaped. */
static xmlNodePtr add_text(xmlNodePtr parent, const char *name, const char *text)
{
    return xmlNewTextChild(parent, NULL, BAD_CAST name, BAD_CAST text);
}

static xmlNodePtr add_number(xmlNodePtr parent, const char *name, unsigned number)
{
    cleanup_free char *text = xasprintf("%u", number);
    return add_text(parent, name, text);
}

/* Where the guest's first serial port is, and the newest machine of its kind: a machine type that
 * is old caps the queues of a virtio disk at one. */
struct platform {
    const char *machine, *console;
};

static struct platform platform_of(const char *arch)
{
    if (strcmp(arch, "x86_64") == 0)
        return (struct platform){"q35", "ttyS0"};
    if (strcmp(arch, "aarch64") == 0)
        return (struct platform){"virt", "ttyAMA0"};
    return (struct platform){NULL, "ttyS0"};
}

static void add_os(xmlNodePtr domain, const struct probe_spec *spec, const char *arch)
{
    struct platform platform = platform_of(arch);
    /* panic=-1: a guest that dies powers off at once, which the host sees. */
    cleanup_free char *cmdline =
        xasprintf("console=%s loglevel=4 panic=-1 tsc=reliable", platform.console);
    xmlNodePtr os = add(domain, "os", NULL);
    xmlNodePtr type = add_text(os, "type", "hvm");
    xmlNewProp(type, BAD_CAST "arch", BAD_CAST arch);
    const char *own = spec->mirror ? spec->mirror->machine : NULL;
    const char *machine = own ? own : platform.machine;
    if (machine)
        xmlNewProp(type, BAD_CAST "machine", BAD_CAST machine);
    add_text(os, "kernel", spec->kernel_path);
    add_text(os, "initrd", spec->initramfs_path);
    add_text(os, "cmdline", cmdline);
}

static void disk_target(const char *prefix, size_t i, char name[8])
{
    /* vda … vdz, vdaa …: the names libvirt wants; the guest goes by the serials. */
    char letters[4];
    int n = 0;
    for (size_t rest = i + 1; rest; rest = (rest - 1) / 26)
        letters[n++] = (char)('a' + (rest - 1) % 26);
    strcpy(name, prefix);
    for (size_t k = 2; n; k++) {
        name[k] = letters[--n];
        name[k + 1] = '\0';
    }
}

unsigned probe_spec_iothreads(const struct probe_spec *spec, size_t disk, unsigned *ret_count)
{
    unsigned first = 1;
    for (size_t i = 0; i < disk; i++)
        first += disk_config_iothreads(spec->disks[i].config);
    *ret_count = disk_config_iothreads(spec->disks[disk].config);
    return first;
}

uint64_t probe_spec_queues(const struct probe_spec *spec)
{
    uint64_t queues = 0;
    for (size_t i = 0; i < spec->disk_count; i++) {
        unsigned asked = spec->disks[i].config->queues;
        queues += asked && asked < spec->vcpus ? asked : spec->vcpus;
    }
    return queues;
}

/* Linux has 256 requests for each queue, of some 450 bytes, besides the queue itself. */
#define QUEUES_PER_MIB 8
/* So many need no more than there is. */
#define QUEUES_FEW 512

unsigned probe_memory_mib(uint64_t queues)
{
    const unsigned usual = 512, step = PROBE_MEMORY_STEP_MIB;
    if (queues <= QUEUES_FEW)
        return usual;
    return usual + (unsigned)(queues / QUEUES_PER_MIB + step - 1) / step * step;
}

static void add_metadata_cache(xmlNodePtr driver, const struct disk_config *c)
{
    cleanup_free char *bytes = xasprintf("%llu", (unsigned long long)c->metadata_cache_bytes);
    if (!c->metadata_cache_bytes)
        return;
    xmlNodePtr size = add_text(add(driver, "metadata_cache", NULL), "max_size", bytes);
    xmlNewProp(size, BAD_CAST "unit", BAD_CAST "bytes");
}

/* The threads and queues that serve a disk, said of its own <driver> or of its controller's. */
static void add_serving(xmlNodePtr driver, const struct probe_spec *spec, size_t i)
{
    const struct disk_config *c = spec->disks[i].config;
    unsigned count, first = probe_spec_iothreads(spec, i, &count);
    cleanup_free char *thread = xasprintf("%u", first);
    cleanup_free char *queues = xasprintf("%u", c->queues);
    if (count && !c->iothreads)
        xmlNewProp(driver, BAD_CAST "iothread", BAD_CAST thread);
    if (c->queues)
        xmlNewProp(driver, BAD_CAST "queues", BAD_CAST queues);
    if (!c->iothreads)
        return;
    /* Without a list of queues in each, QEMU deals them out in turn. */
    xmlNodePtr list = add(driver, "iothreads", NULL);
    for (unsigned id = first; id < first + count; id++) {
        cleanup_free char *number = xasprintf("%u", id);
        add(list, "iothread", "id", number, NULL);
    }
}

/* The controller of a SCSI disk, and the disk's place on it. Asked for no model, libvirt takes one
 * that is no virtio at all. */
static void add_controller(xmlNodePtr devices, xmlNodePtr disk, const struct probe_spec *spec,
                           size_t i)
{
    unsigned number = 0;
    for (size_t k = 0; k < i; k++)
        number += disk_config_has_controller(spec->disks[k].config);
    cleanup_free char *index = xasprintf("%u", number);
    xmlNodePtr controller =
        add(devices, "controller", "type", "scsi", "index", index, "model", "virtio-scsi", NULL);
    add_serving(add(controller, "driver", NULL), spec, i);
    add(disk, "address", "type", "drive", "controller", index, "bus", "0", "target", "0", "unit",
        "0", NULL);
}

static void add_disk(xmlNodePtr devices, const struct probe_spec *spec, size_t i)
{
    const struct probe_disk *disk = &spec->disks[i];
    const struct disk_config *c = disk->config;
    bool has_controller = disk_config_has_controller(c);
    char target[8];
    disk_target(has_controller ? "sd" : "vd", i, target);
    xmlNodePtr node = add(devices, "disk", "type", "file", "device", "disk", NULL);
    /* error_policy: QEMU's own default would stop the guest when the host's disk is full, and a
     * stopped guest says nothing. */
    xmlNodePtr driver =
        add(node, "driver", "name", "qemu", "type", c->format, "cache", c->cache, "error_policy",
            "report", "io", c->io, "discard", c->discard ? "unmap" : NULL, "detect_zeroes",
            c->detect_zeroes ? disk_config_detect_zeroes(c) : NULL, NULL);
    if (!has_controller)
        add_serving(driver, spec, i);
    add_metadata_cache(driver, c);
    add(node, "source", "file", disk->image_path, NULL);
    add(node, "target", "dev", target, "bus", c->bus, NULL);
    add_text(node, "serial", disk->serial);
    if (has_controller)
        add_controller(devices, node, spec, i);
}

bool probe_spec_has_scsi(const struct probe_spec *spec)
{
    for (size_t i = 0; i < spec->disk_count; i++)
        if (disk_config_has_controller(spec->disks[i].config))
            return true;
    return false;
}

static void add_devices(xmlNodePtr domain, const struct probe_spec *spec)
{
    xmlNodePtr devices = add(domain, "devices", NULL);
    if (spec->emulator)
        add_text(devices, "emulator", spec->emulator);
    for (size_t i = 0; i < spec->disk_count; i++)
        add_disk(devices, spec, i);
    add(devices, "controller", "type", "usb", "model", "none", NULL);
    xmlNodePtr serial = add(devices, "serial", "type", "file", NULL);
    add(serial, "source", "path", spec->console_path, NULL);
    add(serial, "target", "port", "0", NULL);
    xmlNodePtr channel = add(devices, "channel", "type", "unix", NULL);
    if (spec->port_path)
        add(channel, "source", "mode", "bind", "path", spec->port_path, NULL);
    add(channel, "target", "type", "virtio", "name", PROTOCOL_PORT, NULL);
    add(devices, "memballoon", "model", "none", NULL);
}

static unsigned count_iothreads(const struct probe_spec *spec)
{
    unsigned count = 0;
    for (size_t i = 0; i < spec->disk_count; i++)
        count += disk_config_iothreads(spec->disks[i].config);
    return count;
}

int probe_spec_check_path(const char *path, struct error **err)
{
    bool fits = xmlCheckUTF8(BAD_CAST path);
    for (const char *c = path; *c; c++)
        fits &= !iscntrl((unsigned char)*c);
    if (fits)
        return 0;
    error_set(err,
              "libvirt cannot be told this path, it is not UTF-8 or has control characters: %s",
              path);
    return error_hint(err, "give the directory another name");
}

char *probe_spec_to_xml(const struct probe_spec *spec, enum accelerator accelerator)
{
    struct utsname host;
    uname(&host);
    bool kvm = accelerator == ACCELERATOR_KVM;
    xmlDocPtr doc = xmlNewDoc(BAD_CAST "1.0");
    xmlNodePtr domain = xmlNewNode(NULL, BAD_CAST "domain");
    xmlDocSetRootElement(doc, domain);
    xmlNewProp(domain, BAD_CAST "type", BAD_CAST(kvm ? "kvm" : "qemu"));

    add_text(domain, "name", spec->name);
    xmlNodePtr memory = add_number(domain, "memory", spec->memory_mib);
    xmlNewProp(memory, BAD_CAST "unit", BAD_CAST "MiB");
    xmlNodePtr vcpu = add_number(domain, "vcpu", spec->vcpus);
    if (spec->mirror && spec->mirror->cpuset)
        xmlNewProp(vcpu, BAD_CAST "cpuset", BAD_CAST spec->mirror->cpuset);
    unsigned iothreads = count_iothreads(spec);
    if (iothreads)
        add_number(domain, "iothreads", iothreads);
    if (spec->mirror)
        mirror_add(domain, spec->mirror, spec->vcpus, iothreads, /* pin_vcpus = */ kvm);
    add_os(domain, spec, host.machine);
    /* On aarch64, libvirt has ACPI only with UEFI, which a kernel that is booted directly has not.
     */
    if (strcmp(host.machine, "aarch64") != 0)
        add(add(domain, "features", NULL), "acpi", NULL);
    xmlNodePtr cpu = add(domain, "cpu", "mode", kvm ? "host-passthrough" : "maximum", NULL);
    if (spec->cpu_without)
        add(cpu, "feature", "policy", "disable", "name", spec->cpu_without, NULL);
    add_text(domain, "on_poweroff", "destroy");
    add_text(domain, "on_reboot", "destroy");
    add_text(domain, "on_crash", "destroy");
    add_devices(domain, spec);

    xmlChar *text;
    int length;
    xmlDocDumpFormatMemory(doc, &text, &length, 1);
    xmlFreeDoc(doc);
    char *copy = xstrdup((const char *)text);
    xmlFree(text);
    return copy;
}
