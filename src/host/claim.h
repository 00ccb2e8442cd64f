/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * claim.h - a directory that belongs to a run, and is known to be dead when the run is.
 *
 * Theory of operation. A claim is a directory PARENT/PREFIXxxxxxx with a file `lock` in it, on
 * which the run holds a lock for as long as it lives. The kernel drops the lock with the process,
 * kill -9 included, so whoever gets it knows that the owner is gone, and buries: kills a QEMU
 * process that was left behind, and removes the directory. Taking and burying happen under a
 * lock on PARENT, so that no run sees a claim of another that is half made.
 *
 * Machines that share storage may each know their own locks alone. So `lock` says which machine the
 * run is on, and no other machine buries the claim, or takes it for a dead one.
 *
 * A run has two claims: its scratch images, in the directory under test, and its sockets, in the
 * runtime directory. The second remembers where the first is, so that the next run clears both,
 * whatever directory it tests.
 */
#pragma once

#include <stdbool.h>

#include "base/error.h"

struct claim {
    char *path;
    int lock_fd;
};

/* Buries what is dead in `parent` under this prefix, then makes a claim there. With `alone` it is
 * an error that a live run has a claim in the same place. Errors: the parent is not there,
 * read-only, full, or locked by another process for a minute; a signal. */
struct claim *claim_take(const char *parent, const char *prefix, bool alone, struct error **err);

/* Writes down that the claim at `other` dies with this one. */
int claim_link(const struct claim *claim, const struct claim *other, struct error **err);

/* Removes the directory and what is in it. */
void claim_release(struct claim *claim);
CLEANUP_PTR(cleanup_claim_handler, struct claim, claim_release)
#define cleanup_claim at_scope_end(cleanup_claim_handler)

/* The name that every scratch directory starts with, every runtime directory, and every probe
 * guest's domain. */
#define CLAIM_SCRATCH_PREFIX ".virt-disktune-"
#define CLAIM_RUNTIME_PREFIX "run-"
#define CLAIM_DOMAIN_PREFIX "virt-disktune-probe-"
