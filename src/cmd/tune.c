/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tune.c - virt-disktune tune: the best configuration for a new disk, by measurement.
 */
#include "cmd/cmd.h"

#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/text.h"
#include "report/report.h"
#include "tune/outcome.h"
#include "tune/race.h"
#include "tune/space.h"

#define MIB (UINT64_C(1) << 20)

struct arguments {
    struct common_options common;
    struct workload_options work;
    struct guest_options guest;
    char *directory, *size, *slice, *rounds, *time, *candidates, *replicas, *seed, *margin_percent;
    char *axes, *fix;
    gboolean exhaustive, no_confirm, allow_host_cache, list_axes;

    struct suite *suite;
    GPtrArray *notes; /* what of a fio file is done otherwise */
    struct guest_choice choice;
    struct space space;
    double margin;
    uint64_t size_bytes, slice_ns, max_rounds, time_ns, replica_count, seed_number;
};

/* --- Arguments -------------------------------------------------------------------------------- */

static int parse_options(int argc, char **argv, struct arguments *a, struct error **err)
{
    const GOptionEntry own[] = {
        {"directory", 'd', 0, G_OPTION_ARG_FILENAME, &a->directory,
         "Find the best disk configuration for images in this directory", "DIR"},
        {"candidates", 0, 0, G_OPTION_ARG_STRING, &a->candidates,
         "Only these: a comma list of ids, or a file with one a line", "LIST"},
        {"margin", 0, 0, G_OPTION_ARG_STRING, &a->margin_percent,
         "Who is slower by more than this is out [2]", "PERCENT"},
        {"exhaustive", 0, 0, G_OPTION_ARG_NONE, &a->exhaustive,
         "Put nobody out, and go on until the time or the rounds are over", NULL},
        {"no-confirm", 0, 0, G_OPTION_ARG_NONE, &a->no_confirm,
         "Leave out the long slices at the end, and CPU times with them", NULL},
        {"axes", 0, 0, G_OPTION_ARG_STRING, &a->axes,
         "Vary these settings, and no others [image,io,iothread]", "LIST"},
        {"fix", 0, 0, G_OPTION_ARG_STRING, &a->fix,
         "Settings that all configurations have, as in cache=directsync,image=raw", "LIST"},
        {"list-axes", 0, 0, G_OPTION_ARG_NONE, &a->list_axes, "List the settings and their values",
         NULL},
        {"allow-host-cache", 0, 0, G_OPTION_ARG_NONE, &a->allow_host_cache,
         "Try cache modes that use the host's page cache, too", NULL},
        {"time", 0, 0, G_OPTION_ARG_STRING, &a->time, "Bound on the whole run [120]", "SECONDS"},
        {"rounds", 0, 0, G_OPTION_ARG_STRING, &a->rounds, "At most this many rounds", "N"},
        {"slice", 0, 0, G_OPTION_ARG_STRING, &a->slice, "Length of a slice [5ms]", "TIME"},
        {"replicas", 0, 0, G_OPTION_ARG_STRING, &a->replicas, "Disks of each configuration [2]",
         "N"},
        {"size", 0, 0, G_OPTION_ARG_STRING, &a->size, "Size of each scratch image [128M]", "SIZE"},
        {"seed", 0, 0, G_OPTION_ARG_STRING, &a->seed, "Seed of the order of slices", "N"},
        {NULL},
    };
    return options_parse(argc, argv, "find the best disk configuration by measurement", own,
                         &a->common, &a->work, &a->guest, err);
}

static void set_defaults(struct arguments *a)
{
    a->size_bytes = 128 * MIB;
    a->slice_ns = 5 * NS_PER_MS;
    a->max_rounds = UINT32_MAX;
    a->time_ns = 120 * NS_PER_SECOND;
    a->replica_count = 2;
    a->margin = 2;
    a->space = space_new();
    a->seed_number = clock_now_ns() & INT32_MAX;
}

static int make_suite(struct arguments *a, struct error **err)
{
    a->notes = g_ptr_array_new_with_free_func(g_free);
    /* Where one work wrote first, the next would rewrite. */
    const char *unnamed = a->work.fresh ? "dd" : "general";
    a->suite = options_suite(&a->work, unnamed, a->size_bytes, 0, a->notes, err);
    if (!a->suite)
        return -1;
    if (a->work.fresh && a->suite->count > 1)
        return error_set(err, "--fresh: first writes can be measured of one work at a time");
    return options_fit_suite(&a->work, a->suite, a->size_bytes, a->notes, err);
}

static int parse(int argc, char **argv, struct arguments *a, struct error **err)
{
    set_defaults(a);
    if (parse_options(argc, argv, a, err) < 0 ||
        option_image_size("--size", a->size, &a->size_bytes, err) < 0 ||
        option_duration("--slice", a->slice, &a->slice_ns, err) < 0 ||
        option_duration("--time", a->time, &a->time_ns, err) < 0 ||
        option_number("--rounds", a->rounds, 1, UINT32_MAX, &a->max_rounds, err) < 0 ||
        option_percent("--margin", a->margin_percent, 0.1, 50, &a->margin, err) < 0 ||
        option_number("--replicas", a->replicas, 1, 8, &a->replica_count, err) < 0 ||
        option_number("--seed", a->seed, 0, INT32_MAX, &a->seed_number, err) < 0 ||
        options_guest(&a->guest, &a->choice, err) < 0)
        return -1;
    if (a->axes && space_vary(&a->space, a->axes, err) < 0)
        return error_prefix(err, "--axes");
    if (a->fix && space_fix(&a->space, a->fix, err) < 0)
        return error_prefix(err, "--fix");
    if (a->list_axes)
        return 0;
    if (!a->directory) {
        error_set(err, "tune needs --directory DIR");
        return error_hint(err, "the directory that disk images are, or will be, stored in");
    }
    if (option_directory(&a->directory, err) < 0)
        return -1;
    if (a->slice_ns < NS_PER_MS || a->slice_ns > 10 * NS_PER_SECOND)
        return error_set(err, "--slice: has to be between 1ms and 10s");
    return make_suite(a, err);
}

/* --- The run ---------------------------------------------------------------------------------- */

/* libvirt gives a guest some 200 PCI slots at the most, and the guest 512 MiB to hold them. */
#define LANES_MAX 160

static int check_number(const struct arguments *a, GPtrArray *candidates, struct error **err)
{
    size_t count = 0;
    for (unsigned i = 0; i < candidates->len; i++)
        count += !((struct candidate *)candidates->pdata[i])->left_out;
    if (!count)
        return error_set(err, "no configuration is left to try: each is left out by a rule");
    if (count * a->replica_count <= LANES_MAX)
        return 0;
    error_set(err,
              "%zu configurations on %u disks each do not fit into one guest (at most %d disks)",
              count, (unsigned)a->replica_count, LANES_MAX);
    return error_hint(err, "fewer --axes, or some of them fixed by --fix");
}

static GPtrArray *list_candidates(const struct arguments *a, struct error **err)
{
    struct candidate_facts facts = candidate_facts_read("", (unsigned)a->replica_count * 4);
    struct space space = a->space;
    space.allow_host_cache = a->allow_host_cache;
    space.vcpus = a->choice.vcpus;
    space.concurrent = false;
    for (unsigned i = 0; i < a->suite->count; i++) {
        const struct workload *w = &a->suite->works[i].workload;
        space.concurrent |= w->depth * w->jobs > 1;
    }
    g_autoptr(GPtrArray) candidates = space_candidates(&space, &facts);
    if (a->candidates && candidates_select(candidates, a->candidates, err) < 0)
        return NULL;
    if (check_number(a, candidates, err) < 0)
        return NULL;
    return g_steal_pointer(&candidates);
}

static void print_result(const struct arguments *a, const struct tune_report *report)
{
    if (!a->common.json) {
        report_tune_text(report, stdout);
        return;
    }
    cleanup_json json_t *json = report_tune_json(report);
    report_print_json(json, stdout);
}

static int conclude(const struct arguments *a, const struct raced *raced, GPtrArray *candidates,
                    GPtrArray *warnings, uint64_t start_ns, struct error **err)
{
    const struct stage *stage = raced->stage;
    struct tune_report report = {
        .directory = a->directory,
        .accelerator = accelerator_name(stage->probe->accelerator),
        .accelerator_note = stage->probe->accelerator_note,
        .kernel = stage->kernel->release,
        .vcpus = stage->probe->hello.vcpus,
        .suite = a->suite,
        .notes = a->notes,
        .fresh = a->work.fresh,
        .size_bytes = a->size_bytes,
        .slice_ns = a->slice_ns,
        .seed = a->seed_number,
        .written_bytes = stage->written_bytes,
        .replicas = (unsigned)a->replica_count,
        .margin = a->exhaustive ? NAN : a->margin / 100,
        .seconds = (double)(clock_now_ns() - start_ns) / 1e9,
        .clock_drift = raced->race->clock_drift,
        .candidates = candidates,
        .outcome = raced->outcome,
        .warnings = warnings,
    };
    print_result(a, &report);
    return finish_output(err);
}

/* What of the time on the whole run is kept for ending it: libvirt and init take a second or two to
 * be rid of a guest. */
static uint64_t time_to_clean_up(uint64_t time_ns)
{
    uint64_t part = time_ns / 10;
    return part < 2 * NS_PER_SECOND ? part : 2 * NS_PER_SECOND;
}

static int tune(const struct arguments *a, struct progress *progress, uint64_t start_ns,
                struct error **err)
{
    g_autoptr(GPtrArray) candidates = list_candidates(a, err);
    if (!candidates)
        return -1;
    cleanup_ground struct ground ground = {0};
    struct stage_options stage_options = {
        .ground = &ground,
        .directory = a->directory,
        .uri = a->common.connect,
        .suite = a->suite,
        .size_bytes = a->size_bytes,
        .replicas = (unsigned)a->replica_count,
        .fresh = a->work.fresh,
        .seed = a->seed_number,
        .accelerator = a->choice.accelerator,
        .vcpus = a->choice.vcpus,
        .kernel = a->guest.kernel,
        .emulator = a->guest.emulator,
        .progress = progress_show,
        .progress_data = progress,
    };
    struct race_options race_options = {
        .slice_ns = a->slice_ns,
        .min_requests = RACE_MIN_REQUESTS,
        .ramp = RACE_RAMP,
        .max_rounds = a->max_rounds,
        .margin = a->margin / 100,
        .exhaustive = a->exhaustive,
        .confirm = !a->no_confirm,
        .deadline_ns = start_ns + a->time_ns - time_to_clean_up(a->time_ns),
        .seed = a->seed_number,
    };
    g_autoptr(GPtrArray) warnings = g_ptr_array_new_with_free_func(g_free);
    cleanup_raced struct raced raced = {0};
    int r = raced_run(&stage_options, &race_options, candidates, warnings, &raced, err);
    progress_clear(progress);
    return r == 0 ? conclude(a, &raced, candidates, warnings, start_ns, err) : -1;
}

int cmd_tune(int argc, char **argv)
{
    static struct arguments a;
    cleanup_error struct error *err = NULL;
    uint64_t start_ns = clock_now_ns();
    struct progress progress = {.options = &a.common};
    int r = parse(argc, argv, &a, &err);
    if (r == 0 && a.list_axes) {
        cleanup_free char *text = space_describe();
        fputs(text, stdout);
        r = finish_output(&err);
    } else if (r == 0) {
        progress.deadline_ns = start_ns + a.time_ns;
        r = tune(&a, &progress, start_ns, &err);
    }
    progress_clear(&progress);
    g_clear_pointer(&a.suite, suite_free);
    g_clear_pointer(&a.notes, g_ptr_array_unref);
    return r < 0 ? fail(err) : EXIT_DONE;
}
