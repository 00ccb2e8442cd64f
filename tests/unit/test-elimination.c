/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-elimination.c - over a whole race, however often one looks, the fastest is seldom put out,
 * and seldom is one settled for that is slower by more than the margin; those that are much slower
 * go soon; settings that only pay together are found; and who knows what won before is done sooner
 * if that still holds, and no more often wrong if it does not.
 */
#undef NDEBUG
#include <assert.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kinds.h"
#include "tune/elimination.h"

#define MARGIN 0.02
#define ERROR 0.05
#define ROUNDS 200

/* A share of 5 % has a standard error of 1.3 % among so many races, and what is seen is held to 5 %
 * all the same: ten times as many have shown 0 % to 1.4 %, as a union bound is far below its
 * promise. */
#define RACES 300
#define CROWDED_RACES 40

/* How a race ended. */
struct end {
    size_t rounds, left;
    double taken;              /* rounds that a candidate took part in, on average */
    bool settled, lost, wrong; /* the fastest is out; one was settled for that is too slow */
};

/* Runs a race of made-up series to its end. `speeds` are logarithms that are added to a candidate's
 * series; the first of the largest is the fastest. `prior` has those that won before, or is NULL.
 */
static struct end run(struct field *f, const double *speeds, const bool *prior)
{
    struct elimination e = elimination_new(f->count, MARGIN, ERROR);
    struct end end = {0};
    if (prior)
        elimination_expect(&e, prior);
    size_t all = f->rounds, fastest = 0;
    for (size_t i = 0; i < f->count; i++) {
        fastest = speeds[i] > speeds[fastest] ? i : fastest;
        for (size_t k = 0; k < 2 * all; k++)
            f->series[i][k / all][k % all] += speeds[i];
    }
    while (!e.settled && e.next_look <= all) {
        end.rounds = e.next_look;
        for (size_t i = 0; i < f->count; i++)
            f->contenders[i].rounds = e.out[i] ? f->contenders[i].rounds : e.next_look;
        elimination_look(&e, f->contenders);
    }
    for (size_t i = 0; i < f->count; i++) {
        size_t last = e.settled ? end.rounds : all;
        end.taken += (double)(e.out[i] ? f->contenders[i].rounds : last) / (double)f->count;
        end.wrong |= e.settled && !e.out[i] && speeds[fastest] - speeds[i] > log1p(MARGIN) + 1e-9;
    }
    end.lost = e.out[fastest];
    end.settled = e.settled;
    end.left = e.left;
    end.rounds = e.settled ? end.rounds : all;
    elimination_done(&e);
    return end;
}

/* What a number of races came to: shares of them, and means. */
struct tally {
    double wrong, settled, rounds, taken;
};

static struct tally simulate(const struct kind *kind, size_t count, const double *speeds,
                             const bool *prior, size_t races)
{
    static struct field f;
    struct noise s = {0};
    struct tally t = {0};
    double disks = kind->disks * error_of(kind), each = 1 / (double)races;
    random_seed(&s.random, (uint64_t)(kind - kinds) * 100 + count);
    for (size_t n = 0; n < races; n++) {
        draw_race(&s, kind, disks, count, ROUNDS, &f);
        struct end end = run(&f, speeds, prior);
        t.wrong += (end.lost || end.wrong) * each;
        t.settled += end.settled * each;
        t.rounds += (double)end.rounds * each;
        t.taken += end.taken * each;
    }
    return t;
}

/* Returns the mean over all kinds of noise. */
static struct tally check_kinds(const char *what, size_t count, const double *speeds,
                                const bool *prior, size_t races)
{
    bool good = true;
    struct tally all = {0};
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        struct tally t = simulate(&kinds[i], count, speeds, prior, races);
        print_message("# %s, %s: wrong in %.2f %% of %zu races, settled %.0f %%, %.0f rounds\n",
                      what, kinds[i].what, 100 * t.wrong, races, 100 * t.settled, t.rounds);
        good &= t.wrong <= ERROR + 1e-9;
        all.rounds += t.rounds / ARRAY_SIZE(kinds);
        all.taken += t.taken / ARRAY_SIZE(kinds);
    }
    assert_true(good);
    return all;
}

/* Nobody is slower than another: who is put out is put out wrongly. */
static void test_equals(void **state)
{
    (void)state;
    static const double equal[8];
    check_kinds("two equals", 2, equal, NULL, RACES);
    check_kinds("eight equals", 8, equal, NULL, CROWDED_RACES);
}

/* The hardest to tell: one is faster than the others by just more than the margin. */
static void test_beyond_the_margin(void **state)
{
    (void)state;
    static const double ahead[8] = {0, 0, 0.021};
    check_kinds("three, one 2.1 % ahead", 3, ahead, NULL, RACES);
    check_kinds("eight, one 2.1 % ahead", 8, ahead, NULL, CROWDED_RACES);
}

/* An iothread or a queue for each vCPU costs 10 % alone, and fast I/O alone 5 %; together they are
 * 10 % faster than none of it. Whoever goes along one axis at a time stays where he began. */
static void test_interaction(void **state)
{
    (void)state;
    double speeds[8];
    size_t found = 0;
    static struct field f;
    struct noise s = {0};
    random_seed(&s.random, 7);
    for (unsigned i = 0; i < 8; i++)
        speeds[i] = i == 7 ? 0.10 : -0.10 * (i & 1) - 0.10 * (i >> 1 & 1) - 0.05 * (i >> 2 & 1);
    for (size_t n = 0; n < 100; n++) {
        draw_race(&s, &kinds[0], 0.004, 8, ROUNDS, &f);
        struct end end = run(&f, speeds, NULL);
        found += end.settled && !end.lost && end.left == 1 && end.rounds <= 80;
    }
    print_message("# found in %zu of 100 races, within 80 rounds\n", found);
    assert_true(found >= 95);
}

/* What won before is known, rightly, wrongly, or not at all. Where it is right a candidate takes
 * part in no more than `most` of the rounds. */
static void check_prior(const char *what, const double *speeds, const bool *right,
                        const bool *wrong, double most)
{
    cleanup_free char *rightly = xasprintf("%s, known", what);
    cleanup_free char *wrongly = xasprintf("%s, known wrongly", what);
    struct tally cold = check_kinds(what, 8, speeds, NULL, CROWDED_RACES);
    struct tally warm = check_kinds(rightly, 8, speeds, right, CROWDED_RACES);
    struct tally misled = check_kinds(wrongly, 8, speeds, wrong, CROWDED_RACES);
    print_message("# %s: rounds %.2f times as many as cold, %.2f times if the prior is wrong; "
                  "of a candidate %.2f and %.2f times\n",
                  what, warm.rounds / cold.rounds, misled.rounds / cold.rounds,
                  warm.taken / cold.taken, misled.taken / cold.taken);
    assert_true(warm.rounds < cold.rounds && warm.taken < most * cold.taken);
    assert_true(misled.taken < 1.25 * cold.taken);
}

static void test_prior(void **state)
{
    (void)state;
    static const double ahead[8] = {-0.06, -0.06, 0, -0.07, -0.07, -0.08, -0.09, -0.10},
                        alike[8] = {0, -0.005, -0.06, -0.06, -0.07, -0.08, -0.09, -0.10};
    check_prior("one ahead", ahead, (bool[8]){[2] = true}, (bool[8]){[3] = true}, 0.85);
    check_prior("two alike", alike, (bool[8]){true, true}, (bool[8]){[4] = true, [5] = true}, 0.95);
}

/* The hardest again: the prior names those that are slower by just more than the margin. */
static void test_misled(void **state)
{
    (void)state;
    static const double ahead[8] = {0, 0, 0.021};
    check_kinds("three, one 2.1 % ahead, known wrongly", 3, ahead, (bool[8]){true}, RACES);
    check_kinds("eight, one 2.1 % ahead, known wrongly", 8, ahead, (bool[8]){true, true},
                CROWDED_RACES);
    check_kinds("eight equals, one known", 8, (double[8]){0}, (bool[8]){[1] = true}, CROWDED_RACES);
}

static void test_edges(void **state)
{
    (void)state;
    static struct field f;
    struct elimination one = elimination_new(1, MARGIN, ERROR),
                       none = elimination_new(0, MARGIN, ERROR);
    assert_true(one.settled && none.settled && one.left == 1);
    elimination_done(&one);
    elimination_done(&none);
    /* Identical to the last digit: within any margin at the first look. */
    field_init(&f, 2, 2, ROUNDS);
    memset(f.series, 0, sizeof(f.series));
    struct elimination e = elimination_new(2, MARGIN, ERROR);
    elimination_look(&e, f.contenders);
    assert_true(e.settled && e.left == 2);
    assert_int_equal(e.next_look, 50);
    elimination_done(&e);
    /* What is not a number neither wins nor goes. */
    f.series[0][0][3] = NAN;
    e = elimination_new(2, MARGIN, ERROR);
    elimination_look(&e, f.contenders);
    assert_true(!e.settled && e.left == 2);
    elimination_done(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equals),      cmocka_unit_test(test_beyond_the_margin),
        cmocka_unit_test(test_interaction), cmocka_unit_test(test_prior),
        cmocka_unit_test(test_misled),      cmocka_unit_test(test_edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
