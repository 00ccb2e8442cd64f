/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * spec.h - what a probe guest is made of, and the domain XML that says so.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "domain/disk_config.h"
#include "probe/mirror.h"

/* For more than these a guest needs an interrupt controller that this one has not. */
#define PROBE_VCPUS_MAX 255

enum accelerator {
    ACCELERATOR_KVM,
    ACCELERATOR_TCG,
    ACCELERATOR_AUTO, /* KVM if a guest boots under it, else TCG */
};

const char *accelerator_name(enum accelerator a);
int accelerator_parse(const char *name, enum accelerator *ret, struct error **err);

/* One disk of the guest. Paths are paths on the hypervisor's machine. */
struct probe_disk {
    char serial[21]; /* how the guest tells it apart */
    const struct disk_config *config;
    char *image_path;
};

struct probe_spec {
    const char *name; /* of the domain */
    const char *kernel_path;
    const char *initramfs_path;
    const char *console_path;          /* the guest's console goes to this file */
    const char *port_path;             /* NULL: where libvirt puts such sockets */
    const char *emulator;              /* a QEMU binary, or NULL for libvirt's own choice */
    const struct probe_mirror *mirror; /* or NULL; without a machine it is the newest */
    const char *cpu_without;           /* a CPU feature to be left out, or NULL */
    unsigned vcpus;
    unsigned memory_mib;
    size_t disk_count;
    struct probe_disk *disks;
};

/* Whether any disk is of a SCSI controller, which the guest needs more modules for. */
bool probe_spec_has_scsi(const struct probe_spec *spec);

/* The number of the first iothread that a disk of the guest has, and how many it has. */
unsigned probe_spec_iothreads(const struct probe_spec *spec, size_t disk, unsigned *ret_count);

/* The queues of all disks together that the guest uses: no more of a disk than it has vCPUs, and so
 * many where a disk does not say. */
uint64_t probe_spec_queues(const struct probe_spec *spec);

/* The guest's memory: its program's, 200 PCI slots' worth of what disks take, and, where there are
 * many of them, what so many queues take. A multiple of the step. */
#define PROBE_MEMORY_STEP_MIB 64
unsigned probe_memory_mib(uint64_t queues);

/* An error unless the path can stand in a domain's XML: valid UTF-8 without control characters. */
int probe_spec_check_path(const char *path, struct error **err);

/* The XML of the domain; the caller frees it with free(). Each disk whose configuration wants
 * iothreads gets its own: candidates that shared one would poll for each other. For
 * the same reason each SCSI disk has a controller of its own. */
char *probe_spec_to_xml(const struct probe_spec *spec, enum accelerator accelerator);
