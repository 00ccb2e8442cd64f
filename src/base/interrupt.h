/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * interrupt.h - SIGINT, SIGTERM and SIGHUP become something that waits can look at.
 *
 * The handler only notes the signal and makes a descriptor readable. Whoever waits polls that
 * descriptor, whoever loops asks interrupt_check(), and the error travels up the normal way, so
 * that cleaning up after a signal is cleaning up after any error.
 *
 * Who has something to show when it is stopped defers the first signal, looks for it where it can
 * stop, and ends by itself. A signal that comes then, or nobody who looks within seconds because
 * what is waited for hangs, is the error all the same.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>

#include "base/error.h"

/* Installs the handlers; SIGPIPE is ignored. To be called once, before any thread is started. */
int interrupt_install(struct error **err);

/* The descriptor that is readable from the first signal on; -1 if nothing was installed. */
int interrupt_fd(void);

/* Starts a thread that no signal is delivered to: they are for the one that waits for them. 0, or
 * the error number of pthread_create. */
int interrupt_start_thread(pthread_t *ret, void *(*run)(void *), void *data);

/* From here on the first SIGINT or SIGTERM is no error until INTERRUPT_GRACE_SECONDS are over. Off:
 * such a signal, if it came, is forgotten. */
#define INTERRUPT_GRACE_SECONDS 5
void interrupt_defer(bool on);

/* From here on the first signal of any kind is no error, however long it takes; a second one is.
 * For what must not be left half done. Off: the one that was held is an error now. */
void interrupt_hold(bool on);

/* Whether one came since that is deferred or held. */
bool interrupt_is_deferred(void);

/* Sleeps for so long, or until a signal comes. Then as interrupt_check. */
int interrupt_sleep_ms(int milliseconds, struct error **err);

/* 0, or -1 and the error "interrupted by SIGINT" after a signal that is not deferred or held. */
int interrupt_check(struct error **err);
