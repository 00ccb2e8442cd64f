/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ground.h - what all stages of one run stand on, one after another: its directory for sockets, and
 * its connection to libvirt, whose embedded driver cannot be opened a second time at another place.
 */
#pragma once

#include "domain/connection.h"
#include "host/claim.h"

/* Zeroed, it is made by whoever needs it first. */
struct ground {
    struct claim *runtime;
    struct connection *connection;
};

/* Take the directory, and connect: to this URI, or by the embedded driver where it is NULL. Both do
 * nothing where that has been done. */
int ground_take(struct ground *g, const char *uri, struct error **err);
int ground_connect(struct ground *g, const char *uri, struct error **err);

/* After the last stage. */
void ground_done(struct ground *g);
#define cleanup_ground at_scope_end(ground_done)
