/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * slices.h - slices of work on the lanes of a stage: the host's here, the guest's by asking it.
 */
#pragma once

#include "tune/stage.h"

/* One slice on a host lane; `ret` has a member for each work of the group. */
int slices_on_host(struct stage *s, size_t lane, unsigned group, const struct budget *budget,
                   struct slice *ret, struct error **err);

/* Has the guest run one slice on each of `count` lanes, in this order. `ret` has for each lane a
 * member for each work of the group. Errors: I/O errors in the guest, the guest gone or hung, an
 * answer that is not what was asked for. */
int slices_in_guest(struct stage *s, const size_t *lanes, size_t count, unsigned group,
                    const struct budget *budget, struct slice *ret, struct error **err);

/* How long the answer to so many slices of a group's works may take: what was asked for a hundred
 * times over, twice what requests take that are held to a rate, and some seconds more for a disk
 * that pauses. */
uint64_t slices_patience(const struct work *works, unsigned count, size_t slices,
                         const struct budget *budget);

/* Has host and guest forget the latencies of all slices so far. */
int slices_forget(struct stage *s, struct error **err);

/* The latencies of all slices of a work on a lane so far, into an empty histogram. */
int slices_latencies(struct stage *s, size_t lane, unsigned work, struct histogram *into,
                     struct error **err);
