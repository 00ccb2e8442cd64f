/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tune_table.h - the table of what a race came to, for people.
 */
#pragma once

#include "report/report.h"

/* The name of a work in a table, or its number; the caller frees. */
char *report_work_name(const struct suite *suite, size_t work);

/* Prints it, with what its columns mean; of several works a second table has the share of each. */
void report_tune_table(const struct tune_report *r, FILE *out);
