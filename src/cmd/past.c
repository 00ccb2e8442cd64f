/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * past.c - what a race has of those before it, and leaves for those that come. A history that
 * cannot be read or written is a warning: the race goes on without.
 */
#include "cmd/tune.h"

#include "host/directories.h"
#include "tune/history.h"

/* The latest race of the kind that is beginning on the stage; NULL where there is none. The caller
 * frees. */
static struct history_race *latest(const struct stage *stage, const struct goal *goal,
                                   struct error **err)
{
    cleanup_free char *state = directories_state();
    cleanup_history struct history *h = history_open(state, /* make = */ false, err);
    if (!h)
        return NULL;
    struct history_race *like = history_race_new(stage, goal, /* outcome = */ NULL, 0);
    const struct history_query query = {.like = like, .limit = 1};
    g_autoptr(GPtrArray) races = history_list(h, &query, err);
    history_race_free(like);
    return races && races->len ? g_ptr_array_steal_index(races, 0) : NULL;
}

const bool *past_prior(void *data, const struct stage *stage)
{
    struct past *p = data;
    cleanup_error struct error *err = NULL;
    past_done(p);
    struct history_race *race = p->ignored ? NULL : latest(stage, p->goal, &err);
    if (err)
        trust_say_error(p->warnings, "earlier races are not known", err);
    p->warned = err;
    if (!race)
        return NULL;
    p->prior = history_winners(race, stage->candidates);
    p->time = race->time;
    history_race_free(race);
    if (!p->prior)
        return NULL;
    p->winners = g_ptr_array_new_with_free_func(g_free);
    for (unsigned i = 0; i < stage->candidates->len; i++)
        if (p->prior[i])
            g_ptr_array_add(p->winners,
                            g_strdup(((struct candidate *)stage->candidates->pdata[i])->id));
    return p->prior;
}

void past_record(struct past *p, const struct raced *raced, double seconds)
{
    cleanup_error struct error *err = NULL;
    cleanup_free char *state = directories_state();
    cleanup_history struct history *h = history_open(state, /* make = */ true, &err);
    struct history_race *race = history_race_new(raced->stage, p->goal, raced->outcome, seconds);
    /* What keeps it from being read is most likely to keep it from being written. */
    if ((!h || history_add(h, race, &err) < 0) && !p->warned)
        trust_say_error(p->warnings, "this race will not be known to later ones", err);
    history_race_free(race);
}

void past_done(struct past *p)
{
    free(TAKE_PTR(p->prior));
    g_clear_pointer(&p->winners, g_ptr_array_unref);
}
