/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "domain/edit_place.h"

#include <glib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "domain/xml.h"

static bool has_value(xmlNodePtr node, const char *attribute, const char *wanted)
{
    cleanup_free char *value = xml_attribute(node, attribute);
    return value && strcmp(value, wanted) == 0;
}

/* --- The domain ------------------------------------------------------------------------------- */

/* What libvirt takes the first one of, or all of: nobody means several, and an edit of one could be
 * an edit of the wrong one. */
static const char *const once[] = {"devices", "iothreads", "iothreadids"};

/* Whose disks are QEMU's (virDomainVirtType), and libvirt's test driver, which takes the same. */
static const char *const types[] = {"kvm", "qemu", "hvf", "test", NULL};

xmlNodePtr place_domain(xmlDocPtr doc, struct error **err)
{
    xmlNodePtr domain = xmlDocGetRootElement(doc);
    if (domain->ns || strcmp((const char *)domain->name, "domain") != 0) {
        error_set(err, "this is no domain: its element is <%s>", (const char *)domain->name);
        return NULL;
    }
    cleanup_free char *type = xml_attribute(domain, "type");
    if (type && !g_strv_contains(types, type)) {
        error_set(err, "the domain is none of QEMU's: its type is '%s'", type);
        return NULL;
    }
    for (size_t i = 0; i < ARRAY_SIZE(once); i++) {
        if (!xml_next(xml_child(domain, once[i]), once[i]))
            continue;
        error_set(err, "the domain has several <%s>", once[i]);
        return NULL;
    }
    return domain;
}

/* --- Disks and controllers -------------------------------------------------------------------- */

static xmlNodePtr first_device(xmlNodePtr domain, const char *name)
{
    return xml_child(xml_child(domain, "devices"), name);
}

static char *targets_of(xmlNodePtr domain)
{
    g_autoptr(GString) list = g_string_new(NULL);
    for (xmlNodePtr d = first_device(domain, "disk"); d; d = xml_next(d, "disk")) {
        cleanup_free char *target = xml_attribute(xml_child(d, "target"), "dev");
        if (target)
            g_string_append_printf(list, "%s%s", list->len ? ", " : "", target);
    }
    return xstrdup(list->str);
}

/* The only disk with this target; NULL for none and for several. */
static xmlNodePtr find_disk(xmlNodePtr domain, const char *target, unsigned *ret_count)
{
    xmlNodePtr found = NULL;
    *ret_count = 0;
    for (xmlNodePtr d = first_device(domain, "disk"); d; d = xml_next(d, "disk")) {
        if (!has_value(xml_child(d, "target"), "dev", target))
            continue;
        found = d;
        ++*ret_count;
    }
    return *ret_count == 1 ? found : NULL;
}

xmlNodePtr place_disk(xmlNodePtr domain, const char *target, struct error **err)
{
    unsigned count;
    xmlNodePtr disk = find_disk(domain, target, &count);
    if (disk)
        return disk;
    cleanup_free char *targets = targets_of(domain);
    if (count)
        error_set(err, "the domain has several disks '%s'", target);
    else
        error_set(err, "the domain has no disk '%s'", target);
    if (!count && *targets)
        error_hint(err, "its disks are %s", targets);
    return NULL;
}

/* virDomainDiskDefPostParse. */
static const struct {
    const char *prefix, *bus;
} buses[] = {{"hd", "ide"}, {"sd", "scsi"}, {"vd", "virtio"}, {"xvd", "xen"}};

char *place_bus(xmlNodePtr disk)
{
    xmlNodePtr target = xml_child(disk, "target");
    cleanup_free char *bus = xml_attribute(target, "bus"), *name = xml_attribute(target, "dev");
    if (bus)
        return TAKE_PTR(bus);
    if (has_value(disk, "device", "floppy"))
        return xstrdup("fdc");
    for (size_t i = 0; name && i < ARRAY_SIZE(buses); i++)
        if (g_str_has_prefix(name, buses[i].prefix))
            return xstrdup(buses[i].bus);
    return xstrdup("ide");
}

unsigned place_controller_index(xmlNodePtr disk)
{
    return xml_number(xml_child(disk, "address"), "controller", 0);
}

/* The only SCSI controller of this index; NULL for none and for several. */
static xmlNodePtr find_controller(xmlNodePtr domain, unsigned index, unsigned *ret_count)
{
    xmlNodePtr found = NULL, c = first_device(domain, "controller");
    *ret_count = 0;
    for (; c; c = xml_next(c, "controller")) {
        if (!has_value(c, "type", "scsi") || xml_number(c, "index", 0) != index)
            continue;
        found = c;
        ++*ret_count;
    }
    return *ret_count == 1 ? found : NULL;
}

/* The models of a controller that are virtio-scsi (virDomainControllerModelSCSI). */
static const char *const virtio_scsi[] = {"virtio-scsi", "virtio-transitional",
                                          "virtio-non-transitional", NULL};

xmlNodePtr place_controller(xmlNodePtr disk, struct error **err)
{
    unsigned count, index = place_controller_index(disk);
    xmlNodePtr controller = find_controller(disk->parent->parent, index, &count);
    if (!controller) {
        error_set(err, "the XML has %s SCSI controller %u", count ? "more than one" : "no", index);
        return NULL;
    }
    cleanup_free char *model = xml_attribute(controller, "model");
    if (!model || !g_strv_contains(virtio_scsi, model)) {
        error_set(err, "SCSI controller %u is no virtio-scsi: its model is %s", index,
                  model ? model : "not said");
        return NULL;
    }
    return controller;
}

/* Adds "sdb" if the device is another one on a controller of this index. */
static void note_if_on(xmlNodePtr device, xmlNodePtr disk, unsigned index, GString *list)
{
    bool is_disk = strcmp((const char *)device->name, "disk") == 0;
    cleanup_free char *bus = is_disk ? place_bus(device) : xml_attribute(device, "type");
    if (device == disk || !bus || strcmp(bus, "scsi") != 0 ||
        place_controller_index(device) != index)
        return;
    cleanup_free char *target = xml_attribute(xml_child(device, "target"), "dev");
    g_string_append_printf(list, "%s%s", list->len ? ", " : "",
                           target ? target : (const char *)device->name);
}

char *place_controller_others(xmlNodePtr disk)
{
    g_autoptr(GString) list = g_string_new(NULL);
    unsigned index = place_controller_index(disk);
    static const char *const names[] = {"disk", "hostdev"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        for (xmlNodePtr d = xml_child(disk->parent, names[i]); d; d = xml_next(d, names[i]))
            note_if_on(d, disk, index, list);
    return list->len ? xstrdup(list->str) : NULL;
}

/* --- Places ----------------------------------------------------------------------------------- */

/* A place is an element, its child, or a child of that. */
struct place {
    char *name; /* what stands between prefix and child: "vda", "0", "3" */
    const char *child, *grandchild;
    xmlNodePtr (*find)(xmlNodePtr domain, const char *name);
};

static void place_done(struct place *p)
{
    free(p->name);
}

static xmlNodePtr disk_at(xmlNodePtr domain, const char *name)
{
    unsigned count;
    return find_disk(domain, name, &count);
}

static xmlNodePtr controller_at(xmlNodePtr domain, const char *name)
{
    unsigned count;
    uint64_t index;
    if (text_parse_number(name, 0, UINT32_MAX, &index, NULL) < 0)
        return NULL;
    return find_controller(domain, (unsigned)index, &count);
}

static xmlNodePtr iothread_at(xmlNodePtr domain, const char *name)
{
    xmlNodePtr node = xml_child(xml_child(domain, "iothreadids"), "iothread");
    while (node && !has_value(node, "id", name))
        node = xml_next(node, "iothread");
    return node;
}

static xmlNodePtr iothreads_at(xmlNodePtr domain, const char *name)
{
    return *name ? NULL : xml_child(domain, "iothreads");
}

static const struct {
    const char *prefix, *child, *grandchild;
    xmlNodePtr (*find)(xmlNodePtr domain, const char *name);
} kinds[] = {
    {"disk:", "driver", "metadata_cache", disk_at},
    {"disk:", "driver", NULL, disk_at},
    {"controller:scsi:", "driver", NULL, controller_at},
    {"controller:scsi:", NULL, NULL, controller_at},
    {"iothreadids/iothread:", NULL, NULL, iothread_at},
    {"iothreads", NULL, NULL, iothreads_at},
};

/* Takes a place apart; find is NULL where it is none. */
static struct place place_parse(const char *where)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        cleanup_free char *suffix = xasprintf(
            "%s%s%s%s", kinds[i].child ? "/" : "", kinds[i].child ? kinds[i].child : "",
            kinds[i].grandchild ? "/" : "", kinds[i].grandchild ? kinds[i].grandchild : "");
        size_t prefix = strlen(kinds[i].prefix), end = strlen(suffix);
        if (!g_str_has_prefix(where, kinds[i].prefix) || strlen(where) < prefix + end ||
            !g_str_has_suffix(where, suffix))
            continue;
        return (struct place){
            .name = xasprintf("%.*s", (int)(strlen(where) - prefix - end), where + prefix),
            .child = kinds[i].child,
            .grandchild = kinds[i].grandchild,
            .find = kinds[i].find,
        };
    }
    return (struct place){0};
}

xmlNodePtr place_find(xmlNodePtr domain, const char *where)
{
    at_scope_end(place_done) struct place p = place_parse(where);
    xmlNodePtr node = p.find ? p.find(domain, p.name) : NULL;
    node = p.child ? xml_child(node, p.child) : node;
    return p.grandchild ? xml_child(node, p.grandchild) : node;
}

xmlNodePtr place_parent(xmlNodePtr domain, const char *where)
{
    at_scope_end(place_done) struct place p = place_parse(where);
    if (p.find == iothread_at)
        return xml_child(domain, "iothreadids");
    if (p.find == iothreads_at)
        return domain;
    if (p.grandchild)
        return xml_child(p.find(domain, p.name), p.child);
    return p.child ? p.find(domain, p.name) : xml_child(domain, "devices");
}

bool place_is_valid(const char *where)
{
    at_scope_end(place_done) struct place p = place_parse(where);
    return p.find && (p.find == iothreads_at ? !*p.name : *p.name);
}

unsigned place_iothread(const char *where)
{
    uint64_t id = 0;
    at_scope_end(place_done) struct place p = place_parse(where);
    if (p.find != iothread_at || text_parse_number(p.name, 1, UINT32_MAX, &id, NULL) < 0)
        return 0;
    return (unsigned)id;
}
