/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-fio-keys.c - every key of a fio job file that is read, passed over, or refused with its
 * line.
 */
#undef NDEBUG
#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "fio-work.h"
#include "measure/fio.h"

#define S UINT64_C(1000000000)

/* --- Keys that are read ----------------------------------------------------------------------- */

/* What is 0 in `wanted` but cannot be is fio's default. */
static const struct {
    const char *keys;
    struct workload wanted;
} works[] = {
    {"", {.read_percent = 100}},
    {"rw=read", {.read_percent = 100}},
    {"rw=write", {.rw = WORKLOAD_WRITE}},
    {"readwrite=randread", {.rw = WORKLOAD_RANDREAD, .read_percent = 100}},
    {"rw=randwrite", {.rw = WORKLOAD_RANDWRITE}},
    {"rw=rw", {.rw = WORKLOAD_RW, .read_percent = 50}},
    {"rw=readwrite", {.rw = WORKLOAD_RW, .read_percent = 50}},
    {"rw=randrw", {MIX(50)}},
    {"rwmixread=70\nrw=randrw", {MIX(70)}},
    {"rw=randrw\nrwmixwrite=70", {MIX(30)}},
    {"rw=randrw\nrwmixread=10\nrwmixwrite=70", {MIX(30)}},
    {"rw=randrw\nrwmixwrite=70\nrwmixread=0", {MIX(0)}},
    {"rwmixread=20", {.read_percent = 100}},
    {"bs=64k", {.read_percent = 100, .block_bytes = 64 * K}},
    {"bs=64kb", {.read_percent = 100, .block_bytes = 64 * K}},
    {"blocksize=1M", {.read_percent = 100, .block_bytes = K * K}},
    {"bs=0x1000", {.read_percent = 100, .block_bytes = 4 * K}},
    {"bs=0X2k", {.read_percent = 100, .block_bytes = 2 * K}},
    {"bs=8192", {.read_percent = 100, .block_bytes = 8 * K}},
    {"bs=8k,8192", {.read_percent = 100, .block_bytes = 8 * K}},
    {"bs=8k,8k,8k", {.read_percent = 100, .block_bytes = 8 * K}},
    {"bs=64KiB\nkb_base=1000", {.read_percent = 100, .block_bytes = 64 * K}},
    {"kb_base=1000\nbs=512k", {.read_percent = 100, .block_bytes = 512000}},
    {"bs=64KiB", {.read_percent = 100, .block_bytes = 64000}},
    {"kb_base=1024\nbs=512B", {.read_percent = 100, .block_bytes = 512}},
    {"bssplit=4k/60:64k/40",
     {.read_percent = 100, .block_bytes = 64 * K, SPLIT({4 * K, 60}, {64 * K, 40})}},
    {"bssplit=4k/60:64k/40,4096/60:64k",
     {.read_percent = 100, .block_bytes = 64 * K, SPLIT({4 * K, 60}, {64 * K, 40})}},
    {"bssplit=64k/50:4k/:8k",
     {.read_percent = 100, .block_bytes = 64 * K, SPLIT({64 * K, 50}, {4 * K, 25}, {8 * K, 25})}},
    {"bssplit=4k:8k:16k:",
     {.read_percent = 100, .block_bytes = 16 * K, SPLIT({4 * K, 33}, {8 * K, 33}, {16 * K, 34})}},
    {"bssplit=4k/100:8k/0",
     {.read_percent = 100, .block_bytes = 8 * K, SPLIT({4 * K, 100}, {8 * K, 0})}},
    {"bssplit=16k", {.read_percent = 100, .block_bytes = 16 * K}},
    {"bssplit=16k/100\nbs=4k", {.read_percent = 100, .block_bytes = 16 * K}},
    {"ioengine=libaio\niodepth=32", {.read_percent = 100, .depth = 32}},
    {"ioengine=io_uring\niodepth=1k", {.read_percent = 100, .depth = 1024}},
    {"ioengine=posixaio\niodepth=2\niodepth_low=2", {.read_percent = 100, .depth = 2}},
    /* As fio warns itself. */
    {"iodepth=32", {.read_percent = 100, .depth = 1}},
    {"ioengine=sync\niodepth=32", {.read_percent = 100, .depth = 1}},
    {"ioengine=pvsync\niodepth=32", {.read_percent = 100, .depth = 1}},
    {"numjobs=8", {.read_percent = 100, .jobs = 8}},
    {"rw=write\nfsync=32", {.rw = WORKLOAD_WRITE, .sync_every = 32}},
    {"rw=write\nfdatasync=1", {.rw = WORKLOAD_WRITE, .sync_every = 1, .datasync = true}},
    {"rw=write\nfsync=0\nfdatasync=1", {.rw = WORKLOAD_WRITE, .sync_every = 1, .datasync = true}},
    {"fsync=32", {.read_percent = 100}},
    {"rw=randrw\nrwmixread=100\nfsync=8", {MIX(100)}},
    {"rw=randread\nrandom_distribution=zipf:1.25",
     {.rw = WORKLOAD_RANDREAD, .read_percent = 100, .zipf = 1.25}},
    {"rw=randread\nrandom_distribution=zipf",
     {.rw = WORKLOAD_RANDREAD, .read_percent = 100, .zipf = 1.1}},
    {"rw=randread\nrandom_distribution=random", {.rw = WORKLOAD_RANDREAD, .read_percent = 100}},
    {"random_distribution=zipf:1.25", {.read_percent = 100}},
    {"rate_iops=1k", {.read_percent = 100, .rate_iops = 1024}},
    {"rate_iops=100,7", {.read_percent = 100, .rate_iops = 100}},
    {"rw=write\nrate_iops=100,7", {.rw = WORKLOAD_WRITE, .rate_iops = 7}},
    {"rw=write\nrate_iops=,7", {.rw = WORKLOAD_WRITE, .rate_iops = 7}},
    {"rw=write\nrate_iops=7,", {.rw = WORKLOAD_WRITE}},
    {"rate_iops=0", {.read_percent = 100}},
    /* Each direction of a mix has the rate, so half and half is twice as much. */
    {"rw=randrw\nrate_iops=100", {MIX(50), .rate_iops = 200}},
    {"rw=randrw\nrwmixread=70\nrate_iops=700,300", {MIX(70), .rate_iops = 1000}},
    {"rw=randrw\nrwmixread=70\nrate=2800k,1200k", {MIX(70), .rate_iops = 1000}},
    {"rate=1m", {.read_percent = 100, .rate_iops = 256}},
    {"rate=4097", {.read_percent = 100, .rate_iops = 1}},
    {"rate=600k\nbssplit=4k/50:8k/50",
     {.read_percent = 100,
      .block_bytes = 8 * K,
      .rate_iops = 100,
      SPLIT({4 * K, 50}, {8 * K, 50})}},
    /* fio counts these by bytes, each as one of 4 KiB. */
    {"rate_iops=1500\nbssplit=4k/50:8k/50",
     {.read_percent = 100,
      .block_bytes = 8 * K,
      .rate_iops = 1000,
      SPLIT({4 * K, 50}, {8 * K, 50})}},
    {"rw=write\nzero_buffers", {.rw = WORKLOAD_WRITE, .zeros = true}},
    {"rw=write\nzero_buffers=1\nzero_buffers=0", {.rw = WORKLOAD_WRITE}},
};

static void test_works(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(works); i++) {
        cleanup_free char *text = xasprintf("[a]\n%s\n", works[i].keys);
        cleanup_fio struct fio_file *file = parse(text);
        struct workload wanted = with_defaults(works[i].wanted);
        check_work(text, &file->jobs[0].workload, &wanted);
        assert_string_equal(file->jobs[0].workload.name, "a");
    }
}

static const struct {
    const char *keys;
    uint64_t size, io, runtime, ramp;
    bool time_based;
    unsigned io_percent;
} bounds[] = {
    {"", 0, 0, 0, 0, false},
    {"size=1g", UINT64_C(1) << 30, 0, 0, 0, false},
    {"size=2T\nio_size=1p", UINT64_C(2) << 40, UINT64_C(1) << 50, 0, 0, false},
    {"size=50%", 0, 0, 0, 0, false},
    {"io_limit=1m", 0, K *K, 0, 0, false},
    {"io_size=20%\nsize=1000", 1000, 0, 0, 0, false, 20},
    {"io_size=20%", 0, 0, 0, 0, false, 20},
    {"runtime=30", 0, 0, 30 * S, 0, false},
    {"timeout=30s\ntime_based", 0, 0, 30 * S, 0, true},
    {"runtime=500ms\nramp_time=2m\ntime_based=1", 0, 0, S / 2, 120 * S, true},
    {"runtime=1D\nramp_time=7us\ntime_based=0", 0, 0, 86400 * S, 7000, false},
    {"runtime=1h", 0, 0, 3600 * S, 0, false},
};

static void test_bounds(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bounds); i++) {
        cleanup_free char *text = xasprintf("[a]\n%s\n", bounds[i].keys);
        cleanup_fio struct fio_file *file = parse(text);
        assert_int_equal(file->jobs[0].size_bytes, bounds[i].size);
        assert_int_equal(file->jobs[0].io_bytes, bounds[i].io);
        assert_int_equal(file->jobs[0].io_percent, bounds[i].io_percent);
        assert_int_equal(file->jobs[0].runtime_ns, bounds[i].runtime);
        assert_int_equal(file->jobs[0].ramp_ns, bounds[i].ramp);
        assert_int_equal(file->jobs[0].time_based, bounds[i].time_based);
    }
}

/* --- Passed over ------------------------------------------------------------------------------ */

static const struct {
    const char *keys;
    const char *note; /* NULL: passed over without one */
} passed[] = {
    {"group_reporting", NULL},
    {"thread", NULL},
    {"name=x\ndescription=x y z", NULL},
    {"lat_percentiles=1\npercentile_list=50:99\ndisable_lat=1", NULL},
    {"log_avg_msec=100\nper_job_logs=0\nunified_rw_reporting=mixed", NULL},
    {"refill_buffers\nscramble_buffers=0", NULL},
    {"loops=1\nthinktime=0\nnrfiles=1\noffset=0", NULL},
    {"iodepth_batch=1\niodepth_batch_complete=1\niodepth_batch_complete_max=0", NULL},
    {"buffer_compress_percentage=0\ndedupe_percentage=0\noffset_increment=0", NULL},
    {"sync=none\nverify=0\ndo_verify=0\nrate_process=linear\nio_submit_mode=inline", NULL},
    {"ioengine=psync", NULL},
    {"ioengine=io_uring\niodepth=2", NULL},
    {"rw=randread\nnorandommap=1", NULL},
    {"filename=/dev/sdz", "F:2: filename: our own scratch file is used instead"},
    {"bs=4k\ndirectory=/srv", "F:3: directory: our own scratch file"},
    {"filename_format=$jobname.$jobnum", "F:2: filename_format: our own scratch file"},
    {"create_serialize=0", "F:2: create_serialize: the scratch file is made ready"},
    {"fallocate=none", "F:2: fallocate: the scratch file is made ready"},
    {"overwrite=1", "F:2: overwrite: "},
    {"invalidate=1", "F:2: invalidate: "},
    {"end_fsync=1", "F:2: end_fsync: no sync follows"},
    {"fsync_on_close=1", "F:2: fsync_on_close: no sync follows"},
    {"randrepeat=0", "F:2: randrepeat: random numbers"},
    {"allrandrepeat=1", "F:2: allrandrepeat: random numbers"},
    {"randseed=7", "F:2: randseed: random numbers"},
    {"mem=mmaphuge", "F:2: mem: buffers"},
    {"hugepage-size=2m", "F:2: hugepage-size: buffers"},
    {"cpus_allowed=0-3", "F:2: cpus_allowed: threads"},
    {"nice=-5", "F:2: nice: threads"},
    {"prio=3\nprioclass=1", "F:3: prioclass: threads"},
    {"numa_cpu_nodes=0", "F:2: numa_cpu_nodes: threads"},
    {"write_lat_log=x", "F:2: write_lat_log: logs"},
    {"exec_prerun=rm -rf /", "F:2: exec_prerun: the command is not run"},
    {"ioengine=libaio\niodepth=2",
     "F:1: ioengine: requests are made as by io_uring instead of lib"},
    {"ioengine=pvsync2", "F:1: ioengine: requests are made as by psync instead of pvsync2"},
    {"ioengine=psync\niodepth=8", "F:1: iodepth: with ioengine=psync fio has one request"},
    {"iodepth=8", "F:1: iodepth: with ioengine=psync, its default, fio has one request"},
    {"size=20%", "F:2: size: a share"},
    {"size=1GiB", "F:2: size: fio reads KiB, MiB and so on by 1000"},
    {"rw=randread", "F: norandommap: random addresses"},
};

static void test_passed(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(passed); i++) {
        cleanup_free char *text = xasprintf("[a]\n%s\ndirect=1\n", passed[i].keys);
        cleanup_fio struct fio_file *file = parse(text);
        if (!passed[i].note && file->note_count)
            fail_msg("%s\n: %s", text, file->notes[0]);
        bool found = !passed[i].note;
        for (size_t n = 0; n < file->note_count; n++)
            found |= passed[i].note && strstr(file->notes[n], passed[i].note) == file->notes[n];
        if (!found)
            fail_msg("%s\n: no '%s', but %s", text, passed[i].note,
                     file->note_count ? file->notes[0] : "nothing");
    }
}

/* --- Refused ---------------------------------------------------------------------------------- */

#define CHANGES(key) "F:2: fio's '" key "' changes the load and is not supported"

static const struct {
    const char *text;
    const char *message; /* how it begins */
} refused[] = {
    {"", "F: no section describes any work"},
    {"[global]\nrw=read\n", "F: no section describes any work"},
    {"rw=read\n[a]\n", "F:1: a key before the first section"},
    {"[a\n", "F:1: a section is written as [name]"},
    {"[a]\n[b] rw=write\n", "F:2: a section is written as [name]"},
    {"[a]b]\n", "F:1: a section is written as [name]"},
    {"[a#b]\n", "F:1: a section is written as [name]"},
    {"[]\n", "F:1: the section has no name"},
    {"[\xff]\n", "F:1: the section has no name, or one with tabs or not in UTF-8"},
    {"[a\tb]\n", "F:1: the section has no name, or one with tabs"},
    {"[a]\n=4k\n", "F:2: a value without a key"},
    {"[a]\nbs=\n", "F:2: 'bs' has no value"},
    {"[a]\nbs= ; 4k\n", "F:2: 'bs' has no value"},
    {"[a]\nbs\n", "F:2: bs: it needs a value"},
    {"[a]\ndirect\n", "F:2: direct: it needs a value"},
    {"[a]\n\nbs=4\x01k\n", "F:3: a control character"},
    {"[a]\nsize=${SIZE}\n", "F:2: environment variables are not supported"},
    {"[a]\ninclude other.fio\n", "F:2: other files are not included"},
    {"include other.fio\n", "F:1: other files are not included"},
    {"[a]\nfoo=1\n", "F:2: 'foo' is not a key that is known here"},
    {"[a]\nRW=read\n", "F:2: 'RW' is not a key that is known here"},
    {"[a]\nrw read\n", "F:2: 'rw read' is not a key that is known here"},
    {"[a]\nfilename directory=1\n", "F:2: 'filename directory' is not a key"},
    {"[a]\nrw=READ\n", "F:2: rw: 'READ' is not a direction"},
    {"[a]\nrw=trim\n", "F:2: rw: 'trim': trims are not supported"},
    {"[a]\nrw=randtrimwrite\n", "F:2: rw: 'randtrimwrite': trims"},
    {"[a]\nrw=randread:8\n", "F:2: rw: 'randread:8': what follows the colon"},
    {"[a]\nbs=4k,64k\n", "F:2: bs: another block size for writes"},
    {"[a]\nbs=,64k\n", "F:2: bs: another block size for writes"},
    {"[a]\nbs=1.5k\n", "F:2: bs: '1.5k' is not a number"},
    {"[a]\nbs=4 k\n", "F:2: bs: '4 k' is not a number"},
    {"[a]\nbs=-4\n", "F:2: bs: '-4' is not a number"},
    {"[a]\nbs=0x\n", "F:2: bs: '0x' is not a number"},
    {"[a]\nbs=4ki\n", "F:2: bs: '4ki' is not a number"},
    {"[a]\nbs=4k-8k\n", "F:2: bs: '4k-8k' is not a number"},
    {"[a]\nbs=4k,4k,4k,4k\n", "F:2: bs: '4k,4k,4k,4k' has more than three values"},
    {"[a]\nbs=99999999999999999999\n", "F:2: bs: '99999999999999999999' is too large"},
    {"[a]\nsize=17179869184g\n", "F:2: size: '17179869184g' is too large"},
    {"[a]\nsize=101%\n", "F:2: size: '101%' is not a number"},
    {"[a]\nsize=16z\n", "F:2: size: '16z' is not a number"},
    {"[a]\nbs=100\n", "F:1: block size 100"},
    {"[a]\nbs=4KiB\n", "F:1: block size 4000"},
    {"\n[a]\nbs=32m\n", "F:2: block size 33554432"},
    {"[a]\nbssplit=4k/60:64k/30\n", "F:2: bssplit: the shares add up to 90 %"},
    {"[a]\nbssplit=4k/60:64k/50\n", "F:2: bssplit: the shares add up to 110 %"},
    {"[a]\nbssplit=4k/101:8k\n", "F:2: bssplit: '101' is more than 100 %"},
    {"[a]\nbssplit=4k/x:8k\n", "F:2: bssplit: 'x' is not a percentage"},
    {"[a]\nbssplit=4k::8k\n", "F:2: bssplit: '' is not a number"},
    {"[a]\nbssplit=64m\n", "F:2: bssplit: block size '64m': more than 16 MiB"},
    {"[a]\nbssplit=1k:2k:3k:4k:5k:6k:7k:8k:9k\n", "F:2: bssplit: more than 8 block sizes"},
    {"[a]\nbssplit=4k/60:8k/40,4k/40:8k/60\n", "F:2: bssplit: other block sizes for writes"},
    {"[a]\nbssplit=4k/50:6k/50\n", "F:1: block size 6144: it has to be a multiple of"},
    {"[a]\nrwmixread=101\n", "F:2: rwmixread: '101' is more than 100 %"},
    {"[a]\nrwmixwrite=a\n", "F:2: rwmixwrite: 'a' is not a number"},
    {"[a]\niodepth=0\n", "F:1: queue depth 0"},
    {"[a]\niodepth=99999999999\nioengine=libaio\n", "F:1: queue depth"},
    {"[a]\nnumjobs=65\n", "F:1: 65 jobs"},
    {"[a]\nnumjobs=0\n", "F:1: 0 jobs"},
    {"[a]\nruntime=1m30s\n", "F:2: runtime: '1m30s' is not a time"},
    {"[a]\nruntime=1.5\n", "F:2: runtime: '1.5' is not a time"},
    {"[a]\nramp_time=-1\n", "F:2: ramp_time: '-1' is not a time"},
    {"[a]\nruntime=99999999999999999999\n", "F:2: runtime: '99999999999999999999' is too long"},
    {"[a]\ntime_based=yes\n", "F:2: time_based: 'yes' is neither 0 nor 1"},
    {"[a]\nkb_base=1\n", "F:2: kb_base: '1' is neither 1024 nor 1000"},
    {"[a]\nrw=write\nfsync=1\nfdatasync=1\n", "F:1: fsync and fdatasync at the same time"},
    {"[a]\nrw=write\nfsync=4g\n", "F:1: more than 4294967295 writes between two syncs"},
    {"[a]\ndirect=0\n", "F:2: direct: only direct I/O is measured"},
    {"[a]\nbuffered=1\n", "F:2: buffered: only direct I/O is measured"},
    {"[a]\nrandom_distribution=pareto:0.2\n", "F:2: random_distribution: the distribution 'pareto"},
    {"[a]\nrandom_distribution=zipf:1\n", "F:2: random_distribution: fio does not take"},
    {"[a]\nrandom_distribution=zipf:1.2:0.5\n", "F:2: random_distribution: '1.2:0.5' is not"},
    {"[a]\nrandom_distribution=zipf:inf\n", "F:2: random_distribution: 'inf' is not a theta"},
    {"[a]\nrandom_distribution=zipf:0x1\n", "F:2: random_distribution: '0x1' is not a theta"},
    {"[a]\nrw=randread\nrandom_distribution=zipf:9\n", "F:1: zipf 9: it has to be"},
    {"[a]\nrate=100\n", "F:1: a rate of 0.0244 requests a second"},
    {"[a]\nrate=100k\nbs=64k\n", "F:1: a rate of 1.56 requests a second"},
    {"[a]\nrate=1p\nbs=512\n", "F:1: a rate of 2.2e+12 requests a second"},
    {"[a]\nrate=1m\nrate_iops=5\n", "F:1: rate and rate_iops go together"},
    {"[a]\nrate=1m,2m,3m,4m\n", "F:2: rate: '1m,2m,3m,4m' has more than three values"},
    {"[a]\nrate_iops=,\n", "F:2: rate_iops: ',' is not a number"},
    {"[a]\nrw=rw\nrwmixread=70\nrate_iops=9\n", "F:1: at these rates fio does 50 % reads, not 70"},
    {"[a]\nrw=rw\nrwmixread=99\nrate_iops=9,\n", "F:1: in a mix, a rate of reads alone"},
    {"[a]\nioengine=rbd\n", "F:2: ioengine: the I/O engine 'rbd' is not supported"},
    {"[a]\nioengine=net\n", "F:2: ioengine: the I/O engine 'net' is not supported"},
    {"[a]\niodepth=4\niodepth_low=2\n", "F:1: fio's 'iodepth_low' changes the load"},
    {"[a]\nthinktime=5\n", CHANGES("thinktime")},
    {"[a]\nbuffer_compress_percentage=50\n", CHANGES("buffer_compress_percentage")},
    {"[a]\ndedupe_percentage=50\n", CHANGES("dedupe_percentage")},
    {"[a]\nbuffer_pattern=0xff\n", CHANGES("buffer_pattern")},
    {"[a]\niodepth_batch=4\n", CHANGES("iodepth_batch")},
    {"[a]\niodepth_batch_submit=4\n", CHANGES("iodepth_batch_submit")},
    {"[a]\niodepth_batch_complete_min=4\n", CHANGES("iodepth_batch_complete_min")},
    {"[a]\niodepth_batch_complete_max=4\n", CHANGES("iodepth_batch_complete_max")},
    {"[a]\noffset=1m\n", CHANGES("offset")},
    {"[a]\noffset_increment=1m\n", CHANGES("offset_increment")},
    {"[a]\nnrfiles=2\n", CHANGES("nrfiles")},
    {"[a]\nopenfiles=2\n", CHANGES("openfiles")},
    {"[a]\nverify=md5\n", CHANGES("verify")},
    {"[a]\nverify_pattern=0\n", CHANGES("verify_pattern")},
    {"[a]\nverify_fatal=1\n", CHANGES("verify_fatal")},
    {"[a]\nverifysort=1\n", CHANGES("verifysort")},
    {"[a]\nloops=2\n", CHANGES("loops")},
    {"[a]\nsync=dsync\n", CHANGES("sync")},
    {"[a]\nhipri\n", CHANGES("hipri")},
    {"[a]\nrate_process=poisson\n", CHANGES("rate_process")},
    {"[a]\npercentage_random=50\n", CHANGES("percentage_random")},
    {"[a]\nzonemode=zbd\n", CHANGES("zonemode")},
    {"[a]\nbsrange=4k-8k\n", CHANGES("bsrange")},
    {"[a]\nread_iolog=x\n", CHANGES("read_iolog")},
    {"[a]\nwait_for=b\n", CHANGES("wait_for")},
    {"[a]\nstartdelay=5\n", CHANGES("startdelay")},
    {"[global]\nloops=2\n[a]\n", CHANGES("loops")},
};

static void check_refused(const char *text, const char *message)
{
    cleanup_error struct error *err = NULL;
    cleanup_fio struct fio_file *file = fio_parse(text, "F", &err);
    if (file)
        fail_msg("%.80s\n: it was read", text);
    if (strncmp(err->message, message, strlen(message)) != 0)
        fail_msg("%.80s\n: the error is '%s'", text, err->message);
    assert_null(fio_parse(text, "F", NULL));
}

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
        check_refused(refused[i].text, refused[i].message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_works),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_passed),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
