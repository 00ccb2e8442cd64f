/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-runoff.c - who has the second half of a race is who was ahead after the first, and what is
 * current; and of many that are close together the one that is named in the end is nearer to the
 * fastest.
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

#include "base/memory.h"
#include "field.h"
#include "noise.h"
#include "tune/runoff.h"

/* --- Who ------------------------------------------------------------------------------------ */

static const struct {
    const char *what;
    double locations[12];
    size_t count;
    const char *out; /* a letter for each: 'o' is out */
    int current;
    size_t finalists;
    const char *rests; /* the same: 'r' rests */
} rows[] = {
    {"the four that are ahead", {9, 1, 8, 2, 7, 3, 6, 4, 5}, 9, "---------", -1, 4, "-r-r-r-rr"},
    {"what is current, which is behind",
     {9, 1, 8, 2, 7, 3, 6, 4, 5},
     9,
     "---------",
     1,
     5,
     "---r-r-rr"},
    {"what is current, which is ahead",
     {9, 1, 8, 2, 7, 3, 6, 4, 5},
     9,
     "---------",
     2,
     4,
     "-r-r-r-rr"},
    {"who is out has no part, and does not rest",
     {9, 1, 8, 2, 7, 3, 6, 4, 5, 0},
     10,
     "o---------",
     -1,
     4,
     "-r-r-r-r-r"},
    {"eight are few enough", {9, 1, 8, 2, 7, 3, 6, 4}, 8, "--------", -1, 0, "--------"},
    {"so are twelve of which four are out",
     {9, 1, 8, 2, 7, 3, 6, 4, 5, 0, 0, 0},
     12,
     "-o-----o-oo-",
     -1,
     0,
     "------------"},
    {"what is not a number is behind",
     {NAN, 1, NAN, 2, NAN, 3, NAN, 4, 5},
     9,
     "---------",
     -1,
     4,
     "rrr-r-r--"},
    {"nothing is a number",
     {NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN},
     9,
     "---------",
     -1,
     4,
     NULL},
    {"nobody at all", {0}, 0, "", -1, 0, ""},
};

static void test_choice(void **state)
{
    (void)state;
    static struct field f;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        bool rests[CONTENDERS_MAX];
        size_t count = rows[i].count, resting = 0;
        memset(rests, true, sizeof(rests));
        field_init(&f, count, 2, 2);
        for (size_t c = 0; c < count; c++) {
            f.contenders[c].out = rows[i].out[c] == 'o';
            for (size_t k = 0; k < 4; k++)
                f.series[c][k / 2][k % 2] = rows[i].locations[c];
        }
        print_message("# %s\n", rows[i].what);
        assert_int_equal(runoff_choose(f.contenders, count, rows[i].current, rests),
                         rows[i].finalists);
        for (size_t c = 0; c < count; c++) {
            resting += rests[c];
            assert_true(!rows[i].rests || rests[c] == (rows[i].rests[c] == 'r'));
        }
        assert_true(rows[i].rests || resting == count - RUNOFF_FINALISTS);
    }
}

/* --- What it is good for ---------------------------------------------------------------------- */

#define CANDIDATES 16
#define RACES 300

/* A round has two disks of each candidate and two turns of the host, which take about as long: as
 * many seconds as 90 rounds of all are 45 rounds of them and 153 of four. */
#define ROUNDS_OF_ALL 90
#define ROUNDS_OF_FEW (ROUNDS_OF_ALL / 2 * (2 * CANDIDATES + 2) / (2 * RUNOFF_FINALISTS + 2))

static size_t furthest(const struct field *f)
{
    double best = -INFINITY;
    size_t first = 0;
    for (size_t i = 0; i < f->count; i++) {
        double location = contest_summarise(&f->contenders[i]).location;
        if (f->contenders[i].rests || !(location > best))
            continue;
        best = location;
        first = i;
    }
    return first;
}

/* The one that is named by rounds of all, or by a run-off. */
static size_t name_one(struct field *f, bool runoff)
{
    bool rests[CANDIDATES] = {false};
    for (size_t i = 0; i < f->count; i++)
        f->contenders[i].rounds = runoff ? ROUNDS_OF_ALL / 2 : ROUNDS_OF_ALL;
    if (runoff)
        assert_int_equal(runoff_choose(f->contenders, f->count, -1, rests), RUNOFF_FINALISTS);
    for (size_t i = 0; i < f->count; i++) {
        f->contenders[i].rests = rests[i];
        if (runoff && !rests[i])
            f->contenders[i].rounds += ROUNDS_OF_FEW;
    }
    return furthest(f);
}

/* By how much what is named is slower than the fastest, on average. Speeds differ by 2.5 %, and a
 * round of a lane is as noisy as it is seen to be where the disk is a shared one: by 25 %. */
static void simulate(uint64_t seed, double *ret_plain, double *ret_runoff)
{
    static struct field f;
    struct noise s = {0};
    random_seed(&s.random, seed);
    *ret_plain = *ret_runoff = 0;
    for (size_t n = 0; n < RACES; n++) {
        double speeds[CANDIDATES], fastest = -INFINITY;
        field_init(&f, CANDIDATES, 2, ROUNDS_MAX);
        for (size_t i = 0; i < CANDIDATES; i++) {
            speeds[i] = 0.025 * noise_normal(&s);
            fastest = fmax(fastest, speeds[i]);
            for (size_t k = 0; k < 2 * ROUNDS_MAX; k++)
                f.series[i][k / ROUNDS_MAX][k % ROUNDS_MAX] = speeds[i] + 0.25 * noise_normal(&s);
        }
        *ret_plain += (fastest - speeds[name_one(&f, false)]) / RACES;
        *ret_runoff += (fastest - speeds[name_one(&f, true)]) / RACES;
    }
}

static void test_regret(void **state)
{
    (void)state;
    double plain, runoff;
    assert_true(ROUNDS_OF_ALL / 2 + ROUNDS_OF_FEW <= ROUNDS_MAX);
    simulate(1, &plain, &runoff);
    print_message(
        "# what is named is slower than the fastest by %.2f %%, with a run-off by %.2f %%\n",
        100 * plain, 100 * runoff);
    assert_true(runoff < 0.8 * plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_choice),
        cmocka_unit_test(test_regret),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
