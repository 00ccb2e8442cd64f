/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-contest.c - the rule gives the figures that its definition does, finds no winner among
 * equals more often than it says, and finds the one that there is.
 */
#undef NDEBUG
#include <assert.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "field.h"
#include "noise.h"

static void check_close(const char *what, double value, double wanted)
{
    if (!(fabs(value - wanted) <= 1e-6))
        fail_msg("%s: %.9g instead of %.9g", what, value, wanted);
}

/* --- Known numbers ---------------------------------------------------------------------------- */

#define T2 4.30265273 /* Student's t, 2 degrees of freedom, 0.975 */
#define T3 3.18244631

/* Two contenders with two lanes each that do not change from round to round, so that all of the
 * uncertainty is between lanes. */
static const struct {
    const char *what;
    double a[2], b[2], host_variance;
    double half_a, half_b;
    enum verdict verdict_a, verdict_b;
} steady[] = {
    /* Each lane is 0.01 from the mean: variances 0.0002, so 0.0001 for a mean of two. */
    {"further apart than they vary",
     {0.10, 0.12},
     {0.00, 0.02},
     0,
     T2 * 0.01,
     T2 * 0.01,
     VERDICT_BEST,
     VERDICT_SLOWER},
    {"the other way round",
     {0.00, 0.02},
     {0.12, 0.10},
     0,
     T2 * 0.01,
     T2 * 0.01,
     VERDICT_SLOWER,
     VERDICT_BEST},
    /* The difference has to be above t times the root of 0.0002: 0.0608486. */
    {"just apart",
     {0.10, 0.12},
     {0.0391, 0.0591},
     0,
     T2 * 0.01,
     T2 * 0.01,
     VERDICT_BEST,
     VERDICT_SLOWER},
    {"just not apart",
     {0.10, 0.12},
     {0.0392, 0.0592},
     0,
     T2 * 0.01,
     T2 * 0.01,
     VERDICT_EQUAL,
     VERDICT_EQUAL},
    /* The host's uncertainty is in both intervals and in no verdict. */
    {"an uncertain host",
     {0.10, 0.12},
     {0.0391, 0.0591},
     0.0003,
     T2 * 0.02,
     T2 * 0.02,
     VERDICT_BEST,
     VERDICT_SLOWER},
    /* Own lanes that differ more than all together (0.08 against 0.04) count for themselves. */
    {"one whose lanes differ",
     {-0.1, 0.3},
     {0, 0},
     0,
     T2 * 0.2,
     T2 * 0.141421356,
     VERDICT_EQUAL,
     VERDICT_EQUAL},
};

static void test_steady(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(steady); i++) {
        struct field f;
        struct contest c;
        field_init(&f, 2, 2, 4);
        for (size_t k = 0; k < 2; k++)
            for (size_t round = 0; round < 4; round++) {
                f.series[0][k][round] = steady[i].a[k];
                f.series[1][k][round] = steady[i].b[k];
            }
        contest_decide(f.contenders, 2, steady[i].host_variance, &c);
        double a = (steady[i].a[0] + steady[i].a[1]) / 2, b = (steady[i].b[0] + steady[i].b[1]) / 2;
        check_close(steady[i].what, c.logs[0].value, a);
        check_close(steady[i].what, c.logs[1].value, b);
        check_close(steady[i].what, c.logs[0].low, a - steady[i].half_a);
        check_close(steady[i].what, c.logs[0].high, a + steady[i].half_a);
        check_close(steady[i].what, c.logs[1].low, b - steady[i].half_b);
        check_close(steady[i].what, c.logs[1].high, b + steady[i].half_b);
        if (c.verdicts[0] != steady[i].verdict_a || c.verdicts[1] != steady[i].verdict_b)
            fail_msg("%s: %s, %s", steady[i].what, verdict_name(c.verdicts[0]),
                     verdict_name(c.verdicts[1]));
        assert_int_equal(c.leader, b > a);
        contest_done(&c);
    }
}

/* One lane each: only the rounds say how certain a figure is. */
static void test_single_replica(void **state)
{
    (void)state;
    struct field f;
    struct contest c;
    field_init(&f, 2, 1, 4);
    memcpy(f.series[0][0], (double[]){0.08, 0.10, 0.12, 0.14}, 4 * sizeof(double));
    memcpy(f.series[1][0], (double[]){0.06, 0.04, 0.02, 0.00}, 4 * sizeof(double));
    contest_decide(f.contenders, 2, 0, &c);
    /* The values' variance is 0.002 / 3, that of their mean a fourth. */
    double half = T3 * sqrt(0.002 / 12);
    check_close("low", c.logs[0].low, 0.11 - half);
    check_close("high", c.logs[1].high, 0.03 + half);
    /* The differences go from 0.02 to 0.14 in steps of 0.04, their mean is 0.08; it takes
     * t * sqrt(0.008 / 12) = 0.0822 to be certain. */
    assert_int_equal(c.verdicts[0], VERDICT_EQUAL);
    assert_int_equal(c.verdicts[1], VERDICT_EQUAL);
    contest_done(&c);
    for (size_t i = 0; i < 4; i++)
        f.series[0][0][i] += 0.003;
    contest_decide(f.contenders, 2, 0, &c);
    assert_int_equal(c.verdicts[0], VERDICT_BEST);
    assert_int_equal(c.verdicts[1], VERDICT_SLOWER);
    contest_done(&c);
}

/* Replicas that by chance agree better than their rounds do still have their few degrees of
 * freedom: the wider interval counts, not that of the larger variance. */
static void test_replicas_agree_by_chance(void **state)
{
    (void)state;
    struct field f;
    struct contest c;
    const double disk = 0.0095, noise = 0.01 * sqrt(6), aheads[] = {0.05, 0.06};
    for (size_t n = 0; n < 2; n++) {
        field_init(&f, 2, 2, 4);
        for (size_t i = 0; i < 8; i++) {
            double off = i / 4 ? disk : -disk;
            f.series[0][i / 4][i % 4] = aheads[n] + off + (i % 2 ? noise : -noise);
            f.series[1][i / 4][i % 4] = off;
        }
        contest_decide(f.contenders, 2, 0, &c);
        /* Within lanes: a variance of 0.0001 with 3 degrees of freedom, between them 0.00009. */
        check_close("low", c.logs[0].low, aheads[n] - T2 * disk);
        /* Of the difference: within 0.0002, a half-width of 0.045, between 0.00018 and 0.0578. */
        assert_int_equal(c.verdicts[0], n ? VERDICT_BEST : VERDICT_EQUAL);
        contest_done(&c);
    }
}

/* What both have in common does not make their difference less certain. */
static void test_common_weather(void **state)
{
    (void)state;
    struct field f;
    struct contest c;
    field_init(&f, 2, 1, 40);
    for (size_t i = 0; i < 40; i++) {
        double weather = 0.5 * (double)(i * 7 % 11);
        f.series[0][0][i] = weather;
        f.series[1][0][i] = weather - 0.01 - 0.001 * (double)(i % 3);
    }
    contest_decide(f.contenders, 2, 0, &c);
    assert_true(c.logs[0].high - c.logs[0].low > 0.5);
    assert_int_equal(c.verdicts[0], VERDICT_BEST);
    assert_int_equal(c.verdicts[1], VERDICT_SLOWER);
    contest_done(&c);
}

static void test_alone(void **state)
{
    (void)state;
    struct field f;
    struct contest c;
    field_init(&f, 1, 2, 4);
    for (size_t i = 0; i < 4; i++) {
        f.series[0][0][i] = 0.10;
        f.series[0][1][i] = 0.12;
    }
    contest_decide(f.contenders, 1, 0, &c);
    assert_int_equal(c.verdicts[0], VERDICT_EQUAL);
    assert_int_equal(c.leader, 0);
    /* Its two lanes have one degree of freedom. */
    check_close("low", c.logs[0].low, 0.11 - 12.7062047 * 0.01);
    contest_done(&c);
    assert_null(c.logs);
    contest_decide(f.contenders, 0, 0, &c);
    contest_done(&c);
}

/* With one round nothing is certain. */
static void test_one_round(void **state)
{
    (void)state;
    struct field f;
    struct contest c;
    field_init(&f, 2, 1, 1);
    f.series[0][0][0] = 5;
    f.series[1][0][0] = 0;
    contest_decide(f.contenders, 2, 0, &c);
    assert_true(isinf(c.logs[0].high) && isinf(c.logs[0].low));
    assert_int_equal(c.verdicts[0], VERDICT_EQUAL);
    assert_int_equal(c.verdicts[1], VERDICT_EQUAL);
    contest_done(&c);
}

static void test_variance(void **state)
{
    (void)state;
    struct field f;
    field_init(&f, 1, 2, 4);
    for (size_t i = 0; i < 4; i++) {
        f.series[0][0][i] = 0.10;
        f.series[0][1][i] = 0.12;
    }
    check_close("between lanes", contest_variance(f.contenders), 0.0001);
    for (size_t i = 0; i < 4; i++)
        f.series[0][0][i] = f.series[0][1][i] = 0.1 * (double)i;
    /* Each lane's mean has the variance 0.05 / 3 / 4; both are the same. */
    check_close("within lanes", contest_variance(f.contenders), 0.05 / 12 / 2);
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(verdict_name(VERDICT_BEST), "best");
    assert_string_equal(verdict_name(VERDICT_EQUAL), "equal");
    assert_string_equal(verdict_name(VERDICT_SLOWER), "slower");
    assert_string_equal(verdict_name(VERDICT_FAILED), "failed");
}

/* Rounds that are missing leave a contender without a figure, and the others' verdicts as they
 * are, whichever place it has among them. */
static void test_missing_rounds(void **state)
{
    (void)state;
    for (size_t place = 0; place < 3; place++) {
        struct field f;
        struct contest c;
        size_t fast = place == 0, slow = place == 2 ? 1 : 2;
        field_init(&f, 3, 1, 10);
        for (size_t i = 0; i < 10; i++) {
            f.series[fast][0][i] = 1 + 0.001 * (double)(i % 3);
            f.series[slow][0][i] = 0.001 * (double)(i % 2);
            f.series[place][0][i] = i == 5 ? NAN : 0.5;
        }
        contest_decide(f.contenders, 3, 0, &c);
        assert_true(isnan(c.logs[place].value));
        assert_int_not_equal(c.verdicts[place], VERDICT_BEST);
        if (c.leader != fast || c.verdicts[slow] != VERDICT_SLOWER)
            fail_msg("behind one without a figure in place %zu the slower is %s", place,
                     verdict_name(c.verdicts[slow]));
        contest_done(&c);
    }
}

/* --- Simulation ------------------------------------------------------------------------------- */

#define CONTESTS 1500

/* The bands of `winners` are what is promised, 5 %, and three standard errors; those of `covered`
 * are between a rule that promises too much and one that says nothing. Where disks hardly differ
 * the rounds alone would do, and the interval is the wider of two. test-false-winners.c has the
 * noises of the field. */
static const struct race_kind {
    const char *what;
    size_t contenders, lanes, rounds;
    double between, within, ahead; /* standard deviations; by how much the first is faster */
    double winners_least, winners_most, covered_least, covered_most;
} kinds[] = {
    {"A/A, disks differ", 2, 2, 40, 0.05, 0.02, 0, 0, 0.07, 0.92, 0.98},
    {"A/A, disks hardly differ", 2, 2, 40, 0.001, 0.1, 0, 0, 0.07, 0.92, 0.995},
    {"A/A, three disks each", 2, 3, 40, 0.05, 0.02, 0, 0, 0.07, 0.92, 0.98},
    {"A/A, one disk each", 2, 1, 40, 0, 0.1, 0, 0, 0.07, 0.92, 0.98},
    {"six equals", 6, 2, 40, 0.05, 0.02, 0, 0, 0.07, 0.92, 0.98},
    {"eight equals, three disks each", 8, 3, 20, 0.02, 0.1, 0, 0, 0.07, 0.92, 0.98},
    {"5 % ahead of one", 2, 2, 40, 0.005, 0.02, 0.05, 0.9, 1, 0.92, 0.98},
    {"5 % ahead of seven", 8, 2, 40, 0.005, 0.02, 0.05, 0.9, 1, 0.92, 0.98},
};

static void draw(struct noise *s, const struct race_kind *kind, struct field *f)
{
    field_init(f, kind->contenders, kind->lanes, kind->rounds);
    for (size_t round = 0; round < f->rounds; round++) {
        double weather = noise_normal(s);
        for (size_t i = 0; i < f->count; i++)
            for (size_t k = 0; k < kind->lanes; k++)
                f->series[i][k][round] =
                    kind->within * (noise_normal(s) + 0.3 * weather) + (i ? 0 : kind->ahead);
    }
    for (size_t i = 0; i < f->count; i++)
        for (size_t k = 0; k < kind->lanes; k++) {
            double disk = kind->between * noise_normal(s);
            for (size_t round = 0; round < f->rounds; round++)
                f->series[i][k][round] += disk;
        }
}

/* Runs the contests: in what share of them there is a winner (the first, where it is ahead), and in
 * what share of the intervals the truth is. */
static void simulate(const struct race_kind *kind, uint64_t seed, double *winners, double *covered)
{
    static struct field f;
    struct noise s = {0};
    random_seed(&s.random, seed);
    size_t won = 0, held = 0;
    for (size_t n = 0; n < CONTESTS; n++) {
        struct contest c;
        draw(&s, kind, &f);
        contest_decide(f.contenders, f.count, 0, &c);
        for (size_t i = 0; i < f.count; i++) {
            double truth = i ? 0 : kind->ahead;
            held += c.logs[i].low <= truth && truth <= c.logs[i].high;
            won += c.verdicts[i] == VERDICT_BEST && (!kind->ahead || i == 0);
        }
        contest_done(&c);
    }
    *winners = (double)won / CONTESTS;
    *covered = (double)held / (double)(CONTESTS * f.count);
}

static void test_simulation(void **state)
{
    (void)state;
    bool good = true;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        const struct race_kind *kind = &kinds[i];
        double winners, covered;
        simulate(kind, 1 + i, &winners, &covered);
        print_message("# %s: a winner in %.1f %%, the truth in %.1f %%\n", kind->what,
                      100 * winners, 100 * covered);
        good &= winners >= kind->winners_least && winners <= kind->winners_most;
        good &= covered >= kind->covered_least && covered <= kind->covered_most;
    }
    assert_true(good);
}

/* All go twice as fast in the second half, in which the second one rests: that it is not of that
 * time makes it no slower, and it does not lead by what it had before. */
static void test_rests(void **state)
{
    (void)state;
    static struct field f;
    struct contest c;
    field_init(&f, 3, 2, 20);
    for (size_t i = 0; i < 3; i++)
        for (size_t n = 0; n < 40; n++)
            f.series[i][n / 20][n % 20] = 0.001 * (double)((n * (i + 1)) % 5) +
                                          (n % 20 >= 10 ? log(2) : 0) + (i == 1 ? 0.0005 : 0);
    f.contenders[1].rounds = 10;
    f.contenders[1].rests = true;
    struct summary first = contest_summarise(&f.contenders[0]),
                   second = contest_summarise(&f.contenders[1]);
    struct variance pooled = {0};
    struct comparison difference =
        contest_compare(&f.contenders[0], &first, &f.contenders[1], &second, pooled);
    assert_true(first.location - second.location > 0.3);
    assert_true(fabs(difference.difference) < 0.002);
    contest_decide(f.contenders, 3, 0, &c);
    assert_int_not_equal(c.leader, 1);
    assert_int_equal(c.verdicts[1], VERDICT_EQUAL);
    /* Its figure is what it would be in all of the rounds. */
    assert_true(fabs(c.logs[1].value - c.logs[c.leader].value) < 0.002);
    assert_true(c.logs[1].low < c.logs[1].value && c.logs[1].value < c.logs[1].high);
    contest_done(&c);
    for (size_t n = 0; n < 40; n++)
        f.series[1][n / 20][n % 20] += 5;
    contest_decide(f.contenders, 3, 0, &c);
    assert_int_not_equal(c.leader, 1);
    contest_done(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steady),         cmocka_unit_test(test_single_replica),
        cmocka_unit_test(test_common_weather), cmocka_unit_test(test_alone),
        cmocka_unit_test(test_one_round),      cmocka_unit_test(test_variance),
        cmocka_unit_test(test_names),          cmocka_unit_test(test_missing_rounds),
        cmocka_unit_test(test_simulation),     cmocka_unit_test(test_replicas_agree_by_chance),
        cmocka_unit_test(test_rests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
