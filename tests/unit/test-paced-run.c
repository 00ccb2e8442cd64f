/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-paced-run.c - a whole run keeps its rate, alone and beside work of another rate, catches up
 * after a stall, and every job does its share to the request; a signal ends it.
 *
 *   test-paced-run [DEPTH]     1: the engine of pread and pwrite; more: io_uring
 */
#undef NDEBUG
#include <assert.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/interrupt.h"
#include "disk.h"
#include "undisturbed.h"
#include "measure/pace.h"
#include "measure/run.h"

#define BLOCK 4096u
#define SPAN (UINT64_C(4) << 20)

static unsigned depth = 1;

static struct workload work(enum workload_rw rw, unsigned rate)
{
    return (struct workload){.rw = rw,
                             .read_percent = workload_rw_read_percent(rw),
                             .block_bytes = BLOCK,
                             .depth = depth,
                             .jobs = 1,
                             .rate_iops = rate};
}

/* -1 where it failed; not an assertion, as it runs in a child, too. */
static int run(const char *path, const struct workload *w, struct run_bounds bounds,
               struct run_result *ret, struct histogram *latencies, struct histogram *syncs)
{
    cleanup_crew struct crew *crew = crew_new(w, 1, 1, NULL);
    cleanup_site struct site *s =
        crew ? site_open(crew, path, &(uint64_t){0}, false, 1, NULL) : NULL;
    if (!s || run_whole(s, &(struct work){.workload = *w, .bounds = bounds}, 1, ret, NULL) < 0)
        return -1;
    memset(latencies, 0, sizeof(*latencies));
    memset(syncs, 0, sizeof(*syncs));
    site_add_latencies(s, 0, latencies);
    site_add_syncs(s, 0, syncs);
    return 0;
}

/* --- Rates ------------------------------------------------------------------------------------ */

static const struct {
    unsigned rate;
    uint64_t ms;
} rates[] = {{2, 2000}, {3, 2000}, {10, 2000}, {33, 1000}, {100, 1000}, {500, 1000}};

static bool keeps_rate(const char *path, unsigned rate, uint64_t ms)
{
    static struct histogram latencies, syncs;
    struct workload w = work(WORKLOAD_READ, rate);
    struct run_bounds b = {.duration_ns = ms * NS_PER_MS, .time_based = true};
    struct run_result r;
    assert_int_equal(run(path, &w, b, &r, &latencies, &syncs), 0);
    /* One at once, and then one of each interval. */
    double due = rate * (double)ms / 1000;
    if ((double)r.requests > due * 1.02 + 1)
        fail_msg("%u/s: %llu requests", rate, (unsigned long long)r.requests);
    /* Of requests that are far apart the last interval may be left out. */
    double speed = (double)r.requests / ((double)r.elapsed_ns / 1e9);
    double most = rate * (1.03 + 1 / (due - 1));
    return (double)r.requests >= due * 0.98 - 1 && speed >= rate * 0.97 && speed <= most;
}

static void test_rates(void **state)
{
    (void)state;
    cleanup_free char *path = disk_file(SPAN);
    for (size_t i = 0; i < ARRAY_SIZE(rates); i++)
        assert_undisturbed(keeps_rate(path, rates[i].rate, rates[i].ms));
}

/* A sync is none of the requests that the rate is about. */
static bool syncs_are_besides(void)
{
    static struct histogram latencies, syncs;
    cleanup_free char *path = disk_file(SPAN);
    struct workload w = work(WORKLOAD_WRITE, 40);
    struct run_bounds b = {.duration_ns = NS_PER_SECOND, .time_based = true};
    struct run_result r;
    w.sync_every = 1;
    w.datasync = true;
    assert_int_equal(run(path, &w, b, &r, &latencies, &syncs), 0);
    assert_true(r.requests <= 42);
    assert_true(syncs.count + 1 >= r.requests && syncs.count <= r.requests);
    return r.requests >= 38;
}

static void test_syncs_besides(void **state)
{
    (void)state;
    assert_undisturbed(syncs_are_besides());
}

/* --- Beside each other --------------------------------------------------------------------------
 */

enum { BESIDE_MS = 2300, QUICK_RATE = 100, SLOW_RATE = 2 };

/* The works of this pair of rates, in a run of BESIDE_MS; and the latencies of the first. */
static void run_beside(const unsigned pair[2], struct run_result ret[2], struct histogram *first)
{
    struct run_bounds b = {.duration_ns = BESIDE_MS * NS_PER_MS, .time_based = true};
    struct work works[2];
    cleanup_free char *path = disk_file(SPAN);
    cleanup_error struct error *err = NULL;
    for (int i = 0; i < 2; i++)
        works[i] = (struct work){.workload = work(WORKLOAD_RANDREAD, pair[i]), .bounds = b};
    cleanup_crew struct crew *crew = NULL;
    cleanup_site struct site *s = run_open(works, 2, path, false, 1, &crew, &err);
    if (!s || run_whole(s, works, 2, ret, &err) < 0)
        fail_msg("%s", err->message);
    memset(first, 0, sizeof(*first));
    site_add_latencies(s, 0, first);
}

/* Nobody waits for the one that has little to do, and nobody for what would be due after the end.
 */
static bool rates_are_kept_beside(void)
{
    static struct histogram h;
    struct run_result r[2];
    run_beside((const unsigned[]){QUICK_RATE, SLOW_RATE}, r, &h);
    uint64_t quick = QUICK_RATE * BESIDE_MS / 1000, end = (BESIDE_MS + 150) * NS_PER_MS;
    assert_true(r[0].requests <= quick + 1 && r[1].requests <= 5);
    return r[0].requests >= quick * 98 / 100 && r[1].requests == 5 && r[0].elapsed_ns < end &&
           r[1].elapsed_ns < end && r[1].elapsed_ns >= BESIDE_MS * NS_PER_MS &&
           histogram_quantile(&h, 0.99) < 50 * NS_PER_MS && r[0].spread < 0.1 &&
           fabs(r[0].trend) < 0.1;
}

/* Work without a rate is at work all the time. */
static bool load_is_never_idle(void)
{
    static struct histogram h;
    struct run_result r[2];
    run_beside((const unsigned[]){0, SLOW_RATE}, r, &h);
    double busy_ns = histogram_mean(&h) * (double)h.count;
    return busy_ns > 0.9 * depth * BESIDE_MS * 1e6;
}

static void test_beside(void **state)
{
    (void)state;
    assert_undisturbed(rates_are_kept_beside());
    assert_undisturbed(load_is_never_idle());
}

/* --- Signals ------------------------------------------------------------------------------------
 */

/* Two jobs with a request a second: 0 where a signal has ended them. */
static int run_until_signal(const char *path)
{
    static struct histogram latencies, syncs;
    struct workload w = work(WORKLOAD_READ, 1);
    struct run_bounds b = {.duration_ns = 3600 * NS_PER_SECOND, .time_based = true};
    struct run_result r;
    w.jobs = 2;
    if (interrupt_install(NULL) < 0)
        return 1;
    return run(path, &w, b, &r, &latencies, &syncs) < 0 && interrupt_check(NULL) < 0 ? 0 : 1;
}

static void test_signal(void **state)
{
    (void)state;
    cleanup_free char *path = disk_file(SPAN);
    uint64_t start = clock_now_ns();
    int status;
    pid_t pid = fork();
    if (pid == 0)
        _exit(run_until_signal(path));
    pace_sleep_until(start + NS_PER_SECOND);
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_true(clock_now_ns() - start < 60 * NS_PER_SECOND);
}

/* --- A stall ---------------------------------------------------------------------------------- */

struct shared {
    volatile int running;
    struct run_result result;
    struct histogram latencies, syncs;
};

static void sleep_ms(uint64_t ms)
{
    pace_sleep_until(clock_now_ns() + ms * NS_PER_MS);
}

/* How many latencies are above this. */
static uint64_t count_above(const struct histogram *h, uint64_t ns)
{
    uint64_t count = 0;
    for (unsigned i = histogram_index(ns) + 1; i < HISTOGRAM_BUCKETS; i++)
        count += h->buckets[i];
    return count;
}

/* Half a second's requests were due meanwhile: they are done, and waited for up to that long. */
static void test_stall(void **state)
{
    (void)state;
    enum { RATE = 500 };
    cleanup_free char *path = disk_file(SPAN);
    struct shared *shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert(shared != MAP_FAILED);
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        struct workload w = work(WORKLOAD_READ, RATE);
        struct run_bounds b = {.duration_ns = 1500 * NS_PER_MS, .time_based = true};
        shared->running = 1;
        _exit(run(path, &w, b, &shared->result, &shared->latencies, &shared->syncs) ? 1 : 0);
    }
    while (!shared->running)
        sleep_ms(1);
    sleep_ms(400);
    assert_int_equal(kill(pid, SIGSTOP), 0);
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    sleep_ms(500);
    assert_int_equal(kill(pid, SIGCONT), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    uint64_t late = count_above(&shared->latencies, 100 * NS_PER_MS);
    uint64_t requests = shared->result.requests;
    if (late < RATE * 0.4 * 0.7 || requests < RATE * 1.5 * 0.95)
        fail_msg("%llu of %llu waited for 100 ms", (unsigned long long)late,
                 (unsigned long long)requests);
    munmap(shared, sizeof(*shared));
}

/* --- Jobs ------------------------------------------------------------------------------------- */

/* Jobs are never equally fast; each does its share all the same, and the run ends with the last.
 * One is slow here, by a rate of its own. */
static void test_jobs(void **state)
{
    (void)state;
    enum { JOBS = 3, COUNT = 4001 };
    cleanup_free char *path = disk_file(SPAN);
    struct workload w = work(WORKLOAD_RANDREAD, 0);
    struct run_result r;
    w.jobs = JOBS;
    cleanup_crew struct crew *crew = crew_new(&w, 1, 1, NULL);
    cleanup_site struct site *s = site_open(crew, path, &(uint64_t){0}, false, 1, NULL);
    assert_non_null(s);
    s->targets[1]->workload.rate_iops = 2000;
    struct run_bounds b = {.bytes = (uint64_t)COUNT * BLOCK};
    assert_int_equal(run_whole(s, &(struct work){.workload = w, .bounds = b}, 1, &r, NULL), 0);
    for (unsigned i = 0; i < JOBS; i++)
        if (s->targets[i]->histogram.count != COUNT)
            fail_msg("job %u: %llu instead of %u", i,
                     (unsigned long long)s->targets[i]->histogram.count, COUNT);
    assert_int_equal(r.requests, JOBS * COUNT);
    assert_true(r.elapsed_ns >= NS_PER_SECOND * (COUNT - 1) / 2000);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rates),  cmocka_unit_test(test_syncs_besides),
        cmocka_unit_test(test_beside), cmocka_unit_test(test_signal),
        cmocka_unit_test(test_stall),  cmocka_unit_test(test_jobs),
    };
    depth = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1;
    if (disk_skip(depth))
        return 0;
    return cmocka_run_group_tests(tests, scratch_set_up, scratch_tear_down);
}
