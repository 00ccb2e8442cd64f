/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz-protocol.c - a message from the guest, or for it, is refused, or is what it says: every
 * number is that of the message, within its bounds, and the same after another journey.
 */
#undef NDEBUG
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/json.h"
#include "../unit/work.h"
#include "measure/protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Fails unless the message has this number at `key`. */
static void check_number(json_t *json, const char *key, uint64_t value)
{
    json_t *number = json_object_get(json, key);
    assert(json_is_integer(number) && json_integer_value(number) >= 0);
    assert((uint64_t)json_integer_value(number) == value);
}

static void check_slice(json_t *json)
{
    struct slice s, back;
    cleanup_error struct error *err = NULL;
    int result = slice_from_json(json, &s, &err);
    assert((result < 0) == !!err);
    if (result < 0)
        return;
    check_number(json, "requests", s.requests);
    check_number(json, "issued", s.issued);
    check_number(json, "bytes", s.bytes);
    check_number(json, "elapsed_ns", s.elapsed_ns);
    check_number(json, "written_bytes", s.written_bytes);
    check_number(json, "p99_ns", s.p99_ns);
    cleanup_json json_t *again = slice_to_json(&s);
    assert(slice_from_json(again, &back, NULL) == 0);
    assert(back.requests == s.requests && back.issued == s.issued && back.bytes == s.bytes &&
           back.elapsed_ns == s.elapsed_ns && back.written_bytes == s.written_bytes &&
           back.exhausted == s.exhausted && back.p99_ns == s.p99_ns);
}

static void check_budget(json_t *json)
{
    struct budget b;
    cleanup_error struct error *err = NULL;
    int result = budget_from_json(json, &b, &err);
    assert((result < 0) == !!err);
    if (result < 0)
        return;
    check_number(json, "duration_ns", b.duration_ns);
    check_number(json, "min_requests", b.min_requests);
    check_number(json, "max_requests", b.max_requests);
    check_number(json, "ramp", b.ramp);
    check_number(json, "sample", b.sample);
}

static void check_sizes(json_t *sizes, const struct workload *w)
{
    unsigned percent = 0;
    assert(json_array_size(sizes) == w->size_count);
    for (unsigned i = 0; i < w->size_count; i++) {
        check_number(json_array_get(sizes, i), "bytes", w->sizes[i].bytes);
        check_number(json_array_get(sizes, i), "percent", w->sizes[i].percent);
        assert(w->sizes[i].bytes <= w->block_bytes && w->sizes[i].bytes % workload_unit(w) == 0);
        percent += w->sizes[i].percent;
    }
    assert(percent == (w->size_count ? 100 : 0));
}

static void check_workload(json_t *json)
{
    struct workload w, back;
    cleanup_error struct error *err = NULL;
    int result = workload_from_json(json, &w, &err);
    assert((result < 0) == !!err);
    if (result < 0)
        return;
    assert(w.rw < WORKLOAD_RW_MAX && workload_check(&w, NULL) == 0);
    assert(workload_reads(&w) || workload_writes(&w));
    assert(strcmp(w.name, json_string_value(json_object_get(json, "name"))) == 0);
    check_number(json, "block_bytes", w.block_bytes);
    check_number(json, "depth", w.depth);
    check_number(json, "jobs", w.jobs);
    check_number(json, "read_percent", w.read_percent);
    check_number(json, "rate_iops", w.rate_iops);
    check_number(json, "sync_every", w.sync_every);
    assert(json_number_value(json_object_get(json, "zipf")) == w.zipf);
    check_sizes(json_object_get(json, "sizes"), &w);
    cleanup_json json_t *again = workload_to_json(&w);
    assert(workload_from_json(again, &back, NULL) == 0);
    assert(work_same(&back, &w));
}

static void check_same_hello(const struct hello *a, const struct hello *b)
{
    assert(strcmp(a->kernel, b->kernel) == 0 && strcmp(a->clocksource, b->clocksource) == 0);
    assert(a->vcpus == b->vcpus && a->disk_count == b->disk_count);
    for (size_t i = 0; i < a->disk_count; i++) {
        assert(strcmp(a->disks[i].serial, b->disks[i].serial) == 0);
        assert(a->disks[i].bytes == b->disks[i].bytes);
    }
}

static void check_hello(json_t *json)
{
    struct hello h, back;
    cleanup_error struct error *err = NULL;
    int result = hello_from_json(json, &h, &err);
    assert((result < 0) == !!err);
    if (result < 0)
        return;
    check_number(json, "protocol", PROTOCOL_VERSION);
    check_number(json, "vcpus", h.vcpus);
    assert(json_is_array(json_object_get(json, "disks")));
    assert(h.disk_count <= PROTOCOL_DISKS_MAX && h.vcpus >= 1);
    for (size_t i = 0; i < h.disk_count; i++)
        assert(memchr(h.disks[i].serial, '\0', sizeof(h.disks[i].serial)));
    cleanup_json json_t *again = hello_to_json(&h);
    assert(hello_from_json(again, &back, NULL) == 0);
    check_same_hello(&h, &back);
    hello_done(&h);
    hello_done(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct histogram latencies;
    cleanup_json json_t *json = json_loadb((const char *)data, size, JSON_DECODE_ANY, NULL);
    if (!json)
        return 0;
    check_slice(json);
    check_budget(json);
    check_workload(json);
    check_hello(json);
    /* fuzz-histogram looks closer. */
    histogram_from_json(json, &latencies, NULL);
    return 0;
}
