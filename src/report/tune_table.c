/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/tune_table.h"

#include <math.h>

#include "base/memory.h"
#include "report/table.h"

/* More works than these do not fit beside each other. */
#define PARTS_SHOWN 8

char *report_work_name(const struct suite *suite, size_t work)
{
    const char *name = suite->works[work].workload.name;
    return name[0] ? xstrdup(name) : xasprintf("work %zu", work + 1);
}

/* --- Cells, which the caller frees ------------------------------------------------------------ */

/* Empty where there is no figure. */
static char *number(double value, int decimals)
{
    return isfinite(value) ? xasprintf("%.*f", decimals, value) : xstrdup("");
}

static char *host_name(const struct outcome *o)
{
    (void)o;
    return xstrdup("host file");
}

static char *own_name(const struct standing *s)
{
    return xstrdup(s->candidate->id);
}

static char *host_speed(const struct outcome *o)
{
    return number(o->host.mb_per_s, 0);
}

static char *own_speed(const struct standing *s)
{
    return number(s->figures.mb_per_s, 0);
}

static char *host_whole(const struct outcome *o)
{
    (void)o;
    return xstrdup("100");
}

static char *own_share(const struct standing *s)
{
    return number(s->share.value * 100, 1);
}

static char *own_goal(const struct standing *s)
{
    return number(s->goal_share.value * 100, 1);
}

static char *own_interval(const struct standing *s)
{
    const struct interval *i = &s->goal_share;
    return isfinite(i->low) && isfinite(i->high)
               ? xasprintf("%.1f–%.1f", i->low * 100, i->high * 100)
               : xstrdup("unknown");
}

/* By how many percent it is more; a little less than nothing is nothing. */
static double percent_more(double ratio)
{
    return round((ratio - 1) * 100) + 0.0;
}

static char *own_vs_current(const struct standing *s)
{
    const struct interval *i = &s->vs_current;
    if (s->candidate->current)
        return xstrdup("current");
    if (!isfinite(i->low) || !isfinite(i->high))
        return xasprintf("%+.0f", percent_more(i->value));
    return xasprintf("%+.0f (%+.0f…%+.0f)", percent_more(i->value), percent_more(i->low),
                     percent_more(i->high));
}

static char *own_mean(const struct standing *s)
{
    return number(s->mean_share * 100, 1);
}

static char *host_p99(const struct outcome *o)
{
    return number(o->host.latency.p99, 0);
}

static char *own_p99(const struct standing *s)
{
    return number(s->figures.latency.p99, 0);
}

static char *host_one(const struct outcome *o)
{
    (void)o;
    return xstrdup("1.00");
}

static char *own_p99_ratio(const struct standing *s)
{
    return number(s->p99_ratio, 2);
}

static char *host_cpu(const struct outcome *o)
{
    return number(o->host_cpu_us_per_io, 0);
}

static char *own_cpu(const struct standing *s)
{
    return number(s->cpu_us_per_io, 0);
}

static char *own_verdict(const struct standing *s)
{
    return xasprintf("%s%s", verdict_name(s->verdict), s->front ? " *" : "");
}

/* --- Columns ---------------------------------------------------------------------------------- */

static bool is_one_work(const struct outcome *o)
{
    return o->part_count == 1;
}

static bool has_several_works(const struct outcome *o)
{
    return !is_one_work(o);
}

static bool has_other_goal(const struct outcome *o)
{
    return !goal_is_throughput(&o->goal);
}

static bool has_mean(const struct outcome *o)
{
    return is_one_work(o) && !has_other_goal(o) && !o->current;
}

static bool has_current(const struct outcome *o)
{
    return o->current;
}

/* There is room for one interval beside that of the goal. */
static bool has_speed(const struct outcome *o)
{
    return is_one_work(o) && !(has_other_goal(o) && has_current(o));
}

static const struct column {
    struct table_column column;
    bool (*shown)(const struct outcome *o); /* NULL: always */
    char *(*host)(const struct outcome *o); /* NULL: empty */
    char *(*own)(const struct standing *s);
    bool of_failed; /* has a cell of them, too */
    const char *meaning;
} columns[] = {
    {{"configuration", false}, NULL, host_name, own_name, true, NULL},
    {{"MB/s", true}, has_speed, host_speed, own_speed, false, NULL},
    {{"host %", true},
     NULL,
     host_whole,
     own_share,
     false,
     "host %: share of the host's speed, robust mean over all rounds"},
    {{"goal %", true},
     has_other_goal,
     host_whole,
     own_goal,
     false,
     "goal %: the same of what the goal is, where more is better, and 100 as good as the host"},
    {{"95 % int.", true}, NULL, NULL, own_interval, false, "95 % int.: its interval"},
    {{"vs current %", true},
     has_current,
     NULL,
     own_vs_current,
     false,
     "vs current: how much faster than the current configuration, with its interval"},
    {{"mean %", true},
     has_mean,
     NULL,
     own_mean,
     false,
     "mean %: plain ratio of the MB/s, lower where there are stalls"},
    {{"p99 µs", true}, is_one_work, host_p99, own_p99, false, NULL},
    {{"p99 ×", true},
     has_several_works,
     host_one,
     own_p99_ratio,
     false,
     "p99 ×: the latency that one request of a hundred exceeds, by that of the host"},
    {{"CPU µs", true}, NULL, host_cpu, own_cpu, false, "CPU: QEMU's, per request"},
    {{"verdict", false}, NULL, NULL, own_verdict, true, NULL},
};

static bool is_shown(const struct column *c, const struct outcome *o)
{
    return !c->shown || c->shown(o);
}

/* A row: the host's where there is no standing. */
static void add_row(struct table *t, const struct outcome *o, const struct standing *s)
{
    for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
        const struct column *c = &columns[i];
        if (!is_shown(c, o))
            continue;
        bool empty = s ? s->failure && !c->of_failed : !c->host;
        cleanup_free char *cell = empty ? xstrdup("") : s ? c->own(s) : c->host(o);
        table_cell(t, "%s", cell);
    }
}

/* What the columns that are shown mean. */
static void print_meanings(const struct outcome *o, FILE *out)
{
    g_autoptr(GString) text = g_string_new(NULL);
    for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
        if (is_shown(&columns[i], o) && columns[i].meaning)
            g_string_append_printf(text, "%s%s", text->len ? "; " : "", columns[i].meaning);
    if (!is_one_work(o))
        g_string_append(text, "; of all works together the geometric mean by what each counts for");
    g_string_append_printf(
        text,
        "; *: on the Pareto front, as no other is at least as good in speed, p99 "
        "and CPU, and in one better by %.3g %%",
        o->margin * 100);
    report_print_wrapped(text->str, 2, out);
}

static void print_main(const struct outcome *o, FILE *out)
{
    struct table_column shown[ARRAY_SIZE(columns)];
    size_t count = 0;
    for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
        if (is_shown(&columns[i], o))
            shown[count++] = columns[i].column;
    cleanup_table struct table *t = table_new(shown, count);
    add_row(t, o, NULL);
    for (size_t i = 0; i < o->count; i++)
        add_row(t, o, &o->standings[i]);
    table_print(t, out);
    fputc('\n', out);
}

/* --- Each of several works -------------------------------------------------------------------- */

/* The host's row has its requests a second in each work. */
static void add_part_rows(struct table *t, const struct outcome *o, size_t parts)
{
    table_cell(t, "host file, IOPS");
    for (size_t k = 0; k < parts; k++)
        table_cell(t, "%.0f", o->host_parts[k].figures.iops);
    for (size_t i = 0; i < o->count; i++) {
        const struct standing *s = &o->standings[i];
        if (s->failure)
            continue;
        table_cell(t, "%s", s->candidate->id);
        for (size_t k = 0; k < parts; k++)
            table_cell(t, "%.1f", s->parts[k].share.value * 100);
    }
}

static void print_parts(const struct tune_report *r, FILE *out)
{
    const struct outcome *o = r->outcome;
    size_t parts = MIN(o->part_count, PARTS_SHOWN);
    struct table_column shown[PARTS_SHOWN + 1] = {{"host % in", false}};
    char *names[PARTS_SHOWN];
    for (size_t k = 0; k < parts; k++) {
        names[k] = report_work_name(r->suite, k);
        shown[k + 1] = (struct table_column){names[k], true};
    }
    struct table *t = table_new(shown, parts + 1);
    add_part_rows(t, o, parts);
    table_print(t, out);
    table_free(t);
    for (size_t k = 0; k < parts; k++)
        free(names[k]);
    if (o->part_count > parts) {
        cleanup_free char *more =
            xasprintf("%zu more of the works are in the figures of all, and by themselves in "
                      "--json alone",
                      o->part_count - parts);
        report_print_wrapped(more, 2, out);
    }
    fputc('\n', out);
}

void report_tune_table(const struct tune_report *r, FILE *out)
{
    print_main(r->outcome, out);
    if (!is_one_work(r->outcome))
        print_parts(r, out);
    print_meanings(r->outcome, out);
}
