/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-interrupt.c - a signal is an error; a first one that is deferred is none, for a while.
 */
#undef NDEBUG
#include <assert.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "apart.h"
#include "base/interrupt.h"

/* What a process is sent, one after the other; 0 stands for turning the deferral off and on. */
static const struct {
    const char *what;
    bool defer;
    int signals[4];
    size_t count;
    const char *error; /* NULL: none */
    bool deferred;
} courses[] = {
    {"nothing", true, {0}, 0, NULL, false},
    {"SIGINT", false, {SIGINT}, 1, "interrupted by SIGINT", false},
    {"SIGINT deferred", true, {SIGINT}, 1, NULL, true},
    {"SIGTERM deferred", true, {SIGTERM}, 1, NULL, true},
    {"two", true, {SIGINT, SIGTERM}, 2, "interrupted by SIGTERM", true},
    {"SIGHUP", true, {SIGHUP}, 1, "interrupted by SIGHUP", false},
    {"the grace is over", true, {SIGINT, SIGALRM}, 2, "interrupted by SIGINT", true},
    {"an alarm too late", true, {SIGINT, 0, SIGALRM}, 3, NULL, false},
    {"forgotten", true, {SIGINT, 0}, 2, NULL, false},
    {"another time", true, {SIGINT, 0, SIGINT}, 3, NULL, true},
    {"another time, twice", true, {SIGINT, 0, SIGINT, SIGINT}, 4, "interrupted by SIGINT", true},
};

/* In a process of its own: whether all is as it should be. */
static bool is_followed(size_t i)
{
    cleanup_error struct error *err = NULL;
    if (interrupt_install(NULL) < 0)
        return false;
    interrupt_defer(courses[i].defer);
    for (size_t k = 0; k < courses[i].count; k++) {
        if (courses[i].signals[k]) {
            raise(courses[i].signals[k]);
            continue;
        }
        interrupt_defer(false);
        interrupt_defer(true);
    }
    struct pollfd p = {.fd = interrupt_fd(), .events = POLLIN};
    bool readable = poll(&p, 1, 0) == 1;
    bool failed = interrupt_check(&err) < 0;
    return failed == !!courses[i].error && readable == failed &&
           (!failed || strcmp(err->message, courses[i].error) == 0) &&
           interrupt_is_deferred() == courses[i].deferred;
}

/* What is held is an error when nothing is left half done any more, or when it comes twice. */
static const struct {
    const char *what;
    int signals[2];
    const char *held, *after; /* the error while it is held, and then; NULL: none */
} holds[] = {
    {"nothing held", {0, 0}, NULL, NULL},
    {"one", {SIGTERM, 0}, NULL, "interrupted by SIGTERM"},
    {"a terminal that goes", {SIGHUP, 0}, NULL, "interrupted by SIGHUP"},
    {"no end of grace", {SIGINT, SIGALRM}, NULL, "interrupted by SIGINT"},
    {"impatience", {SIGINT, SIGTERM}, "interrupted by SIGTERM", "interrupted by SIGINT"},
};

static bool is_error(const char *expected)
{
    cleanup_error struct error *err = NULL;
    return interrupt_check(&err) < 0 ? expected && strcmp(err->message, expected) == 0 : !expected;
}

static bool is_held(size_t i)
{
    if (interrupt_install(NULL) < 0)
        return false;
    interrupt_hold(true);
    for (size_t k = 0; k < ARRAY_SIZE(holds[i].signals); k++)
        if (holds[i].signals[k])
            raise(holds[i].signals[k]);
    bool right = is_error(holds[i].held) && interrupt_is_deferred() == (holds[i].signals[0] != 0);
    interrupt_hold(false);
    return right && is_error(holds[i].after) && !interrupt_is_deferred();
}

static void test_courses(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(courses); i++)
        if (!is_right_apart(is_followed, i))
            fail_msg("%s", courses[i].what);
}

static void test_holds(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(holds); i++)
        if (!is_right_apart(is_held, i))
            fail_msg("%s", holds[i].what);
}

/* Nobody looks: after some seconds it is the error. */
static void test_grace(void **state)
{
    (void)state;
    assert_int_equal(interrupt_install(NULL), 0);
    interrupt_defer(true);
    raise(SIGINT);
    assert_int_equal(interrupt_check(NULL), 0);
    struct pollfd p = {.fd = interrupt_fd(), .events = POLLIN};
    while (poll(&p, 1, 60000) < 0)
        continue;
    assert_true(p.revents & POLLIN);
    assert_int_equal(interrupt_check(NULL), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_courses),
        cmocka_unit_test(test_holds),
        cmocka_unit_test(test_grace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
