/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pins.h - which CPUs and NUMA nodes a domain's definition pins threads and memory to.
 */
#pragma once

#include "check/look.h"
#include "host/cpulist.h"

/* The CPUs that vCPUs are pinned to: those of all pins, or of pins to one CPU alone. */
struct cpulist pins_of_vcpus(const struct domain_model *m, bool single);

/* Those of an iothread, as in "0-3"; NULL. */
const char *pins_of_iothread(const struct domain_model *m, unsigned id);

/* Whether an iothread is pinned to nothing but CPUs that vCPUs have for themselves, one each, which are
 * pins_of_vcpus(m, true). A pin to a whole node for all leaves the scheduler room. */
bool pins_overlap(const struct domain_model *m, unsigned id, const struct cpulist *dedicated);

/* The first device from the disk's own down that is near a NUMA node of the host; NULL. */
const struct block_device *pins_near_node(const struct check_disk *d);

/* All NUMA nodes that devices of the disk are near: mirrors and paths can be at several. */
struct cpulist pins_disk_nodes(const struct check_disk *d);

/* Whether the guest's memory is bound to nodes that no device of the disk is near. */
bool pins_memory_is_far(const struct domain_model *m, const struct check_disk *d);
