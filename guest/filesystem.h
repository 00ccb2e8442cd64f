/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * filesystem.h - disks of the probe guest with a file system on them.
 */
#pragma once

#include <stdint.h>

#include "base/error.h"

/* Puts the file system of this type that the initramfs has a copy of (probe/initramfs.h) on the
 * disk with this serial, mounts it, and makes a file of this size in it, allocated and never written
 * to. What was written for that is added to *ret_written. Errors: the initramfs has none, the disk
 * is too small or has one already, the kernel does not know it. */
int filesystem_put(const char *serial, const char *type, uint64_t bytes, uint64_t *ret_written,
                   struct error **err);

/* The path of that file; NULL where the disk has no file system. The caller frees. */
char *filesystem_file(const char *serial);
