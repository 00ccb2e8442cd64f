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
