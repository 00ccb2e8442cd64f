/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-uring.c - io_uring as old kernels have it, and one that is short of memory: what is done is
 * what was asked for, and after an error nothing is in flight.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <liburing.h>

#include "base/clock.h"
#include "disk.h"

#define DEPTH 8u
#define SPAN (UINT64_C(1) << 20)

/* --- Instead of liburing's -------------------------------------------------------------------- */

static bool is_old;             /* before 5.11: a wait with a timeout is a request of its own */
static int refusal;             /* what some calls return instead of doing anything */
static unsigned every, refused; /* how many of them do: one in so many; how many did */
static struct io_uring *ring;

int __real_io_uring_queue_init(unsigned entries, struct io_uring *r, unsigned flags);
int __wrap_io_uring_queue_init(unsigned entries, struct io_uring *r, unsigned flags);
int __real_io_uring_submit_and_wait(struct io_uring *r, unsigned count);
int __wrap_io_uring_submit_and_wait(struct io_uring *r, unsigned count);

int __wrap_io_uring_queue_init(unsigned entries, struct io_uring *r, unsigned flags)
{
    int result = __real_io_uring_queue_init(entries, r, flags);
    if (result == 0 && is_old)
        r->features &= ~IORING_FEAT_EXT_ARG;
    ring = r;
    return result;
}

int __wrap_io_uring_submit_and_wait(struct io_uring *r, unsigned count)
{
    static unsigned calls;
    if (!refusal || ++calls % every)
        return __real_io_uring_submit_and_wait(r, count);
    refused++;
    return refusal;
}

/* --- The cases -------------------------------------------------------------------------------- */

static struct workload work(unsigned rate)
{
    return (struct workload){.rw = WORKLOAD_RANDREAD,
                             .read_percent = 100,
                             .block_bytes = 4096,
                             .depth = DEPTH,
                             .jobs = 1,
                             .rate_iops = rate};
}

/* A slice on a new file; what target_run returned. */
static int run(unsigned rate, const struct budget *budget, struct slice *ret, struct error **err)
{
    struct workload w = work(rate);
    cleanup_free char *path = disk_file(SPAN);
    cleanup_buffers struct buffers *buffers = buffers_new(&w, 1);
    cleanup_target struct target *t = target_open(path, &w, 0, false, 1, buffers, NULL);
    assert_non_null(t);
    int result = target_run(t, budget, ret, err);
    if (result == 0)
        assert_int_equal(t->histogram.count, ret->requests);
    assert_int_equal(io_uring_cq_ready(ring), 0);
    return result;
}

/* A timeout that ends, or is overtaken by a request, is none of the requests. */
static void test_old_kernel(void **state)
{
    (void)state;
    static const unsigned rates[] = {50, 1000, 20000};
    is_old = true;
    for (size_t i = 0; i < ARRAY_SIZE(rates); i++) {
        struct slice slice;
        struct budget budget = {UINT64_MAX, 0, rates[i] / 5, 0};
        assert_int_equal(run(rates[i], &budget, &slice, NULL), 0);
        assert_int_equal(slice.requests, rates[i] / 5);
        assert_true(slice.elapsed_ns >= NS_PER_SECOND / 6);
    }
    is_old = false;
}

/* What may pass is tried again, as long as there is something to wait for. */
static void test_tried_again(void **state)
{
    (void)state;
    static const int errors[] = {-EAGAIN, -EBUSY, -EINTR};
    for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
        cleanup_error struct error *err = NULL;
        struct slice slice;
        refusal = errors[i];
        every = 3;
        refused = 0;
        if (run(0, &(struct budget){UINT64_MAX, 0, 500, 0}, &slice, &err) < 0)
            fail_msg("%s", err->message);
        assert_int_equal(slice.requests, 500);
        assert_true(refused > 5);
    }
    refusal = 0;
}

/* What does not pass is an error, after what was in flight has come back. */
static void test_error(void **state)
{
    (void)state;
    cleanup_error struct error *err = NULL;
    struct slice slice;
    refusal = -ENXIO;
    every = 20;
    assert_int_equal(run(0, &(struct budget){UINT64_MAX, 0, 5000, 0}, &slice, &err), -1);
    assert_non_null(strstr(err->message, "io_uring_enter on "));
    refusal = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_old_kernel),
        cmocka_unit_test(test_tried_again),
        cmocka_unit_test(test_error),
    };
    if (disk_skip(DEPTH))
        return 0;
    return cmocka_run_group_tests(tests, scratch_set_up, scratch_tear_down);
}
