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

/* Several of them under one name. */
struct named_mix {
    const char *name;
    const char *parts; /* "a:2,b": each with its weight, 1 where none is given */
    const char *summary;
};

extern const struct named_mix named_mixes[];
extern const size_t named_mix_count;

/* NULL where there is none of this name. */
const struct named_mix *named_mix(const char *name);

/* The workload with this name; NULL with an error that names them all. */
const struct workload *named_workload(const char *name, struct error **err);
