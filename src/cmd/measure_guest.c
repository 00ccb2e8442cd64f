/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * measure_guest.c - the same work on a disk of the probe guest and on the host's own file: a race
 * with one candidate, whose slices alternate with the host's.
 */
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "cmd/cmd.h"
#include "report/report.h"

/* Of all the measuring on each work, when no --runtime says otherwise. */
#define DEFAULT_RUNTIME_NS (10 * NS_PER_SECOND)

#define SLICE_NS (5 * NS_PER_MS)
#define REPLICAS 2

static void take_figures(const struct suite *suite, bool fresh, const struct raced *raced,
                         struct measured_set *set)
{
    const struct outcome *o = raced->outcome;
    const struct standing *s = &o->standings[0];
    for (unsigned k = 0; k < suite->count; k++)
        measured_set_add(set, &(struct measured){
                                  .work = suite->works[k],
                                  .fresh = fresh,
                                  .host = o->host_parts[k].figures,
                                  .guest = s->parts[k].figures,
                                  .share = s->parts[k].share,
                              });
    set->host = o->host;
    set->guest = s->figures;
    set->share = s->share;
    set->written_bytes += raced->stage->written_bytes;
}

static void take_guest(const struct raced *raced, const char *disk, struct measured_guest *ret)
{
    const struct stage *stage = raced->stage;
    measured_guest_done(ret);
    *ret = (struct measured_guest){
        .disk = xstrdup(disk),
        .kernel = xstrdup(stage->kernel->release),
        .accelerator = accelerator_name(stage->probe->accelerator),
        .vcpus = stage->probe->hello.vcpus,
    };
}

int measure_in_guest(const struct measure_task *t, const struct suite *suite, bool fresh,
                     struct measure_report *report, struct measured_set *set, struct error **err)
{
    g_autoptr(GPtrArray) candidates = candidate_only(t->disk, REPLICAS, err);
    if (!candidates)
        return error_prefix(err, "--disk");
    struct stage_options stage = {
        .ground = t->ground,
        .directory = t->directory,
        .uri = t->uri,
        .suite = suite,
        .size_bytes = t->size_bytes,
        .replicas = REPLICAS,
        .fresh = fresh,
        .seed = 1,
        .progress = progress_show,
        .progress_data = t->progress,
    };
    probed_stage(/* subject = */ NULL, t->guest, &t->choice, &stage);
    struct race_options race = {
        .slice_ns = SLICE_NS,
        .min_requests = RACE_MIN_REQUESTS,
        .ramp = RACE_RAMP,
        .max_rounds = UINT32_MAX,
        .goal = goal_throughput,
        .exhaustive = true,
        .confirm = true,
        .duration_ns = (t->runtime_ns ? t->runtime_ns : DEFAULT_RUNTIME_NS) * suite->count,
        .seed = 1,
    };
    cleanup_raced struct raced raced = {0};
    if (raced_run(&stage, &race, candidates, t->warnings, &raced, err) < 0)
        return -1;
    const char *failure = raced.outcome->standings[0].failure;
    if (failure)
        return error_set(err, "the guest's disk is not what was asked for: %s", failure);
    take_figures(suite, fresh, &raced, set);
    take_guest(&raced, t->disk, &report->guest);
    return 0;
}
