/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * trust.c - reasons why a figure should not be believed, in words.
 */
#include "cmd/cmd.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "measure/stats.h"
#include "tune/race.h"

/* Others' share of the disk's traffic above which a figure is theirs as well. File systems write
 * journals and metadata of their own, which is less. */
#define OTHERS_SHARE 0.10
#define OTHERS_LEAST (UINT64_C(8) << 20)

/* Relative standard deviation of a run's parts, and their decay, that need a word. */
#define SPREAD 0.10
#define DECAY 0.20

#define LOOK_NS (NS_PER_SECOND / 4)

void trust_say(GPtrArray *warnings, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    for (guint i = 0; i < warnings->len; i++)
        if (strcmp(warnings->pdata[i], text) == 0)
            return;
    g_ptr_array_add(warnings, g_steal_pointer(&text));
}

void trust_say_error(GPtrArray *warnings, const char *what, const struct error *err)
{
    trust_say(warnings, "%s: %s%s%s", what, err->message, err->hint ? "; " : "",
              err->hint ? err->hint : "");
}

double trust_look_before(const char *directory)
{
    struct load before, after;
    if (load_read("", directory, &before, NULL) < 0)
        return NAN;
    usleep(LOOK_NS / 1000);
    if (load_read("", directory, &after, NULL) < 0 || after.at_ns <= before.at_ns)
        return NAN;
    return (double)(after.bytes - before.bytes) * 1e3 / (double)(after.at_ns - before.at_ns);
}

void trust_check_idle(double others_mb_per_s, double own_mb_per_s, GPtrArray *warnings)
{
    if (others_mb_per_s > OTHERS_SHARE * own_mb_per_s)
        trust_say(warnings, "the disk was busy before the measuring began: %.1f MB/s by others",
                  others_mb_per_s);
}

/* --- Others on the disk ----------------------------------------------------------------------- */

struct watch trust_watch(const char *directory, pid_t probe)
{
    struct watch w = {.directory = directory, .guests = load_guests(directory, probe)};
    w.known = load_read("", directory, &w.before, NULL) == 0;
    return w;
}

static bool is_much(uint64_t bytes, uint64_t own_bytes)
{
    return bytes > OTHERS_LEAST && (double)bytes > OTHERS_SHARE * (double)own_bytes;
}

static void check_guests(const struct watch *w, uint64_t own_bytes, GPtrArray *warnings)
{
    for (guint i = 0; i < w->guests->len; i++) {
        const struct guest_load *g = w->guests->pdata[i];
        uint64_t now = load_guest_bytes(g->pid);
        if (now > g->bytes && is_much(now - g->bytes, own_bytes))
            trust_say(warnings, "the guest %s (process %d) used the disk meanwhile: %.0f MB",
                      g->name, (int)g->pid, (double)(now - g->bytes) / 1e6);
    }
}

void trust_watched(struct watch *w, uint64_t own_bytes, const char *name, GPtrArray *warnings)
{
    struct load after;
    bool known = w->known && load_read("", w->directory, &after, NULL) == 0;
    uint64_t all = known ? after.bytes - w->before.bytes : 0;
    if (all > own_bytes && is_much(all - own_bytes, own_bytes))
        trust_say(warnings, "%s: others used the disk meanwhile: %.0f MB beside %.0f MB of our own",
                  name, (double)(all - own_bytes) / 1e6, (double)own_bytes / 1e6);
    check_guests(w, own_bytes, warnings);
    g_clear_pointer(&w->guests, g_ptr_array_unref);
}

/* --- Whole runs ------------------------------------------------------------------------------- */

void trust_check_run(const struct run_result *run, const char *name, GPtrArray *warnings)
{
    if (run->spread > SPREAD)
        trust_say(warnings,
                  "%s: the speed varied by %.0f %% (standard deviation of quarter seconds)", name,
                  run->spread * 100);
    if (run->trend < -DECAY)
        trust_say(warnings,
                  "%s: the last part was %.0f %% slower than the first: a cache that filled, "
                  "burst credit, or heat",
                  name, -run->trend * 100);
}

/* --- Races ------------------------------------------------------------------------------------ */

/* Half of a figure's interval, as a part of the figure, above which it says little. */
#define WIDE 0.10

void trust_check_guest(const struct probe *probe, double drift, double uncertainty,
                       GPtrArray *warnings)
{
    const char *note = probe->accelerator_note;
    if (probe->accelerator == ACCELERATOR_TCG)
        trust_say(warnings,
                  "the guest's CPU was emulated (TCG): its own share of each request is "
                  "inflated%s%s",
                  note ? "; " : "", note ? note : "");
    if (fabs(drift) > 0.01 + uncertainty)
        trust_say(warnings,
                  "the guest's clock runs %+.1f %% against the host's: its figures are off "
                  "by that",
                  drift * 100);
}

/* The host's time per request in a tenth of the rounds, from `first` on. */
static double host_ns(const struct stage *stage, const struct race *race, size_t work, size_t first)
{
    size_t tenth = race->rounds / 10;
    double sum = 0;
    for (size_t i = 0; i < stage->host_lanes; i++)
        sum += log(stats_trimmed_mean(race_record(race, i, work)->ns + first, tenth, 0.25));
    return exp(sum / (double)stage->host_lanes);
}

/* Ratios forget what slows all alike; what the figures were taken on is worth a word. */
static void check_decay(const struct stage *stage, const struct race *race, GPtrArray *warnings)
{
    for (size_t k = 0; race->rounds >= 20 && k < race->work_count; k++) {
        const char *name = stage->options->suite->works[k].workload.name;
        double first = host_ns(stage, race, k, 0);
        double change = first / host_ns(stage, race, k, race->rounds - race->rounds / 10) - 1;
        if (change < -DECAY)
            trust_say(warnings,
                      "%s: the host's disk was %.0f %% slower at the end than at the beginning: "
                      "a cache that filled, burst credit, or heat",
                      *name ? name : "this work", -change * 100);
    }
}

/* Half of the interval of its share of the host, as a part of that; 0 where it has none. */
static double half_of(const struct standing *s)
{
    return s->failure ? 0 : (s->share.high - s->share.low) / 2 / s->share.value;
}

/* One line for all of them: it is the host's noise that makes them wide. */
static void check_intervals(const struct outcome *o, GPtrArray *warnings)
{
    double widest = 0;
    size_t wide = 0;
    for (size_t i = 0; i < o->count; i++) {
        widest = fmax(widest, half_of(&o->standings[i]));
        wide += half_of(&o->standings[i]) > WIDE;
    }
    if (wide)
        trust_say(warnings,
                  "%zu of %zu shares of the host are known to no more than ±%.0f %%, one of "
                  "them to ±%.0f %%: more time, or a host with less noise",
                  wide, o->count, WIDE * 100, widest * 100);
}

/* A work in which a guest is faster than its host was not done by the same disk. One line for each
 * work: what is in the path of one configuration is in that of most. */
static void check_faster(const struct stage *stage, const struct outcome *o, GPtrArray *warnings)
{
    for (size_t k = 0; k < o->part_count; k++) {
        const char *name = stage->options->suite->works[k].workload.name;
        for (size_t i = 0; i < o->count; i++) {
            const struct standing *s = &o->standings[i];
            if (s->failure || !(s->parts[k].share.low > 1))
                continue;
            trust_say(warnings,
                      "%s: a guest was faster than the host (%s: %.0f %%): a cache in its path "
                      "answers",
                      *name ? name : "this work", s->candidate->id, s->parts[k].share.value * 100);
            break;
        }
    }
}

static void check_standing(const struct standing *s, GPtrArray *warnings)
{
    const char *id = s->candidate->id;
    if (s->failure)
        return;
    if (!disk_config_is_direct(&s->effective))
        trust_say(warnings,
                  "%s: the host's page cache is in its path, and holds what was measured; with "
                  "images larger than the host's free memory it does not",
                  id);
    if (s->long_disagrees)
        trust_say(warnings, "%s: %.1f %% of the host in short slices, %.1f %% in long ones", id,
                  s->share.value * 100, s->long_share * 100);
}

void trust_check_race(const struct stage *stage, const struct race *race,
                      const struct outcome *outcome, GPtrArray *warnings)
{
    if (race->interrupted)
        trust_say(warnings, "interrupted after %zu rounds%s", race->rounds,
                  race->passes ? "" : ", without long slices");
    else if (race->hurried && !race->passes)
        trust_say(warnings, "there was no time for long slices, in which caches fill and CPU time "
                            "is read: a longer --time, or fewer --candidates");
    trust_check_guest(stage->probe, race->clock_drift, race->clock_uncertainty, warnings);
    if (stage->options->replicas < 2)
        trust_say(warnings,
                  "one disk for each configuration: the intervals do not know how much two "
                  "equal disks differ");
    check_decay(stage, race, warnings);
    check_intervals(outcome, warnings);
    check_faster(stage, outcome, warnings);
    for (size_t i = 0; i < outcome->count; i++)
        check_standing(&outcome->standings[i], warnings);
}
