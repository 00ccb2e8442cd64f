/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memory.h - allocation that does not fail: without memory for a few kilobytes there is
 * nothing sensible left to do, so these print a line and abort. The caller frees the result.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

void *xcalloc(size_t count, size_t size);
void *xreallocarray(void *old, size_t count, size_t size);
char *xstrdup(const char *s);
char *xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));
char *xvasprintf(const char *format, va_list args) __attribute__((format(printf, 1, 0)));
