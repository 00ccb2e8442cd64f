/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * interrupt.h - SIGINT, SIGTERM and SIGHUP become something that waits can look at.
 *
 * The handler only notes the signal and makes a descriptor readable. Whoever waits polls that
 * descriptor, whoever loops asks interrupt_check(), and the error travels up the normal way, so
 * that cleaning up after a signal is cleaning up after any error.
 */
#pragma once

#include "base/error.h"

/* Installs the handlers; SIGPIPE is ignored. To be called once, before any thread is started. */
int interrupt_install(struct error **err);

/* The descriptor that is readable from the first signal on; -1 if nothing was installed. */
int interrupt_fd(void);

/* 0, or -1 and the error "interrupted by SIGINT" after a signal. */
int interrupt_check(struct error **err);
