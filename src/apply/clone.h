/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clone.h - whether a domain would start with a changed disk, tried without touching it.
 *
 * Theory of operation. libvirt and QEMU find many errors only when a guest starts: an AIO mode that
 * the host lacks, a cache mode that the file system refuses, an iothread that the machine type does
 * not take. So a stand-in is started, paused, and destroyed: a transient domain with a name and a
 * UUID of its own, the changed domain's machine, CPUs, iothreads and controllers, and of its
 * devices the changed disk alone, on a scratch image of the same format in the same place. It has
 * little memory, and none of what only one domain at a time can have (networks, host devices,
 * consoles, firmware's variables, shares of a cache).
 */
#pragma once

#include <glib.h>

#include "domain/connection.h"

enum clone_outcome {
    CLONE_STARTED,
    CLONE_NOT_TRIED, /* the disk is none that a scratch image can stand for, or there is no place */
};

/* Tries it for the definition `xml`. *ret_why, where it was not tried, is why, which the caller
 * frees. Errors: it does not start, with libvirt's or QEMU's reason; it runs otherwise than it was
 * told (effective.h); a signal. */
int clone_try(const struct connection *c, const char *xml, const char *target,
              enum clone_outcome *ret, char **ret_why, struct error **err);

/* The XML of the stand-in, with this name and its disk on this image; the caller frees. Errors: the
 * definition is no domain, or has no such disk. */
char *clone_xml(const char *xml, const char *target, const char *name, const char *image,
                struct error **err);
