/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/tune.h"

#include <string.h>

#include "base/clock.h"

#define MIB (UINT64_C(1) << 20)

static int parse_options(int argc, char **argv, struct tune_arguments *a, struct error **err)
{
    const GOptionEntry own[] = {
        {"directory", 'd', 0, G_OPTION_ARG_FILENAME, &a->directory,
         "Find the best disk configuration for images in this directory", "DIR"},
        {"xml", 0, 0, G_OPTION_ARG_FILENAME, &a->xml,
         "Take the domain from this file, and the argument for the target of a disk", "FILE"},
        {"plan", 0, 0, G_OPTION_ARG_FILENAME, &a->plan,
         "Write the plan for a domain's disk into this file", "FILE"},
        {"candidates", 0, 0, G_OPTION_ARG_STRING, &a->candidates,
         "Only these: a comma list of ids, or a file with one a line", "LIST"},
        {"goal", 0, 0, G_OPTION_ARG_STRING, &a->goal_list,
         "throughput, latency, cpu, or a mix: throughput:2,cpu [throughput]", "LIST"},
        {"margin", 0, 0, G_OPTION_ARG_STRING, &a->margin_percent,
         "Who is slower by more than this is out [2]", "PERCENT"},
        {"cold", 0, 0, G_OPTION_ARG_NONE, &a->cold, "Ignore who won in earlier races", NULL},
        {"exhaustive", 0, 0, G_OPTION_ARG_NONE, &a->exhaustive,
         "Put nobody out, let nobody rest, until the time or the rounds are over", NULL},
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
        {"allow-bus-change", 0, 0, G_OPTION_ARG_NONE, &a->allow_bus_change,
         "Try another bus, which the guest needs another driver for", NULL},
        {"allow-image-conversion", 0, 0, G_OPTION_ARG_NONE, &a->allow_image_conversion,
         "Try other images for a disk that has one", NULL},
        {"samples", 0, 0, G_OPTION_ARG_FILENAME, &a->samples,
         "Write every slice's time per request into this file, as CSV", "FILE"},
        {"rate", 0, 0, G_OPTION_ARG_STRING, &a->rate,
         "At most so many bytes a second on average, for a host in use", "SIZE"},
        {"ionice", 0, 0, G_OPTION_ARG_STRING, &a->ionice,
         "Whose I/O goes first: none, low or idle [low]", "CLASS"},
        {"time", 0, 0, G_OPTION_ARG_STRING, &a->time, "Bound on the whole run [100]", "SECONDS"},
        {"rounds", 0, 0, G_OPTION_ARG_STRING, &a->rounds, "At most this many rounds", "N"},
        {"slice", 0, 0, G_OPTION_ARG_STRING, &a->slice, "Length of a slice [5ms]", "TIME"},
        {"replicas", 0, 0, G_OPTION_ARG_STRING, &a->replicas, "Disks of each configuration [2]",
         "N"},
        {"size", 0, 0, G_OPTION_ARG_STRING, &a->size, "Size of each scratch image [128M]", "SIZE"},
        {"seed", 0, 0, G_OPTION_ARG_STRING, &a->seed, "Seed of the order of slices", "N"},
        {NULL},
    };
    return options_parse(argc, argv, "find the best disk configuration by measurement", own,
                         &a->common, &a->work, &a->guest, &a->operand, err);
}

static void set_defaults(struct tune_arguments *a)
{
    a->operand.name = "[DOMAIN[/TARGET]] ";
    a->size_bytes = 128 * MIB;
    a->slice_ns = 5 * NS_PER_MS;
    a->max_rounds = UINT32_MAX;
    a->time_ns = 100 * NS_PER_SECOND;
    a->replica_count = 2;
    a->margin = 2;
    a->goal = goal_throughput;
    a->space = space_new();
    a->seed_number = clock_now_ns() & INT32_MAX;
}

/* Slower than this, a round would take longer than people wait. */
#define RATE_LEAST MIB

static int option_rate(struct tune_arguments *a, struct error **err)
{
    if (option_size("--rate", a->rate, &a->rate_bytes, err) < 0)
        return -1;
    return a->rate && a->rate_bytes < RATE_LEAST ? error_set(err, "--rate: has to be at least 1M")
                                                 : 0;
}

static int option_ionice(struct tune_arguments *a, struct error **err)
{
    static const char *const names[] = {"none", "low", "idle"};
    a->io_priority = IO_PRIORITY_LOW;
    for (size_t i = 0; a->ionice && i < ARRAY_SIZE(names); i++) {
        if (strcmp(a->ionice, names[i]) != 0)
            continue;
        a->io_priority = (enum io_priority)i;
        return 0;
    }
    if (!a->ionice)
        return 0;
    error_set(err, "--ionice: '%s' is no class", a->ionice);
    return error_hint(err, "one of none, low, idle");
}

static int make_suite(struct tune_arguments *a, struct error **err)
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

int tune_arguments_parse(int argc, char **argv, struct tune_arguments *a, struct error **err)
{
    set_defaults(a);
    if (parse_options(argc, argv, a, err) < 0 ||
        option_image_size("--size", a->size, &a->size_bytes, err) < 0 ||
        option_duration("--slice", a->slice, &a->slice_ns, err) < 0 ||
        option_duration("--time", a->time, &a->time_ns, err) < 0 || option_rate(a, err) < 0 ||
        option_ionice(a, err) < 0 ||
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
    if (a->goal_list && goal_parse(a->goal_list, &a->goal, err) < 0)
        return error_prefix(err, "--goal");
    if (a->list_axes)
        return options_refuse_json(&a->common, "--list-axes", err);
    bool of_domain = a->operand.value || a->xml;
    if (!a->directory && !of_domain) {
        error_set(err, "tune needs a domain, or --directory DIR");
        return error_hint(err, "the directory that disk images are, or will be, stored in");
    }
    if (a->plan && !of_domain)
        return error_set(err, "--plan: a plan is for the disk of a domain");
    if (a->directory && option_directory(&a->directory, err) < 0)
        return -1;
    if (a->slice_ns < NS_PER_MS || a->slice_ns > 10 * NS_PER_SECOND)
        return error_set(err, "--slice: has to be between 1ms and 10s");
    return make_suite(a, err);
}

void tune_arguments_done(struct tune_arguments *a)
{
    g_clear_pointer(&a->suite, suite_free);
    g_clear_pointer(&a->notes, g_ptr_array_unref);
}
