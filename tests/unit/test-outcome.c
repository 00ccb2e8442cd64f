/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-outcome.c - a race's numbers come to the right figures, in the order that people want.
 */
#undef NDEBUG
#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scene.h"

static void test_by_speed(void **state)
{
    (void)state;
    cleanup_scene struct scene *s = scene_new();
    set_share(s, 0, 0.5);
    set_share(s, 1, 0.9);
    set_share(s, 2, 0.3);
    set_share(s, 3, 0.7);
    cleanup_outcome struct outcome *o = outcome_new(&s->stage, &s->race);
    check_order(o, "b d a c");
    assert_int_equal(o->standings[0].verdict, VERDICT_BEST);
    for (size_t i = 1; i < CANDIDATES; i++)
        assert_int_equal(o->standings[i].verdict, VERDICT_SLOWER);
    assert_ptr_equal(o->best, &o->standings[0]);
    assert_ptr_equal(o->recommended, o->best);
    assert_int_equal(o->rounds, ROUNDS);
}

static void test_figures(void **state)
{
    (void)state;
    cleanup_scene struct scene *s = scene_new();
    set_share(s, 0, 0.8);
    cleanup_outcome struct outcome *o = outcome_new(&s->stage, &s->race);
    const struct standing *a = &o->standings[CANDIDATES - 1];
    assert_string_equal(a->candidate->id, "a");
    assert_string_equal(a->effective.io, "native");
    /* 10000 requests of 64 KiB a second. */
    check_close(o->host.iops, 10000, 1);
    check_close(o->host.mb_per_s, 655.36, 0.1);
    assert_int_equal(o->host.requests, HOSTS * 100);
    check_close(a->figures.iops, 8000, 1);
    check_close(a->figures.latency.p50, 125, 1);
    assert_int_equal(a->figures.requests, 200);
    check_close(a->share.value, 0.8, 0.001);
    assert_true(a->share.low < 0.8 && a->share.high > 0.8 && a->share.low > 0.7);
    check_close(a->mean_share, 0.8, 0.002);
    check_close(a->long_share, 0.8, 0.002);
    check_close(a->replica_spread, 0.005, 0.001);
    check_close(a->cpu_us_per_io, 7, 1e-9);
    assert_false(a->long_disagrees);
    assert_null(a->failure);
}

/* What a race has left open: three that are close together, and one that is certainly slower. */
static struct scene *open_scene(void)
{
    struct scene *s = scene_new();
    set_share(s, 0, 1.002);
    set_share(s, 1, 1.001);
    set_share(s, 2, 0.5);
    set_share(s, 3, 0.999);
    return s;
}

/* Of equals the one that changes least is what is recommended, not the one that came out first. */
static void test_equals(void **state)
{
    (void)state;
    cleanup_scene struct scene *s = open_scene();
    s->race.out[HOSTS + 2 * 2] = s->race.out[HOSTS + 2 * 2 + 1] = true;
    s->race.settled = true;
    cleanup_outcome struct outcome *o = outcome_new(&s->stage, &s->race);
    check_order(o, "d b a c");
    assert_null(o->best);
    assert_ptr_equal(o->recommended, &o->standings[0]);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(o->standings[i].verdict, VERDICT_EQUAL);
    assert_int_equal(o->standings[3].verdict, VERDICT_SLOWER);
}

/* Where it was left open which is best, the one with the largest figure is, but what there is stays
 * unless it is out. */
static void test_open(void **state)
{
    (void)state;
    cleanup_scene struct scene *s = open_scene();
    cleanup_outcome struct outcome *o = outcome_new(&s->stage, &s->race);
    check_order(o, "a b d c");
    assert_null(o->best);
    assert_ptr_equal(o->recommended, &o->standings[0]);
    s->candidates[3].current = true;
    cleanup_outcome struct outcome *kept = outcome_new(&s->stage, &s->race);
    check_order(kept, "d a b c");
    assert_ptr_equal(kept->recommended, kept->current);
    s->candidates[3].current = false;
    s->candidates[2].current = true;
    cleanup_outcome struct outcome *left = outcome_new(&s->stage, &s->race);
    check_order(left, "a b d c");
    assert_string_equal(left->recommended->candidate->id, "a");
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(o->standings[i].verdict, VERDICT_EQUAL);
    assert_int_equal(o->standings[3].verdict, VERDICT_SLOWER);
}

/* Over two works the share is the geometric mean by weight, and each work's own is kept. */
static void test_two_works(void **state)
{
    (void)state;
    cleanup_scene struct scene *one = scene_new(), *other = scene_new();
    struct record records[LANES * 2];
    struct work works[] = {one->work, one->work};
    works[1].weight = 3;
    struct suite suite = {.count = 2, .works = works};
    for (size_t c = 0; c < CANDIDATES; c++) {
        set_share(one, c, c == 0 ? 0.9 : 0.6);
        set_share(other, c, c == 1 ? 0.5 : 0.25);
    }
    for (size_t i = 0; i < LANES; i++) {
        records[2 * i] = one->records[i];
        records[2 * i + 1] = other->records[i];
    }
    one->options.suite = &suite;
    one->race.work_count = 2;
    one->race.records = records;
    cleanup_outcome struct outcome *o = outcome_new(&one->stage, &one->race);
    const struct standing *b = &o->standings[0];
    assert_string_equal(b->candidate->id, "b");
    assert_int_equal(b->verdict, VERDICT_BEST);
    check_close(b->share.value, pow(0.6 * 0.5 * 0.5 * 0.5, 0.25), 0.001);
    check_close(b->mean_share, b->share.value, 0.002);
    assert_int_equal(o->part_count, 2);
    check_close(b->parts[0].share.value, 0.6, 0.001);
    check_close(b->parts[1].share.value, 0.5, 0.001);
    check_close(b->parts[1].figures.iops, 5000, 1);
    check_close(o->host_parts[0].figures.iops, 10000, 1);
    /* The latencies are the times per request here. */
    check_close(b->p99_ratio, 1 / b->share.value, 0.02);
    check_close(b->figures.requests, 2.0 * b->parts[0].figures.requests, 1e-9);
}

/* The first and the last had no second half: their lanes are marked. */
static void end_two_early(struct scene *s, bool *lanes)
{
    for (size_t i = HOSTS; i < LANES; i++) {
        lanes[i] = s->lanes[i].candidate == 0 || s->lanes[i].candidate == 3;
        s->records[i].rounds = lanes[i] ? ROUNDS / 2 : ROUNDS;
    }
}

/* Who was put out is slower, however its few rounds went; of those that the race has settled all
 * are equal, or the one that is left is the best. */
static void test_settled(void **state)
{
    (void)state;
    cleanup_scene struct scene *s = scene_new();
    set_share(s, 0, 0.6);
    set_share(s, 1, 0.8);
    set_share(s, 2, 0.81);
    set_share(s, 3, 0.9);
    end_two_early(s, s->out);
    s->race.settled = true;
    cleanup_outcome struct outcome *o = outcome_new(&s->stage, &s->race);
    assert_true(o->settled && !o->interrupted && !o->time_is_up);
    assert_null(o->best);
    for (size_t i = 0; i < CANDIDATES; i++) {
        bool out = s->out[HOSTS + 2 * (o->standings[i].candidate - s->candidates)];
        assert_int_equal(o->standings[i].verdict, out ? VERDICT_SLOWER : VERDICT_EQUAL);
        assert_int_equal(o->standings[i].rounds, out ? ROUNDS / 2 : ROUNDS);
    }
    s->out[HOSTS + 2] = s->out[HOSTS + 3] = true;
    cleanup_outcome struct outcome *one = outcome_new(&s->stage, &s->race);
    assert_non_null(one->best);
    assert_string_equal(one->best->candidate->id, "c");
}

/* Who was put out does not lead by the figures of the rounds it had: the others are held against
 * each other. */
static void test_out(void **state)
{
    (void)state;
    cleanup_scene struct scene *s = scene_new();
    set_share(s, 0, 0.9);
    set_share(s, 1, 0.8);
    set_share(s, 2, 0.6);
    set_share(s, 3, 0.5);
    end_two_early(s, s->out);
    cleanup_outcome struct outcome *o = outcome_new(&s->stage, &s->race);
    check_order(o, "b a c d");
    assert_ptr_equal(o->best, &o->standings[0]);
    set_share(s, 2, 0.801);
    cleanup_outcome struct outcome *close = outcome_new(&s->stage, &s->race);
    check_order(close, "c b a d");
    assert_int_equal(close->standings[1].verdict, VERDICT_EQUAL);
    assert_int_equal(close->standings[2].verdict, VERDICT_SLOWER);
}

/* Nor does who had no part in the run-off, which was behind then; and nothing else was found of it.
 */
static void test_rested(void **state)
{
    (void)state;
    cleanup_scene struct scene *s = scene_new();
    set_share(s, 0, 0.802);
    set_share(s, 1, 0.8);
    set_share(s, 2, 0.801);
    set_share(s, 3, 0.5);
    s->race.runoff = 2;
    end_two_early(s, s->rests);
    cleanup_outcome struct outcome *o = outcome_new(&s->stage, &s->race);
    check_order(o, "c b a d");
    assert_int_equal(o->runoff, 2);
    assert_string_equal(o->recommended->candidate->id, "c");
    assert_int_equal(o->standings[2].verdict, VERDICT_EQUAL);
    assert_int_equal(o->standings[3].verdict, VERDICT_SLOWER);
    for (size_t i = 0; i < CANDIDATES; i++) {
        assert_int_equal(o->standings[i].rested, i >= 2);
        assert_int_equal(o->standings[i].rounds, i >= 2 ? ROUNDS / 2 : ROUNDS);
    }
}

/* One lane that gave none is enough to leave a candidate without a figure, however fast. */
static void test_failed(void **state)
{
    (void)state;
    cleanup_scene struct scene *s = scene_new();
    char why[] = "QEMU fell back";
    set_share(s, 0, 9);
    set_share(s, 1, 0.9);
    set_share(s, 2, 0.5);
    set_share(s, 3, 0.4);
    s->lanes[HOSTS + 1].failure = why;
    /* It was not run. */
    s->records[HOSTS] = s->records[HOSTS + 1] = (struct record){0};
    cleanup_outcome struct outcome *o = outcome_new(&s->stage, &s->race);
    check_order(o, "b c d a");
    const struct standing *failed = &o->standings[3];
    assert_int_equal(failed->verdict, VERDICT_FAILED);
    assert_string_equal(failed->failure, why);
    assert_true(isnan(failed->long_share) && isnan(failed->cpu_us_per_io));
    assert_int_equal(o->standings[0].verdict, VERDICT_BEST);
    assert_null(o->standings[0].failure);
}

static void test_all_failed(void **state)
{
    (void)state;
    cleanup_scene struct scene *s = scene_new();
    char why[] = "QEMU fell back";
    for (size_t i = HOSTS; i < LANES; i++)
        s->lanes[i].failure = why;
    cleanup_outcome struct outcome *o = outcome_new(&s->stage, &s->race);
    assert_int_equal(o->count, CANDIDATES);
    assert_null(o->best);
    assert_null(o->recommended);
}

/* What has beaten nobody is not the best. */
static void test_left_out(void **state)
{
    (void)state;
    cleanup_scene struct scene *s = scene_new();
    char why[] = "a rule";
    for (size_t i = 0; i < CANDIDATES; i++)
        s->candidates[i].left_out = i == 2 ? NULL : why;
    cleanup_outcome struct outcome *o = outcome_new(&s->stage, &s->race);
    check_order(o, "c");
    assert_int_equal(o->standings[0].verdict, VERDICT_EQUAL);
    assert_null(o->best);
    assert_ptr_equal(o->recommended, &o->standings[0]);
}

static const struct {
    double factor; /* long slices take this many times as long a request as short ones */
    bool disagrees;
} longs[] = {{1, false}, {1.03, false}, {0.97, false}, {1.2, true}, {0.8, true}};

static void test_long_slices(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(longs); i++) {
        cleanup_scene struct scene *s = scene_new();
        set_share(s, 0, 2);
        for (size_t k = 0; k < PASSES; k++) {
            s->long_ns[HOSTS][k] *= longs[i].factor;
            s->long_ns[HOSTS + 1][k] *= longs[i].factor;
        }
        cleanup_outcome struct outcome *o = outcome_new(&s->stage, &s->race);
        check_close(o->standings[0].long_share, 2 / longs[i].factor, 0.01);
        assert_int_equal(o->standings[0].long_disagrees, longs[i].disagrees);
        assert_false(o->standings[1].long_disagrees);
    }
}

/* First writes have no long slices, and a QEMU elsewhere no CPU time. */
static void test_not_measured(void **state)
{
    (void)state;
    cleanup_scene struct scene *s = scene_new();
    s->race.passes = 0;
    for (size_t i = HOSTS; i < LANES; i++)
        s->records[i].cpu_ns = s->records[i].cpu_requests = 0;
    cleanup_outcome struct outcome *o = outcome_new(&s->stage, &s->race);
    assert_int_equal(o->count, CANDIDATES);
    for (size_t i = 0; i < o->count; i++) {
        assert_true(isnan(o->standings[i].long_share) && isnan(o->standings[i].cpu_us_per_io));
        assert_false(o->standings[i].long_disagrees);
    }
    outcome_free(NULL);
}

/* Of two races with b in both, the first has figures for those who did not get into the second. */
static void test_adopted(void **state)
{
    (void)state;
    static char ids[CANDIDATES][8] = {"", "e", "f", "g"};
    cleanup_scene struct scene *first = scene_new(), *second = scene_new();
    set_share(first, 0, 0.5);
    set_share(first, 1, 0.7);
    set_share(first, 2, 0.3);
    first->lanes[HOSTS + 2 * 3].failure = xstrdup("refused");
    second->stage.candidates->pdata[0] = &first->candidates[1];
    for (size_t i = 1; i < CANDIDATES; i++)
        second->candidates[i].id = ids[i];
    set_share(second, 0, 0.71);
    set_share(second, 1, 0.6);
    set_share(second, 2, 0.9);
    set_share(second, 3, 0.2);
    cleanup_outcome struct outcome *earlier = outcome_new(&first->stage, &first->race);
    cleanup_outcome struct outcome *o = outcome_new(&second->stage, &second->race);
    assert_int_equal(earlier->standings[0].verdict, VERDICT_BEST);
    outcome_adopt(o, earlier);
    check_order(o, "f b e a c g d");
    /* b's figures are those of the later race, and nobody is best of the earlier one any more. */
    check_close(o->standings[1].share.value, 0.71, 0.001);
    check_close(o->standings[3].share.value, 0.5, 0.001);
    assert_non_null(o->standings[3].parts);
    for (size_t i = 1; i < 6; i++)
        assert_int_equal(o->standings[i].verdict, VERDICT_SLOWER);
    assert_int_equal(o->standings[6].verdict, VERDICT_FAILED);
    assert_ptr_equal(o->best, &o->standings[0]);
    assert_ptr_equal(o->recommended, o->best);
    free(first->lanes[HOSTS + 2 * 3].failure);
}

/* Who was equal to the front runners of the first race and found no place in the second may still
 * be the best, and nobody is it for certain; but not who is far behind those of the second. */
static void test_adopted_equals(void **state)
{
    (void)state;
    static char ids[CANDIDATES][8] = {"", "e", "f", "g"};
    static const struct {
        double best; /* share of f, the fastest of the second race */
        bool open;
    } rows[] = {{0.702, true}, {0.9, false}};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        cleanup_scene struct scene *first = scene_new(), *second = scene_new();
        set_share(first, 0, 0.699);
        set_share(first, 1, 0.701);
        set_share(first, 2, 0.7);
        set_share(first, 3, 0.1);
        second->stage.candidates->pdata[0] = &first->candidates[1];
        for (size_t k = 1; k < CANDIDATES; k++)
            second->candidates[k].id = ids[k];
        set_share(second, 0, rows[i].open ? 0.65 : 0.701);
        set_share(second, 1, rows[i].open ? 0.6 : 0.7005);
        set_share(second, 2, rows[i].best);
        set_share(second, 3, 0.2);
        cleanup_outcome struct outcome *earlier = outcome_new(&first->stage, &first->race);
        cleanup_outcome struct outcome *o = outcome_new(&second->stage, &second->race);
        assert_int_equal(earlier->standings[2].verdict, VERDICT_EQUAL);
        assert_int_equal(o->standings[0].verdict, VERDICT_BEST);
        o->settled = true;
        outcome_adopt(o, earlier);
        for (size_t k = 0; k < o->count; k++) {
            const struct standing *s = &o->standings[k];
            bool adopted = strchr("acd", s->candidate->id[0]);
            assert_int_equal(s->rested, adopted);
            if (adopted && s->candidate->id[0] != 'd')
                assert_int_equal(s->verdict, rows[i].open ? VERDICT_EQUAL : VERDICT_SLOWER);
        }
        assert_int_equal(o->standings[o->count - 1].verdict, VERDICT_SLOWER);
        assert_string_equal(o->recommended->candidate->id, "f");
        assert_int_equal(o->settled, !rows[i].open);
        assert_int_equal(o->best == NULL, rows[i].open);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_speed),       cmocka_unit_test(test_figures),
        cmocka_unit_test(test_equals),         cmocka_unit_test(test_failed),
        cmocka_unit_test(test_all_failed),     cmocka_unit_test(test_left_out),
        cmocka_unit_test(test_long_slices),    cmocka_unit_test(test_not_measured),
        cmocka_unit_test(test_two_works),      cmocka_unit_test(test_settled),
        cmocka_unit_test(test_open),           cmocka_unit_test(test_out),
        cmocka_unit_test(test_adopted),        cmocka_unit_test(test_rested),
        cmocka_unit_test(test_adopted_equals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
