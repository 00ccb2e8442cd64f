/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "domain/disk_config.h"

#include "base/memory.h"

json_t *disk_config_to_json(const struct disk_config *c)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:b}", "bus", c->bus, "format", c->format,
                     "preallocation", c->preallocation, "cache", c->cache, "io", c->io, "iothread",
                     c->iothread);
}

char *disk_config_driver_line(const struct disk_config *c)
{
    return xasprintf("<driver name='qemu' type='%s' cache='%s' io='%s'%s/>", c->format, c->cache,
                     c->io, c->iothread ? " iothread='1'" : "");
}
