/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "measure/workload.h"

#include <assert.h>
#include <string.h>

static const struct {
    const char *name;
    bool random;
    unsigned read_percent; /* of the unmixed ones; a mix brings its own */
} rw_table[] = {
    [WORKLOAD_READ] = {"read", false, 100},
    [WORKLOAD_WRITE] = {"write", false, 0},
    [WORKLOAD_RANDREAD] = {"randread", true, 100},
    [WORKLOAD_RANDWRITE] = {"randwrite", true, 0},
    [WORKLOAD_RW] = {"rw", false, 50},
    [WORKLOAD_RANDRW] = {"randrw", true, 50},
};
static_assert(ARRAY_SIZE(rw_table) == WORKLOAD_RW_MAX, "a row for every direction");

const struct workload workload_dd = {
    .rw = WORKLOAD_WRITE,
    .read_percent = 0,
    .block_bytes = 64 << 10,
    .depth = 1,
};

static bool is_mix(enum workload_rw rw)
{
    return rw == WORKLOAD_RW || rw == WORKLOAD_RANDRW;
}

const char *workload_rw_name(enum workload_rw rw)
{
    return rw_table[rw].name;
}

int workload_rw_parse(const char *name, enum workload_rw *ret, struct error **err)
{
    for (size_t i = 0; i < WORKLOAD_RW_MAX; i++) {
        if (strcmp(name, rw_table[i].name) == 0) {
            *ret = (enum workload_rw)i;
            return 0;
        }
    }
    error_set(err, "'%s' is not a direction", name);
    return error_hint(err, "one of read, write, randread, randwrite, rw, randrw");
}

bool workload_is_random(const struct workload *w)
{
    return rw_table[w->rw].random;
}

bool workload_writes(const struct workload *w)
{
    return w->read_percent < 100;
}

bool workload_reads(const struct workload *w)
{
    return w->read_percent > 0;
}

int workload_check(const struct workload *w, struct error **err)
{
    if (w->block_bytes < 512 || w->block_bytes > WORKLOAD_BLOCK_MAX || w->block_bytes % 512)
        return error_set(err, "block size %u: it has to be a multiple of 512 and at most 16 MiB",
                         w->block_bytes);
    if (w->depth < 1 || w->depth > WORKLOAD_DEPTH_MAX)
        return error_set(err, "queue depth %u: it has to be 1 to %d", w->depth, WORKLOAD_DEPTH_MAX);
    if (w->read_percent > 100)
        return error_set(err, "read share %u %%: it has to be 0 to 100", w->read_percent);
    if (!is_mix(w->rw) && w->read_percent != rw_table[w->rw].read_percent)
        return error_set(err, "a share of reads goes with rw and randrw, not with %s",
                         rw_table[w->rw].name);
    return 0;
}

json_t *workload_to_json(const struct workload *w)
{
    return json_pack("{s:s, s:i, s:i, s:i, s:b}", "rw", rw_table[w->rw].name, "block_bytes",
                     (int)w->block_bytes, "depth", (int)w->depth, "read_percent",
                     (int)w->read_percent, "zeros", w->zeros);
}

int workload_from_json(json_t *json, struct workload *ret, struct error **err)
{
    const char *rw;
    json_int_t block, depth, read_percent;
    int zeros;
    struct workload w = {0};
    if (json_unpack(json, "{s:s, s:I, s:I, s:I, s:b}", "rw", &rw, "block_bytes", &block, "depth",
                    &depth, "read_percent", &read_percent, "zeros", &zeros) < 0 ||
        block < 0 || block > UINT32_MAX || depth < 0 || depth > UINT32_MAX || read_percent < 0 ||
        read_percent > UINT32_MAX)
        return error_set(err, "not a workload");
    if (workload_rw_parse(rw, &w.rw, err) < 0)
        return -1;
    w.block_bytes = (uint32_t)block;
    w.depth = (unsigned)depth;
    w.read_percent = (unsigned)read_percent;
    w.zeros = zeros;
    if (workload_check(&w, err) < 0)
        return -1;
    *ret = w;
    return 0;
}
