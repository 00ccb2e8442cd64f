/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "domain/disk_config.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/memory.h"

json_t *disk_config_to_json(const struct disk_config *c)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:I, s:i, s:I, s:b, s:I, s:b, s:b}", "bus",
                     c->bus, "format", c->format, "preallocation", c->preallocation, "cache",
                     c->cache, "io", c->io, "iothread", c->iothread, "poll_max_ns",
                     (json_int_t)disk_config_poll_ns(c), "queues", (int)c->queues, "cluster_bytes",
                     (json_int_t)c->cluster_bytes, "extended_l2", c->extended_l2,
                     "metadata_cache_bytes", (json_int_t)c->metadata_cache_bytes, "discard",
                     c->discard, "detect_zeroes", c->detect_zeroes);
}

uint64_t disk_config_poll_ns(const struct disk_config *c)
{
    if (!c->iothread || c->poll_max_ns == DISK_POLL_OFF)
        return 0;
    return c->poll_max_ns ? (uint64_t)c->poll_max_ns : DISK_POLL_DEFAULT_NS;
}

bool disk_config_is_direct(const struct disk_config *c)
{
    return strcmp(c->cache, "none") == 0 || strcmp(c->cache, "directsync") == 0;
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

/* --- The L2 cache ----------------------------------------------------------------------------- */

/* What QEMU takes unasked on Linux, and the clusters that it keeps for refcounts at the least
 * (block/qcow2.h: DEFAULT_L2_CACHE_MAX_SIZE, MIN_REFCOUNT_CACHE_SIZE). */
#define L2_CACHE_BYTES (UINT64_C(32) << 20)
#define REFCOUNT_CLUSTERS 4

static uint64_t cluster_bytes(const struct disk_config *c)
{
    return c->cluster_bytes ? c->cluster_bytes : 65536;
}

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

/* What the <driver> element has in it; the caller frees. */
static char *driver_children(const struct disk_config *c)
{
    if (!c->metadata_cache_bytes)
        return xstrdup("");
    return xasprintf("  <metadata_cache>\n    <max_size unit='bytes'>%llu</max_size>\n"
                     "  </metadata_cache>\n",
                     (unsigned long long)c->metadata_cache_bytes);
}

bool disk_config_has_controller(const struct disk_config *c)
{
    return strcmp(c->bus, "scsi") == 0;
}

/* The attributes that say who serves the disk; the caller frees. */
static char *serving_attributes(const struct disk_config *c)
{
    cleanup_free char *queues = c->queues ? xasprintf(" queues='%u'", c->queues) : xstrdup("");
    return xasprintf("%s%s", queues, c->iothread ? " iothread='1'" : "");
}

char *disk_config_driver_line(const struct disk_config *c)
{
    cleanup_free char *serving =
        disk_config_has_controller(c) ? xstrdup("") : serving_attributes(c);
    cleanup_free char *zeroes = c->detect_zeroes
                                    ? xasprintf(" detect_zeroes='%s'", disk_config_detect_zeroes(c))
                                    : xstrdup("");
    cleanup_free char *children = driver_children(c);
    return xasprintf("<driver name='qemu' type='%s' cache='%s' io='%s'%s%s%s%s%s%s", c->format,
                     c->cache, c->io, c->discard ? " discard='unmap'" : "", zeroes, serving,
                     children[0] ? ">\n" : "/>", children, children[0] ? "</driver>" : "");
}

char *disk_config_controller_lines(const struct disk_config *c)
{
    if (!disk_config_has_controller(c))
        return xstrdup("");
    cleanup_free char *serving = serving_attributes(c);
    if (!serving[0])
        return xstrdup("<controller type='scsi' index='0' model='virtio-scsi'/>");
    return xasprintf("<controller type='scsi' index='0' model='virtio-scsi'>\n"
                     "  <driver%s/>\n"
                     "</controller>",
                     serving);
}

char *disk_config_domain_lines(const struct disk_config *c)
{
    if (!c->iothread)
        return xstrdup("");
    if (!c->poll_max_ns)
        return xstrdup("<iothreads>1</iothreads>");
    return xasprintf("<iothreads>1</iothreads>\n"
                     "<iothreadids>\n"
                     "  <iothread id='1'>\n"
                     "    <poll max='%llu'/>\n"
                     "  </iothread>\n"
                     "</iothreadids>",
                     (unsigned long long)disk_config_poll_ns(c));
}
