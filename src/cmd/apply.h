/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * apply.h - what the verbs share that change a domain and take changes back.
 */
#pragma once

#include "apply/record.h"
#include "apply/restart.h"
#include "cmd/cmd.h"
#include "report/apply.h"

/* Options of both. */
struct changing_options {
    gboolean yes, dry_run, restart, force;
    char *wait;
};

/* A change of one domain, while it is made or taken back. */
struct changing {
    const struct common_options *common;
    const struct changing_options *options;
    struct connection *connection;
    virDomainPtr domain;
    char *state_directory;
    uint64_t wait_ns; /* of --wait */
    struct progress progress;
    struct apply_report report;
};

/* The options as a verb's table has them, up to an entry without a name. */
#define CHANGING_ENTRIES(o)                                                                        \
    {"yes", 'y', 0, G_OPTION_ARG_NONE, &(o)->yes, "Do not ask", NULL},                             \
        {"dry-run",                                                                                \
         'n',                                                                                      \
         0,                                                                                        \
         G_OPTION_ARG_NONE,                                                                        \
         &(o)->dry_run,                                                                            \
         "Only show what would change, as a diff",                                                 \
         NULL},                                                                                    \
        {"restart",                                                                                \
         0,                                                                                        \
         0,                                                                                        \
         G_OPTION_ARG_NONE,                                                                        \
         &(o)->restart,                                                                            \
         "Shut the domain down and start it again, if it runs",                                    \
         NULL},                                                                                    \
        {"force",     0,                                                                           \
         0,           G_OPTION_ARG_NONE,                                                           \
         &(o)->force, "With --restart: switch off a guest that does not shut down",                \
         NULL},                                                                                    \
    {                                                                                              \
        "wait", 0, 0, G_OPTION_ARG_STRING, &(o)->wait,                                             \
            "How long a guest may take to shut down, and to be back [120s]", "TIME"                \
    }

/* Reads them. Errors: a bad one; --force without --restart. */
int changing_parse(struct changing *c, struct error **err);

/* Shows the diff that the report has, and asks, unless --yes says so or --dry-run that it is only
 * shown: *ret_go is whether to go on, and the report's state is set where not. Errors: there is
 * nobody to ask; a signal. */
int changing_confirm(struct changing *c, const char *question, bool *ret_go, struct error **err);

/* Restarts the domain if that was asked for and it runs, and sets the report's state. *ret_came is
 * false where it does not start, is not back, or does not run what is configured: the report's
 * failure says why. Errors: it does not shut down; a signal. */
int changing_restart(struct changing *c, bool *ret_came, struct error **err);

/* Takes back what a record has, with the domain's lock held, and starts the domain as it was before
 * if it is off and `start` is set. Errors: those of libvirt. */
int changing_roll_back(struct changing *c, struct change_record *r, bool start, struct error **err);

/* "DOMAIN/TARGET" cut in two, of which the second may be NULL; the caller frees both. */
void changing_split(const char *operand, char **ret_domain, char **ret_target);

/* Prints the report; returns the exit status, or EXIT_CANNOT. */
int changing_print(const struct changing *c, struct error **err);

void changing_done(struct changing *c);
#define cleanup_changing at_scope_end(changing_done)
