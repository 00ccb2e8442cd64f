/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * combine.h - several remedies of a disk in one: each of them shows the disk's <driver> with one
 * thing changed, and who wants all would have to put them together.
 */
#pragma once

#include <glib.h>

#include "check/finding.h"
#include "check/look.h"

struct combined {
    char *text; /* the <driver> with all of it, and before it what else it takes (<iothreads>) */
    unsigned needs; /* of them all, enum fix_needs */
    GPtrArray
        *rules; /* const struct rule *: whose remedies they are, in the order of the findings */
    GPtrArray *left_out; /* those whose remedy contradicts one before it */
};

/* Of the findings of a disk (struct finding *) that are at least as severe as `level`. A remedy
 * that depends on something, or that this host does not have, is not among them; where there are
 * alternatives the first one is. NULL where there are not two of them that go together. The caller
 * frees. */
struct combined *combine_fixes(const struct check_disk *d, const GPtrArray *findings,
                               enum severity level);
void combined_free(struct combined *c);
CLEANUP_PTR(cleanup_combined_handler, struct combined, combined_free)
#define cleanup_combined at_scope_end(cleanup_combined_handler)
