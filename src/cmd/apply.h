/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * apply.h - what the verbs share that change a domain and take changes back.
 */
#pragma once

#include "apply/change_record.h"
#include "apply/restart.h"
#include "cmd/cmd.h"
#include "report/apply.h"

/* Options of both. */
struct changing_options {
    gboolean yes, dry_run, restart, force;
    char *wait;
};

/* How a change is measured inside the guest (proving.c). */
struct proving_options {
    char *path, *size, *runs, *runtime, *margin;
};

/* clang-format off */
#define PROVING_ENTRIES(o) \
    {"path", 0, 0, G_OPTION_ARG_FILENAME, &(o)->path, \
     "A directory in the guest, on the disk [where a file system of it is mounted]", "DIR"}, \
    {"size", 0, 0, G_OPTION_ARG_STRING, &(o)->size, \
     "Of the file in the guest that is worked on [128M]", "SIZE"}, \
    {"runs", 0, 0, G_OPTION_ARG_STRING, &(o)->runs, "Runs of each work [5]", "N"}, \
    {"runtime", 0, 0, G_OPTION_ARG_STRING, &(o)->runtime, "Of each run of a work [2s]", "TIME"}, \
    {"margin", 0, 0, G_OPTION_ARG_STRING, &(o)->margin, \
     "What counts as slower than before [2]", "PERCENT"}
/* clang-format on */

struct proving {
    const struct proving_options *options;
    const struct workload_options *work;
    struct progress *progress;
    uint64_t bytes, run_ns;
    unsigned runs;
    double margin; /* 0.02 for 2 % */
};

/* Reads the options. */
int proving_parse(struct proving *p, struct error **err);

/* Measures a running domain, by the work that is asked for, or the plan's (NULL: there is none).
 * The caller owns the result. Errors: those of inside_measure. */
json_t *proving_measure(struct proving *p, virDomainPtr domain, const char *target,
                        const json_t *plan, struct error **err);

/* The same in a guest that has just come back, whose agent may answer before all is mounted: tried
 * again until it is as `before` was, or the time given is over. */
json_t *proving_measure_again(struct proving *p, virDomainPtr domain, const char *target,
                              const json_t *plan, const json_t *before, uint64_t wait_ns,
                              struct error **err);

/* Keeps what was measured with the record of the change, as "before" or "after" it. */
int proving_keep(const char *state_directory, struct change_record *r, const char *when,
                 json_t *measured, struct error **err);

/* Appends why there is no measurement before, or after. */
void proving_note(GPtrArray *left, const char *when, const struct error *failure);

/* A change of one domain, while it is made or taken back. */
struct changing {
    const struct common_options *common;
    const struct changing_options *options;
    struct connection *connection;
    virDomainPtr domain;
    char uuid[VIR_UUID_STRING_BUFLEN];
    char *state_directory;
    uint64_t wait_ns; /* of --wait */
    struct progress progress;
    struct apply_report report;
};

/* The options as a verb's table has them, up to an entry without a name. */
/* clang-format off */
#define CHANGING_ENTRIES(o) \
    {"yes", 'y', 0, G_OPTION_ARG_NONE, &(o)->yes, "Do not ask", NULL}, \
    {"dry-run", 'n', 0, G_OPTION_ARG_NONE, &(o)->dry_run, \
     "Only show what would change, as a diff", NULL}, \
    {"restart", 0, 0, G_OPTION_ARG_NONE, &(o)->restart, \
     "Shut the domain down and start it again, if it runs", NULL}, \
    {"force", 0, 0, G_OPTION_ARG_NONE, &(o)->force, \
     "With --restart: switch off a guest that does not shut down", NULL}, \
    {"wait", 0, 0, G_OPTION_ARG_STRING, &(o)->wait, \
     "How long a guest may take to shut down, and to be back [120s]", "TIME"}
/* clang-format on */

/* Reads them. Errors: a bad one; --force without --restart. */
int changing_parse(struct changing *c, struct error **err);

/* Puts the name and the UUID of the domain into the report. */
void changing_name(struct changing *c);

/* Shows the diff that the report has, and asks, unless --yes says so or --dry-run that it is only
 * shown: *ret_go is whether to go on, and the report's state is set where not. Errors: there is
 * nobody to ask; a signal. */
int changing_confirm(struct changing *c, const char *question, bool *ret_go, struct error **err);

/* Restarts the domain if that was asked for and it runs, and sets the report's state. *ret_came is
 * false where it does not start, is not back, or does not run what is configured: the report's
 * failure says why. Errors: it does not shut down; a signal. */
int changing_restart(struct changing *c, bool *ret_came, struct error **err);

/* Takes back what a record has, and brings that into effect: a domain that runs with the change is
 * restarted, one that is off since is started. The report gets what stayed. Errors: those of
 * libvirt; it does not shut down; a signal. */
int changing_roll_back(struct changing *c, struct change_record *r, struct error **err);

/* "DOMAIN/TARGET" cut in two, of which the second may be NULL; the caller frees both. */
void changing_split(const char *operand, char **ret_domain, char **ret_target);

/* Prints the report; returns the exit status, or EXIT_CANNOT. */
int changing_print(const struct changing *c, struct error **err);

void changing_done(struct changing *c);
