/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * undisturbed.h - what a machine does that keeps up. In a moment in which its disk or its CPUs are
 * busy with others it does not, and that is no fault of ours: one attempt of a few has to hold.
 * After cmocka.h.
 */
#pragma once

#include <stdbool.h>

#define ATTEMPTS 4

#define assert_undisturbed(attempt)                                                                \
    do {                                                                                           \
        bool held_ = false;                                                                        \
        for (unsigned i_ = 0; i_ < ATTEMPTS && !held_; i_++)                                       \
            held_ = (attempt);                                                                     \
        if (!held_)                                                                                \
            fail_msg("%s: not in %d attempts", #attempt, ATTEMPTS);                                \
    } while (0)
