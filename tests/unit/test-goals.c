/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-goals.c - goals are read as they are written, what is best is so by the goal, and the Pareto
 * front has those that are not worse than another in everything.
 */
#undef NDEBUG
#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scene.h"
#include "tune/front.h"

/* --- Reading ---------------------------------------------------------------------------------- */

static const struct {
    const char *list;
    double weights[AIM_MAX];
    const char *text; /* NULL: refused */
} lists[] = {
    {"throughput", {1, 0, 0}, "throughput"},
    {"latency", {0, 1, 0}, "latency"},
    {"cpu:7", {0, 0, 7}, "cpu"},
    {"throughput:2,cpu", {2, 0, 1}, "throughput:2,cpu"},
    {"cpu, latency:0.5 ,throughput", {1, 0.5, 1}, "throughput,latency:0.5,cpu"},
    {"cpu,cpu", {0, 0, 2}, "cpu"},
    {"", {0}, NULL},
    {"speed", {0}, NULL},
    {"cpu,", {0}, NULL},
    {"cpu:0", {0}, NULL},
    {"Latency", {0}, NULL},
};

static void test_lists(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        cleanup_error struct error *err = NULL;
        struct goal g = goal_throughput;
        int r = goal_parse(lists[i].list, &g, &err);
        assert_int_equal(r, lists[i].text ? 0 : -1);
        assert_int_equal(!!err, r < 0);
        if (r < 0)
            continue;
        cleanup_free char *text = goal_text(&g);
        assert_string_equal(text, lists[i].text);
        for (enum aim k = 0; k < AIM_MAX; k++)
            assert_true(g.weights[k] == lists[i].weights[k]);
        assert_int_equal(goal_is_throughput(&g), i == 0);
    }
}

/* --- Deciding --------------------------------------------------------------------------------- */

/* a is the fastest, b has the best percentile, c the least CPU time, and d is good at all of it. */
static struct scene *mixed_scene(void)
{
    static const double shares[CANDIDATES][AIM_MAX] = {
        {0.9, 0.3, 0.3}, {0.5, 0.8, 0.2}, {0.4, 0.4, 0.5}, {0.8, 0.7, 0.4}};
    struct scene *s = scene_new();
    for (size_t i = 0; i < CANDIDATES; i++) {
        set_share(s, i, shares[i][AIM_THROUGHPUT]);
        set_aim(s, i, AIM_LATENCY, shares[i][AIM_LATENCY]);
        set_aim(s, i, AIM_CPU, shares[i][AIM_CPU]);
    }
    return s;
}

static const struct {
    const char *goal, *order;
    double share; /* of the best, by the goal */
    double speed; /* of the best */
} decisions[] = {
    {"throughput", "a d b c", 0.9, 0.9},
    {"latency", "b d c a", 0.8, 0.5},
    {"cpu", "c d a b", 0.5, 0.4},
    /* sqrt(0.8 * 0.7); the cube root of 0.4 * 0.5 * 0.5 against that of 0.8 * 0.4 * 0.4 */
    {"throughput,latency", "d b a c", 0.7483, 0.8},
    {"throughput:1,cpu:2", "d c a b", 0.5040, 0.8},
};

static void test_decisions(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(decisions); i++) {
        cleanup_scene struct scene *s = mixed_scene();
        assert_int_equal(goal_parse(decisions[i].goal, &s->race.goal, NULL), 0);
        cleanup_outcome struct outcome *o = outcome_new(&s->stage, &s->race);
        check_order(o, decisions[i].order);
        const struct standing *best = &o->standings[0];
        assert_ptr_equal(o->best, best);
        check_close(best->goal_share.value, decisions[i].share, 0.002);
        assert_true(best->goal_share.low < best->goal_share.value &&
                    best->goal_share.high > best->goal_share.value);
        /* The share of the host is that of the speed, whatever the goal. */
        check_close(best->share.value, decisions[i].speed, 0.002);
        check_close(best->parts[0].share.value, decisions[i].speed, 0.002);
        assert_memory_equal(&o->goal, &s->race.goal, sizeof(o->goal));
    }
}

/* What is as fast, but not as quick to answer, is equal by the one goal and slower by the other. */
static void test_equal_by_one(void **state)
{
    (void)state;
    cleanup_scene struct scene *s = scene_new();
    set_aim(s, 1, AIM_LATENCY, 0.9);
    cleanup_outcome struct outcome *fast = outcome_new(&s->stage, &s->race);
    s->race.goal = (struct goal){{[AIM_LATENCY] = 1}};
    cleanup_outcome struct outcome *quick = outcome_new(&s->stage, &s->race);
    for (size_t i = 0; i < CANDIDATES; i++) {
        bool late = strcmp(quick->standings[i].candidate->id, "b") == 0;
        assert_int_equal(fast->standings[i].verdict, VERDICT_EQUAL);
        assert_int_equal(quick->standings[i].verdict, late ? VERDICT_SLOWER : VERDICT_EQUAL);
    }
}

/* --- The front -------------------------------------------------------------------------------- */

static const struct {
    struct point points[4];
    bool front[4];
} fronts[] = {
    /* Each is best at something; the fourth is good at all of it. */
    {{{{9, 3, 3}}, {{5, 8, 2}}, {{4, 4, 5}}, {{8, 7, 4}}}, {true, true, true, true}},
    /* The first is at least as good as the others, the second in all of it. */
    {{{{9, 8, 5}}, {{9, 8, 5}}, {{9, 8, 4}}, {{3, 3, 3}}}, {true, true, false, false}},
    /* Better by less than the margin is not better; and a little worse keeps it on the front. */
    {{{{100, 100, 100}}, {{99, 99, 99}}, {{97, 100, 100}}, {{97, 101, 97}}},
     {true, true, false, true}},
    /* What one has no figure of does not count for anybody. */
    {{{{9, 3, NAN}}, {{5, 2, 9}}, {{4, 4, 1}}, {{4, 3, 7}}}, {true, false, true, false}},
};

static void test_front(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(fronts); i++) {
        bool front[4];
        front_mark(fronts[i].points, 4, 0.02, front);
        for (size_t k = 0; k < 4; k++)
            if (front[k] != fronts[i].front[k])
                fail_msg("%zu: point %zu", i, k);
    }
    front_mark(NULL, 0, 0.02, NULL);
}

/* By the figures of the race: p99 is that of all rounds, CPU time that of the slices it was read
 * of. */
static void test_front_of_race(void **state)
{
    (void)state;
    static const bool wanted[CANDIDATES] = {true, false, true, false};
    cleanup_scene struct scene *s = scene_new();
    s->race.margin = 0.02;
    set_share(s, 0, 0.9);
    set_share(s, 1, 0.85);
    set_share(s, 2, 0.5);
    set_share(s, 3, 0.45);
    for (size_t i = HOSTS; i < LANES; i++) {
        /* The third takes half of the CPU time of the others. */
        s->records[i].cpu_ns /= s->lanes[i].candidate == 2 ? 2 : 1;
    }
    cleanup_outcome struct outcome *o = outcome_new(&s->stage, &s->race);
    assert_true(o->margin == 0.02);
    for (size_t i = 0; i < CANDIDATES; i++) {
        const struct standing *own = &o->standings[i];
        assert_int_equal(own->front, wanted[own->candidate - s->candidates]);
        check_close(own->p99_ratio, 1 / own->share.value, 0.02);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists),         cmocka_unit_test(test_decisions),
        cmocka_unit_test(test_equal_by_one),  cmocka_unit_test(test_front),
        cmocka_unit_test(test_front_of_race),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
