/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-live-throttle.c - limits that bite are told from those that do not.
 */
#undef NDEBUG
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/sysmacros.h>

#include <cmocka.h>

#include "base/memory.h"
#include "explain/live_throttle.h"

static struct live_figures figures(double reads, double read_bytes, double writes,
                                   double write_bytes)
{
    return (struct live_figures){
        .seconds = 10,
        .kinds = {{reads, read_bytes, 1, 1}, {writes, write_bytes, 1, 1}, {7, NAN, 1, 1}},
    };
}

static GPtrArray *new_list(void)
{
    return g_ptr_array_new_with_free_func(live_throttle_free);
}

/* --- <iotune> --------------------------------------------------------------------------------- */

static const struct {
    const char *what;
    struct live_iotune tune;
    double reads, read_bytes, writes, write_bytes;
    double qemu_us, device_us;
    double percent; /* of the only limit; NAN: there is none */
    bool bites, may_bite;
} cases[] = {
    {"no limit", {{0}, 0}, 1000, 4096, 0, NAN, 100, 50, NAN, false, false},
    {"reached", {.limits[LIVE_TOTAL_IOPS] = 200}, 99, 4096, 100, 4096, 9000, 90, 99.5, true, false},
    {"90 % is reached",
     {.limits[LIVE_TOTAL_IOPS] = 200},
     180,
     4096,
     0,
     NAN,
     100,
     90,
     90,
     true,
     false},
    {"a burst above it",
     {.limits[LIVE_TOTAL_IOPS] = 200},
     400,
     4096,
     0,
     NAN,
     100,
     90,
     200,
     true,
     false},
    {"not reached", {.limits[LIVE_TOTAL_IOPS] = 200}, 178, 4096, 0, NAN, 100, 90, 89, false, false},
    {"in part of the time",
     {.limits[LIVE_TOTAL_IOPS] = 200},
     120,
     4096,
     0,
     NAN,
     9000,
     90,
     60,
     false,
     true},
    {"far above, and far from the limit",
     {.limits[LIVE_TOTAL_IOPS] = 200},
     60,
     4096,
     0,
     NAN,
     9000,
     90,
     30,
     false,
     false},
    {"above the device, by microseconds",
     {.limits[LIVE_TOTAL_IOPS] = 200},
     120,
     4096,
     0,
     NAN,
     900,
     90,
     60,
     false,
     false},
    {"no device", {.limits[LIVE_TOTAL_IOPS] = 200}, 120, 4096, 0, NAN, 9000, NAN, 60, false, false},
    {"reads alone",
     {.limits[LIVE_READ_IOPS] = 100},
     50,
     4096,
     100,
     4096,
     100,
     90,
     50,
     false,
     false},
    {"writes alone",
     {.limits[LIVE_WRITE_IOPS] = 100},
     50,
     4096,
     100,
     4096,
     100,
     90,
     100,
     true,
     false},
    {"bytes",
     {.limits[LIVE_TOTAL_BYTES] = 1 << 20},
     128,
     4096,
     128,
     4096,
     100,
     90,
     100,
     true,
     false},
    {"bytes read",
     {.limits[LIVE_READ_BYTES] = 1 << 20},
     128,
     4096,
     128,
     4096,
     100,
     90,
     50,
     false,
     false},
    {"bytes written",
     {.limits[LIVE_WRITE_BYTES] = 1 << 20},
     0,
     NAN,
     256,
     4096,
     100,
     90,
     100,
     true,
     false},
    {"large requests count as several",
     {.limits[LIVE_TOTAL_IOPS] = 200, .size_iops = 4096},
     50,
     16384,
     0,
     NAN,
     100,
     90,
     100,
     true,
     false},
    {"small ones as one",
     {.limits[LIVE_TOTAL_IOPS] = 200, .size_iops = 65536},
     50,
     16384,
     0,
     NAN,
     100,
     90,
     25,
     false,
     false},
    {"a guest that does nothing",
     {.limits[LIVE_TOTAL_IOPS] = 200},
     0,
     NAN,
     0,
     NAN,
     NAN,
     NAN,
     0,
     false,
     false},
};

static void test_iotune(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        g_autoptr(GPtrArray) out = new_list();
        const struct live_figures f =
            figures(cases[i].reads, cases[i].read_bytes, cases[i].writes, cases[i].write_bytes);
        struct live_rates rates = {0};
        live_rates_add(&rates, &f, cases[i].tune.size_iops);
        live_throttles_of_iotune(&cases[i].tune, &rates, "vda", cases[i].qemu_us,
                                 cases[i].device_us, out);
        const struct live_throttle *t = out->len ? out->pdata[0] : NULL;
        if (out->len > 1 || !t != isnan(cases[i].percent))
            fail_msg("%s: %u limits", cases[i].what, out->len);
        if (t && (fabs(t->percent - cases[i].percent) > 1e-6 || t->bites != cases[i].bites ||
                  t->may_bite != cases[i].may_bite))
            fail_msg("%s: %s at %g %%, %d %d", cases[i].what, t->limit, t->percent, t->bites,
                     t->may_bite);
    }
}

/* What several disks share is held against what all of them do. */
static void test_group(void **state)
{
    (void)state;
    g_autoptr(GPtrArray) out = new_list();
    const struct live_iotune tune = {.limits[LIVE_TOTAL_IOPS] = 200};
    const struct live_figures f = figures(100, 4096, 0, NAN);
    struct live_rates rates = {0};
    live_rates_add(&rates, &f, 0);
    live_rates_add(&rates, &f, 0);
    live_throttles_of_iotune(&tune, &rates, "vda, vdb", 1, 1, out);
    const struct live_throttle *t = out->pdata[0];
    assert_true(t->bites);
    assert_string_equal(t->limit, "total_iops_sec=200");
    assert_string_equal(t->whose, "vda, vdb");
}

/* --- Control groups --------------------------------------------------------------------------- */

static const struct {
    const char *text;
    const char *limit; /* the words of the first one that bites; NULL: there is none */
    guint count;
} groups[] = {
    {"io.max of /machine.slice: 8:0 rbps=max wbps=1048576 riops=max wiops=max",
     "wbps=1048576 for sda", 1},
    {"io.max of /machine.slice: 8:0 rbps=1048576 wbps=max riops=max wiops=max", NULL, 1},
    {"io.max of /a: 8:16 rbps=max wbps=1048576 riops=max wiops=max,8:0 wiops=256", "wiops=256", 1},
    {"io.max of /a: 8:16 wbps=1048576", NULL, 0},
    {"blkio.throttle.write_bps_device of /a: 8:0 1048576", "wbps=1048576 for sda", 1},
    {"blkio.throttle.read_bps_device of /a: 8:0 99999999; blkio.throttle.write_iops_device of /b: "
     "8:0 250",
     "wiops=250", 2},
    {"nonsense", NULL, 0},
    {"io.max of /a: ", NULL, 0},
    {"io.max of /a: 8:0 wbps=0 =7 wbps", NULL, 0},
};

static void test_io_max(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
        g_autoptr(GPtrArray) out = new_list();
        cleanup_live_report struct live_report *r = live_report_new("web");
        struct live_disk *disk = live_report_add_disk(r, "vda");
        struct live_device *d = live_disk_add_device(disk, makedev(8, 0), "sda", true);
        /* Others use it as well: what the domain asked for counts. */
        d->at.figures = figures(900, 4096, 900, 4096);
        d->asked = figures(128, 4096, 256, 4096);
        live_throttles_of_io(groups[i].text, disk->devices, out);
        if (out->len != groups[i].count)
            fail_msg("%s: %u limits", groups[i].text, out->len);
        const char *found = NULL;
        for (guint k = 0; k < out->len; k++) {
            const struct live_throttle *t = out->pdata[k];
            found = t->bites && !found ? t->limit : found;
        }
        if (!found != !groups[i].limit || (found && !strstr(found, groups[i].limit)))
            fail_msg("%s: %s bites", groups[i].text, found ? found : "nothing");
    }
}

/* What was asked of one device is nothing that the limit of another is held against. */
static void test_io_max_of_each(void **state)
{
    (void)state;
    g_autoptr(GPtrArray) out = new_list();
    cleanup_live_report struct live_report *r = live_report_new("web");
    struct live_disk *disk = live_report_add_disk(r, "vda");
    struct live_device *quiet = live_disk_add_device(disk, makedev(8, 0), "sda", true);
    struct live_device *busy = live_disk_add_device(disk, makedev(8, 16), "sdb", true);
    quiet->at.figures = busy->at.figures = figures(900, 4096, 900, 4096);
    quiet->asked = figures(0, NAN, 10, 4096);
    busy->asked = figures(0, NAN, 500, 4096);
    live_throttles_of_io("io.max of /a: 8:0 wiops=100,8:16 wiops=1000", disk->devices, out);
    assert_int_equal(out->len, 2);
    assert_float_equal(((struct live_throttle *)out->pdata[0])->percent, 10, 1e-6);
    assert_float_equal(((struct live_throttle *)out->pdata[1])->percent, 50, 1e-6);
}

static void test_cpu_max(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double cpu, percent;
    } quotas[] = {
        {"cpu.max of /machine.slice: 50000 100000", 0.5, 100},
        {"cpu.max of /machine.slice: 200000 100000", 0.5, 25},
        {"cpu.cfs_quota_us of /a: 50000 of 100000", 0.48, 96},
        {"cpu.max of /a: max 100000", 0.5, NAN},
        {"nonsense", 0.5, NAN},
    };
    for (size_t i = 0; i < ARRAY_SIZE(quotas); i++) {
        g_autoptr(GPtrArray) out = new_list();
        live_throttles_of_cpu(quotas[i].text, quotas[i].cpu, out);
        if (!out->len != isnan(quotas[i].percent) ||
            (out->len &&
             fabs(((struct live_throttle *)out->pdata[0])->percent - quotas[i].percent) > 1e-6))
            fail_msg("%s: %u limits", quotas[i].text, out->len);
    }
}

static void test_group_of_limit(void **state)
{
    (void)state;
    cleanup_free char *group = live_throttle_group("cpu.max of /a:b/emulator: 50000 100000");
    assert_string_equal(group, "/a:b/emulator");
    assert_null(live_throttle_group("nonsense"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_iotune),  cmocka_unit_test(test_group),
        cmocka_unit_test(test_io_max),  cmocka_unit_test(test_io_max_of_each),
        cmocka_unit_test(test_cpu_max), cmocka_unit_test(test_group_of_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
