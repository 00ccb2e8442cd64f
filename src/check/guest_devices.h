/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest_devices.h - the block devices of a guest, as its agent lists them, and which of them are
 * the disks of its domain.
 */
#pragma once

#include <glib.h>
#include <jansson.h>
#include <libxml/tree.h>
#include <stdbool.h>
#include <stdint.h>

#include "check/guest_bus.h"

struct guest_device {
    char *name;  /* "vda", "vda1", "dm-0": the kernel's */
    char *alias; /* of the device mapper: "debian-root"; NULL */
    bool is_partition;
    GPtrArray *parents; /* strings: the names of what it lies on */
    bool has_address;
    int64_t pci[4], drive[3]; /* domain, bus, slot, function; bus, target, unit */
    char *serial;             /* NULL */
    dev_t number;             /* 0: not known */
    uint64_t size_kib;        /* 0: not known */
};

/* What guest-get-disks returns: struct guest_device *. What is no name of a device is left out. The
 * caller frees. */
GPtrArray *guest_devices_of_disks(const json_t *disks);

/* Those disks that are below a file system, of what guest-get-fsinfo returns, which agents before
 * QEMU 5.2 have. */
GPtrArray *guest_devices_of_fsinfo(const json_t *fsinfo);

/* Adds what /proc/partitions says: numbers, sizes, and partitions that are not there yet. */
void guest_devices_add_partitions(GPtrArray *devices, const char *text);

/* NULL: there is none. */
struct guest_device *guest_device_find(const GPtrArray *devices, const char *name);
struct guest_device *guest_device_numbered(const GPtrArray *devices, dev_t number);
/* By its name, or its alias, as a path below /dev. */
struct guest_device *guest_device_of_path(const GPtrArray *devices, const char *path);

/* The disk, and all that lies on it: a set of struct guest_device *. The caller frees. */
GHashTable *guest_devices_above(const GPtrArray *devices, const struct guest_device *disk);

/* Which device each disk (<disk>) of a running domain's <devices> is: struct guest_device * by the
 * target's name, by their PCI addresses, then by serial numbers, then where there is only one of a
 * kind on both sides. What is not sure is left out; devices of another size are not taken for a
 * disk. The caller frees. */
GHashTable *guest_devices_match(const GPtrArray *devices, xmlNodePtr domain_devices,
                                const struct guest_lookup *ask);
