/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * apply.h - what became of a change of a domain's definition, as text and as JSON.
 */
#pragma once

#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "apply/proof.h"
#include "domain/edit.h"

enum apply_state {
    APPLY_UNCHANGED,   /* the definition is so already */
    APPLY_SHOWN,       /* it was only to be shown */
    APPLY_DECLINED,    /* the user said no */
    APPLY_DEFINED,     /* the next start brings it: the domain is off */
    APPLY_PENDING,     /* the next cold start brings it: the domain runs on as before */
    APPLY_EFFECTIVE,   /* the domain was restarted, and runs so */
    APPLY_ROLLED_BACK, /* it was tried, and is as before */
};

struct apply_report {
    bool undoes; /* a change was taken back, not made */
    enum apply_state state;
    const char *domain, *uuid, *target;
    GPtrArray *edits;          /* struct edit * */
    char *diff;                /* of the definition */
    char *stand_in;            /* "started", or why none was; NULL: none was to be */
    const char *back;          /* how the guest was seen to be back; NULL: it was not restarted */
    GPtrArray *differences;    /* strings: what QEMU runs otherwise; NULL: it was not looked at */
    GPtrArray *left;           /* strings: what was not done, and why */
    char *record;              /* the path of what it is taken back by; NULL */
    const struct proof *proof; /* what it brings; NULL: it was not measured */
    char *failure;             /* why it was rolled back; NULL */
};

void apply_report_done(struct apply_report *r);
#define cleanup_apply_report at_scope_end(apply_report_done)

/* The contract of `apply --json` and `rollback --json`; the caller owns it. */
json_t *report_apply_json(const struct apply_report *r);
void report_apply_text(const struct apply_report *r, FILE *out);

/* A change that there is a record of. */
struct change_status {
    const char *domain, *uuid, *target, *created;
    const char *state;      /* "pending", "effective", … */
    const char *what;       /* in words; owned */
    const GPtrArray *edits; /* struct edit * */
    const char *record;
};
void change_status_free(void *status);

/* struct change_status *, with notes (strings). The caller owns the JSON. */
json_t *report_changes_json(const GPtrArray *changes, GPtrArray *notes);
void report_changes_text(const GPtrArray *changes, GPtrArray *notes, FILE *out);
