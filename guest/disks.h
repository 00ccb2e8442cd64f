/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * disks.h - the disks of the probe guest, told apart by their serials.
 */
#pragma once

#include "base/error.h"
#include "measure/disk_stat.h"
#include "measure/protocol.h"

/* Lists the disks that have a serial, virtio-blk and SCSI ones, in h->disks and h->disk_count; the
 * caller frees (hello_done). */
int disks_list(struct hello *h, struct error **err);

/* The device node ("/dev/vdc") of the disk with this serial; the caller frees. */
char *disks_find(const char *serial, struct error **err);

/* What the guest's kernel has counted of that disk. */
int disks_stat(const char *serial, struct disk_stat *ret, struct error **err);
