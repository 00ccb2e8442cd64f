/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-recorded-noise.c - races of disks whose noise is not made up: what a real, busy machine did
 * to eight equal disks, recorded by bench/record-noise (tests/data/noise).
 *
 * A simulated race deals these disks out to its candidates, two to each, and takes their rounds in
 * blocks of 25, from places drawn at random, so that bursts and drifts stay whole and all disks
 * have the weather of the same moment (the moving-block bootstrap: H. R. Künsch, The Annals of
 * Statistics 17, 1989). By how much the disks differ steadily is in the record.
 *
 *   test-recorded-noise [RACES]    500 of each kind; of 10,000 at most 0.10 % end wrong
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

#include "base/file.h"
#include "base/memory.h"
#include "measure/random.h"
#include "tune/elimination.h"

#define MARGIN 0.02
#define ERROR 0.05
#define ROUNDS 200
#define BLOCK 25
#define DISKS 8
#define CANDIDATES (DISKS / 2)
#define RECORDED_MAX 2000

static const char *const records[] = {"dd", "randwrite", "commit"};

struct record_of_noise {
    size_t rounds;
    double logs[RECORDED_MAX][DISKS];
};

static void read_record(const char *name, struct record_of_noise *ret)
{
    const char *data = getenv("VIRT_DISKTUNE_TEST_DATA");
    assert_non_null(data);
    cleanup_free char *path = xasprintf("%s/noise/%s.txt", data, name);
    cleanup_free char *text = file_read(path, NULL, NULL);
    assert_non_null(text);
    size_t count = 0;
    for (char *at = text, *end; count < RECORDED_MAX * DISKS; at = end, count++) {
        double value = strtod(at, &end);
        if (end == at)
            break;
        ret->logs[count / DISKS][count % DISKS] = value / 1e4;
    }
    ret->rounds = count / DISKS;
    assert_true(ret->rounds > 10 * BLOCK && count % DISKS == 0);
}

static size_t races = 500;

/* A race: series of two disks for each candidate. */
struct field {
    double series[DISKS][ROUNDS];
    double *lanes[CANDIDATES][2];
    struct contender contenders[CANDIDATES];
};

static void draw(const struct record_of_noise *record, struct random *random, double ahead,
                 struct field *f)
{
    size_t order[DISKS];
    for (size_t i = 0; i < DISKS; i++) {
        size_t k = random_below(random, i + 1);
        order[i] = order[k];
        order[k] = i;
    }
    for (size_t round = 0, at = 0; round < ROUNDS; round++, at++) {
        if (round % BLOCK == 0)
            at = random_below(random, record->rounds - BLOCK);
        for (size_t i = 0; i < DISKS; i++)
            f->series[i][round] = record->logs[at][order[i]] + (i < 2 ? ahead : 0);
    }
    for (size_t c = 0; c < CANDIDATES; c++) {
        f->lanes[c][0] = f->series[2 * c];
        f->lanes[c][1] = f->series[2 * c + 1];
        f->contenders[c] = (struct contender){.lane_count = 2, .lanes = f->lanes[c]};
    }
}

/* Whether it ended wrong: the fastest, which is the first, is out, or one is settled for that is
 * slower than it by more than the margin. Where all are equal, whoever is put out is so wrongly. */
static bool ends_wrong(struct field *f, double ahead, bool *ret_settled)
{
    struct elimination e = elimination_new(CANDIDATES, MARGIN, ERROR);
    while (!e.settled && e.next_look <= ROUNDS) {
        for (size_t i = 0; i < CANDIDATES; i++)
            f->contenders[i].rounds = e.out[i] ? f->contenders[i].rounds : e.next_look;
        elimination_look(&e, f->contenders);
    }
    bool wrong = ahead > 0 ? e.out[0] : e.left < CANDIDATES;
    for (size_t i = 1; i < CANDIDATES; i++)
        wrong |= e.settled && !e.out[i] && ahead > log1p(MARGIN);
    *ret_settled = e.settled;
    elimination_done(&e);
    return wrong;
}

static void check(double ahead)
{
    static struct record_of_noise record;
    static struct field f;
    bool good = true;
    for (size_t i = 0; i < ARRAY_SIZE(records); i++) {
        struct random random;
        size_t wrong = 0, settled = 0;
        random_seed(&random, 1 + i);
        read_record(records[i], &record);
        for (size_t n = 0; n < races; n++) {
            bool ended;
            draw(&record, &random, ahead, &f);
            wrong += ends_wrong(&f, ahead, &ended);
            settled += ended;
        }
        print_message("# %s, one %.1f %% ahead of three: wrong in %.2f %% of %zu races, settled in "
                      "%.0f %%\n",
                      records[i], 100 * expm1(ahead), 100.0 * (double)wrong / (double)races, races,
                      100.0 * (double)settled / (double)races);
        good &= (double)wrong <= ERROR * (double)races;
    }
    assert_true(good);
}

static void test_equals(void **state)
{
    (void)state;
    check(0);
}

static void test_beyond_the_margin(void **state)
{
    (void)state;
    check(log1p(0.021));
}

static void test_far_ahead(void **state)
{
    (void)state;
    check(log1p(0.10));
}

int main(int argc, char **argv)
{
    if (argc > 1)
        races = strtoul(argv[1], NULL, 10);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equals),
        cmocka_unit_test(test_beyond_the_margin),
        cmocka_unit_test(test_far_ahead),
    };
    return cmocka_run_group_tests_name("recorded-noise", tests, NULL, NULL);
}
