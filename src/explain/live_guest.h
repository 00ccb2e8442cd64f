/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * live_guest.h - what the kernel of a running guest has counted of its disks, by its agent.
 */
#pragma once

#include "check/look.h"
#include "domain/connection.h"
#include "explain/live.h"

/* A guest that can be asked, or why not. */
struct live_guest;

/* Finds the agent, and which of the guest's disks are those of the report; `live` is the XML of the
 * domain as it runs, `d` what was read of that, whose disks are the report's, in their order. Never
 * fails: of a guest that is silent the boundaries say why. The caller frees. */
struct live_guest *live_guest_open(virDomainPtr domain, const char *live, struct check_domain *d,
                                   struct live_report *report);

/* Reads them all, before the interval or after it. */
void live_guest_read(struct live_guest *g, struct live_report *report, bool after);

void live_guest_free(struct live_guest *g);
CLEANUP_PTR(cleanup_live_guest_handler, struct live_guest, live_guest_free)
#define cleanup_live_guest at_scope_end(cleanup_live_guest_handler)
