/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * samples.h - what a race's figures are made of, for those who want to see for themselves.
 */
#pragma once

#include "tune/race.h"

/* Writes every short slice's time per request into a file, as CSV: round, number of the work,
 * configuration ("host"), replica, nanoseconds. */
int samples_write(const char *path, const struct stage *stage, const struct race *race,
                  struct error **err);
