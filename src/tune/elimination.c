/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tune/elimination.h"

#include <math.h>

#include "base/memory.h"
#include "measure/stats.h"

#define LOOK_GROWTH 1.25

struct elimination elimination_new(size_t count, double margin, double error)
{
    return (struct elimination){
        .margin = margin,
        .error = error,
        .count = count,
        .out = xcalloc(count, sizeof(bool)),
        .expected = xcalloc(count, sizeof(bool)),
        .left = count,
        .next_look = ELIMINATION_FIRST_LOOK,
        .settled = count <= 1,
    };
}

void elimination_done(struct elimination *e)
{
    free(e->out);
    free(e->expected);
    *e = (struct elimination){0};
}

void elimination_expect(struct elimination *e, const bool *winners)
{
    e->expected_count = 0;
    for (size_t i = 0; i < e->count; i++)
        e->expected_count += e->expected[i] = winners[i];
}

/* The part of its error that a candidate, should it be the fastest, has for the test against
 * another one. Those of all others add up to 1. */
static double share_of(const struct elimination *e, size_t fastest, size_t other)
{
    size_t others = e->count - 1, expected = e->expected_count - e->expected[fastest];
    if (!expected || expected == others)
        return 1 / (double)others;
    return e->expected[other] ? ELIMINATION_TRUST / (double)expected
                              : (1 - ELIMINATION_TRUST) / (double)(others - expected);
}

/* How far above a difference its bound lies at the look that this is, with this share of the error.
 */
static double distance(const struct elimination *e, const struct comparison *c, double share)
{
    double look = (double)e->looks, error = e->error / 2 * share;
    double within = stats_t_quantile(1 - error / (look * (look + 1)), fmax(c->within.dof, 1)) *
                    sqrt(c->within.value);
    double between = c->between.dof > 0 ? stats_t_quantile(1 - error, fmax(c->between.dof, 1)) *
                                              sqrt(c->between.value)
                                        : 0;
    return fmax(within, between);
}

/* What a look knows. */
struct look {
    const struct contender *contenders;
    const struct summary *summaries;
    struct variance pooled;
};

/* Holds two that are in against each other: marks the one that is slower by more than the margin,
 * and returns whether they are surely within it. A difference that is not a number decides nothing.
 */
static bool hold(struct elimination *e, const struct look *l, size_t a, size_t b, bool *slower)
{
    double margin = log1p(e->margin);
    struct comparison c = contest_compare(&l->contenders[a], &l->summaries[a], &l->contenders[b],
                                          &l->summaries[b], l->pooled);
    /* How far each is ahead of the other at most, should it be the fastest. */
    double a_share = share_of(e, a, b), b_share = share_of(e, b, a);
    double a_distance = distance(e, &c, a_share);
    double a_ahead = c.difference + a_distance;
    double b_ahead = -c.difference + (b_share == a_share ? a_distance : distance(e, &c, b_share));
    slower[a] |= a_ahead < -margin;
    slower[b] |= b_ahead < -margin;
    return a_ahead <= margin && b_ahead <= margin;
}

/* All pairs of those that are in. Whether they are settled is asked of those that stay: who goes
 * now does not keep the others waiting. */
static bool hold_all(struct elimination *e, const struct look *l, bool *slower)
{
    cleanup_free bool *close = xcalloc(e->count * e->count, sizeof(*close));
    bool settled = true;
    for (size_t a = 0; a < e->count; a++)
        for (size_t b = a + 1; b < e->count; b++)
            if (!e->out[a] && !e->out[b])
                close[a * e->count + b] = hold(e, l, a, b, slower);
    for (size_t a = 0; a < e->count; a++)
        for (size_t b = a + 1; b < e->count; b++)
            settled &= close[a * e->count + b] || e->out[a] || e->out[b] || slower[a] || slower[b];
    return settled;
}

void elimination_look(struct elimination *e, const struct contender *contenders)
{
    cleanup_free struct summary *summaries = xcalloc(e->count, sizeof(*summaries));
    cleanup_free bool *slower = xcalloc(e->count, sizeof(*slower));
    e->looks++;
    for (size_t i = 0; i < e->count; i++)
        summaries[i] = contest_summarise(&contenders[i]);
    struct look look = {contenders, summaries, contest_pool(contenders, summaries, e->count)};
    bool settled = hold_all(e, &look, slower);
    for (size_t i = 0; i < e->count; i++) {
        e->left -= slower[i] && !e->out[i];
        e->out[i] |= slower[i];
    }
    e->settled = settled || e->left <= 1;
    e->next_look = (size_t)ceil((double)e->next_look * LOOK_GROWTH);
}
