/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * needs.h - what it takes to make one configuration of a disk another.
 */
#pragma once

#include "domain/disk_config.h"

/* Flags, each with a name that JSON has as well. */
enum disk_needs {
    DISK_NEEDS_RESTART = 1 << 0,          /* "restart": QEMU has to end and start anew */
    DISK_NEEDS_IMAGE_CONVERSION = 1 << 1, /* "image-conversion": the data go to another image */
    DISK_NEEDS_GUEST_DRIVER = 1 << 2,     /* "guest-driver": the guest needs another one */
    DISK_NEEDS_LIBVIRT_9_4 = 1 << 3,      /* "libvirt-9.4": before that the XML cannot keep it */
};

/* What changing a disk needs, as flags; `from` NULL: it is made anew, and needs versions alone. An
 * unknown version of libvirt counts as one that will do. */
unsigned disk_needs(const struct disk_config *from, const struct disk_config *to,
                    const struct versions *versions);

/* "restart, image-conversion", "" for none; and an array of the names. The caller frees, or owns.
 */
char *disk_needs_to_text(unsigned needs);
json_t *disk_needs_to_json(unsigned needs);
