/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * work.h - whether two workloads are the same, by every field: what a test adds to one it has to
 * find in the other.
 */
#pragma once

#include <string.h>

#include "measure/workload.h"

static inline bool work_same(const struct workload *a, const struct workload *b)
{
    if (a->size_count != b->size_count)
        return false;
    for (unsigned i = 0; i < a->size_count; i++)
        if (a->sizes[i].bytes != b->sizes[i].bytes || a->sizes[i].percent != b->sizes[i].percent)
            return false;
    return strcmp(a->name, b->name) == 0 && a->rw == b->rw && a->read_percent == b->read_percent &&
           a->block_bytes == b->block_bytes && a->depth == b->depth && a->jobs == b->jobs &&
           a->zipf == b->zipf && a->rate_iops == b->rate_iops && a->sync_every == b->sync_every &&
           a->datasync == b->datasync && a->zeros == b->zeros;
}
