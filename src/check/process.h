/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * process.h - what the QEMU of a running domain really does with its images, from /proc and its
 * log: configured is not effective.
 */
#pragma once

#include "check/look.h"
#include "host/mounts.h"
#include "host/root.h"

/* The QEMU processes of a host by their domain's UUID. Only those that we may look at are known,
 * and none where two say that they are the same domain's. */
struct processes;

/* Reads them, once. The caller frees. */
struct processes *processes_read(const struct root *r);
void processes_free(struct processes *p);
CLEANUP_PTR(cleanup_processes_handler, struct processes, processes_free)
#define cleanup_processes at_scope_end(cleanup_processes_handler)

/* The word behind "-uuid" on a command line whose words end in NUL, and which ends in one as well;
 * NULL. The caller frees. */
char *process_uuid(const char *line, size_t length);

/* What the process of this domain does; NULL where it is not known. The caller frees. */
struct check_process *process_look(const struct processes *p, const struct root *r,
                                   const struct mounts *mounts, const struct domain_model *m);
void check_process_free(struct check_process *p);

/* The lines of a domain's log in which its QEMU gave up on something, since it was started last: a
 * QEMU after 8.2 that cannot use native AIO goes on without, as one up to 10.1 does that cannot use
 * io_uring. Array of strings; the caller frees. */
GPtrArray *process_fallbacks(const char *log);
