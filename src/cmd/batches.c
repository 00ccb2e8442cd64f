/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * batches.c - more configurations than one guest holds, or the file system has room for: several
 * guests, one after the other, each with a race of its own.
 *
 * The front runners of one race, those that are best or equal in it, take part in the next,
 * together with those that nobody has seen yet; who is slower than they are need not be compared
 * with anybody else. There are places for so many of them; where more are equal it stays open which
 * is the best, unless those of a later race are so far ahead that their shares of the host's speed
 * say so (outcome_adopt). Each race has its part of the time that is left, and of the chance of an
 * error: the fastest is put out in one of `n` races with no more than n times an n-th of it.
 *
 * A race that comes to nothing, by a signal, a disk that is full or a guest that hangs, ends the
 * run with what the races before it came to.
 */
#include "cmd/cmd.h"

#include "base/clock.h"
#include "base/interrupt.h"
#include "base/memory.h"

/* How many races are still to come when `left` candidates have not been in any: of each but the
 * first, half of the places may be taken by front runners, and one by what is current. */
static unsigned races_for(size_t left, size_t room, bool current)
{
    size_t places = room - room / 2 - current;
    return (unsigned)((left + places - 1) / places);
}

/* Who goes on: the best, or equals in their order, for half of the room; and what is current. */
static void add_front_runners(const struct outcome *o, size_t room, GPtrArray *into)
{
    for (size_t i = 0; i < o->count; i++) {
        const struct standing *s = &o->standings[i];
        bool ahead = s->verdict == VERDICT_BEST || s->verdict == VERDICT_EQUAL;
        if ((ahead && into->len < room / 2) || (s->candidate->current && !s->failure))
            g_ptr_array_add(into, (void *)s->candidate);
    }
}

/* Of those that can be tried the ones from *at on, until the room is full. */
static void add_unseen(GPtrArray *candidates, size_t room, size_t *at, GPtrArray *into)
{
    for (; *at < candidates->len && into->len < room; (*at)++)
        if (!((struct candidate *)candidates->pdata[*at])->left_out)
            g_ptr_array_add(into, candidates->pdata[*at]);
}

static size_t count_unseen(GPtrArray *candidates, size_t at)
{
    size_t count = 0;
    for (; at < candidates->len; at++)
        count += !((struct candidate *)candidates->pdata[at])->left_out;
    return count;
}

static void leave_out_unseen(GPtrArray *candidates, size_t *at, const char *why)
{
    for (; *at < candidates->len; (*at)++) {
        struct candidate *c = candidates->pdata[*at];
        if (!c->left_out)
            c->left_out = xstrdup(why);
    }
}

#define INTERRUPTED "the run was interrupted before its turn came"

/* Ends the run with the last race there was, as the next came to nothing; who was to be in that for
 * the first time stands from `at` on. */
static void end_early(GPtrArray *candidates, size_t *at, const struct error *err,
                      struct raced *last, GPtrArray *warnings)
{
    cleanup_free char *what = xasprintf("the run ended with guest %u", raced_count(last) + 1);
    cleanup_free char *why = interrupt_check(NULL) < 0
                                 ? xstrdup(INTERRUPTED)
                                 : xasprintf("it was in no race: %s", err->message);
    trust_say_error(warnings, what, err);
    last->outcome->interrupted = true;
    leave_out_unseen(candidates, at, why);
}

/* A race of these, in its share of what is left of the time. */
static int run_one(const struct stage_options *stage, const struct race_options *race,
                   GPtrArray *entrants, unsigned left, unsigned all, GPtrArray *warnings,
                   struct raced *ret, struct error **err)
{
    struct race_options own = *race;
    uint64_t now = clock_now_ns();
    own.error = RACE_ERROR / all;
    if (race->deadline_ns > now)
        own.deadline_ns = now + (race->deadline_ns - now) / left;
    return raced_run(stage, &own, entrants, warnings, ret, err);
}

int batches_run(const struct stage_options *stage, const struct race_options *race,
                GPtrArray *candidates, GPtrArray *warnings, struct raced *ret, struct error **err)
{
    size_t room = stage_room(stage), at = 0, count = count_unseen(candidates, 0);
    /* Where there is room for nobody it is the stage that says how much is needed. */
    if (count <= room || room < 4)
        return raced_run(stage, race, candidates, warnings, ret, err);
    const struct candidate *current = candidates_current(candidates);
    bool has_current = current && !current->left_out;
    unsigned all = 1 + races_for(count - room, room, has_current);
    cleanup_raced struct raced last = {0};
    while (count_unseen(candidates, at)) {
        g_autoptr(GPtrArray) entrants = g_ptr_array_new();
        if (last.outcome)
            add_front_runners(last.outcome, room, entrants);
        size_t unseen = at;
        add_unseen(candidates, room, &at, entrants);
        unsigned left = 1 + races_for(count_unseen(candidates, at), room, has_current);
        struct raced next = {0};
        cleanup_error struct error *failure = NULL;
        if (run_one(stage, race, entrants, left, all, warnings, &next, &failure) < 0) {
            if (!last.outcome) {
                error_take(err, &failure);
                return -1;
            }
            end_early(candidates, &unseen, failure, &last, warnings);
            break;
        }
        next.entrants = g_steal_pointer(&entrants);
        raced_follow(&next, &last);
        last = next;
        if (last.outcome->interrupted)
            leave_out_unseen(candidates, &at, INTERRUPTED);
        if (count_unseen(candidates, at))
            stage_strike(last.stage);
    }
    *ret = last;
    last = (struct raced){0};
    return 0;
}
