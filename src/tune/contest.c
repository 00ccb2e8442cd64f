/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tune/contest.h"

#include <math.h>

#include "base/memory.h"
#include "measure/stats.h"

static const char *const verdict_names[] = {
    [VERDICT_BEST] = "best",
    [VERDICT_EQUAL] = "equal",
    [VERDICT_SLOWER] = "slower",
    [VERDICT_FAILED] = "failed",
};

const char *verdict_name(enum verdict v)
{
    return verdict_names[v];
}

struct summary contest_summarise(const struct contender *c)
{
    struct summary s = {.within.dof = INFINITY};
    cleanup_free double *locations = xcalloc(c->lane_count, sizeof(*locations));
    double n = (double)c->lane_count;
    for (size_t i = 0; i < c->lane_count; i++) {
        struct stats_location l = stats_location(c->lanes[i], c->rounds);
        locations[i] = l.robust;
        s.within.value += l.se * l.se / (n * n);
        s.within.dof = fmin(s.within.dof, l.dof);
    }
    s.location = stats_mean(locations, c->lane_count);
    s.between = c->lane_count > 1 ? stats_variance(locations, c->lane_count) : 0;
    return s;
}

struct variance contest_pool(const struct contender *contenders, const struct summary *summaries,
                             size_t count)
{
    struct variance pooled = {0};
    for (size_t i = 0; i < count; i++) {
        double dof = (double)contenders[i].lane_count - 1;
        pooled.value += dof * summaries[i].between;
        pooled.dof += dof;
    }
    pooled.value = pooled.dof > 0 ? pooled.value / pooled.dof : 0;
    return pooled;
}

static double half_width(struct variance v)
{
    return v.dof > 0 ? stats_t_quantile(0.975, fmax(v.dof, 1)) * sqrt(v.value) : INFINITY;
}

/* The wider of two intervals for one figure; that between lanes exists where there are replicas.
 * Not the interval of the larger variance: the one between lanes is the right one, and by chance
 * the smaller where it has few degrees of freedom. To go by the other then, and its many, would
 * choose the narrower interval by looking at the data. */
static double wider(struct variance between, struct variance within)
{
    double half = half_width(within);
    return between.dof > 0 ? fmax(half_width(between), half) : half;
}

/* Half the interval of a contender's location; `extra` is a variance that comes on top. Its own
 * replicas may show more than all together do. */
static double half_interval(const struct contender *c, const struct summary *s,
                            struct variance pooled, double extra)
{
    double between = fmax(pooled.value, s->between) / (double)c->lane_count;
    return wider((struct variance){between + extra, pooled.dof},
                 (struct variance){s->within.value + extra, s->within.dof});
}

/* Variance of the difference of two locations within lanes, from the differences in the rounds that
 * both have: what they have in common is gone. */
static struct variance paired(const struct contender *a, const struct contender *b)
{
    size_t rounds = a->rounds < b->rounds ? a->rounds : b->rounds;
    cleanup_free double *differences = xcalloc(rounds, sizeof(*differences));
    for (size_t i = 0; i < rounds; i++) {
        for (size_t k = 0; k < a->lane_count; k++)
            differences[i] += a->lanes[k][i] / (double)a->lane_count;
        for (size_t k = 0; k < b->lane_count; k++)
            differences[i] -= b->lanes[k][i] / (double)b->lane_count;
    }
    struct stats_location l = stats_location(differences, rounds);
    return (struct variance){l.se * l.se, l.dof};
}

/* Where it lay in the first rounds, for who has no others. */
static double location_in(const struct contender *c, const struct summary *s, size_t rounds)
{
    struct contender part = *c;
    part.rounds = rounds;
    return rounds == c->rounds ? s->location : contest_summarise(&part).location;
}

struct comparison contest_compare(const struct contender *a, const struct summary *sa,
                                  const struct contender *b, const struct summary *sb,
                                  struct variance pooled)
{
    size_t rounds = a->rounds < b->rounds ? a->rounds : b->rounds;
    return (struct comparison){
        .difference = location_in(a, sa, rounds) - location_in(b, sb, rounds),
        .within = paired(a, b),
        .between = {.value = fmax(pooled.value, sa->between) / (double)a->lane_count +
                             fmax(pooled.value, sb->between) / (double)b->lane_count,
                    .dof = pooled.dof},
    };
}

struct interval contest_difference(const struct comparison *c)
{
    double half = wider(c->between, c->within);
    return (struct interval){c->difference, c->difference - half, c->difference + half};
}

double contest_variance(const struct contender *contender)
{
    struct summary s = contest_summarise(contender);
    return fmax(s.between / (double)contender->lane_count, s.within.value);
}

static bool can_lead(const struct contender *c)
{
    return !c->out && !c->rests;
}

void contest_decide(const struct contender *contenders, size_t count, double host_variance,
                    struct contest *ret)
{
    cleanup_free struct summary *summaries = xcalloc(count, sizeof(*summaries));
    struct contest c = {
        .logs = xcalloc(count, sizeof(*c.logs)),
        .verdicts = xcalloc(count, sizeof(*c.verdicts)),
    };
    size_t in = 0;
    for (size_t i = 0; i < count; i++) {
        summaries[i] = contest_summarise(&contenders[i]);
        in += !contenders[i].out;
        /* Nothing compares with what is not a number: it must not lead by standing first. */
        if (!can_lead(&contenders[c.leader]) ||
            (can_lead(&contenders[i]) && (summaries[i].location > summaries[c.leader].location ||
                                          isnan(summaries[c.leader].location))))
            c.leader = i;
    }
    struct variance pooled = contest_pool(contenders, summaries, count);
    const struct contender *leader = &contenders[c.leader];
    bool alone = true;
    for (size_t i = 0; i < count; i++) {
        double half = half_interval(&contenders[i], &summaries[i], pooled, host_variance);
        struct comparison behind =
            contest_compare(leader, &summaries[c.leader], &contenders[i], &summaries[i], pooled);
        double location = contenders[i].rounds < leader->rounds
                              ? summaries[c.leader].location - behind.difference
                              : summaries[i].location;
        c.logs[i] = (struct interval){location, location - half, location + half};
        bool slower = contenders[i].out || (i != c.leader && contest_difference(&behind).low > 0);
        c.verdicts[i] = slower ? VERDICT_SLOWER : VERDICT_EQUAL;
        alone &= slower || i == c.leader;
    }
    /* A single contender has beaten nobody. */
    if (alone && in > 1)
        c.verdicts[c.leader] = VERDICT_BEST;
    *ret = c;
}

void contest_done(struct contest *c)
{
    free(c->logs);
    free(c->verdicts);
    *c = (struct contest){0};
}
