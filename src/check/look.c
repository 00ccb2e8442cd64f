/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check/look.h"

#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "domain/xml.h"

/* --- XML -------------------------------------------------------------------------------------- */

const char *look_attribute(xmlNodePtr node, const char *name)
{
    cleanup_free char *value = xml_attribute(node, name);
    return value ? g_intern_string(value) : "";
}

bool look_says(xmlNodePtr node, const char *name, const char *value)
{
    return strcmp(look_attribute(node, name), value) == 0;
}

/* Copies an attribute's value from its first quote on, and returns where its last one is. */
static const char *append_value(GString *out, const char *quote)
{
    const char *c = quote + 1;
    g_string_append_c(out, '\'');
    for (; *c && *c != *quote; c++)
        if (*c == '\'')
            g_string_append(out, "&apos;");
        else
            g_string_append_c(out, *c);
    g_string_append_c(out, '\'');
    return *c ? c : c - 1;
}

char *look_to_text(xmlNodePtr node)
{
    cleanup_free char *text = xml_to_text(node);
    g_autoptr(GString) out = g_string_new(NULL);
    const char *comment_end = NULL;
    bool in_tag = false;
    for (const char *c = text; *c; c++) {
        if (c >= comment_end)
            comment_end = strncmp(c, "<!--", 4) == 0 ? strstr(c, "-->") : NULL;
        in_tag = !comment_end && (*c == '<' || (in_tag && *c != '>'));
        if (in_tag && (*c == '"' || *c == '\''))
            c = append_value(out, c);
        else
            g_string_append_c(out, *c);
    }
    return xstrdup(out->str);
}

static void set_attributes(xmlNodePtr node, va_list pairs)
{
    for (const char *name; (name = va_arg(pairs, const char *));) {
        const char *value = va_arg(pairs, const char *);
        if (value)
            xmlSetProp(node, BAD_CAST name, BAD_CAST value);
        else
            xmlUnsetProp(node, BAD_CAST name);
    }
}

/* An element of this document, a copy where there is one to copy. */
static xmlNodePtr copy_element(xmlDocPtr doc, xmlNodePtr node, const char *name)
{
    return node ? xmlDocCopyNode(node, doc, /* extended = recursively */ 1)
                : xmlNewDocNode(doc, NULL, BAD_CAST name, NULL);
}

xmlDocPtr look_copy_element(xmlNodePtr node, const char *name)
{
    xmlDocPtr doc = xmlNewDoc(BAD_CAST "1.0");
    xmlNodePtr element = copy_element(doc, node, name);
    xmlDocSetRootElement(doc, element);
    if (!node && strcmp(name, "driver") == 0)
        xmlNewProp(element, BAD_CAST "name", BAD_CAST "qemu");
    return doc;
}

static void drop(xmlNodePtr node)
{
    xmlUnlinkNode(node);
    xmlFreeNode(node);
}

void look_drop(xmlNodePtr node, const char *child)
{
    for (xmlNodePtr old; (old = xml_child(node, child));) {
        if (old->prev && xmlIsBlankNode(old->prev))
            drop(old->prev);
        drop(old);
    }
    xmlNodePtr rest = node->children;
    if (rest && !rest->next && xmlIsBlankNode(rest))
        drop(rest);
}

static char *element_with(xmlNodePtr node, const char *name, va_list pairs)
{
    cleanup_xml xmlDocPtr doc = look_copy_element(node, name);
    xmlNodePtr element = xmlDocGetRootElement(doc);
    set_attributes(element, pairs);
    return look_to_text(element);
}

char *look_element_with(xmlNodePtr node, const char *name, ...)
{
    va_list pairs;
    va_start(pairs, name);
    char *text = element_with(node, name, pairs);
    va_end(pairs);
    return text;
}

char *look_driver_with(const struct check_disk *d, ...)
{
    va_list pairs;
    va_start(pairs, d);
    char *text = element_with(d->driver, "driver", pairs);
    va_end(pairs);
    return text;
}

/* Child by child, because the blanks between them are those of another indentation. */
static xmlDocPtr copy_controller(xmlNodePtr controller, xmlNodePtr *ret_driver)
{
    xmlDocPtr doc = xmlNewDoc(BAD_CAST "1.0");
    xmlNodePtr copy = xmlDocCopyNode(controller, doc, /* extended = with attributes */ 2);
    xmlDocSetRootElement(doc, copy);
    *ret_driver = xmlAddChild(copy, copy_element(doc, xml_child(controller, "driver"), "driver"));
    for (xmlNodePtr n = controller->children; n; n = n->next)
        if (n->type == XML_ELEMENT_NODE && strcmp((const char *)n->name, "driver") != 0)
            xmlAddChild(copy, xmlDocCopyNode(n, doc, 1));
    return doc;
}

xmlDocPtr look_copy_server(const struct check_disk *d, xmlNodePtr *ret_driver)
{
    if (look_is_virtio_scsi(d))
        return copy_controller(d->controller, ret_driver);
    xmlDocPtr doc = look_copy_element(d->driver, "driver");
    *ret_driver = xmlDocGetRootElement(doc);
    return doc;
}

char *look_server_with(const struct check_disk *d, ...)
{
    va_list pairs;
    xmlNodePtr driver;
    cleanup_xml xmlDocPtr doc = look_copy_server(d, &driver);
    va_start(pairs, d);
    set_attributes(driver, pairs);
    va_end(pairs);
    return look_to_text(xmlDocGetRootElement(doc));
}

xmlNodePtr look_server_driver(const struct check_disk *d)
{
    return look_is_virtio_scsi(d) ? xml_child(d->controller, "driver") : d->driver;
}

/* --- What a disk is --------------------------------------------------------------------------- */

static bool has_bus(const struct check_disk *d, const char *bus)
{
    return d->model->bus && strcmp(d->model->bus, bus) == 0;
}

bool look_is_host_file(const struct check_disk *d)
{
    static const char *const types[] = {"file", "block", "dir", "volume"};
    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        if (strcmp(d->model->type, types[i]) == 0)
            return true;
    return false;
}

const struct domain_disk *look_live(const struct check_disk *d)
{
    const struct domain_model *live = d->domain->live;
    const char *target = d->model->target;
    for (size_t i = 0; live && target && i < live->disk_count; i++)
        if (live->disks[i].target && strcmp(live->disks[i].target, target) == 0)
            return &live->disks[i];
    return NULL;
}

const char *look_virsh_flags(const struct check_domain *d)
{
    return !d->running ? "--config" : d->persistent ? "--config --live" : "--live";
}

bool look_is_virtio_blk(const struct check_disk *d)
{
    return has_bus(d, "virtio") && strcmp(d->model->type, "vhostuser") != 0 &&
           strcmp(d->model->type, "vhostvdpa") != 0;
}

bool look_is_virtio_scsi(const struct check_disk *d)
{
    static const char *const models[] = {"virtio-scsi", "virtio-transitional",
                                         "virtio-non-transitional"};
    for (size_t i = 0; has_bus(d, "scsi") && i < ARRAY_SIZE(models); i++)
        if (look_says(d->controller, "model", models[i]))
            return true;
    return false;
}

bool look_keeps_nothing(const struct check_disk *d)
{
    return xml_child(d->node, "readonly") || xml_child(d->node, "transient");
}

/* --- Storage ---------------------------------------------------------------------------------- */

bool look_lacks_direct(const struct check_disk *d)
{
    const struct place *p = d->place;
    return p && ((p->direct_known && !p->direct_offset_align) ||
                 (p->mount && g_str_has_prefix(p->mount->type, "ext") &&
                  mount_has_option(p->mount, "data=journal")));
}

bool look_has_direct(const struct check_disk *d)
{
    return d->place && (d->place->type == PLACE_BLOCK ||
                        (d->place->direct_known && d->place->direct_offset_align));
}

bool look_is_rotating(const struct check_disk *d)
{
    return d->place && d->place->block && stack_is_rotating(d->place->block);
}

bool look_is_nvme(const struct check_disk *d)
{
    g_autoptr(GPtrArray) all =
        d->place && d->place->block ? stack_all(d->place->block) : g_ptr_array_new();
    for (guint i = 0; i < all->len; i++) {
        const struct block_device *b = all->pdata[i];
        if (b->driver && strcmp(b->driver, "nvme") == 0)
            return true;
    }
    return false;
}

static bool is_on(const struct check_disk *d, uint64_t fs_magic)
{
    return d->place && d->place->type == PLACE_FILE && d->place->fs_magic == fs_magic;
}

bool look_is_remote(const struct check_disk *d)
{
    return is_on(d, FS_NFS);
}

bool look_is_memory(const struct check_disk *d)
{
    return is_on(d, FS_TMPFS);
}

bool look_is_copied(const struct check_disk *d)
{
    const struct place *p = d->place;
    return p && (place_is_copied(p) || (p->type == PLACE_FILE && p->shared));
}

bool look_is_synchronous(const struct check_disk *d)
{
    return is_on(d, FS_ZFS);
}

/* --- Room ------------------------------------------------------------------------------------- */

static const struct check_image *top_of(const struct check_disk *d)
{
    return d->images->len ? d->images->pdata[0] : NULL;
}

static bool is_thin(const struct place *p)
{
    return p->block && stack_below(p->block, DEVICE_THIN);
}

/* A qcow2 holds its tables besides the guest's data: its file is larger than the disk once full. */
static bool is_full(const struct check_image *image)
{
    return image->place->allocated_bytes >=
           image->header.virtual_bytes - image->header.virtual_bytes / 100;
}

/* QEMU writes what is transient to an overlay, which begins empty. Of a data file, which has the
 * guest's data, nothing is known here. */
bool look_grows(const struct check_disk *d)
{
    const struct check_image *top = top_of(d);
    if (look_is_host_file(d) && xml_child(d->node, "transient"))
        return true;
    if (!look_is_host_file(d) || !top || !top->place)
        return false;
    if (top->header.backing || top->header.data_file)
        return top->header.backing;
    return (top->place->type == PLACE_BLOCK && is_thin(top->place)) ||
           (top->place->type == PLACE_FILE && !is_full(top));
}

/* A block device as raw is known without its header, which we may not be allowed to read. */
static bool is_raw_device(const struct check_disk *d)
{
    return d->place && d->place->type == PLACE_BLOCK &&
           strcmp(d->model->config.format, "raw") == 0 && !xml_child(d->node, "transient");
}

bool look_is_allocated(const struct check_disk *d)
{
    const struct check_image *top = top_of(d);
    if (look_is_host_file(d) && is_raw_device(d) && !is_thin(d->place))
        return true;
    return look_is_host_file(d) && !d->unread && top && top->place && !top->header.data_file &&
           !look_grows(d) && !look_is_copied(d);
}

bool look_waits_for_room(const struct check_disk *d)
{
    bool elsewhere = look_is_remote(d) || (d->place && d->place->type == PLACE_BLOCK);
    return xml_child(d->node, "transient") || (!elsewhere && (look_grows(d) || look_is_copied(d)));
}

/* --- What suits ------------------------------------------------------------------------------- */

bool look_has_versions(const struct look *at, const struct versions *since)
{
    return (!at->versions.qemu || at->versions.qemu >= since->qemu) &&
           (!at->versions.libvirt || at->versions.libvirt >= since->libvirt);
}

bool look_qemu_hangs_io_uring(const struct look *at)
{
    return at->versions.qemu >= 7001000 && at->versions.qemu < 7002000;
}

bool look_kernel_hangs_io_uring(const struct look *at)
{
    return at->facts && at->facts->kernel && at->facts->kernel < 5013;
}

static bool has_io_uring(const struct look *at)
{
    const struct versions since = {.qemu = 5000000, .libvirt = 6003000};
    const struct host_facts *f = at->facts;
    const char *emulator = at->domain->model ? at->domain->model->emulator : NULL;
    return look_has_versions(at, &since) && !look_qemu_hangs_io_uring(at) &&
           !look_kernel_hangs_io_uring(at) &&
           (!f ||
            (f->io_uring_disabled <= 0 && host_facts_qemu_flag(f, emulator, "aio.io_uring") != 0));
}

/* What the guest discards of a file leaves holes, which the next write has to fill again. */
static bool never_waits(const struct check_disk *d)
{
    if (look_is_host_file(d) && (is_raw_device(d) || look_is_remote(d)))
        return !look_waits_for_room(d);
    return look_is_allocated(d) && (!d->model->config.discard || d->place->type == PLACE_BLOCK);
}

const char *look_best_io(const struct look *at)
{
    const struct check_disk *d = at->disk;
    bool direct = disk_config_is_direct(&d->model->config) && !look_lacks_direct(d);
    if (look_is_synchronous(d))
        return NULL;
    if (direct && never_waits(d))
        return "native";
    return has_io_uring(at) ? "io_uring" : NULL;
}

bool look_is_x86(const struct check_domain *d)
{
    const char *arch = d->model->arch;
    return arch && (strcmp(arch, "x86_64") == 0 || strcmp(arch, "i686") == 0);
}

unsigned look_machine_version(const struct check_domain *d)
{
    return domain_model_machine_version(d->model);
}
