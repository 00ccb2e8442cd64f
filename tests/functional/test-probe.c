/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-probe.c - T1: a real probe guest says hello with every disk, tells the time as the host
 * does, and what its QEMU runs is read back. Whether what it measures is true is in test-truth.c.
 */
#undef NDEBUG
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "probe/readback.h"
#include "probe-stage.h"

/* Whether the guest still does work. */
static bool does_work(void)
{
    struct slice slice;
    stage_run(0, (const int[]){0}, 1,
              &(struct budget){.duration_ns = 100 * NS_PER_MS,
                               .min_requests = 1,
                               .max_requests = UINT64_MAX,
                               .ramp = 1},
              &slice);
    return slice.issued > 0;
}

static void test_hello(void **state)
{
    (void)state;
    const struct hello *h = &stage->probe->hello;
    assert_int_equal(h->disk_count, 2);
    assert_int_equal(h->vcpus, 2);
    for (size_t i = 0; i < h->disk_count; i++)
        assert_int_equal(h->disks[i].bytes, STAGE_SIZE);
    assert_string_equal(h->kernel, stage->kernel->release);
    assert_true(stage->probe->accelerator != ACCELERATOR_AUTO);
}

static void test_clock(void **state)
{
    (void)state;
    struct clock_pair from, to;
    assert_int_equal(probe_read_clock(stage->probe, &from, NULL), 0);
    usleep(1000000);
    assert_int_equal(probe_read_clock(stage->probe, &to, NULL), 0);
    double uncertainty = (double)(from.uncertainty_ns + to.uncertainty_ns) / 1e9;
    double drift = probe_clock_drift(&from, &to);
    print_message("# drift %g, known to %g\n", drift, uncertainty);
    assert_true(drift < 0.01 + uncertainty && drift > -0.01 - uncertainty);
}

static void test_readback_agrees(void **state)
{
    (void)state;
    for (size_t i = stage->host_lanes; i < stage->lane_count; i++) {
        cleanup_error struct error *err = NULL;
        const struct candidate *c = candidates->pdata[stage->lanes[i].candidate];
        assert_null(stage->lanes[i].failure);
        assert_int_equal(readback_compare(&c->config, &stage->lanes[i].effective, &err), 0);
    }
}

/* The guest was started with native AIO on a raw image without an iothread: whoever had asked for
 * something else is told so. */
static void test_readback_catches(void **state)
{
    (void)state;
    const struct disk_config started = ((struct candidate *)candidates->pdata[0])->config;
    struct disk_config asked[] = {started, started, started, started};
    asked[0].io = "threads";
    asked[1].cache = "writeback";
    asked[2].iothread = true;
    asked[3].format = "qcow2";
    static const char *const names[][2] = {
        {"threads", "native"}, {"writeback", "none"}, {"iothread", "iothread"}, {"qcow2", "raw"}};
    for (size_t i = 0; i < ARRAY_SIZE(asked); i++) {
        cleanup_error struct error *err = NULL;
        struct disk_config effective;
        struct probe_disk disk = {.config = &asked[i],
                                  .image_path = stage->lanes[stage->host_lanes].path};
        assert_int_equal(readback_disk(stage->probe, &disk, &effective, &err), 0);
        assert_int_equal(readback_compare(&asked[i], &effective, &err), -1);
        print_message("# %s\n", err->message);
        assert_non_null(strstr(err->message, names[i][0]));
        assert_non_null(strstr(err->message, names[i][1]));
    }
}

static void test_bad_commands(void **state)
{
    (void)state;
    static const char *const commands[] = {
        "{\"do\":\"nothing known\"}",
        "{\"do\":\"run\",\"group\":0,\"order\":[99],\"budget\":{}}",
        "{\"do\":\"run\",\"group\":1,\"order\":[0],\"budget\":{\"duration_ns\":1,\"min_requests\":"
        "1,"
        "\"max_requests\":1,\"ramp\":0}}",
        "{\"do\":\"latencies\",\"disk\":0,\"work\":1}",
        "{\"do\":\"fill\",\"serial\":\"no such disk\",\"seed\":1}",
        "{}",
    };
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        cleanup_error struct error *err = NULL;
        json_t *command = json_loads(commands[i], 0, NULL);
        assert_null(probe_request(stage->probe, command, 10 * NS_PER_SECOND, &err));
        assert_non_null(strstr(err->message, "in the probe guest: "));
    }
    /* And it is still there. */
    assert_true(does_work());
}

/* Many jobs on many disks, each with a descriptor: more than a kernel lets a process have unasked.
 */
static void test_descriptors(void **state)
{
    (void)state;
    enum { DISKS = 20 };
    const char *serials[DISKS];
    struct work work = make_work(WORKLOAD_RANDREAD, 4096, 1, 0);
    struct slice slice;
    work.workload.jobs = WORKLOAD_JOBS_MAX;
    for (size_t i = 0; i < DISKS; i++)
        serials[i] = "disk-0";
    stage_prepare(&work, 1, serials, DISKS);
    struct budget few = {.duration_ns = UINT64_MAX, .min_requests = 1, .max_requests = 2};
    stage_run(0, (const int[]){DISKS - 1}, 1, &few, &slice);
    assert_int_equal(slice.requests, 2 * WORKLOAD_JOBS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hello),
        cmocka_unit_test(test_readback_agrees),
        cmocka_unit_test(test_readback_catches),
        cmocka_unit_test(test_clock),
        cmocka_unit_test(test_bad_commands),
        cmocka_unit_test(test_descriptors),
    };
    return cmocka_run_group_tests(tests, stage_set_up, stage_tear_down);
}
