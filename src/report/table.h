/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * table.h - columns for people: headings, rows, alignment; UTF-8 counts by characters.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/cleanup.h"

struct table_column {
    const char *heading;
    bool right; /* numbers */
};

struct table;

/* The columns are referred to, not copied. */
struct table *table_new(const struct table_column *columns, size_t count);

/* Adds the next cell of the current row, printf-style; a row is full after as many as there are
 * columns. */
void table_cell(struct table *t, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Prints headings and rows, each line indented by two and without trailing blanks. */
void table_print(const struct table *t, FILE *out);
void table_free(struct table *t);
CLEANUP_PTR(cleanup_table_handler, struct table, table_free)
#define cleanup_table at_scope_end(cleanup_table_handler)
