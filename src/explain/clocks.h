/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clocks.h - the clocks that stand at the boundaries a request crosses, whether anybody reads them
 * or not.
 *
 * The guest's kernel, QEMU and the host's kernel each add up how long the requests of a disk took
 * with them, from when one is begun to when it is completed. Two readings around a slice of work
 * give, for each boundary, the time that all of its requests spent inside of it. Nothing is traced,
 * and nothing is slowed down.
 *
 * Kernels tell whole milliseconds; what is cut off one slice is in the next, so that it averages
 * out.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/error.h"

struct stage;

enum clock {
    CLOCK_GUEST,  /* the guest's block layer: /sys/block/vdX/stat */
    CLOCK_QEMU,   /* its block layer: query-blockstats */
    CLOCK_DEVICE, /* the block device of the host's file system: /sys/dev/block/M:N/stat */
    CLOCKS,
};

/* What one says: since it runs, of all requests together. */
struct reading {
    double busy_ns[CLOCKS];
    double requests[CLOCKS];
    bool known[CLOCKS];
};

/* Where a lane's clocks are. */
struct clocks;

/* Finds those of every lane. The caller frees. Errors: QEMU does not answer. */
struct clocks *clocks_new(struct stage *stage, struct error **err);
void clocks_free(struct clocks *c);
CLEANUP_PTR(cleanup_clocks_handler, struct clocks, clocks_free)
#define cleanup_clocks at_scope_end(cleanup_clocks_handler)

/* Reads those of a lane: of one of the host's there is the device's alone, and that where the file
 * system is on a device. Errors: guest or QEMU do not answer. */
int clocks_read(struct clocks *c, size_t lane, struct reading *ret, struct error **err);

/* What was added from one reading to the other. */
struct reading clocks_between(const struct reading *from, const struct reading *to);
