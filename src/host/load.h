/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * load.h - what the disk below a directory does, whoever asks it to.
 */
#pragma once

#include <stdint.h>

#include "base/error.h"

/* Counted since the machine started (Documentation/admin-guide/iostats.rst). */
struct load {
    uint64_t at_ns; /* clock.h */
    uint64_t requests;
    uint64_t bytes;
};

/* Reads the counters of the block device that the file system at `path` is on, from /sys below
 * `sysroot` ("" for this machine). An error where it is on none (NFS, btrfs, overlay). */
int load_read(const char *sysroot, const char *path, struct load *ret, struct error **err);
