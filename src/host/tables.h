/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tables.h - what qemu-img check says of the tables of a qcow2: damage, leaks, and how its clusters
 * lie.
 *
 * All tables are read, which takes as long as storage takes for them, and nothing is written.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"

struct image_tables {
    uint64_t corruptions;
    uint64_t leaks;                 /* clusters that nothing refers to */
    uint64_t allocated, compressed; /* clusters of the disk, and the compressed ones of them */
    uint64_t fragmented; /* that do not lie behind the one before; each compressed one is, too */
    bool in_use;         /* somebody writes to it, or may: nothing of it is known */
    char *unread;        /* why they could not be read; NULL: they were, or it is in use */
};

/* Reads what `qemu-img check --output=json` has printed. Errors: it is not that; it had not read
 * everything. */
int image_tables_parse(const char *json, struct image_tables *ret, struct error **err);

/* Has qemu-img look at the qcow2 at this path, a file or a block device. The images behind it are
 * not opened, whatever its header names; a data file would be: such an image is not to be asked
 * about. What cannot be read is said in ret, in one line. The caller frees with image_tables_done.
 * Errors: interrupted. */
int image_tables_read(const char *path, bool block_device, struct image_tables *ret,
                      struct error **err);

void image_tables_done(struct image_tables *t);
#define cleanup_image_tables at_scope_end(image_tables_done)
