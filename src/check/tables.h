/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tables.h - the tables of images that nobody uses, which qemu-img is asked about: each file once,
 * whatever domains have it.
 */
#pragma once

#include "check/look.h"

/* What was read so far. Several threads may ask. */
struct tables;
struct tables *tables_new(void);

/* Looks at the qcow2 images of all chains of a domain, and has the images refer to what there is to
 * say of them. One that somebody uses is left alone, and so is what qemu-img cannot judge: what is
 * encrypted, what has a data file, and what is marked as in use. After a signal
 * (base/interrupt.h) nothing more is looked at. */
void tables_look(struct tables *t, struct check_domain *d);

/* How many images were left alone, and why, a sentence for people; NULL where none was. The caller
 * frees. */
char *tables_left_alone(struct tables *t);

/* Where an image on a block device looks damaged: that another host may be at it, whose locks are
 * not seen here; NULL. The caller frees. */
char *tables_doubt(struct tables *t);

/* The domains that were looked at refer to it. */
void tables_free(struct tables *t);
CLEANUP_PTR(cleanup_tables_handler, struct tables, tables_free)
#define cleanup_tables at_scope_end(cleanup_tables_handler)
