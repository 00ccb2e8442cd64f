/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-restart.c - a guest that is asked to shut down is waited for whatever happens meanwhile, and
 * none is asked that nobody would start again. libvirt is played by this file.
 */
#undef NDEBUG
#include <assert.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "apart.h"
#include "apply/restart.h"
#include "base/interrupt.h"

/* --- libvirt's part --------------------------------------------------------------------------- */

/* How the domain is, look by look; the last one stays. A signal comes with the second look, and
 * another one with the third. */
static struct {
    int states[4];
    int signals[2];
    bool deaf; /* no way to ask it */
    size_t looks;
    int asked, destroyed;
} scene;

const char *virDomainGetName(virDomainPtr domain)
{
    (void)domain;
    return "web";
}

int virDomainGetState(virDomainPtr domain, int *state, int *reason, unsigned flags)
{
    (void)domain, (void)reason, (void)flags;
    size_t look = scene.looks++;
    if (look >= 1 && look <= ARRAY_SIZE(scene.signals) && scene.signals[look - 1])
        raise(scene.signals[look - 1]);
    *state = scene.states[look < ARRAY_SIZE(scene.states) ? look : ARRAY_SIZE(scene.states) - 1];
    return *state < 0 ? -1 : 0;
}

int virDomainShutdownFlags(virDomainPtr domain, unsigned flags)
{
    (void)domain;
    if (scene.deaf || flags != VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN)
        return -1;
    scene.asked++;
    return 0;
}

int virDomainDestroyFlags(virDomainPtr domain, unsigned flags)
{
    (void)domain, (void)flags;
    scene.destroyed++;
    return 0;
}

/* --- Stopping --------------------------------------------------------------------------------- */

#define RUNS VIR_DOMAIN_RUNNING
#define OFF VIR_DOMAIN_SHUTOFF
#define PAUSED VIR_DOMAIN_PAUSED
#define LOST (-1)

static const struct {
    const char *what;
    int states[4], signals[2];
    bool deaf, force;
    bool before; /* a signal comes before anything else */
    bool late;   /* what it waits for does not come */
    int asked, destroyed;
    const char *error, *hint; /* parts; NULL: it is off */
} rows[] = {
    {.what = "it shuts down", .states = {RUNS, RUNS, OFF, OFF}, .asked = 1},
    {.what = "a signal before",
     .states = {RUNS, RUNS, RUNS, OFF},
     .before = true,
     .error = "interrupted by SIGINT"},
    {.what = "a signal behind the question",
     .states = {RUNS, RUNS, RUNS, OFF},
     .signals = {SIGINT, 0},
     .asked = 1},
    {.what = "the terminal goes",
     .states = {RUNS, RUNS, RUNS, OFF},
     .signals = {SIGHUP, 0},
     .asked = 1},
    {.what = "two signals",
     .states = {RUNS, RUNS, RUNS, OFF},
     .signals = {SIGINT, SIGTERM},
     .asked = 1,
     .error = "interrupted by SIGTERM",
     .hint = "virsh start web"},
    {.what = "libvirt goes",
     .states = {RUNS, RUNS, LOST, LOST},
     .asked = 1,
     .error = "cannot see how web is",
     .hint = "virsh start web"},
    {.what = "not in time",
     .states = {RUNS, RUNS, RUNS, RUNS},
     .late = true,
     .asked = 1,
     .error = "has not shut down within 1 s",
     .hint = "virsh start web"},
    {.what = "not in time, forced",
     .states = {RUNS, RUNS, RUNS, RUNS},
     .force = true,
     .late = true,
     .asked = 1,
     .destroyed = 1},
    {.what = "off before it could be asked", .states = {RUNS, OFF, OFF, OFF}, .deaf = true},
    {.what = "nobody to ask",
     .states = {RUNS, RUNS, RUNS, RUNS},
     .deaf = true,
     .error = "web cannot be asked to shut down"},
    {.what = "paused",
     .states = {PAUSED, PAUSED, PAUSED, PAUSED},
     .error = "web is paused",
     .hint = "virsh destroy web"},
    {.what = "paused, forced",
     .states = {PAUSED, PAUSED, PAUSED, PAUSED},
     .force = true,
     .destroyed = 1},
};

static bool has(const char *text, const char *part)
{
    return !part || (text && strstr(text, part));
}

static bool is_right(size_t i)
{
    /* Long enough for a machine that has other things to do. */
    unsigned seconds = rows[i].late ? 1 : 60;
    const struct restart_options o = {.seconds = seconds, .force = rows[i].force};
    cleanup_error struct error *err = NULL;
    memcpy(scene.states, rows[i].states, sizeof(scene.states));
    memcpy(scene.signals, rows[i].signals, sizeof(scene.signals));
    scene.deaf = rows[i].deaf;
    if (interrupt_install(NULL) < 0)
        return false;
    if (rows[i].before)
        raise(SIGINT);
    bool failed = restart_stop(NULL, &o, &err) < 0;
    bool signalled = rows[i].before || rows[i].signals[0];
    return failed == !!rows[i].error && scene.asked == rows[i].asked &&
           scene.destroyed == rows[i].destroyed && (!failed || has(err->message, rows[i].error)) &&
           (!failed || has(err->hint, rows[i].hint)) && (interrupt_check(NULL) < 0) == signalled;
}

static void test_stop(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (!is_right_apart(is_right, i))
            fail_msg("%s", rows[i].what);
}

int main(void)
{
    /* Before that libvirt's last error is somebody else's memory. */
    assert(virInitialize() == 0);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_stop)};
    return cmocka_run_group_tests_name("restart", tests, NULL, NULL);
}
