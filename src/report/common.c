/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/report.h"

#include <math.h>

#include "base/memory.h"
#include "base/text.h"

json_t *report_number_json(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *report_latency_json(const struct latency_us *l)
{
    return json_pack("{s:f, s:f, s:f, s:f, s:f, s:f}", "mean", l->mean, "p50", l->p50, "p95",
                     l->p95, "p99", l->p99, "p999", l->p999, "max", l->max);
}

json_t *report_figures_json(const struct figures *f)
{
    return json_pack("{s:f, s:f, s:o}", "mb_per_s", f->mb_per_s, "iops", f->iops, "latency_us",
                     report_latency_json(&f->latency));
}

json_t *report_time_json(int64_t time)
{
    g_autoptr(GDateTime) utc = g_date_time_new_from_unix_utc(time);
    g_autofree char *text = utc ? g_date_time_format(utc, "%Y-%m-%dT%H:%M:%SZ") : NULL;
    return text ? json_string(text) : json_null();
}

char *report_time_text(int64_t time, const char *format)
{
    g_autoptr(GDateTime) local = g_date_time_new_from_unix_local(time);
    return local ? g_date_time_format(local, format) : g_strdup("unknown");
}

json_t *report_strings_json(GPtrArray *strings)
{
    json_t *all = json_array();
    for (unsigned i = 0; i < strings->len; i++)
        json_array_append_new(all, report_path_json(strings->pdata[i]));
    return all;
}

json_t *report_path_json(const char *path)
{
    g_autofree char *valid = path ? g_utf8_make_valid(path, -1) : NULL;
    return valid ? json_string(valid) : json_null();
}

void report_print_wrapped_to(const char *text, int indent, int width, FILE *out)
{
    const long columns = width - indent;
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    g_auto(GStrv) words = g_strsplit(valid, " ", -1);
    long used = 0;
    for (char **word = words; *word; word++) {
        long length = (long)g_utf8_strlen(*word, -1);
        if (used && used + 1 + length > columns) {
            fputc('\n', out);
            used = 0;
        }
        fprintf(out, "%*s%s", used ? 1 : indent, "", *word);
        used += length + (used ? 1 : 0);
    }
    fputc('\n', out);
}

void report_print_wrapped(const char *text, int indent, FILE *out)
{
    report_print_wrapped_to(text, indent, 96, out);
}

void report_print_xml(const char *xml, FILE *out)
{
    g_auto(GStrv) lines = g_strsplit(xml, "\n", -1);
    for (char **line = lines; *line; line++)
        fprintf(out, "  %s\n", *line);
}

void report_print_list(const char *heading, GPtrArray *strings, FILE *out)
{
    if (strings->len)
        fprintf(out, "\n%s:\n", heading);
    for (guint i = 0; i < strings->len; i++)
        report_print_wrapped(strings->pdata[i], 2, out);
}

/* "64 KiB", "4 KiB to 64 KiB". */
static void append_sizes(GString *text, const struct workload *w)
{
    char largest[32], smallest[32];
    text_format_size(w->block_bytes, largest, sizeof(largest));
    text_format_size(workload_unit(w), smallest, sizeof(smallest));
    if (w->size_count)
        g_string_append_printf(text, "%s to ", smallest);
    g_string_append(text, largest);
}

char *report_workload_text(const struct workload *w, bool fresh)
{
    g_autoptr(GString) text = g_string_new(workload_rw_name(w->rw));
    if (w->read_percent > 0 && w->read_percent < 100)
        g_string_append_printf(text, " (%u %% reads)", w->read_percent);
    g_string_append_c(text, ' ');
    append_sizes(text, w);
    g_string_append_printf(text, ", queue depth %u", w->depth);
    if (w->jobs > 1)
        g_string_append_printf(text, ", %u jobs", w->jobs);
    if (w->zipf > 0)
        g_string_append_printf(text, ", zipf %g", w->zipf);
    if (w->rate_iops)
        g_string_append_printf(text, ", %u requests/s", w->rate_iops);
    if (w->sync_every == 1)
        g_string_append_printf(text, ", %s after each", w->datasync ? "fdatasync" : "fsync");
    else if (w->sync_every)
        g_string_append_printf(text, ", %s after %u", w->datasync ? "fdatasync" : "fsync",
                               w->sync_every);
    g_string_append(text, ", O_DIRECT");
    if (workload_writes(w))
        g_string_append_printf(text, "%s%s", fresh ? ", first write" : ", rewrite",
                               w->zeros ? ", zeros" : "");
    return g_string_free(g_steal_pointer(&text), FALSE);
}

void report_print_json(json_t *json, FILE *out)
{
    json_dumpf(json, out, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    fputc('\n', out);
}

char *report_us_text(double us)
{
    static const char *const units[] = {"µs", "ms", "s"};
    size_t unit = 0;
    for (; us >= 1000 && unit + 1 < ARRAY_SIZE(units); us /= 1000)
        unit++;
    return xasprintf(us < 10 ? "%.2f %s" : us < 100 ? "%.1f %s" : "%.0f %s", us, units[unit]);
}
