/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/report.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "report/table.h"

/* --- JSON ------------------------------------------------------------------------------------- */

static json_t *share_json(const struct standing *s)
{
    return json_pack("{s:o, s:o, s:o, s:o}", "robust", report_number_json(s->share.value), "low",
                     report_number_json(s->share.low), "high", report_number_json(s->share.high),
                     "mean", report_number_json(s->mean_share));
}

static json_t *standing_json(const struct standing *s, size_t rounds)
{
    json_t *json = s->failure ? json_object() : report_figures_json(&s->figures);
    json_object_set_new(json, "id", json_string(s->candidate->id));
    json_object_set_new(json, "current", json_false());
    json_object_set_new(json, "disk", disk_config_to_json(&s->candidate->config));
    json_object_set_new(json, "effective", disk_config_to_json(&s->effective));
    json_object_set_new(json, "verdict", json_string(verdict_name(s->verdict)));
    json_object_set_new(json, "needs", json_array());
    if (s->failure) {
        json_object_set_new(json, "failure", json_string(s->failure));
        return json;
    }
    json_object_set_new(json, "rounds", json_integer((json_int_t)rounds));
    json_object_set_new(json, "requests", json_integer((json_int_t)s->figures.requests));
    json_object_set_new(json, "share_of_host", share_json(s));
    json_object_set_new(json, "vs_current", json_null());
    json_object_set_new(json, "cpu_us_per_io", report_number_json(s->cpu_us_per_io));
    json_object_set_new(json, "long_slices",
                        json_pack("{s:o, s:b}", "share_of_host", report_number_json(s->long_share),
                                  "disagrees", s->long_disagrees));
    json_object_set_new(json, "replica_spread", report_number_json(s->replica_spread));
    return json;
}

static json_t *standings_json(const struct outcome *o)
{
    json_t *all = json_array();
    for (size_t i = 0; i < o->count; i++)
        json_array_append_new(all, standing_json(&o->standings[i], o->rounds));
    return all;
}

static json_t *left_out_json(GPtrArray *candidates)
{
    json_t *all = json_array();
    for (unsigned i = 0; i < candidates->len; i++) {
        const struct candidate *c = candidates->pdata[i];
        if (c->left_out)
            json_array_append_new(all, json_pack("{s:s, s:s}", "id", c->id, "why", c->left_out));
    }
    return all;
}

static json_t *id_json(const struct standing *s)
{
    return s ? json_string(s->candidate->id) : json_null();
}

json_t *report_tune_json(const struct tune_report *r)
{
    json_t *host = report_figures_json(&r->outcome->host);
    json_object_set_new(host, "rounds", json_integer((json_int_t)r->outcome->rounds));
    json_object_set_new(host, "requests", json_integer((json_int_t)r->outcome->host.requests));
    json_t *workload = workload_to_json(r->workload);
    json_object_set_new(workload, "size_bytes", json_integer((json_int_t)r->size_bytes));
    json_object_set_new(workload, "state", json_string(r->fresh ? "fresh" : "rewrite"));

    json_t *json = json_pack("{s:s, s:s, s:s?, s:f, s:n, s:n, s:o}", "version", VERSION,
                             "accelerator", r->accelerator, "accelerator_note",
                             r->accelerator_note, "seconds", r->seconds, "domain", "disk",
                             "directory", report_path_json(r->directory));
    json_object_set_new(json, "workload", workload);
    json_object_set_new(json, "guest",
                        json_pack("{s:s, s:i}", "kernel", r->kernel, "vcpus", (int)r->vcpus));
    json_object_set_new(json, "slice_us", json_real((double)r->slice_ns / 1e3));
    json_object_set_new(json, "replicas", json_integer(r->replicas));
    json_object_set_new(json, "seed", json_integer((json_int_t)r->seed));
    json_object_set_new(json, "host", host);
    json_object_set_new(json, "candidates", standings_json(r->outcome));
    json_object_set_new(json, "left_out", left_out_json(r->candidates));
    json_object_set_new(json, "best", id_json(r->outcome->best));
    json_object_set_new(json, "recommended", id_json(r->outcome->recommended));
    json_object_set_new(json, "plan", json_null());
    json_object_set_new(json, "clock_drift", json_real(r->clock_drift));
    json_object_set_new(json, "warnings", report_strings_json(r->warnings));
    json_object_set_new(json, "written_bytes", json_integer((json_int_t)r->written_bytes));
    return json;
}

/* --- Text ------------------------------------------------------------------------------------- */

static void print_header(const struct tune_report *r, FILE *out)
{
    char size[32];
    cleanup_free char *work = report_workload_text(r->workload, r->fresh);
    fprintf(out, "Disk configurations for a VM whose images are in %s\n", r->directory);
    fprintf(out, "Work: %s, on %s a disk\n", work,
            text_format_size(r->size_bytes, size, sizeof(size)));
    fprintf(out, "Probe guest: Linux %s, %u vCPUs, %s\n", r->kernel, r->vcpus,
            strcmp(r->accelerator, "kvm") == 0 ? "KVM" : "TCG (emulated)");
    fprintf(out, "%zu rounds in %.0f s; each configuration on %u disk%s\n\n", r->outcome->rounds,
            r->seconds, r->replicas, r->replicas == 1 ? "" : "s");
}

static void host_row(struct table *t, const struct figures *host)
{
    table_cell(t, "host file");
    table_cell(t, "%.0f", host->mb_per_s);
    table_cell(t, "100");
    table_cell(t, "%s", "");
    table_cell(t, "%s", "");
    table_cell(t, "%.0f", host->latency.p99);
    table_cell(t, "%s", "");
    table_cell(t, "%s", "");
}

static void interval_cell(struct table *t, const struct interval *share)
{
    if (isfinite(share->low) && isfinite(share->high))
        table_cell(t, "%.1f–%.1f", share->low * 100, share->high * 100);
    else
        table_cell(t, "unknown");
}

static void standing_row(struct table *t, const struct standing *s)
{
    table_cell(t, "%s", s->candidate->id);
    if (s->failure) {
        for (int i = 0; i < 6; i++)
            table_cell(t, "%s", "");
        table_cell(t, "failed");
        return;
    }
    table_cell(t, "%.0f", s->figures.mb_per_s);
    table_cell(t, "%.1f", s->share.value * 100);
    interval_cell(t, &s->share);
    table_cell(t, "%.1f", s->mean_share * 100);
    table_cell(t, "%.0f", s->figures.latency.p99);
    if (isfinite(s->cpu_us_per_io))
        table_cell(t, "%.0f", s->cpu_us_per_io);
    else
        table_cell(t, "%s", "");
    table_cell(t, "%s", verdict_name(s->verdict));
}

static void print_table(const struct tune_report *r, FILE *out)
{
    static const struct table_column columns[] = {
        {"configuration", false}, {"MB/s", true},   {"host %", true}, {"95 % int.", true},
        {"mean %", true},           {"p99 µs", true}, {"CPU µs", true},  {"verdict", false},
    };
    cleanup_table struct table *t = table_new(columns, ARRAY_SIZE(columns));
    host_row(t, &r->outcome->host);
    for (size_t i = 0; i < r->outcome->count; i++)
        standing_row(t, &r->outcome->standings[i]);
    table_print(t, out);
    fputc('\n', out);
    report_print_wrapped("host %: share of the host's speed, robust mean over all rounds with its "
                         "interval; mean %: plain ratio of the MB/s, lower where there are stalls; "
                         "CPU: QEMU's, per request", 2, out);
}

static unsigned count_equal(const struct outcome *o)
{
    unsigned count = 0;
    for (size_t i = 0; i < o->count; i++)
        count += o->standings[i].verdict == VERDICT_EQUAL;
    return count;
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
    else if (equal > 1)
        fprintf(out, "\nThe first %u are equal as far as these rounds can tell; of them\n"
                     "%s changes least:\n", equal, s->candidate->id);
    else
        fprintf(out, "\n%s is the only one:\n", s->candidate->id);
    cleanup_free char *driver = disk_config_driver_line(&s->candidate->config);
    cleanup_free char *create = candidate_create_line(s->candidate);
    fprintf(out, "\n  %s\n", driver);
    if (s->candidate->config.iothread)
        fprintf(out, "  <iothreads>1</iothreads>, in <domain>\n");
    fprintf(out, "  %s\n", create);
}

/* The ids that are left out for this reason, as "id, id: reason"; NULL when `first` is not the first
 * of them. The caller frees. */
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

/* A heading before the first of some lines, and nothing where there is none. */
static void print_under(const char *heading, bool *printed, const char *line, FILE *out)
{
    if (!*printed)
        fprintf(out, "\n%s:\n", heading);
    *printed = true;
    report_print_wrapped(line, 2, out);
}

static void print_left_out(GPtrArray *candidates, FILE *out)
{
    bool printed = false;
    for (unsigned i = 0; i < candidates->len; i++) {
        const struct candidate *c = candidates->pdata[i];
        cleanup_free char *line = c->left_out ? left_out_line(candidates, i) : NULL;
        if (line)
            print_under("Left out", &printed, line, out);
    }
}

static void print_failures(const struct outcome *o, FILE *out)
{
    bool printed = false;
    for (size_t i = 0; i < o->count; i++) {
        const struct standing *s = &o->standings[i];
        if (!s->failure)
            continue;
        cleanup_free char *line = xasprintf("%s: %s", s->candidate->id, s->failure);
        print_under("Failed, without a figure", &printed, line, out);
    }
}

void report_tune_text(const struct tune_report *r, FILE *out)
{
    char written[32];
    print_header(r, out);
    print_table(r, out);
    print_recommendation(r, out);
    print_failures(r->outcome, out);
    print_left_out(r->candidates, out);
    report_print_list("Read these figures with care", r->warnings, out);
    fprintf(out, "\nWritten to the disk: %s\n",
            text_format_size(r->written_bytes, written, sizeof(written)));
}
