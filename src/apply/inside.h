/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * inside.h - the user's own guest, measured from inside by way of its agent, with nothing
 * installed.
 *
 * Theory of operation. Three ways are tried, in this order, and the result says which it was:
 *   "program"   our static measuring program (guest/inside.c) is written into the guest, run on a
 *               file without a name, and has removed itself by then;
 *   "dd"        where it cannot run there (another architecture, no directory that programs may be
 *               run from, no io_uring): the guest's dd writes a file, which is removed; it is
 *               another work, and the result says so;
 *   "observed"  where the agent runs nothing: libvirt's statistics of what the guest does by
 *               itself.
 *
 * A result is JSON, as it is kept in the record of a change:
 *   { "how", "why": why not the way before, or null, "directory", "kernel", "seconds",
 *     "file_system_bytes", "suite": what our program was told (suite.h),
 *     "works": [ { "name", "weight", "iops": [one a run], "mb_per_s": [one a run],
 *                  "latency_us": {"mean","p50","p95","p99"} or null } ] }
 */
#pragma once

#include <jansson.h>

#include "domain/connection.h"
#include "measure/suite.h"

struct inside_options {
    const char *target;        /* of the domain's disk */
    const char *directory;     /* in the guest; NULL: where a file system of the disk is mounted */
    const struct suite *suite; /* with spans and bounds */
    unsigned runs;
    void (*tell)(void *data, const char *what); /* progress, or NULL */
    void *data;
};

/* Measures a running domain. The caller owns the result. Errors: no file system of the guest's lies
 * on the disk; the guest has not the room; not even statistics are to be had; a signal. */
json_t *inside_measure(virDomainPtr domain, const struct inside_options *o, struct error **err);

/* The works of a plan's evidence, for a file of this size and runs of this length; NULL where it
 * names none that can be done. The caller frees. */
struct suite *inside_suite_of_plan(const json_t *plan, uint64_t bytes, uint64_t run_ns);
