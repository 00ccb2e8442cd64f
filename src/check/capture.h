/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * capture.h - what check read of a host, to be looked at elsewhere.
 *
 * A capture is a directory with the parts of /proc and /sys that were
 * read at their paths, the headers of the images at theirs, and below CAPTURE_DIRECTORY
 * capture.json  {"version", "time", "qemu", "libvirt": 9000000 for 9.0.0, "constructed", "note",
 *               "files": {NUMBER: the file that this domain was in}, "images": those looked at by
 *               themselves, "volumes": {"POOL/VOLUME": {"path"} or {"error": why not}}}; the last
 *               three may be missing
 * places.json   what the kernel said of files (host/place.h)
 * refused.json  what could not be read (host/root.h); may be missing
 * domains/      NUMBER.xml, and NUMBER.live.xml of those that ran
 */
#pragma once

#include "check/inquiry.h"

#define CAPTURE_DIRECTORY "virt-disktune"
#define CAPTURE_NOTES "/" CAPTURE_DIRECTORY "/capture.json"
#define CAPTURE_DOMAINS "/" CAPTURE_DIRECTORY "/domains"

/* Appends the domains of the capture below the root to the inquiries, in the order of their numbers,
 * and its images.
 * Errors: it is none, and `directory` is what it is called. */
int capture_find(const struct root *r, const char *directory, GPtrArray *inquiries,
                 struct error **err);

/* What the capture has of volumes, for an inquirer; NULL for nothing. The caller owns it. */
json_t *capture_volumes(const struct root *r);

/* The versions of QEMU and libvirt that it was taken with. */
struct versions capture_versions(const struct root *r);
