/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/error.h"

#include <stdarg.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"

static void set_message(struct error **err, char *message)
{
    /* libvirt and the kernel put line breaks into messages; ours are one line. */
    text_one_line(message);
    if (!*err)
        *err = xcalloc(1, sizeof(**err));
    free((*err)->message);
    (*err)->message = message;
}

/* A new error in the place of the one that may be there. */
static void replace(struct error **err, char *message)
{
    if (*err) {
        free((*err)->hint);
        (*err)->hint = NULL;
    }
    set_message(err, message);
}

int error_set(struct error **err, const char *format, ...)
{
    if (!err)
        return -1;
    va_list args;
    va_start(args, format);
    char *message = xvasprintf(format, args);
    va_end(args);
    replace(err, message);
    return -1;
}

int error_set_errno(struct error **err, int errnum, const char *format, ...)
{
    if (!err)
        return -1;
    va_list args;
    va_start(args, format);
    cleanup_free char *what = xvasprintf(format, args);
    va_end(args);
    replace(err, xasprintf("%s: %s", what, strerror(errnum)));
    return -1;
}

int error_prefix(struct error **err, const char *format, ...)
{
    if (!err || !*err)
        return -1;
    va_list args;
    va_start(args, format);
    cleanup_free char *context = xvasprintf(format, args);
    va_end(args);
    set_message(err, xasprintf("%s: %s", context, (*err)->message));
    return -1;
}

int error_hint(struct error **err, const char *format, ...)
{
    if (!err || !*err)
        return -1;
    va_list args;
    va_start(args, format);
    free((*err)->hint);
    (*err)->hint = xvasprintf(format, args);
    va_end(args);
    text_one_line((*err)->hint);
    return -1;
}

void error_take(struct error **err, struct error **from)
{
    if (!*from || !err)
        return;
    error_free(*err);
    *err = TAKE_PTR(*from);
}

void error_free(struct error *err)
{
    if (!err)
        return;
    free(err->message);
    free(err->hint);
    free(err);
}
