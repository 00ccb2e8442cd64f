/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * device.h - the device that a disk of the probe guest is, as QEMU has it.
 */
#pragma once

#include "probe/probe.h"

/* Reads the bus, the iothreads with their polling time, and the queues of the device behind this
 * entry of query-block into *ret. Its strings are static. An error where QEMU does not answer. */
int device_read(struct probe *p, json_t *block, struct disk_config *ret, struct error **err);
