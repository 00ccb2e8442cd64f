/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-probe.c - T1: a real probe guest says hello with every disk, measures a latency that was
 * injected as what it is, tells the time as the host does, and what its QEMU runs is read back.
 *
 * The latency comes from libvirt's throttle: a disk that is let N requests a second answers at
 * queue depth 1 every 1/N s, whatever the machine is busy with, as long as the disk itself is
 * quicker than that.
 */
#undef NDEBUG
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/interrupt.h"
#include "base/json.h"
#include "base/memory.h"
#include "probe/readback.h"
#include "tune/stage.h"

#include "../unit/scratch.h"

#define SIZE (UINT64_C(8) << 20)
#define THROTTLED_IOPS 100

/* What a throttled latency may be off by: QEMU's throttle lets a tenth of a second's requests go at
 * once before it holds, and a busy host wakes it late. */
#define TOLERANCE_BELOW 0.03
#define TOLERANCE_ABOVE 0.15

static struct work work = {
    .workload = {.rw = WORKLOAD_RANDWRITE, .block_bytes = 4096, .depth = 1, .jobs = 1},
    .weight = 1};
static const struct suite suite = {.count = 1, .works = &work};
static GPtrArray *candidates;
static struct stage_options options;
static struct stage *stage;
static struct ground ground;

static int set_up(void **state)
{
    cleanup_error struct error *err = NULL;
    struct candidate_facts facts = candidate_facts_read("", 4);
    candidates = candidates_for_new_disk(&facts);
    if (scratch_set_up(state) < 0 || interrupt_install(&err) < 0 ||
        candidates_select(candidates, "raw-native,qcow2-threads-iothread", &err) < 0)
        return -1;
    options = (struct stage_options){
        .ground = &ground,
        .directory = scratch,
        .suite = &suite,
        .size_bytes = SIZE,
        .replicas = 1,
        .accelerator = ACCELERATOR_AUTO,
        .vcpus = 2,
    };
    stage = stage_new(&options, candidates, &err);
    if (!stage)
        print_message("# %s\n", err->message);
    return stage ? 0 : -1;
}

static int tear_down(void **state)
{
    stage_free(stage);
    ground_done(&ground);
    g_ptr_array_unref(candidates);
    return scratch_tear_down(state);
}

/* The mean time of a request on the disk with this number, in seconds. */
static double request_seconds(int disk, double duration)
{
    cleanup_error struct error *err = NULL;
    struct budget budget = {
        .duration_ns = (uint64_t)(duration * 1e9),
        .min_requests = 1,
        .max_requests = UINT64_MAX,
        /* What the throttle lets go at once is over before counting starts. */
        .ramp = THROTTLED_IOPS / 5,
    };
    json_t *command = json_pack("{s:s, s:i, s:[i], s:o}", "do", "run", "group", 0, "order",
                                disk, "budget", budget_to_json(&budget));
    cleanup_json json_t *reply =
        probe_request(stage->probe, command, 60 * NS_PER_SECOND, &err);
    struct slice slice;
    assert_non_null(reply);
    json_t *slices = json_object_get(reply, "slices");
    assert_int_equal(slice_from_json(json_array_get(json_array_get(slices, 0), 0), &slice, &err), 0);
    assert_true(slice.requests > 0);
    return (double)slice.elapsed_ns / 1e9 / (double)slice.requests;
}

static void throttle(const char *disk, unsigned long long iops)
{
    virTypedParameterPtr parameters = NULL;
    int count = 0, room = 0;
    assert_int_equal(virTypedParamsAddULLong(&parameters, &count, &room,
                                             VIR_DOMAIN_BLOCK_IOTUNE_TOTAL_IOPS_SEC, iops), 0);
    assert_int_equal(virDomainSetBlockIoTune(stage->probe->domain, disk, parameters, count,
                                             VIR_DOMAIN_AFFECT_LIVE), 0);
    virTypedParamsFree(parameters, count);
}

static void test_hello(void **state)
{
    (void)state;
    const struct hello *h = &stage->probe->hello;
    assert_int_equal(h->disk_count, 2);
    assert_int_equal(h->vcpus, 2);
    for (size_t i = 0; i < h->disk_count; i++)
        assert_int_equal(h->disks[i].bytes, SIZE);
    assert_string_equal(h->kernel, stage->kernel->release);
    assert_true(stage->probe->accelerator != ACCELERATOR_AUTO);
}

static void test_injected_latency(void **state)
{
    (void)state;
    double free_before = request_seconds(0, 0.5);
    throttle("vda", THROTTLED_IOPS);
    double throttled = request_seconds(0, 2);
    double other = request_seconds(1, 0.5);
    throttle("vda", 0);
    double free_after = request_seconds(0, 0.5);
    print_message("# µs a request: free %.0f, throttled %.0f, the other disk %.0f, free %.0f\n",
                  free_before * 1e6, throttled * 1e6, other * 1e6, free_after * 1e6);
    const double asked = 1.0 / THROTTLED_IOPS;
    assert_true(throttled > asked * (1 - TOLERANCE_BELOW));
    assert_true(throttled < asked * (1 + TOLERANCE_ABOVE));
    /* It is that disk's, and the throttle's. */
    assert_true(other < asked / 2);
    assert_true(free_before < asked / 2 && free_after < asked / 2);
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
        "{\"do\":\"run\",\"group\":1,\"order\":[0],\"budget\":{\"duration_ns\":1,\"min_requests\":1,"
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
    assert_true(request_seconds(0, 0.1) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hello),          cmocka_unit_test(test_readback_agrees),
        cmocka_unit_test(test_readback_catches), cmocka_unit_test(test_clock),
        cmocka_unit_test(test_injected_latency), cmocka_unit_test(test_bad_commands),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
