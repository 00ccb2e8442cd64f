/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stack.h - block devices and what they rest on, down to the hardware queue: partitions, device
 * mapper (LVM, crypt, multipath), md, loop, NVMe, as /sys/dev/block has them.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "host/root.h"

enum device_kind {
    DEVICE_DISK, /* the hardware, as far as this machine sees it */
    DEVICE_PARTITION,
    DEVICE_LVM,        /* a logical volume of any kind */
    DEVICE_THIN,       /* a thin volume (of LVM): its blocks come with the first write */
    DEVICE_CRYPT,      /* dm-crypt */
    DEVICE_MULTIPATH,  /* dm-multipath */
    DEVICE_MAPPER,     /* device mapper of another kind */
    DEVICE_RAID,       /* md */
    DEVICE_LOOP,       /* a file as a disk */
    DEVICE_OTHER_KIND, /* zram, rbd, nbd, … */
};

/* Of a queue's value -1 means that it is not known. */
struct block_device {
    dev_t number;
    char *name;  /* "nvme0n1p2", "dm-3": the kernel's */
    char *label; /* how people know it: "nvme0n1p2", "vg-images", "md0 (raid5)" */
    enum device_kind kind;
    char *driver; /* of a disk: "nvme", "sd", "virtio_blk"; NULL: not known */
    char *model;  /* of a disk, NULL */
    char *detail; /* of md its level ("raid5"), of a loop device its file, of dm-crypt its kind
                     ("LUKS2"); NULL */
    /* /sys/block/NAME/queue: those of the whole disk for a partition. */
    char *scheduler;   /* the one chosen ("none", "mq-deadline", "bfq"); NULL */
    char *write_cache; /* "write back", "write through"; NULL */
    int64_t rotational, logical_block_bytes, physical_block_bytes, requests, max_sectors_kib;
    int64_t wbt_us, merges_off, affinity, fua, read_ahead_kib, hardware_queues, numa_node;
    int64_t discard_max_bytes; /* 0: what is discarded there is not passed on */
    int64_t direct_io;         /* of a loop device: loop/dio */
    bool is_path; /* it is one of the ways of a dm-multipath, whose own queue has the scheduler */
    GPtrArray *below; /* struct block_device *, not owned: slaves, the disk of a partition */
};

/* Reads a number of a device as the kernel writes it, "253:0", a line break may follow. Whether it
 * is one. */
bool stack_parse_number(const char *text, dev_t *ret);

struct stack;

/* All devices are kept until the stack is freed, and are the same each time. May be used by several
 * threads. The root is referred to. */
struct stack *stack_new(const struct root *r);
void stack_free(struct stack *s);
CLEANUP_PTR(cleanup_stack_handler, struct stack, stack_free)
#define cleanup_stack at_scope_end(cleanup_stack_handler)

/* The device of this number, and what it rests on; NULL where /sys has none (NFS, btrfs, tmpfs). */
const struct block_device *stack_find(struct stack *s, dev_t number);

/* Every device that was found so far, what they rest on included, each once: struct block_device *,
 * in the order of their names. The caller frees. */
GPtrArray *stack_seen(struct stack *s);

/* The first one, from this one down, of this kind; NULL. */
const struct block_device *stack_below(const struct block_device *d, enum device_kind kind);

/* "vg-images on md0 (raid1) on sda1, sdb1": for people. The caller frees. */
char *stack_describe(const struct block_device *d);

/* Whether it is a hypervisor that made this disk up: what it says of itself means nothing. */
bool stack_is_virtual(const struct block_device *d);

/* This device and all below it, level by level and each once, however they are connected: struct
 * block_device *. The caller frees. */
GPtrArray *stack_all(const struct block_device *d);

/* Whether that is so of every device at the end: of all below it that rest on nothing. */
bool stack_every_end(const struct block_device *d, bool (*is)(const struct block_device *end));

/* Whether the hardware below has heads to move: every disk says so, and none of them is a virtual
 * one, whose word means nothing. */
bool stack_is_rotating(const struct block_device *d);
