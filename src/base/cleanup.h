/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cleanup.h - what a scope acquired, the scope releases.
 *
 * `at_scope_end(fn)` calls fn(&variable) when the variable goes out of scope; every type that
 * owns something has an `x_free`, which accepts NULL, and CLEANUP_PTR makes the handler.
 */
#pragma once

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define at_scope_end(fn) __attribute__((cleanup(fn)))

/* Hands a pointer on to a new owner: the old variable is NULL afterwards. */
#define TAKE_PTR(p)                                                                                \
    ({                                                                                             \
        __typeof__(p) *place_ = &(p);                                                              \
        __typeof__(p) taken_ = *place_;                                                            \
        *place_ = NULL;                                                                            \
        taken_;                                                                                    \
    })

/* The same for a file descriptor, which is -1 afterwards. */
#define TAKE_FD(fd)                                                                                \
    ({                                                                                             \
        int *place_ = &(fd);                                                                       \
        int taken_ = *place_;                                                                      \
        *place_ = -1;                                                                              \
        taken_;                                                                                    \
    })

/* Defines NAME, a handler for at_scope_end() on a variable of TYPE *, that calls FREE. */
#define CLEANUP_PTR(name, type, free_fn)                                                           \
    static inline void name(type **p)                                                              \
    {                                                                                              \
        if (*p)                                                                                    \
            free_fn(*p);                                                                           \
    }

static inline void cleanup_free_handler(void *p)
{
    free(*(void **)p);
}

static inline void cleanup_close_handler(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static inline void cleanup_file_handler(FILE **f)
{
    if (*f)
        fclose(*f);
}

static inline void cleanup_dir_handler(DIR **dir)
{
    if (*dir)
        closedir(*dir);
}

#define cleanup_free at_scope_end(cleanup_free_handler)
#define cleanup_close at_scope_end(cleanup_close_handler)
#define cleanup_file at_scope_end(cleanup_file_handler)
#define cleanup_dir at_scope_end(cleanup_dir_handler)

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
