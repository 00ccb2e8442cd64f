/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/report.h"

#include <inttypes.h>

#include "base/memory.h"

static double seconds(uint64_t ns)
{
    return (double)ns / 1e9;
}

json_t *report_measure_json(const struct measure_report *r)
{
    json_t *host = report_figures_json(&r->figures);
    json_object_set_new(host, "requests", json_integer((json_int_t)r->run.requests));
    json_object_set_new(host, "bytes", json_integer((json_int_t)r->run.bytes));
    json_object_set_new(host, "seconds", json_real(seconds(r->run.elapsed_ns)));
    json_object_set_new(host, "sync_seconds", json_real(seconds(r->run.sync_ns)));
    return json_pack("{s:s, s:n, s:o, s:o, s:s, s:o, s:n, s:n, s:I}", "version", VERSION,
                     "accelerator", "directory", report_path_json(r->directory), "workload",
                     workload_to_json(r->workload), "state", r->fresh ? "fresh" : "rewrite", "host",
                     host, "guest", "share_of_host", "written_bytes",
                     (json_int_t)r->written_bytes);
}

void report_measure_text(const struct measure_report *r, FILE *out)
{
    const struct latency_us *l = &r->figures.latency;
    cleanup_free char *work = report_workload_text(r->workload, r->fresh);
    fprintf(out, "The host's own disk, in %s\n", r->directory);
    fprintf(out, "Work: %s\n\n", work);
    fprintf(out, "  %" PRIu64 " bytes in %.3f s, %.1f MB/s, %.0f IOPS\n", r->run.bytes,
            seconds(r->run.elapsed_ns), r->figures.mb_per_s, r->figures.iops);
    if (r->run.written_bytes)
        fprintf(out, "  then sync: %.3f s\n", seconds(r->run.sync_ns));
    fprintf(out,
            "  latency in µs: mean %.1f, p50 %.1f, p95 %.1f, p99 %.1f, p99.9 %.1f, max %.1f\n",
            l->mean, l->p50, l->p95, l->p99, l->p999, l->max);
}
