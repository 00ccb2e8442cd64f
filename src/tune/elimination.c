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
        .left = count,
        .next_look = ELIMINATION_FIRST_LOOK,
        .settled = count <= 1,
    };
}

void elimination_done(struct elimination *e)
{
    free(e->out);
    *e = (struct elimination){0};
}

/* Half the interval of a difference at the look that this is. */
static double half_width(const struct elimination *e, const struct comparison *c)
{
    double look = (double)e->looks, each = e->error / (double)(e->count - 1);
    double within = stats_t_quantile(1 - each / (look * (look + 1)) / 2, fmax(c->within.dof, 1)) *
                    sqrt(c->within.value);
    double between = c->between.dof > 0 ? stats_t_quantile(1 - each / 2, fmax(c->between.dof, 1)) *
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
    double half = half_width(e, &c);
    slower[b] |= c.difference - half > margin;
    slower[a] |= -c.difference - half > margin;
    return fabs(c.difference) + half <= margin;
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
