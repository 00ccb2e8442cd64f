/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mirror.h - what a probe guest has of the domain that it stands for, beside its disks.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "domain/model.h"

/* All of it as the domain has it; NULL, 0 or empty where the probe guest is as any other. */
struct probe_mirror {
    const char *machine;
    const char *cpuset; /* of all threads */
    const struct domain_pin *vcpu_pins;
    size_t vcpu_pin_count;
    const char *emulator_cpuset;
    const char *iothread_cpuset; /* of the disk's iothread; each of the guest's gets it */
    const char *numa_mode, *numa_nodeset;
    uint64_t hugepage_kib;
};

struct _xmlNode; /* libxml's, whose headers not everybody who reads this has */

/* Adds to a domain's XML what this says of CPUs and memory. `pin_vcpus` is false where libvirt has
 * no threads of vCPUs to pin, which is so under TCG. */
void mirror_add(struct _xmlNode *domain, const struct probe_mirror *m, unsigned vcpus,
                unsigned iothreads, bool pin_vcpus);
