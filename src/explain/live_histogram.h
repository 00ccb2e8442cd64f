/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * live_histogram.h - has a running QEMU sort the latencies of a disk's requests into bins, for a
 * while.
 *
 * That takes the monitor (block-latency-histogram-set): libvirt marks the domain as tainted
 * (custom-monitor).
 */
#pragma once

#include <jansson.h>

#include "domain/connection.h"
#include "explain/live.h"

/* A histogram that QEMU keeps for us. */
struct live_histogram;

/* `alias` is libvirt's, of the disk. The caller frees, which removes it from QEMU, whatever has
 * happened. */
struct live_histogram *live_histogram_new(virDomainPtr domain, const char *alias);

/* Has it begin. Errors: QEMU's, libvirt's, those of live_ask.h; somebody else, or another run, has
 * one of this disk. One that a killed run has left is taken over. */
int live_histogram_start(struct live_histogram *h, struct error **err);

/* Fills the disk's percentiles with what came since. Errors: QEMU's, libvirt's. */
int live_histogram_read(const struct live_histogram *h, struct live_disk *d, struct error **err);

/* Removes it. Errors: it stays; freeing it tries once more. */
int live_histogram_stop(struct live_histogram *h, struct error **err);

/* Has QEMU asked to remove it after something went wrong, also a signal, without much patience, and
 * never again. False where it stays, or may stay, in a QEMU that runs. */
bool live_histogram_withdraw(struct live_histogram *h);

void live_histogram_free(struct live_histogram *h);
CLEANUP_PTR(cleanup_live_histogram_handler, struct live_histogram, live_histogram_free)
#define cleanup_live_histogram at_scope_end(cleanup_live_histogram_handler)

/* --- Figures of it ---------------------------------------------------------------------------- */

/* The bounds between bins, in ns, of a histogram that `owner`, a run of ours, sets: the caller owns
 * the array. */
json_t *live_histogram_boundaries(pid_t owner);

/* Whether what QEMU has as rd_latency_histogram has such bounds, and whose. */
bool live_histogram_is_ours(const json_t *histogram, pid_t *ret_owner);

/* The percentiles of what QEMU has as rd_latency_histogram: {"boundaries","bins"}. -1 where that is
 * no histogram. */
int live_histogram_percentiles(const json_t *histogram, struct live_percentiles *ret);

/* The entry of query-blockstats whose "qdev" is the device of this alias, or a part of it: that of
 * a virtio disk is /machine/peripheral/ALIAS/virtio-backend. NULL; borrowed. */
json_t *live_histogram_find(const json_t *blockstats, const char *alias);
