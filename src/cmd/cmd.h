/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd.h - the verbs, and what they share: options, errors, progress.
 *
 * A verb is a function in a file of its own that takes its arguments (argv[0] is its name) and
 * returns the exit status. Verbs are the only code that prints.
 */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "base/error.h"
#include "measure/workload.h"

enum exit_status {
    EXIT_DONE = 0,   /* the answer is yes, or the work is done */
    EXIT_NO = 1,     /* the answer is no */
    EXIT_CANNOT = 2, /* it could not be done: bad input, environment */
};

int cmd_measure(int argc, char **argv);
int cmd_tune(int argc, char **argv);

/* --- options.c -------------------------------------------------------------------------------- */

/* Options of every verb. */
struct common_options {
    char *connect;
    gboolean json, quiet, verbose, help;
};

/* Options that describe work; the strings are what the user wrote. */
struct workload_options {
    char *rw, *block, *depth, *read_percent;
    gboolean zeros, fresh;
};

/* Parses a verb's arguments by its own table and the tables that verbs share (either struct may be
 * NULL). Prints the help and exits for --help. Errors: an unknown option, a left-over argument. */
int options_parse(int argc, char **argv, const char *summary, const GOptionEntry *own,
                  struct common_options *common, struct workload_options *workload,
                  struct error **err);

/* The workload that the options describe: `dd` where they say nothing. */
int options_workload(const struct workload_options *o, struct workload *ret, struct error **err);

/* Readers for the values of options: they name the option in the error, and leave *ret as it is
 * when `value` is NULL. */
int option_size(const char *option, const char *value, uint64_t *ret, struct error **err);
int option_number(const char *option, const char *value, uint64_t min, uint64_t max, uint64_t *ret,
                  struct error **err);
int option_duration(const char *option, const char *value, uint64_t *ret_ns, struct error **err);

/* Replaces the path of a directory, which has to be there, by its absolute path: QEMU has a working
 * directory of its own. */
int option_directory(char **path, struct error **err);

/* --- progress.c ------------------------------------------------------------------------------- */

/* One line on standard error, rewritten in place, if that is a terminal; the time left is up to
 * `deadline_ns` (clock.h), 0 for unknown. */
struct progress {
    const struct common_options *options;
    uint64_t deadline_ns;
    uint64_t last_ns;
    const char *last_what;
};

/* What stage_options wants: data is a struct progress; a fraction that is not finite is unknown. */
void progress_show(void *data, const char *what, double fraction);
void progress_clear(struct progress *p);

/* --- fail.c ----------------------------------------------------------------------------------- */

/* Prints "virt-disktune: …" and the hint, and returns EXIT_CANNOT. */
int fail(const struct error *err);

/* 0, or -1 where standard output could not take all of it (a full disk, a closed pipe). */
int finish_output(struct error **err);
