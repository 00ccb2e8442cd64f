/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "domain/disk_config.h"

#include <glib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/memory.h"

json_t *disk_config_to_json(const struct disk_config *c)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:i, s:I, s:i, s:I, s:b, s:I, s:b, s:b}",
                     "bus", c->bus, "format", c->format, "preallocation", c->preallocation, "cache",
                     c->cache, "io", c->io, "iothread", c->iothread, "iothreads",
                     (int)disk_config_iothreads(c), "poll_max_ns",
                     (json_int_t)disk_config_poll_ns(c), "queues", (int)c->queues, "cluster_bytes",
                     (json_int_t)c->cluster_bytes, "extended_l2", c->extended_l2,
                     "metadata_cache_bytes", (json_int_t)c->metadata_cache_bytes, "discard",
                     c->discard, "detect_zeroes", c->detect_zeroes);
}

static uint64_t cluster_bytes(const struct disk_config *c)
{
    return c->cluster_bytes ? c->cluster_bytes : 65536;
}

bool disk_config_same_image(const struct disk_config *a, const struct disk_config *b)
{
    return strcmp(a->format, b->format) == 0 && strcmp(a->preallocation, b->preallocation) == 0 &&
           cluster_bytes(a) == cluster_bytes(b) && a->extended_l2 == b->extended_l2;
}

bool disk_config_equal(const struct disk_config *a, const struct disk_config *b)
{
    return disk_config_same_image(a, b) && strcmp(a->bus, b->bus) == 0 &&
           strcmp(a->cache, b->cache) == 0 && strcmp(a->io, b->io) == 0 &&
           a->iothread == b->iothread && a->iothreads == b->iothreads &&
           disk_config_poll_ns(a) == disk_config_poll_ns(b) && a->queues == b->queues &&
           a->metadata_cache_bytes == b->metadata_cache_bytes && a->discard == b->discard &&
           a->detect_zeroes == b->detect_zeroes;
}

unsigned disk_config_iothreads(const struct disk_config *c)
{
    return c->iothreads ? c->iothreads : c->iothread;
}

uint64_t disk_config_poll_ns(const struct disk_config *c)
{
    if (!c->iothread || c->poll_max_ns == DISK_POLL_OFF)
        return 0;
    return c->poll_max_ns ? (uint64_t)c->poll_max_ns : DISK_POLL_DEFAULT_NS;
}

bool disk_config_is_null(const struct disk_config *c)
{
    return strcmp(c->format, DISK_FORMAT_NULL) == 0;
}

bool disk_config_is_direct(const struct disk_config *c)
{
    return strcmp(c->cache, "none") == 0 || strcmp(c->cache, "directsync") == 0;
}

const char *disk_config_cache_name(bool writeback, bool direct, bool no_flush)
{
    if (no_flush)
        return "unsafe";
    if (direct)
        return writeback ? "none" : "directsync";
    return writeback ? "writeback" : "writethrough";
}

const char *disk_config_detect_zeroes(const struct disk_config *c)
{
    return !c->detect_zeroes ? "off" : c->discard ? "unmap" : "on";
}

char *disk_config_image_options(const struct disk_config *c)
{
    cleanup_free char *cluster =
        c->cluster_bytes ? xasprintf(",cluster_size=%u", c->cluster_bytes) : xstrdup("");
    return xasprintf("preallocation=%s%s%s", c->preallocation, cluster,
                     c->extended_l2 ? ",extended_l2=on" : "");
}

char *disk_config_convert_line(const struct disk_config *from, const struct disk_config *to)
{
    if (disk_config_same_image(from, to))
        return NULL;
    cleanup_free char *options = disk_config_image_options(to);
    return xasprintf("qemu-img convert -p -f %s -O %s -o %s OLD NEW", from->format, to->format,
                     options);
}

/* --- The L2 cache ----------------------------------------------------------------------------- */

/* What QEMU takes unasked on Linux, and the clusters that it keeps for refcounts at the least
 * (block/qcow2.h: DEFAULT_L2_CACHE_MAX_SIZE, MIN_REFCOUNT_CACHE_SIZE). */
#define L2_CACHE_BYTES (UINT64_C(32) << 20)
#define REFCOUNT_CLUSTERS 4

/* An entry of an L2 table stands for one cluster. */
static uint64_t entry_bytes(const struct disk_config *c)
{
    return c->extended_l2 ? 16 : 8;
}

uint64_t disk_config_covered_bytes(const struct disk_config *c)
{
    return L2_CACHE_BYTES / entry_bytes(c) * cluster_bytes(c);
}

uint64_t disk_config_full_cache_bytes(const struct disk_config *c, uint64_t disk_bytes)
{
    uint64_t cluster = cluster_bytes(c);
    uint64_t entries = (disk_bytes + cluster - 1) / cluster;
    uint64_t tables = (entries * entry_bytes(c) + cluster - 1) / cluster;
    return (tables + REFCOUNT_CLUSTERS) * cluster;
}

/* --- XML -------------------------------------------------------------------------------------- */

bool disk_config_has_controller(const struct disk_config *c)
{
    return strcmp(c->bus, "scsi") == 0;
}

/* Who serves the disk, of its own <driver> or of its controller's. */
static void append_serving_attributes(GString *xml, const struct disk_config *c)
{
    if (c->queues)
        g_string_append_printf(xml, " queues='%u'", c->queues);
    if (c->iothread && !c->iothreads)
        g_string_append(xml, " iothread='1'");
}

static void append_serving_elements(GString *xml, const struct disk_config *c, const char *indent)
{
    if (!c->iothreads)
        return;
    g_string_append_printf(xml, "%s<iothreads>\n", indent);
    for (unsigned id = 1; id <= c->iothreads; id++)
        g_string_append_printf(xml, "%s  <iothread id='%u'/>\n", indent, id);
    g_string_append_printf(xml, "%s</iothreads>\n", indent);
}

/* Ends a <driver> that has been begun, with what it has in it. */
static void append_end_of_driver(GString *xml, const GString *elements, const char *indent)
{
    if (elements->len)
        g_string_append_printf(xml, ">\n%s%s</driver>", elements->str, indent);
    else
        g_string_append(xml, "/>");
}

char *disk_config_driver_line(const struct disk_config *c)
{
    g_autoptr(GString) xml = g_string_new(NULL), elements = g_string_new(NULL);
    g_string_append_printf(xml, "<driver name='qemu' type='%s' cache='%s' io='%s'", c->format,
                           c->cache, c->io);
    g_string_append(xml, c->discard ? " discard='unmap'" : "");
    if (c->detect_zeroes)
        g_string_append_printf(xml, " detect_zeroes='%s'", disk_config_detect_zeroes(c));
    if (!disk_config_has_controller(c)) {
        append_serving_attributes(xml, c);
        append_serving_elements(elements, c, "  ");
    }
    if (c->metadata_cache_bytes)
        g_string_append_printf(elements,
                               "  <metadata_cache>\n"
                               "    <max_size unit='bytes'>%llu</max_size>\n"
                               "  </metadata_cache>\n",
                               (unsigned long long)c->metadata_cache_bytes);
    append_end_of_driver(xml, elements, "");
    return xstrdup(xml->str);
}

char *disk_config_controller_lines(const struct disk_config *c)
{
    if (!disk_config_has_controller(c))
        return xstrdup("");
    if (!c->queues && !c->iothread)
        return xstrdup("<controller type='scsi' index='0' model='virtio-scsi'/>");
    g_autoptr(GString) elements = g_string_new(NULL);
    g_autoptr(GString) xml =
        g_string_new("<controller type='scsi' index='0' model='virtio-scsi'>\n  <driver");
    append_serving_attributes(xml, c);
    append_serving_elements(elements, c, "    ");
    append_end_of_driver(xml, elements, "  ");
    g_string_append(xml, "\n</controller>");
    return xstrdup(xml->str);
}

char *disk_config_domain_lines(const struct disk_config *c)
{
    unsigned count = disk_config_iothreads(c);
    if (!count)
        return xstrdup("");
    g_autoptr(GString) xml = g_string_new(NULL);
    g_string_append_printf(xml, "<iothreads>%u</iothreads>", count);
    if (!c->poll_max_ns)
        return xstrdup(xml->str);
    g_string_append(xml, "\n<iothreadids>\n");
    for (unsigned id = 1; id <= count; id++)
        g_string_append_printf(xml, "  <iothread id='%u'>\n    <poll max='%llu'/>\n  </iothread>\n",
                               id, (unsigned long long)disk_config_poll_ns(c));
    g_string_append(xml, "</iothreadids>");
    return xstrdup(xml->str);
}
