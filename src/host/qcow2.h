/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qcow2.h - the bytes of a qcow2 header (docs/interop/qcow2 in QEMU's manual), as image.c reads them
 * and a capture has them.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "host/image.h"

#define QCOW2_MAGIC 0x514649fbu

/* Big endian. */
struct __attribute__((packed)) qcow2_header {
    uint32_t magic, version;
    uint64_t backing_offset;
    uint32_t backing_length, cluster_bits;
    uint64_t size;
    uint32_t crypt_method, l1_size;
    uint64_t l1_offset, refcount_offset;
    uint32_t refcount_clusters, snapshot_count;
    uint64_t snapshot_offset;
    uint64_t incompatible, compatible, autoclear;
    uint32_t refcount_order, header_length; /* these five are not in version 2 */
};
#define QCOW2_V2_LENGTH 72
#define QCOW2_V3_LENGTH 104

#define QCOW2_BIT(n) (UINT64_C(1) << (n))
#define QCOW2_DIRTY QCOW2_BIT(0)
#define QCOW2_CORRUPT QCOW2_BIT(1)
#define QCOW2_DATA_FILE QCOW2_BIT(2)
#define QCOW2_EXTENDED_L2 QCOW2_BIT(4)
#define QCOW2_LAZY_REFCOUNTS QCOW2_BIT(0)  /* compatible */
#define QCOW2_BITMAPS QCOW2_BIT(0)         /* autoclear */
#define QCOW2_DATA_FILE_RAW QCOW2_BIT(1)   /* autoclear */

/* Extensions of the header: the first has the backing image's format, a text, the second begins
 * with the number of bitmaps. */
#define QCOW2_EXTENSION_BACKING_FORMAT 0xe2792acau
#define QCOW2_EXTENSION_BITMAPS 0x23852875u

/* A header that is read as this image (of format qcow2), made anew: so there is nothing in it but what
 * the image says. What is behind it and is no path is only named by its protocol ("nbd:masked"): the
 * rest may have passwords. Sizes of the file itself are none of a header's. The caller frees. */
void *qcow2_header_of(const struct image *i, size_t *ret_length);
