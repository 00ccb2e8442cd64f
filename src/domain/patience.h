/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * patience.h - asking libvirt what it may never answer.
 *
 * Its calls know neither signals nor bounds: a daemon that hangs keeps whoever asks it, and so does
 * a domain that somebody has. So what may hang is asked in a thread of its own, which is left
 * behind where it does; whoever goes last frees what both know of.
 */
#pragma once

#include <glib.h>

#include "base/cleanup.h"
#include "base/error.h"

enum patience {
    PATIENCE_ANSWERED,
    PATIENCE_OVER,     /* it did not answer in time */
    PATIENCE_DISTURBED /* by a signal, or there is no thread to be had: with an error */
};

/* Calls `ask(question)` and waits for its return, for so long at the most. `question` is of
 * g_atomic_rc_box_new0, and `clear` is what its last owner clears it with: the caller until it
 * releases it, and until it returns `ask`, which touches nothing that is anybody else's. */
enum patience patience_ask(void *question, void (*ask)(void *question), GDestroyNotify clear,
                           unsigned seconds, struct error **err);

/* Has whoever asks release a question of this type at the end of a scope, by at_scope_end(NAME). */
#define PATIENCE_CLEANUP(name, type, clear)                                                        \
    static inline void name##_release(type *question)                                              \
    {                                                                                              \
        g_atomic_rc_box_release_full(question, clear);                                             \
    }                                                                                              \
    CLEANUP_PTR(name, type, name##_release)
