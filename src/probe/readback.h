/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * readback.h - what the running QEMU really does for a disk, held against what was asked.
 */
#pragma once

#include "probe/probe.h"

/* Reads how `image_path` is really served: QMP says the bus, the format, the cache flags (of the
 * format and of the file below it) and the iothread; QEMU's own command line says the AIO mode
 * that it was told, which is not yet the one it has (readback_fallback). Its preallocation is what
 * the file's length and blocks say, so this is to be called before anything is written. `ret` has
 * static strings. Errors: QEMU does not know the image, or does not answer.
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

/* What is to be seen of how a QEMU got its AIO modes, each NULL where it cannot be read: its
 * mappings as in /proc/PID/maps, what its descriptors are, a line each, and what it has logged. */
struct readback_evidence {
    char *maps, *descriptors, *log;
};
void readback_look(struct probe *p, struct readback_evidence *ret);
void readback_evidence_done(struct readback_evidence *e);
#define cleanup_evidence at_scope_end(readback_evidence_done)

/* Why disks with this mode, "native" or "io_uring", do not have it; NULL where they do. `loops` is
 * in how many event loops disks with it have had requests that went to their files: what the mode
 * needs there is counted. Where that is 0, or cannot be counted, the log's word is all there is.
 * The caller frees. */
char *readback_fallback(const struct readback_evidence *e, const char *io, unsigned loops);
