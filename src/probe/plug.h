/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plug.h - disks that no domain XML can say: plugged into the probe guest while it runs.
 */
#pragma once

#include "probe/probe.h"

/* A disk to be plugged in: its serial, which names its node, too; what QEMU's blockdev-add is told
 * of it; and whether an iothread of its own serves it, which no pin holds, and polls for so long
 * (as in disk_config.h). */
struct plug {
    const char *serial;
    json_t *node;
    bool iothread;
    int64_t poll_max_ns;
};

/* The functions of a slot, which is what they are plugged into. */
#define PLUG_MAX 8

/* The node of a disk with nothing behind it: it answers each request at once, or, where latency_ns
 * is not 0, after that. Its data is nothing at all. The caller owns it. */
json_t *plug_null_node(uint64_t bytes, uint64_t latency_ns);

/* Plugs in up to PLUG_MAX disks, all at once, and takes over their nodes. The guest sees them some
 * time after. Errors: QEMU's; there is no slot left. */
int plug_disks(struct probe *p, const struct plug *disks, size_t count, struct error **err);
