/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "measure/suite.h"

#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "measure/protocol.h"

struct suite *suite_new(const char *name)
{
    struct suite *s = xcalloc(1, sizeof(*s));
    strncpy(s->name, name, sizeof(s->name) - 1);
    return s;
}

void suite_free(struct suite *s)
{
    if (!s)
        return;
    free(s->works);
    free(s);
}

unsigned suite_groups(const struct suite *s)
{
    return s->count ? s->works[s->count - 1].group + 1 : 0;
}

void suite_add(struct suite *s, const struct work *w, bool beside)
{
    unsigned groups = suite_groups(s);
    s->works = xreallocarray(s->works, s->count + 1, sizeof(*s->works));
    s->works[s->count] = *w;
    s->works[s->count++].group = beside && groups ? groups - 1 : groups;
}

const struct work *suite_group(const struct suite *s, unsigned group, unsigned *ret_count)
{
    unsigned first = 0, count = 0;
    while (first < s->count && s->works[first].group != group)
        first++;
    while (first + count < s->count && s->works[first + count].group == group)
        count++;
    *ret_count = count;
    return &s->works[first];
}

bool suite_writes(const struct suite *s)
{
    for (unsigned i = 0; i < s->count; i++)
        if (workload_writes(&s->works[i].workload))
            return true;
    return false;
}

uint64_t suite_file_bytes(const struct suite *s)
{
    uint64_t largest = 0, mib = UINT64_C(1) << 20;
    for (unsigned i = 0; i < s->count; i++)
        if (s->works[i].span_bytes > largest)
            largest = s->works[i].span_bytes;
    return largest > UINT64_MAX - mib ? UINT64_MAX / mib * mib : (largest + mib - 1) / mib * mib;
}

double suite_weight(const struct suite *s)
{
    double sum = 0;
    for (unsigned i = 0; i < s->count; i++)
        sum += s->works[i].weight;
    return sum;
}

/* --- JSON ------------------------------------------------------------------------------------- */

static json_t *work_to_json(const struct work *w)
{
    const struct run_bounds *b = &w->bounds;
    return json_pack("{s:o, s:I, s:i, s:{s:I, s:I, s:I, s:b}}", "workload",
                     workload_to_json(&w->workload), "span_bytes", (json_int_t)w->span_bytes,
                     "group", (int)w->group, "bounds", "bytes", (json_int_t)b->bytes, "duration_ns",
                     (json_int_t)b->duration_ns, "ramp_ns", (json_int_t)b->ramp_ns, "time_based",
                     b->time_based);
}

json_t *suite_to_json(const struct suite *s)
{
    json_t *all = json_array();
    for (unsigned i = 0; i < s->count; i++)
        json_array_append_new(all, work_to_json(&s->works[i]));
    return all;
}

static int work_from_json(json_t *json, struct work *ret, struct error **err)
{
    json_t *bounds = json_object_get(json, "bounds");
    struct work w = {.weight = 1};
    uint64_t group;
    if (workload_from_json(json_object_get(json, "workload"), &w.workload, err) < 0 ||
        protocol_get_u64(json, "span_bytes", &w.span_bytes, err) < 0 ||
        protocol_get_u64(json, "group", &group, err) < 0 ||
        protocol_get_u64(bounds, "bytes", &w.bounds.bytes, err) < 0 ||
        protocol_get_u64(bounds, "duration_ns", &w.bounds.duration_ns, err) < 0 ||
        protocol_get_u64(bounds, "ramp_ns", &w.bounds.ramp_ns, err) < 0)
        return -1;
    if (group >= SUITE_WORKS_MAX)
        return error_set(err, "a group beyond %d", SUITE_WORKS_MAX);
    w.bounds.time_based = json_is_true(json_object_get(bounds, "time_based"));
    w.group = (unsigned)group;
    *ret = w;
    return 0;
}

struct suite *suite_from_json(json_t *json, struct error **err)
{
    cleanup_suite struct suite *s = suite_new("");
    size_t i;
    json_t *value;
    if (json_array_size(json) == 0 || json_array_size(json) > SUITE_WORKS_MAX) {
        error_set(err, "no works, or too many");
        return NULL;
    }
    json_array_foreach (json, i, value) {
        struct work w;
        if (work_from_json(value, &w, err) < 0)
            return NULL;
        unsigned last = s->count ? s->works[s->count - 1].group : 0;
        if (w.group != last && w.group != suite_groups(s)) {
            error_set(err, "works of a group stand apart");
            return NULL;
        }
        suite_add(s, &w, s->count && w.group == last);
    }
    return TAKE_PTR(s);
}
