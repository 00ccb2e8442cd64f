/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tune.c - virt-disktune tune: the best configuration for a disk, by measurement.
 */
#include "cmd/tune.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/json.h"
#include "report/report.h"
#include "tune/samples.h"

static int check_number(GPtrArray *candidates, struct error **err)
{
    for (unsigned i = 0; i < candidates->len; i++)
        if (!((struct candidate *)candidates->pdata[i])->left_out)
            return 0;
    return error_set(err, "no configuration is left to try: each is left out by a rule");
}

/* From this machine type on a disk has unasked as many queues as there are vCPUs. */
#define MACHINE_WITH_QUEUES 5002

/* On an older one, or where the probe guest has other vCPUs than the domain, the number stays. */
static void start_from(struct space *space, struct subject *subject)
{
    const struct domain_model *m = subject->definitions.next;
    bool follow =
        domain_model_machine_version(m) >= MACHINE_WITH_QUEUES && space->vcpus == m->vcpus;
    space->unasked_queues = follow ? m->vcpus : 0;
    subject->current = space_normal_form(space, &subject->current);
    space_start_from(space, &subject->current);
}

static GPtrArray *list_candidates(const struct tune_arguments *a, struct ground *ground,
                                  struct subject *subject, struct error **err)
{
    struct candidate_facts facts = candidate_facts_read("", (unsigned)a->replica_count * 4);
    if (ground_take(ground, a->common.connect, err) < 0 ||
        ground_connect(ground, a->common.connect, err) < 0)
        return NULL;
    facts.versions = connection_versions(ground->connection);
    /* libvirt tells the version of its own choice alone. */
    if (a->guest.emulator)
        facts.versions.qemu = 0;
    struct space space = a->space;
    space.allow_host_cache = a->allow_host_cache;
    space.allow_bus_change = a->allow_bus_change;
    space.allow_image_conversion = a->allow_image_conversion;
    space.vcpus = a->choice.vcpus;
    if (subject)
        start_from(&space, subject);
    space.disk_bytes = subject ? MAX(a->size_bytes, subject->images.virtual_bytes) : a->size_bytes;
    space.concurrent = false;
    for (unsigned i = 0; i < a->suite->count; i++) {
        const struct workload *w = &a->suite->works[i].workload;
        space.concurrent |= w->depth * w->jobs > 1;
    }
    g_autoptr(GPtrArray) candidates = space_candidates(&space, &facts);
    if (a->candidates && candidates_select(candidates, a->candidates, err) < 0)
        return NULL;
    if (check_number(candidates, err) < 0)
        return NULL;
    return g_steal_pointer(&candidates);
}

static int print_result(const struct tune_arguments *a, const struct tune_report *report,
                        struct error **err)
{
    if (!a->common.json) {
        report_tune_text(report, stdout);
        return finish_output(err);
    }
    cleanup_json json_t *json = report_tune_json(report);
    return finish_json(json, err);
}

/* A run of the verb. */
struct run {
    struct tune_arguments *a;
    uint64_t start_ns;
    struct ground ground;
    struct subject subject; /* empty where there is no domain */
    GPtrArray *candidates;
    GPtrArray *warnings;
    struct past past;
};

static void run_done(struct run *r)
{
    g_clear_pointer(&r->candidates, g_ptr_array_unref);
    g_clear_pointer(&r->warnings, g_ptr_array_unref);
    past_done(&r->past);
    subject_done(&r->subject);
    ground_done(&r->ground);
}
#define cleanup_run at_scope_end(run_done)

/* What the domain's disk is held to, and none of the probe guest's. */
static void doubt_limits(const struct domain_disk *d, GPtrArray *warnings)
{
    g_autoptr(GString) limits = g_string_new(NULL);
    for (size_t i = 0; i < d->limit_count; i++)
        g_string_append_printf(limits, "%s%s=%" PRIu64, i ? ", " : "", d->limits[i].name,
                               d->limits[i].value);
    if (d->limit_count)
        trust_say(warnings, "the domain's disk is held to %s (<iotune>), the probe guest's are not",
                  limits->str);
}

/* The exit status, or -1. */
static int conclude(struct run *run, const struct raced *raced, struct error **err)
{
    const struct tune_arguments *a = run->a;
    const struct subject *subject = tune_has_subject(a) ? &run->subject : NULL;
    const struct stage *stage = raced->stage;
    double seconds = (double)(clock_now_ns() - run->start_ns) / 1e9;
    past_record(&run->past, raced, seconds);
    if (subject) {
        probed_doubt(subject, stage->accelerator, run->warnings);
        doubt_limits(subject->disk, run->warnings);
    }
    struct tune_report report = {
        .directory = a->directory,
        .accelerator = accelerator_name(stage->accelerator),
        .accelerator_note = stage->accelerator_note,
        .kernel = stage->kernel->release,
        .vcpus = stage->vcpus,
        .suite = a->suite,
        .notes = a->notes,
        .fresh = a->work.fresh,
        .size_bytes = a->size_bytes,
        .slice_ns = raced->race->slice_ns,
        .seed = a->seed_number,
        .written_bytes = stage->written_bytes,
        .replicas = (unsigned)a->replica_count,
        .margin = a->exhaustive ? NAN : a->margin / 100,
        .seconds = seconds,
        .clock_drift = raced->race->clock_drift,
        .candidates = run->candidates,
        .outcome = raced->outcome,
        .prior = run->past.winners,
        .prior_time = run->past.time,
        .warnings = run->warnings,
        .guests = raced_count(raced),
        .domain = subject ? subject->definitions.next->name : NULL,
        .disk = subject ? subject->disk->target : NULL,
        .image = subject ? subject->image : NULL,
        .state = a->xml                             ? "of a file"
                 : run->subject.definitions.running ? "running"
                                                    : "shut off",
        .current = subject ? &subject->current : NULL,
    };
    /* Minutes were spent on these figures: they are printed, whatever else cannot be written. */
    cleanup_free char *plan = NULL;
    int kept = subject ? tune_write_plan(a, subject, &report, &plan, err) : 0;
    if (kept == 0 && a->samples)
        kept = samples_write(a->samples, stage, raced->race, err);
    report.plan = plan;
    if (print_result(a, &report, kept < 0 ? NULL : err) < 0 || kept < 0)
        return -1;
    return raced->outcome->interrupted ? EXIT_NO : EXIT_DONE;
}

/* What of the time on the whole run is kept for ending it: libvirt and init take a second or two to
 * be rid of a guest. */
static uint64_t time_to_clean_up(uint64_t time_ns)
{
    uint64_t part = time_ns / 10;
    return part < 2 * NS_PER_SECOND ? part : 2 * NS_PER_SECOND;
}

/* The exit status, or -1. */
static int tune(struct tune_arguments *a, struct progress *progress, uint64_t start_ns,
                struct error **err)
{
    cleanup_run struct run run = {.a = a, .start_ns = start_ns};
    struct subject *subject = tune_has_subject(a) ? &run.subject : NULL;
    if (subject && tune_find_subject(a, &run.ground, subject, err) < 0)
        return -1;
    run.candidates = list_candidates(a, &run.ground, subject, err);
    if (!run.candidates)
        return -1;
    run.warnings = g_ptr_array_new_with_free_func(g_free);
    run.past = (struct past){
        .goal = &a->goal, .ignored = a->cold || a->exhaustive, .warnings = run.warnings};
    uint64_t deadline_ns = start_ns + a->time_ns - time_to_clean_up(a->time_ns);
    struct stage_options stage_options = {
        .ground = &run.ground,
        .directory = a->directory,
        .uri = a->common.connect,
        .suite = a->suite,
        .size_bytes = a->size_bytes,
        .replicas = (unsigned)a->replica_count,
        .rate_bytes = a->rate_bytes,
        .deadline_ns = deadline_ns,
        .io_priority = a->io_priority,
        .fresh = a->work.fresh,
        .seed = a->seed_number,
        .progress = progress_show,
        .progress_data = progress,
    };
    probed_stage(subject, &a->guest, &a->choice, &stage_options);
    struct race_options race_options = {
        .slice_ns = a->slice_ns,
        .min_requests = RACE_MIN_REQUESTS,
        .ramp = RACE_RAMP,
        .max_rounds = a->max_rounds,
        .goal = a->goal,
        .margin = a->margin / 100,
        .exhaustive = a->exhaustive,
        .confirm = !a->no_confirm,
        .interruptible = true,
        .deadline_ns = deadline_ns,
        .seed = a->seed_number,
        .prior = past_prior,
        .prior_data = &run.past,
    };
    cleanup_raced struct raced raced = {0};
    int r = batches_run(&stage_options, &race_options, run.candidates, run.warnings, &raced, err);
    progress_clear(progress);
    return r == 0 ? conclude(&run, &raced, err) : -1;
}

int cmd_tune(int argc, char **argv)
{
    static struct tune_arguments a;
    cleanup_error struct error *err = NULL;
    uint64_t start_ns = clock_now_ns();
    struct progress progress = {.options = &a.common};
    int r = tune_arguments_parse(argc, argv, &a, &err);
    if (r == 0 && a.list_axes) {
        cleanup_free char *text = space_describe();
        fputs(text, stdout);
        r = finish_output(&err);
    } else if (r == 0) {
        progress.deadline_ns = start_ns + a.time_ns;
        r = tune(&a, &progress, start_ns, &err);
    }
    progress_clear(&progress);
    tune_arguments_done(&a);
    return r < 0 ? fail(err) : r;
}
