/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tune/race.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/interrupt.h"
#include "base/memory.h"
#include "host/process.h"
#include "tune/elimination.h"
#include "tune/ratios.h"
#include "tune/slices.h"

/* Guest slices between two turns of the host: few enough that both share the weather, enough
 * that the conversation does not count. */
#define PART_LANES 8

/* The chance that the fastest is put out, or one settled for that is too slow. */
#define ELIMINATION_ERROR 0.05

#define LONG_PASSES 3
#define LONG_SLICE_MIN_NS (20 * NS_PER_MS)
#define LONG_SLICE_MAX_NS (150 * NS_PER_MS)
/* The part of the time that long slices may take. */
#define LONG_SHARE 0.2

/* The slices of one round (or pass) so far: sums of logarithms and their numbers, placed as
 * records. */
struct tally {
    double *sums;
    unsigned *counts;
};

struct runner {
    struct stage *stage;
    const struct race_options *options;
    struct race *race;
    struct random random;
    int *candidates; /* those that are raced, as the elimination numbers them */
    struct elimination elimination;
    size_t *order; /* lane numbers of the guest lanes that run */
    size_t order_count;
    size_t *groups; /* in the order in which a round has them */
    size_t group_count;
    size_t parts;         /* of a group's turn in a round */
    size_t host_turn;     /* counts the host's turns, to rotate its lanes */
    bool exhausted;       /* in this round */
    struct slice *slices; /* room for those of a part */
    struct tally tally;
    uint64_t start_ns, end_ns;
    uint64_t short_deadline_ns; /* when the long slices have to begin */
};

static struct budget budget_of(const struct race_options *o, uint64_t duration_ns)
{
    return (struct budget){
        .duration_ns = duration_ns,
        .min_requests = o->min_requests,
        .max_requests = UINT64_MAX,
        .ramp = o->ramp,
    };
}

static void progress(struct runner *r, const char *what, double fraction)
{
    const struct stage_options *o = r->stage->options;
    if (o->progress)
        o->progress(o->progress_data, what, fraction);
}

/* --- Slices ----------------------------------------------------------------------------------- */

static void shuffle(struct random *random, size_t *items, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        size_t k = random_below(random, i);
        size_t kept = items[i - 1];
        items[i - 1] = items[k];
        items[k] = kept;
    }
}

/* Appends to a series of `count` the geometric mean of what was summed up for it. */
static void append(double **series, size_t count, double log_sum, unsigned slices)
{
    *series = xreallocarray(*series, count + 1, sizeof(**series));
    (*series)[count] = slices ? exp(log_sum / slices) : NAN;
}

/* Adds a slice's time per request to a sum of logarithms: geometric, as all ratios are. */
static void add_log(const struct slice *slice, struct tally *t, size_t place)
{
    if (!slice->requests)
        return;
    t->sums[place] += log((double)slice->elapsed_ns / (double)slice->requests);
    t->counts[place]++;
}

static void clear_tally(struct runner *r)
{
    size_t places = r->race->lane_count * r->race->work_count;
    memset(r->tally.sums, 0, places * sizeof(*r->tally.sums));
    memset(r->tally.counts, 0, places * sizeof(*r->tally.counts));
}

/* The number of a group's first work, and in *ret_count how many it has. */
static size_t works_of(const struct runner *r, size_t group, unsigned *ret_count)
{
    const struct suite *suite = r->stage->options->suite;
    return (size_t)(suite_group(suite, (unsigned)group, ret_count) - suite->works);
}

/* A host lane's turn, before each part; `turn` rotates them. */
static int run_host(struct runner *r, size_t turn, size_t group, uint64_t duration_ns,
                    size_t *ret_lane, struct error **err)
{
    struct budget budget = budget_of(r->options, duration_ns);
    *ret_lane = turn % r->stage->host_lanes;
    return slices_on_host(r->stage, *ret_lane, (unsigned)group, &budget, r->slices, err);
}

static int run_guest(struct runner *r, const size_t *lanes, size_t count, size_t group,
                     uint64_t duration_ns, struct error **err)
{
    struct budget budget = budget_of(r->options, duration_ns);
    return slices_in_guest(r->stage, lanes, count, (unsigned)group, &budget, r->slices, err);
}

/* --- Rounds of short slices ------------------------------------------------------------------- */

/* Adds the slices of a group on a lane to what the round has of it; the host's lanes have several.
 */
static void record_slices(struct runner *r, size_t lane, size_t group, const struct slice *slices)
{
    unsigned count;
    size_t first = works_of(r, group, &count);
    for (unsigned i = 0; i < count; i++) {
        struct record *record = race_record(r->race, lane, first + i);
        r->exhausted |= slices[i].exhausted;
        record->requests += slices[i].requests;
        record->bytes += slices[i].bytes;
        record->elapsed_ns += slices[i].elapsed_ns;
        add_log(&slices[i], &r->tally, (size_t)(record - r->race->records));
    }
}

static int run_group(struct runner *r, size_t group, struct error **err)
{
    unsigned works;
    works_of(r, group, &works);
    shuffle(&r->random, r->order, r->order_count);
    for (size_t part = 0; part < r->parts; part++) {
        size_t from = r->order_count * part / r->parts, host;
        size_t count = r->order_count * (part + 1) / r->parts - from;
        if (interrupt_check(err) < 0 ||
            run_host(r, r->host_turn++, group, r->options->slice_ns, &host, err) < 0)
            return -1;
        record_slices(r, host, group, r->slices);
        if (run_guest(r, r->order + from, count, group, r->options->slice_ns, err) < 0)
            return -1;
        for (size_t i = 0; i < count; i++)
            record_slices(r, r->order[from + i], group, r->slices + i * works);
    }
    return 0;
}

/* One round: a figure more for every lane and work, or none where a lane had nothing left to write.
 */
static int run_round(struct runner *r, struct error **err)
{
    struct race *race = r->race;
    clear_tally(r);
    shuffle(&r->random, r->groups, r->group_count);
    for (size_t i = 0; i < r->group_count; i++)
        if (run_group(r, r->groups[i], err) < 0)
            return -1;
    if (r->exhausted)
        return 0;
    for (size_t i = 0; i < race->lane_count * race->work_count; i++)
        if (!race->out[i / race->work_count])
            append(&race->records[i].ns, race->records[i].rounds++, r->tally.sums[i],
                   r->tally.counts[i]);
    race->rounds++;
    return 0;
}

/* The lanes that run, cut into parts, and when the long slices have to begin: less is to be done
 * the fewer are left. */
static void plan(struct runner *r)
{
    struct stage *stage = r->stage;
    r->order_count = 0;
    for (size_t i = stage->host_lanes; i < stage->lane_count; i++)
        if (!stage->lanes[i].failure && !r->race->out[i])
            r->order[r->order_count++] = i;
    r->parts = (r->order_count + PART_LANES - 1) / PART_LANES;
    if (r->parts < stage->host_lanes)
        r->parts = stage->host_lanes;

    uint64_t left = r->end_ns > r->start_ns ? r->end_ns - r->start_ns : 0;
    uint64_t slices = LONG_PASSES * r->group_count * (r->order_count + r->parts);
    uint64_t each = (uint64_t)(LONG_SHARE * (double)left) / slices;
    each = each < LONG_SLICE_MIN_NS   ? LONG_SLICE_MIN_NS
           : each > LONG_SLICE_MAX_NS ? LONG_SLICE_MAX_NS
                                      : each;
    bool confirm = r->options->confirm && !stage->options->fresh;
    uint64_t reserve = confirm ? slices * each * 11 / 10 : 0;
    r->race->long_slice_ns = each;
    r->short_deadline_ns = r->end_ns > r->start_ns + reserve ? r->end_ns - reserve : r->start_ns;
}

/* Asks who can still win; the lanes of the others rest from here on. */
static void look(struct runner *r)
{
    struct race *race = r->race;
    const struct ratios ratios = {r->stage, race, RATIOS_ALL, /* long_slices = */ false};
    struct elimination *e = &r->elimination;
    cleanup_free struct contender *contenders = xcalloc(e->count, sizeof(*contenders));
    for (size_t i = 0; i < e->count; i++)
        contenders[i] = ratios_contender(&ratios, r->candidates[i]);
    elimination_look(e, contenders);
    for (size_t i = 0; i < e->count; i++) {
        for (size_t lane = 0; e->out[i] && lane < race->lane_count; lane++)
            race->out[lane] |= r->stage->lanes[lane].candidate == r->candidates[i];
        contender_done(&contenders[i]);
    }
    race->settled = e->settled;
    plan(r);
}

/* Whether anybody could be put out: there is somebody to be slower than. */
static bool is_contested(const struct runner *r)
{
    return !r->options->exhaustive && r->elimination.count > 1;
}

static double round_progress(const struct runner *r)
{
    double by_rounds = (double)r->race->rounds / (double)r->options->max_rounds;
    double by_time =
        (double)(clock_now_ns() - r->start_ns) / (double)(r->short_deadline_ns - r->start_ns);
    return fmax(by_rounds, by_time);
}

static int run_short(struct runner *r, struct error **err)
{
    uint64_t longest = 0;
    while (r->race->rounds < r->options->max_rounds && !r->exhausted && !r->race->settled) {
        uint64_t before = clock_now_ns();
        /* A round that would end after the deadline is not begun. */
        if (before + longest > r->short_deadline_ns)
            break;
        if (run_round(r, err) < 0)
            return -1;
        uint64_t took = clock_now_ns() - before;
        longest = took > longest ? took : longest;
        progress(r, "measuring", round_progress(r));
        if (is_contested(r) && r->race->rounds >= r->elimination.next_look)
            look(r);
    }
    r->race->exhausted = r->exhausted;
    if (r->race->rounds)
        return 0;
    error_set(err, r->exhausted ? "the scratch files are too small for one round of first writes"
                                : "the time is up before the first round");
    return error_hint(err, r->exhausted ? "a larger --size"
                                        : "a longer --time, a smaller --size "
                                          "or fewer --candidates");
}

static int collect_latencies(struct runner *r, struct error **err)
{
    struct race *race = r->race;
    for (size_t i = 0; i < race->lane_count; i++)
        for (unsigned k = 0; k < race->work_count && !r->stage->lanes[i].failure; k++)
            if (slices_latencies(r->stage, i, k, &race_record(race, i, k)->latencies, err) < 0)
                return -1;
    return 0;
}

/* --- Long slices ------------------------------------------------------------------------------ */

/* One long slice on a guest lane, with QEMU's CPU time around it. */
static int run_long_guest(struct runner *r, size_t lane, size_t group, struct error **err)
{
    uint64_t before = 0, after = 0;
    unsigned works;
    pid_t pid = r->stage->probe->pid;
    /* A QEMU that is gone has no CPU time; what there is to say of that its guest's silence says.
     */
    bool known = pid && process_cpu_ns(pid, &before, NULL) == 0;
    if (run_guest(r, &lane, 1, group, r->race->long_slice_ns, err) < 0)
        return -1;
    if (known && process_cpu_ns(pid, &after, NULL) == 0)
        race_record(r->race, lane, works_of(r, group, &works))->cpu_ns += after - before;
    return 0;
}

static void record_long(struct runner *r, size_t lane, size_t group)
{
    unsigned count;
    size_t first = works_of(r, group, &count);
    for (unsigned i = 0; i < count; i++) {
        struct record *record = race_record(r->race, lane, first + i);
        record->long_requests += r->slices[i].issued;
        add_log(&r->slices[i], &r->tally, (size_t)(record - r->race->records));
    }
}

/* As in a round: the host has its turn before each part. */
static int run_long_group(struct runner *r, size_t group, struct error **err)
{
    shuffle(&r->random, r->order, r->order_count);
    for (size_t i = 0, part = 0; i < r->order_count; i++) {
        if (i == r->order_count * part / r->parts) {
            size_t host;
            if (run_host(r, part++, group, r->race->long_slice_ns, &host, err) < 0)
                return -1;
            record_long(r, host, group);
        }
        if (interrupt_check(err) < 0 || run_long_guest(r, r->order[i], group, err) < 0)
            return -1;
        record_long(r, r->order[i], group);
    }
    return 0;
}

static int run_pass(struct runner *r, struct error **err)
{
    struct race *race = r->race;
    clear_tally(r);
    shuffle(&r->random, r->groups, r->group_count);
    for (size_t i = 0; i < r->group_count; i++) {
        if (run_long_group(r, r->groups[i], err) < 0)
            return -1;
        progress(r, "long slices",
                 ((double)(i + 1) / (double)r->group_count + (double)race->passes) / LONG_PASSES);
    }
    for (size_t i = 0; i < race->lane_count * race->work_count; i++)
        append(&race->records[i].long_ns, race->passes, r->tally.sums[i], r->tally.counts[i]);
    race->passes++;
    return 0;
}

/* First writes have no long slices: the disks are full by then. */
static int run_long(struct runner *r, struct error **err)
{
    if (r->exhausted || r->stage->options->fresh || !r->options->confirm)
        return 0;
    progress(r, "long slices", 0);
    while (r->race->passes < LONG_PASSES)
        if (run_pass(r, err) < 0)
            return -1;
    return 0;
}

/* --- The race --------------------------------------------------------------------------------- */

/* Enters each candidate all of whose lanes run; returns how many there are. */
static size_t enter_candidates(struct runner *r)
{
    size_t count = 0;
    const struct stage *stage = r->stage;
    for (int c = 0; c < (int)stage->candidates->len; c++) {
        size_t lanes = 0, failures = 0;
        for (size_t i = 0; i < stage->lane_count; i++) {
            lanes += stage->lanes[i].candidate == c;
            failures += stage->lanes[i].candidate == c && stage->lanes[i].failure;
        }
        if (lanes && !failures)
            r->candidates[count++] = c;
    }
    return count;
}

static struct runner *runner_new(struct stage *stage, const struct race_options *options,
                                 struct race *race)
{
    struct runner *r = xcalloc(1, sizeof(*r));
    size_t places = race->lane_count * race->work_count;
    *r = (struct runner){.stage = stage, .options = options, .race = race};
    random_seed(&r->random, options->seed);
    r->order = xcalloc(race->lane_count, sizeof(*r->order));
    r->group_count = suite_groups(stage->options->suite);
    r->groups = xcalloc(r->group_count, sizeof(*r->groups));
    for (size_t i = 0; i < r->group_count; i++)
        r->groups[i] = i;
    r->slices = xcalloc(PART_LANES * race->work_count, sizeof(*r->slices));
    r->tally.sums = xcalloc(places, sizeof(*r->tally.sums));
    r->tally.counts = xcalloc(places, sizeof(*r->tally.counts));
    r->candidates = xcalloc(stage->candidates->len, sizeof(*r->candidates));
    r->elimination = elimination_new(enter_candidates(r), options->margin, ELIMINATION_ERROR);
    r->start_ns = clock_now_ns();
    r->end_ns = options->deadline_ns ? options->deadline_ns : r->start_ns + options->duration_ns;
    plan(r);
    return r;
}

static void runner_free(struct runner *r)
{
    elimination_done(&r->elimination);
    free(r->candidates);
    free(r->order);
    free(r->groups);
    free(r->slices);
    free(r->tally.sums);
    free(r->tally.counts);
    free(r);
}
CLEANUP_PTR(cleanup_runner_handler, struct runner, runner_free)

static int run_all(struct runner *r, struct error **err)
{
    struct clock_pair from, to;
    if (!r->order_count)
        return error_set(err, "no candidate is left to measure: %s",
                         r->stage->lane_count > r->stage->host_lanes
                             ? r->stage->lanes[r->stage->host_lanes].failure
                             : "all are left out");
    if (probe_read_clock(r->stage->probe, &from, err) < 0 || run_short(r, err) < 0 ||
        collect_latencies(r, err) < 0 || run_long(r, err) < 0 ||
        probe_read_clock(r->stage->probe, &to, err) < 0)
        return -1;
    r->race->clock_drift = probe_clock_drift(&from, &to);
    r->race->clock_uncertainty =
        (double)(from.uncertainty_ns + to.uncertainty_ns) / (double)(to.host_ns - from.host_ns);
    return 0;
}

struct race *race_run(struct stage *stage, const struct race_options *options, struct error **err)
{
    cleanup_race struct race *race = xcalloc(1, sizeof(*race));
    race->lane_count = stage->lane_count;
    race->work_count = stage->options->suite->count;
    race->out = xcalloc(race->lane_count, sizeof(*race->out));
    race->records = xcalloc(race->lane_count * race->work_count, sizeof(*race->records));
    at_scope_end(cleanup_runner_handler) struct runner *r = runner_new(stage, options, race);
    return run_all(r, err) < 0 ? NULL : TAKE_PTR(race);
}

void race_free(struct race *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->lane_count * r->work_count; i++) {
        free(r->records[i].ns);
        free(r->records[i].long_ns);
    }
    free(r->records);
    free(r->out);
    free(r);
}
