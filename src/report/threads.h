/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * threads.h - where the CPU time of QEMU's threads went (struct live_thread_group *).
 */
#pragma once

#include <glib.h>
#include <jansson.h>
#include <stdio.h>

/* An array; the caller owns it. */
json_t *report_threads_json(const GPtrArray *threads);
void report_threads_text(const GPtrArray *threads, FILE *out);
