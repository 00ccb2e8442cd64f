/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tune/slices.h"

#include "base/clock.h"
#include "base/json.h"

/* Bytes are known of the requests that counted; those of the ramp were as large on average. */
static void account(struct stage *s, const struct slice *slices, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct slice *slice = &slices[i];
        s->written_bytes += slice->written_bytes;
        if (slice->requests)
            s->sliced_bytes +=
                (uint64_t)((double)slice->bytes / (double)slice->requests * (double)slice->issued);
    }
}

int slices_on_host(struct stage *s, size_t lane, unsigned group, const struct budget *budget,
                   struct slice *ret, struct error **err)
{
    unsigned works;
    suite_group(s->options->suite, group, &works);
    if (sites_run(s->sites, (size_t)s->lanes[lane].number, group, budget, ret, err) < 0)
        return -1;
    account(s, ret, works);
    return 0;
}

/* A request takes a tenth of that on the slowest disk there is. */
#define SLOWEST_REQUEST_NS (NS_PER_SECOND / 4)

/* What the requests of a slice take by their rate, those included that fill the queue. */
static uint64_t paced_ns(const struct workload *w, const struct budget *b)
{
    uint64_t counted = MAX(b->min_requests, b->sample);
    return w->rate_iops ? (counted + b->ramp + w->depth) * NS_PER_SECOND / w->rate_iops : 0;
}

uint64_t slices_patience(const struct work *works, unsigned count, size_t slices,
                         const struct budget *b)
{
    uint64_t each = MAX(100 * b->duration_ns + NS_PER_SECOND, b->sample * SLOWEST_REQUEST_NS);
    for (unsigned i = 0; i < count; i++)
        each = MAX(each, 2 * paced_ns(&works[i].workload, b));
    return 30 * NS_PER_SECOND + slices * each;
}

/* Reads [[slice, …], …]: `count` disks with `works` slices each. */
static int read_slices(json_t *all, size_t count, size_t works, struct slice *ret,
                       struct error **err)
{
    if (json_array_size(all) != count)
        return error_set(err, "the probe guest did not do what it was told");
    for (size_t i = 0; i < count; i++) {
        json_t *own = json_array_get(all, i);
        if (json_array_size(own) != works)
            return error_set(err, "the probe guest did not do what it was told");
        for (size_t k = 0; k < works; k++)
            if (slice_from_json(json_array_get(own, k), &ret[i * works + k], err) < 0)
                return -1;
    }
    return 0;
}

int slices_in_guest(struct stage *s, const size_t *lanes, size_t count, unsigned group,
                    const struct budget *budget, struct slice *ret, struct error **err)
{
    unsigned works;
    const struct work *group_works = suite_group(s->options->suite, group, &works);
    json_t *order = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(order, json_integer(s->lanes[lanes[i]].number));
    json_t *command = json_pack("{s:s, s:i, s:o, s:o}", "do", "run", "group", (int)group, "order",
                                order, "budget", budget_to_json(budget));
    cleanup_json json_t *reply =
        probe_request(s->probe, command, slices_patience(group_works, works, count, budget), err);
    if (!reply || read_slices(json_object_get(reply, "slices"), count, works, ret, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        if (!stage_lane_is_null(s, lanes[i]))
            account(s, &ret[i * works], works);
    return 0;
}

int slices_forget(struct stage *s, struct error **err)
{
    sites_clear_latencies(s->sites);
    cleanup_json json_t *reply =
        probe_request(s->probe, json_pack("{s:s}", "do", "forget"), 30 * NS_PER_SECOND, err);
    return reply ? 0 : -1;
}

int slices_latencies(struct stage *s, size_t lane, unsigned work, struct histogram *into,
                     struct error **err)
{
    const struct lane *l = &s->lanes[lane];
    if (l->candidate == LANE_HOST) {
        sites_add_latencies(s->sites, (size_t)l->number, work, into);
        return 0;
    }
    json_t *command =
        json_pack("{s:s, s:i, s:i}", "do", "latencies", "disk", l->number, "work", (int)work);
    cleanup_json json_t *reply = probe_request(s->probe, command, 30 * NS_PER_SECOND, err);
    return reply ? histogram_from_json(reply, into, err) : -1;
}
