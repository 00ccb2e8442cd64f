/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <math.h>

#include "base/memory.h"
#include "report/live.h"
#include "report/report.h"
#include "report/threads.h"

static const char *const kind_names[LIVE_KINDS] = {"reads", "writes", "flushes"};

static json_t *figure_json(const struct live_figure *f)
{
    return json_pack("{s:o, s:o, s:o, s:o}", "per_second", report_number_json(f->per_second),
                     "mean_bytes", report_number_json(f->mean_bytes), "latency_us",
                     report_number_json(f->latency_us), "queue_depth",
                     report_number_json(f->depth));
}

static json_t *boundary_json(const char *kind, const struct live_boundary *b)
{
    json_t *json =
        json_pack("{s:s, s:o, s:o, s:o}", "boundary", kind, "name", report_path_json(b->name),
                  "why", report_path_json(b->why), "hint", report_path_json(b->hint));
    if (b->why)
        return json;
    json_object_set_new(json, "seconds", report_number_json(b->figures.seconds));
    for (int k = 0; k < LIVE_KINDS; k++)
        json_object_set_new(json, kind_names[k], figure_json(&b->figures.kinds[k]));
    json_object_set_new(json, "latency_us", report_number_json(b->figures.data.latency_us));
    json_object_set_new(json, "queue_depth", report_number_json(b->figures.depth));
    return json;
}

static json_t *device_json(const struct live_device *d)
{
    json_t *json = boundary_json("device", &d->at);
    json_object_set_new(json, "holds_image", json_boolean(d->holds));
    json_object_set_new(json, "requests_by_asked", report_number_json(d->times_requests));
    json_object_set_new(json, "bytes_by_asked", report_number_json(d->times_bytes));
    json_object_set_new(json, "others", json_boolean(d->is_busier));
    return json;
}

static json_t *boundaries_json(const struct live_disk *d)
{
    json_t *all = json_array();
    json_array_append_new(all, boundary_json("guest", &d->guest));
    json_array_append_new(all, boundary_json("qemu", &d->qemu));
    for (guint i = 0; i < d->devices->len; i++)
        json_array_append_new(all, device_json(d->devices->pdata[i]));
    return all;
}

static json_t *throttles_json(const GPtrArray *throttles)
{
    json_t *all = json_array();
    for (guint i = 0; i < throttles->len; i++) {
        const struct live_throttle *t = throttles->pdata[i];
        json_array_append_new(all, json_pack("{s:o, s:s, s:o, s:b, s:b}", "limit",
                                             report_path_json(t->limit), "whose", t->whose,
                                             "percent", report_number_json(t->percent), "bites",
                                             t->bites, "may_bite", t->may_bite));
    }
    return all;
}

static void add_layer(json_t *all, const char *name, double us, const char *how)
{
    if (isfinite(us))
        json_array_append_new(
            all, json_pack("{s:s, s:f, s:s, s:n}", "name", name, "us", us, "how", how, "remedy"));
}

static json_t *layers_json(const struct live_disk *d)
{
    const struct live_parts *p = &d->parts;
    json_t *all = json_array();
    add_layer(all, "guest side", p->guest_us, "guest's block layer, less QEMU");
    if (isfinite(p->device_us))
        add_layer(all, "QEMU", p->qemu_us, "QEMU, less the device");
    else
        add_layer(all, "QEMU and below", p->qemu_us, "QEMU");
    add_layer(all, "device", p->device_us, "the device, for reads and writes as QEMU had them");
    return all;
}

static json_t *percentiles_json(const struct live_disk *d)
{
    if (!d->has_percentiles)
        return json_null();
    json_t *all = json_object();
    for (int k = 0; k < LIVE_KINDS; k++) {
        const struct live_percentiles *p = &d->percentiles[k];
        json_object_set_new(
            all, kind_names[k],
            json_pack("{s:I, s:o, s:o, s:o, s:o}", "requests", (json_int_t)p->requests, "p50_us",
                      report_number_json(p->p50_us), "p95_us", report_number_json(p->p95_us),
                      "p99_us", report_number_json(p->p99_us), "p999_us",
                      report_number_json(p->p999_us)));
    }
    return all;
}

static json_t *disk_json(const struct live_disk *d)
{
    return json_pack("{s:s, s:o, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "target", d->target,
                     "source", report_path_json(d->source), "page_cache", d->is_cached, "throttles",
                     throttles_json(d->throttles), "boundaries", boundaries_json(d), "no_device",
                     report_path_json(d->no_device), "request_us",
                     report_number_json(d->parts.request_us), "layers", layers_json(d), "unknown",
                     report_strings_json(d->untold), "percentiles", percentiles_json(d));
}

json_t *report_live_json(const struct live_report *r)
{
    json_t *disks = json_array();
    for (guint i = 0; i < r->disks->len; i++)
        json_array_append_new(disks, disk_json(r->disks->pdata[i]));
    return json_pack("{s:s, s:s?, s:o, s:o, s:o, s:o, s:o}", "domain", r->domain, "accelerator",
                     r->accelerator, "seconds", report_number_json(r->seconds), "throttles",
                     throttles_json(r->throttles), "disks", disks, "threads",
                     report_threads_json(r->threads), "no_threads",
                     report_path_json(r->no_threads));
}
