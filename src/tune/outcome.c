/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tune/outcome.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "measure/stats.h"
#include "tune/front.h"
#include "tune/race.h"
#include "tune/ratios.h"

/* --- Figures ---------------------------------------------------------------------------------- */

/* The records of a candidate's lanes (or the host's) of one work, or of all, added up. */
struct sum {
    uint64_t requests, bytes, elapsed_ns, cpu_ns, cpu_requests;
    struct histogram latencies;
};

/* The caller frees it. */
static struct sum *sum_of(const struct stage *stage, const struct race *race, int candidate,
                          size_t work)
{
    struct sum *sum = xcalloc(1, sizeof(*sum));
    histogram_clear(&sum->latencies);
    for (size_t i = 0; i < race->lane_count * race->work_count; i++) {
        const struct record *r = &race->records[i];
        bool own = stage->lanes[i / race->work_count].candidate == candidate;
        if (!own || (work != RATIOS_ALL && i % race->work_count != work))
            continue;
        sum->requests += r->requests;
        sum->bytes += r->bytes;
        sum->elapsed_ns += r->elapsed_ns;
        sum->cpu_ns += r->cpu_ns;
        sum->cpu_requests += r->cpu_requests;
        histogram_merge(&sum->latencies, &r->latencies);
    }
    return sum;
}

static struct figures figures_of(const struct stage *stage, const struct race *race, int candidate,
                                 size_t work)
{
    cleanup_free struct sum *sum = sum_of(stage, race, candidate, work);
    return figures_from(sum->requests, sum->bytes, sum->elapsed_ns, &sum->latencies);
}

/* Of a group of works, which is the same for each of them; its weight in *ret_weight. */
static double group_cpu_us(const struct stage *stage, const struct race *race, int candidate,
                           unsigned group, double *ret_weight)
{
    unsigned count;
    const struct suite *suite = stage->options->suite;
    const struct work *works = suite_group(suite, group, &count);
    uint64_t cpu_ns = 0, requests = 0;
    *ret_weight = 0;
    for (unsigned i = 0; i < count; i++) {
        cleanup_free struct sum *sum =
            sum_of(stage, race, candidate, (size_t)(works - suite->works) + i);
        cpu_ns += sum->cpu_ns;
        requests += sum->cpu_requests;
        *ret_weight += works[i].weight;
    }
    return requests && cpu_ns ? (double)cpu_ns / 1e3 / (double)requests : NAN;
}

/* Of several works the geometric mean: how many requests of each there were depends on how fast the
 * candidate is at them. */
static double cpu_us_per_io(const struct stage *stage, const struct race *race, int candidate)
{
    const struct suite *suite = stage->options->suite;
    double sum = 0, weight;
    for (unsigned g = 0; g < suite_groups(suite); g++) {
        double us = group_cpu_us(stage, race, candidate, g, &weight);
        sum += weight * log(us);
    }
    return exp(sum / suite_weight(suite));
}

/* --- Standings -------------------------------------------------------------------------------- */

static const char *failure_of(const struct stage *stage, int candidate)
{
    for (size_t i = 0; i < stage->lane_count; i++)
        if (stage->lanes[i].candidate == candidate && stage->lanes[i].failure)
            return stage->lanes[i].failure;
    return NULL;
}

static double spread_of(const struct contender *c)
{
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < c->lane_count; i++) {
        double location = stats_location(c->lanes[i], c->rounds).robust;
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
    const struct ratios scope = {stage, race, RATIOS_ALL, /* long_slices = */ true,
                                 &goal_throughput};
    s->long_share = NAN;
    if (!race->passes)
        return;
    struct contender c = ratios_contender(&scope, candidate);
    size_t count = 0;
    cleanup_free double *all = xcalloc(c.lane_count * race->passes, sizeof(*all));
    for (size_t i = 0; i < c.lane_count; i++)
        for (size_t k = 0; k < race->passes; k++)
            all[count++] = c.lanes[i][k];
    contender_done(&c);
    double mean = stats_mean(all, count);
    double se = count > 1 ? sqrt(stats_variance(all, count) / (double)count) : INFINITY;
    double own = (log(s->share.high) - log(s->share.low)) / 2;
    double tolerance =
        (count > 1 ? stats_t_quantile(0.975, (double)count - 1) * se : INFINITY) + own;
    double difference = fabs(mean - log(s->share.value));
    s->long_share = exp(mean);
    s->long_disagrees = difference > tolerance && difference > log(1.05);
}

/* The figures of each work; their shares come later, when there is something to hold them against.
 */
static struct part *parts_of(const struct stage *stage, const struct race *race, int candidate)
{
    struct part *parts = xcalloc(race->work_count, sizeof(*parts));
    for (size_t k = 0; k < race->work_count; k++)
        parts[k] = (struct part){figures_of(stage, race, candidate, k), {1, 1, 1}};
    return parts;
}

static struct standing standing_new(const struct stage *stage, const struct race *race,
                                    int candidate)
{
    struct standing s = {
        .candidate = stage->candidates->pdata[candidate],
        .failure = failure_of(stage, candidate),
        .cpu_us_per_io = NAN,
        .long_share = NAN,
        .vs_current = {NAN, NAN, NAN},
    };
    for (size_t i = 0; i < stage->lane_count; i++)
        if (stage->lanes[i].candidate == candidate)
            s.effective = stage->lanes[i].effective;
    if (s.failure) {
        s.verdict = VERDICT_FAILED;
        return s;
    }
    s.figures = figures_of(stage, race, candidate, RATIOS_ALL);
    s.parts = parts_of(stage, race, candidate);
    s.cpu_us_per_io = cpu_us_per_io(stage, race, candidate);
    return s;
}

/* By what equals are put in order. */
struct order {
    const struct disk_config *from; /* what changes are from (candidate_distance) */
    bool settled;                   /* that they are equal is known */
};

/* Best, then equals, then the slower by speed, then failures. Of equals that are known to be so the
 * one is first that changes least. Where that was left open, what is current is to be kept, and all
 * else is as likely faster as its figure says; the figures of those that rested are of another time
 * than those of the others, which were ahead then. */
static int compare_standings(const void *pa, const void *pb, void *data)
{
    const struct standing *a = pa, *b = pb;
    const struct order *order = data;
    if (a->verdict != b->verdict)
        return a->verdict < b->verdict ? -1 : 1;
    if (a->verdict == VERDICT_FAILED)
        return 0;
    unsigned da = candidate_distance(a->candidate, order->from);
    unsigned db = candidate_distance(b->candidate, order->from);
    if (a->verdict == VERDICT_EQUAL && order->settled && da != db)
        return da < db ? -1 : 1;
    if (a->verdict == VERDICT_EQUAL && a->candidate->current != b->candidate->current)
        return a->candidate->current ? -1 : 1;
    if (a->verdict == VERDICT_EQUAL && a->rested != b->rested)
        return a->rested ? 1 : -1;
    double ga = a->goal_share.value, gb = b->goal_share.value;
    return ga > gb ? -1 : ga < gb;
}

/* The candidates that have figures: their places among the standings, and their numbers. */
struct field {
    size_t count;
    size_t *standings;
    int *candidates;
};

static struct interval share_from(const struct interval *logs)
{
    return (struct interval){exp(logs->value), exp(logs->low), exp(logs->high)};
}

/* Applies the rule to one work, or to all of them. The caller frees with contest_done. */
static struct contest weigh(const struct ratios *scope, const struct field *field)
{
    struct contender *contenders = ratios_contenders(scope, field->candidates, field->count);
    struct contender host = ratios_contender(scope, LANE_HOST);
    struct contest contest;
    contest_decide(contenders, field->count, contest_variance(&host), &contest);
    contenders_free(contenders, field->count);
    contender_done(&host);
    return contest;
}

/* Holds everybody's speed against that of the current configuration, in the rounds that both have.
 */
static void compare_with(const struct ratios *scope, const struct field *field, size_t current,
                         struct outcome *o)
{
    struct contender *contenders = ratios_contenders(scope, field->candidates, field->count);
    cleanup_free struct summary *summaries = xcalloc(field->count, sizeof(*summaries));
    for (size_t i = 0; i < field->count; i++)
        summaries[i] = contest_summarise(&contenders[i]);
    struct variance pooled = contest_pool(contenders, summaries, field->count);
    for (size_t i = 0; i < field->count; i++) {
        struct comparison c = contest_compare(&contenders[i], &summaries[i], &contenders[current],
                                              &summaries[current], pooled);
        struct interval logs = contest_difference(&c);
        o->standings[field->standings[i]].vs_current =
            i == current ? (struct interval){1, 1, 1} : share_from(&logs);
    }
    contenders_free(contenders, field->count);
}

static void weigh_part(const struct stage *stage, const struct race *race, struct outcome *o,
                       const struct field *field, size_t work)
{
    const struct ratios scope = {stage, race, work, false, &goal_throughput};
    struct contest contest = weigh(&scope, field);
    for (size_t i = 0; i < field->count; i++)
        o->standings[field->standings[i]].parts[work].share = share_from(&contest.logs[i]);
    contest_done(&contest);
}

/* The ratio of the plain mean speeds. */
static double mean_share_of(const struct outcome *o, const struct standing *s,
                            const struct suite *suite)
{
    double sum = 0;
    for (size_t k = 0; k < suite->count; k++)
        sum += suite->works[k].weight *
               log(s->parts[k].figures.mb_per_s / o->host_parts[k].figures.mb_per_s);
    return exp(sum / suite_weight(suite));
}

static double p99_ratio_of(const struct outcome *o, const struct standing *s,
                           const struct suite *suite)
{
    double sum = 0;
    for (size_t k = 0; k < suite->count; k++)
        sum += suite->works[k].weight *
               log(s->parts[k].figures.latency.p99 / o->host_parts[k].figures.latency.p99);
    return exp(sum / suite_weight(suite));
}

static void mark_front(struct outcome *o)
{
    size_t count = 0;
    cleanup_free struct point *points = xcalloc(o->count, sizeof(*points));
    cleanup_free bool *front = xcalloc(o->count, sizeof(*front));
    for (size_t i = 0; i < o->count; i++) {
        const struct standing *s = &o->standings[i];
        if (!s->failure)
            points[count++] = (struct point){{[AIM_THROUGHPUT] = s->share.value,
                                              [AIM_LATENCY] = 1 / s->p99_ratio,
                                              [AIM_CPU] = 1 / s->cpu_us_per_io}};
    }
    front_mark(points, count, o->margin, front);
    for (size_t i = 0, k = 0; i < o->count; i++)
        o->standings[i].front = !o->standings[i].failure && front[k++];
}

/* What the race has settled stands; what it left open the figures decide. */
static enum verdict verdict_of(const struct race *race, const struct stage *stage, int candidate,
                               enum verdict by_figures)
{
    size_t left = 0;
    bool out = false;
    for (size_t i = stage->host_lanes; i < stage->lane_count; i++) {
        left += !race->out[i] && !stage->lanes[i].failure && stage->lanes[i].candidate != candidate;
        out |= race->out[i] && stage->lanes[i].candidate == candidate;
    }
    return out || !race->settled ? by_figures : left ? VERDICT_EQUAL : VERDICT_BEST;
}

/* By what the goal is. */
static void judge(const struct stage *stage, const struct race *race, struct outcome *o,
                  const struct field *field)
{
    const struct ratios scope = {stage, race, RATIOS_ALL, false, &race->goal};
    struct contest contest = weigh(&scope, field);
    for (size_t i = 0; i < field->count; i++) {
        struct standing *s = &o->standings[field->standings[i]];
        s->goal_share = share_from(&contest.logs[i]);
        s->verdict = verdict_of(race, stage, field->candidates[i], contest.verdicts[i]);
    }
    contest_done(&contest);
}

static void decide(const struct stage *stage, const struct race *race, struct outcome *o,
                   const struct field *field)
{
    const struct ratios scope = {stage, race, RATIOS_ALL, false, &goal_throughput};
    for (size_t k = 0; k < race->work_count; k++)
        weigh_part(stage, race, o, field, k);
    struct contest contest = weigh(&scope, field);
    for (size_t i = 0; i < field->count; i++) {
        struct standing *s = &o->standings[field->standings[i]];
        struct contender c = ratios_contender(&scope, field->candidates[i]);
        s->share = share_from(&contest.logs[i]);
        s->mean_share = mean_share_of(o, s, stage->options->suite);
        s->p99_ratio = p99_ratio_of(o, s, stage->options->suite);
        s->replica_spread = spread_of(&c);
        s->rounds = c.rounds;
        s->rested = c.rests;
        confirm(stage, race, field->candidates[i], s);
        contender_done(&c);
    }
    contest_done(&contest);
    for (size_t i = 0; i < field->count; i++)
        if (o->standings[field->standings[i]].candidate->current)
            compare_with(&scope, field, i, o);
    judge(stage, race, o, field);
    mark_front(o);
}

/* Sorts the standings, and finds those among them that have a name. */
static void put_in_order(struct outcome *o, const struct candidate *current)
{
    struct order order = {current ? &current->config : NULL, o->settled};
    qsort_r(o->standings, o->count, sizeof(*o->standings), compare_standings, &order);
    o->current = o->recommended = o->best = NULL;
    for (size_t i = 0; i < o->count; i++)
        if (o->standings[i].candidate->current && !o->standings[i].failure)
            o->current = &o->standings[i];
    if (o->count && !o->standings[0].failure)
        o->recommended = &o->standings[0];
    if (o->recommended && o->recommended->verdict == VERDICT_BEST)
        o->best = o->recommended;
}

struct outcome *outcome_new(const struct stage *stage, const struct race *race)
{
    struct outcome *o = xcalloc(1, sizeof(*o));
    size_t all = stage->candidates->len;
    cleanup_free int *candidates = xcalloc(all, sizeof(*candidates));
    cleanup_free size_t *standings = xcalloc(all, sizeof(*standings));
    struct field field = {0, standings, candidates};
    o->rounds = race->rounds;
    o->settled = race->settled;
    o->runoff = race->runoff;
    o->margin = race->margin;
    o->time_is_up = race->time_is_up;
    o->interrupted = race->interrupted;
    o->goal = race->goal;
    o->host = figures_of(stage, race, LANE_HOST, RATIOS_ALL);
    o->host_cpu_us_per_io = cpu_us_per_io(stage, race, LANE_HOST);
    o->part_count = race->work_count;
    o->host_parts = parts_of(stage, race, LANE_HOST);
    o->standings = xcalloc(all, sizeof(*o->standings));
    for (size_t i = 0; i < all; i++) {
        if (((struct candidate *)stage->candidates->pdata[i])->left_out)
            continue;
        struct standing *s = &o->standings[o->count];
        *s = standing_new(stage, race, (int)i);
        if (!s->failure) {
            candidates[field.count] = (int)i;
            standings[field.count++] = o->count;
        }
        o->count++;
    }
    if (field.count)
        decide(stage, race, o, &field);
    put_in_order(o, candidates_current(stage->candidates));
    return o;
}

static bool has_standing(const struct outcome *o, const struct candidate *candidate)
{
    for (size_t i = 0; i < o->count; i++)
        if (o->standings[i].candidate == candidate)
            return true;
    return false;
}

static bool is_ahead(const struct standing *s)
{
    return s->verdict == VERDICT_BEST || s->verdict == VERDICT_EQUAL;
}

/* How good the best of a race are at least. */
static double least_of_best(const struct outcome *o)
{
    double least = 0;
    for (size_t i = 0; i < o->count; i++)
        if (is_ahead(&o->standings[i]))
            least = fmax(least, o->standings[i].goal_share.low);
    return least;
}

/* Who was ahead in an earlier race and found no place in this one may still be the best, unless it
 * is at most less good than the best are at least: nothing but the host was in both races. */
static bool stays_open(const struct standing *earlier, double least)
{
    return !earlier->failure && is_ahead(earlier) && !(earlier->goal_share.high < least);
}

/* What this race has found does not hold of those that were not in it. */
static void reopen(struct outcome *o)
{
    o->settled = false;
    for (size_t i = 0; i < o->count; i++)
        if (o->standings[i].verdict == VERDICT_BEST)
            o->standings[i].verdict = VERDICT_EQUAL;
}

void outcome_adopt(struct outcome *o, struct outcome *earlier)
{
    const struct candidate *current = o->current ? o->current->candidate : NULL;
    double least = least_of_best(o);
    bool open = false;
    o->standings = xreallocarray(o->standings, o->count + earlier->count, sizeof(*o->standings));
    for (size_t i = 0; i < earlier->count; i++) {
        struct standing *s = &earlier->standings[i], *own = &o->standings[o->count];
        if (has_standing(o, s->candidate))
            continue;
        *own = *s;
        s->parts = NULL;
        o->count++;
        own->rested = !s->failure;
        if (own->rested)
            own->verdict = stays_open(s, least) ? VERDICT_EQUAL : VERDICT_SLOWER;
        open |= own->verdict == VERDICT_EQUAL;
    }
    if (open)
        reopen(o);
    mark_front(o);
    put_in_order(o, current);
}

void outcome_free(struct outcome *o)
{
    if (!o)
        return;
    for (size_t i = 0; i < o->count; i++)
        free(o->standings[i].parts);
    free(o->standings);
    free(o->host_parts);
    free(o);
}
