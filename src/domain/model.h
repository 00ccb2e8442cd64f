/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * model.h - what a domain's XML says of its disks, and of what their speed depends on.
 */
#pragma once

#include <stddef.h>

#include "base/error.h"
#include "domain/disk_config.h"

struct _xmlDoc; /* libxml2's */
struct _xmlNode;

/* What <iotune> holds a disk to: libvirt's word, as in "total_iops_sec", and its number. */
struct domain_limit {
    char *name;
    uint64_t value;
};

/* A disk as it is defined; the words are libvirt's, NULL where the XML has none. */
struct domain_disk {
    char *target; /* "vda" */
    char *bus;    /* "virtio", "scsi", "sata", "ide", … */
    char *device; /* "disk", "lun", "cdrom", "floppy" */
    char *type;   /* "file", "block", "network", "volume", "vhostuser", … */
    char *source; /* the path of a file or a block device */
    char *pool;   /* of a volume */
    char *volume;
    char *protocol; /* of a network disk */
    /* The driver element as it is configured. Its preallocation, cluster size and extended L2 are
     * those of an image that nobody has looked at: "off", 0, false. */
    struct disk_config config;
    unsigned iothread; /* its id; 0 for none, or for a list of them */
    struct domain_limit *limits;
    size_t limit_count; /* that are not 0 */
    char *limit_group;  /* of disks that share them; NULL: this one has them for itself */
    char *hash;         /* SHA-256 of the element in canonical form, hexadecimal */
};

/* Threads, and the CPUs of the host they are pinned to, as in "0-3,^2". */
struct domain_pin {
    unsigned id; /* of a vCPU, or of an iothread */
    char *cpuset;
};

struct domain_model {
    char *name, *uuid;
    char *type; /* "kvm", "qemu", … */
    char *arch, *machine, *emulator;
    unsigned vcpus;               /* that are there from the start */
    char *cpuset;                 /* of all threads, NULL for none */
    struct domain_pin *vcpu_pins; /* of single vCPUs */
    size_t vcpu_pin_count;
    char *emulator_cpuset;
    struct domain_pin *iothread_pins;
    size_t iothread_pin_count;
    char *numa_mode, *numa_nodeset; /* of its memory */
    uint64_t memory_kib;            /* 0: not known */
    uint64_t hugepage_kib;          /* of its memory; 0: ordinary pages */
    struct domain_disk *disks;
    size_t disk_count;
};

/* Reads a domain's XML, which may be hostile. The caller frees. Errors: no XML (xml.h), no
 * <domain>, no name. What the XML leaves out is as libvirt completes it. */
struct domain_model *domain_model_from_xml(const char *text, size_t length, struct error **err);

/* The same of a document that is parsed, which stays the caller's. */
struct domain_model *domain_model_from_doc(struct _xmlDoc *doc, struct error **err);

/* The version of its machine type, 5 * 1000 + 2 of pc-q35-5.2; 0 of one without (q35, pc), or with
 * a vendor's. */
unsigned domain_model_machine_version(const struct domain_model *m);

void domain_model_free(struct domain_model *m);
CLEANUP_PTR(cleanup_domain_model_handler, struct domain_model, domain_model_free)
#define cleanup_domain_model at_scope_end(cleanup_domain_model_handler)

/* The <controller> that a <disk> on bus scsi is on, by its address or as the first one; NULL where
 * the XML has none. Its <driver> has the disk's iothread and queues. */
struct _xmlNode *domain_disk_controller(struct _xmlNode *disk);

/* The disk with this target; NULL for the only one whose device is "disk". Errors: there is none of
 * this target, none, or several, with the targets there are. */
const struct domain_disk *domain_model_disk(const struct domain_model *m, const char *target,
                                            struct error **err);
