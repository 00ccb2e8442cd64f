/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "domain/patience.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/interrupt.h"
#include "base/memory.h"

/* What the thread and whoever waits for it share. */
struct turn {
    void *question;
    void (*ask)(void *question);
    GDestroyNotify clear;
    int returned; /* an eventfd */
};

static void turn_clear(void *data)
{
    struct turn *t = data;
    g_atomic_rc_box_release_full(t->question, t->clear);
    close(t->returned);
}

static void turn_release(struct turn *t)
{
    g_atomic_rc_box_release_full(t, turn_clear);
}
CLEANUP_PTR(cleanup_turn_handler, struct turn, turn_release)

static void *take_turn(void *data)
{
    struct turn *t = data;
    t->ask(t->question);
    eventfd_write(t->returned, 1);
    turn_release(t);
    return NULL;
}

/* Not until interrupt_fd() is readable: who cleans up after a signal may ask as well, and has the
 * answer where it comes at once. */
#define STEP_MS 100

static enum patience await_return(const struct turn *t, unsigned seconds, struct error **err)
{
    struct pollfd wait = {.fd = t->returned, .events = POLLIN};
    uint64_t end = clock_now_ns() + seconds * NS_PER_SECOND;
    while (poll(&wait, 1, STEP_MS) <= 0) {
        if (interrupt_check(err) < 0)
            return PATIENCE_DISTURBED;
        if (clock_now_ns() >= end)
            return PATIENCE_OVER;
    }
    return PATIENCE_ANSWERED;
}

enum patience patience_ask(void *question, void (*ask)(void *question), GDestroyNotify clear,
                           unsigned seconds, struct error **err)
{
    pthread_t thread;
    at_scope_end(cleanup_turn_handler) struct turn *t = g_atomic_rc_box_new0(struct turn);
    *t = (struct turn){g_atomic_rc_box_acquire(question), ask, clear, eventfd(0, EFD_CLOEXEC)};
    int r = interrupt_start_thread(&thread, take_turn, g_atomic_rc_box_acquire(t));
    if (r) {
        turn_release(t);
        error_set_errno(err, r, "cannot start a thread");
        return PATIENCE_DISTURBED;
    }
    enum patience end = await_return(t, seconds, err);
    if (end == PATIENCE_ANSWERED)
        pthread_join(thread, NULL);
    else
        pthread_detach(thread);
    return end;
}
