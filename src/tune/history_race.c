/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tune/history.h"

#include <math.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "base/memory.h"
#include "host/machine.h"
#include "host/storage.h"
#include "tune/stage.h"

char *history_works(const struct suite *suite, bool fresh)
{
    json_t *works = suite_to_json(suite);
    for (unsigned i = 0; i < suite->count; i++)
        json_object_set_new(json_array_get(works, i), "weight", json_real(suite->works[i].weight));
    cleanup_json json_t *all = json_pack("{s:o, s:b}", "works", works, "fresh", fresh);
    return json_dumps(all, JSON_SORT_KEYS | JSON_COMPACT | JSON_REAL_PRECISION(9));
}

/* The name of the suite, or of its only work, or how many it has. */
static char *name_of(const struct suite *suite)
{
    const char *name = suite->count == 1 ? suite->works[0].workload.name : suite->name;
    if (name[0])
        return xstrdup(name);
    return suite->count == 1 ? xstrdup(workload_rw_name(suite->works[0].workload.rw))
                             : xasprintf("%u works", suite->count);
}

static char *config_text(const struct candidate *c)
{
    cleanup_json json_t *config = disk_config_to_json(&c->config);
    return json_dumps(config, JSON_SORT_KEYS | JSON_COMPACT);
}

static struct history_candidate candidate_from(const struct standing *s)
{
    struct interval none = {NAN, NAN, NAN};
    return (struct history_candidate){
        .id = xstrdup(s->candidate->id),
        .config = config_text(s->candidate),
        .verdict = xstrdup(verdict_name(s->verdict)),
        .rounds = s->rounds,
        .share = s->failure ? none : s->share,
        .cpu_us_per_io = s->cpu_us_per_io,
    };
}

static char *id_of(const struct standing *s)
{
    return s ? xstrdup(s->candidate->id) : NULL;
}

static void add_outcome(struct history_race *r, const struct outcome *o)
{
    r->rounds = o->rounds;
    r->settled = o->settled;
    r->best = id_of(o->best);
    r->recommended = id_of(o->recommended);
    r->candidates = xcalloc(o->count, sizeof(*r->candidates));
    for (; r->count < o->count; r->count++)
        r->candidates[r->count] = candidate_from(&o->standings[r->count]);
}

struct history_race *history_race_new(const struct stage *stage, const struct goal *goal,
                                      const struct outcome *outcome, double seconds)
{
    const struct stage_options *o = stage->options;
    struct history_race *r = xcalloc(1, sizeof(*r));
    *r = (struct history_race){
        .time = time(NULL),
        .version = xstrdup(VERSION),
        .host = machine_key(""),
        .storage = storage_kind("", o->directory),
        .accelerator = xstrdup(accelerator_name(stage->accelerator)),
        .works = history_works(o->suite, o->fresh),
        .goal = goal_text(goal),
        .directory = xstrdup(o->directory),
        .work = name_of(o->suite),
        .kernel = xstrdup(stage->kernel->release),
        .qemu = xstrdup(stage->qemu),
        .vcpus = stage->vcpus,
        .seconds = seconds,
    };
    if (outcome)
        add_outcome(r, outcome);
    return r;
}

void history_race_free(void *race)
{
    struct history_race *r = race;
    if (!r)
        return;
    char *const strings[] = {r->version, r->host, r->storage,   r->accelerator,
                             r->works,   r->goal, r->directory, r->work,
                             r->kernel,  r->qemu, r->best,      r->recommended};
    for (size_t i = 0; i < ARRAY_SIZE(strings); i++)
        free(strings[i]);
    for (size_t i = 0; i < r->count; i++) {
        free(r->candidates[i].id);
        free(r->candidates[i].config);
        free(r->candidates[i].verdict);
    }
    free(r->candidates);
    free(r);
}

/* By its configuration: what is called "current" is another one for each disk. */
static bool has_won(const struct history_race *race, const struct candidate *candidate)
{
    cleanup_free char *config = config_text(candidate);
    bool won = false;
    for (size_t i = 0; i < race->count; i++) {
        const struct history_candidate *c = &race->candidates[i];
        won |= strcmp(c->config, config) == 0 &&
               (strcmp(c->verdict, verdict_name(VERDICT_BEST)) == 0 ||
                strcmp(c->verdict, verdict_name(VERDICT_EQUAL)) == 0);
    }
    return won;
}

static bool has_losers(const struct history_race *race)
{
    bool lost = false;
    for (size_t i = 0; i < race->count; i++)
        lost |= strcmp(race->candidates[i].verdict, verdict_name(VERDICT_SLOWER)) == 0;
    return lost;
}

bool *history_winners(const struct history_race *race, const GPtrArray *candidates)
{
    cleanup_free bool *won = xcalloc(candidates->len, sizeof(*won));
    unsigned raced = 0, winners = 0;
    for (unsigned i = 0; i < candidates->len; i++) {
        const struct candidate *c = candidates->pdata[i];
        won[i] = !c->left_out && has_won(race, c);
        raced += !c->left_out;
        winners += won[i];
    }
    return winners && winners < raced && has_losers(race) ? TAKE_PTR(won) : NULL;
}
