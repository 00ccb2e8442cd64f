/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * check.c - virt-disktune check: what is configured badly, found without any load.
 */
#include <string.h>

#include "base/memory.h"
#include "check/capture.h"
#include "check/inquiry.h"
#include "cmd/cmd.h"
#include "domain/lookup.h"
#include "report/check.h"

struct arguments {
    struct common_options common;
    gboolean all, list_rules, guest;
    char **xml, **images;
    char *sysroot, *level_name, *skip_list;
    struct operand operand;
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
    json_t *volumes; /* of a capture */
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
        {"all", 0, 0, G_OPTION_ARG_NONE, &a->all, "Every domain there is (so without any argument)",
         NULL},
        {"xml", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &a->xml,
         "Domains in files, up to the next option", "FILE…"},
        {"image", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &a->images,
         "Images by themselves, up to the next option", "FILE…"},
        {"sysroot", 0, 0, G_OPTION_ARG_FILENAME, &a->sysroot,
         "Look below this directory, which has a copy of another host's", "DIR"},
        {"guest", 0, 0, G_OPTION_ARG_NONE, &a->guest,
         "Ask running guests as well, through their agents", NULL},
        {"level", 0, 0, G_OPTION_ARG_STRING, &a->level_name,
         "Print only what is at least a note, a warning or an error [note]", "LEVEL"},
        {"skip", 0, 0, G_OPTION_ARG_STRING, &a->skip_list, "Leave these rules out", "RULE,…"},
        {"list-rules", 0, 0, G_OPTION_ARG_NONE, &a->list_rules, "List all rules", NULL},
        {NULL},
    };
    static const char *const many[] = {"--xml", "--image", NULL};
    g_autofree char **spread = options_spread(&argc, argv, many);
    a->operand = (struct operand){.name = "[DOMAIN…] ", .many = true};
    if (options_parse(argc, spread, "find what is configured badly, without any load", own,
                      &a->common, NULL, NULL, &a->operand, err) < 0)
        return -1;
    /* The words themselves are the process's; the array that they are in goes with this scope. */
    a->operand.values = g_memdup2(a->operand.values, a->operand.count * sizeof(char *));
    return parse_level(a, err) < 0 || parse_skip(a, err) < 0 ? -1 : 0;
}

/* --- What is to be checked -------------------------------------------------------------------- */

static bool wants_files(const struct arguments *a)
{
    return a->xml || a->images || a->sysroot;
}

static bool wants_domains(const struct arguments *a)
{
    return a->all || a->operand.count || !wants_files(a);
}

/* libvirt lists them in no order. */
static int compare_domains(const void *a, const void *b)
{
    return strcmp(virDomainGetName(*(const virDomainPtr *)a),
                  virDomainGetName(*(const virDomainPtr *)b));
}

static int add_all_domains(struct checking *w, struct error **err)
{
    virDomainPtr *domains = NULL;
    int count = virConnectListAllDomains(w->connection->handle, &domains, 0);
    if (count < 0)
        return connection_error(err, "cannot list the domains");
    qsort(domains, (size_t)count, sizeof(virDomainPtr), compare_domains);
    for (int i = 0; i < count; i++)
        g_ptr_array_add(w->inquiries, inquiry_of_domain(domains[i]));
    free(domains);
    return 0;
}

static int add_domains(struct checking *w, struct error **err)
{
    const struct arguments *a = &w->arguments;
    if (a->all || !a->operand.count)
        return add_all_domains(w, err);
    for (size_t i = 0; i < a->operand.count; i++) {
        virDomainPtr domain = lookup_domain(w->connection, a->operand.values[i], err);
        if (!domain)
            return -1;
        g_ptr_array_add(w->inquiries, inquiry_of_domain(domain));
    }
    return 0;
}

/* An image is named as the user sees it, and is looked up by an absolute path. */
static int add_files(struct checking *w, struct error **err)
{
    const struct arguments *a = &w->arguments;
    for (char **file = a->xml; file && *file; file++)
        g_ptr_array_add(w->inquiries, inquiry_of_file(*file));
    for (char **image = a->images; image && *image; image++) {
        g_autofree char *path = g_canonicalize_filename(*image, a->sysroot ? "/" : NULL);
        g_ptr_array_add(w->inquiries, inquiry_of_image(path));
    }
    if (a->sysroot && !a->xml && !a->images)
        return capture_find(w->host->root, a->sysroot, w->inquiries, err);
    return 0;
}

/* --- Where it is ------------------------------------------------------------------------------ */

static int connect_to(struct checking *w, struct error **err)
{
    const struct arguments *a = &w->arguments;
    if (a->sysroot && (a->all || a->operand.count))
        return error_set(err, "--sysroot is another host's: its domains are in the capture");
    if (a->guest && !wants_domains(a))
        return error_set(err, "--guest asks guests that run, and files do not");
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
    struct versions *v = &w->inquirer.versions;
    const struct arguments *a = &w->arguments;
    if (w->connection) {
        *v = connection_versions(w->connection);
        /* That of another hypervisor is none of QEMU's. */
        if (g_strcmp0(virConnectGetType(w->connection->handle), "QEMU") != 0)
            v->qemu = 0;
    } else if (a->sysroot) {
        *v = capture_versions(w->host->root);
    } else {
        *v = (struct versions){host_facts_qemu_version(w->host->facts), LIBVIR_VERSION_NUMBER};
    }
}

static int find_host(struct checking *w, struct error **err)
{
    const struct arguments *a = &w->arguments;
    if (w->connection && !connection_is_local(w->connection)) {
        if (a->images)
            return error_set(err, "--image is a path of this machine, and the URI another one's");
        g_ptr_array_add(w->notes, xstrdup("The host is another machine: its images, and what they "
                                          "lie on, were not looked at."));
        return 0;
    }
    w->host = check_host_new(a->sysroot, err);
    return w->host ? 0 : -1;
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
    if (connect_to(w, err) < 0 || find_host(w, err) < 0)
        return -1;
    find_versions(w);
    if (w->arguments.sysroot)
        w->volumes = capture_volumes(w->host->root);
    w->inquirer = (struct inquirer){
        .host = w->host,
        .connection = w->connection,
        .versions = w->inquirer.versions,
        .guests = w->arguments.guest,
        .skip = w->arguments.skip,
        .volumes = w->volumes,
    };
    return (wants_domains(&w->arguments) && add_domains(w, err) < 0) || add_files(w, err) < 0 ? -1
                                                                                              : 0;
}

static int run(struct checking *w, struct error **err)
{
    const struct arguments *a = &w->arguments;
    w->report = check_report_begin(a->common.json, a->level, stdout);
    if (inquiries_run(&w->inquirer, w->inquiries, take_answer, w->report, err) < 0)
        return -1;
    g_autoptr(GPtrArray) host = w->host ? ask_host(w->host, w->inquirer.versions, a->skip) : NULL;
    check_report_end(w->report, host, w->notes);
    return finish_output(err);
}

static void work_done(struct checking *w)
{
    g_strfreev(w->arguments.xml);
    g_strfreev(w->arguments.images);
    g_free(w->arguments.operand.values);
    if (w->arguments.skip)
        g_ptr_array_unref(w->arguments.skip);
    if (w->inquiries)
        g_ptr_array_unref(w->inquiries);
    if (w->notes)
        g_ptr_array_unref(w->notes);
    check_report_free(w->report);
    json_decref(w->volumes);
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
    if (prepare(&work, &err) < 0 || run(&work, &err) < 0)
        return fail(err);
    enum exit_status status = status_of(work.report);
    work_done(&work);
    return status;
}
