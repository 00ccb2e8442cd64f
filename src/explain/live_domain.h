/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * live_domain.h - observes a running domain for a while: no load, and without histograms no change.
 */
#pragma once

#include "domain/connection.h"
#include "explain/live.h"

struct live_options {
    const char *target; /* NULL: all disks */
    uint64_t runtime_ns;
    bool histograms; /* by QEMU's monitor, which taints the domain */
    void (*tell)(void *data, const char *what, double fraction);
    void *data;
};

/* The caller frees. What cannot be told of guest, devices and threads is said in the report.
 * Errors: the domain does not run, or ended in between; it has no such disk; libvirt's;
 * interrupted; those of live_histogram.h. */
struct live_report *live_observe(struct connection *c, virDomainPtr domain,
                                 const struct live_options *o, struct error **err);
