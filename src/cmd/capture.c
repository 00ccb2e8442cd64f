/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * capture.c - virt-disktune capture: what check reads of this host, in a tar.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/text.h"
#include "check/pack.h"
#include "cmd/subjects.h"
#include "report/report.h"

#define DEFAULT_FILE "virt-disktune-capture.tar"

struct arguments {
    struct common_options common;
    struct subjects subjects;
    char *output;
};

/* An interrupted one leaves it to the end of the process, as check does. */
struct capturing {
    struct arguments arguments;
    struct connection *connection;
    struct record *record;
    struct check_host *host;
    GPtrArray *inquiries; /* struct inquiry * */
    struct inquirer inquirer;
    struct pack *pack;
    GPtrArray *left_out; /* strings: what could not be read, and why */
};

/* --- Arguments -------------------------------------------------------------------------------- */

static bool to_stdout(const struct arguments *a)
{
    return strcmp(a->output, "-") == 0;
}

static int check_output(const struct arguments *a, struct error **err)
{
    struct stat st;
    if (to_stdout(a)) {
        if (a->common.json)
            return error_set(err, "--json is for standard output, where the tar goes with -o -");
        if (!isatty(STDOUT_FILENO))
            return 0;
        error_set(err, "a tar is nothing for a terminal");
        return error_hint(err, "-o FILE writes it into a file");
    }
    if (!a->output[0])
        return error_set(err, "--output: is empty");
    if (lstat(a->output, &st) < 0)
        return 0;
    error_set(err, "%s is there already", a->output);
    return error_hint(err, "-o FILE names another one; none is replaced");
}

static int parse_arguments(int argc, char **argv, struct arguments *a, struct error **err)
{
    const GOptionEntry own[] = {
        {"output", 'o', 0, G_OPTION_ARG_FILENAME, &a->output,
         "Where the tar goes, - for standard output [" DEFAULT_FILE "]", "FILE"},
        {NULL},
    };
    if (subjects_parse(argc, argv, "pack what check reads of this host, to be looked at elsewhere",
                       own, &a->common, &a->subjects, err) < 0)
        return -1;
    if (!a->output)
        a->output = g_strdup(DEFAULT_FILE);
    return check_output(a, err);
}

/* --- Looking ---------------------------------------------------------------------------------- */

static int connect_to(struct capturing *w, struct error **err)
{
    const struct arguments *a = &w->arguments;
    if (!a->common.connect && !subjects_want_domains(&a->subjects))
        return 0;
    w->connection = connection_open_read_only(a->common.connect, err);
    if (!w->connection)
        return -1;
    if (connection_is_local(w->connection))
        return 0;
    error_set(err, "the host is another machine, of which nothing can be read from here");
    return error_hint(err, "run it on that machine");
}

static void take_answer(void *data, const struct answer *answer)
{
    struct capturing *w = data;
    if (pack_add(w->pack, answer))
        return;
    const struct check_domain *d = answer->domain;
    const GPtrArray *found = answer->findings[0];
    const struct finding *why = found->len ? found->pdata[0] : NULL;
    g_ptr_array_add(w->left_out, xasprintf("%s: %s",
                                           d->file   ? d->file
                                           : d->name ? d->name
                                                     : answer->image,
                                           why ? why->summary : "cannot be packed"));
}

static int look(struct capturing *w, struct error **err)
{
    const struct subjects *s = &w->arguments.subjects;
    w->inquiries = g_ptr_array_new_with_free_func((GDestroyNotify)inquiry_free);
    w->left_out = g_ptr_array_new_with_free_func(free);
    w->pack = pack_new();
    w->record = record_new();
    if (connect_to(w, err) < 0 || !(w->host = check_host_new_recorded(w->record, err)))
        return -1;
    if (subjects_want_domains(s) && subjects_add_domains(s, w->connection, w->inquiries, err) < 0)
        return -1;
    subjects_add_files(s, NULL, w->inquiries);
    w->inquirer = (struct inquirer){
        .host = w->host,
        .connection = w->connection,
        .versions = subjects_versions(w->connection, w->host->facts),
    };
    if (inquiries_run(&w->inquirer, w->inquiries, take_answer, w, err) < 0)
        return -1;
    /* Rules of the host may look at more, too. */
    g_autoptr(GPtrArray) found = ask_host(w->host, w->inquirer.versions, NULL);
    return 0;
}

/* --- Saying ----------------------------------------------------------------------------------- */

static const char *const masked[] = {
    "image data: of qcow2 the header alone, of other images nothing",
    "XML that no rule looks at; serial, wwn, vendor and product of disks",
    "command lines but for program and UUID; of threads all but name and CPUs; processes of no "
    "domain in it; QEMU's log but for fallbacks of its I/O",
    "mounts that no image is on, but for control groups', and names of users among their options; "
    "identities of device mapper",
};

/* Names are anybody's bytes, and no terminal's. */
static void print_left_out(const GPtrArray *left_out)
{
    for (guint i = 0; i < left_out->len; i++) {
        g_autofree char *line = g_utf8_make_valid(left_out->pdata[i], -1);
        text_one_line(line);
        fprintf(stderr, "virt-disktune: left out: %s\n", line);
    }
}

static void print_text(const struct capturing *w, const struct pack_counts *n, size_t bytes,
                       FILE *out)
{
    char size[32];
    const char *name = to_stdout(&w->arguments) ? "standard output" : w->arguments.output;
    fprintf(out, "%s: %zu %s, %zu %s, %zu files of /proc and /sys, %s\n", name, n->domains,
            n->domains == 1 ? "domain" : "domains", n->images, n->images == 1 ? "image" : "images",
            n->files, text_format_size(bytes, size, sizeof(size)));
    if (w->arguments.common.quiet)
        return;
    fputs("Names of domains and devices, UUIDs and paths are in it. Left out or masked:\n", out);
    for (size_t i = 0; i < ARRAY_SIZE(masked); i++)
        report_print_wrapped(masked[i], 2, out);
    g_autofree char *quoted = g_shell_quote(name);
    if (!to_stdout(&w->arguments))
        fprintf(out, "Look at it before you give it away: tar -tvf %s\n", quoted);
}

static int print_json(const struct capturing *w, const struct pack_counts *n, size_t bytes,
                      struct error **err)
{
    cleanup_json json_t *all = json_array();
    for (size_t i = 0; i < ARRAY_SIZE(masked); i++)
        json_array_append_new(all, json_string(masked[i]));
    cleanup_json json_t *json =
        json_pack("{s:s, s:o, s:I, s:I, s:I, s:I, s:O, s:o}", "version", VERSION, "file",
                  report_path_json(w->arguments.output), "domains", (json_int_t)n->domains,
                  "images", (json_int_t)n->images, "files", (json_int_t)n->files, "size_bytes",
                  (json_int_t)bytes, "masked", all, "left_out", report_strings_json(w->left_out));
    return finish_json(json, err);
}

static int write_tar(const struct capturing *w, const GByteArray *tar, struct error **err)
{
    const char *path = w->arguments.output;
    if (!to_stdout(&w->arguments))
        return file_write_new(path, tar->data, tar->len, err);
    return file_write_all(STDOUT_FILENO, tar->data, tar->len) < 0
               ? error_set_errno(err, errno, "cannot write the tar to standard output")
               : 0;
}

static int pack(struct capturing *w, struct error **err)
{
    struct pack_counts counts;
    g_autoptr(GByteArray) tar =
        pack_write(w->pack, w->host, w->inquirer.versions, time(NULL), &counts, err);
    if (!tar || write_tar(w, tar, err) < 0)
        return -1;
    if (!w->arguments.common.json)
        print_left_out(w->left_out);
    if (w->arguments.common.json)
        return print_json(w, &counts, tar->len, err);
    print_text(w, &counts, tar->len, to_stdout(&w->arguments) ? stderr : stdout);
    return finish_output(err);
}

/* --- The verb --------------------------------------------------------------------------------- */

static void work_done(struct capturing *w)
{
    subjects_done(&w->arguments.subjects);
    g_free(w->arguments.output);
    g_ptr_array_unref(w->inquiries);
    g_ptr_array_unref(w->left_out);
    pack_free(w->pack);
    check_host_free(w->host);
    record_free(w->record);
    connection_close(w->connection);
}

int cmd_capture(int argc, char **argv)
{
    static struct capturing work;
    cleanup_error struct error *err = NULL;
    if (parse_arguments(argc, argv, &work.arguments, &err) < 0 || look(&work, &err) < 0 ||
        pack(&work, &err) < 0)
        return fail(err);
    work_done(&work);
    return EXIT_DONE;
}
