/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-live.c - readings become figures, figures parts of a request; what kernels, agents and QEMU
 * print is understood.
 */
#undef NDEBUG
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/memory.h"
#include "explain/live.h"
#include "explain/live_device.h"
#include "explain/live_histogram.h"

static void check_close(const char *what, double value, double expected)
{
    bool equal = (isnan(value) && isnan(expected)) ||
                 fabs(value - expected) <= 1e-6 * fmax(1, fabs(expected));
    if (!equal)
        fail_msg("%s: %.12g instead of %.12g", what, value, expected);
}

/* --- Differences ------------------------------------------------------------------------------ */

/* Ten seconds in which 1000 reads of 4 KiB took 2 ms each, 500 writes of 64 KiB 10 ms, 10 flushes
 * 50 ms. */
static const struct live_counts before = {
    .at_ns = 5 * NS_PER_SECOND,
    .requests = {7, 8, 9},
    .bytes = {1 << 20, 1 << 21, 0},
    .time_ns = {100, 200, 300},
};

static struct live_counts later(uint64_t reads, uint64_t read_us, uint64_t writes,
                                uint64_t write_us)
{
    struct live_counts c = before;
    c.at_ns += 10 * NS_PER_SECOND;
    c.requests[LIVE_READ] += reads;
    c.bytes[LIVE_READ] += reads * 4096;
    c.time_ns[LIVE_READ] += reads * read_us * 1000;
    c.requests[LIVE_WRITE] += writes;
    c.bytes[LIVE_WRITE] += writes * 65536;
    c.time_ns[LIVE_WRITE] += writes * write_us * 1000;
    return c;
}

static void test_figures(void **state)
{
    (void)state;
    struct live_counts after = later(1000, 2000, 500, 10000);
    after.requests[LIVE_FLUSH] += 10;
    after.time_ns[LIVE_FLUSH] += 10 * 50 * NS_PER_MS;
    struct live_figures f;
    assert_int_equal(live_difference(&before, &after, LIVE_CLOCK_QEMU_NS, &f), 0);
    check_close("seconds", f.seconds, 10);
    check_close("reads", f.kinds[LIVE_READ].per_second, 100);
    check_close("size of reads", f.kinds[LIVE_READ].mean_bytes, 4096);
    check_close("latency of reads", f.kinds[LIVE_READ].latency_us, 2000);
    check_close("depth of reads", f.kinds[LIVE_READ].depth, 0.2);
    check_close("writes", f.kinds[LIVE_WRITE].per_second, 50);
    check_close("latency of writes", f.kinds[LIVE_WRITE].latency_us, 10000);
    check_close("depth of writes", f.kinds[LIVE_WRITE].depth, 0.5);
    check_close("flushes", f.kinds[LIVE_FLUSH].per_second, 1);
    check_close("latency of flushes", f.kinds[LIVE_FLUSH].latency_us, 50000);
    check_close("data", f.data.per_second, 150);
    check_close("latency of data", f.data.latency_us, 7000 / 1.5);
    check_close("depth", f.depth, 0.2 + 0.5 + 0.05);
}

/* The kernel's time of a flush is in that of its write: two of 200 ms with flushes of 150 ms. */
static void test_flushes_of_kernel(void **state)
{
    (void)state;
    struct live_counts after = later(0, 0, 2, 200000);
    after.requests[LIVE_FLUSH] += 2;
    after.time_ns[LIVE_FLUSH] += 2 * 150 * NS_PER_MS;
    struct live_figures f;
    assert_int_equal(live_difference(&before, &after, LIVE_CLOCK_KERNEL_NS, &f), 0);
    check_close("latency of flushes", f.kinds[LIVE_FLUSH].latency_us, 150000);
    check_close("depth of flushes", f.kinds[LIVE_FLUSH].depth, 0.03);
    check_close("depth", f.depth, 0.04);
}

static void test_nothing(void **state)
{
    (void)state;
    struct live_counts after = later(0, 0, 0, 0);
    struct live_figures f;
    assert_int_equal(live_difference(&before, &after, LIVE_CLOCK_QEMU_NS, &f), 0);
    check_close("requests", f.data.per_second, 0);
    check_close("size", f.data.mean_bytes, NAN);
    check_close("latency", f.data.latency_us, NAN);
    check_close("depth", f.depth, 0);
}

/* 40 requests of 100 µs are 4 ticks of a kernel's clock, 60 are 6. */
static void test_coarse_clock(void **state)
{
    (void)state;
    struct live_counts after = later(40, 100, 0, 0);
    struct live_figures f;
    assert_int_equal(live_difference(&before, &after, LIVE_CLOCK_KERNEL_NS, &f), 0);
    check_close("too little", f.data.latency_us, NAN);
    assert_int_equal(live_difference(&before, &after, LIVE_CLOCK_QEMU_NS, &f), 0);
    check_close("a fine clock", f.data.latency_us, 100);
    after = later(60, 100, 0, 0);
    assert_int_equal(live_difference(&before, &after, LIVE_CLOCK_KERNEL_NS, &f), 0);
    check_close("enough", f.data.latency_us, 100);
}

/* The kernel's times are 32 bits of ms; a clock that is none of its kind has begun anew, and so has
 * one that would have had more requests at a time than there are. */
static void test_turn(void **state)
{
    (void)state;
    const uint64_t turn_ns = ((uint64_t)1 << 32) * NS_PER_MS;
    struct live_figures f;
    struct live_counts from = before, after = later(1000, 0, 0, 0);
    from.time_ns[LIVE_READ] = turn_ns - 500 * NS_PER_MS;
    after.time_ns[LIVE_READ] = 1500 * NS_PER_MS;
    assert_int_equal(live_difference(&from, &after, LIVE_CLOCK_KERNEL_NS, &f), 0);
    check_close("latency", f.kinds[LIVE_READ].latency_us, 2000);
    check_close("depth", f.depth, 0.2);
    assert_int_equal(live_difference(&from, &after, LIVE_CLOCK_QEMU_NS, &f), -1);
    from.time_ns[LIVE_READ] = turn_ns / 2;
    assert_int_equal(live_difference(&from, &after, LIVE_CLOCK_KERNEL_NS, &f), -1);
    check_close("requests", f.data.per_second, NAN);
}

/* A guest that was rebooted counts from 0. */
static void test_started_anew(void **state)
{
    (void)state;
    struct live_figures f;
    struct live_counts after = later(100, 100, 100, 100);
    after.requests[LIVE_FLUSH]--;
    assert_int_equal(live_difference(&before, &after, LIVE_CLOCK_QEMU_NS, &f), -1);
    check_close("requests", f.data.per_second, NAN);
    after = before;
    assert_int_equal(live_difference(&before, &after, LIVE_CLOCK_QEMU_NS, &f), -1);
    struct live_boundary b = {.before = later(1, 1, 1, 1), .after = before};
    live_boundary_finish(&b, LIVE_CLOCK_QEMU_NS);
    assert_non_null(strstr(b.why, "anew"));
    free(b.why);
}

/* --- Parts ------------------------------------------------------------------------------------ */

/* Boundaries by reads, their latency, writes, their latency: a latency of 0 is "not there". */
struct given {
    uint64_t reads, read_us, writes, write_us, flushes;
};

static const struct {
    const char *what;
    struct given guest, qemu, device;
    bool cached;
    struct live_parts parts;
    const char *untold; /* words of what is not told; NULL: all is */
} divisions[] = {
    {"all is known",
     {1000, 500, 0, 0, 0},
     {1000, 300, 0, 0, 0},
     {1000, 100, 0, 0, 0},
     false,
     {500, 200, 200, 100},
     NULL},
    /* 1000 and 3000 of 300 and 500: in this proportion the device's are 100 and 200. */
    {"reads and writes in the disk's proportion",
     {1000, 400, 3000, 600, 0},
     {1000, 300, 3000, 500, 0},
     {2000, 100, 2000, 200, 0},
     false,
     {550, 100, 275, 175},
     NULL},
    {"no guest",
     {0},
     {1000, 300, 0, 0, 0},
     {1000, 100, 0, 0, 0},
     false,
     {300, NAN, 200, 100},
     NULL},
    {"no device",
     {1000, 500, 0, 0, 0},
     {1000, 300, 0, 0, 0},
     {0},
     false,
     {500, 200, 300, NAN},
     NULL},
    {"the page cache",
     {0},
     {1000, 300, 0, 0, 0},
     {1000, 100, 0, 0, 0},
     true,
     {300, NAN, 300, NAN},
     "page cache"},
    {"a device that is slower than QEMU",
     {0},
     {1000, 300, 0, 0, 0},
     {1000, 400, 0, 0, 0},
     false,
     {300, NAN, 300, NAN},
     "not the same ones"},
    {"a device that did no such requests",
     {0},
     {1000, 300, 0, 0, 0},
     {0, 0, 1000, 100, 0},
     false,
     {300, NAN, 300, NAN},
     "too little of the kind"},
    {"a device that others use",
     {0},
     {1000, 300, 0, 0, 0},
     {9000, 100, 0, 0, 0},
     false,
     {300, NAN, 200, 100},
     "that of all"},
    {"other requests in the guest",
     {2000, 500, 0, 0, 0},
     {1000, 300, 0, 0, 0},
     {1000, 100, 0, 0, 0},
     false,
     {300, NAN, 200, 100},
     "not the same ones"},
    {"a guest that is faster than QEMU",
     {1000, 290, 0, 0, 0},
     {1000, 300, 0, 0, 0},
     {1000, 100, 0, 0, 0},
     false,
     {300, NAN, 200, 100},
     "below what these clocks tell"},
    {"a guest that flushes",
     {0, 0, 1000, 500, 100},
     {0, 0, 1000, 300, 100},
     {0, 0, 1000, 100, 100},
     false,
     {500, 200, 200, 100},
     "flushes"},
};

static void give(struct live_boundary *b, const struct given *g, uint64_t clock_ns)
{
    b->before = before;
    b->after = later(g->reads, g->read_us, g->writes, g->write_us);
    b->after.requests[LIVE_FLUSH] += g->flushes;
    if (!g->reads && !g->writes)
        live_boundary_unknown(b, "not there");
    live_boundary_finish(b, clock_ns);
}

static void test_parts(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(divisions); i++) {
        cleanup_live_report struct live_report *r = live_report_new("web");
        struct live_disk *d = live_report_add_disk(r, "vda");
        struct live_device *device = live_disk_add_device(d, 1, "sda", true);
        d->is_cached = divisions[i].cached;
        give(&d->guest, &divisions[i].guest, LIVE_CLOCK_KERNEL_NS);
        give(&d->qemu, &divisions[i].qemu, LIVE_CLOCK_QEMU_NS);
        give(&device->at, &divisions[i].device, LIVE_CLOCK_KERNEL_NS);
        live_device_compare(device, &d->qemu.figures);
        live_disk_divide(d);
        const struct live_parts *expected = &divisions[i].parts;
        check_close(divisions[i].what, d->parts.request_us, expected->request_us);
        check_close(divisions[i].what, d->parts.guest_us, expected->guest_us);
        check_close(divisions[i].what, d->parts.qemu_us, expected->qemu_us);
        check_close(divisions[i].what, d->parts.device_us, expected->device_us);
        const char *said = d->untold->len ? d->untold->pdata[0] : NULL;
        if (!said != !divisions[i].untold || (said && !strstr(said, divisions[i].untold)))
            fail_msg("%s: '%s' is said", divisions[i].what, said ? said : "nothing");
    }
}

static void test_others(void **state)
{
    (void)state;
    static const struct {
        uint64_t asked, did;
        bool busier;
    } cases[] = {{1000, 1000, false}, {1000, 1400, false}, {1000, 1600, true},
                 {100, 250, false},   {0, 300, true},      {0, 0, false}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        cleanup_live_report struct live_report *r = live_report_new("web");
        struct live_device *d =
            live_disk_add_device(live_report_add_disk(r, "vda"), 1, "sda", true);
        struct live_counts after = later(cases[i].asked, 100, 0, 0);
        struct live_figures asked;
        live_difference(&before, &after, LIVE_CLOCK_QEMU_NS, &asked);
        d->at.before = before;
        d->at.after = later(cases[i].did, 100, 0, 0);
        live_boundary_finish(&d->at, LIVE_CLOCK_KERNEL_NS);
        live_device_compare(d, &asked);
        if (d->is_busier != cases[i].busier)
            fail_msg("%u asked for, %u done", (unsigned)cases[i].asked, (unsigned)cases[i].did);
    }
}

/* --- What is read ----------------------------------------------------------------------------- */

static void check_counts(const struct live_counts *c, uint64_t flushes)
{
    assert_int_equal(c->requests[LIVE_READ], 100);
    assert_int_equal(c->bytes[LIVE_READ], 800 * 512);
    assert_int_equal(c->time_ns[LIVE_READ], 30 * NS_PER_MS);
    assert_int_equal(c->requests[LIVE_WRITE], 200);
    assert_int_equal(c->bytes[LIVE_WRITE], 1600 * 512);
    assert_int_equal(c->time_ns[LIVE_WRITE], 60 * NS_PER_MS);
    assert_int_equal(c->requests[LIVE_FLUSH], flushes);
    assert_int_equal(c->time_ns[LIVE_FLUSH], flushes * NS_PER_MS);
}

static void test_kernel(void **state)
{
    (void)state;
    static const char list[] = " 254       0 vda 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1\n"
                               " 254      16 vdb 100 5 800 30 200 6 1600 60 0 70 90 4 0 32 1 9 9\n"
                               " 254      17 vdb1 1 1 1 1 1 1 1 1 1 1 1\n";
    struct live_counts c;
    assert_int_equal(live_device_of_list(list, "vdb", &c), 0);
    check_counts(&c, 9);
    assert_int_equal(live_device_of_list(list, "vdc", &c), -1);
    assert_int_equal(live_device_of_list("", "vda", &c), -1);
    /* Kernels before 4.18, before 5.5. */
    assert_int_equal(live_device_parse("  100 5 800 30 200 6 1600 60 0 70 90\n", &c), 0);
    check_counts(&c, 0);
    assert_int_equal(live_device_parse("  100 5 800 30 200 6 1600 60 0 70 90 4 0 32 1\n", &c), 0);
    check_counts(&c, 0);
    assert_int_equal(live_device_parse("100 5 800", &c), -1);
    assert_int_equal(live_device_parse("", &c), -1);
}

static void test_agent(void **state)
{
    (void)state;
    cleanup_json json_t *list = json_loads(
        "[{\"name\": \"vda\", \"stats\": {}}, 7, {\"stats\": {\"read-ios\": 1}},"
        " {\"name\": \"vdb\", \"major\": 254, \"minor\": 16, \"stats\": {\"read-ios\": 100,"
        "  \"read-sectors\": 800, \"read-ticks\": 30, \"write-ios\": 200, \"write-sectors\": 1600,"
        "  \"write-ticks\": 60, \"flush-ios\": 9, \"flush-ticks\": 9}},"
        " {\"name\": \"vdc\", \"stats\": {\"read-ios\": -5}}]",
        0, NULL);
    struct live_counts c;
    assert_non_null(list);
    assert_int_equal(live_device_of_agent(list, "vdb", &c), 0);
    check_counts(&c, 9);
    assert_int_equal(live_device_of_agent(list, "vda", &c), -1);
    assert_int_equal(live_device_of_agent(list, "vdz", &c), -1);
    assert_int_equal(live_device_of_agent(list, "vdc", &c), 0);
    assert_int_equal(c.requests[LIVE_READ], 0);
}

/* An overlay on one logical volume, and its base on another, both on one disk. */
static void test_device_once(void **state)
{
    (void)state;
    g_autoptr(GPtrArray) nothing = g_ptr_array_new(), on_sda = g_ptr_array_new();
    struct block_device sda = {.number = 8, .name = (char *)"sda", .below = nothing};
    struct block_device top = {.number = 253, .name = (char *)"dm-0", .below = on_sda};
    struct block_device base = {.number = 254, .name = (char *)"dm-1", .below = on_sda};
    g_ptr_array_add(on_sda, &sda);
    cleanup_live_report struct live_report *r = live_report_new("web");
    struct live_disk *d = live_report_add_disk(r, "vda");
    live_device_add_stack(d, &top);
    live_device_add_stack(d, &base);
    live_device_add_stack(d, &top);
    static const char *const names[] = {"dm-0", "sda", "dm-1"};
    assert_int_equal(d->devices->len, ARRAY_SIZE(names));
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        assert_string_equal(((struct live_device *)d->devices->pdata[i])->kernel_name, names[i]);
    assert_false(live_disk_find_device(d, 8)->holds);
    live_device_add_stack(d, &sda);
    assert_int_equal(d->devices->len, ARRAY_SIZE(names));
    assert_true(live_disk_find_device(d, 8)->holds);
}

/* --- Histograms ------------------------------------------------------------------------------- */

static void test_boundaries(void **state)
{
    (void)state;
    cleanup_json json_t *all = live_histogram_boundaries(4194304);
    json_int_t last = 0;
    for (size_t i = 0; i < json_array_size(all); i++) {
        json_int_t value = json_integer_value(json_array_get(all, i));
        assert_true(value > last);
        if (i)
            assert_true((double)value < 1.095 * (double)last);
        last = value;
    }
    assert_true(last > 10 * (json_int_t)NS_PER_SECOND);
}

/* One that a run has set says which run; any other is somebody else's. */
static void test_owner(void **state)
{
    (void)state;
    pid_t owner = -1;
    cleanup_json json_t *ours =
        json_pack("{s:o}", "boundaries", live_histogram_boundaries(4194303));
    assert_true(live_histogram_is_ours(ours, &owner));
    assert_int_equal(owner, 4194303);
    json_array_set_new(json_object_get(ours, "boundaries"), 3, json_integer(1300));
    assert_false(live_histogram_is_ours(ours, &owner));
    cleanup_json json_t *other = json_loads("{\"boundaries\": [1000, 2000]}", 0, NULL);
    assert_false(live_histogram_is_ours(other, &owner));
    assert_false(live_histogram_is_ours(NULL, &owner));
}

static void test_percentiles(void **state)
{
    (void)state;
    struct live_percentiles p;
    cleanup_json json_t *histogram = json_loads(
        "{\"boundaries\": [1000, 2000, 4000, 8000], \"bins\": [10, 85, 4, 0, 1]}", 0, NULL);
    assert_int_equal(live_histogram_percentiles(histogram, &p), 0);
    assert_int_equal(p.requests, 100);
    check_close("p50", p.p50_us, 2);
    check_close("p95", p.p95_us, 2);
    check_close("p99", p.p99_us, 4);
    check_close("p99.9, above all bounds", p.p999_us, 8);
    cleanup_json json_t *empty = json_loads("{\"boundaries\": [1000], \"bins\": [0, 0]}", 0, NULL);
    assert_int_equal(live_histogram_percentiles(empty, &p), 0);
    check_close("of nothing", p.p50_us, NAN);
    cleanup_json json_t *other = json_loads("{\"boundaries\": [1000], \"bins\": [0]}", 0, NULL);
    assert_int_equal(live_histogram_percentiles(other, &p), -1);
    assert_int_equal(live_histogram_percentiles(NULL, &p), -1);
}

static void test_find(void **state)
{
    (void)state;
    cleanup_json json_t *all = json_loads(
        "[{\"qdev\": \"/machine/peripheral/virtio-disk10/virtio-backend\"}, {\"node-name\": \"x\"},"
        " {\"qdev\": \"/machine/peripheral/virtio-disk1/virtio-backend\"}, {\"qdev\": "
        "\"scsi0-0-0-0\"}]",
        0, NULL);
    assert_non_null(all);
    assert_ptr_equal(live_histogram_find(all, "virtio-disk1"), json_array_get(all, 2));
    assert_ptr_equal(live_histogram_find(all, "scsi0-0-0-0"), json_array_get(all, 3));
    assert_null(live_histogram_find(all, "virtio-disk"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_figures),
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_coarse_clock),
        cmocka_unit_test(test_started_anew),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_others),
        cmocka_unit_test(test_kernel),
        cmocka_unit_test(test_agent),
        cmocka_unit_test(test_boundaries),
        cmocka_unit_test(test_percentiles),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_owner),
        cmocka_unit_test(test_flushes_of_kernel),
        cmocka_unit_test(test_turn),
        cmocka_unit_test(test_device_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
