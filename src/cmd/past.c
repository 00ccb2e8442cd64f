/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * past.c - what a race has of those before it, and leaves for those that come. A history that
 * cannot be read or written is a warning: the race goes on without.
 */
#include "cmd/tune.h"

#include "host/directories.h"
#include "tune/history.h"

/* So far back a race is looked for that tells who won. */
#define RACES_LOOKED_AT 20

/* The latest races of the kind that is beginning on the stage; NULL where none are known. */
static GPtrArray *latest(const struct stage *stage, const struct goal *goal, struct error **err)
{
    cleanup_free char *state = directories_state();
    cleanup_history struct history *h = history_open(state, /* make = */ false, err);
    if (!h)
        return NULL;
    struct history_race *like = history_race_new(stage, goal, /* outcome = */ NULL, 0);
    const struct history_query query = {.like = like, .limit = RACES_LOOKED_AT};
    GPtrArray *races = history_list(h, &query, err);
    history_race_free(like);
    return races;
}

const bool *past_prior(void *data, const struct stage *stage)
{
    struct past *p = data;
    cleanup_error struct error *err = NULL;
    past_done(p);
    g_autoptr(GPtrArray) races = p->ignored ? NULL : latest(stage, p->goal, &err);
    if (err)
        trust_say_error(p->warnings, "earlier races are not known", err);
    p->warned = err;
    for (guint i = 0; races && i < races->len && !p->prior; i++) {
        const struct history_race *race = races->pdata[i];
        p->prior = history_winners(race, stage->candidates);
        p->time = race->time;
    }
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
