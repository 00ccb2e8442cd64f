/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * capture.h - what check read of a host, to be looked at elsewhere.
 *
 * A capture is a directory with the parts of /proc and /sys that were
 * read at their paths, the headers of the images at theirs, and below CAPTURE_DIRECTORY
 * capture.json  {"version", "time", "qemu", "libvirt": 9000000 for 9.0.0, "constructed", "note"}
 * places.json   what the kernel said of files (host/place.h)
 * domains/      NUMBER.xml, and NUMBER.live.xml of those that ran
 */
#pragma once

#include "check/inquiry.h"

#define CAPTURE_DIRECTORY "virt-disktune"

/* Appends the domains of the capture below the root to the inquiries, in the order of their numbers.
 * Errors: it is none, and `directory` is what it is called. */
int capture_find(const struct root *r, const char *directory, GPtrArray *inquiries,
                 struct error **err);

/* The versions of QEMU and libvirt that it was taken with. */
struct versions capture_versions(const struct root *r);
