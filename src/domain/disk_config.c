/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "domain/disk_config.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/memory.h"

json_t *disk_config_to_json(const struct disk_config *c)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:i, s:I, s:b, s:b, s:b}", "bus", c->bus,
                     "format", c->format, "preallocation", c->preallocation, "cache", c->cache,
                     "io", c->io, "iothread", c->iothread, "queues", (int)c->queues,
                     "cluster_bytes", (json_int_t)c->cluster_bytes, "extended_l2", c->extended_l2,
                     "discard", c->discard, "detect_zeroes", c->detect_zeroes);
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

char *disk_config_driver_line(const struct disk_config *c)
{
    cleanup_free char *queues = c->queues ? xasprintf(" queues='%u'", c->queues) : xstrdup("");
    cleanup_free char *zeroes = c->detect_zeroes
                                    ? xasprintf(" detect_zeroes='%s'", disk_config_detect_zeroes(c))
                                    : xstrdup("");
    return xasprintf("<driver name='qemu' type='%s' cache='%s' io='%s'%s%s%s%s/>", c->format,
                     c->cache, c->io, c->discard ? " discard='unmap'" : "", zeroes, queues,
                     c->iothread ? " iothread='1'" : "");
}
