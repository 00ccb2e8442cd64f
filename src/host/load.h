/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * load.h - what the disk below a directory does, whoever asks it to.
 */
#pragma once

#include <glib.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

/* Counted since the machine started (Documentation/admin-guide/iostats.rst). */
struct load {
    uint64_t at_ns; /* clock.h */
    uint64_t requests;
    uint64_t bytes;
    uint64_t busy_ns; /* of all requests, each from its start to its end, flushes included; counted
                       * in whole milliseconds */
};

/* A guest that is neither ours nor idle spoils a figure as any other load does, but can be named.
 */
struct guest_load {
    pid_t pid;
    char *name;
    uint64_t bytes; /* read and written by its QEMU since that started (proc(5), /proc/PID/io) */
};

/* The QEMU processes, but for the one with the number `own`, that have a file open on the file
 * system at `path`, an array of struct guest_load *, which owns them. Those of other users are not
 * seen unless by root. */
GPtrArray *load_guests(const char *path, pid_t own);

/* The bytes of one of them by now; 0 when it is gone. */
uint64_t load_guest_bytes(pid_t pid);

/* Reads the counters of the block device that the file system at `path` is on, from /sys below
 * `sysroot` ("" for this machine). An error where it is on none (NFS, btrfs, overlay). */
int load_read(const char *sysroot, const char *path, struct load *ret, struct error **err);
