/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * limit.h - a disk held back by the guest's own kernel, for tests: its control group lets so many
 * requests a second pass on their way to the disk's queue.
 */
#pragma once

#include <stdint.h>

#include "base/error.h"

/* From now on, this process and its threads to so many requests a second of the block device; 0: as
 * many as there are. Errors: the kernel has no such limits. */
int limit_disk(const char *device, uint64_t iops, struct error **err);
