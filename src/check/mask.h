/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mask.h - what of the files that were read of a host goes into a capture: what is looked at in them.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "host/record.h"

struct mask;

/* For these domains, by their UUIDs (strings, char * → itself), and these file systems (struct mount
 * *). All is referred to. The caller frees. */
struct mask *mask_new(const struct record *r, GHashTable *uuids, const GPtrArray *mounts);
void mask_free(struct mask *m);
CLEANUP_PTR(cleanup_mask_handler, struct mask, mask_free)
#define cleanup_mask at_scope_end(cleanup_mask_handler)

/* Whether a path is left out: of /proc, what is of no QEMU of these domains. */
bool mask_drops(const struct mask *m, const char *path, const struct recorded *e);

/* What there is to be of a file that was read; NULL: as it is. The caller frees. */
char *mask_data(const struct mask *m, const char *path, const struct recorded *e,
                size_t *ret_length);
