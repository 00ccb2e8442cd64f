/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/interrupt.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static atomic_int caught;                         /* threads of crews look at it, too */
static volatile sig_atomic_t deferring, deferred; /* the signal that was */
static volatile sig_atomic_t holding;
static int event = -1;

static void note(int signal)
{
    int saved = errno;
    caught = signal;
    (void)!write(event, &(uint64_t){1}, sizeof(uint64_t));
    errno = saved;
}

static void note_signal(int signal)
{
    if (holding && !deferred) {
        deferred = signal;
        return;
    }
    /* Whose terminal is gone will not see what there would be to show. */
    if (!deferring || deferred || signal == SIGHUP) {
        note(signal);
        return;
    }
    deferred = signal;
    alarm(INTERRUPT_GRACE_SECONDS);
}

static void end_grace(int signal)
{
    (void)signal;
    if (deferred && !holding)
        note(deferred);
}

int interrupt_install(struct error **err)
{
    event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (event < 0)
        return error_set_errno(err, errno, "cannot prepare for signals");
    struct sigaction action = {.sa_handler = note_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    action.sa_handler = end_grace;
    sigaction(SIGALRM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    return 0;
}

int interrupt_fd(void)
{
    return event;
}

int interrupt_start_thread(pthread_t *ret, void *(*run)(void *), void *data)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = pthread_create(ret, NULL, run, data);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return r;
}

void interrupt_defer(bool on)
{
    deferring = on;
    if (on)
        return;
    alarm(0);
    deferred = 0;
}

void interrupt_hold(bool on)
{
    holding = on;
    if (on || !deferred)
        return;
    int held = deferred;
    deferred = 0;
    note(held);
}

bool interrupt_is_deferred(void)
{
    return deferred;
}

int interrupt_check(struct error **err)
{
    return caught ? error_set(err, "interrupted by SIG%s", sigabbrev_np(caught)) : 0;
}

int interrupt_sleep_ms(int milliseconds, struct error **err)
{
    /* poll passes over a descriptor that is not there. */
    struct pollfd signals = {.fd = interrupt_fd(), .events = POLLIN};
    poll(&signals, 1, milliseconds);
    return interrupt_check(err);
}
