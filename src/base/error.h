/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * error.h - an error travels up as a value and is printed once, by the verb.
 *
 * A function that can fail takes `struct error **err` as its last argument and returns -1
 * (or NULL). It sets the error exactly when it fails; callers add context on the way up
 * with error_prefix(), and a remedy, where one is known, with error_hint(). `err` may be
 * NULL where the reason does not matter.
 */
#pragma once

#include "base/cleanup.h"

struct error {
    char *message; /* "what failed: why", one line */
    char *hint;    /* what to do about it, one line, or NULL */
};

/* Makes *err an error with this message. Always returns -1, so that `return error_set(…)` reads
 * as what it does. An error that is already there is replaced. */
int error_set(struct error **err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same, followed by ": " and the text of `errnum` (an errno value, not negative). */
int error_set_errno(struct error **err, int errnum, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "context: " before the message. Returns -1. */
int error_prefix(struct error **err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Sets the hint. Returns -1. */
int error_hint(struct error **err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Makes *err the error that *from is, where that is one: one of another thread, say. */
void error_take(struct error **err, struct error **from);

void error_free(struct error *err);
CLEANUP_PTR(cleanup_error_handler, struct error, error_free)
#define cleanup_error at_scope_end(cleanup_error_handler)
