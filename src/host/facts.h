/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * facts.h - what a host is set to, beyond its disks. Read once; -1 or NULL: not known.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "host/root.h"

/* A NUMA node, and its CPUs as in "0-3,8". */
struct host_node {
    unsigned id;
    char *cpus;
};

struct host_facts {
    unsigned kernel;                    /* 6 * 1000 + 1 for 6.1; 0: not known */
    unsigned cpus;                      /* online; 0: not known */
    char *online;                       /* which these are: "0-3" */
    struct host_node *nodes;            /* those with CPUs, by their ids */
    size_t node_count;                  /* 0: not known */
    uint64_t memory_bytes;              /* 0: not known */
    int64_t aio_used, aio_max;          /* /proc/sys/fs/aio-nr, aio-max-nr */
    int64_t io_uring_disabled;          /* /proc/sys/kernel/io_uring_disabled (6.6) */
    int64_t io_uring_group;             /* /proc/sys/kernel/io_uring_group */
    int64_t dirty_ratio, dirty_bytes;   /* /proc/sys/vm */
    int64_t dirty_background_ratio, dirty_background_bytes;
    int64_t swappiness;
    int64_t halt_poll_ns;               /* /sys/module/kvm/parameters */
    char *governor, *governor_driver;   /* of CPU 0: "schedutil", "intel_pstate" */
    char *energy_preference;            /* of CPU 0: "balance_performance" */
    char *transparent_hugepages;        /* "always", "madvise", "never" */
    int64_t ksm;                        /* /sys/kernel/mm/ksm/run */
    char *qemu_capabilities; /* what libvirt has cached of QEMU, one XML after the other, as far as it
                                is asked for below */
};

/* Never fails: what is not there is not known. */
struct host_facts *host_facts_read(const struct root *r);
void host_facts_free(struct host_facts *f);
CLEANUP_PTR(cleanup_host_facts_handler, struct host_facts, host_facts_free)
#define cleanup_host_facts at_scope_end(cleanup_host_facts_handler)

/* Of a file that libvirt caches about a QEMU, the lines that are asked for; NULL where the path is
 * that of another file. The caller frees. */
char *host_facts_asked_for(const char *path, const char *xml);

/* Whether libvirt found this flag ("aio.io_uring") in the QEMU binary: 1, 0; -1 where it has cached
 * nothing of it that we may read. */
int host_facts_qemu_flag(const struct host_facts *f, const char *emulator, const char *flag);

/* The version of the newest QEMU that libvirt has cached something of, as libvirt counts it; 0 where
 * it is not known. */
unsigned long host_facts_qemu_version(const struct host_facts *f);
