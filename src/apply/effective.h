/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * effective.h - whether a running QEMU does with a disk what its domain says: configured is not
 * effective.
 *
 * The monitor would tell, and asking it taints a user's domain. So QEMU's own command line is read,
 * where libvirt has put all of it, and what the kernel and the log have of the process
 * (check/process.h).
 */
#pragma once

#include <glib.h>

/* Holds what runs (the live XML) against the process, for the disk with this target: an array of
 * sentences, each one setting, empty where all is as it says. NULL where the process is none that
 * may be looked at, or does not show the disk. The caller frees. */
GPtrArray *effective_differences(const char *live_xml, const char *target);

/* The same with the command line given, whose words end in NUL each. */
GPtrArray *effective_differences_of(const char *line, size_t length, const char *live_xml,
                                    const char *target);
