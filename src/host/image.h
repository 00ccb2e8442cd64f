/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * image.h - what the header of a disk image says.
 *
 * Only the header is read, by plain reads without a lock: the image may be in use, and its data is
 * nobody's business. The fields are those of docs/interop/qcow2 in QEMU's manual.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "host/root.h"

/* A chain of images longer than this is taken for a loop; libvirt's own limit is 200. */
#define IMAGE_CHAIN_MAX 200

/* All but the first three are of qcow2, and 0, false or NULL for a raw image. */
struct image {
    const char *format;       /* "raw" or "qcow2" */
    uint64_t virtual_bytes;   /* what the guest sees */
    uint64_t allocated_bytes; /* blocks that the file has, all of them for a block device */
    uint32_t version;         /* 2 or 3: compat=0.10 or 1.1 */
    uint32_t cluster_bytes;
    bool extended_l2;
    bool lazy_refcounts;
    bool dirty;             /* refcounts may be wrong: lazy ones, and QEMU runs or broke off */
    bool corrupt;           /* QEMU found it damaged, and writes no more to it */
    uint32_t refcount_bits; /* the width of one, 16 unless asked otherwise */
    uint32_t snapshots;     /* internal ones */
    uint32_t bitmaps;       /* persistent dirty bitmaps, as far as they are consistent */
    const char *encryption; /* "aes" (broken by design), "luks", NULL for none */
    bool data_file;         /* the guest's data is in another file, of unknown size here */
    bool data_file_raw;     /* and that is kept as a raw image of its own */
    char *backing; /* the next image of the chain as the header names it; NULL for none */
    /* Of that, as the header says, "raw" where it says nothing or what nobody knows. */
    const char *backing_format;
};

/* Reads the header of a file or a block device. `format` is what it is taken for ("raw", "qcow2"):
 * a guest can write a header of any kind into a raw image, so that is never found out by looking.
 * The caller frees with image_done. Errors: it cannot be opened; it is no file or block device; it
 * is no image of this format; its values are absurd; another format. */
int image_read_below(const struct root *r, const char *path, const char *format, struct image *ret,
                     struct error **err);
/* "qcow2" or "raw", by the first bytes: for files that a user names, and never for what is behind a
 * raw image, where a guest can write any header. */
const char *image_guess_format(const struct root *r, const char *path);

/* Whether a header's word for the image behind is a path, and not "nbd://…" or "json:{…}". */
bool image_backing_is_path(const char *backing);

void image_done(struct image *i);
#define cleanup_image at_scope_end(image_done)

/* The same of this machine. */
int image_read(const char *path, const char *format, struct image *ret, struct error **err);

/* How many images are behind this one, on this machine. A backing image that is not a path (nbd,
 * json:), or in a format that is not read, counts, and ends the chain as far as it is known.
 * Errors: those of image_read, with the image's path; a chain that does not end. */
int image_chain_depth(const char *path, const struct image *top, unsigned *ret, struct error **err);

struct chained_image {
    char *path; /* the header's, made one from the directory of the image above where relative */
    struct image image;
};

/* Every image of a chain, struct chained_image *, the top one first. Returns those that could be
 * read: where the chain breaks, err is set and the array, which is never NULL, has what came before.
 * A backing image that is not a path ends it without an error. The caller frees
 * (g_ptr_array_unref). Errors: as of image_chain_depth, and a format that is not read. */
GPtrArray *image_chain_read(const struct root *r, const char *path, const char *format,
                            struct error **err);

/* Whether the file has its blocks already: what of them is missing is less than a hundredth. */
bool image_is_allocated(const struct image *i);
