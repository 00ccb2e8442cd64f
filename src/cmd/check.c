/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * check.c - virt-disktune check: what is configured badly, found without any load.
 */
#include <string.h>

#include "base/memory.h"
#include "check/capture.h"
#include "check/inquiry.h"
#include "cmd/subjects.h"
#include "report/check.h"

struct arguments {
    struct common_options common;
    struct subjects subjects;
    gboolean list_rules, guest, tables;
    char *sysroot, *level_name, *skip_list;
    enum severity level;
    GPtrArray *skip; /* struct rule * */
};

/* What a check works with. An interrupted one leaves it to the end of the process: a thread that
 * waits for storage which does not answer may still use it. */
struct checking {
    struct arguments arguments;
    struct connection *connection;
    struct check_host *host;
    GPtrArray *inquiries; /* struct inquiry * */
    GPtrArray *notes;     /* strings: what could not be looked at */
    json_t *volumes;      /* of a capture */
    struct tables *tables;
    struct inquirer inquirer;
    struct check_report *report;
};

/* --- Arguments -------------------------------------------------------------------------------- */

static int parse_level(struct arguments *a, struct error **err)
{
    for (int s = SEVERITY_NOTE; a->level_name && s <= SEVERITY_ERROR; s++)
        if (strcmp(a->level_name, severity_names[s]) == 0) {
            a->level = (enum severity)s;
            return 0;
        }
    if (a->level_name)
        return error_set(err, "--level: '%s' is none of note, warning, error", a->level_name);
    return 0;
}

static int parse_skip(struct arguments *a, struct error **err)
{
    g_auto(GStrv) ids = g_strsplit(a->skip_list ? a->skip_list : "", ",", -1);
    a->skip = g_ptr_array_new();
    for (char **id = ids; *id; id++) {
        const struct rule *rule = rule_find(g_strstrip(*id));
        if (!rule) {
            error_set(err, "--skip: there is no rule '%s'", *id);
            return error_hint(err, "virt-disktune check --list-rules lists them");
        }
        g_ptr_array_add(a->skip, (gpointer)rule);
    }
    return 0;
}

static int parse_arguments(int argc, char **argv, struct arguments *a, struct error **err)
{
    const GOptionEntry own[] = {
        {"sysroot", 0, 0, G_OPTION_ARG_FILENAME, &a->sysroot,
         "Look below this directory, which has a copy of another host's", "DIR"},
        {"guest", 0, 0, G_OPTION_ARG_NONE, &a->guest,
         "Ask running guests as well, through their agents", NULL},
        {"tables", 0, 0, G_OPTION_ARG_NONE, &a->tables,
         "Have qemu-img read the tables of images that nobody uses (takes time, reads from them)",
         NULL},
        {"level", 0, 0, G_OPTION_ARG_STRING, &a->level_name,
         "Print only what is at least a note, a warning or an error [note]", "LEVEL"},
        {"skip", 0, 0, G_OPTION_ARG_STRING, &a->skip_list, "Leave these rules out", "RULE,…"},
        {"list-rules", 0, 0, G_OPTION_ARG_NONE, &a->list_rules, "List all rules", NULL},
        {NULL},
    };
    if (subjects_parse(argc, argv, "find what is configured badly, without any load", own,
                       &a->common, &a->subjects, err) < 0)
        return -1;
    return parse_level(a, err) < 0 || parse_skip(a, err) < 0 ? -1 : 0;
}

/* --- What is to be checked -------------------------------------------------------------------- */

/* Those of a capture where it is one and nothing else is named. */
static bool wants_domains(const struct arguments *a)
{
    bool named = a->subjects.all || a->subjects.domains.count;
    return named || (!a->sysroot && subjects_want_domains(&a->subjects));
}

static int add_files(struct checking *w, struct error **err)
{
    const struct arguments *a = &w->arguments;
    subjects_add_files(&a->subjects, a->sysroot ? "/" : NULL, w->inquiries);
    if (a->sysroot && !a->subjects.xml && !a->subjects.images)
        return capture_find(w->host->root, a->sysroot, w->inquiries, err);
    return 0;
}

/* --- Where it is ------------------------------------------------------------------------------ */

static int connect_to(struct checking *w, struct error **err)
{
    const struct arguments *a = &w->arguments;
    if (a->sysroot && (a->subjects.all || a->subjects.domains.count))
        return error_set(err, "--sysroot is another host's: its domains are in the capture");
    if (a->sysroot && a->common.connect)
        return error_set(err, "--sysroot is another host's, of which --connect tells nothing");
    if (a->guest && !wants_domains(a))
        return error_set(err, "--guest asks guests that run, and files do not");
    if (a->tables && a->sysroot)
        return error_set(err, "--tables reads images of this host, and --sysroot is another's");
    if (!a->common.connect && !wants_domains(a))
        return 0;
    /* libvirt lets nobody ask an agent who may only look. */
    w->connection = a->guest ? connection_open(a->common.connect, err)
                             : connection_open_read_only(a->common.connect, err);
    return w->connection ? 0 : -1;
}

/* What is known of the versions; the host's own libvirt and QEMU where there is no connection. */
static void find_versions(struct checking *w)
{
    w->inquirer.versions = w->arguments.sysroot && !w->connection
                               ? capture_versions(w->host->root)
                               : subjects_versions(w->connection, w->host ? w->host->facts : NULL);
}

static int find_host(struct checking *w, struct error **err)
{
    const struct arguments *a = &w->arguments;
    if (w->connection && !connection_is_local(w->connection)) {
        if (a->subjects.images)
            return error_set(err, "--image is a path of this machine, and the URI another one's");
        g_ptr_array_add(w->notes, xstrdup("The host is another machine: its images, and what they "
                                          "lie on, were not looked at."));
        return 0;
    }
    w->host = check_host_new(a->sysroot, err);
    return w->host ? 0 : -1;
}

/* Said once, and not of each image. */
static int find_tables(struct checking *w, struct error **err)
{
    if (!w->arguments.tables || !w->host)
        return 0;
    g_autofree char *program = g_find_program_in_path("qemu-img");
    if (!program) {
        error_set(err, "--tables: qemu-img is not there");
        return error_hint(err, "Debian: apt-get install qemu-utils");
    }
    w->tables = tables_new();
    return 0;
}

/* --- The verb --------------------------------------------------------------------------------- */

static void take_answer(void *data, const struct answer *answer)
{
    check_report_domain(data, answer->domain, answer->image, answer->findings);
}

static int prepare(struct checking *w, struct error **err)
{
    w->inquiries = g_ptr_array_new_with_free_func((GDestroyNotify)inquiry_free);
    w->notes = g_ptr_array_new_with_free_func(free);
    if (connect_to(w, err) < 0 || find_host(w, err) < 0 || find_tables(w, err) < 0)
        return -1;
    find_versions(w);
    if (w->arguments.sysroot)
        w->volumes = capture_volumes(w->host->root);
    w->inquirer = (struct inquirer){
        .host = w->host,
        .connection = w->connection,
        .versions = w->inquirer.versions,
        .guests = w->arguments.guest,
        .tables = w->tables,
        .skip = w->arguments.skip,
        .volumes = w->volumes,
    };
    if (wants_domains(&w->arguments) &&
        subjects_add_domains(&w->arguments.subjects, w->connection, w->inquiries, err) < 0)
        return -1;
    return add_files(w, err);
}

static void add_note(GPtrArray *notes, char *note)
{
    if (note)
        g_ptr_array_add(notes, note);
}

static int run(struct checking *w, struct error **err)
{
    const struct arguments *a = &w->arguments;
    w->report = check_report_begin(a->common.json, a->level, stdout);
    if (inquiries_run(&w->inquirer, w->inquiries, take_answer, w->report, err) < 0)
        return -1;
    g_autoptr(GPtrArray) host = w->host ? ask_host(w->host, w->inquirer.versions, a->skip) : NULL;
    add_note(w->notes, w->tables ? tables_left_alone(w->tables) : NULL);
    add_note(w->notes, w->tables ? tables_doubt(w->tables) : NULL);
    check_report_end(w->report, host, w->notes);
    return finish_output(err);
}

static void work_done(struct checking *w)
{
    subjects_done(&w->arguments.subjects);
    if (w->arguments.skip)
        g_ptr_array_unref(w->arguments.skip);
    if (w->inquiries)
        g_ptr_array_unref(w->inquiries);
    if (w->notes)
        g_ptr_array_unref(w->notes);
    check_report_free(w->report);
    json_decref(w->volumes);
    tables_free(w->tables);
    check_host_free(w->host);
    connection_close(w->connection);
}

static enum exit_status status_of(const struct check_report *r)
{
    return check_report_count(r, SEVERITY_WARNING) || check_report_count(r, SEVERITY_ERROR)
               ? EXIT_NO
               : EXIT_DONE;
}

int cmd_check(int argc, char **argv)
{
    static struct checking work;
    cleanup_error struct error *err = NULL;
    if (parse_arguments(argc, argv, &work.arguments, &err) < 0)
        return fail(err);
    if (work.arguments.list_rules) {
        report_rules(work.arguments.common.json, stdout);
        return finish_output(&err) < 0 ? fail(err) : EXIT_DONE;
    }
    if (prepare(&work, &err) < 0 || run(&work, &err) < 0) {
        if (work.connection && connection_is_lost(work.connection))
            error_hint(&err, "the daemon has ended, hangs, or was started anew: look into its log");
        return fail(err);
    }
    enum exit_status status = status_of(work.report);
    work_done(&work);
    return status;
}
