/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * storage.h - the file system that scratch files go to, and qemu-img.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* What kind of storage this directory is on, in words: its file system and the disk below that, as
 * "ext4 on vda (virtio_blk, rotational)", "xfs on nvme0n1 (Samsung SSD 980, ssd)" or "ext4 on
 * vg-images (LVM, ssd)"; where the file system is on no block device (NFS, btrfs, overlay) its name
 * alone. From statfs(2) and /sys below `sysroot` ("" for this machine). The caller frees. */
char *storage_kind(const char *sysroot, const char *directory);

/* The name of a file system by what statfs(2) has of it, "file system 0x9fa0" where it is not
 * known. ext2, ext3 and ext4 cannot be told apart. The caller frees. */
char *storage_system_name(uint64_t magic);

/* Checks that `need_bytes` fit into the file system of `directory` and leave a reserve: a
 * twentieth of it, at least 64 MiB and at most 4 GiB. */
int storage_check_space(const char *directory, uint64_t need_bytes, struct error **err);

/* How much fits in and leaves that reserve; 0 where that is nothing, or not known. */
uint64_t storage_room(const char *directory);

/* Checks that a file with O_DIRECT in this directory really goes round the page cache: the file
 * system takes the flag, and what was written is not found in the cache afterwards; and that it is
 * no ZFS that puts a cache of its own there. Leaves nothing behind. */
int storage_check_direct(const char *directory, struct error **err);

/* Whether O_DIRECT goes round the cache of a ZFS of this version, as /sys/module/zfs/version has
 * it: from 2.3 on. True where it is NULL, or says nothing. */
bool storage_zfs_is_direct(const char *version);

/* Says so if the error is that of a file system that has filled up meanwhile. */
void storage_explain_full(const char *directory, struct error **err);

/* Creates a file of this size with all blocks allocated (or none), for the host's own figure. */
int storage_create_file(const char *path, uint64_t bytes, bool allocated, struct error **err);

/* qemu-img create: format "raw" or "qcow2", options as its -o takes them. */
int storage_create_image(const char *path, const char *format, const char *options, uint64_t bytes,
                         struct error **err);

/* The same on top of another image, whose path and format these are. */
int storage_create_overlay(const char *path, const char *format, const char *options,
                           const char *backing, const char *backing_format, uint64_t bytes,
                           struct error **err);

/* Makes a file of this size with an empty ext4 in it, as mke2fs makes one unasked; what nothing was
 * written to is a hole. Errors: it is there, there is no mke2fs, or too little space. */
int storage_create_ext4(const char *path, uint64_t bytes, struct error **err);

/* Writes out what the page cache has of this file, and drops it: who reads it next reads the disk.
 */
int storage_drop_cached(const char *path, struct error **err);
