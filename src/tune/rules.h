/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rules.h - why a configuration is not tried.
 */
#pragma once

#include "tune/space.h"

/* Why this configuration is not tried, in one line; NULL when it is. `current`: it is that of the
 * disk as it is, which has to be run to be compared with, whatever one thinks of it. The caller
 * frees. */
char *rules_against(const struct space *s, const struct candidate_facts *facts,
                    const struct disk_config *c, bool current);
