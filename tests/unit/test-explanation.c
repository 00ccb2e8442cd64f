/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-explanation.c - of made-up rounds, the layers are what was put in, and the rest is what was
 * left.
 */
#undef NDEBUG
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "explain/explanation.h"
#include "tune/stage.h"

/* --- A stage and rounds that never were ------------------------------------------------------- */

#define ROUNDS 12
#define LANES_MAX 6
#define NONE NAN /* a clock that nobody could read */

/* A lane: what of it is measured, in µs. Of LANE_HOST, or of the variant of this role. */
struct made_lane {
    int role;
    double program, guest, qemu, device;
    double noise; /* of the program's time alone, up and down in turns; in µs */
    const char *failure, *left_out;
};

static struct {
    struct stage stage;
    struct lane lanes[LANES_MAX];
    struct rounds rounds;
    struct lane_rounds series[LANES_MAX];
    struct variant variants[LANES_MAX];
    GPtrArray *all;
} made;

/* All lanes have the weather of a round in common, which no difference within one shows. */
static double *make_series(double us, double noise)
{
    double *series = xcalloc(ROUNDS, sizeof(*series));
    for (int i = 0; i < ROUNDS; i++)
        series[i] = (us + (i % 2 ? noise : -noise)) * 1e3;
    return series;
}

static void make_lane(size_t lane, const struct made_lane *m, int candidate)
{
    struct lane_rounds *l = &made.series[lane];
    made.lanes[lane] = (struct lane){.candidate = candidate, .failure = (char *)m->failure};
    if (m->failure)
        return;
    l->program = make_series(m->program, m->noise);
    l->inside[CLOCK_GUEST] = make_series(m->guest, 0);
    l->inside[CLOCK_QEMU] = make_series(m->qemu, 0);
    l->inside[CLOCK_DEVICE] = make_series(m->device, 0);
    l->program_elapsed_ns = m->program * 1e3 * 100;
    l->program_requests = l->issued = 100;
    for (enum clock i = 0; i < CLOCKS; i++)
        l->requests[i] = 100;
}

/* The host's lane is first; a lane that is left out has none. */
static void make(const struct made_lane *lanes, size_t count, const char *cache)
{
    memset(&made, 0, sizeof(made));
    made.all = g_ptr_array_new();
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        int candidate = LANE_HOST;
        if (lanes[i].role != LANE_HOST) {
            struct variant *v = &made.variants[made.all->len];
            candidate = (int)made.all->len;
            v->role = (enum variant_role)lanes[i].role;
            v->candidate.config.cache = cache;
            v->candidate.left_out = (char *)lanes[i].left_out;
            g_ptr_array_add(made.all, v);
        }
        if (!lanes[i].left_out)
            make_lane(n++, &lanes[i], candidate);
    }
    made.stage = (struct stage){.host_lanes = 1, .lane_count = n, .lanes = made.lanes};
    made.rounds =
        (struct rounds){.lane_count = n, .count = ROUNDS, .in_flight = 1, .lanes = made.series};
}

static void unmake(void)
{
    for (size_t i = 0; i < LANES_MAX; i++) {
        free(made.series[i].program);
        for (enum clock k = 0; k < CLOCKS; k++)
            free(made.series[i].inside[k]);
    }
    g_ptr_array_unref(made.all);
}

/* --- Judging ---------------------------------------------------------------------------------- */

struct wanted {
    enum layer_kind kind;
    double us;
};

static void check_close(const char *what, double ns, double us)
{
    if (!(fabs(ns / 1e3 - us) < 1e-6))
        fail_msg("%s: %.6f instead of %.6f µs", what, ns / 1e3, us);
}

static void check_layers(const struct explanation *e, const struct wanted *wanted, size_t count)
{
    double sum = 0;
    assert_int_equal(e->layer_count, count);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(layer_id(e->layers[i].kind), layer_id(wanted[i].kind));
        check_close(layer_id(wanted[i].kind), e->layers[i].ns.value, wanted[i].us);
        sum += e->layers[i].ns.value;
    }
    check_close("the sum", sum, e->guest_ns.value / 1e3);
}

#define CHECK(lanes, cache, ...)                                                                   \
    do {                                                                                           \
        const struct wanted wanted[] = {__VA_ARGS__};                                              \
        make(lanes, ARRAY_SIZE(lanes), cache);                                                     \
        cleanup_explanation struct explanation *e =                                                \
            explanation_new(&made.stage, made.all, &made.rounds, NULL);                            \
        assert_non_null(e);                                                                        \
        check_layers(e, wanted, ARRAY_SIZE(wanted));                                               \
        unmake();                                                                                  \
    } while (0)

/* --- Cases ------------------------------------------------------------------------------------ */

#define HOST                                                                                       \
    {                                                                                              \
        LANE_HOST, 400, NONE, NONE, 310                                                            \
    }
#define FLOOR                                                                                      \
    {                                                                                              \
        VARIANT_FLOOR, 260, 250, 50, NONE                                                          \
    }
#define RAW                                                                                        \
    {                                                                                              \
        VARIANT_RAW, 880, 780, 600, 300                                                            \
    }

/* What the device does for the disk's tables, 70 µs, is the format's and not its own. */
static void test_layers(void **state)
{
    (void)state;
    const struct made_lane lanes[] = {HOST, {VARIANT_DISK, 1000, 900, 700, 370}, RAW, FLOOR};
    CHECK(lanes, "none", {LAYER_GUEST, 100}, {LAYER_VIRTIO, 200}, {LAYER_FORMAT, 100},
          {LAYER_AIO, 200}, {LAYER_HOST, 90}, {LAYER_DEVICE, 300}, {LAYER_UNEXPLAINED, 10});
}

static void test_first_writes(void **state)
{
    (void)state;
    const struct made_lane lanes[] = {HOST,
                                      {VARIANT_DISK, 1000, 900, 700, 370},
                                      {VARIANT_WRITTEN, 950, 850, 630, 300},
                                      RAW,
                                      FLOOR};
    CHECK(lanes, "none", {LAYER_GUEST, 100}, {LAYER_VIRTIO, 200}, {LAYER_ALLOCATION, 70},
          {LAYER_FORMAT, 30}, {LAYER_AIO, 200}, {LAYER_HOST, 90}, {LAYER_DEVICE, 300},
          {LAYER_UNEXPLAINED, 10});
}

/* What limits a disk is cut off it first: all below is of the disk without. */
static void test_limits(void **state)
{
    (void)state;
    const struct made_lane lanes[] = {HOST,
                                      {VARIANT_DISK, 5000, 4900, 4700, 350},
                                      {VARIANT_FREE, 1000, 900, 700, 300},
                                      RAW,
                                      FLOOR};
    CHECK(lanes, "none", {LAYER_GUEST, 100}, {LAYER_VIRTIO, 200}, {LAYER_THROTTLE, 4000},
          {LAYER_FORMAT, 100}, {LAYER_AIO, 200}, {LAYER_HOST, 90}, {LAYER_DEVICE, 300},
          {LAYER_UNEXPLAINED, 10});
}

/* What a file takes longer than the disk itself is its file system's, and all else is the disk's.
 */
static void test_file(void **state)
{
    (void)state;
    const struct made_lane lanes[] = {HOST,
                                      {VARIANT_DISK, 1000, 900, 700, 370},
                                      {VARIANT_FILE, 1150, 1030, 790, 400},
                                      RAW,
                                      FLOOR};
    CHECK(lanes, "none", {LAYER_GUEST, 100}, {LAYER_FILESYSTEM, 150}, {LAYER_VIRTIO, 200},
          {LAYER_FORMAT, 100}, {LAYER_AIO, 200}, {LAYER_HOST, 90}, {LAYER_DEVICE, 300},
          {LAYER_UNEXPLAINED, 10});
    make(lanes, ARRAY_SIZE(lanes), "none");
    made.variants[1].candidate.filesystem = "ext4";
    cleanup_explanation struct explanation *e =
        explanation_new(&made.stage, made.all, &made.rounds, NULL);
    assert_string_equal(e->filesystem, "ext4");
    check_close("the request", e->guest_ns.value, 1150);
    check_close("the file's change", e->effects[0].change_ns.value, 150);
    check_close("the raw image's change", e->effects[1].change_ns.value, -120);
    unmake();
}

/* The limits are the file's as well. */
static void test_limited_file(void **state)
{
    (void)state;
    const struct made_lane lanes[] = {HOST,
                                      {VARIANT_DISK, 5000, 4900, 4700, 350},
                                      {VARIANT_FILE, 5050, 4930, 4720, 350},
                                      {VARIANT_FREE, 1000, 900, 700, 300},
                                      RAW,
                                      FLOOR};
    CHECK(lanes, "none", {LAYER_GUEST, 100}, {LAYER_FILESYSTEM, 50}, {LAYER_VIRTIO, 200},
          {LAYER_THROTTLE, 4000}, {LAYER_FORMAT, 100}, {LAYER_AIO, 200}, {LAYER_HOST, 90},
          {LAYER_DEVICE, 300}, {LAYER_UNEXPLAINED, 10});
    make(lanes, ARRAY_SIZE(lanes), "none");
    cleanup_explanation struct explanation *e =
        explanation_new(&made.stage, made.all, &made.rounds, NULL);
    check_close("the file's change", e->effects[0].change_ns.value, 50);
    unmake();
}

/* Where there is none, the request is one of the disk itself. */
static void test_failed_file(void **state)
{
    (void)state;
    const struct made_lane lanes[] = {HOST,
                                      {VARIANT_DISK, 1000, 900, 700, 370},
                                      {.role = VARIANT_FILE, .failure = "no mke2fs"},
                                      RAW,
                                      FLOOR};
    CHECK(lanes, "none", {LAYER_GUEST, 100}, {LAYER_VIRTIO, 200}, {LAYER_FORMAT, 100},
          {LAYER_AIO, 200}, {LAYER_HOST, 90}, {LAYER_DEVICE, 300}, {LAYER_UNEXPLAINED, 10});
    make(lanes, ARRAY_SIZE(lanes), "none");
    cleanup_explanation struct explanation *e =
        explanation_new(&made.stage, made.all, &made.rounds, NULL);
    assert_null(e->filesystem);
    assert_string_equal(e->effects[0].failure, "no mke2fs");
    unmake();
}

/* The changes of others, too, are of the disk without limits. */
static void test_changes(void **state)
{
    (void)state;
    const struct made_lane lanes[] = {
        HOST, {VARIANT_DISK, 5000, 4900, 4700, 350}, {VARIANT_FREE, 1000, 900, 700, 300}, RAW};
    make(lanes, ARRAY_SIZE(lanes), "none");
    cleanup_explanation struct explanation *e =
        explanation_new(&made.stage, made.all, &made.rounds, NULL);
    assert_int_equal(e->effect_count, 2);
    check_close("without limits", e->effects[0].change_ns.value, -4000);
    check_close("raw", e->effects[1].change_ns.value, -120);
    check_close("a request on raw", e->effects[1].ns.value, 880);
    unmake();
}

/* How the layer of this kind was measured. */
static const char *measured(const struct explanation *e, enum layer_kind kind)
{
    for (size_t i = 0; i < e->layer_count; i++)
        if (e->layers[i].kind == kind)
            return e->layers[i].measured;
    return "not at all";
}

/* On tmpfs there is no device: all is the host's. */
static void test_no_device(void **state)
{
    (void)state;
    const struct made_lane lanes[] = {{LANE_HOST, 400, NONE, NONE, NONE},
                                      {VARIANT_DISK, 1000, 900, 700, NONE},
                                      {VARIANT_RAW, 880, 780, 600, NONE},
                                      FLOOR};
    CHECK(lanes, "none", {LAYER_GUEST, 100}, {LAYER_VIRTIO, 200}, {LAYER_FORMAT, 100},
          {LAYER_AIO, 200}, {LAYER_HOST, 400}, {LAYER_UNEXPLAINED, 0});
    make(lanes, ARRAY_SIZE(lanes), "none");
    cleanup_explanation struct explanation *e =
        explanation_new(&made.stage, made.all, &made.rounds, NULL);
    assert_true(isnan(e->depth[CLOCK_DEVICE]) && isnan(e->split[CLOCK_DEVICE]));
    assert_string_equal(measured(e, LAYER_HOST), "the host's file");
    assert_string_equal(measured(e, LAYER_VIRTIO), "nothing behind the disk");
    assert_true(fabs(e->depth[CLOCK_GUEST] - 0.9) < 1e-9 && e->split[CLOCK_GUEST] == 1);
    unmake();
}

/* The floor and the host's file have other queues: neither is part of it. */
static void test_several_in_flight(void **state)
{
    (void)state;
    const struct made_lane lanes[] = {HOST, {VARIANT_DISK, 1000, 900, 710, 370}, RAW, FLOOR};
    const struct wanted wanted[] = {{LAYER_GUEST, 100},  {LAYER_VIRTIO, 190},
                                    {LAYER_FORMAT, 110}, {LAYER_KERNEL, 300},
                                    {LAYER_DEVICE, 300}, {LAYER_UNEXPLAINED, 0}};
    make(lanes, ARRAY_SIZE(lanes), "none");
    made.rounds.in_flight = 8;
    cleanup_explanation struct explanation *e =
        explanation_new(&made.stage, made.all, &made.rounds, NULL);
    check_layers(e, wanted, ARRAY_SIZE(wanted));
    assert_string_equal(measured(e, LAYER_VIRTIO), "clocks of guest and QEMU");
    assert_string_equal(measured(e, LAYER_UNEXPLAINED), "nothing, by construction");
    unmake();
}

static void test_buffered(void **state)
{
    (void)state;
    const struct made_lane lanes[] = {HOST, {VARIANT_DISK, 1000, 900, 700, 370}, RAW, FLOOR};
    CHECK(lanes, "writeback", {LAYER_GUEST, 100}, {LAYER_VIRTIO, 200}, {LAYER_FORMAT, 100},
          {LAYER_CACHE, 600}, {LAYER_UNEXPLAINED, 0});
}

/* What no raw image tells is not told: the format is in the layer below. */
static void test_failed_variant(void **state)
{
    (void)state;
    const struct made_lane lanes[] = {HOST,
                                      {VARIANT_DISK, 1000, 900, 700, 300},
                                      {.role = VARIANT_RAW, .failure = "it is not raw"},
                                      {.role = VARIANT_AIO, .left_out = "no io_uring here"}};
    CHECK(lanes, "none", {LAYER_GUEST, 100}, {LAYER_VIRTIO, 200}, {LAYER_AIO, 300},
          {LAYER_HOST, 90}, {LAYER_DEVICE, 300}, {LAYER_UNEXPLAINED, 10});
    make(lanes, ARRAY_SIZE(lanes), "none");
    cleanup_explanation struct explanation *e =
        explanation_new(&made.stage, made.all, &made.rounds, NULL);
    assert_int_equal(e->effect_count, 2);
    assert_string_equal(e->effects[0].failure, "it is not raw");
    assert_string_equal(e->effects[1].failure, "no io_uring here");
    assert_string_equal(measured(e, LAYER_VIRTIO), "clocks of guest and QEMU");
    assert_string_equal(measured(e, LAYER_HOST), "host's file less device");
    unmake();
}

/* 10 µs that come and go by 100 are nothing, for all that their interval tells. */
static void test_zero(void **state)
{
    (void)state;
    const struct made_lane lanes[] = {HOST, {VARIANT_DISK, 910, 900, 700, 300, 100}, RAW, FLOOR};
    make(lanes, ARRAY_SIZE(lanes), "none");
    cleanup_explanation struct explanation *e =
        explanation_new(&made.stage, made.all, &made.rounds, NULL);
    check_close("guest", e->layers[0].ns.value, 10);
    assert_int_equal(e->layers[0].kind, LAYER_GUEST);
    assert_true(e->layers[0].is_zero && e->layers[0].ns.low < 0 && e->layers[0].ns.high > 0);
    assert_false(e->layers[1].is_zero);
    assert_true(fabs(e->layers[1].share - 200.0 / 910) < 1e-9);
    unmake();
}

static void test_no_disk(void **state)
{
    (void)state;
    cleanup_error struct error *err = NULL;
    const struct made_lane lanes[] = {
        HOST, {.role = VARIANT_DISK, .failure = "it is another"}, RAW};
    make(lanes, ARRAY_SIZE(lanes), "none");
    assert_null(explanation_new(&made.stage, made.all, &made.rounds, &err));
    assert_string_equal(err->message, "the disk cannot be had as it is: it is another");
    unmake();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layers),      cmocka_unit_test(test_first_writes),
        cmocka_unit_test(test_limits),      cmocka_unit_test(test_changes),
        cmocka_unit_test(test_no_device),   cmocka_unit_test(test_several_in_flight),
        cmocka_unit_test(test_buffered),    cmocka_unit_test(test_failed_variant),
        cmocka_unit_test(test_zero),        cmocka_unit_test(test_no_disk),
        cmocka_unit_test(test_file),        cmocka_unit_test(test_limited_file),
        cmocka_unit_test(test_failed_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
