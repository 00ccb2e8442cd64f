/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/report.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "domain/needs.h"
#include "report/tune_table.h"

static void print_work(const struct tune_report *r, FILE *out)
{
    char size[32];
    text_format_size(r->size_bytes, size, sizeof(size));
    if (r->suite->count == 1) {
        cleanup_free char *work = report_workload_text(&r->suite->works[0].workload, r->fresh);
        fprintf(out, "Work: %s, on %s a disk\n", work, size);
        return;
    }
    fprintf(out, "Work%s%s, on %s a disk, with what each counts for:\n",
            r->suite->name[0] ? ": " : "", r->suite->name, size);
    for (size_t k = 0; k < r->suite->count; k++) {
        cleanup_free char *work = report_workload_text(&r->suite->works[k].workload, r->fresh);
        cleanup_free char *name = report_work_name(r->suite, k);
        fprintf(out, "  %4g  %s: %s\n", r->suite->works[k].weight, name, work);
    }
}

/* Those that the race put out: they took part in fewer rounds, and not because they rested. */
static size_t count_out(const struct outcome *o)
{
    size_t count = 0;
    for (size_t i = 0; i < o->count; i++)
        count += !o->standings[i].failure && !o->standings[i].rested &&
                 o->standings[i].rounds < o->rounds;
    return count;
}

/* Ids that are named; of more there is the number. */
#define WINNERS_NAMED 3

static void print_prior(const struct tune_report *r, FILE *out)
{
    g_autofree char *date = report_time_text(r->prior_time, "%Y-%m-%d");
    g_autoptr(GString) text = g_string_new(NULL);
    guint count = r->prior->len, named = MIN(count, WINNERS_NAMED);
    g_string_printf(text, "Starts from an earlier race of %s: ", date);
    for (guint i = 0; i < named; i++)
        g_string_append_printf(text, "%s%s", i ? ", " : "", (const char *)r->prior->pdata[i]);
    if (count > named)
        g_string_append_printf(text, " and %u more", count - named);
    g_string_append(text, count == 1 ? " won" : " were equal, and ahead");
    report_print_wrapped(text->str, 0, out);
}

static void print_header(const struct tune_report *r, FILE *out)
{
    if (r->domain)
        fprintf(out, "Disk configurations for %s of the domain %s (%s), whose image is\n%s\n",
                r->disk, r->domain, r->state, r->image);
    else
        fprintf(out, "Disk configurations for a VM whose images are in %s\n", r->directory);
    print_work(r, out);
    if (!goal_is_throughput(&r->outcome->goal)) {
        cleanup_free char *goal = goal_text(&r->outcome->goal);
        fprintf(out, "Goal: %s\n", goal);
    }
    fprintf(out, "Probe guest: Linux %s, %u vCPU%s, %s\n", r->kernel, r->vcpus,
            r->vcpus == 1 ? "" : "s",
            strcmp(r->accelerator, "kvm") == 0 ? "KVM" : "TCG (emulated)");
    if (r->prior)
        print_prior(r, out);
    fprintf(out, "%zu round%s in %.0f s%s; each configuration on %u disk%s", r->outcome->rounds,
            r->outcome->rounds == 1 ? "" : "s", r->seconds,
            r->outcome->interrupted ? ", then interrupted" : "", r->replicas,
            r->replicas == 1 ? "" : "s");
    if (r->guests > 1)
        fprintf(out,
                ", in %u guests\none after the other; who was not in the last has its figures from "
                "an earlier one",
                r->guests);
    size_t out_early = r->guests > 1 ? 0 : count_out(r->outcome);
    if (out_early)
        fprintf(out, "; %zu of %zu were out before the end", out_early, r->outcome->count);
    if (r->outcome->runoff)
        fprintf(out, "\nThe second half was a run-off of the %zu that were ahead at half time",
                r->outcome->runoff);
    fputs("\n\n", out);
}

static unsigned count_equal(const struct outcome *o)
{
    unsigned count = 0;
    for (size_t i = 0; i < o->count; i++)
        count += o->standings[i].verdict == VERDICT_EQUAL;
    return count;
}

static void print_elements(const char *parent, const char *xml, FILE *out)
{
    if (!xml[0])
        return;
    fprintf(out, "  in %s:\n", parent);
    report_print_xml(xml, out);
}

/* Who could still be the best when the race ended without an answer. */
static void print_open(const struct outcome *o, FILE *out)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_string_append_printf(text, "%s it was open which is best:",
                           o->interrupted  ? "When it was interrupted"
                           : o->time_is_up ? "When the time was up"
                                           : "After these rounds");
    for (size_t i = 0; i < o->count; i++)
        if (o->standings[i].verdict == VERDICT_EQUAL)
            g_string_append_printf(text, "%s %s", i ? "," : "", o->standings[i].candidate->id);
    g_string_append_c(text, '.');
    report_print_wrapped(text->str, 0, out);
}

/* What it is to look like. */
static void print_configuration(const struct disk_config *c, FILE *out)
{
    cleanup_free char *driver = disk_config_driver_line(c);
    cleanup_free char *controller = disk_config_controller_lines(c);
    cleanup_free char *domain = disk_config_domain_lines(c);
    report_print_xml(driver, out);
    if (disk_config_has_controller(c))
        fprintf(out, "  <target dev='sda' bus='scsi'/>\n");
    print_elements("<devices>", controller, out);
    print_elements("<domain>", domain, out);
}

static void print_change(const struct tune_report *r, const struct candidate *c, FILE *out)
{
    cleanup_free char *needs = disk_needs_to_text(c->needs);
    cleanup_free char *image =
        r->current ? disk_config_convert_line(r->current, &c->config) : candidate_create_line(c);
    if (c->current) {
        fputs("there is nothing to change.\n", out);
        return;
    }
    fputc('\n', out);
    print_configuration(&c->config, out);
    if (image)
        fprintf(out, "  %s\n", image);
    if (needs[0])
        fprintf(out, "\nneeds: %s\n", needs);
    if (r->plan)
        fprintf(out, "\nPlan: %s\n", r->plan);
}

static void print_recommendation(const struct tune_report *r, FILE *out)
{
    const struct outcome *o = r->outcome;
    const struct standing *s = o->recommended;
    if (!s)
        return;
    unsigned equal = count_equal(o);
    if (o->best)
        fprintf(out, "\n%s is best:\n", s->candidate->id);
    else if (equal > 1 && o->settled)
        fprintf(out,
                "\nThe first %u are within %.3g %% of each other; of them\n%s changes least:\n",
                equal, r->margin * 100, s->candidate->id);
    else if (equal > 1) {
        fputc('\n', out);
        print_open(o, out);
        fprintf(out, "%s %s:\n", s->candidate->id,
                s->candidate->current ? "stays"
                : o->runoff           ? "is ahead in the run-off"
                                      : "has the largest figure");
    } else
        fprintf(out, "\n%s is the only one:\n", s->candidate->id);
    print_change(r, s->candidate, out);
}

/* The ids that are left out for this reason, as "id, id: reason"; NULL when `first` is not the
 * first of them. The caller frees. */
static char *left_out_line(GPtrArray *candidates, unsigned first)
{
    const struct candidate *c = candidates->pdata[first];
    g_autoptr(GString) line = g_string_new(c->id);
    for (unsigned i = 0; i < candidates->len; i++) {
        const struct candidate *other = candidates->pdata[i];
        if (i == first || !other->left_out || strcmp(other->left_out, c->left_out) != 0)
            continue;
        if (i < first)
            return NULL;
        g_string_append_printf(line, ", %s", other->id);
    }
    g_string_append_printf(line, ": %s", c->left_out);
    return g_string_free(g_steal_pointer(&line), FALSE);
}

static void print_left_out(GPtrArray *candidates, FILE *out)
{
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(free);
    for (unsigned i = 0; i < candidates->len; i++) {
        const struct candidate *c = candidates->pdata[i];
        char *line = c->left_out ? left_out_line(candidates, i) : NULL;
        if (line)
            g_ptr_array_add(lines, line);
    }
    report_print_list("Left out", lines, out);
}

static void print_failures(const struct outcome *o, FILE *out)
{
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(free);
    for (size_t i = 0; i < o->count; i++) {
        const struct standing *s = &o->standings[i];
        if (s->failure)
            g_ptr_array_add(lines, xasprintf("%s: %s", s->candidate->id, s->failure));
    }
    report_print_list("Failed, without a figure", lines, out);
}

void report_tune_text(const struct tune_report *r, FILE *out)
{
    char written[32];
    print_header(r, out);
    report_tune_table(r, out);
    print_recommendation(r, out);
    print_failures(r->outcome, out);
    print_left_out(r->candidates, out);
    report_print_list("Otherwise than fio would", r->notes, out);
    report_print_list("Read these figures with care", r->warnings, out);
    fprintf(out, "\nWritten to the disk: %s\n",
            text_format_size(r->written_bytes, written, sizeof(written)));
}
