/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stage_filesystem.h - disks of the probe guest on which work is done on a file in a file system,
 * and not on the disk itself.
 *
 * The file system is made on the host, once, in a file with holes. What is not a hole goes into the
 * guest with its initramfs, and the guest writes it to each such disk: so the image grows as it
 * would in use, whatever its format, and nothing needs mke2fs in there.
 */
#pragma once

#include "tune/stage.h"

/* The size of a disk that has a file system with a file of this size. */
uint64_t stage_filesystem_disk_bytes(uint64_t file_bytes);

/* Makes the file system where a lane has one; s->image is it from then on. That it cannot be made,
 * or that the guest's kernel has none, is a failure of these lanes. Errors: a signal. */
int stage_filesystem_make(struct stage *s, struct error **err);

/* Has the guest put it on their disks; that it cannot is a failure of the lane. Errors: a signal.
 */
int stage_filesystem_put(struct stage *s, struct error **err);
