/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * threads.h - a domain's iothreads: which it has, and which disks they serve.
 *
 * What an iothread serves is a virtio-blk disk or a controller of virtio-scsi; of the disks on a
 * controller the first one stands for it.
 */
#pragma once

#include "check/look.h"

/* The ids that the domain has, and those of them that nothing uses: ascending arrays of unsigned.
 * Those without a number of their own get the lowest that are free, as libvirt counts. The caller
 * frees (g_array_unref). */
GArray *threads_declared(const struct check_domain *d);
GArray *threads_idle(const struct check_domain *d);

/* The ids that a <driver> names, or the <iothread>s in a list, ascending; of NULL none. The caller
 * frees. */
GArray *threads_named(xmlNodePtr driver);
GArray *threads_listed(xmlNodePtr list);

/* The ids that disks of the domain, and controllers of its disks, name and that it does not have;
 * of more disks than are compared those of this one alone. The caller frees. */
GArray *threads_missing(const struct check_disk *d);

/* Whether an ascending array has this id. */
bool threads_has(const GArray *ids, unsigned id);

/* "1, 2". The caller frees. */
char *threads_list(const GArray *ids);

/* The nth id, from 0 on, that the domain does not have yet. */
unsigned threads_free_id(const GArray *declared, unsigned nth);

/* Whether the disk is the first of the domain's on its controller, as it is where it has none. */
bool threads_is_first(const struct check_disk *d);

/* Whether an iothread can serve the disk, and whether the disk is the one to say so of: the first
 * of its controller. */
bool threads_can_serve(const struct check_disk *d);

/* Whether that is so and it has none. */
bool threads_is_unserved(const struct check_disk *d);

/* The element that lets this iothread, and no other, serve the disk. The caller frees. */
char *threads_serve(const struct check_disk *d, unsigned id);

/* "<!-- vda -->" and the element above, on two lines. The caller frees. */
char *threads_attach(const struct check_disk *d, unsigned id);
