/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * live_qemu.h - what libvirt tells of a running domain's disks: QEMU's block statistics and limits.
 * libvirt asks QEMU for both in its own way: nothing is left in the domain, which is not tainted.
 */
#pragma once

#include "domain/connection.h"
#include "explain/live.h"
#include "explain/live_throttle.h"

/* One reading of QEMU's statistics, of all disks at once. */
struct live_qemu;

/* The caller frees. Errors: libvirt's; those of live_ask.h. */
struct live_qemu *live_qemu_read(virDomainPtr domain, struct error **err);
void live_qemu_free(struct live_qemu *q);
CLEANUP_PTR(cleanup_live_qemu_handler, struct live_qemu, live_qemu_free)
#define cleanup_live_qemu at_scope_end(cleanup_live_qemu_handler)

/* The disk with this target; -1 where QEMU keeps none of it. */
int live_qemu_counts(const struct live_qemu *q, const char *target, struct live_counts *ret);

/* The live <iotune> of a disk; one that cannot be read has no limits. *ret_group, which the caller
 * frees, is the group that shares it; NULL: it is the disk's alone. Errors: those of live_ask.h. */
int live_qemu_iotune(virDomainPtr domain, const char *target, struct live_iotune *ret,
                     char **ret_group, struct error **err);
