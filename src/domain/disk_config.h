/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * disk_config.h - how a disk is configured, in libvirt's words.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Versions as libvirt counts them: 9 000 000 is 9.0.0; 0 where one is not known. */
struct versions {
    unsigned long qemu, libvirt;
};

/* How long an iothread polls for the next request unasked, in ns (QEMU's iothread.c,
 * IOTHREAD_POLL_MAX_NS_DEFAULT), and what poll_max_ns is where it is not to poll at all. */
#define DISK_POLL_DEFAULT_NS 32768
#define DISK_POLL_OFF (-1)

/* Bytes of a cluster that qemu-img gives a qcow2 unasked. */
#define DISK_CLUSTER_DEFAULT 65536

/* The strings belong to whoever made the configuration and outlive it. A disk that there is can
 * have other words of libvirt's, too; an attribute that its XML lacks is given as what it comes to.
 */
struct disk_config {
    const char *bus;    /* "virtio": virtio-blk; "scsi": of a virtio-scsi controller of its own */
    const char *format; /* "raw", "qcow2" */
    const char *preallocation; /* qemu-img's word: "off", "metadata", "falloc", "full" */
    const char *cache;         /* "none", "writeback", … */
    const char *io;            /* "threads", "native", "io_uring" */
    bool iothread;             /* served by an iothread of its own */
    unsigned iothreads;        /* several, its queues dealt out among them; 0: the one, or none */
    int64_t poll_max_ns;       /* these; 0: QEMU's default; DISK_POLL_OFF: not at all */
    unsigned queues;           /* 0: unasked, which is one for each vCPU from machine type 5.2 on */
    uint32_t cluster_bytes;    /* of qcow2; 0: those that qemu-img takes unasked */
    bool extended_l2;          /* clusters of qcow2 are allocated in 32 parts */
    bool discard;              /* what the guest discards is given back to the host */
    uint64_t metadata_cache_bytes; /* of QEMU for a qcow2's tables; 0: what it takes unasked */
    bool detect_zeroes; /* writes of zeros become zeroes of the image; with discard, holes */
};

/* {"bus","format","preallocation","cache","io","iothread","iothreads","poll_max_ns","queues",
 * "cluster_bytes","extended_l2","metadata_cache_bytes","discard","detect_zeroes"}: iothreads is how
 * many there are, poll_max_ns how long they poll. The caller owns it. */
json_t *disk_config_to_json(const struct disk_config *c);

/* Whether both are the same, and whether they are to the image alone. */
bool disk_config_equal(const struct disk_config *a, const struct disk_config *b);
bool disk_config_same_image(const struct disk_config *a, const struct disk_config *b);

/* A disk with no image: QEMU answers every request at once and has no data at all. What a request
 * takes on it is what a virtual disk takes before anything is behind it. */
#define DISK_FORMAT_NULL "null"
bool disk_config_is_null(const struct disk_config *c);

/* Whether QEMU goes round the host's page cache. */
bool disk_config_is_direct(const struct disk_config *c);

/* libvirt's word for a set of QEMU's cache flags (docs: the <driver> element's cache attribute);
 * static. */
const char *disk_config_cache_name(bool writeback, bool direct, bool no_flush);

/* libvirt's word for detect_zeroes: "off", "on", "unmap". */
const char *disk_config_detect_zeroes(const struct disk_config *c);

/* The qemu-img command that makes an image of the one configuration of one of the other; NULL where
 * they have the same image. The caller frees. */
char *disk_config_convert_line(const struct disk_config *from, const struct disk_config *to);

/* What qemu-img's -o takes for an image of this configuration. The caller frees. */
char *disk_config_image_options(const struct disk_config *c);

/* What QEMU's cache of L2 tables covers of a qcow2 with such clusters unasked, and what its
 * metadata cache has to be to cover a disk of this size (docs/qcow2-cache.txt). In bytes. */
uint64_t disk_config_covered_bytes(const struct disk_config *c);
uint64_t disk_config_full_cache_bytes(const struct disk_config *c, uint64_t disk_bytes);

/* How many iothreads it has. */
unsigned disk_config_iothreads(const struct disk_config *c);

/* How long its iothread polls; 0 where it does not, or where there is none. */
uint64_t disk_config_poll_ns(const struct disk_config *c);

/* What else the domain needs for the disk, beside its <disk>: the controller, an element of
 * <devices>, and elements of <domain>; in lines, "" where nothing. The caller frees. */
char *disk_config_controller_lines(const struct disk_config *c);
char *disk_config_domain_lines(const struct disk_config *c);

/* Whether queues and iothread are said of the disk's controller instead of the disk. */
bool disk_config_has_controller(const struct disk_config *c);

/* The <driver> element of this configuration, whose iothreads are numbered from 1 on; in several
 * lines where it has elements of its own. The caller frees. */
char *disk_config_driver_line(const struct disk_config *c);
