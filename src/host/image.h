/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * image.h - what the header of a disk image says.
 *
 * Only the header is read, by plain reads without a lock: the image may be in use, and its data is
 * nobody's business. The fields are those of docs/interop/qcow2 in QEMU's manual.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"

/* A chain of images longer than this is taken for a loop; libvirt's own limit is 200. */
#define IMAGE_CHAIN_MAX 200

struct image {
    const char *format;       /* "raw" or "qcow2" */
    uint64_t virtual_bytes;   /* what the guest sees */
    uint64_t allocated_bytes; /* blocks that the file has, all of them for a block device */
    uint32_t cluster_bytes;   /* of qcow2, else 0 */
    bool extended_l2;         /* of qcow2 */
    char *backing; /* the next image of the chain as the header names it; NULL for none */
    const char *backing_format; /* of that, as the header says, "raw" where it says nothing */
};

/* Reads the header of a file or a block device. `format` is what it is taken for ("raw", "qcow2"):
 * a guest can write a header of any kind into a raw image, so that is never found out by looking.
 * The caller frees with image_done. Errors: it cannot be opened; it is no file or block device; it
 * is no image of this format; its values are absurd; another format. */
int image_read(const char *path, const char *format, struct image *ret, struct error **err);
void image_done(struct image *i);
#define cleanup_image at_scope_end(image_done)

/* How many images are behind this one. A backing image that is not a path (nbd, json:) counts, and
 * ends the chain as far as it is known. Errors: those of image_read, with the image's path; a
 * chain that does not end. */
int image_chain_depth(const char *path, const struct image *top, unsigned *ret, struct error **err);

/* Whether the file has its blocks already: what of them is missing is less than a hundredth. */
bool image_is_allocated(const struct image *i);
