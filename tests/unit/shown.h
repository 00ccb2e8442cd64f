/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * shown.h - what a rule found on a test's input, for the table in docs/check-rules.md, which
 * bench/rules-table makes.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include "check/rule.h"

/* As a comment in TAP, where VIRT_DISKTUNE_SHOW is set. */
static inline void show_found(const char *input, const struct finding *f)
{
    if (getenv("VIRT_DISKTUNE_SHOW"))
        printf("# FOUND\t%s\t%s\t%s\t%s\n", f->rule->id, severity_names[f->severity], input,
               f->summary);
}
