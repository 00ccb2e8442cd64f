/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * live_device.h - what the kernel has counted of a block device: this one's, or a guest's.
 */
#pragma once

#include <jansson.h>

#include "explain/live.h"
#include "host/root.h"
#include "host/stack.h"

/* The fields of a device's "stat" (Documentation/block/stat.rst), which stand behind its name in
 * /proc/diskstats as well. -1 where there are none; flushes are 0 of kernels that do not count them
 * (before 5.5), and of partitions. */
int live_device_parse(const char *fields, struct live_counts *ret);

/* The line of this device of /proc/diskstats; -1 where there is none. */
int live_device_of_list(const char *diskstats, const char *name, struct live_counts *ret);

/* The device of this name in what guest-get-diskstats returns; -1 where there is none. */
int live_device_of_agent(const json_t *list, const char *name, struct live_counts *ret);

/* Reads a device of the host, with the time at which it was read. */
int live_device_read(const struct root *r, dev_t number, struct live_counts *ret);

/* Adds the device, and those at the end of what it rests on, to the disk, each once. */
void live_device_add_stack(struct live_disk *d, const struct block_device *b);
