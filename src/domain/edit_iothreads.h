/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * edit_iothreads.h - which iothreads a domain has, and what they serve.
 */
#pragma once

#include <glib.h>
#include <libxml/tree.h>
#include <stdbool.h>

#include "base/error.h"

/* <iothreads> is how many there are, <iothreadids> names some of them or all; where there are more
 * than named ones, the rest have the lowest ids that are free (virDomainIOThreadIDDefArrayInit). */
struct iothreads {
    bool counted;      /* there is an <iothreads> */
    unsigned count;    /* how many there are, by the larger of both */
    GHashTable *named; /* the ids of <iothreadids> */
};

/* Errors: a count or an id is no number, or an id is there twice. */
int iothreads_read(xmlNodePtr domain, struct iothreads *ret, struct error **err);
void iothreads_done(struct iothreads *t);
#define cleanup_iothreads at_scope_end(iothreads_done)

/* Whether the domain has the iothread with this id. */
bool iothreads_have(const struct iothreads *t, unsigned id);

/* The ids that devices use, but for the one with this <driver>, which may be NULL. Hostile XML will do.
 * The caller frees. */
GHashTable *iothreads_used(xmlNodePtr domain, xmlNodePtr but_for);

/* The lowest id that there is and nothing uses, 0 for none; and, where all are used, the lowest one
 * that there is not. */
unsigned iothreads_unused(const struct iothreads *t, GHashTable *used);
unsigned iothreads_next(const struct iothreads *t);

/* Whether <cputune> has something for the iothread: libvirt refuses a domain where that names one
 * that is not there. */
bool iothreads_are_tuned(xmlNodePtr domain, unsigned id);
