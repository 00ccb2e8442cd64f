/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * live.h - what the disks of a running domain do by themselves, as data: rates, queues and
 * latencies at each boundary, and what part of a request's time lies between two of them.
 *
 * Every boundary (the guest's block layer, QEMU, a block device of the host) counts its requests
 * and adds up their times already. What it did in an interval is the difference of two readings;
 * the mean queue depth is the time added up over the time that went by (Little). Of a figure NaN
 * means that it cannot be told, of a text NULL.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"

enum live_kind { LIVE_READ, LIVE_WRITE, LIVE_FLUSH, LIVE_KINDS };

/* What was counted since some beginning. */
struct live_counts {
    uint64_t at_ns; /* when it was read (clock.h) */
    uint64_t requests[LIVE_KINDS], bytes[LIVE_KINDS], time_ns[LIVE_KINDS];
};

struct live_figure {
    double per_second, mean_bytes, latency_us, depth;
};

struct live_figures {
    double seconds;
    struct live_figure kinds[LIVE_KINDS];
    struct live_figure data; /* reads and writes together */
    double depth;            /* of all kinds */
};

/* How exactly the kernel and QEMU tell times. */
#define LIVE_CLOCK_KERNEL_NS 1000000
#define LIVE_CLOCK_QEMU_NS 1

/* What came between two readings. A latency whose clock is too coarse for what was added up is not
 * told. -1, and nothing is known, where a count went back: what counts was started anew. */
int live_difference(const struct live_counts *before, const struct live_counts *after,
                    uint64_t clock_ns, struct live_figures *ret);

/* One place where requests pass. */
struct live_boundary {
    char *name; /* "guest vdb", "QEMU", "host sda1" */
    char *why;  /* why nothing is known of it; NULL: it is */
    char *hint; /* what to do about that; NULL */
    struct live_counts before, after;
    struct live_figures figures;
};

/* A block device below an image. Its figures are of all who use it. */
struct live_device {
    dev_t number;
    char *kernel_name;
    bool holds; /* the file system of the image, or the image itself; else it is at the end of what
                   that rests on */
    struct live_boundary at;
    struct live_figures asked;          /* what the domain's disks on it asked for, by kinds */
    double times_requests, times_bytes; /* what it did, by that */
    bool is_busier;                     /* clearly more than that */
};

/* A limit, and how near the interval came to it. */
struct live_throttle {
    char *limit; /* "total_iops_sec=200", "wbps=1048576 on 8:0 (io.max of /machine.slice/…)" */
    char *whose; /* "debian/vdb", "the group g of vda, vdb", "the process" */
    double percent;
    bool bites, may_bite; /* not both */
};

/* How long requests took (upper bounds of the histogram's bins, so at most 9 % too long). */
struct live_percentiles {
    uint64_t requests;
    double p50_us, p95_us, p99_us, p999_us;
};

/* What part of a mean request's time (reads and writes) lies where. */
struct live_parts {
    double request_us, guest_us, qemu_us, device_us;
};

struct live_disk {
    char *target, *source; /* source: NULL for one without a path */
    bool is_cached;        /* the host's page cache lies between QEMU and the device */
    struct live_boundary guest, qemu;
    GPtrArray *devices;   /* struct live_device * */
    char *no_device;      /* why there is none */
    GPtrArray *throttles; /* struct live_throttle * */
    struct live_parts parts;
    GPtrArray *untold; /* strings: what cannot be told, and why */
    bool has_percentiles;
    struct live_percentiles percentiles[LIVE_KINDS];
};

/* QEMU's threads of one kind, together. */
struct live_thread_group {
    char *name; /* "vCPU 0", "main loop", "iothread 1", "workers", "others" */
    unsigned threads;
    double cpu, waiting;   /* seconds of a second that they ran, and that they waited for a CPU */
    double us_per_request; /* CPU time by the requests of all disks of the domain */
    char *allowed;         /* CPUs that they may run on: "0-3"; this and these NULL: not known */
    char *last_cpus;       /* where they ran last */
    char *last_nodes;      /* the NUMA nodes of these */
};

struct live_report {
    char *domain;
    const char *accelerator; /* "kvm", "tcg", NULL: neither; static */
    double seconds;
    GPtrArray *disks;     /* struct live_disk * */
    GPtrArray *throttles; /* struct live_throttle *: of control groups */
    GPtrArray *threads;   /* struct live_thread_group * */
    char *no_threads;     /* why nothing is known of these */
};

/* An array of struct live_thread_group *, empty, which owns them. */
GPtrArray *live_thread_groups_new(void);

/* The caller frees. */
struct live_report *live_report_new(const char *domain);
void live_report_free(struct live_report *r);
CLEANUP_PTR(cleanup_live_report_handler, struct live_report, live_report_free)
#define cleanup_live_report at_scope_end(cleanup_live_report_handler)

/* Adds one to the report, whose it is. */
struct live_disk *live_report_add_disk(struct live_report *r, const char *target);
struct live_device *live_disk_add_device(struct live_disk *d, dev_t number, const char *kernel_name,
                                         bool holds);

/* The disk's device with this number; NULL. */
struct live_device *live_disk_find_device(const struct live_disk *d, dev_t number);

/* Says why nothing is known of a boundary; printf-style. */
void live_boundary_unknown(struct live_boundary *b, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Turns the readings of a boundary into figures, or says that they went back. */
void live_boundary_finish(struct live_boundary *b, uint64_t clock_ns);

/* Holds what a device did against what the domain's disks on it asked for, and keeps that. */
void live_device_compare(struct live_device *d, const struct live_figures *asked);

/* Finds the parts of a request's time, with what cannot be told, when all figures are there. */
void live_disk_divide(struct live_disk *d);
