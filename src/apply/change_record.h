/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * change_record.h - what is changed in a domain's definition, written down before it is.
 *
 * Theory of operation. A change is a file of its own in STATE/changes, named after when it was
 * meant. It is written, synced with its directory, before libvirt is asked for anything, and again
 * after libvirt has done it. Whoever is killed in between, or cannot write then, or loses libvirt
 * before its answer, leaves a record that is only meant; then the definition itself tells whether
 * it came to that (edits_state in domain/edit.h), since libvirt replaces a definition as a whole.
 * So at any instant the definition is as it was or as it shall be, and there is a record for the
 * second case.
 *
 * The file is JSON:
 *   { "change": 1, "version", "created": "2026-01-31T12:00:00Z", "state": "meant"|"made"|"undone",
 *     "uri", "domain": {"name","uuid"}, "target", "edits": [what edits_to_json makes],
 *     "before": the whole definition, "plan": the plan that it was made by, or null,
 *     "measured": { "before", "after": results of inside_measure } }
 * The definition has its secrets (a password of VNC) in it, so that all of it could be defined
 * again: the directory and the files are their owner's alone.
 */
#pragma once

#include <glib.h>
#include <jansson.h>

#include "base/error.h"

#define RECORD_FORMAT 1

enum record_state { RECORD_MEANT, RECORD_MADE, RECORD_UNDONE };

struct change_record {
    char *path; /* where it is kept */
    char *created;
    enum record_state state;
    char *uri, *name, *uuid, *target;
    char *before;     /* the definition, XML */
    GPtrArray *edits; /* struct edit * */
    json_t *plan;     /* NULL: made without one */
    json_t *measured; /* an object */
};

const char *change_record_state_name(enum record_state s);

/* Keeps others from changing definitions and records until the descriptor is closed, which is the
 * caller's to do; waits for who has it. Errors: the directory cannot be made, a signal. */
int change_records_lock(const char *state_directory, struct error **err);

/* A record that is meant and not saved yet, with a name that none has; everything but the edits and
 * the plan, which are referred to, is copied. The lock is held. The caller frees. */
struct change_record *change_record_new(const char *state_directory, const char *uri,
                                        const char *name, const char *uuid, const char *target,
                                        const char *before, GPtrArray *edits, json_t *plan);

/* Writes it, durably, in this state. */
int change_record_save(struct change_record *r, enum record_state state, struct error **err);

/* Keeps a result of inside_measure with it, as "before" or "after" the change: in the record as it
 * is kept by now, whose state may be another since `r` was read. What was only observed does not
 * replace what was measured. The lock is held. Errors: it cannot be read, or written. */
int change_record_keep(struct change_record *r, const char *when, json_t *measured,
                       struct error **err);

/* The records of the domain with this UUID (NULL: of all), of its disk with this target (NULL: of
 * all of them), the oldest first. One that cannot be used is left out, and why is appended to
 * `notes` (strings). The caller frees. Errors: the directory cannot be read. */
GPtrArray *change_records_read(const char *state_directory, const char *uuid, const char *target,
                               GPtrArray *notes, struct error **err);

void change_record_free(struct change_record *r);
CLEANUP_PTR(cleanup_change_record_handler, struct change_record, change_record_free)
#define cleanup_change_record at_scope_end(cleanup_change_record_handler)
