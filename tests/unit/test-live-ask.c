/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-live-ask.c - a QEMU that does not answer is an error, and one that does is not.
 */
#undef NDEBUG
#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "explain/live_ask.h"

struct question {
    int end; /* of a pipe: nobody answers until the other one is closed */
    bool answered;
};

static void clear(void *data)
{
    close(((struct question *)data)->end);
}

static void ask(void *data)
{
    char c;
    struct question *q = data;
    q->answered = read(q->end, &c, 1) == 0;
}

static void test_silent(void **state)
{
    (void)state;
    int ends[2];
    cleanup_error struct error *err = NULL;
    struct question *q = g_atomic_rc_box_new0(struct question);
    assert_int_equal(pipe(ends), 0);
    q->end = ends[0];
    assert_int_equal(live_ask(q, ask, clear, 1, &err), -1);
    assert_non_null(strstr(err->message, "QEMU does not answer"));
    assert_non_null(err->hint);
    close(ends[1]);
    assert_int_equal(live_ask(q, ask, clear, 60, NULL), 0);
    assert_true(q->answered);
    g_atomic_rc_box_release_full(q, clear);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
