/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * check_json.h - the pieces that `check --json` prints one after the other.
 */
#pragma once

#include <glib.h>
#include <stdio.h>

#include "check/look.h"

/* An element of "domains", without a line break. */
void report_check_domain_json(const struct check_domain *d, const char *image,
                              GPtrArray *const *findings, FILE *out);

/* "host", "notes" and the closing brace. */
void report_check_host_json(const GPtrArray *host, const GPtrArray *notes, FILE *out);

/* "QEMU 9.0 and libvirt 10.0.0". The caller frees. */
char *report_since_text(const struct versions *since);
