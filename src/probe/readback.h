/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * readback.h - what the running QEMU really does for a disk, held against what was asked.
 */
#pragma once

#include "probe/probe.h"

/* Reads how `image_path` is really served: QMP says the bus, the format, the cache flags (of the
 * format and of the file below it) and the iothread; QEMU's own command line says the AIO mode, and
 * the kernel's lists of its descriptors and mappings, and its log, say whether it got it. Its
 * preallocation is what the file's length and blocks say, so this is to be called before anything
 * is written. `ret` has static strings. Errors: QEMU does not know the image, or does not answer.
 */
int readback_disk(struct probe *p, const struct probe_disk *asked, struct disk_config *ret,
                  struct error **err);

/* That part of it which is in QEMU's answers to query-block and query-named-block-nodes and in the
 * image's length: format, preallocation, cache, cluster size, extended L2 entries, detect_zeroes.
 * *ret_block is the disk's entry in `blocks`, borrowed. */
int readback_parse(json_t *blocks, json_t *nodes, const struct probe_disk *asked,
                   struct disk_config *ret, json_t **ret_block, struct error **err);

/* 0 when what was read back is what was asked; else an error that names both. */
int readback_compare(const struct disk_config *asked, const struct disk_config *effective,
                     struct error **err);

/* Whether QEMU holds the kernel objects that its AIO modes need, for all disks of the guest
 * together: an error when there are fewer than the modes asked for need, or when QEMU's log says
 * that it fell back to its thread pool. `mode` is the mode that did not come ("native"). */
int readback_aio(struct probe *p, const struct probe_disk *disks, size_t count, const char **mode,
                 struct error **err);
