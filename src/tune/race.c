/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tune/race.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/interrupt.h"
#include "base/json.h"
#include "base/memory.h"
#include "host/process.h"

/* Guest slices between two turns of the host: few enough that both share the weather, enough
 * that the conversation does not count. */
#define PART_LANES 8

#define LONG_PASSES 3
#define LONG_SLICE_MIN_NS (20 * NS_PER_MS)
#define LONG_SLICE_MAX_NS (150 * NS_PER_MS)
/* The part of the time that long slices may take. */
#define LONG_SHARE 0.2

struct runner {
    struct stage *stage;
    const struct race_options *options;
    struct race *race;
    struct random random;
    size_t *order; /* lane numbers of the guest lanes that run */
    size_t order_count;
    size_t parts;       /* of a round */
    size_t host_turn;   /* counts the host's slices, to rotate its lanes */
    bool exhausted;     /* in this round */
    uint64_t start_ns;
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

static int run_host_slice(struct runner *r, size_t lane, uint64_t duration_ns, struct slice *ret,
                          struct error **err)
{
    struct budget budget = budget_of(r->options, duration_ns);
    if (site_run(r->stage->lanes[lane].site, &budget, ret, err) < 0)
        return -1;
    r->stage->written_bytes += ret->written_bytes;
    return 0;
}

/* How long an answer may take: what was asked for a hundred times over, and some seconds more for
 * a disk that pauses. */
static uint64_t patience(size_t slices, uint64_t duration_ns)
{
    return 30 * NS_PER_SECOND + slices * (100 * duration_ns + NS_PER_SECOND);
}

/* Has the guest run one slice on each of `count` lanes, in this order. */
static int run_guest_slices(struct runner *r, const size_t *lanes, size_t count,
                            uint64_t duration_ns, struct slice *ret, struct error **err)
{
    struct budget budget = budget_of(r->options, duration_ns);
    json_t *order = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(order, json_integer(r->stage->lanes[lanes[i]].guest_index));
    json_t *command = json_pack("{s:s, s:o, s:o}", "do", "run", "order", order, "budget",
                                budget_to_json(&budget));
    cleanup_json json_t *reply =
        probe_request(r->stage->probe, command, patience(count, duration_ns), err);
    json_t *slices = json_object_get(reply, "slices");
    if (!reply)
        return -1;
    if (json_array_size(slices) != count)
        return error_set(err, "the probe guest did not do what it was told");
    for (size_t i = 0; i < count; i++) {
        if (slice_from_json(json_array_get(slices, i), &ret[i], err) < 0)
            return -1;
        r->stage->written_bytes += ret[i].written_bytes;
    }
    return 0;
}

/* Appends to a series of `count` the geometric mean of what was summed up for it. */
static void append(double **series, size_t count, double log_sum, unsigned slices)
{
    *series = xreallocarray(*series, count + 1, sizeof(**series));
    (*series)[count] = slices ? exp(log_sum / slices) : NAN;
}

/* Adds a slice's time per request to a sum of logarithms: geometric, as all ratios are. */
static void add_log(const struct slice *slice, double *sum, unsigned *count)
{
    if (!slice->requests)
        return;
    *sum += log((double)slice->elapsed_ns / (double)slice->requests);
    ++*count;
}

/* --- Rounds of short slices ------------------------------------------------------------------- */

/* Adds a slice to what the round has of this lane; the host's lanes have several. */
static void record_slice(struct runner *r, size_t lane, const struct slice *slice, double *sums,
                         unsigned *counts)
{
    struct lane_record *record = &r->race->lanes[lane];
    r->exhausted |= slice->exhausted;
    record->requests += slice->requests;
    record->bytes += slice->bytes;
    record->elapsed_ns += slice->elapsed_ns;
    add_log(slice, &sums[lane], &counts[lane]);
}

static int run_host_turn(struct runner *r, double *sums, unsigned *counts, struct error **err)
{
    size_t lane = r->host_turn++ % r->stage->host_lanes;
    struct slice slice;
    if (run_host_slice(r, lane, r->options->slice_ns, &slice, err) < 0)
        return -1;
    record_slice(r, lane, &slice, sums, counts);
    return 0;
}

static int run_parts(struct runner *r, double *sums, unsigned *counts, struct error **err)
{
    shuffle(&r->random, r->order, r->order_count);
    for (size_t part = 0; part < r->parts; part++) {
        size_t from = r->order_count * part / r->parts;
        size_t count = r->order_count * (part + 1) / r->parts - from;
        struct slice slices[PART_LANES];
        if (interrupt_check(err) < 0 || run_host_turn(r, sums, counts, err) < 0 ||
            run_guest_slices(r, r->order + from, count, r->options->slice_ns, slices, err) < 0)
            return -1;
        for (size_t i = 0; i < count; i++)
            record_slice(r, r->order[from + i], &slices[i], sums, counts);
    }
    return 0;
}

/* One round: a figure more for every lane, or none where a lane had nothing left to write. */
static int run_round(struct runner *r, struct error **err)
{
    struct race *race = r->race;
    cleanup_free double *sums = xcalloc(race->lane_count, sizeof(*sums));
    cleanup_free unsigned *counts = xcalloc(race->lane_count, sizeof(*counts));
    if (run_parts(r, sums, counts, err) < 0)
        return -1;
    if (r->exhausted)
        return 0;
    for (size_t i = 0; i < race->lane_count; i++)
        append(&race->lanes[i].ns, race->rounds, sums[i], counts[i]);
    race->rounds++;
    return 0;
}

static double round_progress(const struct runner *r)
{
    double by_rounds = (double)r->race->rounds / (double)r->options->max_rounds;
    double by_time = (double)(clock_now_ns() - r->start_ns) /
                     (double)(r->short_deadline_ns - r->start_ns);
    return fmax(by_rounds, by_time);
}

static int run_short(struct runner *r, struct error **err)
{
    uint64_t longest = 0;
    while (r->race->rounds < r->options->max_rounds && !r->exhausted) {
        uint64_t before = clock_now_ns();
        /* A round that would end after the deadline is not begun. */
        if (before + longest > r->short_deadline_ns)
            break;
        if (run_round(r, err) < 0)
            return -1;
        uint64_t took = clock_now_ns() - before;
        longest = took > longest ? took : longest;
        progress(r, "measuring", round_progress(r));
    }
    r->race->exhausted = r->exhausted;
    if (r->race->rounds)
        return 0;
    error_set(err, r->exhausted ? "the scratch files are too small for one round of first writes"
                                : "the time is up before the first round");
    return error_hint(err, r->exhausted ? "a larger --size" : "a longer --time, a smaller --size "
                                                              "or fewer --candidates");
}

/* The latencies of the short slices, from the guest; those of the host's lanes are here. */
static int collect_latencies(struct runner *r, struct error **err)
{
    for (size_t i = 0; i < r->race->lane_count; i++) {
        const struct lane *lane = &r->stage->lanes[i];
        struct histogram *into = &r->race->lanes[i].latencies;
        if (lane->site) {
            site_add_latencies(lane->site, 0, into);
        } else if (!lane->failure) {
            json_t *command =
                json_pack("{s:s, s:i}", "do", "latencies", "disk", lane->guest_index);
            cleanup_json json_t *reply =
                probe_request(r->stage->probe, command, 30 * NS_PER_SECOND, err);
            if (!reply || histogram_from_json(reply, into, err) < 0)
                return -1;
        }
    }
    return 0;
}

/* --- Long slices ------------------------------------------------------------------------------ */

/* One long slice on a guest lane, with QEMU's CPU time around it. */
static int run_long_guest(struct runner *r, size_t lane, struct slice *ret, struct error **err)
{
    uint64_t before = 0, after = 0;
    pid_t pid = r->stage->probe->pid;
    if ((pid && process_cpu_ns(pid, &before, err) < 0) ||
        run_guest_slices(r, &lane, 1, r->race->long_slice_ns, ret, err) < 0 ||
        (pid && process_cpu_ns(pid, &after, err) < 0))
        return -1;
    r->race->lanes[lane].cpu_ns += after - before;
    return 0;
}

static void record_long(struct runner *r, size_t lane, const struct slice *slice, double *sums,
                        unsigned *counts)
{
    r->race->lanes[lane].long_requests += slice->issued;
    add_log(slice, &sums[lane], &counts[lane]);
}

/* As a round: the host has its turn before each part. */
static int run_long_parts(struct runner *r, double *sums, unsigned *counts, struct error **err)
{
    struct slice slice;
    shuffle(&r->random, r->order, r->order_count);
    for (size_t i = 0, part = 0; i < r->order_count; i++) {
        if (i == r->order_count * part / r->parts) {
            size_t host = part++ % r->stage->host_lanes;
            if (run_host_slice(r, host, r->race->long_slice_ns, &slice, err) < 0)
                return -1;
            record_long(r, host, &slice, sums, counts);
        }
        if (interrupt_check(err) < 0 || run_long_guest(r, r->order[i], &slice, err) < 0)
            return -1;
        record_long(r, r->order[i], &slice, sums, counts);
        progress(r, "long slices", ((double)i / (double)r->order_count + (double)r->race->passes) /
                                       LONG_PASSES);
    }
    return 0;
}

/* First writes have no long slices: the disks are full by then. */
static int run_long(struct runner *r, struct error **err)
{
    struct race *race = r->race;
    if (r->exhausted || r->stage->options->fresh)
        return 0;
    while (race->passes < LONG_PASSES) {
        cleanup_free double *sums = xcalloc(race->lane_count, sizeof(*sums));
        cleanup_free unsigned *counts = xcalloc(race->lane_count, sizeof(*counts));
        if (run_long_parts(r, sums, counts, err) < 0)
            return -1;
        for (size_t i = 0; i < race->lane_count; i++)
            append(&race->lanes[i].long_ns, race->passes, sums[i], counts[i]);
        race->passes++;
    }
    return 0;
}

/* --- The race --------------------------------------------------------------------------------- */

/* Which lanes run, in how many parts, and when the short slices have to end. */
static void plan(struct runner *r)
{
    struct stage *stage = r->stage;
    r->order = xcalloc(stage->lane_count, sizeof(*r->order));
    for (size_t i = stage->host_lanes; i < stage->lane_count; i++)
        if (!stage->lanes[i].failure)
            r->order[r->order_count++] = i;
    r->parts = (r->order_count + PART_LANES - 1) / PART_LANES;
    if (r->parts < stage->host_lanes)
        r->parts = stage->host_lanes;

    r->start_ns = clock_now_ns();
    uint64_t end = r->options->deadline_ns;
    uint64_t left = end > r->start_ns ? end - r->start_ns : 0;
    uint64_t slices = LONG_PASSES * (r->order_count + r->parts);
    uint64_t each = (uint64_t)(LONG_SHARE * (double)left) / slices;
    each = each < LONG_SLICE_MIN_NS ? LONG_SLICE_MIN_NS
           : each > LONG_SLICE_MAX_NS ? LONG_SLICE_MAX_NS : each;
    uint64_t reserve = stage->options->fresh ? 0 : slices * each * 11 / 10;
    r->race->long_slice_ns = each;
    r->short_deadline_ns = end > r->start_ns + reserve ? end - reserve : r->start_ns;
}

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
    r->race->clock_uncertainty = (double)(from.uncertainty_ns + to.uncertainty_ns) /
                                 (double)(to.host_ns - from.host_ns);
    return 0;
}

struct race *race_run(struct stage *stage, const struct race_options *options, struct error **err)
{
    cleanup_race struct race *race = xcalloc(1, sizeof(*race));
    race->lane_count = stage->lane_count;
    race->lanes = xcalloc(race->lane_count, sizeof(*race->lanes));
    struct runner r = {.stage = stage, .options = options, .race = race};
    random_seed(&r.random, options->seed);
    plan(&r);
    int result = run_all(&r, err);
    free(r.order);
    return result < 0 ? NULL : TAKE_PTR(race);
}

void race_free(struct race *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->lane_count; i++) {
        free(r->lanes[i].ns);
        free(r->lanes[i].long_ns);
    }
    free(r->lanes);
    free(r);
}
