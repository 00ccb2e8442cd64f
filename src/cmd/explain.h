/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * explain.h - the two ways of virt-disktune explain.
 */
#pragma once

#include "cmd/cmd.h"

/* --- explain_live.c --------------------------------------------------------------------------- */

/* What describes a look at a running guest; the strings are what the user wrote. */
struct explain_live_options {
    gboolean live, histograms;
    char *runtime;
};

/* The options as the verb's table has them, up to an entry without a name. */
/* clang-format off */
#define EXPLAIN_LIVE_ENTRIES(o) \
    {"live", 0, 0, G_OPTION_ARG_NONE, &(o)->live, \
     "Look at the running guest's own requests, without any load", NULL}, \
    {"runtime", 0, 0, G_OPTION_ARG_STRING, &(o)->runtime, \
     "With --live: for how long [10s]", "TIME"}, \
    {"histograms", 0, 0, G_OPTION_ARG_NONE, &(o)->histograms, \
     "With --live: percentiles, by QEMU's monitor, which taints the domain", NULL}
/* clang-format on */

/* Observes "DOMAIN" or "DOMAIN/TARGET" and prints what it did. Returns the exit status, or -1 with
 * the error. */
int explain_live(const struct explain_live_options *o, const struct common_options *common,
                 const char *operand, struct error **err);
