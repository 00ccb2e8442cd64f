/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "domain/model.h"

#include <glib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "domain/metadata_cache.h"
#include "domain/xml.h"

/* --- Values ----------------------------------------------------------------------------------- */

/* An attribute's word for a disk_config, whose strings nobody frees; `fallback` where it is not
 * there. */
static const char *word(xmlNodePtr node, const char *name, const char *fallback)
{
    cleanup_free char *value = xml_attribute(node, name);
    return value ? g_intern_string(value) : fallback;
}

static unsigned number(const char *text, unsigned fallback)
{
    uint64_t value;
    return text && text_parse_number(text, 0, UINT32_MAX, &value, NULL) == 0 ? (unsigned)value
                                                                             : fallback;
}

/* --- Disks ------------------------------------------------------------------------------------ */

/* The cache mode that QEMU has when libvirt says nothing, which is what it does where the attribute
 * is absent or "default"; a disk that guests share gets none (qemuDomainPrepareDiskCachemode). */
static const char *cache_of(xmlNodePtr disk, xmlNodePtr driver)
{
    bool shared = xml_child(disk, "shareable") && !xml_child(disk, "readonly");
    const char *cache = word(driver, "cache", "default");
    return strcmp(cache, "default") != 0 ? cache : shared ? "none" : "writeback";
}

struct _xmlNode *domain_disk_controller(struct _xmlNode *disk)
{
    unsigned index = xml_number(xml_child(disk, "address"), "controller", 0);
    xmlNodePtr c = xml_child(disk->parent, "controller");
    while (c && (strcmp(word(c, "type", ""), "scsi") != 0 || xml_number(c, "index", 0) != index))
        c = xml_next(c, "controller");
    return c;
}

/* The first of the iothreads that a disk's queues are dealt out among; NULL where they are not. */
static xmlNodePtr first_of_list(xmlNodePtr driver)
{
    return xml_child(xml_child(driver, "iothreads"), "iothread");
}

static unsigned count_of_list(xmlNodePtr driver)
{
    unsigned count = 0;
    for (xmlNodePtr n = first_of_list(driver); n; n = xml_next(n, "iothread"))
        count++;
    return count;
}

/* How long an iothread polls, as a disk_config has it; those of one disk all do alike. */
static int64_t poll_max_ns(xmlNodePtr domain, unsigned id)
{
    xmlNodePtr thread = xml_child(xml_child(domain, "iothreadids"), "iothread");
    while (thread && xml_number(thread, "id", 0) != id)
        thread = xml_next(thread, "iothread");
    cleanup_free char *max = xml_attribute(xml_child(thread, "poll"), "max");
    uint64_t ns;
    if (!id || !max || text_parse_number(max, 0, INT64_MAX, &ns, NULL) < 0)
        return 0;
    return ns ? (int64_t)ns : DISK_POLL_OFF;
}

static void read_config(xmlNodePtr disk, struct domain_disk *d)
{
    xmlNodePtr driver = xml_child(disk, "driver");
    xmlNodePtr threads = d->bus && strcmp(d->bus, "scsi") == 0
                             ? xml_child(domain_disk_controller(disk), "driver")
                             : driver;
    unsigned several = count_of_list(threads);
    d->iothread = xml_number(threads, "iothread", 0);
    unsigned first = several ? xml_number(first_of_list(threads), "id", 0) : d->iothread;
    d->config = (struct disk_config){
        .bus = d->bus ? g_intern_string(d->bus) : "virtio",
        .format = word(driver, "type", "raw"),
        .preallocation = "off",
        .cache = cache_of(disk, driver),
        .io = word(driver, "io", "threads"),
        .iothread = d->iothread || several,
        .iothreads = several,
        .poll_max_ns = poll_max_ns(disk->parent->parent, first),
        .queues = xml_number(threads, "queues", 0),
        .metadata_cache_bytes = metadata_cache_bytes(xml_child(driver, "metadata_cache")),
        .discard = strcmp(word(driver, "discard", "ignore"), "unmap") == 0,
        .detect_zeroes = strcmp(word(driver, "detect_zeroes", "off"), "off") != 0,
    };
}

static void read_limits(xmlNodePtr iotune, struct domain_disk *d)
{
    d->limit_group = xml_child_text(iotune, "group_name");
    for (xmlNodePtr n = iotune ? xmlFirstElementChild(iotune) : NULL; n;
         n = xmlNextElementSibling(n)) {
        cleanup_free char *text = xml_child_text(iotune, (const char *)n->name);
        uint64_t value = 0;
        if (!text || strcmp((const char *)n->name, "group_name") == 0 ||
            text_parse_number(text, 1, INT64_MAX, &value, NULL) < 0)
            continue;
        d->limits = xreallocarray(d->limits, d->limit_count + 1, sizeof(*d->limits));
        d->limits[d->limit_count++] = (struct domain_limit){xstrdup((const char *)n->name), value};
    }
}

static void read_disk(xmlNodePtr disk, struct domain_disk *d)
{
    xmlNodePtr source = xml_child(disk, "source"), target = xml_child(disk, "target");
    cleanup_free char *canonical = xml_canonical(disk);
    d->target = xml_attribute(target, "dev");
    d->bus = xml_attribute(target, "bus");
    d->type = xml_attribute(disk, "type");
    d->device = xml_attribute(disk, "device");
    if (!d->type)
        d->type = xstrdup("file");
    if (!d->device)
        d->device = xstrdup("disk");
    d->source = xml_attribute(source, strcmp(d->type, "block") == 0 ? "dev" : "file");
    d->pool = xml_attribute(source, "pool");
    d->volume = xml_attribute(source, "volume");
    d->protocol = xml_attribute(source, "protocol");
    g_autofree char *hash = g_compute_checksum_for_string(G_CHECKSUM_SHA256, canonical, -1);
    d->hash = xstrdup(hash);
    read_config(disk, d);
    read_limits(xml_child(disk, "iotune"), d);
}

static void read_disks(xmlNodePtr domain, struct domain_model *m)
{
    xmlNodePtr disk = xml_child(xml_child(domain, "devices"), "disk");
    for (; disk; disk = xml_next(disk, "disk")) {
        m->disks = xreallocarray(m->disks, m->disk_count + 1, sizeof(*m->disks));
        m->disks[m->disk_count] = (struct domain_disk){0};
        read_disk(disk, &m->disks[m->disk_count++]);
    }
}

/* --- The rest of a domain --------------------------------------------------------------------- */

/* Every <element id_name='…' cpuset='…'/> of <cputune>. */
static struct domain_pin *read_pins(xmlNodePtr cputune, const char *element, const char *id_name,
                                    size_t *ret_count)
{
    struct domain_pin *pins = NULL;
    for (xmlNodePtr n = xml_child(cputune, element); n; n = xml_next(n, element)) {
        cleanup_free char *cpuset = xml_attribute(n, "cpuset");
        if (!cpuset)
            continue;
        pins = xreallocarray(pins, *ret_count + 1, sizeof(*pins));
        pins[(*ret_count)++] = (struct domain_pin){xml_number(n, id_name, 0), TAKE_PTR(cpuset)};
    }
    return pins;
}

static void read_processors(xmlNodePtr domain, struct domain_model *m)
{
    xmlNodePtr vcpu = xml_child(domain, "vcpu"), cputune = xml_child(domain, "cputune");
    cleanup_free char *all = xml_child_text(domain, "vcpu");
    m->vcpus = xml_number(vcpu, "current", number(all, 1));
    m->cpuset = xml_attribute(vcpu, "cpuset");
    m->vcpu_pins = read_pins(cputune, "vcpupin", "vcpu", &m->vcpu_pin_count);
    m->iothread_pins = read_pins(cputune, "iothreadpin", "iothread", &m->iothread_pin_count);
    m->emulator_cpuset = xml_attribute(xml_child(cputune, "emulatorpin"), "cpuset");
}

/* libvirt's units of memory; KiB where there is none. */
static uint64_t kib_of(xmlNodePtr node, const char *size)
{
    cleanup_free char *unit = xml_attribute(node, "unit");
    cleanup_free char *text = size ? xasprintf("%s%s", size, unit ? unit : "KiB") : NULL;
    uint64_t bytes = 0;
    return text && text_parse_size(text, &bytes, NULL) == 0 ? bytes >> 10 : 0;
}

static void read_memory(xmlNodePtr domain, struct domain_model *m)
{
    xmlNodePtr memory = xml_child(xml_child(domain, "numatune"), "memory");
    xmlNodePtr huge = xml_child(xml_child(domain, "memoryBacking"), "hugepages");
    m->numa_mode = xml_attribute(memory, "mode");
    m->numa_nodeset = xml_attribute(memory, "nodeset");
    cleanup_free char *all = xml_child_text(domain, "memory");
    m->memory_kib = kib_of(xml_child(domain, "memory"), all);
    cleanup_free char *page = xml_attribute(xml_child(huge, "page"), "size");
    /* Without a size it is the host's default, which is 2 MiB on most. */
    if (huge)
        m->hugepage_kib = xml_child(huge, "page") ? kib_of(xml_child(huge, "page"), page) : 2048;
}

static void read_machine(xmlNodePtr domain, struct domain_model *m)
{
    xmlNodePtr type = xml_child(xml_child(domain, "os"), "type");
    m->name = xml_child_text(domain, "name");
    m->uuid = xml_child_text(domain, "uuid");
    m->type = xml_attribute(domain, "type");
    m->arch = xml_attribute(type, "arch");
    m->machine = xml_attribute(type, "machine");
    m->emulator = xml_child_text(xml_child(domain, "devices"), "emulator");
}

struct domain_model *domain_model_from_doc(xmlDocPtr doc, struct error **err)
{
    xmlNodePtr domain = xmlDocGetRootElement(doc);
    cleanup_domain_model struct domain_model *m = xcalloc(1, sizeof(*m));
    if (domain->ns || strcmp((const char *)domain->name, "domain") != 0) {
        error_set(err, "this is no domain: its element is <%s>", (const char *)domain->name);
        return NULL;
    }
    read_machine(domain, m);
    if (!m->name || !*m->name) {
        error_set(err, "the domain has no name");
        return NULL;
    }
    read_processors(domain, m);
    read_memory(domain, m);
    read_disks(domain, m);
    return TAKE_PTR(m);
}

struct domain_model *domain_model_from_xml(const char *text, size_t length, struct error **err)
{
    cleanup_xml xmlDocPtr doc = xml_parse(text, length, err);
    return doc ? domain_model_from_doc(doc, err) : NULL;
}

unsigned domain_model_machine_version(const struct domain_model *m)
{
    const char *dash = strrchr(m->machine ? m->machine : "", '-');
    char *end;
    unsigned long major = dash ? strtoul(dash + 1, &end, 10) : 0;
    unsigned long minor = dash && *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
    return major && major < 1000 && minor < 1000 ? (unsigned)(major * 1000 + minor) : 0;
}

/* --- Freeing ---------------------------------------------------------------------------------- */

static void disk_done(struct domain_disk *d)
{
    char *const owned[] = {d->target, d->bus,    d->device,   d->type, d->source,
                           d->pool,   d->volume, d->protocol, d->hash, d->limit_group};
    for (size_t i = 0; i < ARRAY_SIZE(owned); i++)
        free(owned[i]);
    for (size_t i = 0; i < d->limit_count; i++)
        free(d->limits[i].name);
    free(d->limits);
}

static void pins_free(struct domain_pin *pins, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(pins[i].cpuset);
    free(pins);
}

void domain_model_free(struct domain_model *m)
{
    if (!m)
        return;
    char *const owned[] = {m->name,      m->uuid,        m->type,   m->arch,
                           m->machine,   m->emulator,    m->cpuset, m->emulator_cpuset,
                           m->numa_mode, m->numa_nodeset};
    for (size_t i = 0; i < ARRAY_SIZE(owned); i++)
        free(owned[i]);
    pins_free(m->vcpu_pins, m->vcpu_pin_count);
    pins_free(m->iothread_pins, m->iothread_pin_count);
    for (size_t i = 0; i < m->disk_count; i++)
        disk_done(&m->disks[i]);
    free(m->disks);
    free(m);
}

/* --- Choosing a disk -------------------------------------------------------------------------- */

static bool is_disk(const struct domain_disk *d)
{
    return d->target && strcmp(d->device, "disk") == 0;
}

static char *targets_of(const struct domain_model *m)
{
    g_autoptr(GString) list = g_string_new(NULL);
    for (size_t i = 0; i < m->disk_count; i++)
        if (is_disk(&m->disks[i]))
            g_string_append_printf(list, "%s%s", list->len ? ", " : "", m->disks[i].target);
    return xstrdup(list->str);
}

const struct domain_disk *domain_model_disk(const struct domain_model *m, const char *target,
                                            struct error **err)
{
    const struct domain_disk *found = NULL;
    unsigned disks = 0;
    for (size_t i = 0; i < m->disk_count; i++) {
        const struct domain_disk *d = &m->disks[i];
        if (target && d->target && strcmp(d->target, target) == 0)
            return d;
        found = is_disk(d) ? d : found;
        disks += is_disk(d);
    }
    cleanup_free char *targets = targets_of(m);
    if (!target && disks == 1)
        return found;
    if (!disks)
        error_set(err, "the domain %s has no disk", m->name);
    else if (target)
        error_set(err, "the domain %s has no disk '%s'", m->name, target);
    else
        error_set(err, "the domain %s has several disks: %s", m->name, targets);
    if (disks && target)
        error_hint(err, "its disks are %s", targets);
    else if (disks)
        error_hint(err, "name one as %s/TARGET, or behind --xml FILE as TARGET", m->name);
    return NULL;
}
