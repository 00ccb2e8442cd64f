/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rules_bus.c - buses and kinds of disks.
 */
#include <string.h>

#include "base/memory.h"
#include "check/images.h"
#include "check/rule.h"
#include "domain/xml.h"

#define NEEDS_ANOTHER_DRIVER (FIX_NEEDS_RESTART | FIX_NEEDS_GUEST_DRIVER)

static bool has_bus(const struct look *at, const char *bus)
{
    const char *own = at->disk->model->bus;
    return own && strcmp(own, bus) == 0;
}

static bool has_type(const struct look *at, const char *type)
{
    return strcmp(at->disk->model->type, type) == 0;
}

static bool is_q35(const struct look *at)
{
    const char *machine = at->domain->model->machine;
    return machine && strstr(machine, "q35");
}

/* --- Emulated buses --------------------------------------------------------------------------- */

static bool has_target(const struct domain_model *m, const char *name)
{
    for (size_t i = 0; i < m->disk_count; i++)
        if (m->disks[i].target && strcmp(m->disks[i].target, name) == 0)
            return true;
    return false;
}

/* "vda" to "vdz", "vdaa" and so on. The caller frees. */
static char *target_name(unsigned n)
{
    char letters[8];
    size_t at = sizeof(letters) - 1;
    letters[at] = '\0';
    for (n++; n; n = (n - 1) / 26)
        letters[--at] = (char)('a' + (n - 1) % 26);
    return xasprintf("vd%s", letters + at);
}

/* The nth name of a virtio disk that is free, from 0 on; of more disks than are compared one behind
 * all that they are likely to have. The caller frees. */
static char *free_target(const struct domain_model *m, unsigned nth)
{
    if (m->disk_count > LOOK_COMPARED_DISKS_MAX)
        return target_name((unsigned)m->disk_count);
    for (unsigned n = 0;; n++) {
        cleanup_free char *name = target_name(n);
        if (!has_target(m, name) && nth-- == 0)
            return TAKE_PTR(name);
    }
}

static bool is_emulated(const struct check_disk *d)
{
    const char *bus = d->model->bus;
    return bus && (strcmp(bus, "ide") == 0 || strcmp(bus, "sata") == 0);
}

/* How many disks before this one are to be on virtio, too, and need a name each. */
static unsigned emulated_before(const struct check_disk *d)
{
    const struct check_domain *domain = d->domain;
    size_t count = domain->disk_count <= LOOK_COMPARED_DISKS_MAX ? domain->disk_count : 0;
    unsigned n = 0;
    for (size_t i = 0; i < count && &domain->disks[i] != d; i++)
        n += is_emulated(&domain->disks[i]);
    return n;
}

static void say_emulated(const struct look *at, struct found *out, const char *bus)
{
    if (!has_bus(at, bus))
        return;
    cleanup_free char *target = free_target(at->domain->model, emulated_before(at->disk));
    struct finding *f = found_say(out, "it is on an emulated %s controller (bus='%s')",
                                  strcmp(bus, "ide") == 0 ? "IDE" : "SATA", bus);
    finding_fix(
        f, FIX_XML,
        "<!-- first plug in a small virtio disk, so that the guest has the driver and loads "
        "it at boot; then this, without the disk's address element -->\n"
        "<target dev='%s' bus='virtio'/>",
        target);
}

static void find_ide(const struct look *at, struct found *out)
{
    say_emulated(at, out, "ide");
}

static void find_sata(const struct look *at, struct found *out)
{
    say_emulated(at, out, "sata");
}

static void find_nvme(const struct look *at, struct found *out)
{
    if (!has_bus(at, "nvme"))
        return;
    finding_fix(found_say(out, "it is an emulated NVMe disk (bus='nvme')"), FIX_ADVICE,
                "bus='virtio', where the guest has a driver for it");
}

/* --- SCSI controllers ------------------------------------------------------------------------- */

/* What the disk's controller is to be. */
static void fix_controller(const struct look *at, struct finding *f)
{
    unsigned index = xml_number(xml_child(at->disk->node, "address"), "controller", 0);
    cleanup_free char *number = xasprintf("%u", index);
    cleanup_free char *xml = look_element_with(at->disk->controller, "controller", "type", "scsi",
                                               "index", number, "model", "virtio-scsi", NULL);
    finding_fix(f, FIX_XML, "%s", xml);
}

static void find_emulated_scsi(const struct look *at, struct found *out)
{
    static const char *const models[] = {"lsilogic", "lsisas1068", "lsisas1078", "buslogic",
                                         "vmpvscsi", "am53c974",   "dc390",      "ncr53c90"};
    const char *model = look_attribute(at->disk->controller, "model");
    for (size_t i = 0; has_bus(at, "scsi") && i < ARRAY_SIZE(models); i++)
        if (strcmp(model, models[i]) == 0)
            fix_controller(at, found_say(out, "its SCSI controller is an emulated %s", model));
}

/* libvirt's choice is known for PCs alone. */
static void find_unstated_scsi(const struct look *at, struct found *out)
{
    const char *model = look_attribute(at->disk->controller, "model");
    if (!has_bus(at, "scsi") || !look_is_x86(at->domain) || (*model && strcmp(model, "auto") != 0))
        return;
    fix_controller(at,
                   found_say(out, "no model is given for its SCSI controller, and libvirt takes "
                                  "an emulated lsilogic where QEMU has one"));
}

/* --- PCI -------------------------------------------------------------------------------------- */

static xmlNodePtr pci_controller(const struct check_domain *d, unsigned long index)
{
    xmlNodePtr c = xml_child(xml_child(d->node, "devices"), "controller");
    while (c && !(look_says(c, "type", "pci") && xml_number(c, "index", UINT32_MAX) == index))
        c = xml_next(c, "controller");
    return c;
}

/* The bridge behind which a device's PCI address is; NULL for none. */
static const char *bridge_of(const struct check_domain *d, xmlNodePtr device)
{
    static const char *const bridges[] = {"pcie-to-pci-bridge", "dmi-to-pci-bridge", "pci-bridge"};
    xmlNodePtr address = xml_child(device, "address");
    if (!look_says(address, "type", "pci"))
        return NULL;
    unsigned long bus = strtoul(look_attribute(address, "bus"), NULL, 0);
    const char *model = look_attribute(pci_controller(d, bus), "model");
    for (size_t i = 0; i < ARRAY_SIZE(bridges); i++)
        if (strcmp(model, bridges[i]) == 0)
            return bridges[i];
    return NULL;
}

static void find_bridge(const struct look *at, struct found *out)
{
    bool scsi = look_is_virtio_scsi(at->disk);
    if (!is_q35(at) || !(scsi || look_is_virtio_blk(at->disk)))
        return;
    xmlNodePtr device = scsi ? at->disk->controller : at->disk->node;
    const char *bridge = bridge_of(at->domain, device);
    bool transitional = look_says(device, "model", "virtio-transitional");
    if (!bridge && !transitional)
        return;
    struct finding *f = bridge
                            ? found_say(out, "on a PCI Express machine, it is behind a %s", bridge)
                            : found_say(out, "model='virtio-transitional' is a conventional PCI "
                                             "device, on a PCI Express machine");
    finding_fix(f, FIX_ADVICE, "%s%s, and no address element: libvirt then finds a pcie-root-port",
                scsi ? "a controller of " : "", scsi ? "model='virtio-scsi'" : "model='virtio'");
}

/* --- Kinds of disks --------------------------------------------------------------------------- */

/* The whole <disk> as one of type block, whose source has the path as its device. */
static char *disk_of_block(const struct check_disk *d)
{
    cleanup_xml xmlDocPtr doc = look_copy_element(d->node, "disk");
    xmlNodePtr disk = xmlDocGetRootElement(doc), source = xml_child(disk, "source");
    xmlSetProp(disk, BAD_CAST "type", BAD_CAST "block");
    xmlUnsetProp(source, BAD_CAST "file");
    xmlSetProp(source, BAD_CAST "dev", BAD_CAST d->model->source);
    return look_to_text(disk);
}

/* QEMU's driver for files refuses devices since 6.0. A name is missing where the domain is made up
 * around an image. */
static void find_block_as_file(const struct look *at, struct found *out)
{
    const struct check_disk *d = at->disk;
    if (!at->domain->name || !has_type(at, "file") || !d->model->source || !d->place ||
        d->place->type != PLACE_BLOCK)
        return;
    struct finding *f = found_say(out, "type='file', and %s is a block device", d->model->source);
    bool refused = at->versions.qemu >= 6000000 && !at->domain->running;
    f->severity = refused ? SEVERITY_ERROR : SEVERITY_WARNING;
    cleanup_free char *xml = disk_of_block(d);
    finding_fix(f, FIX_XML, "%s", xml);
}

static void find_unstated_rotation(const struct look *at, struct found *out)
{
    const struct check_disk *d = at->disk;
    xmlNodePtr target = xml_child(d->node, "target");
    bool stated = *look_attribute(target, "rotation_rate") != '\0';
    if (!look_is_virtio_scsi(d) || strcmp(d->model->device, "disk") != 0 || stated || !d->place ||
        !images_on_flash(d->place->block))
        return;
    cleanup_free char *xml = look_element_with(target, "target", "rotation_rate", "1", NULL);
    finding_fix(found_say(out, "it is on flash, and the guest is not told so"), FIX_XML, "%s", xml);
}

static void find_transient(const struct look *at, struct found *out)
{
    if (xml_child(at->disk->node, "transient") && has_type(at, "file"))
        found_say(out, "what the guest writes goes to an overlay that begins empty each time");
}

static void find_luks(const struct look *at, struct found *out)
{
    xmlNodePtr encryption = images_encryption(at->disk);
    if (look_says(encryption, "format", "luks") && !look_says(encryption, "engine", "librbd"))
        found_say(out, "QEMU encrypts what it writes, and decrypts what it reads (LUKS)");
}

/* --- Rows ------------------------------------------------------------------------------------- */

static const struct rule rows[] = {
    {
        .id = "bus-ide",
        .scope = RULE_DISK,
        .severity = SEVERITY_WARNING,
        .title = "a disk on an emulated IDE bus",
        .why =
            "Every command takes the guest out to QEMU several times, one command at a time, and "
            "no iothread can serve it. virtio needs a driver: Linux has it in its initramfs once "
            "there is such a disk, Windows once viostor is installed; the disk's name changes.",
        .source = "libvirt: IOThreads not available for bus ide; qemu: hw/ide",
        .needs = NEEDS_ANOTHER_DRIVER,
        .look = find_ide,
    },
    {
        .id = "bus-sata",
        .scope = RULE_DISK,
        .severity = SEVERITY_WARNING,
        .title = "a disk on an emulated SATA bus",
        .why =
            "It has one queue of 32 commands, which takes the guest out to QEMU for each, and no "
            "iothread can serve it. virtio needs a driver: Linux has it in its initramfs once "
            "there is such a disk, Windows once viostor is installed; the disk's name changes.",
        .source = "libvirt: IOThreads not available for bus sata; qemu: hw/ide/ahci.c",
        .needs = NEEDS_ANOTHER_DRIVER,
        .look = find_sata,
    },
    {
        .id = "bus-nvme",
        .scope = RULE_DISK,
        .severity = SEVERITY_NOTE,
        .title = "a disk on an emulated NVMe controller",
        .why = "No iothread can serve it, and ioeventfd is off unless asked for. It is of use to "
               "guests that have no driver for virtio.",
        .source = "qemu: hw/nvme/ctrl.c",
        .needs = NEEDS_ANOTHER_DRIVER,
        .look = find_nvme,
    },
    {
        .id = "scsi-emulated",
        .scope = RULE_DISK,
        .severity = SEVERITY_WARNING,
        .title = "a SCSI disk on an emulated controller of old",
        .why =
            "Each register that the guest's driver touches is a way out to QEMU, and no iothread "
            "can serve the controller. virtio-scsi needs a driver in the guest (Windows: vioscsi).",
        .source = "libvirt: qemuDomainDefaultSCSIControllerModel; tried on libvirt 9.0",
        .needs = NEEDS_ANOTHER_DRIVER,
        .look = find_emulated_scsi,
    },
    {
        .id = "scsi-unstated",
        .scope = RULE_DISK,
        .severity = SEVERITY_NOTE,
        .title = "a SCSI disk whose controller's model is left to libvirt",
        .why =
            "On a PC that is the emulated lsilogic, wherever QEMU is built with it; with it there "
            "are no iothreads, and seven disks at most.",
        .source = "libvirt: qemuDomainDefaultSCSIControllerModel; tried on libvirt 9.0",
        .needs = NEEDS_ANOTHER_DRIVER,
        .look = find_unstated_scsi,
    },
    {
        .id = "pci-bridge",
        .scope = RULE_DISK,
        .severity = SEVERITY_NOTE,
        .title = "a virtio disk behind a bridge to conventional PCI",
        .why = "Conventional PCI is for guests whose virtio driver is older than version 1.0 of "
               "the specification; others need no bridge. The guest sees another device then.",
        .source = "libvirt: formatdomain, \"Virtio-related options\"",
        .needs = FIX_NEEDS_RESTART,
        .look = find_bridge,
    },
    {
        .id = "block-as-file",
        .scope = RULE_DISK,
        .severity = SEVERITY_ERROR,
        .title = "a block device that is given as a file",
        .why = "libvirt opens it with QEMU's driver for files, which takes nothing but files since "
               "QEMU 6.0.",
        .source = "qemu: docs/about/removed-features, block/file-posix.c raw_open_common",
        .needs = FIX_NEEDS_RESTART,
        .look = find_block_as_file,
    },
    {
        .id = "rotation-unstated",
        .scope = RULE_DISK,
        .severity = SEVERITY_NOTE,
        .title = "a SCSI disk on flash of which the guest is not told",
        .why = "The guest takes a disk that says nothing for one with heads to move, and schedules "
               "and defragments for those.",
        .source = "libvirt: formatdomain, rotation_rate; qemu: hw/scsi/scsi-disk.c",
        .needs = FIX_NEEDS_RESTART,
        .since = {.libvirt = 7003000},
        .look = find_unstated_rotation,
    },
    {
        .id = "disk-transient",
        .scope = RULE_DISK,
        .severity = SEVERITY_NOTE,
        .title = "a disk that forgets",
        .why = "Its image is never written. The overlay grows with every first write to a cluster, "
               "and what is measured on it is that.",
        .source = "libvirt: formatdomain, transient",
        .look = find_transient,
    },
    {
        .id = "encryption-luks",
        .scope = RULE_DISK,
        .severity = SEVERITY_NOTE,
        .title = "a disk that QEMU encrypts",
        .why =
            "Every byte costs QEMU CPU time, in the figures as in operation: this is to know when "
            "disks are compared, and no reason to go without.",
        .source = "qemu: crypto/block-luks.c",
        .look = find_luks,
    },
};

RULE_TABLE(rules_bus, rows);
