/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "apply/effective.h"

#include <inttypes.h>
#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "check/process.h"
#include "domain/edit_place.h"
#include "domain/model.h"
#include "domain/xml.h"
#include "host/process.h"

/* --- The command line ------------------------------------------------------------------------- */

/* "virtio-blk-pci,bus=pci.4,id=virtio-disk0" as an object, with "driver"; before libvirt 7.6 (and
 * QEMU 6.2) devices are written so. A comma in a value is doubled. */
static json_t *parse_words(const char *text)
{
    json_t *json = json_object();
    g_autoptr(GString) word = g_string_new(NULL);
    for (const char *at = text;; at++) {
        bool doubled = at[0] == ',' && at[1] == ',';
        if (*at && (*at != ',' || doubled)) {
            g_string_append_c(word, *at);
            at += doubled;
            continue;
        }
        char *equals = strchr(word->str, '=');
        if (equals)
            *equals = '\0';
        json_object_set_new(json, equals ? word->str : "driver",
                            json_string(equals ? equals + 1 : word->str));
        g_string_truncate(word, 0);
        if (!*at)
            return json;
    }
}

/* What stands behind an option, as an object. */
static json_t *parse_option(const char *text)
{
    return text[0] == '{' ? json_loads(text, 0, NULL) : parse_words(text);
}

/* The first argument of this option in which `key` is `value`; NULL. The caller owns it. */
static json_t *find_argument(const char *line, size_t length, const char *option, const char *key,
                             const char *value)
{
    for (const char *at = line, *end = line + length; at < end; at += strlen(at) + 1) {
        const char *next = at + strlen(at) + 1;
        if (strcmp(at, option) != 0 || next >= end)
            continue;
        json_t *json = parse_option(next);
        const char *found = json_string_value(json_object_get(json, key));
        if (found && strcmp(found, value) == 0)
            return json;
        json_decref(json);
    }
    return NULL;
}

/* A number or a word as text; NULL. The caller frees. */
static char *text_of(json_t *json, const char *key)
{
    json_t *value = json_object_get(json, key);
    if (json_is_integer(value))
        return xasprintf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
    if (json_is_boolean(value))
        return xstrdup(json_is_true(value) ? "on" : "off");
    return json_is_string(value) ? xstrdup(json_string_value(value)) : NULL;
}

/* --- One disk --------------------------------------------------------------------------------- */

/* What QEMU was told of it: the device, its controller where that has a bus, the node that the
 * device reads from and the one that has the file open. */
struct told {
    json_t *device, *controller, *format, *storage;
};

static void told_done(struct told *t)
{
    json_decref(t->device);
    json_decref(t->controller);
    json_decref(t->format);
    json_decref(t->storage);
}

/* "scsi0.0" is a bus of the device scsi0. */
static json_t *find_controller(const char *line, size_t length, json_t *device)
{
    const char *bus = json_string_value(json_object_get(device, "bus"));
    cleanup_free char *id = bus ? xstrdup(bus) : NULL;
    if (!id || !strrchr(id, '.'))
        return NULL;
    *strrchr(id, '.') = '\0';
    return find_argument(line, length, "-device", "id", id);
}

/* The node that this one reads from ("file"); NULL: there is none, or it is not to be found. */
static json_t *node_below(const char *line, size_t length, json_t *node)
{
    const char *file = json_string_value(json_object_get(node, "file"));
    return file ? find_argument(line, length, "-blockdev", "node-name", file) : NULL;
}

/* One that only stands in the way. */
static bool is_filter(json_t *node)
{
    static const char *const drivers[] = {"copy-on-read", "throttle", NULL};
    const char *driver = json_string_value(json_object_get(node, "driver"));
    return driver && g_strv_contains(drivers, driver);
}

/* However many there are, QEMU has no such chain that is longer. */
#define NODES_MAX 16

/* Down to the node that has the format; NULL. Takes the node over, as the next one does. */
static json_t *pass_filters(const char *line, size_t length, json_t *node)
{
    for (int i = 0; node && is_filter(node) && i < NODES_MAX; i++) {
        cleanup_json json_t *filter = node;
        node = node_below(line, length, filter);
    }
    return node;
}

/* Down to the node that has the file open: a part of an image has one of its own on top. NULL where
 * the last one is not to be found. */
static json_t *pass_down(const char *line, size_t length, json_t *node)
{
    for (int i = 0; node && json_is_string(json_object_get(node, "file")) && i < NODES_MAX; i++) {
        cleanup_json json_t *upper = node;
        node = node_below(line, length, upper);
    }
    return node;
}

static bool find_told(const char *line, size_t length, const char *alias, struct told *t)
{
    t->device = find_argument(line, length, "-device", "id", alias);
    const char *drive = json_string_value(json_object_get(t->device, "drive"));
    json_t *top = drive ? find_argument(line, length, "-blockdev", "node-name", drive) : NULL;
    t->format = pass_filters(line, length, top);
    t->storage = pass_down(line, length, json_incref(t->format));
    t->controller = find_controller(line, length, t->device);
    return t->storage;
}

/* libvirt's word for cache flags: the device's, and those of the node with the file. */
static const char *cache_of(const struct told *t)
{
    cleanup_free char *write_cache = text_of(t->device, "write-cache");
    json_t *cache = json_object_get(t->storage, "cache");
    bool writeback = !write_cache || strcmp(write_cache, "on") == 0;
    bool direct = json_is_true(json_object_get(cache, "direct"));
    return disk_config_cache_name(writeback, direct,
                                  json_is_true(json_object_get(cache, "no-flush")));
}

static const char *word_of(json_t *json, const char *key, const char *fallback)
{
    const char *word = json_string_value(json_object_get(json, key));
    return word ? word : fallback;
}

static void compare(GPtrArray *out, const char *what, const char *said, const char *runs)
{
    if (strcmp(said, runs) != 0)
        g_ptr_array_add(
            out, xasprintf("%s='%s' is configured, QEMU runs %s='%s'", what, said, what, runs));
}

/* Who serves it is said of the disk's controller, where that is virtio's. */
static void compare_threads(const struct told *t, const struct domain_disk *d, GPtrArray *out)
{
    bool shared = t->controller && strcmp(d->bus, "scsi") == 0;
    json_t *device = shared ? t->controller : t->device;
    cleanup_free char *iothread = text_of(device, "iothread");
    cleanup_free char *queues = text_of(device, shared ? "num_queues" : "num-queues");
    cleanup_free char *said = d->iothread ? xasprintf("iothread%u", d->iothread) : xstrdup("none");
    if (d->config.iothreads <= 1)
        compare(out, "iothread", said, iothread ? iothread : "none");
    cleanup_free char *said_queues = xasprintf("%u", d->config.queues);
    if (d->config.queues)
        compare(out, "queues", said_queues, queues ? queues : "unasked");
}

/* libvirt takes "unmap" for "on" where nothing is discarded. The model does not tell the two apart.
 */
static void compare_zeroes(const struct told *t, xmlNodePtr disk, GPtrArray *out)
{
    cleanup_free char *zeroes = xml_attribute(xml_child(disk, "driver"), "detect_zeroes");
    cleanup_free char *discard = xml_attribute(xml_child(disk, "driver"), "discard");
    bool on = zeroes && strcmp(zeroes, "unmap") == 0 && (!discard || strcmp(discard, "unmap") != 0);
    compare(out, "detect_zeroes",
            on       ? "on"
            : zeroes ? zeroes
                     : "off",
            word_of(t->format, "detect-zeroes", "off"));
}

/* libvirt gives one to the node that reads the qcow2. */
static void compare_cache_size(const struct told *t, const struct domain_disk *d, GPtrArray *out)
{
    uint64_t bytes = d->config.metadata_cache_bytes;
    cleanup_free char *said = bytes ? xasprintf("%" PRIu64, bytes) : xstrdup("unasked");
    cleanup_free char *runs = text_of(t->format, "cache-size");
    compare(out, "metadata_cache", said, runs ? runs : "unasked");
}

static void compare_told(const struct told *t, const struct domain_disk *d, GPtrArray *out)
{
    const struct disk_config *c = &d->config;
    compare(out, "cache", c->cache, cache_of(t));
    compare(out, "io", c->io, word_of(t->storage, "aio", "threads"));
    compare(out, "discard", c->discard ? "unmap" : "ignore",
            word_of(t->format, "discard", "ignore"));
    compare_cache_size(t, d, out);
    compare_threads(t, d, out);
}

GPtrArray *effective_differences_of(const char *line, size_t length, const char *live_xml,
                                    const char *target)
{
    cleanup_xml xmlDocPtr doc = xml_parse(live_xml, strlen(live_xml), NULL);
    cleanup_domain_model struct domain_model *m = doc ? domain_model_from_doc(doc, NULL) : NULL;
    const struct domain_disk *disk = m ? domain_model_disk(m, target, NULL) : NULL;
    xmlNodePtr node = disk ? place_disk(xmlDocGetRootElement(doc), target, NULL) : NULL;
    /* libvirt's name for the device in QEMU. */
    cleanup_free char *alias = xml_attribute(xml_child(node, "alias"), "name");
    at_scope_end(told_done) struct told told = {0};
    if (!alias || !find_told(line, length, alias, &told))
        return NULL;
    GPtrArray *out = g_ptr_array_new_with_free_func(free);
    compare_told(&told, disk, out);
    compare_zeroes(&told, node, out);
    return out;
}

/* --- The process ------------------------------------------------------------------------------ */

/* What the kernel and the log have: the flags of the open image, and a mode that was given up. */
static void compare_process(const struct check_process *p, const struct domain_disk *d,
                            GPtrArray *out)
{
    gpointer direct;
    if (d->source && disk_config_is_direct(&d->config) &&
        g_hash_table_lookup_extended(p->direct, d->source, NULL, &direct) &&
        !GPOINTER_TO_INT(direct))
        g_ptr_array_add(out, xasprintf("cache='%s' is configured, and QEMU has the image open "
                                       "without O_DIRECT",
                                       d->config.cache));
    if (p->fallbacks->len && strcmp(d->config.io, "threads") != 0)
        g_ptr_array_add(out, xasprintf("io='%s' is configured, and QEMU's log says: %s",
                                       d->config.io, (const char *)p->fallbacks->pdata[0]));
}

/* The QEMU of a domain; NULL. The caller frees. */
static struct check_process *find_process(const struct domain_model *m)
{
    cleanup_root struct root *root = root_open(NULL, NULL);
    cleanup_processes struct processes *all = processes_read(root);
    cleanup_mounts struct mounts *mounts = mounts_read(root);
    return process_look(all, root, mounts, m);
}

GPtrArray *effective_differences(const char *live_xml, const char *target)
{
    size_t length;
    cleanup_domain_model struct domain_model *m =
        domain_model_from_xml(live_xml, strlen(live_xml), NULL);
    struct check_process *p = m ? find_process(m) : NULL;
    cleanup_free char *line = p ? process_command_line(p->pid, &length) : NULL;
    GPtrArray *out = line ? effective_differences_of(line, length, live_xml, target) : NULL;
    const struct domain_disk *disk = out ? domain_model_disk(m, target, NULL) : NULL;
    if (disk)
        compare_process(p, disk, out);
    check_process_free(p);
    return out;
}
