/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * interrupt.h - SIGINT, SIGTERM and SIGHUP become something that waits can look at.
 *
 * The handler only notes the signal and makes a descriptor readable. Whoever waits polls that
 * descriptor, whoever loops asks interrupt_check(), and the error travels up the normal way, so
 * that cleaning up after a signal is cleaning up after any error.
 */
#pragma once

#include <pthread.h>

#include "base/error.h"

/* Installs the handlers; SIGPIPE is ignored. To be called once, before any thread is started. */
int interrupt_install(struct error **err);

/* The descriptor that is readable from the first signal on; -1 if nothing was installed. */
int interrupt_fd(void);

/* Starts a thread that no signal is delivered to: they are for the one that waits for them. 0, or
 * the error number of pthread_create. */
int interrupt_start_thread(pthread_t *ret, void *(*run)(void *), void *data);

/* 0, or -1 and the error "interrupted by SIGINT" after a signal. */
int interrupt_check(struct error **err);
