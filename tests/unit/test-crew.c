/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-crew.c - several jobs do several times the work of one, on one disk at the same time; one
 * that fails is heard of once, and no thread is left behind.
 *
 *   test-crew [DEPTH]     1: the engine of pread and pwrite; more: io_uring
 */
#undef NDEBUG
#include <assert.h>
#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "disk.h"
#include "measure/run.h"

#define BLOCK 8192u
#define BLOCKS 64u
#define SPAN ((uint64_t)BLOCK * BLOCKS)
#define JOBS 4

static unsigned depth = 1;

static struct workload work(enum workload_rw rw, unsigned jobs)
{
    return (struct workload){.rw = rw,
                             .read_percent = workload_rw_read_percent(rw),
                             .block_bytes = BLOCK,
                             .depth = depth,
                             .jobs = jobs};
}

/* Threads of this program that run; the kernel's own, of the ring, are not ours. */
static unsigned count_threads(void)
{
    unsigned count = 0;
    DIR *tasks = opendir("/proc/self/task");
    assert(tasks);
    for (struct dirent *e = readdir(tasks); e; e = readdir(tasks)) {
        cleanup_free char *path = xasprintf("/proc/self/task/%s/comm", e->d_name);
        cleanup_free char *comm = e->d_name[0] != '.' ? file_read(path, NULL, NULL) : NULL;
        count += comm && strncmp(comm, "iou-", 4) != 0;
    }
    closedir(tasks);
    return count;
}

static void check_threads(unsigned wanted)
{
    /* A thread that was joined may be seen for a moment yet. */
    uint64_t deadline = clock_now_ns() + 5 * NS_PER_SECOND;
    while (count_threads() != wanted && clock_now_ns() < deadline)
        continue;
    assert_int_equal(count_threads(), wanted);
}

static uint64_t count_latencies(const struct site *s)
{
    cleanup_free struct histogram *all = xcalloc(1, sizeof(*all));
    site_add_latencies(s, 0, all);
    return all->count;
}

/* --- Work ------------------------------------------------------------------------------------- */

static void check_whole(unsigned jobs)
{
    cleanup_free char *path = disk_file(SPAN);
    struct workload w = work(WORKLOAD_RANDWRITE, jobs);
    struct run_result result;
    unsigned before = count_threads();
    cleanup_crew struct crew *crew = crew_new(&w, 1, 1, NULL);
    assert_non_null(crew);
    check_threads(before + jobs - 1);
    cleanup_site struct site *s = site_open(crew, path, &(uint64_t){0}, false, 1, NULL);
    assert_non_null(s);
    assert_int_equal(run_whole(s, &(struct work){.workload = w, .bounds = {.bytes = BLOCK * 100}},
                               1, &result, NULL),
                     0);
    assert_int_equal(result.requests, jobs * 100);
    assert_int_equal(result.bytes, jobs * 100 * BLOCK);
    assert_int_equal(result.written_bytes, result.bytes);
    assert_int_equal(count_latencies(s), result.requests);
    for (unsigned i = 0; i < jobs; i++)
        assert_int_equal(s->targets[i]->histogram.count, 100);
    site_free(TAKE_PTR(s));
    check_threads(before + jobs - 1);
    crew_free(TAKE_PTR(crew));
    check_threads(before);
}

static void test_whole(void **state)
{
    (void)state;
    check_whole(1);
    check_whole(2);
    check_whole(JOBS);
}

/* The percentile is of so many requests of each job, no matter how many there are; where there are
 * fewer there is none. */
static void check_sample(unsigned jobs)
{
    cleanup_free char *path = disk_file(SPAN);
    struct workload w = work(WORKLOAD_RANDWRITE, jobs);
    struct slice slice;
    cleanup_crew struct crew *crew = crew_new(&w, 1, 1, NULL);
    cleanup_site struct site *s = site_open(crew, path, &(uint64_t){0}, false, 1, NULL);
    cleanup_free struct histogram *all = xcalloc(1, sizeof(*all));
    assert_non_null(s);
    struct budget budget = {.duration_ns = UINT64_MAX, .max_requests = 200, .sample = 200};
    assert_int_equal(site_run(s, &budget, &slice, NULL), 0);
    site_add_latencies(s, 0, all);
    double wanted = (double)histogram_quantile(all, 0.99);
    assert_true(fabs((double)slice.p99_ns - wanted) <= wanted * HISTOGRAM_RELATIVE_ERROR);
    budget.sample = 10;
    assert_int_equal(site_run(s, &budget, &slice, NULL), 0);
    assert_true(slice.p99_ns > 0);
    uint64_t largest = 0;
    for (unsigned i = 0; i < jobs; i++)
        for (unsigned k = 0; k < budget.sample; k++)
            if (s->targets[i]->sample[k] > largest)
                largest = s->targets[i]->sample[k];
    assert_int_equal(slice.p99_ns, largest);
    budget.sample = 201;
    assert_int_equal(site_run(s, &budget, &slice, NULL), 0);
    assert_int_equal(slice.p99_ns, 0);
    budget.sample = 0;
    assert_int_equal(site_run(s, &budget, &slice, NULL), 0);
    assert_int_equal(slice.p99_ns, 0);
}

static void test_sample(void **state)
{
    (void)state;
    check_sample(1);
    check_sample(JOBS);
}

static void test_most_jobs(void **state)
{
    (void)state;
    struct workload w = work(WORKLOAD_READ, WORKLOAD_JOBS_MAX);
    cleanup_free char *path = disk_file(SPAN);
    struct slice slice;
    w.depth = 1;
    cleanup_crew struct crew *crew = crew_new(&w, 1, 1, NULL);
    cleanup_site struct site *s = site_open(crew, path, &(uint64_t){0}, false, 1, NULL);
    assert_non_null(s);
    assert_int_equal(site_run(s, &(struct budget){UINT64_MAX, 0, 10, 0}, &slice, NULL), 0);
    assert_int_equal(slice.requests, 10 * WORKLOAD_JOBS_MAX);
}

/* A crew that was never asked to work ends all the same. */
static void test_no_work(void **state)
{
    (void)state;
    struct workload w = work(WORKLOAD_READ, JOBS);
    unsigned before = count_threads();
    for (int i = 0; i < 20; i++)
        crew_free(crew_new(&w, 1, 1, NULL));
    check_threads(before);
    crew_free(NULL);
    site_free(NULL);
}

/* Jobs at random addresses have their own, and sequential ones all begin at the start. */
static void test_patterns(void **state)
{
    (void)state;
    static const enum workload_rw directions[] = {WORKLOAD_RANDREAD, WORKLOAD_READ};
    for (int i = 0; i < 2; i++) {
        cleanup_free char *path = disk_file(SPAN);
        struct workload w = work(directions[i], JOBS);
        cleanup_crew struct crew *crew = crew_new(&w, 1, 1, NULL);
        cleanup_site struct site *s = site_open(crew, path, &(uint64_t){0}, false, 1, NULL);
        assert_non_null(s);
        unsigned same = 0;
        for (unsigned k = 0; k < 100; k++) {
            struct request first, second;
            assert_true(pattern_next(&s->targets[0]->pattern, &first));
            assert_true(pattern_next(&s->targets[JOBS - 1]->pattern, &second));
            same += first.offset == second.offset;
        }
        assert_true(workload_is_random(&w) ? same < 20 : same == 100);
    }
}

/* No two jobs write from the same memory, or the same data. */
static void test_buffers(void **state)
{
    (void)state;
    cleanup_free char *path = disk_file(SPAN);
    struct workload w = work(WORKLOAD_WRITE, JOBS);
    cleanup_crew struct crew *crew = crew_new(&w, 1, 1, NULL);
    cleanup_site struct site *s = site_open(crew, path, &(uint64_t){0}, false, 1, NULL);
    assert_non_null(s);
    for (unsigned i = 0; i < JOBS; i++) {
        for (unsigned k = 0; k < i; k++) {
            struct buffers *a = s->targets[i]->buffers, *b = s->targets[k]->buffers;
            assert_ptr_not_equal(a, b);
            assert_memory_not_equal(a->memory + 8, b->memory + 8, BLOCK - 8);
        }
    }
}

/* --- Sums ------------------------------------------------------------------------------------- */

static void check_sums(const struct budget *budget, bool timed)
{
    cleanup_free char *path = disk_file(SPAN);
    struct workload w = work(WORKLOAD_RANDRW, JOBS);
    struct slice slice;
    w.sync_every = 10;
    cleanup_crew struct crew *crew = crew_new(&w, 1, 1, NULL);
    cleanup_site struct site *s = site_open(crew, path, &(uint64_t){0}, false, 1, NULL);
    cleanup_free struct histogram *syncs = xcalloc(1, sizeof(*syncs));
    assert_non_null(s);
    uint64_t start = clock_now_ns(), counted = 0, synced = 0;
    assert_int_equal(site_run(s, budget, &slice, NULL), 0);
    uint64_t took = clock_now_ns() - start;
    site_add_syncs(s, 0, syncs);
    for (unsigned i = 0; i < JOBS; i++) {
        counted += s->targets[i]->histogram.count;
        synced += s->targets[i]->syncs->count;
    }
    assert_int_equal(slice.requests, counted);
    assert_int_equal(slice.bytes, counted * BLOCK);
    assert_int_equal(syncs->count, synced);
    assert_int_equal(count_latencies(s), counted);
    assert_true(slice.issued >= slice.requests && slice.written_bytes <= slice.issued * BLOCK);
    assert_true(slice.elapsed_ns > 0 && slice.elapsed_ns <= took);
    assert_false(slice.exhausted);
    if (timed)
        assert_true(slice.elapsed_ns >= budget->duration_ns * 9 / 10);
    else
        assert_int_equal(slice.requests, JOBS * budget->max_requests);
}

static void test_sums(void **state)
{
    (void)state;
    check_sums(&(struct budget){UINT64_MAX, 0, 50, 0}, false);
    check_sums(&(struct budget){200 * NS_PER_MS, 1, UINT64_MAX, 0}, true);
    check_sums(&(struct budget){200 * NS_PER_MS, 1, UINT64_MAX, 5}, true);
}

/* Rates add up: four jobs of 50 a second are 200 a second, not 800, and not 50. */
static void test_rates_add_up(void **state)
{
    (void)state;
    cleanup_free char *path = disk_file(SPAN);
    struct workload w = work(WORKLOAD_READ, JOBS);
    struct slice slice;
    w.rate_iops = 50;
    cleanup_crew struct crew *crew = crew_new(&w, 1, 1, NULL);
    cleanup_site struct site *s = site_open(crew, path, &(uint64_t){0}, false, 1, NULL);
    assert_non_null(s);
    assert_int_equal(site_run(s, &(struct budget){NS_PER_SECOND, 1, UINT64_MAX, 3}, &slice, NULL),
                     0);
    double rate = (double)slice.requests / ((double)slice.elapsed_ns / 1e9);
    assert_true(rate > 190 && rate < 210);
    assert_true(slice.requests >= 190 && slice.requests <= 210);
}

/* One crew, several sites in turns, as lanes are. */
static void test_sites_in_turns(void **state)
{
    (void)state;
    enum { SITES = 3 };
    struct workload w = work(WORKLOAD_RANDREAD, JOBS);
    cleanup_crew struct crew *crew = crew_new(&w, 1, 1, NULL);
    struct site *sites[SITES];
    struct slice slice;
    for (int i = 0; i < SITES; i++) {
        cleanup_free char *path = disk_file(SPAN);
        sites[i] = site_open(crew, path, &(uint64_t){0}, false, (uint64_t)i, NULL);
        assert_non_null(sites[i]);
    }
    for (int i = 0; i < 300; i++) {
        struct budget few = {UINT64_MAX, 0, 3, 0};
        assert_int_equal(site_run(sites[i % SITES], &few, &slice, NULL), 0);
        assert_int_equal(slice.requests, 3 * JOBS);
    }
    for (int i = 0; i < SITES; i++) {
        assert_int_equal(count_latencies(sites[i]), 100 * 3 * JOBS);
        site_free(sites[i]);
    }
}

/* --- Errors ----------------------------------------------------------------------------------- */

static void test_once(void **state)
{
    (void)state;
    cleanup_free char *path = disk_file(SPAN);
    for (unsigned jobs = 1; jobs <= JOBS; jobs++) {
        struct workload w = work(WORKLOAD_WRITE, jobs);
        cleanup_error struct error *err = NULL;
        cleanup_crew struct crew *crew = crew_new(&w, 1, 1, NULL);
        cleanup_site struct site *s = site_open(crew, path, &(uint64_t){0}, true, 1, &err);
        cleanup_free char *wanted = xasprintf("%u jobs cannot be measured in first writes", jobs);
        assert_int_equal(s != NULL, jobs == 1);
        assert_true(jobs == 1 ? !err : strncmp(err->message, wanted, strlen(wanted)) == 0);
    }
}

static void test_open_errors(void **state)
{
    (void)state;
    unsigned before = count_threads();
    cleanup_free char *missing = scratch_path("missing"), *empty = disk_file(1);
    for (unsigned jobs = 1; jobs <= JOBS; jobs += JOBS - 1) {
        struct workload w = work(WORKLOAD_READ, jobs);
        cleanup_error struct error *err = NULL;
        cleanup_crew struct crew *crew = crew_new(&w, 1, 1, NULL);
        assert_null(site_open(crew, missing, &(uint64_t){0}, false, 1, &err));
        assert_non_null(strstr(err->message, "/missing: No such file or directory"));
        assert_null(site_open(crew, empty, &(uint64_t){0}, false, 1, &err));
        assert_non_null(strstr(err->message, "less than one block"));
        assert_null(site_open(crew, missing, &(uint64_t){0}, false, 1, NULL));
    }
    check_threads(before);
}

/* Runs until an error: it is that of this job, said once, and the crew can go on afterwards. */
static void check_run_error(struct site *s, const char *message)
{
    struct slice slice;
    struct budget budget = {50 * NS_PER_MS, 1, UINT64_MAX, 0};
    struct run_result result = {.requests = 12345};
    for (int i = 0; i < 3; i++) {
        cleanup_error struct error *err = NULL;
        assert_int_equal(site_run(s, &budget, &slice, &err), -1);
        const char *found = strstr(err->message, message);
        if (!found || strstr(found + 1, message))
            fail_msg("'%s' instead of one '%s'", err->message, message);
        assert_int_equal(site_run(s, &budget, &slice, NULL), -1);
    }
    /* The others end with it. */
    struct work hour = {.workload = s->targets[0]->workload,
                        .bounds = {.duration_ns = 3600 * NS_PER_SECOND, .time_based = true}};
    assert_int_equal(run_whole(s, &hour, 1, &result, NULL), -1);
    assert_int_equal(result.requests, 12345);
}

/* A crew at work on a file of its own, whose `job` is given another file, or another descriptor, to
 * fail on; the others go on, and the next site has nothing of it. */
static void check_one_fails(unsigned job, bool read_only)
{
    cleanup_free char *path = disk_file(SPAN), *other = disk_file(SPAN);
    struct workload w = work(read_only ? WORKLOAD_WRITE : WORKLOAD_READ, JOBS);
    struct slice slice;
    unsigned before = count_threads();
    cleanup_crew struct crew *crew = crew_new(&w, 1, 1, NULL);
    cleanup_site struct site *good = site_open(crew, path, &(uint64_t){0}, false, 1, NULL);
    cleanup_site struct site *s = site_open(crew, path, &(uint64_t){0}, false, 1, NULL);
    assert_true(good && s);
    struct target **t = &s->targets[job];
    if (read_only) {
        cleanup_close int fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
        assert_int_equal(dup3(fd, (*t)->fd, O_CLOEXEC), (*t)->fd);
        check_run_error(s, ": Bad file descriptor");
    } else {
        struct target *shrinks = target_open(other, &w, 0, false, 1, (*t)->buffers, NULL);
        assert_non_null(shrinks);
        target_free(*t);
        *t = shrinks;
        assert(truncate(other, 0) == 0 && unlink(other) == 0);
        check_run_error(s, " was cut short");
    }
    assert_int_equal(site_run(good, &(struct budget){UINT64_MAX, 0, 20, 0}, &slice, NULL), 0);
    assert_int_equal(slice.requests, 20 * JOBS);
    site_free(TAKE_PTR(s));
    site_free(TAKE_PTR(good));
    crew_free(TAKE_PTR(crew));
    check_threads(before);
}

static void test_one_fails(void **state)
{
    (void)state;
    for (unsigned job = 0; job < JOBS; job++) {
        check_one_fails(job, false);
        /* A ring holds the file itself, whatever becomes of the descriptor. */
        if (depth == 1)
            check_one_fails(job, true);
    }
}

/* What all jobs fail of is said once. */
static void test_file_shrinks(void **state)
{
    (void)state;
    cleanup_free char *path = disk_file(SPAN);
    struct workload w = work(WORKLOAD_READ, JOBS);
    unsigned before = count_threads();
    cleanup_crew struct crew *crew = crew_new(&w, 1, 1, NULL);
    cleanup_site struct site *s = site_open(crew, path, &(uint64_t){0}, false, 1, NULL);
    assert_non_null(s);
    assert(truncate(path, 0) == 0 && unlink(path) == 0);
    check_run_error(s, " was cut short");
    site_free(TAKE_PTR(s));
    crew_free(TAKE_PTR(crew));
    check_threads(before);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),        cmocka_unit_test(test_most_jobs),
        cmocka_unit_test(test_no_work),      cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_buffers),      cmocka_unit_test(test_sums),
        cmocka_unit_test(test_rates_add_up), cmocka_unit_test(test_sites_in_turns),
        cmocka_unit_test(test_once),         cmocka_unit_test(test_open_errors),
        cmocka_unit_test(test_sample),       cmocka_unit_test(test_one_fails),
        cmocka_unit_test(test_file_shrinks),
    };
    depth = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1;
    if (disk_skip(depth))
        return 0;
    return cmocka_run_group_tests(tests, scratch_set_up, scratch_tear_down);
}
