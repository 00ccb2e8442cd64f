/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "apply/clone.h"

#include <errno.h>
#include <libgen.h>
#include <string.h>
#include <sys/stat.h>

#include "apply/effective.h"
#include "base/interrupt.h"
#include "base/memory.h"
#include "domain/edit_place.h"
#include "domain/lookup.h"
#include "domain/model.h"
#include "domain/xml.h"
#include "host/claim.h"
#include "host/storage.h"

#define MEMORY_MIB "128"
#define IMAGE_BYTES (UINT64_C(64) << 20)

/* --- The XML ---------------------------------------------------------------------------------- */

static bool is_one_of(xmlNodePtr node, const char *const *names)
{
    return node->type == XML_ELEMENT_NODE && !node->ns &&
           g_strv_contains(names, (const char *)node->name);
}

static void drop(xmlNodePtr node)
{
    xmlUnlinkNode(node);
    xmlFreeNode(node);
}

/* Removes the children of a node that are (or are not) of these names. */
static void prune(xmlNodePtr parent, const char *const *names, bool kept)
{
    for (xmlNodePtr node = parent ? parent->children : NULL, next; node; node = next) {
        next = node->next;
        if (node->type == XML_TEXT_NODE || is_one_of(node, names) == kept)
            continue;
        drop(node);
    }
}

static void set_child(xmlNodePtr parent, const char *name, const char *text)
{
    xmlNodePtr child = xml_child(parent, name);
    if (child)
        xmlNodeSetContent(child, BAD_CAST text);
    else
        xmlNewTextChild(parent, NULL, BAD_CAST name, BAD_CAST text);
}

/* Firmware has variables in a file of its own, and no time to boot. */
static void simplify_boot(xmlNodePtr os)
{
    static const char *const kept[] = {"type", NULL};
    prune(os, kept, true);
    if (os)
        xmlUnsetProp(os, BAD_CAST "firmware");
}

/* What pins memory or a part of a cache, or would be taken from a guest that runs. */
static void simplify_domain(xmlNodePtr domain, const char *name)
{
    static const char *const kept[] = {"os",      "features", "cpu",       "clock",
                                       "vcpu",    "vcpus",    "iothreads", "iothreadids",
                                       "cputune", "devices",  "pm",        NULL};
    static const char *const of_cpu[] = {"numa", NULL};
    static const char *const of_cputune[] = {"cachetune", "memorytune", NULL};
    prune(domain, kept, true);
    prune(xml_child(domain, "cpu"), of_cpu, false);
    prune(xml_child(domain, "cputune"), of_cputune, false);
    simplify_boot(xml_child(domain, "os"));
    set_child(domain, "name", name);
    set_child(domain, "memory", MEMORY_MIB);
    xmlSetProp(xml_child(domain, "memory"), BAD_CAST "unit", BAD_CAST "MiB");
    xmlUnsetProp(domain, BAD_CAST "id");
}

/* Everything but where its data come from and what they are hidden with. */
static void simplify_disk(xmlNodePtr disk, const char *image)
{
    static const char *const gone[] = {"source", "backingStore", "mirror",   "encryption", "auth",
                                       "boot",   "transient",    "readonly", NULL};
    prune(disk, gone, false);
    xmlSetProp(disk, BAD_CAST "type", BAD_CAST "file");
    xmlNewProp(xmlNewChild(disk, NULL, BAD_CAST "source", NULL), BAD_CAST "file", BAD_CAST image);
}

/* USB controllers come in companions, and virtio-serial's have channels: neither has disks. */
static bool serves_disks(xmlNodePtr controller)
{
    static const char *const types[] = {"pci", "scsi", "sata", "ide", "fdc", NULL};
    cleanup_free char *type = xml_attribute(controller, "type");
    return type && g_strv_contains(types, type);
}

static void simplify_devices(xmlNodePtr devices, xmlNodePtr disk, const char *image)
{
    /* More than 255 CPUs, and disks behind an IOMMU, need that. */
    static const char *const kept[] = {"emulator", "disk", "controller", "iommu", NULL};
    static const char *const of_numa[] = {"node", NULL};
    prune(devices, kept, true);
    for (xmlNodePtr d = xml_child(devices, "disk"), next; d; d = next) {
        next = xml_next(d, "disk");
        if (d != disk)
            drop(d);
    }
    for (xmlNodePtr c = xml_child(devices, "controller"), next; c; c = next) {
        next = xml_next(c, "controller");
        if (!serves_disks(c))
            drop(c);
        else
            prune(xml_child(c, "target"), of_numa, false);
    }
    simplify_disk(disk, image);
    xmlNewProp(xmlNewChild(devices, NULL, BAD_CAST "memballoon", NULL), BAD_CAST "model",
               BAD_CAST "none");
}

char *clone_xml(const char *xml, const char *target, const char *name, const char *image,
                struct error **err)
{
    cleanup_xml xmlDocPtr doc = xml_parse(xml, strlen(xml), err);
    if (!doc)
        return NULL;
    xmlNodePtr domain = xmlDocGetRootElement(doc);
    xmlNodePtr devices = xml_child(domain, "devices");
    if (!devices) {
        error_set(err, "the definition has no devices");
        return NULL;
    }
    xmlNodePtr disk = place_disk(domain, target, err);
    if (!disk)
        return NULL;
    simplify_domain(domain, name);
    simplify_devices(devices, disk, image);
    return xml_to_text(domain);
}

/* --- The try ---------------------------------------------------------------------------------- */

/* Those that a scratch image is made in. */
static bool is_made_here(const char *format)
{
    return strcmp(format, "raw") == 0 || strcmp(format, "qcow2") == 0;
}

/* The directory that the disk's image is in, so that the scratch image is on the same file system.
 * NULL, and why, where the disk is none of a file, or of another kind. */
static char *place_of(const struct connection *c, const struct domain_disk *d, char **ret_why)
{
    cleanup_error struct error *err = NULL;
    char *directory = NULL;
    if (!is_made_here(d->config.format)) {
        *ret_why = xasprintf("a scratch image is a raw or a qcow2, and the disk is a %s",
                             d->config.format);
        return NULL;
    }
    if (strcmp(d->type, "file") == 0 && d->source) {
        cleanup_free char *copy = xstrdup(d->source);
        return xstrdup(dirname(copy));
    }
    if (strcmp(d->type, "volume") == 0 && d->pool)
        directory = lookup_pool_directory(c, d->pool, &err);
    if (!directory)
        *ret_why = xasprintf("a scratch image cannot stand for a disk of type '%s'%s%s", d->type,
                             err ? ": " : "", err ? err->message : "");
    return directory;
}

static void cleanup_guest_handler(virDomainPtr *guest)
{
    if (!*guest)
        return;
    virDomainDestroy(*guest);
    virDomainFree(*guest);
}

static int start_and_look(const struct connection *c, const char *xml, const char *target,
                          struct error **err)
{
    unsigned flags = VIR_DOMAIN_START_PAUSED;
    if (!c->embedded)
        flags |= VIR_DOMAIN_START_AUTODESTROY;
    at_scope_end(cleanup_guest_handler) virDomainPtr guest =
        virDomainCreateXML(c->handle, xml, flags);
    if (!guest) {
        connection_error(err, "a stand-in with this disk does not start");
        return error_hint(err, "nothing was changed");
    }
    cleanup_free char *live = virDomainGetXMLDesc(guest, 0);
    if (!live)
        return connection_error(err, "cannot read what runs of the stand-in");
    g_autoptr(GPtrArray) differences = effective_differences(live, target);
    if (!differences || !differences->len)
        return 0;
    error_set(err, "a stand-in does not do what it is told: %s",
              (const char *)differences->pdata[0]);
    return error_hint(err, "nothing was changed");
}

static int try_in(const struct connection *c, const struct claim *place, const char *xml,
                  const struct domain_disk *disk, struct error **err)
{
    const char *id = strrchr(place->path, '/') + 1 + strlen(CLAIM_SCRATCH_PREFIX);
    cleanup_free char *name = xasprintf(CLAIM_DOMAIN_PREFIX "%s", id);
    cleanup_free char *image = xasprintf("%s/disk.%s", place->path, disk->config.format);
    if (storage_create_image(image, disk->config.format, "preallocation=off", IMAGE_BYTES, err) < 0)
        return -1;
    cleanup_free char *clone = clone_xml(xml, disk->target, name, image, err);
    return clone && interrupt_check(err) == 0 ? start_and_look(c, clone, disk->target, err) : -1;
}

/* A place for the scratch image; NULL, and why, where there is none. */
static struct claim *take_place(const struct connection *c, const struct domain_disk *disk,
                                char **ret_why)
{
    cleanup_error struct error *err = NULL;
    cleanup_free char *directory = place_of(c, disk, ret_why);
    if (!directory)
        return NULL;
    cleanup_claim struct claim *place =
        claim_take(directory, CLAIM_SCRATCH_PREFIX, /* alone = */ false, &err);
    /* A daemon's QEMU is another user, who must be able to pass through; libvirt hands the image
     * over. */
    if (place && (c->embedded || chmod(place->path, 0711) == 0))
        return TAKE_PTR(place);
    if (place)
        error_set_errno(&err, errno, "cannot let QEMU's user into %s", place->path);
    *ret_why = TAKE_PTR(err->message);
    return NULL;
}

int clone_try(const struct connection *c, const char *xml, const char *target,
              enum clone_outcome *ret, char **ret_why, struct error **err)
{
    cleanup_domain_model struct domain_model *m = domain_model_from_xml(xml, strlen(xml), err);
    const struct domain_disk *disk = m ? domain_model_disk(m, target, err) : NULL;
    if (!disk)
        return -1;
    *ret = CLONE_NOT_TRIED;
    if (strcmp(virConnectGetType(c->handle), "QEMU") != 0 || !connection_is_local(c)) {
        *ret_why = xstrdup("the hypervisor is none of QEMU's on this machine");
        return 0;
    }
    cleanup_claim struct claim *place = take_place(c, disk, ret_why);
    if (!place)
        return 0;
    if (try_in(c, place, xml, disk, err) < 0)
        return -1;
    *ret = CLONE_STARTED;
    return 0;
}
