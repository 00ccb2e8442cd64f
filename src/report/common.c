/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/report.h"

#include <math.h>

#include "base/memory.h"
#include "base/text.h"

json_t *report_number_json(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *report_figures_json(const struct figures *f)
{
    const struct latency_us *l = &f->latency;
    json_t *latency = json_pack("{s:f, s:f, s:f, s:f, s:f, s:f}", "mean", l->mean, "p50", l->p50,
                                "p95", l->p95, "p99", l->p99, "p999", l->p999, "max", l->max);
    return json_pack("{s:f, s:f, s:o}", "mb_per_s", f->mb_per_s, "iops", f->iops, "latency_us",
                     latency);
}

json_t *report_path_json(const char *path)
{
    g_autofree char *valid = g_utf8_make_valid(path, -1);
    return json_string(valid);
}

void report_print_wrapped(const char *text, int indent, FILE *out)
{
    const long columns = 96 - indent;
    g_auto(GStrv) words = g_strsplit(text, " ", -1);
    long used = 0;
    for (char **word = words; *word; word++) {
        long width = (long)g_utf8_strlen(*word, -1);
        if (used && used + 1 + width > columns) {
            fputc('\n', out);
            used = 0;
        }
        fprintf(out, "%*s%s", used ? 1 : indent, "", *word);
        used += width + (used ? 1 : 0);
    }
    fputc('\n', out);
}

char *report_workload_text(const struct workload *w, bool fresh)
{
    char block[32];
    text_format_size(w->block_bytes, block, sizeof(block));
    bool mix = w->read_percent > 0 && w->read_percent < 100;
    cleanup_free char *share = mix ? xasprintf(" (%u %% reads)", w->read_percent) : xstrdup("");
    const char *state = !workload_writes(w) ? "" : fresh ? ", first write" : ", rewrite";
    return xasprintf("%s%s %s, queue depth %u, O_DIRECT%s%s", workload_rw_name(w->rw), share, block,
                     w->depth, state, workload_writes(w) && w->zeros ? ", zeros" : "");
}

void report_print_json(json_t *json, FILE *out)
{
    json_dumpf(json, out, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    fputc('\n', out);
}
