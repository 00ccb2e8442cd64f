/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * contest.h - the rule: from the slices' ratios to a figure with an interval, and to who is best.
 *
 * Theory of operation. In every round each lane has a ratio to the host's lanes of the same round;
 * the logarithms of these ratios are what is averaged, by a 10 %-trimmed mean (stats.h). A
 * candidate's figure is the mean over its lanes.
 *
 * Its uncertainty has two sources. Within a lane, rounds differ: that is the standard error of the
 * trimmed mean, and falls with the number of rounds. Between lanes of one candidate, equal disks
 * differ: steadily, by where their files lie, and no number of rounds makes that less. The second
 * is estimated from all candidates' replicas together (pooled variance, with one degree of freedom
 * for each replica beyond a candidate's first) and, where a candidate's own replicas differ by
 * more, from those. It contains the first. Intervals are Student's t at 95 %, each source with its
 * own degrees of freedom, and the wider of the two counts: a false winner has to pass both tests,
 * so there are no more of them than the right one of the two lets through (the intersection-union
 * test: R. L. Berger, Technometrics 24, 1982). The larger of the variances would not do: of two
 * candidates with two replicas each it would take the rounds' many degrees of freedom just where
 * replicas agree by chance.
 *
 * Who was put out of a race was found slower in the rounds that both had, and who rests was behind.
 * The rounds of those that went on are of another time, and of a guest with less to do between the
 * host's turns: all are slower in them than before, or faster. So the figure of who has fewer
 * rounds than the leader is the leader's, less what is between the two in the rounds that both had.
 *
 * The fastest candidate is `best` when the interval of its difference from each other one excludes
 * zero. Those it does not exclude are `equal` to it, and so is the fastest then. That the largest
 * of several figures is compared with the others does not make a false best likelier than 5 %: of k
 * equal candidates the two largest lie closer together than two taken at random.
 *
 * Simulated with noises of the field (tests/unit/test-false-winners.c), two equals with two
 * replicas each have a winner in 0.1 % to 4.8 % of races, four or eight in fewer. A pooled variance
 * takes for granted that candidates are about equally noisy. With one of two twice as noisy as the
 * other it still holds 5 %; three times as noisy 6 %, ten times 10 % (of eight 3 % and 8 %).
 * Welch's test, which does not take it for granted, would have a single degree of freedom to go by.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"

struct interval {
    double value, low, high; /* NaN where it was not measured */
};

enum verdict { VERDICT_BEST, VERDICT_EQUAL, VERDICT_SLOWER, VERDICT_FAILED };

/* "best", "equal", "slower", "failed". */
const char *verdict_name(enum verdict v);

/* `lane_count` series, each with the logarithm of the ratio to the host in every one of its rounds,
 * the first ones of the race: who is out, or rests, takes part in no more. */
struct contender {
    size_t lane_count;
    double **lanes;
    size_t rounds;
    bool out; /* of the race: slower, whatever its few rounds say; its lanes tell of replicas alone
               */
    bool rests; /* has no part in the run-off (runoff.h): its rounds are of an earlier time, and it
                 * leads nobody */
};

struct contest {
    struct interval *logs; /* of each contender: its figure, as a logarithm */
    enum verdict *verdicts;
    size_t leader; /* the contender with the largest figure of those that are in */
};

/* Applies the rule to `count` contenders. `host_variance` is that of
 * the host's own figure (contest_variance): part of each interval, but not of a comparison, where
 * it cancels. The caller frees with contest_done. */
void contest_decide(const struct contender *contenders, size_t count, double host_variance,
                    struct contest *ret);
void contest_done(struct contest *c);

/* --- What the rule, and whoever asks during a race, knows --------------------------------------
 */

/* An estimate of a variance, and the degrees of freedom that it has: how much is known about it. */
struct variance {
    double value, dof;
};

struct summary {
    double location;        /* mean over its lanes */
    double between;         /* variance of its lanes about that */
    struct variance within; /* of `location`, from the lanes' standard errors */
};

struct summary contest_summarise(const struct contender *c);

/* The variance between equal disks, from all replicas together; dof 0 where there are none. */
struct variance contest_pool(const struct contender *contenders, const struct summary *summaries,
                             size_t count);

/* a's location less b's in the rounds that both have, and its variance by each of the two sources.
 */
struct comparison {
    double difference;
    struct variance within, between;
};
struct comparison contest_compare(const struct contender *a, const struct summary *sa,
                                  const struct contender *b, const struct summary *sb,
                                  struct variance pooled);

/* The same difference with its interval at 95 %, by the wider of the two sources. */
struct interval contest_difference(const struct comparison *c);

/* The variance of a contender's figure on its own: between its lanes, and at least within them. */
double contest_variance(const struct contender *contender);
