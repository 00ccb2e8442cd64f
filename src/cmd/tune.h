/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tune.h - what tune was asked for.
 */
#pragma once

#include "cmd/cmd.h"
#include "tune/space.h"

struct tune_arguments {
    struct common_options common;
    struct workload_options work;
    struct guest_options guest;
    char *directory, *size, *slice, *rounds, *time, *candidates, *replicas, *seed, *margin_percent;
    char *axes, *fix;
    gboolean exhaustive, no_confirm, list_axes;
    gboolean allow_host_cache, allow_bus_change, allow_image_conversion;

    struct suite *suite;
    GPtrArray *notes; /* what of a fio file is done otherwise */
    struct guest_choice choice;
    struct space space;
    double margin;
    uint64_t size_bytes, slice_ns, max_rounds, time_ns, replica_count, seed_number;
};

/* Reads the arguments of the verb. Errors name the option. What it made, tune_arguments_done
 * releases, after an error too. */
int tune_arguments_parse(int argc, char **argv, struct tune_arguments *a, struct error **err);
void tune_arguments_done(struct tune_arguments *a);
