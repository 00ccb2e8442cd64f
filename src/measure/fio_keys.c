/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fio_keys.c - every key of fio, in one of four ways: it is read (the table `keys`), it is passed
 * over without or with a note (`passed`), it is taken with the one value that changes nothing
 * (`fixed`), or it is refused (`refused`). Keys are listed by name, aliases too, so that a key
 * which a later fio adds is refused until somebody has thought about it.
 */
#include "measure/fio_keys.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

const struct fio_options fio_defaults = {
    .kb_base = 1024,
    .rw = WORKLOAD_READ,
    .read_mix = 50,
    .block_bytes = 4096,
    .depth = 1,
    .jobs = 1,
    .engine_waits = true,
};

/* --- Passed over, and refused ----------------------------------------------------------------- */

static const struct {
    const char *note; /* NULL: nobody will miss it */
    const char *keys; /* between blanks */
} passed[] = {
    {NULL,
     " name description group_reporting new_group thread stats clat_percentiles lat_percentiles"
     " slat_percentiles percentile_list significant_figures disk_util disable_lat disable_clat"
     " disable_slat disable_bw_measurement disable_bw per_job_logs unified_rw_reporting unit_base"
     " bwavgtime iopsavgtime log_entries log_avg_msec log_hist_msec log_hist_coarseness"
     " log_max_value log_offset log_prio log_compression log_compression_cpus"
     " log_store_compressed log_unix_epoch log_alternate_epoch log_alternate_epoch_clock_id"
     " block_error_percentiles rate_cycle ratecycle rate_ignore_thinktime rw_sequencer"
     " thinktime_spin thinktime_blocks thinktime_blocks_type thinktime_iotime refill_buffers"
     " scramble_buffers unlink_each_loop unlink buffer_compress_chunk dedupe_mode "
     "dedupe_working_set_percentage"
     " dedupe_global allow_mounted_write file_service_type opendir eta status-interval output"
     " output-format "},
    {"our own scratch file is used instead",
     " filename directory filename_format unique_filename lockfile "},
    {"the scratch file is made ready in our own way",
     " create_serialize create_fsync create_on_open allow_file_create fallocate"
     " fadvise_hint overwrite invalidate pre_read ioscheduler "},
    {"no sync follows the last request", " end_fsync fsync_on_close "},
    {"random numbers are drawn in our own way",
     " randrepeat allrandrepeat randseed random_generator "},
    {"buffers are ordinary memory of our own", " mem iomem hugepage-size lockmem "},
    {"threads run where and as the kernel has them",
     " cpumask cpus_allowed cpus_allowed_policy numa_cpu_nodes numa_mem_policy nice prio prioclass"
     " cmdprio_percentage cmdprio_class cmdprio cmdprio_bssplit cgroup cgroup_nodelete"
     " cgroup_weight uid gid "},
    {"requests are submitted in our own way",
     " fixedbufs registerfiles nonvectored sqthread_poll sqthread_poll_cpu force_async nowait"
     " userspace_reap cmd_type "},
    {"logs in fio's manner are not written",
     " write_bw_log write_lat_log write_iops_log write_hist_log write_iolog "},
    {"clocks are read in our own way", " clocksource gtod_reduce gtod_cpu "},
    {"an error or a bound ends the work in our own way",
     " ignore_error continue_on_error error_dump exitall exit_what exitall_on_error max_latency"
     " rate_min ratemin rate_iops_min steadystate ss steadystate_duration ss_dur"
     " steadystate_ramp_time ss_ramp "},
    {"the command is not run", " exec_prerun exec_postrun "},
};

/* Keys with a value that changes nothing, which alone is taken. */
static const struct {
    const char *values; /* between blanks, fio's default first */
    const char *keys;
} fixed[] = {
    {" 0 ",
     " thinktime buffer_compress_percentage dedupe_percentage offset fileoffset offset_increment"
     " bs_unaligned blocksize_unaligned bs_is_seq_rand fill_device fill_fs file_append number_ios"
     " serialize_overlap write_barrier atomic startdelay verify_only do_verify trim_percentage"
     " trim_backlog latency_target hipri hipri_percentage uncached"
     " experimental_verify create_only zonesize zonerange zoneskip "},
    {" 1 ", " nrfiles nr_files loops iodepth_batch iodepth_batch_submit iodepth_batch_complete_min"
            " iodepth_batch_complete "},
    {" 0 1 ", " iodepth_batch_complete_max "},
    {" 100 ", " percentage_random "},
    {" none 0 ", " sync verify "},
    {" none ", " zonemode write_hint "},
    {" linear ", " rate_process "},
    {" inline ", " io_submit_mode "},
};

static const char refused[] =
    " ba blockalign bsrange blocksize_range buffer_pattern filesize flow flow_id flow_sleep"
    " flow_watermark ignore_zone_limits job_max_open_zones latency_percentile latency_run"
    " latency_window max_open_zones merge_blktrace_file merge_blktrace_iters"
    " merge_blktrace_scalars offset_align openfiles profile read_beyond_wp read_iolog"
    " read_iolog_chunked replay_align replay_no_stall replay_redirect replay_scale replay_skip"
    " replay_time_scale sync_file_range trim_backlog_batch trim_verify_zero verify_backlog"
    " verify_async verify_backlog_batch verify_dump verify_fatal verify_interval verify_offset "
    "verify_pattern verify_state_load"
    " verify_state_save verifysort"
    " wait_for zone_reset_frequency zone_reset_threshold zonecapacity zonesplit ";

/* Whether `words`, which has blanks around each word, has this one. */
static bool has_word(const char *words, const char *word)
{
    size_t length = strlen(word);
    if (!length || strchr(word, ' '))
        return false;
    for (const char *p = words; (p = strstr(p, word)); p++)
        if (p[-1] == ' ' && p[length] == ' ')
            return true;
    return false;
}

static int apply_unread(const char *key, const char *value, const struct fio_place *place,
                        struct error **err)
{
    for (size_t i = 0; i < ARRAY_SIZE(passed); i++) {
        if (!has_word(passed[i].keys, key))
            continue;
        if (passed[i].note)
            fio_note(place, "%s: %s", key, passed[i].note);
        return 0;
    }
    for (size_t i = 0; i < ARRAY_SIZE(fixed); i++) {
        if (!has_word(fixed[i].keys, key))
            continue;
        if (value && has_word(fixed[i].values, value))
            return 0;
        error_set(err, "fio's '%s' changes the load and is not supported", key);
        return error_hint(err, "what changes nothing is:%s", fixed[i].values);
    }
    if (has_word(refused, key))
        return error_set(err, "fio's '%s' changes the load and is not supported", key);
    return error_set(err, "'%.64s' is not a key that is known here", key);
}

/* --- Read ------------------------------------------------------------------------------------- */

static int apply_kb_base(struct fio_options *o, const char *value, const struct fio_place *place,
                         struct error **err)
{
    (void)place;
    if (strcmp(value, "1024") != 0 && strcmp(value, "1000") != 0)
        return error_set(err, "'%.64s' is neither 1024 nor 1000", value);
    o->kb_base = strcmp(value, "1024") == 0 ? 1024 : 1000;
    return 0;
}

static int apply_rw(struct fio_options *o, const char *value, const struct fio_place *place,
                    struct error **err)
{
    (void)place;
    if (strstr(value, "trim"))
        return error_set(err, "'%.64s': trims are not supported", value);
    if (strchr(value, ':'))
        return error_set(err, "'%.64s': what follows the colon is not supported", value);
    return workload_rw_parse(strcmp(value, "readwrite") == 0 ? "rw" : value, &o->rw, err);
}

/* The sizes for reads, for writes and for trims have to be one. */
static int apply_bs(struct fio_options *o, const char *value, const struct fio_place *place,
                    struct error **err)
{
    (void)place;
    uint64_t sizes[2] = {o->block_bytes, o->block_bytes};
    if (fio_value_pair(value, o->kb_base, sizes, err) < 0)
        return -1;
    if (sizes[0] != sizes[1])
        return error_set(err, "another block size for writes than for reads is not supported");
    o->block_bytes = sizes[0];
    return 0;
}

static int apply_bssplit(struct fio_options *o, const char *value, const struct fio_place *place,
                         struct error **err)
{
    (void)place;
    return fio_value_split(value, o->kb_base, o, err);
}

static int apply_percent(const char *value, bool writes, uint64_t *ret_reads, struct error **err)
{
    uint64_t percent;
    if (fio_value_number(value, 1024, &percent, err) < 0)
        return -1;
    if (percent > 100)
        return error_set(err, "'%.64s' is more than 100 %%", value);
    *ret_reads = writes ? 100 - percent : percent;
    return 0;
}

static int apply_rwmixread(struct fio_options *o, const char *value, const struct fio_place *place,
                           struct error **err)
{
    (void)place;
    return apply_percent(value, false, &o->read_mix, err);
}

static int apply_rwmixwrite(struct fio_options *o, const char *value, const struct fio_place *place,
                            struct error **err)
{
    (void)place;
    return apply_percent(value, true, &o->read_mix, err);
}

/* A share of a file that is not ours says nothing about ours. */
static int apply_size(struct fio_options *o, const char *value, const struct fio_place *place,
                      struct error **err)
{
    unsigned percent;
    if (!fio_value_percent(value, &percent))
        return fio_value_number(value, o->kb_base, &o->size, err);
    o->size = 0;
    fio_note(place, "size: a share is none of a known size, and is passed over");
    return 0;
}

static int apply_io_size(struct fio_options *o, const char *value, const struct fio_place *place,
                         struct error **err)
{
    (void)place;
    o->io_size = o->io_percent = 0;
    if (fio_value_percent(value, &o->io_percent))
        return 0;
    o->io_percent = 0;
    return fio_value_number(value, o->kb_base, &o->io_size, err);
}

static int apply_random_distribution(struct fio_options *o, const char *value,
                                     const struct fio_place *place, struct error **err)
{
    (void)place;
    return fio_value_distribution(value, &o->zipf, err);
}

static int apply_direct(struct fio_options *o, const char *value, const struct fio_place *place,
                        struct error **err)
{
    (void)place;
    if (strcmp(value, "1") != 0) {
        error_set(err, "only direct I/O is measured");
        return error_hint(err, "direct=1");
    }
    o->direct_given = true;
    return 0;
}

static int apply_buffered(struct fio_options *o, const char *value, const struct fio_place *place,
                          struct error **err)
{
    return apply_direct(o, strcmp(value, "0") == 0 ? "1" : "0", place, err);
}

static const struct {
    const char *name;
    bool waits; /* one request at a time, whatever iodepth says */
} engines[] = {
    {"io_uring", false}, {"libaio", false}, {"linuxaio", false}, {"posixaio", false},
    {"psync", true},     {"sync", true},    {"pvsync", true},    {"pvsync2", true},
};

static int apply_ioengine(struct fio_options *o, const char *value, const struct fio_place *place,
                          struct error **err)
{
    (void)place;
    for (size_t i = 0; i < ARRAY_SIZE(engines); i++) {
        if (strcmp(value, engines[i].name) == 0) {
            o->engine = engines[i].name;
            o->engine_waits = engines[i].waits;
            return 0;
        }
    }
    return error_set(err, "the I/O engine '%.64s' is not supported", value);
}

/* --- The table -------------------------------------------------------------------------------- */

enum kind {
    KIND_COUNT, /* a uint64_t at `offset` */
    KIND_FLAG,  /* a bool: bare, 0 or 1 */
    KIND_TIME,  /* a uint64_t of ns */
    KIND_PAIR,  /* two uint64_t, for reads and for writes */
    KIND_OTHER, /* by `apply` */
};

#define AT(field) offsetof(struct fio_options, field)

static const struct {
    const char *name;
    enum kind kind;
    size_t offset;
    int (*apply)(struct fio_options *o, const char *value, const struct fio_place *place,
                 struct error **err);
} keys[] = {
    {"kb_base", KIND_OTHER, 0, apply_kb_base},
    {"rw", KIND_OTHER, 0, apply_rw},
    {"readwrite", KIND_OTHER, 0, apply_rw},
    {"bs", KIND_OTHER, 0, apply_bs},
    {"blocksize", KIND_OTHER, 0, apply_bs},
    {"bssplit", KIND_OTHER, 0, apply_bssplit},
    {"rwmixread", KIND_OTHER, 0, apply_rwmixread},
    {"rwmixwrite", KIND_OTHER, 0, apply_rwmixwrite},
    {"size", KIND_OTHER, 0, apply_size},
    {"io_size", KIND_OTHER, 0, apply_io_size},
    {"io_limit", KIND_OTHER, 0, apply_io_size},
    {"random_distribution", KIND_OTHER, 0, apply_random_distribution},
    {"direct", KIND_OTHER, 0, apply_direct},
    {"buffered", KIND_OTHER, 0, apply_buffered},
    {"ioengine", KIND_OTHER, 0, apply_ioengine},
    {"iodepth", KIND_COUNT, AT(depth), NULL},
    {"iodepth_low", KIND_COUNT, AT(depth_low), NULL},
    {"numjobs", KIND_COUNT, AT(jobs), NULL},
    {"fsync", KIND_COUNT, AT(fsync), NULL},
    {"fdatasync", KIND_COUNT, AT(fdatasync), NULL},
    {"rate", KIND_PAIR, AT(rate), NULL},
    {"rate_iops", KIND_PAIR, AT(rate_iops), NULL},
    {"runtime", KIND_TIME, AT(runtime_ns), NULL},
    {"timeout", KIND_TIME, AT(runtime_ns), NULL},
    {"ramp_time", KIND_TIME, AT(ramp_ns), NULL},
    {"time_based", KIND_FLAG, AT(time_based), NULL},
    {"stonewall", KIND_FLAG, AT(stonewall), NULL},
    {"wait_for_previous", KIND_FLAG, AT(stonewall), NULL},
    {"norandommap", KIND_FLAG, AT(norandommap), NULL},
    {"zero_buffers", KIND_FLAG, AT(zeros), NULL},
};

static int apply_flag(const char *value, bool *ret, struct error **err)
{
    if (value && strcmp(value, "0") != 0 && strcmp(value, "1") != 0)
        return error_set(err, "'%.64s' is neither 0 nor 1", value);
    *ret = !value || value[0] == '1';
    return 0;
}

/* "kib" is a trap that fio has set, and a size off by two percent hard to see. */
static void note_prefix(const struct fio_options *o, const char *key, const char *value,
                        const struct fio_place *place)
{
    const char *p = value + strcspn(value, "0123456789");
    for (; o->kb_base == 1024 && *p; p++)
        if (isdigit((unsigned char)p[0]) && isalpha((unsigned char)p[1]) &&
            strncasecmp(p + 2, "ib", 2) == 0)
            fio_note(place, "%s: fio reads KiB, MiB and so on by 1000, unless kb_base=1000", key);
}

/* Applies the key of row i. */
static int apply_read(struct fio_options *o, size_t i, const char *value,
                      const struct fio_place *place, struct error **err)
{
    void *field = (char *)o + keys[i].offset;
    if (keys[i].kind == KIND_FLAG)
        return apply_flag(value, field, err);
    if (!value)
        return error_set(err, "it needs a value");
    note_prefix(o, keys[i].name, value, place);
    switch (keys[i].kind) {
    case KIND_COUNT:
        return fio_value_number(value, o->kb_base, field, err);
    case KIND_TIME:
        return fio_value_time(value, field, err);
    case KIND_PAIR:
        return fio_value_pair(value, o->kb_base, field, err);
    default:
        return keys[i].apply(o, value, place, err);
    }
}

int fio_key_apply(struct fio_options *o, const char *key, const char *value,
                  const struct fio_place *place, struct error **err)
{
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        if (strcmp(key, keys[i].name) != 0)
            continue;
        if (apply_read(o, i, value, place, err) < 0)
            return error_prefix(err, "%s", key);
        return 0;
    }
    o->file_given |= strncmp(key, "filename", strlen("filename")) == 0;
    return apply_unread(key, value, place, err);
}
