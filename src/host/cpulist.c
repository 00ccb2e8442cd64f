/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/cpulist.h"

#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/memory.h"

static void set(struct cpulist *l, unsigned first, unsigned last)
{
    for (unsigned cpu = first; cpu <= last; cpu++)
        l->words[cpu / 64] |= UINT64_C(1) << cpu % 64;
}

/* A number that *text begins with, which it is moved behind; -1 for none. */
static int parse_number(const char **text, unsigned *ret)
{
    char *end;
    if (!g_ascii_isdigit(**text))
        return -1;
    unsigned long value = strtoul(*text, &end, 10);
    if (value >= CPULIST_MAX)
        return -1;
    *text = end;
    *ret = (unsigned)value;
    return 0;
}

/* "5", "0-3", "^2". */
static int parse_item(const char *item, struct cpulist *in, struct cpulist *out)
{
    unsigned first, last;
    struct cpulist *which = *item == '^' ? out : in;
    item += *item == '^';
    if (parse_number(&item, &first) < 0)
        return -1;
    last = first;
    if (*item == '-') {
        item++;
        if (which == out || parse_number(&item, &last) < 0)
            return -1;
    }
    if (*item || last < first)
        return -1;
    set(which, first, last);
    return 0;
}

int cpulist_parse(const char *text, struct cpulist *ret)
{
    struct cpulist out = {0};
    *ret = (struct cpulist){0};
    if (!text)
        return -1;
    g_auto(GStrv) items = g_strsplit(text, ",", -1);
    for (char **item = items; *item; item++)
        if (parse_item(g_strstrip(*item), ret, &out) < 0) {
            *ret = (struct cpulist){0};
            return -1;
        }
    cpulist_remove(ret, &out);
    return 0;
}

bool cpulist_has(const struct cpulist *l, unsigned cpu)
{
    return cpu < CPULIST_MAX && (l->words[cpu / 64] >> cpu % 64 & 1);
}

unsigned cpulist_count(const struct cpulist *l)
{
    unsigned count = 0;
    for (size_t i = 0; i < ARRAY_SIZE(l->words); i++)
        count += (unsigned)__builtin_popcountll(l->words[i]);
    return count;
}

bool cpulist_covers(const struct cpulist *l, const struct cpulist *part)
{
    for (size_t i = 0; i < ARRAY_SIZE(l->words); i++)
        if (part->words[i] & ~l->words[i])
            return false;
    return cpulist_count(part) != 0;
}

void cpulist_include(struct cpulist *l, unsigned cpu)
{
    if (cpu < CPULIST_MAX)
        set(l, cpu, cpu);
}

void cpulist_add(struct cpulist *l, const struct cpulist *more)
{
    for (size_t i = 0; i < ARRAY_SIZE(l->words); i++)
        l->words[i] |= more->words[i];
}

void cpulist_remove(struct cpulist *l, const struct cpulist *those)
{
    for (size_t i = 0; i < ARRAY_SIZE(l->words); i++)
        l->words[i] &= ~those->words[i];
}

void cpulist_keep(struct cpulist *l, const struct cpulist *those)
{
    for (size_t i = 0; i < ARRAY_SIZE(l->words); i++)
        l->words[i] &= those->words[i];
}

char *cpulist_format(const struct cpulist *l)
{
    g_autoptr(GString) text = g_string_new(NULL);
    for (unsigned cpu = 0; cpu < CPULIST_MAX; cpu++) {
        unsigned last = cpu;
        if (!cpulist_has(l, cpu))
            continue;
        while (cpulist_has(l, last + 1))
            last++;
        g_string_append_printf(text, "%s%u", text->len ? "," : "", cpu);
        if (last > cpu)
            g_string_append_printf(text, "-%u", last);
        cpu = last;
    }
    return xstrdup(text->str);
}
