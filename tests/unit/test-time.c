/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-time.c - what keeps a run within its time: images that take too long to write are an error
 * before they are written, long slices are planned for what they take, it is known when one alone
 * is left, patience is as long as what is asked for, and pauses end at a signal.
 */
#undef NDEBUG
#include <assert.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/interrupt.h"
#include "scene.h"
#include "tune/passes.h"
#include "tune/slices.h"

#define SECOND NS_PER_SECOND
#define MIB (UINT64_C(1) << 20)

/* --- Writing the images ----------------------------------------------------------------------- */

/* A stage that began at second 0, whose images are written from second 10 on; until second 110. */
static const struct {
    const char *what;
    uint64_t rate_bytes, size_bytes, now;
    size_t done, all;
    const char *words; /* of the error; NULL: none */
} fillings[] = {
    {"nothing is known yet", 0, 8192 * MIB, 10, 0, 34, NULL},
    {"the first took long, and that says little", 0, 8192 * MIB, 20, 1, 34, NULL},
    {"and now it says enough", 0, 8192 * MIB, 24, 1, 34, "longer than there is time"},
    {"it will do", 0, 128 * MIB, 60, 17, 34, NULL},
    {"it will not", 0, 128 * MIB, 61, 16, 34, "longer than there is time"},
    {"none is left", 0, 128 * MIB, 200, 34, 34, NULL},
    {"no image is to be written", 0, 128 * MIB, 200, 0, 0, NULL},
    {"the time is up", 0, 128 * MIB, 110, 0, 34, "time is up"},
    {"the rate lets all be written", 40 * MIB, 128 * MIB, 10, 0, 34, NULL},
    {"the rate does not", 39 * MIB, 128 * MIB, 10, 0, 34, "longer than there is time"},
};

static void test_filling(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(fillings); i++) {
        const struct stage_options options = {.rate_bytes = fillings[i].rate_bytes,
                                              .size_bytes = fillings[i].size_bytes,
                                              .deadline_ns = 110 * SECOND};
        const struct stage stage = {.options = &options,
                                    .written_bytes = fillings[i].done * options.size_bytes};
        const struct filling f = {10 * SECOND, fillings[i].now * SECOND, fillings[i].done,
                                  fillings[i].all};
        cleanup_error struct error *err = NULL;
        int r = stage_check_fill(&stage, &f, &err);
        if (r != (fillings[i].words ? -1 : 0) ||
            (r < 0 && !strstr(err->message, fillings[i].words)))
            fail_msg("%s: %s", fillings[i].what, r < 0 ? err->message : "no error");
        if (r < 0)
            assert_non_null(strstr(err->hint, "smaller --size"));
    }
}

/* What is to be done is different where most of the time went to what is found once on a host. */
static void test_time_hint(void **state)
{
    (void)state;
    const struct stage_options options = {0};
    struct probe probe = {0};
    const struct stage stage = {.options = &options, .probe = &probe};
    cleanup_error struct error *plain = NULL, *first = NULL;
    error_set(&plain, "late");
    assert_int_equal(stage_time_hint(&stage, &plain), -1);
    assert_string_equal(plain->hint, "a longer --time, a smaller --size or fewer --candidates");
    probe.kvm_trial_ns = 41 * SECOND;
    error_set(&first, "late");
    assert_int_equal(stage_time_hint(&stage, &first), -1);
    assert_non_null(strstr(first->hint, "the same once more, as 41 s went to"));
    assert_non_null(strstr(first->hint, plain->hint));
}

/* --- Long slices ------------------------------------------------------------------------------ */

/* Three passes over eight disks, with two turns of the host in each, of which each moves 655 MB/s.
 */
static const struct {
    const char *what;
    uint64_t left, deadline, rate_bytes;
    double reserve; /* in seconds, as the former are */
} plans[] = {
    {"as long as they may be", 60, 100, 0, 30 * 0.150 * 1.1},
    {"as much as their share", 10, 100, 0, 2 * 1.1},
    {"as short as they may be", 3, 100, 0, 30 * 0.020 * 1.1},
    {"two of three", 2, 100, 0, 20 * 0.020 * 1.1},
    {"one of three", 1, 100, 0, 10 * 0.020 * 1.1},
    {"without a deadline it need not be", 2, 0, 0, 30 * 0.020 * 1.1},
    {"a rate that all are below", 60, 100, 700000000, 30 * 0.150 * 1.1},
    {"a tenth of what they move", 60, 100, 65536000, 12 * 1.1},
    {"a tenth, for which the share is enough for two", 29, 100, 65536000, 5.8 * 1.1},
    {"a hundredth, for which no share is enough", 9, 100, 6553600, 0},
};

static struct runner runner_of(struct scene *s, const struct race_options *options)
{
    return (struct runner){.stage = &s->stage,
                           .options = options,
                           .race = &s->race,
                           .group_count = 1,
                           .order_count = LANES - HOSTS,
                           .parts = HOSTS};
}

static void test_passes(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(plans); i++) {
        cleanup_scene struct scene *s = scene_new();
        const struct race_options options = {.confirm = true,
                                             .deadline_ns = plans[i].deadline * SECOND};
        struct runner r = runner_of(s, &options);
        s->options.rate_bytes = plans[i].rate_bytes;
        double reserve = (double)passes_plan(&r, plans[i].left * SECOND) / 1e9;
        if (fabs(reserve - plans[i].reserve) > 0.001)
            fail_msg("%s: %g s instead of %g", plans[i].what, reserve, plans[i].reserve);
    }
}

/* Before the first round nobody knows what a slice moves, and so what it takes at a rate. */
static void test_passes_unknown(void **state)
{
    (void)state;
    cleanup_scene struct scene *s = scene_new();
    const struct race_options options = {.confirm = true, .deadline_ns = 100 * SECOND};
    struct runner r = runner_of(s, &options);
    for (size_t i = 0; i < LANES; i++)
        s->records[i].bytes = s->records[i].elapsed_ns = 0;
    assert_int_equal(passes_plan(&r, 60 * SECOND) / NS_PER_MS, 4950);
    s->options.rate_bytes = 65536000;
    assert_int_equal(passes_plan(&r, 60 * SECOND), 0);
}

/* --- Candidates ------------------------------------------------------------------------------- */

/* Who is out or rests has no more rounds; who failed with one of its disks is not raced at all. */
static void test_candidates(void **state)
{
    (void)state;
    cleanup_scene struct scene *s = scene_new();
    const struct race_options options = {0};
    struct runner r = runner_of(s, &options);
    int candidates[] = {0, 1, 3};
    r.candidates = candidates;
    r.elimination.count = ARRAY_SIZE(candidates);
    assert_int_equal(runner_candidates(&r), 3);
    s->out[HOSTS] = s->out[HOSTS + 1] = true;
    assert_int_equal(runner_candidates(&r), 2);
    s->rests[HOSTS + 2 * 3] = s->rests[HOSTS + 2 * 3 + 1] = true;
    assert_int_equal(runner_candidates(&r), 1);
}

/* --- Patience --------------------------------------------------------------------------------- */

/* Eight slices of ten requests each and more: a hang is no disk that is asked once a second. */
static void test_patience(void **state)
{
    (void)state;
    struct budget budget = {.duration_ns = 5 * NS_PER_MS, .min_requests = 8, .ramp = 2};
    struct work works[2] = {{.workload = *named_workload("dd", NULL)},
                            {.workload = *named_workload("dd", NULL)}};
    assert_int_equal(slices_patience(works, 2, 8, &budget) / SECOND, 30 + 12);
    works[1].workload.rate_iops = 1;
    assert_true(slices_patience(works, 2, 8, &budget) > 8 * 11 * SECOND);
    assert_int_equal(slices_patience(works, 1, 8, &budget) / SECOND, 30 + 12);
    budget.sample = 100;
    assert_true(slices_patience(works, 2, 8, &budget) > 8 * 103 * SECOND);
}

/* --- Pauses ----------------------------------------------------------------------------------- */

static void test_rest(void **state)
{
    (void)state;
    const struct stage_options options = {.rate_bytes = MIB};
    struct stage stage = {
        .options = &options, .begin_ns = clock_now_ns(), .sliced_bytes = 3600 * MIB};
    assert_int_equal(interrupt_install(NULL), 0);
    interrupt_defer(true);
    pid_t pid = fork();
    if (pid == 0) {
        usleep(200000);
        kill(getppid(), SIGINT);
        _exit(0);
    }
    /* Who waited on would have the error that comes when the time for an end is over. */
    assert_int_equal(stage_rest(&stage, NULL), 0);
    assert_true(interrupt_is_deferred());
    interrupt_defer(false);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    /* Nor is there a pause beyond the end. */
    const struct stage_options bounded = {.rate_bytes = MIB, .deadline_ns = clock_now_ns()};
    stage.options = &bounded;
    assert_int_equal(stage_rest(&stage, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_filling),    cmocka_unit_test(test_time_hint),
        cmocka_unit_test(test_passes),     cmocka_unit_test(test_passes_unknown),
        cmocka_unit_test(test_candidates), cmocka_unit_test(test_patience),
        cmocka_unit_test(test_rest),
    };
    return cmocka_run_group_tests_name("time", tests, NULL, NULL);
}
