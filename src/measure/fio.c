/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "measure/fio.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "measure/fio_keys.h"

/* "key=value" of a section, or "key" with value NULL. Both belong to the line. */
struct entry {
    char *key, *value;
    unsigned line;
};

struct reader {
    struct fio_file *file;
    const char *file_name;
    unsigned line; /* the one that is read */
    struct fio_options global;
    char *section; /* the name of the open one; NULL before the first */
    unsigned section_line;
    struct entry *entries; /* of the open section */
    size_t count, capacity;
    unsigned group;
};

void fio_note(const struct fio_place *place, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    cleanup_free char *text = xvasprintf(format, args);
    va_end(args);
    struct fio_file *f = place->file;
    size_t length = strlen(text);
    for (size_t i = 0; i < f->note_count; i++) {
        size_t other = strlen(f->notes[i]);
        if (other >= length + 2 && strcmp(f->notes[i] + other - length, text) == 0 &&
            f->notes[i][other - length - 1] == ' ')
            return;
    }
    f->notes = xreallocarray(f->notes, f->note_count + 1, sizeof(*f->notes));
    f->notes[f->note_count++] = place->line
                                    ? xasprintf("%s:%u: %s", place->file_name, place->line, text)
                                    : xasprintf("%s: %s", place->file_name, text);
}

void fio_free(struct fio_file *file)
{
    if (!file)
        return;
    for (size_t i = 0; i < file->count; i++)
        free(file->jobs[i].name);
    for (size_t i = 0; i < file->note_count; i++)
        free(file->notes[i]);
    free(file->jobs);
    free(file->notes);
    free(file);
}

/* --- Sections --------------------------------------------------------------------------------- */

/* As much of the section's name as a workload has room for, by whole characters of UTF-8. */
static void copy_name(char to[WORKLOAD_NAME_MAX + 1], const char *name)
{
    size_t length = strlen(name);
    if (length > WORKLOAD_NAME_MAX) {
        length = WORKLOAD_NAME_MAX;
        while (length && ((unsigned char)name[length] & 0xc0) == 0x80)
            length--;
    }
    memcpy(to, name, length);
    to[length] = '\0';
}

/* kb_base first: it holds for the whole section, wherever it stands. */
static int apply_entries(struct reader *r, struct fio_options *o, struct error **err)
{
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < r->count; i++) {
            const struct entry *e = &r->entries[i];
            struct fio_place place = {r->file, r->file_name, e->line};
            if ((strcmp(e->key, "kb_base") == 0) != (pass == 0))
                continue;
            if (fio_key_apply(o, e->key, e->value, &place, err) < 0)
                return error_prefix(err, "%s:%u", r->file_name, e->line);
        }
    }
    return 0;
}

static int add_job(struct reader *r, struct error **err)
{
    struct fio_file *f = r->file;
    struct fio_options options = r->global;
    struct fio_place place = {f, r->file_name, r->section_line};
    if (apply_entries(r, &options, err) < 0)
        return -1;
    if (f->count == FIO_JOBS_MAX)
        return error_set(err, "%s:%u: more than %d jobs", r->file_name, r->section_line,
                         FIO_JOBS_MAX);
    struct fio_job job = {.line = r->section_line};
    copy_name(job.workload.name, r->section);
    if (fio_options_finish(&options, &place, &job, err) < 0)
        return error_prefix(err, "%s:%u", r->file_name, r->section_line);
    bool beside = f->count && !options.stonewall;
    if ((beside || job.workload.jobs > 1) && !options.file_given)
        fio_note(
            &(struct fio_place){f, r->file_name, 0},
            "filename: without it each job of fio's has a file of its own, and here all work on "
            "the same one");
    r->group += options.stonewall && f->count;
    job.group = r->group;
    job.name = TAKE_PTR(r->section);
    f->jobs = xreallocarray(f->jobs, f->count + 1, sizeof(*f->jobs));
    f->jobs[f->count++] = job;
    return 0;
}

/* Ends the open section. fio takes every name that begins with "global" for a global section. */
static int close_section(struct reader *r, struct error **err)
{
    int result = 0;
    if (!r->section)
        return 0;
    if (strncmp(r->section, "global", strlen("global")) == 0)
        result = apply_entries(r, &r->global, err);
    else
        result = add_job(r, err);
    free(TAKE_PTR(r->section));
    r->count = 0;
    return result;
}

/* --- Lines ------------------------------------------------------------------------------------ */

static int fail(const struct reader *r, struct error **err, const char *what)
{
    return error_set(err, "%s:%u: %s", r->file_name, r->line, what);
}

/* A line without white space around it and without its comment: to fio a comment begins at any ';'
 * or '#', within a value too. */
static char *strip(char *line)
{
    static const char blanks[] = " \t\r\f\v";
    line[strcspn(line, ";#")] = '\0';
    line += strspn(line, blanks);
    size_t length = strlen(line);
    while (length && strchr(blanks, line[length - 1]))
        length--;
    line[length] = '\0';
    return line;
}

/* Names travel as JSON, which has to be UTF-8. */
static bool is_utf8(const char *s)
{
    json_t *string = json_string(s);
    json_decref(string);
    return string;
}

/* line is "[name]" with nothing around it. */
static int read_section(struct reader *r, char *line, struct error **err)
{
    size_t length = strlen(line);
    if (close_section(r, err) < 0)
        return -1;
    if (line[length - 1] != ']' || strchr(line, ']') != line + length - 1)
        return fail(r, err, "a section is written as [name]");
    line[length - 1] = '\0';
    if (!line[1] || strchr(line, '\t') || !is_utf8(line + 1))
        return fail(r, err, "the section has no name, or one with tabs or not in UTF-8");
    r->section = xstrdup(line + 1);
    r->section_line = r->line;
    return 0;
}

static int read_entry(struct reader *r, char *line, struct error **err)
{
    char *value = strchr(line, '=');
    if (!r->section)
        return fail(r, err, "a key before the first section");
    if (value) {
        *value++ = '\0';
        line = strip(line);
        value = strip(value);
        if (!*line)
            return fail(r, err, "a value without a key");
        if (!*value)
            return error_set(err, "%s:%u: '%.64s' has no value behind its '='", r->file_name,
                             r->line, line);
    }
    if (r->count == r->capacity) {
        r->capacity = r->capacity ? r->capacity * 2 : 32;
        r->entries = xreallocarray(r->entries, r->capacity, sizeof(*r->entries));
    }
    r->entries[r->count++] = (struct entry){line, value, r->line};
    return 0;
}

static int read_line(struct reader *r, char *line, struct error **err)
{
    if (strlen(line) > FIO_LINE_MAX)
        return error_set(err, "%s:%u: a line of more than %d characters", r->file_name, r->line,
                         FIO_LINE_MAX);
    line = strip(line);
    if (!*line)
        return 0;
    for (const char *c = line; *c; c++)
        if (((unsigned char)*c < ' ' && *c != '\t') || *c == 0x7f)
            return fail(r, err, "a control character");
    if (strstr(line, "${"))
        return fail(r, err, "environment variables are not supported");
    if (strncmp(line, "include", strlen("include")) == 0)
        return fail(r, err, "other files are not included");
    return line[0] == '[' ? read_section(r, line, err) : read_entry(r, line, err);
}

static int read_lines(struct reader *r, char *text, struct error **err)
{
    char *rest = text, *line;
    while ((line = strsep(&rest, "\n"))) {
        r->line++;
        if (read_line(r, line, err) < 0)
            return -1;
    }
    if (close_section(r, err) < 0)
        return -1;
    if (!r->file->count)
        return error_set(err, "%s: no section describes any work", r->file_name);
    return 0;
}

struct fio_file *fio_parse(const char *text, const char *file_name, struct error **err)
{
    if (strlen(text) > FIO_FILE_MAX) {
        error_set(err, "%s: more than 1 MiB is not a job file", file_name);
        return NULL;
    }
    cleanup_free char *copy = xstrdup(text);
    cleanup_fio struct fio_file *file = xcalloc(1, sizeof(*file));
    struct reader r = {.file = file, .file_name = file_name, .global = fio_defaults};
    int result = read_lines(&r, copy, err);
    free(r.section);
    free(r.entries);
    return result < 0 ? NULL : TAKE_PTR(file);
}

struct fio_file *fio_read(const char *path, struct error **err)
{
    size_t length;
    cleanup_free char *text = file_read(path, &length, err);
    if (!text)
        return NULL;
    if (strlen(text) != length) {
        error_set(err, "%s: it has a zero byte, and is no text", path);
        return NULL;
    }
    return fio_parse(text, path, err);
}

/* --- Printing --------------------------------------------------------------------------------- */

/* What would end a section's name or begin a variable becomes '_', and a name that would make the
 * section a global one gets another beginning. */
static void print_section(FILE *out, const struct workload *w)
{
    const char *name = *w->name ? w->name : "job";
    fputs(strncmp(name, "global", strlen("global")) == 0 ? "\n[job-" : "\n[", out);
    for (const char *c = name; *c; c++) {
        bool control = (unsigned char)*c < ' ' || *c == 0x7f;
        bool variable = c[0] == '$' && c[1] == '{';
        fputc(control || variable || strchr("];#", *c) ? '_' : *c, out);
    }
    fputs("]\n", out);
}

static void print_sizes(FILE *out, const struct workload *w)
{
    if (!w->size_count) {
        fprintf(out, "bs=%u\n", w->block_bytes);
        return;
    }
    fputs("bssplit=", out);
    for (unsigned i = 0; i < w->size_count; i++)
        fprintf(out, "%s%u/%u", i ? ":" : "", w->sizes[i].bytes, w->sizes[i].percent);
    fputc('\n', out);
}

/* By bytes where fio would count a request otherwise than we do, or where a share of the requests
 * need not be a whole number: see finish_rate() in fio_work.c. */
static void print_rate(FILE *out, const struct workload *w)
{
    double bytes = workload_mean_bytes(w) * w->rate_iops;
    if (!w->rate_iops)
        return;
    if (workload_reads(w) && workload_writes(w))
        fprintf(out, "rate=%.0f,%.0f\n", bytes * w->read_percent / 100,
                bytes * (100 - w->read_percent) / 100);
    else if (w->size_count)
        fprintf(out, "rate=%.0f\n", bytes);
    else
        fprintf(out, "rate_iops=%u\n", w->rate_iops);
}

/* With as many digits as it takes to read the same theta again. */
static void print_zipf(FILE *out, double theta)
{
    char text[32];
    if (theta == 1) {
        fputs("; fio does not take a theta of 1\nrandom_distribution=zipf:0.99999\n", out);
        return;
    }
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, theta);
        if (strtod(text, NULL) == theta)
            break;
    }
    fprintf(out, "random_distribution=zipf:%s\n", text);
}

/* What every section has in common; fio knows the engines as such, and one that waits has depth 1.
 */
static void print_global(FILE *out)
{
    fputs("[global]\ndirect=1\nthread=1\ngroup_reporting=1\nrandrepeat=0\n", out);
}

static void print_work(FILE *out, const struct work *work, bool first, bool shares)
{
    const struct workload *w = &work->workload;
    print_section(out, w);
    if (!first)
        fputs("stonewall\n", out);
    fprintf(out, "ioengine=%s\n", w->depth > 1 ? "io_uring" : "psync");
    /* As we do (engine_uring.c): without both, fio spends a tenth more CPU on a request of 4 KiB,
     * and two thirds more on one of 1 MiB. Where memory may not be locked we go on without, but fio
     * ends, so that this one is left to whoever runs it. */
    if (w->depth > 1)
        fputs("registerfiles=1\n; as virt-disktune has it where ulimit -l allows:\n;fixedbufs=1\n",
              out);
    fprintf(out, "rw=%s\n", workload_rw_name(w->rw));
    if (workload_rw_is_mix(w->rw))
        fprintf(out, "rwmixread=%u\n", w->read_percent);
    print_sizes(out, w);
    fprintf(out, "iodepth=%u\n", w->depth);
    if (w->jobs > 1)
        fprintf(out, "numjobs=%u\n", w->jobs);
    /* What is done at the same time shares a file, as it does here. Not by a filename_format
     * without the number of the job, with which all but one of fio's threads come to nothing. */
    if (shares || w->jobs > 1)
        fputs("filename=virt-disktune.shared\n", out);
    if (work->span_bytes)
        fprintf(out, "size=%llu\n", (unsigned long long)work->span_bytes);
    /* Not refill_buffers: at depth 1 fio spends more time on making data than some disks on writing
     * it. Without, it makes random data once and stamps it, as we do. */
    if (w->zeros)
        fputs("zero_buffers=1\n", out);
    if (workload_is_random(w))
        fputs("norandommap=1\n", out);
    if (w->zipf > 0)
        print_zipf(out, w->zipf);
    print_rate(out, w);
    if (w->sync_every)
        fprintf(out, "%s=%u\n", w->datasync ? "fdatasync" : "fsync", w->sync_every);
}

char *fio_print(const struct suite *suite)
{
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    if (!out)
        abort();
    print_global(out);
    for (unsigned i = 0; i < suite->count; i++) {
        const struct work *w = &suite->works[i];
        bool beside = i && w->group == w[-1].group;
        bool shares = beside || (i + 1 < suite->count && w->group == w[1].group);
        print_work(out, w, i == 0 || beside, shares);
    }
    fclose(out);
    return text;
}
