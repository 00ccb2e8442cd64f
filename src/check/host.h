/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * host.h - the host whose domains are looked at: read once, asked by several threads.
 */
#pragma once

#include <glib.h>

#include "check/process.h"
#include "host/facts.h"
#include "host/mounts.h"
#include "host/place.h"
#include "host/record.h"
#include "host/root.h"
#include "host/stack.h"

struct check_host {
    struct root *root;
    struct mounts *mounts;
    struct stack *stack;
    struct places *places;
    struct host_facts *facts;
    struct processes *processes; /* of QEMU, once a domain that runs was looked at */
    GMutex lock;             /* of processes and the next one */
    GPtrArray *seen_mounts;  /* those that have an image that was looked at: struct mount * */
};

/* `directory`: that of a capture, or NULL for this machine. The caller frees. Errors: those of
 * root_open and places_new. */
struct check_host *check_host_new(const char *directory, struct error **err);
/* The same of this machine, with all that is looked up noted in the record, which is referred to. */
struct check_host *check_host_new_recorded(struct record *record, struct error **err);
/* As place_look, and remembers the file system. */
struct place *check_host_look(struct check_host *h, const char *path, struct error **err);

/* What the QEMU of this running domain does, as process_look. The caller frees. */
struct check_process *check_host_process(struct check_host *h, const struct domain_model *m);

/* The file systems that were looked at: struct mount *, in the order of their points. The caller
 * frees. */
GPtrArray *check_host_mounts(struct check_host *h);

void check_host_free(struct check_host *h);
CLEANUP_PTR(cleanup_check_host_handler, struct check_host, check_host_free)
#define cleanup_check_host at_scope_end(cleanup_check_host_handler)
