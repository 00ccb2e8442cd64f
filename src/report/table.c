/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/table.h"

#include <stdarg.h>
#include <string.h>

#include "base/memory.h"

struct table {
    const struct table_column *columns;
    size_t column_count;
    GPtrArray *cells; /* row after row */
};

struct table *table_new(const struct table_column *columns, size_t count)
{
    struct table *t = xcalloc(1, sizeof(*t));
    *t = (struct table){columns, count, g_ptr_array_new_with_free_func(g_free)};
    return t;
}

void table_cell(struct table *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_ptr_array_add(t->cells, g_utf8_make_valid(text, -1));
}

static size_t width_of(const struct table *t, size_t column)
{
    size_t width = (size_t)g_utf8_strlen(t->columns[column].heading, -1);
    for (size_t i = column; i < t->cells->len; i += t->column_count) {
        size_t cell = (size_t)g_utf8_strlen(t->cells->pdata[i], -1);
        width = cell > width ? cell : width;
    }
    return width;
}

static void append_padded(GString *line, const char *text, size_t width, bool right)
{
    size_t length = (size_t)g_utf8_strlen(text, -1);
    int padding = length < width ? (int)(width - length) : 0;
    if (right)
        g_string_append_printf(line, "  %*s%s", padding, "", text);
    else
        g_string_append_printf(line, "  %s%*s", text, padding, "");
}

static void print_line(GString *line, FILE *out)
{
    while (line->len && line->str[line->len - 1] == ' ')
        g_string_truncate(line, line->len - 1);
    fprintf(out, "%s\n", line->str);
    g_string_truncate(line, 0);
}

void table_print(const struct table *t, FILE *out)
{
    g_autoptr(GString) line = g_string_new(NULL);
    cleanup_free size_t *widths = xcalloc(t->column_count, sizeof(*widths));
    for (size_t c = 0; c < t->column_count; c++) {
        widths[c] = width_of(t, c);
        append_padded(line, t->columns[c].heading, widths[c], t->columns[c].right);
    }
    print_line(line, out);
    for (size_t i = 0; i < t->cells->len; i++) {
        size_t c = i % t->column_count;
        append_padded(line, t->cells->pdata[i], widths[c], t->columns[c].right);
        if (c + 1 == t->column_count)
            print_line(line, out);
    }
}

void table_free(struct table *t)
{
    if (!t)
        return;
    g_ptr_array_unref(t->cells);
    free(t);
}
