/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fio_work.c - the keys of a section, all together, become work.
 */
#include "measure/fio_keys.h"

#include <math.h>
#include <string.h>

/* A number of 32 bits; what is more is for workload_check to refuse. */
static uint32_t narrow(uint64_t number)
{
    return number > UINT32_MAX ? UINT32_MAX : (uint32_t)number;
}

static void finish_sizes(const struct fio_options *o, struct workload *w)
{
    w->block_bytes = narrow(o->block_bytes);
    if (!o->size_count)
        return;
    w->block_bytes = 0;
    for (unsigned i = 0; i < o->size_count; i++)
        w->block_bytes = o->sizes[i].bytes > w->block_bytes ? o->sizes[i].bytes : w->block_bytes;
    if (o->size_count == 1)
        return;
    w->size_count = o->size_count;
    memcpy(w->sizes, o->sizes, sizeof(w->sizes));
}

static int refuse_rates(const struct workload *w, double reads, double writes, struct error **err)
{
    if (reads == 0 || writes == 0)
        error_set(err, "in a mix, a rate of reads alone or of writes alone is not supported");
    else
        error_set(err, "at these rates fio does %.0f %% reads, not %u %%",
                  reads * 100 / (reads + writes), w->read_percent);
    return error_hint(err, "one rate for reads and one for writes, as in rate_iops=%u,%u",
                      w->read_percent * 10, 1000 - w->read_percent * 10);
}

/* fio bounds reads and writes each by its own rate, and what it does of them follows: a mix goes
 * with a rate only where both rates have its shares. It keeps to a rate_iops by counting bytes, a
 * request as one of the smallest size. */
static int finish_rate(const struct fio_options *o, struct workload *w, struct error **err)
{
    bool by_bytes = o->rate[0] || o->rate[1];
    if (by_bytes && (o->rate_iops[0] || o->rate_iops[1]))
        return error_set(err, "rate and rate_iops go together neither here nor in fio");
    double unit = by_bytes ? 1 : workload_unit(w);
    double reads = (double)(by_bytes ? o->rate[0] : o->rate_iops[0]) * unit;
    double writes = (double)(by_bytes ? o->rate[1] : o->rate_iops[1]) * unit;
    reads = workload_reads(w) ? reads : 0;
    writes = workload_writes(w) ? writes : 0;
    double sum = reads + writes;
    if (sum == 0)
        return 0;
    if (workload_reads(w) && workload_writes(w) &&
        (reads == 0 || writes == 0 || fabs(reads * 100 - w->read_percent * sum) > sum))
        return refuse_rates(w, reads, writes, err);
    double iops = sum / workload_mean_bytes(w);
    if (!(round(iops) >= 1 && round(iops) <= UINT32_MAX))
        return error_set(err, "a rate of %.3g requests a second is not supported", iops);
    if (fabs(iops - round(iops)) > iops / 100) {
        error_set(err, "a rate of %.3g requests a second is not supported", iops);
        return error_hint(err, "rates are whole numbers of requests a second, within 1 %%");
    }
    w->rate_iops = (uint32_t)round(iops);
    return 0;
}

/* fio's engines that wait do one request at a time. */
static int finish_depth(const struct fio_options *o, const struct fio_place *place,
                        struct workload *w, struct error **err)
{
    w->depth = narrow(o->depth);
    if (o->depth_low && o->depth_low != o->depth)
        return error_set(err, "fio's 'iodepth_low' changes the load and is not supported");
    if (o->engine_waits && w->depth > 1) {
        fio_note(place, "iodepth: with ioengine=%s fio has one request in flight, and so have we",
                 o->engine ? o->engine : "psync, its default,");
        w->depth = 1;
    }
    const char *ours = w->depth > 1 ? "io_uring" : "psync";
    if (o->engine && strcmp(o->engine, ours) != 0)
        fio_note(place, "ioengine: requests are made as by %s instead of %s", ours, o->engine);
    return 0;
}

static int finish_sync(const struct fio_options *o, struct workload *w, struct error **err)
{
    if (!workload_writes(w))
        return 0;
    if (o->fsync && o->fdatasync)
        return error_set(err, "fsync and fdatasync at the same time are not supported");
    if (o->fsync > UINT32_MAX || o->fdatasync > UINT32_MAX)
        return error_set(err, "more than %u writes between two syncs", UINT32_MAX);
    w->sync_every = narrow(o->fsync ? o->fsync : o->fdatasync);
    w->datasync = !o->fsync && o->fdatasync;
    return 0;
}

static void finish_job(const struct fio_options *o, struct fio_job *job)
{
    job->size_bytes = o->size;
    job->io_bytes = o->io_size;
    job->io_percent = o->io_percent;
    job->runtime_ns = o->runtime_ns;
    job->ramp_ns = o->ramp_ns;
    job->time_based = o->time_based;
}

int fio_options_finish(const struct fio_options *o, const struct fio_place *place,
                       struct fio_job *job, struct error **err)
{
    struct workload *w = &job->workload;
    struct fio_place whole = {place->file, place->file_name, 0};
    w->rw = o->rw;
    w->read_percent =
        workload_rw_is_mix(o->rw) ? narrow(o->read_mix) : workload_rw_read_percent(o->rw);
    w->jobs = narrow(o->jobs);
    w->zipf = workload_is_random(w) ? o->zipf : 0;
    w->zeros = o->zeros;
    finish_sizes(o, w);
    finish_job(o, job);
    if (finish_depth(o, place, w, err) < 0 || finish_sync(o, w, err) < 0 ||
        workload_check(w, err) < 0 || finish_rate(o, w, err) < 0)
        return -1;
    if (!o->direct_given)
        fio_note(&whole, "direct: it is not given, and measured is direct I/O");
    if (workload_is_random(w) && !o->norandommap)
        fio_note(&whole, "norandommap: random addresses are drawn anew each time, as with it");
    return 0;
}
