/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "measure/protocol.h"

#include <inttypes.h>
#include <string.h>

#include "base/memory.h"

int protocol_get_u64(json_t *json, const char *key, uint64_t *ret, struct error **err)
{
    json_t *value = json_object_get(json, key);
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return error_set(err, "no number '%s' in the message", key);
    *ret = (uint64_t)json_integer_value(value);
    return 0;
}

/* JSON's integers are signed here; "without limit" has to survive the way there and back. */
static json_int_t clamp(uint64_t value)
{
    return value > INT64_MAX ? INT64_MAX : (json_int_t)value;
}

json_t *budget_to_json(const struct budget *b)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I}", "duration_ns", clamp(b->duration_ns),
                     "min_requests", clamp(b->min_requests), "max_requests", clamp(b->max_requests),
                     "ramp", (json_int_t)b->ramp, "sample", (json_int_t)b->sample);
}

int budget_from_json(json_t *json, struct budget *ret, struct error **err)
{
    struct budget b = {0};
    uint64_t ramp, sample;
    if (protocol_get_u64(json, "duration_ns", &b.duration_ns, err) < 0 ||
        protocol_get_u64(json, "min_requests", &b.min_requests, err) < 0 ||
        protocol_get_u64(json, "max_requests", &b.max_requests, err) < 0 ||
        protocol_get_u64(json, "ramp", &ramp, err) < 0 ||
        protocol_get_u64(json, "sample", &sample, err) < 0)
        return -1;
    if (ramp > UINT32_MAX || sample > PROTOCOL_SAMPLE_MAX)
        return error_set(err, "a ramp of %" PRIu64 " requests, a sample of %" PRIu64, ramp, sample);
    b.ramp = (unsigned)ramp;
    b.sample = (unsigned)sample;
    *ret = b;
    return 0;
}

json_t *slice_to_json(const struct slice *s)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:b, s:I}", "requests", clamp(s->requests),
                     "issued", clamp(s->issued), "bytes", clamp(s->bytes), "elapsed_ns",
                     clamp(s->elapsed_ns), "written_bytes", clamp(s->written_bytes), "exhausted",
                     s->exhausted, "p99_ns", clamp(s->p99_ns));
}

int slice_from_json(json_t *json, struct slice *ret, struct error **err)
{
    struct slice s = {0};
    if (protocol_get_u64(json, "requests", &s.requests, err) < 0 ||
        protocol_get_u64(json, "issued", &s.issued, err) < 0 ||
        protocol_get_u64(json, "bytes", &s.bytes, err) < 0 ||
        protocol_get_u64(json, "elapsed_ns", &s.elapsed_ns, err) < 0 ||
        protocol_get_u64(json, "written_bytes", &s.written_bytes, err) < 0 ||
        protocol_get_u64(json, "p99_ns", &s.p99_ns, err) < 0)
        return -1;
    json_t *exhausted = json_object_get(json, "exhausted");
    if (!json_is_boolean(exhausted))
        return error_set(err, "no 'exhausted' in the message");
    s.exhausted = json_is_true(exhausted);
    if (s.requests > s.issued || (s.requests && !s.elapsed_ns))
        return error_set(err, "a slice whose figures contradict each other");
    *ret = s;
    return 0;
}

json_t *hello_to_json(const struct hello *h)
{
    json_t *disks = json_array();
    for (size_t i = 0; i < h->disk_count; i++)
        json_array_append_new(disks, json_pack("{s:s, s:I}", "serial", h->disks[i].serial, "bytes",
                                               clamp(h->disks[i].bytes)));
    return json_pack("{s:s, s:i, s:s, s:s, s:I, s:o}", "event", "hello", "protocol",
                     PROTOCOL_VERSION, "kernel", h->kernel, "clocksource", h->clocksource, "vcpus",
                     (json_int_t)h->vcpus, "disks", disks);
}

static int hello_disk_from_json(json_t *json, struct hello_disk *ret, struct error **err)
{
    const char *serial = json_string_value(json_object_get(json, "serial"));
    if (!serial || strlen(serial) >= sizeof(ret->serial))
        return error_set(err, "a disk in the hello message has no usable serial");
    strcpy(ret->serial, serial);
    return protocol_get_u64(json, "bytes", &ret->bytes, err);
}

int hello_from_json(json_t *json, struct hello *ret, struct error **err)
{
    const char *event, *kernel, *clocksource;
    json_int_t version, vcpus;
    json_t *disks;
    if (json_unpack(json, "{s:s, s:I, s:s, s:s, s:I, s:o}", "event", &event, "protocol", &version,
                    "kernel", &kernel, "clocksource", &clocksource, "vcpus", &vcpus, "disks",
                    &disks) < 0 ||
        strcmp(event, "hello") != 0)
        return error_set(err, "not a hello message");
    if (version != PROTOCOL_VERSION)
        return error_set(err, "the guest speaks protocol %lld, not %d", (long long)version,
                         PROTOCOL_VERSION);
    if (vcpus < 1 || vcpus > 4096 || !json_is_array(disks) ||
        json_array_size(disks) > PROTOCOL_DISKS_MAX)
        return error_set(err, "not a hello message");

    struct hello h = {.vcpus = (unsigned)vcpus, .disk_count = json_array_size(disks)};
    h.disks = xcalloc(h.disk_count, sizeof(*h.disks));
    for (size_t i = 0; i < h.disk_count; i++) {
        if (hello_disk_from_json(json_array_get(disks, i), &h.disks[i], err) < 0) {
            hello_done(&h);
            return -1;
        }
    }
    h.kernel = xstrdup(kernel);
    h.clocksource = xstrdup(clocksource);
    *ret = h;
    return 0;
}

void hello_done(struct hello *h)
{
    free(h->kernel);
    free(h->clocksource);
    free(h->disks);
    *h = (struct hello){0};
}
