/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * check.h - findings as they come, for people and for programs.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "check/finding.h"
#include "check/look.h"

/* A report that is printed while there is more to come. */
struct check_report;

/* Of findings less severe than `level` text says nothing, and JSON everything. The caller frees. */
struct check_report *check_report_begin(bool json, enum severity level, FILE *out);

/* A domain, or an image by itself (its path, else NULL): findings of the domain, and of each of its
 * disks, as ask_domain has them. */
void check_report_domain(struct check_report *r, const struct check_domain *d, const char *image,
                         GPtrArray *const *findings);

/* The end: findings of the host, or NULL where it was not looked at, and the warnings of the program
 * itself (strings). */
void check_report_end(struct check_report *r, const GPtrArray *host, const GPtrArray *notes);

/* How many findings of this severity there were. */
size_t check_report_count(const struct check_report *r, enum severity severity);

void check_report_free(struct check_report *r);
CLEANUP_PTR(cleanup_check_report_handler, struct check_report, check_report_free)
#define cleanup_check_report at_scope_end(cleanup_check_report_handler)

/* Every rule there is. */
void report_rules(bool json, FILE *out);
