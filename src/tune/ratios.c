/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tune/ratios.h"

#include <math.h>

#include "base/memory.h"

/* The rounds that a lane took part in. */
static size_t rounds_of(const struct ratios *s, size_t lane)
{
    return s->long_slices ? s->race->passes : race_record(s->race, lane, 0)->rounds;
}

static double log_ns(const struct ratios *s, enum aim aim, size_t lane, size_t work, size_t round)
{
    struct record *r = race_record(s->race, lane, work);
    return log(s->long_slices ? r->long_ns[round] : (*record_series(r, aim))[round]);
}

/* log(host / lane) of one work's figure in one round; the host's is the geometric mean of its
 * lanes. */
static double log_ratio(const struct ratios *s, enum aim aim, size_t lane, size_t work,
                        size_t round)
{
    double host = 0;
    for (size_t i = 0; i < s->stage->host_lanes; i++)
        host += log_ns(s, aim, i, work, round);
    return host / (double)s->stage->host_lanes - log_ns(s, aim, lane, work, round);
}

/* The mean of these by the weights of the goal. */
static double log_share(const struct ratios *s, size_t lane, size_t work, size_t round)
{
    double sum = 0, all = 0;
    for (enum aim i = 0; i < AIM_MAX; i++) {
        if (!goal_has(s->goal, i))
            continue;
        sum += s->goal->weights[i] * log_ratio(s, i, lane, work, round);
        all += s->goal->weights[i];
    }
    return sum / all;
}

/* The same in each round, over several works their mean by weight; the caller frees. A lane or a
 * host that had no request in a round (its slice was empty) makes it NaN: such rounds do not exist,
 * since a slice has a least number of requests. */
static double *log_shares(const struct ratios *s, size_t lane)
{
    const struct suite *suite = s->stage->options->suite;
    size_t rounds = rounds_of(s, lane);
    double *logs = xcalloc(rounds, sizeof(*logs));
    double all = s->work == RATIOS_ALL ? suite_weight(suite) : suite->works[s->work].weight;
    for (size_t k = 0; k < suite->count; k++) {
        if (s->work != RATIOS_ALL && k != s->work)
            continue;
        for (size_t i = 0; i < rounds; i++)
            logs[i] += suite->works[k].weight / all * log_share(s, lane, k, i);
    }
    return logs;
}

struct contender ratios_contender(const struct ratios *s, int candidate)
{
    struct contender c = {0};
    c.lanes = xcalloc(s->stage->lane_count, sizeof(*c.lanes));
    for (size_t i = 0; i < s->stage->lane_count; i++) {
        if (s->stage->lanes[i].candidate != candidate)
            continue;
        c.rounds = rounds_of(s, i);
        c.out = s->race->out[i];
        c.rests = s->race->rests[i];
        c.lanes[c.lane_count++] = log_shares(s, i);
    }
    return c;
}

void contender_done(struct contender *c)
{
    for (size_t i = 0; i < c->lane_count; i++)
        free(c->lanes[i]);
    free(c->lanes);
}

struct contender *ratios_contenders(const struct ratios *s, const int *candidates, size_t count)
{
    struct contender *contenders = xcalloc(count, sizeof(*contenders));
    for (size_t i = 0; i < count; i++)
        contenders[i] = ratios_contender(s, candidates[i]);
    return contenders;
}

void contenders_free(struct contender *contenders, size_t count)
{
    for (size_t i = 0; i < count; i++)
        contender_done(&contenders[i]);
    free(contenders);
}
