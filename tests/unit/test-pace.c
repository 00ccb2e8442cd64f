/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-pace.c - work that is limited to a rate keeps it, and a stall counts for every request that
 * was due meanwhile, not for the one that was under way: no coordinated omission.
 *
 *   test-pace [DEPTH]     1: the engine of pread and pwrite; more: io_uring
 */
#undef NDEBUG
#include <assert.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "base/clock.h"
#include "disk.h"
#include "undisturbed.h"
#include "measure/pace.h"

#define BLOCK 4096u
#define SPAN (UINT64_C(1) << 20)

static unsigned depth = 1;

static struct workload work(unsigned rate)
{
    return (struct workload){.rw = WORKLOAD_READ,
                             .read_percent = 100,
                             .block_bytes = BLOCK,
                             .depth = depth,
                             .jobs = 1,
                             .rate_iops = rate};
}

/* --- Due times -------------------------------------------------------------------------------- */

static void test_due(void **state)
{
    (void)state;
    struct workload w = work(1000);
    struct pace p = pace_start(&w, 5000);
    uint64_t from = 0;
    for (uint64_t i = 0; i < 10; i++) {
        uint64_t due = 5000 + i * NS_PER_MS;
        assert_int_equal(pace_due(&p), due);
        if (i) {
            assert_false(pace_take(&p, due - 1, &from));
            assert_int_equal(from, due);
        }
        assert_true(pace_take(&p, due, &from));
        assert_int_equal(from, due);
    }
}

/* What was due while nobody asked is due still, each from its own time on. */
static void test_late(void **state)
{
    (void)state;
    struct workload w = work(200);
    struct pace p = pace_start(&w, NS_PER_SECOND);
    uint64_t now = NS_PER_SECOND + 52 * NS_PER_MS, from, taken = 0;
    for (; pace_take(&p, now, &from); taken++)
        assert_int_equal(from, NS_PER_SECOND + taken * 5 * NS_PER_MS);
    assert_int_equal(taken, 11);
    assert_int_equal(from, NS_PER_SECOND + 55 * NS_PER_MS);
}

static void test_no_limit(void **state)
{
    (void)state;
    struct workload w = work(0);
    struct pace p = pace_start(&w, 5000);
    for (uint64_t now = 5000; now < 5100; now += 7) {
        uint64_t from = 0;
        assert_true(pace_take(&p, now, &from));
        assert_int_equal(from, now);
    }
}

/* Rates that do not divide a second have no error that adds up. */
static void test_no_drift(void **state)
{
    (void)state;
    static const unsigned rates[] = {1, 3, 7, 333, 12345, 999983, UINT32_MAX};
    for (size_t i = 0; i < ARRAY_SIZE(rates); i++) {
        struct workload w = work(rates[i]);
        struct pace p = pace_start(&w, 1);
        uint64_t hour = UINT64_C(3600) * rates[i];
        p.given = hour;
        uint64_t due = pace_due(&p), wanted = 1 + 3600 * NS_PER_SECOND;
        assert_true(due >= wanted - 2000 && due <= wanted + 2000);
        uint64_t before = 0;
        for (p.given = 0; p.given < 1000; p.given++) {
            assert_true(pace_due(&p) >= before);
            before = pace_due(&p);
        }
    }
}

static void test_sleep(void **state)
{
    (void)state;
    uint64_t start = clock_now_ns();
    pace_sleep_until(start - NS_PER_SECOND);
    pace_sleep_until(start + 20 * NS_PER_MS);
    assert_true(clock_now_ns() >= start + 20 * NS_PER_MS);
}

/* --- Rates ------------------------------------------------------------------------------------ */

static struct slice run_slice(const struct workload *w, const struct budget *budget,
                              struct histogram *ret)
{
    struct slice slice;
    cleanup_error struct error *err = NULL;
    cleanup_free char *path = disk_file(SPAN);
    cleanup_buffers struct buffers *buffers = buffers_new(w, 1);
    cleanup_target struct target *t = target_open(path, w, 0, false, 1, buffers, NULL);
    assert_non_null(t);
    if (target_run(t, budget, &slice, &err) < 0)
        fail_msg("%s", err->message);
    *ret = t->histogram;
    return slice;
}

static bool keeps_rate(enum workload_rw rw, unsigned ramp)
{
    static struct histogram latencies;
    struct workload w = work(200);
    w.rw = rw;
    w.read_percent = workload_rw_read_percent(rw);
    struct budget second = {NS_PER_SECOND, 1, UINT64_MAX, ramp};
    struct slice slice = run_slice(&w, &second, &latencies);
    double rate = (double)slice.requests / ((double)slice.elapsed_ns / 1e9);
    assert_true(slice.requests <= 210);
    /* A disk that is fast enough has no queue, however deep it might be. */
    return slice.requests >= 190 && rate > 190 && rate < 210 &&
           histogram_quantile(&latencies, 0.5) < 5 * NS_PER_MS;
}

static void test_rate(void **state)
{
    (void)state;
    assert_undisturbed(keeps_rate(WORKLOAD_READ, 0));
    assert_undisturbed(keeps_rate(WORKLOAD_RANDRW, 0));
    assert_undisturbed(keeps_rate(WORKLOAD_READ, 5));
}

/* As many as were asked for, and no sooner. */
static bool count_is_kept(void)
{
    static struct histogram latencies;
    struct workload w = work(100);
    struct slice slice = run_slice(&w, &(struct budget){UINT64_MAX, 0, 31, 0}, &latencies);
    assert_int_equal(slice.requests, 31);
    assert_int_equal(slice.issued, 31);
    assert_true(slice.elapsed_ns >= 300 * NS_PER_MS);
    return slice.elapsed_ns < 400 * NS_PER_MS;
}

static void test_count(void **state)
{
    (void)state;
    assert_undisturbed(count_is_kept());
}

/* At a rate a deep queue is no ramp: it is never full, and as many more would take their time. */
static bool ramp_is_short(void)
{
    static struct histogram latencies;
    struct workload w = work(100);
    struct slice slice = run_slice(&w, &(struct budget){NS_PER_MS, 3, UINT64_MAX, 2}, &latencies);
    assert_true(slice.requests >= 3);
    return slice.issued <= 2 + 3 + 2;
}

static void test_ramp(void **state)
{
    (void)state;
    assert_undisturbed(ramp_is_short());
}

/* A rate that no disk has is none. */
static void test_too_fast(void **state)
{
    (void)state;
    static struct histogram latencies;
    struct workload w = work(UINT32_MAX);
    struct slice slice =
        run_slice(&w, &(struct budget){100 * NS_PER_MS, 1, UINT64_MAX, 0}, &latencies);
    assert_true(slice.requests > 10);
    /* The last of them waited for nearly all of that time. */
    assert_true(latencies.max_ns > 90 * NS_PER_MS);
}

/* --- Stalls ----------------------------------------------------------------------------------- */

#define STALL_MS 500

struct shared {
    volatile int running;
    struct slice slice;
    struct histogram latencies;
};

static void sleep_ms(uint64_t ms)
{
    pace_sleep_until(clock_now_ns() + ms * NS_PER_MS);
}

/* Has a child measure for 1.5 s and stops it for half a second in the middle, disk and all as far
 * as it can tell. */
static void run_stalled(const char *path, unsigned rate, struct shared *shared)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct workload w = work(rate);
        struct buffers *buffers = buffers_new(&w, 1);
        struct target *t = target_open(path, &w, 0, false, 1, buffers, NULL);
        shared->running = 1;
        struct budget budget = {1500 * NS_PER_MS, 1, UINT64_MAX, 0};
        int result = t ? target_run(t, &budget, &shared->slice, NULL) : -1;
        shared->latencies = t->histogram;
        target_free(t);
        buffers_free(buffers);
        _exit(result ? 1 : 0);
    }
    int status;
    while (!shared->running)
        sleep_ms(1);
    sleep_ms(400);
    assert_int_equal(kill(pid, SIGSTOP), 0);
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
    sleep_ms(STALL_MS);
    assert_int_equal(kill(pid, SIGCONT), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* How many latencies are above this. */
static uint64_t count_above(const struct histogram *h, uint64_t ns)
{
    uint64_t count = 0;
    for (unsigned i = histogram_index(ns) + 1; i < HISTOGRAM_BUCKETS; i++)
        count += h->buckets[i];
    return count;
}

static struct shared *shared_new(void)
{
    struct shared *s = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert(s != MAP_FAILED);
    return s;
}

static bool stall_counts_for_all(void)
{
    enum { RATE = 500 };
    cleanup_free char *path = disk_file(SPAN);
    struct shared *shared = shared_new();
    run_stalled(path, RATE, shared);
    const struct histogram *h = &shared->latencies;
    uint64_t late = count_above(h, 100 * NS_PER_MS), later = count_above(h, 400 * NS_PER_MS);
    /* One of each 2 ms that the stall took, from 500 ms of waiting down to none. */
    assert_true(late >= RATE * 0.4 * 0.7 && later >= RATE * 0.1 * 0.7);
    assert_true(h->max_ns >= 480 * NS_PER_MS);
    assert_true(shared->slice.requests <= RATE * 1.5 * 1.05);
    /* All that were due were done. */
    bool held = shared->slice.requests >= RATE * 1.5 * 0.95 && h->max_ns < 700 * NS_PER_MS &&
                late <= RATE * 0.4 * 1.3 + depth && later <= RATE * 0.1 * 1.6 + depth;
    munmap(shared, sizeof(*shared));
    return held;
}

static void test_stall_at_a_rate(void **state)
{
    (void)state;
    assert_undisturbed(stall_counts_for_all());
}

/* Without a rate nothing was due: the same stall is that of the requests that were under way. */
static bool stall_counts_for_those_under_way(void)
{
    cleanup_free char *path = disk_file(SPAN);
    struct shared *shared = shared_new();
    run_stalled(path, 0, shared);
    uint64_t late = count_above(&shared->latencies, 100 * NS_PER_MS);
    assert_true(late >= 1);
    bool held = late <= depth && shared->slice.requests > 100;
    munmap(shared, sizeof(*shared));
    return held;
}

static void test_stall_without(void **state)
{
    (void)state;
    assert_undisturbed(stall_counts_for_those_under_way());
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_due),
        cmocka_unit_test(test_late),
        cmocka_unit_test(test_no_limit),
        cmocka_unit_test(test_no_drift),
        cmocka_unit_test(test_sleep),
        cmocka_unit_test(test_rate),
        cmocka_unit_test(test_count),
        cmocka_unit_test(test_ramp),
        cmocka_unit_test(test_too_fast),
        cmocka_unit_test(test_stall_at_a_rate),
        cmocka_unit_test(test_stall_without),
    };
    depth = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1;
    if (disk_skip(depth))
        return 0;
    return cmocka_run_group_tests(tests, scratch_set_up, scratch_tear_down);
}
