/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cgroup.h - what the control groups of a process hold it to: those of version 2, and of version 1
 * with a hierarchy for each controller, wherever they are mounted.
 *
 * Limits are for people: "io.max of /machine.slice: 8:0 rbps=max wbps=1048576 …". NULL is returned
 * where there is none, or that is not known. The caller frees.
 */
#pragma once

#include <sys/types.h>

#include "host/mounts.h"
#include "host/root.h"

/* On what it reads and writes. */
char *cgroup_io_limit(const struct root *r, const struct mounts *m, pid_t pid);

/* On its CPU time. */
char *cgroup_cpu_limit(const struct root *r, const struct mounts *m, pid_t pid);
