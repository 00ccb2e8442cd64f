/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * explain.c - virt-disktune explain: where a request's time goes, from the program in the guest
 * down to the device.
 */
#include "cmd/explain.h"

#include <string.h>

#include "base/clock.h"
#include "base/interrupt.h"
#include "base/json.h"
#include "base/memory.h"
#include "explain/cost.h"
#include "explain/live.h"
#include "probe/limit.h"
#include "report/explain.h"
#include "tune/subject.h"

#define MIB (UINT64_C(1) << 20)

struct arguments {
    struct common_options common;
    struct workload_options work;
    struct guest_options guest;
    struct explain_live_options live;
    char *directory, *xml, *disk, *size, *time, *rounds, *slice, *seed, *filesystem_name;
    struct operand operand; /* the domain and its disk */

    struct guest_choice choice;
    const char *filesystem; /* the guest's, or NULL */
    struct suite *suite;
    GPtrArray *notes, *warnings;
    uint64_t size_bytes, time_ns, max_rounds, slice_ns, seed_number;
};

/* --- Arguments -------------------------------------------------------------------------------- */

static int parse_options(int argc, char **argv, struct arguments *a, struct error **err)
{
    const GOptionEntry own[] = {
        {"directory", 'd', 0, G_OPTION_ARG_FILENAME, &a->directory,
         "Explain a new disk in this directory", "DIR"},
        {"disk", 0, 0, G_OPTION_ARG_STRING, &a->disk,
         "Configuration of the new disk, a candidate of tune's [qcow2-threads]", "ID"},
        {"xml", 0, 0, G_OPTION_ARG_FILENAME, &a->xml,
         "Take the domain from this file, and the argument for the target of a disk", "FILE"},
        {"time", 0, 0, G_OPTION_ARG_STRING, &a->time, "Bound on the whole run [60]", "SECONDS"},
        {"rounds", 0, 0, G_OPTION_ARG_STRING, &a->rounds, "At most this many rounds", "N"},
        {"slice", 0, 0, G_OPTION_ARG_STRING, &a->slice, "Length of a slice [100ms]", "TIME"},
        {"size", 0, 0, G_OPTION_ARG_STRING, &a->size,
         "Size of each scratch image [128M; with --fresh 512M]", "SIZE"},
        {"filesystem", 0, 0, G_OPTION_ARG_STRING, &a->filesystem_name,
         "The guest's, ext4, or none: the program works on the disk itself [ext4]", "TYPE"},
        {"seed", 0, 0, G_OPTION_ARG_STRING, &a->seed, "Seed of the order of slices", "N"},
        EXPLAIN_LIVE_ENTRIES(&a->live),
        {NULL},
    };
    return options_parse(argc, argv, "tell where a request's time goes", own, &a->common, &a->work,
                         &a->guest, &a->operand, err);
}

static int parse_filesystem(struct arguments *a, struct error **err)
{
    const char *name = a->filesystem_name ? a->filesystem_name : "ext4";
    bool none = strcmp(name, "none") == 0;
    if (!none && strcmp(name, "ext4") != 0)
        return error_set(err, "--filesystem: '%s' is neither ext4 nor none", name);
    a->filesystem = none ? NULL : "ext4";
    return 0;
}

/* One work that goes as fast as it can: a paced one waits for its own clock. */
static int make_suite(struct arguments *a, struct error **err)
{
    a->suite = options_suite(&a->work, "dd", a->size_bytes, 0, a->notes, err);
    if (!a->suite)
        return -1;
    if (a->suite->count > 1) {
        error_set(err, "requests of one work can be explained at a time, and these are %u",
                  a->suite->count);
        return error_hint(err, "name one: --workload dd");
    }
    if (a->suite->works[0].workload.rate_iops)
        return error_set(err,
                         "requests that come at a given rate wait for no disk: without a rate, "
                         "please");
    return options_fit_suite(&a->work, a->suite, a->size_bytes, a->notes, err);
}

static int check_place(struct arguments *a, struct error **err)
{
    bool of_domain = a->operand.value || a->xml;
    if (!a->directory && !of_domain) {
        error_set(err, "explain needs a domain, or --directory DIR");
        return error_hint(err, "the directory that disk images are, or will be, stored in");
    }
    if (a->disk && of_domain)
        return error_set(err, "--disk: the domain's disk is explained as it is configured");
    return a->directory ? option_directory(&a->directory, err) : 0;
}

/* Each way has options of its own. */
static int check_live(const struct arguments *a, struct error **err)
{
    const struct workload_options *w = &a->work;
    const struct guest_options *g = &a->guest;
    const char *const probing[] = {a->directory, a->xml,    a->disk,         a->size,
                                   a->time,      a->rounds, a->slice,        a->seed,
                                   w->workload,  w->fio,    w->rw,           w->block,
                                   w->depth,     w->jobs,   w->read_percent, g->accelerator,
                                   g->kernel,    g->vcpus,  g->emulator,     a->filesystem_name};
    bool probes = w->zeros || w->fresh;
    if (!a->live.live && (a->live.runtime || a->live.histograms))
        return error_set(err, "--runtime and --histograms go with --live");
    for (size_t i = 0; i < ARRAY_SIZE(probing); i++)
        probes |= probing[i] != NULL;
    if (!a->live.live || !probes)
        return 0;
    error_set(err, "--live looks at what runs: it takes neither a place nor work, but a domain");
    return a->time ? error_hint(err, "--runtime says for how long") : -1;
}

static int parse(int argc, char **argv, struct arguments *a, struct error **err)
{
    a->operand.name = "[DOMAIN[/TARGET]] ";
    a->time_ns = 60 * NS_PER_SECOND;
    a->slice_ns = 100 * NS_PER_MS;
    a->max_rounds = UINT32_MAX;
    a->seed_number = clock_now_ns() & INT32_MAX;
    a->notes = g_ptr_array_new_with_free_func(g_free);
    a->warnings = g_ptr_array_new_with_free_func(g_free);
    if (parse_options(argc, argv, a, err) < 0 || check_live(a, err) < 0)
        return -1;
    if (a->live.live)
        return 0;
    a->size_bytes = (a->work.fresh ? 512 : 128) * MIB;
    if (option_image_size("--size", a->size, &a->size_bytes, err) < 0 ||
        option_duration("--time", a->time, &a->time_ns, err) < 0 ||
        option_duration("--slice", a->slice, &a->slice_ns, err) < 0 ||
        option_number("--rounds", a->rounds, 2, UINT32_MAX, &a->max_rounds, err) < 0 ||
        option_number("--seed", a->seed, 0, INT32_MAX, &a->seed_number, err) < 0 ||
        options_guest(&a->guest, &a->choice, err) < 0 || parse_filesystem(a, err) < 0 ||
        check_place(a, err) < 0)
        return -1;
    if (a->slice_ns < 20 * NS_PER_MS || a->slice_ns > 10 * NS_PER_SECOND)
        return error_set(err, "--slice: has to be between 20ms and 10s: kernels tell milliseconds");
    return make_suite(a, err);
}

static void free_arguments(struct arguments *a)
{
    g_clear_pointer(&a->suite, suite_free);
    g_clear_pointer(&a->notes, g_ptr_array_unref);
    g_clear_pointer(&a->warnings, g_ptr_array_unref);
}

/* --- The run ---------------------------------------------------------------------------------- */

struct run {
    struct arguments *a;
    uint64_t start_ns;
    struct ground ground;
    struct subject subject; /* empty where there is no domain */
    GPtrArray *new_disks;   /* where the configuration of a new one is from */
    struct disk_config config;
    GPtrArray *variants, *candidates;
    struct stage *stage;
    GPtrArray *threads; /* what requests cost (cost.h) */
};

static void run_done(struct run *r)
{
    stage_free(r->stage);
    g_clear_pointer(&r->threads, g_ptr_array_unref);
    g_clear_pointer(&r->candidates, g_ptr_array_unref);
    g_clear_pointer(&r->variants, g_ptr_array_unref);
    g_clear_pointer(&r->new_disks, g_ptr_array_unref);
    subject_done(&r->subject);
    ground_done(&r->ground);
}
#define cleanup_run at_scope_end(run_done)

static bool has_subject(const struct run *r)
{
    return r->subject.disk;
}

/* The disk to be explained: of the domain, or of tune's candidates. */
static int find_disk(struct run *r, struct error **err)
{
    struct arguments *a = r->a;
    if (a->operand.value || a->xml) {
        if (probed_find(a->xml, &a->operand, &a->directory, &a->common.connect, &r->ground,
                        &r->subject, err) < 0)
            return -1;
        r->config = r->subject.current;
        if (!a->guest.vcpus)
            a->choice.vcpus = r->subject.vcpus;
        return 0;
    }
    r->new_disks = candidate_only(a->disk ? a->disk : "qcow2-threads", 1, err);
    if (!r->new_disks)
        return error_prefix(err, "--disk");
    r->config = ((struct candidate *)r->new_disks->pdata[0])->config;
    return 0;
}

static int find_variants(struct run *r, struct error **err)
{
    struct arguments *a = r->a;
    struct candidate_facts facts = candidate_facts_read("", 8);
    if (ground_take(&r->ground, a->common.connect, err) < 0 ||
        ground_connect(&r->ground, a->common.connect, err) < 0)
        return -1;
    if (!a->guest.emulator)
        facts.versions = connection_versions(r->ground.connection);
    struct variants_options options = {
        .disk = &r->config,
        .limited = has_subject(r) && r->subject.disk->limit_count,
        .fresh = a->work.fresh,
        .filesystem = a->filesystem,
        .vcpus = a->choice.vcpus,
        .disk_bytes =
            has_subject(r) ? MAX(a->size_bytes, r->subject.images.virtual_bytes) : a->size_bytes,
        .facts = &facts,
    };
    r->variants = variants_new(&options);
    r->candidates = variants_candidates(r->variants);
    const struct candidate *disk = r->candidates->pdata[0];
    return disk->left_out
               ? error_set(err, "the disk cannot be run as it is configured: %s", disk->left_out)
               : 0;
}

/* The disk's own lane and that with a file system, and not before they were filled. */
static int limit_the_disk(struct run *r, struct error **err)
{
    const struct domain_disk *d = r->subject.disk;
    for (size_t i = r->stage->host_lanes; d && d->limit_count && i < r->stage->lane_count; i++) {
        const struct lane *lane = &r->stage->lanes[i];
        const struct variant *v = r->variants->pdata[lane->candidate];
        bool limited = v->role == VARIANT_DISK || v->role == VARIANT_FILE;
        if (limited && !lane->failure &&
            limit_disk(r->stage->probe, lane->path, d->limits, d->limit_count, err) < 0)
            return -1;
    }
    return 0;
}

static int set_stage(struct run *r, struct stage_options *options, struct progress *progress,
                     struct error **err)
{
    struct arguments *a = r->a;
    *options = (struct stage_options){
        .ground = &r->ground,
        .directory = a->directory,
        .uri = a->common.connect,
        .suite = a->suite,
        .size_bytes = a->size_bytes,
        .replicas = 1,
        .fresh = a->work.fresh,
        .seed = a->seed_number,
        .progress = progress_show,
        .progress_data = progress,
    };
    probed_stage(has_subject(r) ? &r->subject : NULL, &a->guest, &a->choice, options);
    r->stage = stage_new(options, r->candidates, err);
    return r->stage ? limit_the_disk(r, err) : -1;
}

static int print_report(const struct run *r, const struct explanation *explanation,
                        bool interrupted, struct error **err)
{
    const struct arguments *a = r->a;
    const struct subject *subject = has_subject(r) ? &r->subject : NULL;
    const struct probe *probe = r->stage->probe;
    const struct explain_report report = {
        .domain = subject ? subject->definitions.next->name : NULL,
        .disk = subject ? subject->disk->target : NULL,
        .image = subject ? subject->image : NULL,
        .directory = a->directory,
        .accelerator = accelerator_name(probe->accelerator),
        .accelerator_note = probe->accelerator_note,
        .kernel = r->stage->kernel->release,
        .vcpus = probe->hello.vcpus,
        .config = &r->config,
        .work = &a->suite->works[0],
        .fresh = a->work.fresh,
        .size_bytes = a->size_bytes,
        .slice_ns = a->slice_ns,
        .written_bytes = r->stage->written_bytes,
        .seconds = (double)(clock_now_ns() - r->start_ns) / 1e9,
        .interrupted = interrupted,
        .explanation = explanation,
        .threads = r->threads,
        .notes = a->notes,
        .warnings = a->warnings,
    };
    if (!a->common.json) {
        report_explain_text(&report, stdout);
        return finish_output(err);
    }
    cleanup_json json_t *json = report_explain_json(&report);
    return finish_json(json, err);
}

/* Libvirt and init take a second or two to be rid of a guest; before that the disk works alone for
 * one. */
#define TIME_TO_END (3 * NS_PER_SECOND)

/* More requests of the device for each of ours are not ours, or not of ours alone. */
#define OTHERS_REQUESTS 1.25

/* The device's clock is everybody's. A request that may be cut up, or put together with its
 * neighbours, on its way there tells nothing. */
static void doubt_device(const struct workload *w, const struct explanation *e, GPtrArray *warnings)
{
    double own = 1 + (w->sync_every ? 1.0 / w->sync_every : 0);
    if (w->block_bytes <= 128 * 1024 && e->split[CLOCK_DEVICE] > own * OTHERS_REQUESTS)
        trust_say(
            warnings,
            "the device had %.1f requests for each of the raw image's: others' are among them, "
            "and their time is in its layer",
            e->split[CLOCK_DEVICE]);
}

/* The probe guest has one of them. */
static void doubt_group(const struct domain_disk *d, GPtrArray *warnings)
{
    if (d->limit_count && d->limit_group)
        trust_say(warnings,
                  "the disk shares its limits with the others of the group '%s', and is explained "
                  "as if it had them for itself",
                  d->limit_group);
}

/* The probe guest has a pin for each iothread of its definition; a disk that is plugged in brings
 * its own, which libvirt knows nothing of. */
static void doubt_floor(const struct run *r, GPtrArray *warnings)
{
    const char *cpus = r->subject.mirror.iothread_cpuset;
    if (cpus && r->config.iothread && variants_find(r->variants, VARIANT_FLOOR) >= 0)
        trust_say(warnings,
                  "the disk's iothread is pinned (%s); that of the disk with nothing behind it is "
                  "not, and virtio is measured there",
                  cpus);
}

/* A signal that comes meanwhile takes nothing of what the rounds have told. */
static void measure_cost(struct run *r, struct rounds *rounds)
{
    cleanup_error struct error *why = NULL;
    bool ends = rounds->exhausted || rounds->interrupted || interrupt_is_deferred();
    r->threads = ends ? NULL : cost_measure(r->stage, &why);
    if (!r->threads)
        r->threads = live_thread_groups_new();
    if (interrupt_is_deferred() || interrupt_check(NULL) < 0)
        rounds->interrupted = true;
    else if (why)
        trust_say(r->a->warnings, "what a request costs is not known: %s", why->message);
    interrupt_defer(false);
    if (rounds->interrupted)
        trust_say(r->a->warnings, "interrupted after %zu rounds", rounds->count);
}

/* The rounds, and then what a request costs. */
static struct rounds *measure(struct run *r, struct error **err)
{
    const struct arguments *a = r->a;
    const struct rounds_options options = {
        .slice_ns = a->slice_ns,
        .max_rounds = a->max_rounds,
        .deadline_ns = r->start_ns + a->time_ns - MIN(a->time_ns / 5, TIME_TO_END),
        .seed = a->seed_number,
    };
    struct watch watch = trust_watch(a->directory, r->stage->probe->pid);
    cleanup_rounds struct rounds *rounds = rounds_run(r->stage, &options, err);
    if (rounds)
        measure_cost(r, rounds);
    trust_watched(&watch, r->stage->sliced_bytes, "the slices", a->warnings);
    return TAKE_PTR(rounds);
}

/* The exit status, or -1. */
static int explain(struct arguments *a, struct progress *progress, uint64_t start_ns,
                   struct error **err)
{
    cleanup_run struct run run = {.a = a, .start_ns = start_ns};
    struct stage_options options;
    if (find_disk(&run, err) < 0 || find_variants(&run, err) < 0)
        return -1;
    double others = trust_look_before(a->directory);
    if (set_stage(&run, &options, progress, err) < 0)
        return -1;
    uint64_t begin_ns = clock_now_ns();
    cleanup_rounds struct rounds *rounds = measure(&run, err);
    cleanup_explanation struct explanation *e =
        rounds ? explanation_new(run.stage, run.variants, rounds, err) : NULL;
    progress_clear(progress);
    if (!e)
        return -1;
    double seconds = (double)(clock_now_ns() - begin_ns) / 1e9;
    trust_check_idle(others, (double)run.stage->sliced_bytes / 1e6 / seconds, a->warnings);
    trust_check_guest(run.stage->probe, rounds->clock_drift, rounds->clock_uncertainty,
                      a->warnings);
    doubt_device(&a->suite->works[0].workload, e, a->warnings);
    if (has_subject(&run)) {
        probed_doubt(&run.subject, run.stage->probe->accelerator, a->warnings);
        doubt_group(run.subject.disk, a->warnings);
        doubt_floor(&run, a->warnings);
    }
    if (print_report(&run, e, rounds->interrupted, err) < 0)
        return -1;
    return rounds->interrupted ? EXIT_NO : EXIT_DONE;
}

int cmd_explain(int argc, char **argv)
{
    static struct arguments a;
    cleanup_error struct error *err = NULL;
    uint64_t start_ns = clock_now_ns();
    struct progress progress = {.options = &a.common};
    int r = parse(argc, argv, &a, &err);
    if (r == 0 && a.live.live) {
        r = explain_live(&a.live, &a.common, a.operand.value, &err);
    } else if (r == 0) {
        progress.deadline_ns = start_ns + a.time_ns;
        r = explain(&a, &progress, start_ns, &err);
    }
    progress_clear(&progress);
    free_arguments(&a);
    return r < 0 ? fail(err) : r;
}
