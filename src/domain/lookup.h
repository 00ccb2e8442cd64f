/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lookup.h - a domain by what a user calls it, and its definition.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "domain/connection.h"
#include "domain/model.h"

/* The domain of this name, UUID, or number of a running one, as virsh has it. The caller frees with
 * virDomainFree. Errors: there is none, with those that there are; libvirt's; it has not answered
 * for longer than its own calls wait for each other; a signal came. */
virDomainPtr lookup_domain(const struct connection *c, const char *name, struct error **err);

/* All that there are, by their names: virDomainPtr, freed with the array, which the caller frees;
 * NULL with an error. Errors: as lookup_domain, but that there is none. */
GPtrArray *lookup_domains(const struct connection *c, struct error **err);

/* Whether libvirt has it no more: it was undefined, or a transient one has ended. */
bool lookup_is_gone(virDomainPtr domain);

/* The XML of its definition for the next start, and, where it runs, of what runs (else NULL); a
 * transient domain is only what runs. The caller frees both. Errors: libvirt's. */
int lookup_xml(virDomainPtr domain, char **ret_next, char **ret_live, bool *ret_persistent,
               struct error **err);

/* How a domain is defined: for its next start, and, where it runs, as it runs now (else NULL), as
 * lookup_xml has it. The caller frees both. Errors: libvirt's; it is not understood (model.h). */
struct definitions {
    bool persistent, running;
    struct domain_model *next, *live;
};
int lookup_definitions(virDomainPtr domain, struct definitions *ret, struct error **err);
void definitions_done(struct definitions *d);
#define cleanup_definitions at_scope_end(definitions_done)

/* The directory that a pool keeps its volumes in; NULL with an error where it keeps them otherwise
 * (LVM, RBD, …) or is not there. The caller frees. */
char *lookup_pool_directory(const struct connection *c, const char *pool, struct error **err);

/* The path of a volume. The caller frees. Errors: libvirt's. */
char *lookup_volume_path(const struct connection *c, const char *pool, const char *volume,
                         struct error **err);
