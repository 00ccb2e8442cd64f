/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/check.h"

#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "check/combine.h"
#include "check/rule.h"
#include "report/check_json.h"
#include "report/report.h"

struct check_report {
    FILE *out;
    bool json;
    enum severity level;
    size_t domains, disks;
    size_t counts[SEVERITY_ERROR + 1];
};

struct check_report *check_report_begin(bool json, enum severity level, FILE *out)
{
    struct check_report *r = xcalloc(1, sizeof(*r));
    *r = (struct check_report){.out = out, .json = json, .level = level};
    if (json)
        fputs("{\n\"version\": \"" VERSION "\",\n\"domains\": [", out);
    return r;
}

void check_report_free(struct check_report *r)
{
    free(r);
}

size_t check_report_count(const struct check_report *r, enum severity severity)
{
    return r->counts[severity];
}

static void count(struct check_report *r, const GPtrArray *findings)
{
    for (guint i = 0; i < findings->len; i++)
        r->counts[((const struct finding *)findings->pdata[i])->severity]++;
}

/* --- Text ------------------------------------------------------------------------------------- */

/* Names and paths are anybody's bytes: what is no character, or moves the cursor, is not printed.
 */
static void print_line(const char *text, FILE *out)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    text_one_line(valid);
    fputs(valid, out);
}

static void print_lines(const char *text, int indent, FILE *out)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        fprintf(out, "%*s", indent, "");
        print_line(*line, out);
        fputc('\n', out);
    }
}

/* "restart, image-conversion"; "live" where it needs nothing of all that. */
static char *needs_text(unsigned needs)
{
    g_autoptr(GString) text = g_string_new(NULL);
    for (unsigned flag = 1; flag < FIX_NEEDS_END; flag <<= 1)
        if (needs & flag)
            g_string_append_printf(text, "%s%s", text->len ? ", " : "", fix_needs_name(flag));
    return xstrdup(text->len ? text->str : "live");
}

/* "All of it at once, but for io-threads (restart):" and the element. */
static void print_combined(const struct check_report *r, const struct check_disk *d,
                           const GPtrArray *findings)
{
    cleanup_combined struct combined *c = combine_fixes(d, findings, r->level);
    if (!c)
        return;
    cleanup_free char *needs = needs_text(c->needs);
    g_autoptr(GString) but_for = g_string_new(NULL);
    for (guint i = 0; i < c->left_out->len; i++)
        g_string_append_printf(but_for, "%s%s", i ? ", " : ", but for ",
                               ((const struct rule *)c->left_out->pdata[i])->id);
    fprintf(r->out, "    All of it at once%s (%s):\n", but_for->str, needs);
    print_lines(c->text, 6, r->out);
}

static void print_fix(const struct finding *f, int indent, FILE *out)
{
    static const char *const where[] = {
        [FIX_XML] = "in the XML",
        [FIX_VIRSH] = "with virsh",
        [FIX_QEMU_IMG] = "with the guest off",
        [FIX_HOST] = "on the host",
        [FIX_GUEST] = "in the guest",
    };
    if (!f->fix)
        return;
    cleanup_free char *needs = needs_text(f->needs);
    fprintf(out, "%*sfix", indent, "");
    if (f->kind != FIX_ADVICE)
        fprintf(out, " %s (%s)", where[f->kind], needs);
    if (!f->available) {
        cleanup_free char *since = report_since_text(&f->rule->since);
        fprintf(out, ", not here: it needs %s", since);
    }
    fputs(":\n", out);
    print_lines(f->fix, indent + 2, out);
}

static void print_finding(const struct finding *f, int indent, FILE *out)
{
    cleanup_free char *head =
        xasprintf("%s: %s [%s]", severity_names[f->severity], f->summary, f->rule->id);
    g_autofree char *valid = g_utf8_make_valid(head, -1);
    text_one_line(valid);
    report_print_wrapped(valid, indent, out);
    report_print_wrapped(f->rule->why, indent + 2, out);
    print_fix(f, indent + 2, out);
}

static size_t print_findings(const struct check_report *r, const GPtrArray *findings, int indent)
{
    size_t shown = 0;
    for (guint i = 0; i < findings->len; i++) {
        const struct finding *f = findings->pdata[i];
        if (f->severity < r->level)
            continue;
        print_finding(f, indent, r->out);
        shown++;
    }
    return shown;
}

/* "vda  /srv/web.qcow2, qcow2 on ext4 on vda (virtio_blk)". */
static void print_disk(const struct check_disk *d, const char *image, FILE *out)
{
    cleanup_free char *place = d->place ? place_describe(d->place) : NULL;
    const struct domain_disk *m = d->model;
    const char *source = m->source ? m->source : m->volume ? m->volume : m->protocol;
    fputs("  ", out);
    if (!image)
        print_line(m->target ? m->target : "(no target)", out);
    if (!image && source) {
        fputs("  ", out);
        print_line(source, out);
    }
    cleanup_free char *what = xasprintf("%s%s%s%s", image ? "" : ", ", m->config.format,
                                        place ? " on " : "", place ? place : "");
    print_line(what, out);
    fputc('\n', out);
}

/* Where none of it was printed. */
static const char *nothing_of(const GPtrArray *findings)
{
    return findings->len ? "nothing of this level" : "nothing found";
}

static void print_domain(const struct check_report *r, const struct check_domain *d,
                         const char *image, GPtrArray *const *findings)
{
    print_line(image ? image : d->file ? d->file : d->name, r->out);
    if (!image && !d->file)
        fputs(d->running ? ", running" : ", shut off", r->out);
    if (d->file && d->name) {
        fputs(": ", r->out);
        print_line(d->name, r->out);
    }
    fputc('\n', r->out);
    size_t shown = print_findings(r, findings[0], 2);
    for (size_t i = 0; i < d->disk_count; i++) {
        print_disk(&d->disks[i], image, r->out);
        size_t here = print_findings(r, findings[i + 1], 4);
        if (!here)
            fprintf(r->out, "    %s\n", nothing_of(findings[i + 1]));
        print_combined(r, &d->disks[i], findings[i + 1]);
        shown += here;
    }
    if (!d->disk_count && !shown)
        fputs(d->model ? "  no disks\n" : "  not read\n", r->out);
    fputc('\n', r->out);
}

static void print_counts(const struct check_report *r)
{
    static const char *const many[] = {"notes", "warnings", "errors"};
    fprintf(r->out, "%zu %s, %zu %s:", r->domains, r->domains == 1 ? "domain" : "domains", r->disks,
            r->disks == 1 ? "disk" : "disks");
    const char *separator = " ";
    for (int s = SEVERITY_ERROR; s >= SEVERITY_NOTE; s--) {
        fprintf(r->out, "%s%zu %s", separator, r->counts[s],
                r->counts[s] == 1 ? severity_names[s] : many[s]);
        separator = ", ";
    }
    fputc('\n', r->out);
}

/* --- Either ----------------------------------------------------------------------------------- */

void check_report_domain(struct check_report *r, const struct check_domain *d, const char *image,
                         GPtrArray *const *findings)
{
    if (r->json) {
        fputs(r->domains ? ",\n" : "\n", r->out);
        report_check_domain_json(d, image, findings, r->out);
    } else {
        print_domain(r, d, image, findings);
    }
    fflush(r->out);
    r->domains++;
    r->disks += d->disk_count;
    for (size_t i = 0; i <= d->disk_count; i++)
        count(r, findings[i]);
}

void check_report_end(struct check_report *r, const GPtrArray *host, const GPtrArray *notes)
{
    if (host)
        count(r, host);
    if (r->json) {
        fputs("\n],\n", r->out);
        report_check_host_json(host, notes, r->out);
        return;
    }
    if (host && host->len) {
        fputs("host\n", r->out);
        if (!print_findings(r, host, 2))
            fprintf(r->out, "  %s\n", nothing_of(host));
        fputc('\n', r->out);
    }
    for (guint i = 0; i < notes->len; i++)
        report_print_wrapped(notes->pdata[i], 0, r->out);
    print_counts(r);
}
