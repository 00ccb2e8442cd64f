/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest_facts.h - what a guest's kernel does with the disks that its domain has.
 *
 * A guest may say anything: names of devices are those that a kernel can give, everything else is
 * any text.
 */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "host/mounts.h"

struct guest_partition {
    char *name;           /* "vda1" */
    int64_t first_sector; /* of 512 bytes; -1: not known */
    uint64_t size_kib;    /* 0: not known */
};

/* A disk as its guest has it. Of a number -1 means that it is not known, of a string NULL. */
struct guest_disk {
    char *target;       /* of the running domain's disk */
    char *name;         /* the kernel's: /sys/block/NAME */
    char *scheduler;    /* the one chosen: "none", "mq-deadline" */
    char *device_cache; /* of virtio: what the device was told, "write back" */
    char *kernel_cache; /* what the kernel takes it for: "write back", "write through" */
    int64_t rotational;
    int64_t discard_max_bytes, discard_device_bytes; /* what is used, what the device can do */
    GPtrArray *partitions;                           /* struct guest_partition * */
    GPtrArray *layers;      /* strings: "LVM debian-root", "LUKS vda3_crypt", "RAID md0" */
    GPtrArray *mounts;      /* const struct mount *, of the guest, not owned: what lies on it */
    uint64_t swap_used_kib; /* of all swap that lies on it */
};

struct guest_facts {
    char *silent; /* why the agent said nothing; NULL: it did */
    char *hint;   /* what to do about that; NULL */
    char *system; /* "Debian GNU/Linux 12 (bookworm)"; NULL */
    char *unread; /* why not everything was looked at that a guest has; NULL: it was */
    char *remedy; /* what to do about that; NULL */
    struct mounts *mounts; /* NULL: not known */
    GPtrArray *disks;      /* struct guest_disk *: those that were found in the guest */
};

void guest_facts_free(struct guest_facts *g);
CLEANUP_PTR(cleanup_guest_facts_handler, struct guest_facts, guest_facts_free)
#define cleanup_guest_facts at_scope_end(cleanup_guest_facts_handler)
