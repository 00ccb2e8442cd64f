/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * measure.c - virt-disktune measure: the host's own speed, and with --guest that of a guest's disk
 * beside it.
 *
 * Work that writes has two rows, first writes and rewrites, since they can differ by ten times:
 * each is measured on a file of its own and never mixed with the other.
 */
#include "cmd/cmd.h"

#include <stdio.h>

#include "base/json.h"
#include "base/memory.h"
#include "host/storage.h"
#include "measure/fio.h"
#include "report/report.h"

#define MIB (UINT64_C(1) << 20)
#define DEFAULT_SIZE (1000 * MIB)
/* Of each of the four files that the guest and the host have. */
#define DEFAULT_GUEST_SIZE (256 * MIB)

struct arguments {
    struct common_options common;
    struct workload_options work;
    struct guest_options guest_options;
    char *directory, *size, *runtime, *disk;
    gboolean print_fio, rewrite, guest;
    uint64_t size_bytes;
    struct measure_task task;
};

/* --- Arguments -------------------------------------------------------------------------------- */

static int parse_options(int argc, char **argv, struct arguments *a, struct error **err)
{
    const GOptionEntry own[] = {
        {"directory", 'd', 0, G_OPTION_ARG_FILENAME, &a->directory, "Measure in this directory",
         "DIR"},
        {"guest", 0, 0, G_OPTION_ARG_NONE, &a->guest,
         "Measure a disk of a throw-away guest beside the host", NULL},
        {"disk", 0, 0, G_OPTION_ARG_STRING, &a->disk,
         "Configuration of the guest's disk, a candidate of tune's [qcow2-threads]", "ID"},
        {"size", 0, 0, G_OPTION_ARG_STRING, &a->size,
         "Size of each scratch file [1000M; with --guest 256M]", "SIZE"},
        {"runtime", 0, 0, G_OPTION_ARG_STRING, &a->runtime,
         "Work so long, whatever the size, on each workload", "TIME"},
        {"rewrite", 0, 0, G_OPTION_ARG_NONE, &a->rewrite, "Leave out first writes", NULL},
        {"print-fio", 0, 0, G_OPTION_ARG_NONE, &a->print_fio,
         "Print the work as a fio job file, and measure nothing", NULL},
        {NULL},
    };
    return options_parse(argc, argv, "measure the disk, in the host and in a guest", own,
                         &a->common, &a->work, &a->guest_options, NULL, err);
}

/* Options that say something of the guest alone. */
static int check_guest(struct arguments *a, struct error **err)
{
    const struct guest_options *g = &a->guest_options;
    if (!a->guest && (a->disk || g->accelerator || g->kernel || g->vcpus || g->emulator))
        return error_set(err, "--disk, --accel, --vcpus, --kernel and --emulator go with --guest");
    if (a->rewrite && a->work.fresh)
        return error_set(err, "--fresh and --rewrite each leave out what the other asks for");
    return options_guest(g, &a->task.choice, err);
}

static int parse(int argc, char **argv, struct arguments *a, struct error **err)
{
    struct measure_task *t = &a->task;
    if (parse_options(argc, argv, a, err) < 0 || check_guest(a, err) < 0)
        return -1;
    a->size_bytes = a->guest ? DEFAULT_GUEST_SIZE : DEFAULT_SIZE;
    int r = a->guest ? option_image_size("--size", a->size, &a->size_bytes, err)
                     : option_size("--size", a->size, &a->size_bytes, err);
    if (r < 0 || option_duration("--runtime", a->runtime, &t->runtime_ns, err) < 0)
        return -1;
    t->notes = g_ptr_array_new_with_free_func(g_free);
    t->warnings = g_ptr_array_new_with_free_func(g_free);
    t->suite =
        options_suite(&a->work, "dd", a->size_bytes, a->guest ? 0 : t->runtime_ns, t->notes, err);
    if (!t->suite)
        return -1;
    if (a->print_fio)
        return 0;
    if (!a->directory) {
        error_set(err, "measure needs --directory DIR");
        return error_hint(err, "the directory that disk images are stored in");
    }
    return option_directory(&a->directory, err);
}

static void free_arguments(struct arguments *a)
{
    g_clear_pointer(&a->task.suite, suite_free);
    g_clear_pointer(&a->task.notes, g_ptr_array_unref);
    g_clear_pointer(&a->task.warnings, g_ptr_array_unref);
}

/* --- The rows --------------------------------------------------------------------------------- */

/* Whether a group's first writes can be told: it only writes, and no two jobs write the same
 * blocks. */
static bool has_first_writes(const struct suite *suite, unsigned group)
{
    unsigned count;
    const struct work *w = suite_group(suite, group, &count);
    return count == 1 && w->workload.jobs == 1 && !workload_reads(&w->workload);
}

/* A suite of the one group whose first writes are measured. The caller frees. */
static struct suite *suite_of(const struct suite *suite, unsigned group)
{
    unsigned count;
    const struct work *works = suite_group(suite, group, &count);
    struct suite *one = suite_new("");
    for (unsigned i = 0; i < count; i++)
        suite_add(one, &works[i], /* beside = */ i > 0);
    return one;
}

typedef int measure_fn(const struct measure_task *t, const struct suite *suite, bool fresh,
                       struct measure_report *report, struct measured_set *set, struct error **err);

/* First writes of each group that has them, each on files of its own. */
static int measure_first_writes(const struct arguments *a, measure_fn *measure, bool all,
                                struct measure_report *report, struct measured_set *set,
                                struct error **err)
{
    const struct suite *suite = a->task.suite;
    for (unsigned g = 0; g < suite_groups(suite); g++) {
        cleanup_suite struct suite *one = suite_of(suite, g);
        if ((all || has_first_writes(suite, g)) &&
            measure(&a->task, one, /* fresh = */ true, report, set, err) < 0)
            return -1;
    }
    return 0;
}

static int measure_rows(const struct arguments *a, struct measure_report *report,
                        struct error **err)
{
    measure_fn *measure = a->guest ? measure_in_guest : measure_on_host;
    if (a->work.fresh)
        return measure_first_writes(a, measure, /* all = */ true, report, &report->set, err);
    if (measure(&a->task, a->task.suite, /* fresh = */ false, report, &report->set, err) < 0)
        return -1;
    return a->rewrite ? 0
                      : measure_first_writes(a, measure, false, report, &report->first_writes, err);
}

/* --- The verb --------------------------------------------------------------------------------- */

static int print_report(const struct arguments *a, const struct measure_report *report,
                        struct error **err)
{
    if (!a->common.json) {
        report_measure_text(report, stdout);
        return finish_output(err);
    }
    cleanup_json json_t *json = report_measure_json(report);
    return finish_json(json, err);
}

static int run(struct arguments *a, struct error **err)
{
    if (a->print_fio) {
        cleanup_free char *text = fio_print(a->task.suite);
        fputs(text, stdout);
        return finish_output(err);
    }
    struct progress progress = {.options = &a->common};
    cleanup_ground struct ground ground = {0};
    struct measure_task *t = &a->task;
    t->directory = a->directory;
    t->uri = a->common.connect;
    t->size_bytes = a->size_bytes;
    t->guest = &a->guest_options;
    t->disk = a->disk ? a->disk : "qcow2-threads";
    t->progress = &progress;
    t->ground = &ground;
    if (a->guest && options_fit_suite(&a->work, t->suite, a->size_bytes, t->notes, err) < 0)
        return -1;
    cleanup_measure struct measure_report report = {
        .directory = a->directory,
        .fresh = a->work.fresh,
        .notes = t->notes,
        .warnings = t->warnings,
    };
    int r = measure_rows(a, &report, err);
    progress_clear(&progress);
    if (r < 0)
        return -1;
    return print_report(a, &report, err);
}

int cmd_measure(int argc, char **argv)
{
    static struct arguments a;
    cleanup_error struct error *err = NULL;
    int r = parse(argc, argv, &a, &err) < 0 ? -1 : run(&a, &err);
    free_arguments(&a);
    return r < 0 ? fail(err) : EXIT_DONE;
}
