/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rules_refused.c - disks that libvirt does not define, or QEMU does not start: of XML that libvirt
 * has not seen yet.
 */
#include <string.h>

#include "base/memory.h"
#include "check/images.h"
#include "check/rule.h"
#include "domain/xml.h"

static bool is(const char *word, const char *value)
{
    return word && strcmp(word, value) == 0;
}

static bool is_lun(const struct check_disk *d)
{
    return is(d->model->device, "lun");
}

static bool has(const struct check_disk *d, const char *element)
{
    return xml_child(d->node, element);
}

static bool is_raw(const struct check_disk *d)
{
    return is(d->model->config.format, "raw");
}

/* --- What is refused -------------------------------------------------------------------------- */

static bool lun_of_other_type(const struct look *at)
{
    const struct domain_disk *m = at->disk->model;
    bool iscsi = is(m->type, "network") && is(m->protocol, "iscsi");
    return is_lun(at->disk) && !iscsi && !is(m->type, "block") && !is(m->type, "volume");
}

static bool lun_of_other_format(const struct look *at)
{
    return is_lun(at->disk) && !is_raw(at->disk);
}

static bool lun_on_other_bus(const struct look *at)
{
    const char *bus = at->disk->model->bus;
    return is_lun(at->disk) && bus && !is(bus, "scsi") && !is(bus, "virtio");
}

static bool lun_encrypted(const struct look *at)
{
    return is_lun(at->disk) && images_encryption(at->disk);
}

static bool reservations_without_lun(const struct look *at)
{
    return !is_lun(at->disk) && xml_child(xml_child(at->disk->node, "source"), "reservations");
}

static bool vhostuser_on_other_bus(const struct look *at)
{
    return is(at->disk->model->type, "vhostuser") && !is(at->disk->model->bus, "virtio");
}

static bool vhostuser_with_settings(const struct look *at)
{
    static const char *const attributes[] = {"cache",         "io",          "iothread", "discard",
                                             "detect_zeroes", "copy_on_read"};
    static const char *const elements[] = {"iotune",    "blockio",   "serial",  "encryption",
                                           "shareable", "transient", "readonly"};
    const struct check_disk *d = at->disk;
    bool found = images_encryption(d) || xml_child(d->driver, "metadata_cache");
    for (size_t i = 0; i < ARRAY_SIZE(attributes); i++) {
        const char *value = look_attribute(d->driver, attributes[i]);
        found = found || (*value && !is(value, "default"));
    }
    for (size_t i = 0; i < ARRAY_SIZE(elements); i++)
        found = found || has(d, elements[i]);
    return found && is(d->model->type, "vhostuser");
}

static bool vhostvdpa_through_cache(const struct look *at)
{
    const struct domain_disk *m = at->disk->model;
    return is(m->type, "vhostvdpa") && !disk_config_is_direct(&m->config);
}

static bool transient_of_other_type(const struct look *at)
{
    return has(at->disk, "transient") && !is(at->disk->model->type, "file");
}

static bool encryption_of_other_format(const struct look *at)
{
    return images_encryption(at->disk) && !is_raw(at->disk) &&
           !is(at->disk->model->config.format, "qcow2");
}

static bool encryption_of_old(const struct look *at)
{
    return look_says(images_encryption(at->disk), "format", "qcow");
}

/* A name like "vda1": libvirt takes the digits for a partition's. */
static bool target_is_partition(const struct look *at)
{
    static const char *const prefixes[] = {"xvd", "ubd", "fd", "hd", "sd", "vd"};
    const char *target = at->disk->model->target;
    for (size_t i = 0; target && i < ARRAY_SIZE(prefixes); i++) {
        if (!g_str_has_prefix(target, prefixes[i]))
            continue;
        const char *name = target + strlen(prefixes[i]);
        size_t letters = strspn(name, "abcdefghijklmnopqrstuvwxyz");
        return letters && name[letters] &&
               strspn(name + letters, "0123456789") == strlen(name + letters);
    }
    return false;
}

static bool ide_on_q35(const struct look *at)
{
    const char *machine = at->domain->model->machine;
    return machine && strstr(machine, "q35") && is(at->disk->model->bus, "ide");
}

static bool ata_read_only(const struct look *at)
{
    const struct domain_disk *m = at->disk->model;
    return (is(m->bus, "sata") || is(m->bus, "ide")) && is(m->device, "disk") &&
           has(at->disk, "readonly");
}

static bool rotation_on_other_bus(const struct look *at)
{
    const char *bus = at->disk->model->bus;
    return *look_attribute(xml_child(at->disk->node, "target"), "rotation_rate") && bus &&
           !is(bus, "scsi") && !is(bus, "ide") && !is(bus, "sata");
}

static bool metadata_cache_of_other_format(const struct look *at)
{
    return xml_child(xml_child(at->disk->driver, "metadata_cache"), "max_size") &&
           !is(at->disk->model->config.format, "qcow2");
}

static const struct refusal {
    bool (*holds)(const struct look *at);
    const char *what;
} refusals[] = {
    {lun_of_other_type, "device='lun' is for block devices, iSCSI and volumes"},
    {lun_of_other_format, "device='lun' is for type='raw'"},
    {lun_on_other_bus, "device='lun' is for bus='scsi' and 'virtio'"},
    {lun_encrypted, "device='lun' cannot be encrypted"},
    {reservations_without_lun, "reservations are for device='lun'"},
    {vhostuser_on_other_bus, "type='vhostuser' is for bus='virtio'"},
    {vhostuser_with_settings, "type='vhostuser' leaves cache, io, iothread, discard, limits, "
                              "readonly and the like to its server"},
    {vhostvdpa_through_cache, "type='vhostvdpa' needs cache='none' or 'directsync'"},
    {transient_of_other_type, "a transient disk has to be of type='file'"},
    {encryption_of_other_format, "encryption is for type='raw' and 'qcow2'"},
    {encryption_of_old, "the encryption format 'qcow' is gone"},
    {target_is_partition, "the target is named like a partition"},
    {ide_on_q35, "a q35 machine has no IDE bus"},
    {ata_read_only, "a disk on SATA or IDE cannot be read-only"},
    {rotation_on_other_bus, "rotation_rate is for bus='scsi', 'sata' and 'ide'"},
    {metadata_cache_of_other_format, "metadata_cache is for type='qcow2'"},
};

static void find_refused(const struct look *at, struct found *out)
{
    for (size_t i = 0; i < ARRAY_SIZE(refusals); i++)
        if (refusals[i].holds(at))
            found_say(out, "%s", refusals[i].what);
}

/* --- What has a remedy of its own ------------------------------------------------------------- */

static void find_shareable_format(const struct look *at, struct found *out)
{
    const struct check_disk *d = at->disk;
    if (!has(d, "shareable") || has(d, "readonly") || is_raw(d))
        return;
    found_say(out, "it is shareable, and its image is %s", d->model->config.format);
}

static bool shares_memory(const struct check_domain *d)
{
    xmlNodePtr access = xml_child(xml_child(d->node, "memoryBacking"), "access");
    xmlNodePtr cell = xml_child(xml_child(xml_child(d->node, "cpu"), "numa"), "cell");
    bool shared = look_says(access, "mode", "shared");
    for (; cell; cell = xml_next(cell, "cell"))
        shared = shared || look_says(cell, "memAccess", "shared");
    return shared;
}

static xmlNodePtr child_of(xmlNodePtr parent, const char *name)
{
    xmlNodePtr child = xml_child(parent, name);
    return child ? child : xmlNewChild(parent, NULL, BAD_CAST name, NULL);
}

/* The domain's <memoryBacking>, shared: with its huge pages, which can be as they are, and all else
 * that it has. The caller frees. */
static char *shared_backing(const struct check_domain *d)
{
    cleanup_xml xmlDocPtr doc =
        look_copy_element(xml_child(d->node, "memoryBacking"), "memoryBacking");
    xmlNodePtr backing = xmlDocGetRootElement(doc);
    bool can_share =
        xml_child(backing, "hugepages") || look_says(xml_child(backing, "source"), "type", "file");
    if (!can_share)
        xmlSetProp(child_of(backing, "source"), BAD_CAST "type", BAD_CAST "memfd");
    xmlSetProp(child_of(backing, "access"), BAD_CAST "mode", BAD_CAST "shared");
    return look_to_text(backing);
}

static void find_private_memory(const struct look *at, struct found *out)
{
    const char *type = at->disk->model->type;
    if ((!is(type, "vhostuser") && !is(type, "vhostvdpa")) || shares_memory(at->domain))
        return;
    cleanup_free char *xml = shared_backing(at->domain);
    finding_fix(found_say(out, "type='%s', and the guest's memory is private to QEMU", type),
                FIX_XML, "%s", xml);
}

/* --- Rows ------------------------------------------------------------------------------------- */

static const struct rule rows[] = {
    {
        .id = "disk-refused",
        .scope = RULE_DISK,
        .severity = SEVERITY_ERROR,
        .title = "a disk that libvirt refuses",
        .why = "Not all that the schema lets through is accepted when the domain is defined.",
        .source = "libvirt: qemu_validate.c, domain_validate.c",
        .needs = FIX_NEEDS_RESTART,
        .look = find_refused,
    },
    {
        .id = "shareable-qcow2",
        .scope = RULE_DISK,
        .severity = SEVERITY_ERROR,
        .title = "a shareable disk whose image cannot be shared",
        .why = "Two guests that allocate clusters in one image destroy it, so libvirt starts a "
               "shareable disk with type='raw' alone.",
        .source = "libvirt: \"shared access for disk requires use of supported storage format\"",
        .needs = FIX_NEEDS_RESTART | FIX_NEEDS_IMAGE_CONVERSION,
        .look = find_shareable_format,
    },
    {
        .id = "vhost-memory",
        .scope = RULE_DISK,
        .severity = SEVERITY_ERROR,
        .title = "a vhost disk without shared memory",
        .why = "Who serves the disk is another process, or a device, and has to reach the guest's "
               "memory: libvirt refuses the disk otherwise.",
        .source = "libvirt: formatdomain, vhostuser; qemu_validate.c",
        .needs = FIX_NEEDS_RESTART,
        .look = find_private_memory,
    },
};

RULE_TABLE(rules_refused, rows);
