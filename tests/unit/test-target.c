/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-target.c - work on a real file lands where it must and is counted to the request, and a
 * disk that fails gives an error, never a figure.
 *
 *   test-target [DEPTH]     1: the engine of pread and pwrite; more: io_uring
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/interrupt.h"
#include "disk.h"
#include "measure/engine.h"
#include "measure/run.h"

#define BLOCK 8192u
#define BLOCKS 64u
#define SPAN ((uint64_t)BLOCK * BLOCKS)

static unsigned depth = 1;

static const struct budget all = {.duration_ns = UINT64_MAX, .max_requests = UINT64_MAX};

/* --- Files ------------------------------------------------------------------------------------ */

/* A file of zeros of twice the span; the caller frees its path. */
static char *make_file(void)
{
    return disk_file(2 * SPAN);
}

static struct workload work(enum workload_rw rw)
{
    bool reads = rw == WORKLOAD_READ || rw == WORKLOAD_RANDREAD;
    return (struct workload){
        .rw = rw, .read_percent = reads ? 100 : 0, .block_bytes = BLOCK, .depth = depth, .jobs = 1};
}

/* How many blocks of the file were written; those behind the span must not be. `ret_stamps`, or
 * NULL, gets the number of each block's last write, which is in its first bytes. */
static unsigned count_written(const char *path, uint64_t *ret_stamps)
{
    size_t length;
    unsigned written = 0;
    cleanup_free char *data = file_read(path, &length, NULL);
    assert(data && length == 2 * SPAN);
    for (size_t i = 0; i < 2 * SPAN; i += BLOCK) {
        size_t bytes = 0;
        for (size_t k = 8; k < BLOCK; k++)
            bytes += data[i + k] != 0;
        /* One byte in 256 of random ones is 0; a block that was not written has nothing else. */
        assert_true(bytes == 0 || bytes > BLOCK * 9 / 10);
        assert_true(i < SPAN || bytes == 0);
        if (ret_stamps && i < SPAN)
            memcpy(&ret_stamps[i / BLOCK], data + i, 8);
        written += bytes > 0;
    }
    return written;
}

static struct slice run_slice(struct target *t, const struct budget *budget)
{
    struct slice slice;
    cleanup_error struct error *err = NULL;
    uint64_t before = t->histogram.count;
    if (target_run(t, budget, &slice, &err) < 0)
        fail_msg("%s", err->message);
    assert_int_equal(t->histogram.count, before + slice.requests);
    assert_true(slice.issued >= slice.requests);
    assert_true(t->workload.size_count || slice.bytes == slice.requests * BLOCK);
    return slice;
}

/* --- What is done ----------------------------------------------------------------------------- */

static void check_once(enum workload_rw rw)
{
    cleanup_free char *path = make_file();
    struct workload w = work(rw);
    cleanup_buffers struct buffers *buffers = buffers_new(&w, 1);
    cleanup_target struct target *t = target_open(path, &w, SPAN, true, 1, buffers, NULL);
    assert_non_null(t);
    struct slice slice = run_slice(t, &all);
    assert_true(slice.exhausted);
    assert_int_equal(slice.issued, BLOCKS);
    assert_int_equal(slice.written_bytes, SPAN);
    assert_int_equal(slice.requests, BLOCKS);
    assert_true(slice.elapsed_ns > 0);
    assert_int_equal(count_written(path, NULL), BLOCKS);
    slice = run_slice(t, &all);
    assert_true(slice.exhausted);
    assert_int_equal(slice.issued, 0);
    assert_int_equal(slice.elapsed_ns, 0);
}

static void test_once(void **state)
{
    (void)state;
    check_once(WORKLOAD_WRITE);
    check_once(WORKLOAD_RANDWRITE);
}

/* The pattern goes on from slice to slice and begins anew behind the last block. */
static void test_sequential_wraps(void **state)
{
    (void)state;
    uint64_t stamps[BLOCKS];
    cleanup_free char *path = make_file();
    struct workload w = work(WORKLOAD_WRITE);
    cleanup_buffers struct buffers *buffers = buffers_new(&w, 1);
    cleanup_target struct target *t = target_open(path, &w, SPAN, false, 1, buffers, NULL);
    assert_non_null(t);
    uint64_t issued = 0;
    while (issued < BLOCKS * 3 / 2)
        issued +=
            run_slice(t, &(struct budget){.duration_ns = UINT64_MAX, .max_requests = 8}).issued;
    assert_int_equal(count_written(path, stamps), BLOCKS);
    /* Each write has two pages, so the i-th of all writes has the stamp 2 i. */
    for (uint64_t i = 0; i < BLOCKS; i++) {
        uint64_t last = i;
        while (last + BLOCKS < issued)
            last += BLOCKS;
        assert_int_equal(stamps[i], 2 * last);
    }
}

static void test_random_visits(void **state)
{
    (void)state;
    cleanup_free char *path = make_file();
    struct workload w = work(WORKLOAD_RANDWRITE);
    cleanup_buffers struct buffers *buffers = buffers_new(&w, 1);
    cleanup_target struct target *t = target_open(path, &w, SPAN, false, 1, buffers, NULL);
    assert_non_null(t);
    struct budget few = {.duration_ns = UINT64_MAX, .max_requests = BLOCKS / 4};
    struct budget many = {.duration_ns = UINT64_MAX, .max_requests = BLOCKS * 20};
    run_slice(t, &few);
    unsigned written = count_written(path, NULL);
    assert_true(written > 8 && written <= BLOCKS / 4 + 2 * depth);
    run_slice(t, &many);
    assert_int_equal(count_written(path, NULL), BLOCKS);
}

static void test_reads_write_nothing(void **state)
{
    (void)state;
    cleanup_free char *path = make_file();
    struct workload w = work(WORKLOAD_RANDREAD);
    cleanup_buffers struct buffers *buffers = buffers_new(&w, 1);
    cleanup_target struct target *t = target_open(path, &w, 0, false, 1, buffers, NULL);
    assert_non_null(t);
    assert_int_equal(t->span_bytes, 2 * SPAN);
    struct slice slice = run_slice(t, &(struct budget){UINT64_MAX, 0, 100, 5});
    assert_int_equal(slice.written_bytes, 0);
    assert_int_equal(count_written(path, NULL), 0);
}

static void test_goes_round_the_cache(void **state)
{
    (void)state;
    cleanup_free char *path = make_file();
    struct workload w = work(WORKLOAD_WRITE);
    cleanup_buffers struct buffers *buffers = buffers_new(&w, 1);
    cleanup_target struct target *t = target_open(path, &w, 0, false, 1, buffers, NULL);
    assert_non_null(t);
    assert_true(fcntl(t->fd, F_GETFL) & O_DIRECT);
    assert_ptr_equal(t->engine, depth == 1 ? &engine_sync : &engine_uring);
}

/* --- What is counted -------------------------------------------------------------------------- */

static const struct {
    const char *what;
    struct budget budget;
    uint64_t least, most_ns;
} budgets[] = {
    {"requests", {UINT64_MAX, 0, 100, 0}, 100, 0},
    {"requests behind a ramp", {UINT64_MAX, 0, 100, 10}, 100, 0},
    {"requests rather than a time to come", {60 * NS_PER_SECOND, 100, 100, 1}, 100, 0},
    {"at least some, whatever time they take", {0, 50, UINT64_MAX, 3}, 50, 0},
    {"no time, no least number", {0, 0, UINT64_MAX, 0}, 1, 0},
    {"a time", {20 * NS_PER_MS, 1, UINT64_MAX, 3}, 1, 5 * NS_PER_SECOND},
};

static void test_budgets(void **state)
{
    (void)state;
    cleanup_free char *path = make_file();
    struct workload w = work(WORKLOAD_RANDREAD);
    cleanup_buffers struct buffers *buffers = buffers_new(&w, 1);
    cleanup_target struct target *t = target_open(path, &w, 0, false, 1, buffers, NULL);
    assert_non_null(t);
    for (size_t i = 0; i < ARRAY_SIZE(budgets); i++) {
        const struct budget *b = &budgets[i].budget;
        struct slice slice = run_slice(t, b);
        /* One turn of the ring may find as many completions as there are in flight; a whole run
         * starts no more than it was told to. */
        bool exact = !b->ramp && b->max_requests<UINT64_MAX, timed = budgets[i].most_ns> 0;
        uint64_t slack = exact ? 0 : depth - 1, ramp = b->ramp;
        if (slice.requests < budgets[i].least ||
            (!timed && slice.requests > budgets[i].least + slack))
            fail_msg("%s: %llu counted", budgets[i].what, (unsigned long long)slice.requests);
        /* Beyond these there is the ramp, what filled the queue, and what was still in it. */
        if (slice.issued < slice.requests + ramp ||
            slice.issued > slice.requests + ramp + 3 * slack)
            fail_msg("%s: %llu done", budgets[i].what, (unsigned long long)slice.issued);
        assert_true(slice.elapsed_ns > 0 && !slice.exhausted);
        assert_true(ramp || slice.issued == slice.requests);
        if (timed)
            assert_true(slice.elapsed_ns <= budgets[i].most_ns);
    }
}

/* --- Errors ----------------------------------------------------------------------------------- */

static void check_open_error(const char *path, struct workload w, const char *message)
{
    cleanup_error struct error *err = NULL;
    cleanup_buffers struct buffers *buffers = buffers_new(&w, 1);
    cleanup_target struct target *t = target_open(path, &w, 0, false, 1, buffers, &err);
    assert_null(t);
    if (!strstr(err->message, message))
        fail_msg("'%s' instead of '%s'", err->message, message);
}

static void test_open_errors(void **state)
{
    (void)state;
    cleanup_free char *missing = scratch_path("missing"), *empty = scratch_path("empty");
    cleanup_free char *path = make_file();
    struct workload w = work(WORKLOAD_WRITE), large = w;
    assert(file_write_atomic(empty, "", NULL) == 0);
    large.block_bytes = WORKLOAD_BLOCK_MAX;
    check_open_error(missing, w, "/missing: No such file or directory");
    check_open_error(scratch, w, ": Is a directory");
    check_open_error(empty, w, "/empty holds less than one block of 8192 bytes");
    check_open_error(path, large, " holds less than one block of 16777216 bytes");
    /* What nobody may write, root included: a program that runs. */
    check_open_error("/proc/self/exe", w, "cannot open /proc/self/exe: ");
}

/* A slice that fails is no slice: nothing of it is handed out. */
static void check_run_error(struct target *t, const char *message)
{
    struct slice slice = {.requests = 12345, .elapsed_ns = 54321};
    cleanup_error struct error *err = NULL;
    assert_int_equal(target_run(t, &all, &slice, &err), -1);
    if (!strstr(err->message, message) || !strstr(err->message, t->path))
        fail_msg("'%s' instead of '%s'", err->message, message);
    assert_true(slice.requests == 12345 && slice.elapsed_ns == 54321);
}

/* The file was cut off meanwhile, once between two blocks and once within one. */
static void test_file_shrinks(void **state)
{
    (void)state;
    static const off_t lengths[] = {16 * BLOCK, 16 * BLOCK + BLOCK / 2, 0};
    for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
        cleanup_free char *path = make_file();
        struct workload w = work(WORKLOAD_READ);
        cleanup_buffers struct buffers *buffers = buffers_new(&w, 1);
        cleanup_target struct target *t = target_open(path, &w, 0, false, 1, buffers, NULL);
        assert_non_null(t);
        assert(truncate(path, lengths[i]) == 0);
        check_run_error(t, "read of 8192 bytes at ");
        check_run_error(t, " was cut short");
    }
}

/* In a child, as the limit is for good. The file may not grow beyond half of the span, and so not
 * be written there. */
static void run_without_room(const char *path)
{
    cleanup_error struct error *err = NULL;
    struct slice slice;
    struct workload w = work(WORKLOAD_WRITE);
    cleanup_buffers struct buffers *buffers = buffers_new(&w, 1);
    cleanup_target struct target *t = target_open(path, &w, SPAN, true, 1, buffers, NULL);
    signal(SIGXFSZ, SIG_IGN);
    assert(t && setrlimit(RLIMIT_FSIZE, &(struct rlimit){SPAN / 2, SPAN / 2}) == 0);
    assert(target_run(t, &all, &slice, &err) == -1);
    assert(strstr(err->message, "write of 8192 bytes at ") && strstr(err->message, "too large"));
    /* It names the request that failed first, not a later one. */
    cleanup_free char *offset = xasprintf(" at %u:", BLOCK * BLOCKS / 2);
    assert(strstr(err->message, offset));
}

static void run_until_signal(const char *path)
{
    cleanup_error struct error *err = NULL;
    uint64_t written = 0;
    struct run_result result;
    struct workload w = work(WORKLOAD_WRITE);
    assert(interrupt_install(NULL) == 0);
    raise(SIGTERM);
    assert(target_fill(path, 0, 1, &written, &err) == -1);
    assert(strcmp(err->message, "interrupted by SIGTERM") == 0 && written == 0);
    cleanup_crew struct crew *crew = crew_new(&w, 1, 1, NULL);
    cleanup_site struct site *s = site_open(crew, path, &(uint64_t){SPAN}, false, 1, NULL);
    assert(s && run_whole(s, &(struct work){.workload = w, .bounds = {.bytes = SPAN}}, 1, &result,
                          NULL) == -1);
}

static void test_no_room(void **state)
{
    (void)state;
    cleanup_free char *path = make_file();
    assert_int_equal(disk_in_child(run_without_room, path), 0);
}

static void test_signal(void **state)
{
    (void)state;
    cleanup_free char *path = make_file();
    assert_int_equal(disk_in_child(run_until_signal, path), 0);
}

static void test_messages(void **state)
{
    (void)state;
    char path[] = "disk";
    struct target t = {.path = path, .workload = work(WORKLOAD_WRITE)};
    struct request write = {1 << 20, BLOCK, REQUEST_WRITE}, read = {0, BLOCK, REQUEST_READ};
    struct request sync = {.kind = REQUEST_SYNC};
    cleanup_error struct error *err = NULL;
    assert_int_equal(engine_request_failed(&t, &write, EIO, &err), -1);
    assert_string_equal(err->message, "disk: write of 8192 bytes at 1048576: Input/output error");
    assert_null(err->hint);
    engine_request_failed(&t, &read, 0, &err);
    assert_string_equal(err->message, "disk: read of 8192 bytes at 0 was cut short");
    engine_request_failed(&t, &read, EINVAL, &err);
    assert_non_null(strstr(err->hint, "block size"));
    cleanup_error struct error *of_sync = NULL;
    assert_int_equal(engine_request_failed(&t, &sync, EINVAL, &of_sync), -1);
    assert_string_equal(of_sync->message, "disk: sync: Invalid argument");
    assert_null(of_sync->hint);
}

/* --- Filling ---------------------------------------------------------------------------------- */

static void test_fill(void **state)
{
    (void)state;
    cleanup_free char *path = make_file();
    uint64_t written = 5;
    /* What does not fill a MiB at the end stays as it is. */
    assert(truncate(path, (2 << 20) + 65536) == 0);
    assert_int_equal(target_fill(path, 0, 1, &written, NULL), 0);
    assert_int_equal(written, 5 + (2 << 20));
    cleanup_free char *data = file_read(path, NULL, NULL);
    for (size_t i = 0; i < (2 << 20) + 65536; i += 4096) {
        unsigned zeros = 0;
        for (size_t k = 8; k < 4096; k++)
            zeros += data[i + k] == 0;
        assert_true(i < (2 << 20) ? zeros < 100 : zeros == 4088);
    }
    cleanup_error struct error *err = NULL;
    assert(truncate(path, 4096) == 0);
    assert_int_equal(target_fill(path, 0, 1, &written, &err), -1);
    assert_non_null(strstr(err->message, "less than one block of 1048576 bytes"));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_once),
        cmocka_unit_test(test_sequential_wraps),
        cmocka_unit_test(test_random_visits),
        cmocka_unit_test(test_reads_write_nothing),
        cmocka_unit_test(test_goes_round_the_cache),
        cmocka_unit_test(test_budgets),
        cmocka_unit_test(test_open_errors),
        cmocka_unit_test(test_file_shrinks),
        cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_signal),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_fill),
    };
    depth = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1;
    if (disk_skip(depth))
        return 0;
    return cmocka_run_group_tests(tests, scratch_set_up, scratch_tear_down);
}
