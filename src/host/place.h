/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * place.h - a file or block device and where it lies: its size and blocks, file system, what direct
 * I/O wants there, how many pieces it is in, and the devices below.
 *
 * Only the kernel is asked (stat, statx, statfs, FIEMAP, flags): no byte of data is read. Below the
 * directory of a capture, what was noted there stands for the answers: the file PLACES_FILE.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "host/mounts.h"
#include "host/root.h"
#include "host/stack.h"

/* Below a capture's root: {"/srv/a.img": {what place_to_json makes}, …}, or {"error": why} for a place
 * that could not be looked at. */
#define PLACES_FILE "/virt-disktune/places.json"

enum place_type { PLACE_FILE, PLACE_BLOCK, PLACE_OTHER };

struct place {
    unsigned shares; /* how many more hold it: place_share */
    char *path; /* with symbolic links resolved */
    enum place_type type;
    uint64_t size_bytes, allocated_bytes; /* a block device is allocated */
    uint64_t fs_magic;                    /* statfs(2), of a file */
    bool fs_read_only;
    dev_t device; /* of the file system, or the block device itself */
    /* statx(2), STATX_DIOALIGN: what addresses and offsets of direct I/O are multiples of; 0: there
     * is no direct I/O. Kernels before 6.1, and some file systems, do not say: then not known. */
    bool direct_known;
    uint32_t direct_memory_align, direct_offset_align;
    bool nocow; /* FS_NOCOW_FL */
    /* FIEMAP(2): of at most PLACE_EXTENTS_MAX extents. Those that follow each other on the device
     * as they do in the file count as one, as filefrag(8) has it. */
    bool extents_known;
    unsigned extents;
    bool shared, encoded;      /* any of them is: reflinked; compressed or encrypted */
    uint64_t unwritten_bytes;  /* in extents that are allocated and not written yet */
    const struct mount *mount; /* NULL: not known; these two are not owned */
    const struct block_device *block; /* NULL: none, or not known */
};
#define PLACE_EXTENTS_MAX 65536

/* Where places are looked up. It refers to the others. */
struct places;
struct places *places_new(const struct root *r, const struct mounts *mounts, struct stack *stack,
                          struct error **err);
/* The same of a capture, of what its PLACES_FILE says. Errors: that is no JSON object. */
struct places *places_parse(const char *text, size_t length, const struct mounts *mounts,
                            struct stack *stack, struct error **err);
void places_free(struct places *p);
CLEANUP_PTR(cleanup_places_handler, struct places, places_free)
#define cleanup_places at_scope_end(cleanup_places_handler)

/* Looks at a path. The caller frees; several threads may look. Errors: it is not there, or may not
 * be looked at; it is no absolute path. What cannot be asked beyond stat(2) is left as not known. */
struct place *place_look(const struct places *p, const char *path, struct error **err);

/* The same place for one more, who frees it as well; not for several threads. */
struct place *place_share(struct place *p);
void place_free(struct place *p);
CLEANUP_PTR(cleanup_place_handler, struct place, place_free)
#define cleanup_place at_scope_end(cleanup_place_handler)

/* What a capture notes. The caller owns it. NULL: the path is no UTF-8, which JSON is. */
json_t *place_to_json(const struct place *p);

/* Whether every block that it can hold has room already (within 1 %). */
bool place_is_allocated(const struct place *p);

/* Whether its file system copies what is written again: ZFS, and btrfs unless the file is marked. */
bool place_is_copied(const struct place *p);

/* "ext4 on vg-images on nvme0n1", "nfs", "vda (virtio_blk)": for people. The caller frees. */
char *place_describe(const struct place *p);

/* File systems whose statfs type we know. */
#define FS_EXT4 0xef53
#define FS_XFS 0x58465342
#define FS_BTRFS 0x9123683e
#define FS_ZFS 0x2fc12fc1
#define FS_TMPFS 0x01021994
#define FS_NFS 0x6969
#define FS_OVERLAY 0x794c7630
#define FS_FUSE 0x65735546
