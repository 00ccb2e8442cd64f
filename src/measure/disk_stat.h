/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * disk_stat.h - what the kernel counts of a block device, in the host and in a guest alike:
 * /sys/block/NAME/stat (Documentation/block/stat.rst).
 */
#pragma once

#include <stdint.h>

struct disk_stat {
    uint64_t reads, read_sectors, read_ms; /* sectors of 512 bytes; ms summed up over requests */
    uint64_t writes, written_sectors, write_ms;
    uint64_t flushes, flush_ms; /* 0 before Linux 5.5, which counts none */
};

/* Reads the text of such a file; -1 where it is not one. */
int disk_stat_read(const char *text, struct disk_stat *ret);

/* How long all its requests took, flushes included: those are not added, as the write that asks for
 * one, an empty one for a sync, is counted until its flush is done (block/blk-flush.c: "accounting
 * the containing request is enough"). */
uint64_t disk_stat_busy_ms(const struct disk_stat *s);
