/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "domain/needs.h"
#include "report/report.h"

#include "base/memory.h"

static json_t *interval_json(const char *name, const struct interval *i)
{
    return json_pack("{s:o, s:o, s:o}", name, report_number_json(i->value), "low",
                     report_number_json(i->low), "high", report_number_json(i->high));
}

static json_t *share_json(const struct standing *s)
{
    json_t *json = interval_json("robust", &s->share);
    json_object_set_new(json, "mean", report_number_json(s->mean_share));
    return json;
}

/* What each work came to; the shares are the candidate's alone. */
static json_t *parts_json(const struct tune_report *r, const struct part *parts, bool shares)
{
    json_t *all = json_array();
    for (size_t k = 0; k < r->outcome->part_count; k++) {
        const struct part *p = &parts[k];
        json_t *json = report_figures_json(&p->figures);
        json_object_set_new(json, "name", json_string(r->suite->works[k].workload.name));
        json_object_set_new(json, "requests", json_integer((json_int_t)p->figures.requests));
        if (shares)
            json_object_set_new(json, "share_of_host", interval_json("robust", &p->share));
        json_array_append_new(all, json);
    }
    return all;
}

static json_t *standing_json(const struct tune_report *r, const struct standing *s)
{
    json_t *json = s->failure ? json_object() : report_figures_json(&s->figures);
    json_object_set_new(json, "id", json_string(s->candidate->id));
    json_object_set_new(json, "current", json_boolean(s->candidate->current));
    json_object_set_new(json, "disk", disk_config_to_json(&s->candidate->config));
    json_object_set_new(json, "effective", disk_config_to_json(&s->effective));
    json_object_set_new(json, "verdict", json_string(verdict_name(s->verdict)));
    json_object_set_new(json, "needs", disk_needs_to_json(s->candidate->needs));
    if (s->failure) {
        json_object_set_new(json, "failure", report_path_json(s->failure));
        return json;
    }
    json_object_set_new(json, "rounds", json_integer((json_int_t)s->rounds));
    json_object_set_new(json, "requests", json_integer((json_int_t)s->figures.requests));
    json_object_set_new(json, "share_of_host", share_json(s));
    if (!goal_is_throughput(&r->outcome->goal))
        json_object_set_new(json, "share_of_goal", interval_json("robust", &s->goal_share));
    json_object_set_new(json, "vs_current",
                        r->outcome->current ? interval_json("ratio", &s->vs_current) : json_null());
    json_object_set_new(json, "cpu_us_per_io", report_number_json(s->cpu_us_per_io));
    json_object_set_new(json, "p99_vs_host", report_number_json(s->p99_ratio));
    json_object_set_new(json, "pareto", json_boolean(s->front));
    json_object_set_new(json, "long_slices",
                        json_pack("{s:o, s:b}", "share_of_host", report_number_json(s->long_share),
                                  "disagrees", s->long_disagrees));
    json_object_set_new(json, "workloads", parts_json(r, s->parts, /* shares = */ true));
    json_object_set_new(json, "replica_spread", report_number_json(s->replica_spread));
    return json;
}

static json_t *standings_json(const struct tune_report *r)
{
    json_t *all = json_array();
    for (size_t i = 0; i < r->outcome->count; i++)
        json_array_append_new(all, standing_json(r, &r->outcome->standings[i]));
    return all;
}

static json_t *left_out_json(GPtrArray *candidates)
{
    json_t *all = json_array();
    for (unsigned i = 0; i < candidates->len; i++) {
        const struct candidate *c = candidates->pdata[i];
        if (c->left_out)
            json_array_append_new(
                all, json_pack("{s:s, s:o}", "id", c->id, "why", report_path_json(c->left_out)));
    }
    return all;
}

static json_t *id_json(const struct standing *s)
{
    return s ? json_string(s->candidate->id) : json_null();
}

static json_t *host_json(const struct tune_report *r)
{
    const struct outcome *o = r->outcome;
    json_t *host = report_figures_json(&o->host);
    json_object_set_new(host, "cpu_us_per_io", report_number_json(o->host_cpu_us_per_io));
    json_object_set_new(host, "rounds", json_integer((json_int_t)o->rounds));
    json_object_set_new(host, "requests", json_integer((json_int_t)o->host.requests));
    json_object_set_new(host, "workloads", parts_json(r, o->host_parts, /* shares = */ false));
    return host;
}

/* The work itself where there is one, the name of them all where there are several. */
static json_t *workload_json(const struct tune_report *r)
{
    json_t *json = r->suite->count == 1 ? workload_to_json(&r->suite->works[0].workload)
                                        : json_pack("{s:s}", "name", r->suite->name);
    json_object_set_new(json, "size_bytes", json_integer((json_int_t)r->size_bytes));
    json_object_set_new(json, "state", json_string(r->fresh ? "fresh" : "rewrite"));
    return json;
}

static json_t *workloads_json(const struct suite *suite)
{
    json_t *all = json_array();
    for (unsigned k = 0; k < suite->count; k++) {
        json_t *json = workload_to_json(&suite->works[k].workload);
        json_object_set_new(json, "weight", json_real(suite->works[k].weight));
        json_array_append_new(all, json);
    }
    return all;
}

static json_t *history_json(const struct tune_report *r)
{
    return r->prior ? json_pack("{s:o, s:o}", "prior", report_strings_json(r->prior), "from",
                                report_time_json(r->prior_time))
                    : json_null();
}

json_t *report_tune_json(const struct tune_report *r)
{
    json_t *json = json_pack(
        "{s:s, s:s, s:o, s:f, s:s?, s:s?, s:o}", "version", VERSION, "accelerator", r->accelerator,
        "accelerator_note", report_path_json(r->accelerator_note), "seconds", r->seconds, "domain",
        r->domain, "disk", r->disk, "directory", report_path_json(r->directory));
    cleanup_free char *goal = goal_text(&r->outcome->goal);
    json_object_set_new(json, "goal", json_string(goal));
    json_object_set_new(json, "workload", workload_json(r));
    json_object_set_new(json, "workloads", workloads_json(r->suite));
    json_object_set_new(json, "guest",
                        json_pack("{s:s, s:i}", "kernel", r->kernel, "vcpus", (int)r->vcpus));
    json_object_set_new(json, "guests", json_integer(r->guests));
    json_object_set_new(json, "slice_us", json_real((double)r->slice_ns / 1e3));
    json_object_set_new(json, "replicas", json_integer(r->replicas));
    json_object_set_new(json, "seed", json_integer((json_int_t)r->seed));
    json_object_set_new(json, "host", host_json(r));
    json_object_set_new(json, "candidates", standings_json(r));
    json_object_set_new(json, "left_out", left_out_json(r->candidates));
    json_object_set_new(json, "margin", report_number_json(r->margin));
    json_object_set_new(json, "settled", json_boolean(r->outcome->settled));
    json_object_set_new(json, "runoff", json_integer((json_int_t)r->outcome->runoff));
    json_object_set_new(json, "interrupted", json_boolean(r->outcome->interrupted));
    json_object_set_new(json, "history", history_json(r));
    json_object_set_new(json, "best", id_json(r->outcome->best));
    json_object_set_new(json, "recommended", id_json(r->outcome->recommended));
    json_object_set_new(json, "plan", report_path_json(r->plan));
    json_object_set_new(json, "clock_drift", json_real(r->clock_drift));
    json_object_set_new(json, "notes", report_strings_json(r->notes));
    json_object_set_new(json, "warnings", report_strings_json(r->warnings));
    json_object_set_new(json, "written_bytes", json_integer((json_int_t)r->written_bytes));
    return json;
}
