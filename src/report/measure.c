/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/report.h"

#include <inttypes.h>

#include "base/memory.h"
#include "report/table.h"

static double seconds(uint64_t ns)
{
    return (double)ns / 1e9;
}

/* --- JSON ------------------------------------------------------------------------------------- */

static json_t *run_json(const struct figures *figures, const struct run_result *run)
{
    json_t *json = report_figures_json(figures);
    json_object_set_new(json, "requests", json_integer((json_int_t)run->requests));
    json_object_set_new(json, "bytes", json_integer((json_int_t)run->bytes));
    json_object_set_new(json, "seconds", json_real(seconds(run->elapsed_ns)));
    json_object_set_new(json, "sync_seconds", json_real(seconds(run->sync_ns)));
    return json;
}

static json_t *item_json(const struct measured *m)
{
    json_t *host = run_json(&m->figures, &m->run);
    if (m->syncs)
        json_object_set_new(host, "sync_latency_us", report_latency_json(&m->sync_latency));
    return host;
}

static json_t *items_json(const struct measure_report *r)
{
    json_t *all = json_array();
    for (size_t i = 0; i < r->count; i++)
        json_array_append_new(all, json_pack("{s:o, s:o}", "workload",
                                             workload_to_json(&r->items[i].work.workload), "host",
                                             item_json(&r->items[i])));
    return all;
}

json_t *report_measure_json(const struct measure_report *r)
{
    json_t *json = json_pack("{s:s, s:n, s:o, s:s, s:n, s:n, s:o, s:I}", "version", VERSION,
                             "accelerator", "directory", report_path_json(r->directory), "state",
                             r->fresh ? "fresh" : "rewrite", "guest", "share_of_host", "notes",
                             report_strings_json(r->notes), "written_bytes",
                             (json_int_t)r->written_bytes);
    json_object_set_new(json, "workload",
                        r->count == 1 ? workload_to_json(&r->items[0].work.workload) : json_null());
    json_object_set_new(json, "host",
                        r->count == 1 ? item_json(&r->items[0]) : run_json(&r->figures, &r->total));
    json_object_set_new(json, "workloads", items_json(r));
    json_object_set_new(json, "warnings", report_strings_json(r->warnings));
    return json;
}

/* --- Text ------------------------------------------------------------------------------------- */

static void print_latency(const char *of, const struct latency_us *l, FILE *out)
{
    fprintf(out, "  %s in µs: mean %.1f, p50 %.1f, p95 %.1f, p99 %.1f, p99.9 %.1f, max %.1f\n", of,
            l->mean, l->p50, l->p95, l->p99, l->p999, l->max);
}

static void print_one(const struct measure_report *r, const struct measured *m, FILE *out)
{
    cleanup_free char *work = report_workload_text(&m->work.workload, r->fresh);
    fprintf(out, "Work: %s\n\n", work);
    fprintf(out, "  %" PRIu64 " bytes in %.3f s, %.1f MB/s, %.0f IOPS\n", m->run.bytes,
            seconds(m->run.elapsed_ns), m->figures.mb_per_s, m->figures.iops);
    if (m->run.written_bytes)
        fprintf(out, "  then sync: %.3f s\n", seconds(m->run.sync_ns));
    print_latency("latency", &m->figures.latency, out);
    if (m->syncs)
        print_latency("sync after writes", &m->sync_latency, out);
}

static void print_row(struct table *t, const char *name, const char *what, const struct figures *f,
                      const struct latency_us *latency)
{
    table_cell(t, "%s%s", name[0] ? name : "work", what);
    table_cell(t, "%.1f", f->mb_per_s);
    table_cell(t, "%.0f", f->iops);
    table_cell(t, "%.1f", latency->mean);
    table_cell(t, "%.1f", latency->p50);
    table_cell(t, "%.1f", latency->p99);
    table_cell(t, "%.1f", latency->p999);
    table_cell(t, "%.0f", latency->max);
}

static void print_many(const struct measure_report *r, FILE *out)
{
    static const struct table_column columns[] = {
        {"work", false},   {"MB/s", true},   {"IOPS", true},     {"mean µs", true},
        {"p50 µs", true}, {"p99 µs", true}, {"p99.9 µs", true}, {"max µs", true},
    };
    for (size_t i = 0; i < r->count; i++) {
        const struct workload *w = &r->items[i].work.workload;
        cleanup_free char *work = report_workload_text(w, r->fresh);
        fprintf(out, "%s: %s\n", w->name[0] ? w->name : "work", work);
    }
    fputc('\n', out);
    cleanup_table struct table *t = table_new(columns, ARRAY_SIZE(columns));
    for (size_t i = 0; i < r->count; i++) {
        const struct measured *m = &r->items[i];
        print_row(t, m->work.workload.name, "", &m->figures, &m->figures.latency);
        if (m->syncs)
            print_row(t, m->work.workload.name, ", syncs", &m->figures, &m->sync_latency);
    }
    table_print(t, out);
}

void report_measure_text(const struct measure_report *r, FILE *out)
{
    fprintf(out, "The host's own disk, in %s\n", r->directory);
    if (r->count == 1)
        print_one(r, &r->items[0], out);
    else
        print_many(r, out);
    report_print_list("Otherwise than fio would", r->notes, out);
    report_print_list("Read these figures with care", r->warnings, out);
}
