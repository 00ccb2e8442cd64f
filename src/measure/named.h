/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * named.h - the workloads that have a name.
 */
#pragma once

#include "measure/workload.h"

struct named_workload {
    struct workload workload;
    const char *summary; /* one line */
};

/* All of them, and how many. */
extern const struct named_workload named_workloads[];
extern const size_t named_workload_count;

/* The one with this name; NULL with an error that names them all. */
const struct workload *named_workload(const char *name, struct error **err);
