/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-layers.c - T1: a cost that is put into one layer of a disk in the probe guest is found in
 * that layer, and in no other.
 *
 * Theory of operation. One guest is explained several times: as it is, with a ceiling in the
 * guest's kernel, and with one in QEMU. Both hold requests back, the former above the guest's clock
 * and the latter below QEMU's. What holds back the disk with a file system alone is that file
 * system's. What a request takes longer is what was injected; no figure is held against a time,
 * only against what the explanations themselves say, with their intervals. What is injected is a
 * law at least: no more requests than its bucket had pass a ceiling.
 */
#undef NDEBUG
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <unistd.h>

#include <cmocka.h>

#include "explain/explanation.h"
#include "probe-stage.h"
#include "probe/limit.h"

#define SLICE_NS (300 * NS_PER_MS)
#define ROUNDS 6

#define CEILING 100 /* a second */
/* What passes at once: 0.1 s of it, in QEMU's bucket as in the kernel's slice. */
#define BURST_SECONDS 0.1

static struct disk_config disk = {
    .bus = "virtio", .format = "raw", .preallocation = "falloc", .cache = "none", .io = "threads"};
static GPtrArray *variants;
static struct explanation *plain;

static struct explanation *explain(void)
{
    cleanup_error struct error *err = NULL;
    const struct rounds_options options = {.slice_ns = SLICE_NS,
                                           .max_rounds = ROUNDS,
                                           .deadline_ns = clock_now_ns() + 200 * NS_PER_SECOND,
                                           .seed = 1};
    cleanup_rounds struct rounds *rounds = rounds_run(stage, &options, &err);
    struct explanation *e = rounds ? explanation_new(stage, variants, rounds, &err) : NULL;
    if (!e)
        fail_msg("%s", err->message);
    return e;
}

static const struct layer *find(const struct explanation *e, enum layer_kind kind)
{
    for (size_t i = 0; i < e->layer_count; i++)
        if (e->layers[i].kind == kind)
            return &e->layers[i];
    return NULL;
}

static double half(const struct interval *i)
{
    return (i->high - i->low) / 2;
}

/* Of each layer by how much it has grown, and the uncertainty of that. */
struct change {
    enum layer_kind kind;
    double grown, slack;
};

static double find_changes(const struct explanation *e, struct change changes[LAYERS])
{
    double most = 0;
    for (size_t i = 0; i < e->layer_count; i++) {
        const struct layer *now = &e->layers[i], *before = find(plain, now->kind);
        assert_non_null(before);
        changes[i] = (struct change){now->kind, now->ns.value - before->ns.value,
                                     half(&now->ns) + half(&before->ns)};
        most = fmax(most, changes[i].slack);
        print_message("# %-12s %8.1f ± %.1f -> %8.1f ± %.1f\n", layer_id(now->kind),
                      before->ns.value / 1e3, half(&before->ns) / 1e3, now->ns.value / 1e3,
                      half(&now->ns) / 1e3);
    }
    return most;
}

/* That what a request takes longer than in the plain explanation is in this layer: two thirds of it
 * at least, and of no other a third changed, for all that the intervals tell. */
static void judge(enum layer_kind kind, const struct change *changes, size_t count, double injected)
{
    bool is_there = false;
    for (size_t i = 0; i < count; i++) {
        const struct change *c = &changes[i];
        bool good = c->kind == kind ? c->grown + c->slack >= injected * 2 / 3
                                    : fabs(c->grown) - c->slack <= injected / 3;
        is_there |= c->kind == kind;
        if (!good)
            fail_msg("%.1f µs are not in %s alone, but %s has %.1f", injected / 1e3, layer_id(kind),
                     layer_id(c->kind), c->grown / 1e3);
    }
    assert_true(is_there);
}

#define ATTEMPTS_SECONDS 150

/* Others' work comes and goes: what it blurs, the plain explanation included, is explained anew,
 * unless that has taken so long. */
static void check_found_in(enum layer_kind kind, void (*limit)(unsigned iops))
{
    double seconds = (double)SLICE_NS / 1e9;
    double least = seconds / (CEILING * (seconds + BURST_SECONDS) + 1) * 1e9;
    uint64_t end = clock_now_ns() + ATTEMPTS_SECONDS * NS_PER_SECOND;
    for (;;) {
        struct change changes[LAYERS];
        limit(CEILING);
        cleanup_explanation struct explanation *e = explain();
        limit(0);
        double injected = e->guest_ns.value - plain->guest_ns.value;
        print_message("# a request took %.1f µs, and %.1f with the ceiling, which is %.1f at "
                      "least\n",
                      plain->guest_ns.value / 1e3, e->guest_ns.value / 1e3, least / 1e3);
        if (find_changes(e, changes) < injected / 3) {
            assert_true(e->guest_ns.high >= least);
            judge(kind, changes, e->layer_count, injected);
            return;
        }
        if (clock_now_ns() > end)
            break;
        explanation_free(plain);
        plain = explain();
    }
    print_message("# skipped: the machine is too busy to tell\n");
    skip();
}

/* The lane of the first variant with this role. */
static size_t lane_of(enum variant_role role)
{
    int variant = variants_find(variants, role);
    for (size_t i = stage->host_lanes; i < stage->lane_count; i++)
        if (stage->lanes[i].candidate == variant)
            return i;
    fail_msg("there is no such lane");
    return 0;
}

static void limit_lane_in_guest(enum variant_role role, unsigned iops)
{
    cleanup_free char *serial = stage_serial(stage, lane_of(role));
    json_decref(stage_ask(
        json_pack("{s:s, s:s, s:i}", "do", "limit", "serial", serial, "iops", (int)iops)));
}

/* Of the disk, with a file system or without. */
static void limit_in_guest(unsigned iops)
{
    limit_lane_in_guest(VARIANT_DISK, iops);
    limit_lane_in_guest(VARIANT_FILE, iops);
}

static void test_guest(void **state)
{
    (void)state;
    check_found_in(LAYER_GUEST, limit_in_guest);
}

static void limit_filesystem(unsigned iops)
{
    limit_lane_in_guest(VARIANT_FILE, iops);
}

static void test_filesystem(void **state)
{
    (void)state;
    check_found_in(LAYER_FILESYSTEM, limit_filesystem);
}

/* The superblock of ext4 (Documentation/filesystems/ext4/super.rst): its magic, and that its
 * journal is in use. */
static void test_mounted(void **state)
{
    (void)state;
    unsigned char super[1024];
    cleanup_close int fd = open(stage->lanes[lane_of(VARIANT_FILE)].path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(pread(fd, super, sizeof(super), 1024), sizeof(super));
    assert_true(super[0x38] == 0x53 && super[0x39] == 0xef);
    assert_true(super[0x60] & 0x4);
}

static void limit_lane_in_qemu(enum variant_role role, unsigned iops)
{
    cleanup_error struct error *err = NULL;
    const struct domain_limit limit = {.name = (char *)"total_iops_sec", .value = iops};
    if (limit_disk(stage->probe, stage->lanes[lane_of(role)].path, &limit, 1, &err) < 0)
        fail_msg("%s", err->message);
}

static void limit_in_qemu(unsigned iops)
{
    limit_lane_in_qemu(VARIANT_DISK, iops);
    limit_lane_in_qemu(VARIANT_FILE, iops);
}

static void test_throttle(void **state)
{
    (void)state;
    check_found_in(LAYER_THROTTLE, limit_in_qemu);
}

/* Without any, there is none: the two disks of one configuration that are to tell it are equal. */
static void test_nothing(void **state)
{
    (void)state;
    const struct layer *l = find(plain, LAYER_THROTTLE);
    assert_non_null(l);
    print_message("# throttle %.1f ± %.1f µs\n", l->ns.value / 1e3, half(&l->ns) / 1e3);
    assert_true(fabs(l->ns.value) - half(&l->ns) <= plain->guest_ns.value / 3);
}

static void check_refused(enum variant_role role, const char *why)
{
    cleanup_error struct error *err = NULL;
    cleanup_free char *serial = stage_serial(stage, lane_of(role));
    json_t *command = json_pack("{s:s, s:s, s:s, s:I}", "do", "format", "serial", serial, "type",
                                "ext4", "bytes", (json_int_t)STAGE_SIZE);
    assert_null(probe_request(stage->probe, command, 60 * NS_PER_SECOND, &err));
    if (!strstr(err->message, why))
        fail_msg("'%s' instead of '%s'", err->message, why);
}

/* A disk that has one already, and one that is too small for it. */
static void test_refused(void **state)
{
    (void)state;
    check_refused(VARIANT_FILE, "File exists");
    check_refused(VARIANT_DISK, "cannot mount the ext4");
}

static int set_up(void **state)
{
    struct candidate_facts facts = candidate_facts_read("", 8);
    const struct variants_options options = {.disk = &disk,
                                             .limited = true,
                                             .filesystem = "ext4",
                                             .vcpus = 2,
                                             .disk_bytes = STAGE_SIZE,
                                             .facts = &facts};
    variants = variants_new(&options);
    if (stage_set_up_with(state, variants_candidates(variants)) < 0)
        return -1;
    plain = explain();
    return 0;
}

static int tear_down(void **state)
{
    int r = stage_tear_down(state);
    explanation_free(plain);
    g_ptr_array_unref(variants);
    return r;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing),  cmocka_unit_test(test_mounted),
        cmocka_unit_test(test_guest),    cmocka_unit_test(test_filesystem),
        cmocka_unit_test(test_throttle), cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
