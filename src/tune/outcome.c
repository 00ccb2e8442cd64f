/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tune/outcome.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "measure/stats.h"
#include "tune/race.h"

/* --- Figures ---------------------------------------------------------------------------------- */

/* The figures of the lanes that belong to a candidate, or to the host, together. */
static struct figures figures_of(const struct stage *stage, const struct race *race, int candidate)
{
    cleanup_free struct histogram *all = xcalloc(1, sizeof(*all));
    uint64_t requests = 0, bytes = 0, elapsed = 0;
    histogram_clear(all);
    for (size_t i = 0; i < stage->lane_count; i++) {
        if (stage->lanes[i].candidate != candidate)
            continue;
        requests += race->lanes[i].requests;
        bytes += race->lanes[i].bytes;
        elapsed += race->lanes[i].elapsed_ns;
        histogram_merge(all, &race->lanes[i].latencies);
    }
    return figures_from(requests, bytes, elapsed, all);
}

static double cpu_us_per_io(const struct stage *stage, const struct race *race, int candidate)
{
    uint64_t cpu = 0, requests = 0;
    for (size_t i = 0; i < stage->lane_count; i++) {
        if (stage->lanes[i].candidate == candidate) {
            cpu += race->lanes[i].cpu_ns;
            requests += race->lanes[i].long_requests;
        }
    }
    return stage->probe->pid && requests ? (double)cpu / 1e3 / (double)requests : NAN;
}

/* --- Ratios to the host ----------------------------------------------------------------------- */

/* The geometric mean of the host's times in one round (or pass). */
static double host_log_ns(const struct stage *stage, const struct race *race, size_t round,
                          bool long_slices)
{
    double sum = 0;
    for (size_t i = 0; i < stage->host_lanes; i++)
        sum += log(long_slices ? race->lanes[i].long_ns[round] : race->lanes[i].ns[round]);
    return sum / (double)stage->host_lanes;
}

/* log(speed of lane / speed of host) in each round; the caller frees. A lane or a host that had no
 * request in a round (its slice was empty) makes it NaN: such rounds do not exist, since a slice
 * has a least number of requests. */
static double *log_shares(const struct stage *stage, const struct race *race, size_t lane,
                          bool long_slices)
{
    size_t count = long_slices ? race->passes : race->rounds;
    const struct lane_record *record = &race->lanes[lane];
    double *logs = xcalloc(count, sizeof(*logs));
    for (size_t i = 0; i < count; i++)
        logs[i] = host_log_ns(stage, race, i, long_slices) -
                  log(long_slices ? record->long_ns[i] : record->ns[i]);
    return logs;
}

static struct contender contender_new(const struct stage *stage, const struct race *race,
                                      int candidate, bool long_slices)
{
    struct contender c = {0};
    c.lanes = xcalloc(stage->lane_count, sizeof(*c.lanes));
    for (size_t i = 0; i < stage->lane_count; i++)
        if (stage->lanes[i].candidate == candidate)
            c.lanes[c.lane_count++] = log_shares(stage, race, i, long_slices);
    return c;
}

static void contender_done(struct contender *c)
{
    for (size_t i = 0; i < c->lane_count; i++)
        free(c->lanes[i]);
    free(c->lanes);
}

/* --- Standings -------------------------------------------------------------------------------- */

static const char *failure_of(const struct stage *stage, int candidate)
{
    for (size_t i = 0; i < stage->lane_count; i++)
        if (stage->lanes[i].candidate == candidate && stage->lanes[i].failure)
            return stage->lanes[i].failure;
    return NULL;
}

static double spread_of(const struct contender *c, size_t rounds)
{
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < c->lane_count; i++) {
        double location = stats_location(c->lanes[i], rounds).robust;
        low = fmin(low, location);
        high = fmax(high, location);
    }
    return exp(high - low) - 1;
}

/* Short and long slices disagree when they are further apart than both are uncertain, and by more
 * than 5 %: below that it makes no difference to anybody. */
static void confirm(const struct stage *stage, const struct race *race, int candidate,
                    struct standing *s)
{
    s->long_share = NAN;
    if (!race->passes)
        return;
    struct contender c = contender_new(stage, race, candidate, /* long_slices = */ true);
    size_t count = 0;
    cleanup_free double *all = xcalloc(c.lane_count * race->passes, sizeof(*all));
    for (size_t i = 0; i < c.lane_count; i++)
        for (size_t k = 0; k < race->passes; k++)
            all[count++] = c.lanes[i][k];
    contender_done(&c);
    double mean = stats_mean(all, count);
    double se = count > 1 ? sqrt(stats_variance(all, count) / (double)count) : INFINITY;
    double own = (log(s->share.high) - log(s->share.low)) / 2;
    double tolerance = (count > 1 ? stats_t_quantile(0.975, (double)count - 1) * se : INFINITY) + own;
    double difference = fabs(mean - log(s->share.value));
    s->long_share = exp(mean);
    s->long_disagrees = difference > tolerance && difference > log(1.05);
}

static struct standing standing_new(const struct stage *stage, const struct race *race,
                                    int candidate)
{
    struct standing s = {
        .candidate = stage->candidates->pdata[candidate],
        .failure = failure_of(stage, candidate),
        .cpu_us_per_io = NAN,
        .long_share = NAN,
    };
    for (size_t i = 0; i < stage->lane_count; i++)
        if (stage->lanes[i].candidate == candidate)
            s.effective = stage->lanes[i].effective;
    if (s.failure) {
        s.verdict = VERDICT_FAILED;
        return s;
    }
    s.figures = figures_of(stage, race, candidate);
    s.cpu_us_per_io = cpu_us_per_io(stage, race, candidate);
    return s;
}

/* Best, then equals from the one that changes least, then the slower by speed, then failures. */
static int compare_standings(const void *pa, const void *pb)
{
    const struct standing *a = pa, *b = pb;
    if (a->verdict != b->verdict)
        return a->verdict < b->verdict ? -1 : 1;
    if (a->verdict == VERDICT_FAILED)
        return 0;
    unsigned da = candidate_distance(a->candidate), db = candidate_distance(b->candidate);
    if (a->verdict == VERDICT_EQUAL && da != db)
        return da < db ? -1 : 1;
    return a->share.value > b->share.value ? -1 : a->share.value < b->share.value;
}

/* Weighs the candidates that have figures: `running` are their places among the standings. */
static void decide(const struct stage *stage, const struct race *race, struct outcome *o,
                   const size_t *running, const int *candidates, size_t count)
{
    cleanup_free struct contender *contenders = xcalloc(count, sizeof(*contenders));
    for (size_t i = 0; i < count; i++)
        contenders[i] = contender_new(stage, race, candidates[running[i]], false);
    struct contender host = contender_new(stage, race, LANE_HOST, false);
    struct contest contest;
    contest_decide(contenders, count, race->rounds, contest_variance(&host, race->rounds),
                   &contest);
    for (size_t i = 0; i < count; i++) {
        struct standing *s = &o->standings[running[i]];
        const struct interval *logs = &contest.logs[i];
        s->share = (struct interval){exp(logs->value), exp(logs->low), exp(logs->high)};
        s->mean_share = s->figures.mb_per_s / o->host.mb_per_s;
        s->replica_spread = spread_of(&contenders[i], race->rounds);
        s->verdict = contest.verdicts[i];
        confirm(stage, race, candidates[running[i]], s);
        contender_done(&contenders[i]);
    }
    contender_done(&host);
    contest_done(&contest);
}

struct outcome *outcome_new(const struct stage *stage, const struct race *race)
{
    struct outcome *o = xcalloc(1, sizeof(*o));
    size_t all = stage->candidates->len, running_count = 0;
    cleanup_free int *candidates = xcalloc(all, sizeof(*candidates));
    cleanup_free size_t *running = xcalloc(all, sizeof(*running));
    o->rounds = race->rounds;
    o->host = figures_of(stage, race, LANE_HOST);
    o->standings = xcalloc(all, sizeof(*o->standings));
    for (size_t i = 0; i < all; i++) {
        if (((struct candidate *)stage->candidates->pdata[i])->left_out)
            continue;
        candidates[o->count] = (int)i;
        o->standings[o->count] = standing_new(stage, race, (int)i);
        if (!o->standings[o->count].failure)
            running[running_count++] = o->count;
        o->count++;
    }
    decide(stage, race, o, running, candidates, running_count);
    qsort(o->standings, o->count, sizeof(*o->standings), compare_standings);
    if (running_count)
        o->recommended = &o->standings[0];
    if (o->recommended && o->recommended->verdict == VERDICT_BEST)
        o->best = o->recommended;
    return o;
}

void outcome_free(struct outcome *o)
{
    if (!o)
        return;
    free(o->standings);
    free(o);
}
