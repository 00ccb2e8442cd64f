/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * live_throttle.h - which limit a disk ran into: those of its <iotune>, and those of control
 * groups.
 *
 * A limit bites where the interval came to 90 % of it. It may bite where it came to half of it and
 * QEMU took far longer than the device: the guest may have had nothing to do for part of the time.
 */
#pragma once

#include "explain/live.h"

/* An <iotune> as libvirt tells it; 0 for no limit. */
enum live_limit {
    LIVE_TOTAL_BYTES,
    LIVE_READ_BYTES,
    LIVE_WRITE_BYTES,
    LIVE_TOTAL_IOPS,
    LIVE_READ_IOPS,
    LIVE_WRITE_IOPS,
    LIVE_LIMITS
};
extern const char *const live_limit_names[LIVE_LIMITS]; /* "total_bytes_sec" */

struct live_iotune {
    uint64_t limits[LIVE_LIMITS];
    uint64_t size_iops; /* larger requests count as several */
};

/* What was done in a second, by LIVE_READ and LIVE_WRITE. */
struct live_rates {
    double requests[2], bytes[2];
    double sized[2]; /* requests as size_iops_sec counts them */
};

/* Adds a disk's. */
void live_rates_add(struct live_rates *r, const struct live_figures *f, uint64_t size_iops);

void live_throttle_free(void *throttle);

/* Appends a struct live_throttle for each limit that is set. `rates` are those of all who share it;
 * `whose` names them; latencies of this disk in QEMU and at the device, NaN where not known. */
void live_throttles_of_iotune(const struct live_iotune *t, const struct live_rates *rates,
                              const char *whose, double qemu_us, double device_us, GPtrArray *out);

/* The same of what cgroup_io_limit says (host/cgroup.h), for the devices (struct live_device *)
 * that it is about: what those did, but no more than the domain asked of each. */
void live_throttles_of_io(const char *io_limit, const GPtrArray *devices, GPtrArray *out);

/* And of cgroup_cpu_limit, for those in its group that ran so many seconds in each. */
void live_throttles_of_cpu(const char *cpu_limit, double cpu, GPtrArray *out);

/* The group that such a limit is of; NULL where it says none. The caller frees. */
char *live_throttle_group(const char *limit);
