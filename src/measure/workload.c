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

bool workload_rw_is_mix(enum workload_rw rw)
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

unsigned workload_rw_read_percent(enum workload_rw rw)
{
    return rw_table[rw].read_percent;
}

uint32_t workload_unit(const struct workload *w)
{
    uint32_t unit = w->block_bytes;
    for (unsigned i = 0; i < w->size_count; i++)
        unit = w->sizes[i].bytes < unit ? w->sizes[i].bytes : unit;
    return unit;
}

double workload_mean_bytes(const struct workload *w)
{
    double sum = 0;
    for (unsigned i = 0; i < w->size_count; i++)
        sum += (double)w->sizes[i].bytes * w->sizes[i].percent / 100;
    return w->size_count ? sum : w->block_bytes;
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

/* --- Checking --------------------------------------------------------------------------------- */

static int check_size(uint32_t bytes, struct error **err)
{
    if (bytes < 512 || bytes > WORKLOAD_BLOCK_MAX || bytes % 512)
        return error_set(err, "block size %u: it has to be a multiple of 512 and at most 16 MiB",
                         bytes);
    return 0;
}

static int check_sizes(const struct workload *w, struct error **err)
{
    unsigned percent = 0;
    uint32_t largest = 0;
    if (w->size_count > WORKLOAD_SIZES_MAX)
        return error_set(err, "more than %d block sizes", WORKLOAD_SIZES_MAX);
    if (check_size(w->block_bytes, err) < 0)
        return -1;
    for (unsigned i = 0; i < w->size_count; i++)
        if (check_size(w->sizes[i].bytes, err) < 0)
            return -1;
    for (unsigned i = 0; i < w->size_count; i++) {
        if (w->sizes[i].bytes % workload_unit(w))
            return error_set(err, "block size %u: it has to be a multiple of the smallest, %u",
                             w->sizes[i].bytes, workload_unit(w));
        largest = w->sizes[i].bytes > largest ? w->sizes[i].bytes : largest;
        percent += w->sizes[i].percent > 100 ? 101 : w->sizes[i].percent;
    }
    if (w->size_count && percent != 100)
        return error_set(err, "the shares of the block sizes have to add up to 100 %%");
    if (w->size_count && largest != w->block_bytes)
        return error_set(err, "the largest of the block sizes is %u, not %u", largest,
                         w->block_bytes);
    return 0;
}

static int check_directions(const struct workload *w, struct error **err)
{
    if (w->read_percent > 100)
        return error_set(err, "read share %u %%: it has to be 0 to 100", w->read_percent);
    if (!workload_rw_is_mix(w->rw) && w->read_percent != rw_table[w->rw].read_percent)
        return error_set(err, "a share of reads goes with rw and randrw, not with %s",
                         rw_table[w->rw].name);
    if (!(w->zipf >= 0 && w->zipf <= WORKLOAD_ZIPF_MAX))
        return error_set(err, "zipf %g: it has to be 0 to %g", w->zipf, WORKLOAD_ZIPF_MAX);
    if (w->zipf > 0 && !workload_is_random(w))
        return error_set(err, "zipf is about random addresses, and %s has none",
                         rw_table[w->rw].name);
    if (w->sync_every && !workload_writes(w))
        return error_set(err, "syncs are about writes, and this work only reads");
    return 0;
}

int workload_check(const struct workload *w, struct error **err)
{
    if (check_sizes(w, err) < 0 || check_directions(w, err) < 0)
        return -1;
    if (w->depth < 1 || w->depth > WORKLOAD_DEPTH_MAX)
        return error_set(err, "queue depth %u: it has to be 1 to %d", w->depth, WORKLOAD_DEPTH_MAX);
    if (w->jobs < 1 || w->jobs > WORKLOAD_JOBS_MAX)
        return error_set(err, "%u jobs: it has to be 1 to %d", w->jobs, WORKLOAD_JOBS_MAX);
    return 0;
}

/* --- JSON ------------------------------------------------------------------------------------- */

json_t *workload_to_json(const struct workload *w)
{
    json_t *sizes = json_array();
    for (unsigned i = 0; i < w->size_count; i++)
        json_array_append_new(sizes, json_pack("{s:I, s:i}", "bytes", (json_int_t)w->sizes[i].bytes,
                                               "percent", (int)w->sizes[i].percent));
    return json_pack("{s:s, s:s, s:i, s:I, s:o, s:i, s:i, s:f, s:I, s:I, s:b, s:b}", "name",
                     w->name, "rw", rw_table[w->rw].name, "read_percent", (int)w->read_percent,
                     "block_bytes", (json_int_t)w->block_bytes, "sizes", sizes, "depth",
                     (int)w->depth, "jobs", (int)w->jobs, "zipf", w->zipf, "rate_iops",
                     (json_int_t)w->rate_iops, "sync_every", (json_int_t)w->sync_every, "datasync",
                     w->datasync, "zeros", w->zeros);
}

/* The number at `key`, of 32 bits. */
static int read_u32(json_t *json, const char *key, uint32_t *ret, struct error **err)
{
    json_t *value = json_object_get(json, key);
    json_int_t number = json_is_integer(value) ? json_integer_value(value) : -1;
    if (number < 0 || number > UINT32_MAX)
        return error_set(err, "not a workload: its %s", key);
    *ret = (uint32_t)number;
    return 0;
}

static int read_sizes(json_t *json, struct workload *w, struct error **err)
{
    json_t *sizes = json_object_get(json, "sizes");
    if (!json_is_array(sizes) || json_array_size(sizes) > WORKLOAD_SIZES_MAX)
        return error_set(err, "not a workload: its sizes");
    for (; w->size_count < json_array_size(sizes); w->size_count++) {
        json_t *size = json_array_get(sizes, w->size_count);
        struct block_share *share = &w->sizes[w->size_count];
        if (read_u32(size, "bytes", &share->bytes, err) < 0 ||
            read_u32(size, "percent", &share->percent, err) < 0)
            return -1;
    }
    return 0;
}

int workload_from_json(json_t *json, struct workload *ret, struct error **err)
{
    const char *rw, *name;
    int zeros, datasync;
    struct workload w = {0};
    if (json_unpack(json, "{s:s, s:s, s:F, s:b, s:b}", "name", &name, "rw", &rw, "zipf", &w.zipf,
                    "datasync", &datasync, "zeros", &zeros) < 0 ||
        strlen(name) > WORKLOAD_NAME_MAX)
        return error_set(err, "not a workload");
    if (workload_rw_parse(rw, &w.rw, err) < 0 ||
        read_u32(json, "read_percent", &w.read_percent, err) < 0 ||
        read_u32(json, "block_bytes", &w.block_bytes, err) < 0 || read_sizes(json, &w, err) < 0 ||
        read_u32(json, "depth", &w.depth, err) < 0 || read_u32(json, "jobs", &w.jobs, err) < 0 ||
        read_u32(json, "rate_iops", &w.rate_iops, err) < 0 ||
        read_u32(json, "sync_every", &w.sync_every, err) < 0)
        return -1;
    strcpy(w.name, name);
    w.datasync = datasync;
    w.zeros = zeros;
    if (workload_check(&w, err) < 0)
        return -1;
    *ret = w;
    return 0;
}
