/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/report.h"

#include <inttypes.h>
#include <string.h>

#include "base/memory.h"
#include "report/table.h"

static double seconds(uint64_t ns)
{
    return (double)ns / 1e9;
}

/* --- The data --------------------------------------------------------------------------------- */

void measured_set_add(struct measured_set *s, const struct measured *item)
{
    s->items = xreallocarray(s->items, s->count + 1, sizeof(*s->items));
    s->items[s->count++] = *item;
}

void measured_guest_done(struct measured_guest *g)
{
    free(g->disk);
    free(g->kernel);
    *g = (struct measured_guest){0};
}

void measure_report_done(struct measure_report *r)
{
    struct measured_set *sets[] = {&r->set, &r->first_writes};
    for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
        free(sets[i]->items);
        free(sets[i]->latencies);
    }
    measured_guest_done(&r->guest);
}

/* What a row is of: a work that only reads is neither. */
static const char *state_of(const struct measured *m)
{
    return !workload_writes(&m->work.workload) ? "read" : m->fresh ? "fresh" : "rewrite";
}

/* --- JSON ------------------------------------------------------------------------------------- */

/* Figures, with what a whole run has besides. */
static json_t *run_json(const struct figures *figures, const struct run_result *run)
{
    json_t *json = report_figures_json(figures);
    json_object_set_new(json, "requests", json_integer((json_int_t)figures->requests));
    if (!run->elapsed_ns)
        return json;
    json_object_set_new(json, "bytes", json_integer((json_int_t)run->bytes));
    json_object_set_new(json, "seconds", json_real(seconds(run->elapsed_ns)));
    json_object_set_new(json, "sync_seconds", json_real(seconds(run->sync_ns)));
    return json;
}

static json_t *host_json(const struct measured *m)
{
    json_t *host = run_json(&m->host, &m->run);
    if (m->syncs)
        json_object_set_new(host, "sync_latency_us", report_latency_json(&m->sync_latency));
    return host;
}

static json_t *guest_json(const struct measure_report *r, const struct figures *figures)
{
    if (!r->guest.disk || !figures->requests)
        return json_null();
    json_t *json = run_json(figures, &(struct run_result){0});
    json_object_set_new(json, "where", json_string("probe"));
    json_object_set_new(json, "disk", json_string(r->guest.disk));
    json_object_set_new(json, "kernel", json_string(r->guest.kernel));
    json_object_set_new(json, "vcpus", json_integer(r->guest.vcpus));
    return json;
}

static json_t *share_json(const struct measure_report *r, const struct interval *share)
{
    return r->guest.disk && share->value > 0
               ? json_pack("{s:o, s:o, s:o}", "robust", report_number_json(share->value), "low",
                           report_number_json(share->low), "high", report_number_json(share->high))
               : json_null();
}

static json_t *items_json(const struct measure_report *r, const struct measured_set *set)
{
    json_t *all = json_array();
    for (size_t i = 0; i < set->count; i++) {
        const struct measured *m = &set->items[i];
        json_array_append_new(all,
                              json_pack("{s:o, s:s, s:o, s:o, s:o}", "workload",
                                        workload_to_json(&m->work.workload), "state", state_of(m),
                                        "host", host_json(m), "guest", guest_json(r, &m->guest),
                                        "share_of_host", share_json(r, &m->share)));
    }
    return all;
}

json_t *report_measure_json(const struct measure_report *r)
{
    const struct measured_set *set = &r->set;
    const struct measured *only = set->count == 1 ? &set->items[0] : NULL;
    json_t *json = json_pack("{s:s, s:s?, s:o, s:s}", "version", VERSION, "accelerator",
                             r->guest.accelerator, "directory", report_path_json(r->directory),
                             "state", r->fresh ? "fresh" : "rewrite");
    json_object_set_new(json, "workload",
                        only ? workload_to_json(&only->work.workload) : json_null());
    json_object_set_new(json, "host", only ? host_json(only) : run_json(&set->host, &set->total));
    json_object_set_new(json, "guest", guest_json(r, only ? &only->guest : &set->guest));
    json_object_set_new(json, "share_of_host", share_json(r, only ? &only->share : &set->share));
    json_object_set_new(json, "workloads", items_json(r, set));
    json_object_set_new(json, "first_writes", items_json(r, &r->first_writes));
    json_object_set_new(json, "notes", report_strings_json(r->notes));
    json_object_set_new(json, "warnings", report_strings_json(r->warnings));
    json_object_set_new(
        json, "written_bytes",
        json_integer((json_int_t)(set->written_bytes + r->first_writes.written_bytes)));
    return json;
}

/* --- Text ------------------------------------------------------------------------------------- */

static void print_latency(const char *of, const struct latency_us *l, FILE *out)
{
    fprintf(out, "  %s in µs: mean %.1f, p50 %.1f, p95 %.1f, p99 %.1f, p99.9 %.1f, max %.1f\n", of,
            l->mean, l->p50, l->p95, l->p99, l->p999, l->max);
}

static void print_one(const struct measured *m, FILE *out)
{
    cleanup_free char *work = report_workload_text(&m->work.workload, m->fresh);
    fprintf(out, "Work: %s\n\n", work);
    fprintf(out, "  %" PRIu64 " bytes in %.3f s, %.1f MB/s, %.0f IOPS\n", m->run.bytes,
            seconds(m->run.elapsed_ns), m->host.mb_per_s, m->host.iops);
    if (m->run.written_bytes)
        fprintf(out, "  then sync: %.3f s\n", seconds(m->run.sync_ns));
    print_latency("latency", &m->host.latency, out);
    if (m->syncs)
        print_latency("sync after writes", &m->sync_latency, out);
}

/* "dd, first write"; the caller frees. */
static char *row_name(const struct measured *m)
{
    const char *name = m->work.workload.name[0] ? m->work.workload.name : "work";
    const char *state = state_of(m);
    return xasprintf("%s%s", name,
                     strcmp(state, "fresh") == 0     ? ", first write"
                     : strcmp(state, "rewrite") == 0 ? ", rewrite"
                                                     : "");
}

static void latency_cells(struct table *t, const struct latency_us *l)
{
    table_cell(t, "%.1f", l->mean);
    table_cell(t, "%.1f", l->p50);
    table_cell(t, "%.1f", l->p99);
    table_cell(t, "%.1f", l->p999);
}

static void figures_cells(struct table *t, const struct figures *f)
{
    table_cell(t, "%.1f", f->mb_per_s);
    table_cell(t, "%.0f", f->iops);
    latency_cells(t, &f->latency);
}

static void host_rows(struct table *t, const struct measured *m)
{
    cleanup_free char *name = row_name(m);
    table_cell(t, "%s", name);
    figures_cells(t, &m->host);
    table_cell(t, "%.0f", m->host.latency.max);
    if (!m->syncs)
        return;
    table_cell(t, "%s, syncs", name);
    table_cell(t, "%s", "");
    table_cell(t, "%s", "");
    latency_cells(t, &m->sync_latency);
    table_cell(t, "%.0f", m->sync_latency.max);
}

static void guest_rows(struct table *t, const struct measured *m)
{
    cleanup_free char *name = row_name(m);
    table_cell(t, "%s", name);
    table_cell(t, "host");
    figures_cells(t, &m->host);
    table_cell(t, "100");
    table_cell(t, "%s", "");
    table_cell(t, "%s", "");
    table_cell(t, "guest");
    figures_cells(t, &m->guest);
    table_cell(t, "%.1f", m->share.value * 100);
    table_cell(t, "%.1f–%.1f", m->share.low * 100, m->share.high * 100);
}

#define FIGURES                                                                                    \
    {"MB/s", true}, {"IOPS", true}, {"mean µs", true}, {"p50 µs", true}, {"p99 µs", true},         \
    {                                                                                              \
        "p99.9 µs", true                                                                           \
    }

static const struct table_column host_columns[] = {{"work", false}, FIGURES, {"max µs", true}};
static const struct table_column guest_columns[] = {
    {"work", false}, {"in", false}, FIGURES, {"host %", true}, {"95 % int.", true}};

static void print_works(const struct measured_set *set, FILE *out)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct measured *m = &set->items[i];
        cleanup_free char *name = row_name(m);
        cleanup_free char *work = report_workload_text(&m->work.workload, m->fresh);
        fprintf(out, "%s: %s\n", name, work);
    }
}

static void add_rows(struct table *t, const struct measured_set *set, bool guest)
{
    for (size_t i = 0; i < set->count; i++)
        guest ? guest_rows(t, &set->items[i]) : host_rows(t, &set->items[i]);
}

static void print_many(const struct measure_report *r, FILE *out)
{
    bool guest = r->guest.disk;
    print_works(&r->set, out);
    print_works(&r->first_writes, out);
    fputc('\n', out);
    cleanup_table struct table *t = guest ? table_new(guest_columns, ARRAY_SIZE(guest_columns))
                                          : table_new(host_columns, ARRAY_SIZE(host_columns));
    add_rows(t, &r->set, guest);
    add_rows(t, &r->first_writes, guest);
    table_print(t, out);
}

static void print_head(const struct measure_report *r, FILE *out)
{
    const struct measured_guest *g = &r->guest;
    if (!g->disk) {
        fprintf(out, "The host's own disk, in %s\n", r->directory);
        return;
    }
    fprintf(out, "The host's own disk and that of a guest, in %s\n", r->directory);
    fprintf(out, "Guest: %s, Linux %s, %u vCPU%s, %s\n", g->disk, g->kernel, g->vcpus,
            g->vcpus == 1 ? "" : "s",
            strcmp(g->accelerator, "kvm") == 0 ? "KVM" : "TCG (emulated)");
}

void report_measure_text(const struct measure_report *r, FILE *out)
{
    print_head(r, out);
    if (r->set.count > 1 || r->guest.disk) {
        print_many(r, out);
    } else {
        print_one(&r->set.items[0], out);
        if (r->first_writes.count)
            fputc('\n', out);
        if (r->first_writes.count)
            print_one(&r->first_writes.items[0], out);
    }
    report_print_list("Otherwise than fio would", r->notes, out);
    report_print_list("Read these figures with care", r->warnings, out);
}
