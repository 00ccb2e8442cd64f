/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * live.h - what a running domain's disks do by themselves, as text and as JSON.
 */
#pragma once

#include <jansson.h>
#include <stdio.h>

#include "explain/live.h"

/* The contract of `explain --live --json`; the caller owns it. */
json_t *report_live_json(const struct live_report *r);

/* Limits that bite first, then boundaries, parts and threads; 80 columns. */
void report_live_text(const struct live_report *r, FILE *out);
