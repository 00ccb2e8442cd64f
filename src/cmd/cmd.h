/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd.h - the verbs, and what they share: options, errors, progress.
 *
 * A verb is a function in a file of its own that takes its arguments (argv[0] is its name) and
 * returns the exit status. Verbs are the only code that prints.
 */
#pragma once

#include <glib.h>
#include <jansson.h>
#include <stdint.h>

#include "base/error.h"
#include "host/load.h"
#include "measure/run.h"
#include "measure/suite.h"
#include "probe/spec.h"
#include "tune/outcome.h"
#include "tune/race.h"

enum exit_status {
    EXIT_DONE = 0,   /* the answer is yes, or the work is done */
    EXIT_NO = 1,     /* the answer is no */
    EXIT_CANNOT = 2, /* it could not be done: bad input, environment */
};

int cmd_apply(int argc, char **argv);
int cmd_capture(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_explain(int argc, char **argv);
int cmd_history(int argc, char **argv);
int cmd_measure(int argc, char **argv);
int cmd_rollback(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_tune(int argc, char **argv);
int cmd_verify(int argc, char **argv);

/* --- options.c -------------------------------------------------------------------------------- */

/* Options of every verb. */
struct common_options {
    char *connect;
    gboolean json, quiet, verbose, help;
};

/* Options that describe work; the strings are what the user wrote. */
struct workload_options {
    char *workload, *fio, *rw, *block, *depth, *jobs, *read_percent;
    gboolean zeros, fresh, list;
    bool rewrites; /* of a verb that has no --fresh; set before they are parsed */
};

/* Options that describe the probe guest. */
struct guest_options {
    char *accelerator, *kernel, *vcpus, *emulator;
};

/* What they come to. */
struct guest_choice {
    enum accelerator accelerator;
    unsigned vcpus;
};

/* The argument of a verb that is no option, or several. */
struct operand {
    const char *name;  /* for the help: "[DOMAIN] " */
    const char *value; /* NULL where there is none */
    bool many;         /* there may be more than one */
    char **values;     /* all of them, not owned, and how many */
    size_t count;
};

/* Parses a verb's arguments by its own table and the tables that verbs share (`workload` and
 * `guest` may be NULL, and `operand` is where the verb takes none). Prints the help and exits for
 * --help. Errors: an unknown option, a left-over argument. */
int options_parse(int argc, char **argv, const char *summary, const GOptionEntry *own,
                  struct common_options *common, struct workload_options *workload,
                  struct guest_options *guest, struct operand *operand, struct error **err);

/* An error where a JSON object is asked for of an option that has text alone to print. */
int options_refuse_json(const struct common_options *common, const char *option,
                        struct error **err);

/* Has "--NAME A B C" mean what "--NAME A --NAME B --NAME C" does, as in `--xml *.xml`: the words up
 * to the next option. The caller frees the array alone, whose length is in *argc. */
char **options_spread(int *argc, char **argv, const char *const *names);

/* Auto, and two vCPUs or as many as the host has where nothing is said. */
int options_guest(const struct guest_options *o, struct guest_choice *ret, struct error **err);

/* The workload that the options describe: the one named, `dd` where they name none, with what else
 * they say in the place of its own. */
int options_workload(const struct workload_options *o, struct workload *ret, struct error **err);

/* Whether any option changes what the named workload does. */
bool options_change_workload(const struct workload_options *o);

/* An error when first writes are asked of work that does not write. */
int options_check_fresh(const struct workload_options *o, const struct workload *w,
                        struct error **err);

/* --- works.c ---------------------------------------------------------------------------------- */

/* The pieces of work that the options name: each of the list of --workload ("a:2,b", each with its
 * weight; `unnamed` is the list where nothing at all is said of the work, and dd where something
 * is), or each job of the file of --fio, whose notes are appended to `notes`. What says nothing of
 * its size has `size_bytes`; with a `runtime_ns` the work goes on for so long. The caller frees. */
struct suite *options_suite(const struct workload_options *o, const char *unnamed,
                            uint64_t size_bytes, uint64_t runtime_ns, GPtrArray *notes,
                            struct error **err);

/* Fits the works into disks of this size, and notes where that or slices are not what was asked
 * for. An error where a disk would hold less than 16 requests. */
int options_fit_suite(const struct workload_options *o, struct suite *suite, uint64_t size_bytes,
                      GPtrArray *notes, struct error **err);

/* --- trust.c ---------------------------------------------------------------------------------- */

/* Each appends to the warnings what there is to say and was not said yet; `name` is that of the
 * work. */
void trust_say(GPtrArray *warnings, const char *format, ...) G_GNUC_PRINTF(2, 3);
void trust_say_error(GPtrArray *warnings, const char *what, const struct error *err);

/* What others do to the disk below the directory, MB/s over a quarter of a second; NAN where the
 * file system is on no block device. */
double trust_look_before(const char *directory);
void trust_check_idle(double others_mb_per_s, double own_mb_per_s, GPtrArray *warnings);

/* An eye on the disk below a directory while it is measured: what it does beyond our own
 * `own_bytes`, and the other guests that do it; `probe` is the process of ours, or 0. */
struct watch {
    const char *directory;
    bool known;
    struct load before;
    GPtrArray *guests;
};
struct watch trust_watch(const char *directory, pid_t probe);
void trust_watched(struct watch *w, uint64_t own_bytes, const char *name, GPtrArray *warnings);

/* A race: emulation, clocks, host and guest out of order, intervals that say little, a host whose
 * speed decays, long slices that disagree with short ones. */
void trust_check_race(const struct stage *stage, const struct race *race,
                      const struct outcome *outcome, GPtrArray *warnings);

/* The guest: emulation, and by how much its clock ran otherwise than the host's. */
void trust_check_guest(const struct probe *probe, double drift, double uncertainty,
                       GPtrArray *warnings);

/* A run that was not steady. */
void trust_check_run(const struct run_result *run, const char *name, GPtrArray *warnings);

/* --- raced.c ---------------------------------------------------------------------------------- */

/* A race and what it came to; the outcome refers to the others. */
struct raced {
    struct stage *stage;
    struct race *race;
    struct outcome *outcome;
    GPtrArray *entrants;   /* of a race that not all candidates took part in; else NULL */
    struct raced *earlier; /* the race before it, of which it has the front runners; or NULL */
};

/* Builds the stage, runs the race, weighs it, and appends why its figures should be read with care.
 * Errors: those of stage_new and race_run. Release it with raced_done, after the candidates' last
 * use. */
int raced_run(const struct stage_options *stage, const struct race_options *race,
              GPtrArray *candidates, GPtrArray *warnings, struct raced *ret, struct error **err);
void raced_done(struct raced *r);

/* Makes a race the successor of an earlier one, which it takes over with its standings and
 * counters.
 */
void raced_follow(struct raced *r, struct raced *earlier);

/* How many races there were, this one included. */
unsigned raced_count(const struct raced *r);
#define cleanup_raced at_scope_end(raced_done)

/* --- probed.c --------------------------------------------------------------------------------- */

struct subject;

/* Reads the disk that the operand names, of the domain of a file where `xml` is one, else through a
 * connection that becomes the ground's; *directory and *connect that say nothing are as it is.
 * Errors: those of subject.h. */
int probed_find(const char *xml, const struct operand *operand, char **directory, char **connect,
                struct ground *ground, struct subject *ret, struct error **err);

/* What a stage has of the options that describe its guest, and of a domain whose disk stands on it,
 * or NULL. */
void probed_stage(const struct subject *subject, const struct guest_options *guest,
                  const struct guest_choice *choice, struct stage_options *ret);

/* Appends what the probe guest has not of the domain. */
void probed_doubt(const struct subject *subject, enum accelerator accelerator, GPtrArray *warnings);

/* --- batches.c -------------------------------------------------------------------------------- */

/* As raced_run, in as many races one after the other as there is room for the candidates. An error
 * in one but the first ends the run with what there is, as interrupted, and is a warning. */
int batches_run(const struct stage_options *stage, const struct race_options *race,
                GPtrArray *candidates, GPtrArray *warnings, struct raced *ret, struct error **err);

/* --- measure.c, and its two sides ------------------------------------------------------------- */

struct measure_report;
struct measured_set;
struct progress;

/* What measure is to do. */
struct measure_task {
    const char *directory, *uri;
    struct suite *suite;
    uint64_t size_bytes; /* of each file of a guest's race */
    uint64_t runtime_ns; /* of each work; 0: not given */
    const struct guest_options *guest;
    struct guest_choice choice;
    const char *disk; /* the id of the guest's configuration */
    struct progress *progress;
    struct ground *ground; /* of the guests */
    GPtrArray *notes;      /* what of a fio file is done otherwise */
    GPtrArray *warnings;   /* why figures should be read with care */
};

/* Measure the suite, which is the task's or a part of it, as rewrites or as first writes, and
 * append what it came to to the set. */
int measure_on_host(const struct measure_task *t, const struct suite *suite, bool fresh,
                    struct measure_report *report, struct measured_set *set, struct error **err);
int measure_in_guest(const struct measure_task *t, const struct suite *suite, bool fresh,
                     struct measure_report *report, struct measured_set *set, struct error **err);

/* --- options.c, values ------------------------------------------------------------------------ */

/* Readers for the values of options: they name the option in the error, and leave *ret as it is
 * when `value` is NULL. */
int option_size(const char *option, const char *value, uint64_t *ret, struct error **err);
/* That of a scratch image: whole MiB, at least 4. */
int option_image_size(const char *option, const char *value, uint64_t *ret, struct error **err);
int option_number(const char *option, const char *value, uint64_t min, uint64_t max, uint64_t *ret,
                  struct error **err);
int option_percent(const char *option, const char *value, double min, double max, double *ret,
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
/* The same of a step that has no fractions. */
void progress_step(void *data, const char *what);
void progress_clear(struct progress *p);

/* --- fail.c ----------------------------------------------------------------------------------- */

/* Prints "virt-disktune: …" and the hint, and returns EXIT_CANNOT. */
int fail(const struct error *err);

/* 0, or -1 where standard output could not take all of it (a full disk, a closed pipe). */
int finish_output(struct error **err);

/* Prints the document on standard output, and the same. Errors also: it could not be made (NULL),
 * which a text in it that is no UTF-8 does. */
int finish_json(json_t *json, struct error **err);
