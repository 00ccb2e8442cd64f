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

unsigned look_number(xmlNodePtr node, const char *name, unsigned fallback)
{
    uint64_t value;
    cleanup_free char *text = xml_attribute(node, name);
    return text && text_parse_number(text, 0, UINT32_MAX, &value, NULL) == 0 ? (unsigned)value
                                                                             : fallback;
}

char *look_driver_with(const struct check_disk *d, ...)
{
    cleanup_xml xmlDocPtr doc = xmlNewDoc(BAD_CAST "1.0");
    xmlNodePtr driver = d->driver ? xmlDocCopyNode(d->driver, doc, /* extended = recursively */ 1)
                                  : xmlNewDocNode(doc, NULL, BAD_CAST "driver", NULL);
    xmlDocSetRootElement(doc, driver);
    if (!d->driver)
        xmlNewProp(driver, BAD_CAST "name", BAD_CAST "qemu");
    va_list args;
    va_start(args, d);
    for (const char *name; (name = va_arg(args, const char *));) {
        const char *value = va_arg(args, const char *);
        if (value)
            xmlSetProp(driver, BAD_CAST name, BAD_CAST value);
        else
            xmlUnsetProp(driver, BAD_CAST name);
    }
    va_end(args);
    char *text = xml_to_text(driver);
    return text;
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

bool look_grows(const struct check_disk *d)
{
    const struct check_image *top = top_of(d);
    if (!look_is_host_file(d) || !top || !top->place)
        return false;
    return top->header.backing || is_thin(top->place) ||
           (top->place->type == PLACE_FILE && !is_full(top));
}

bool look_is_allocated(const struct check_disk *d)
{
    const struct check_image *top = top_of(d);
    return look_is_host_file(d) && !d->unread && top && top->place && !look_grows(d);
}

/* --- What suits ------------------------------------------------------------------------------- */

bool look_has_versions(const struct look *at, const struct versions *since)
{
    return (!at->versions.qemu || at->versions.qemu >= since->qemu) &&
           (!at->versions.libvirt || at->versions.libvirt >= since->libvirt);
}

/* QEMU 7.1's iothreads hang with it (gitlab.com/qemu-project/qemu, issue 1193), kernels before 5.13
 * froze guests (github.com/canonical/lxd, issue 10061). */
static bool has_io_uring(const struct look *at)
{
    const struct versions since = {.qemu = 5000000, .libvirt = 6003000};
    bool qemu_hangs = at->versions.qemu >= 7001000 && at->versions.qemu < 7002000;
    const struct host_facts *f = at->facts;
    const char *emulator = at->domain->model ? at->domain->model->emulator : NULL;
    return look_has_versions(at, &since) && !qemu_hangs &&
           (!f || ((!f->kernel || f->kernel >= 5013) && f->io_uring_disabled <= 0 &&
                   host_facts_qemu_flag(f, emulator, "aio.io_uring") != 0));
}

const char *look_best_io(const struct look *at)
{
    const struct check_disk *d = at->disk;
    bool direct = disk_config_is_direct(&d->model->config);
    if (look_is_allocated(d) && direct)
        return "native";
    return has_io_uring(at) ? "io_uring" : NULL;
}

unsigned look_machine_version(const struct check_domain *d)
{
    const char *machine = d->model->machine ? d->model->machine : "";
    const char *dash = strrchr(machine, '-');
    char *end;
    unsigned long major = dash ? strtoul(dash + 1, &end, 10) : 0;
    unsigned long minor = dash && *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
    return major && major < 1000 && minor < 1000 ? (unsigned)(major * 1000 + minor) : 0;
}
