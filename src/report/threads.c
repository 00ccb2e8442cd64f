/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/threads.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "explain/live.h"
#include "host/cpulist.h"
#include "report/report.h"
#include "report/table.h"

json_t *report_threads_json(const GPtrArray *threads)
{
    json_t *all = json_array();
    for (guint i = 0; i < threads->len; i++) {
        const struct live_thread_group *g = threads->pdata[i];
        json_array_append_new(
            all, json_pack("{s:s, s:i, s:f, s:f, s:o, s:s?, s:s?, s:s?}", "name", g->name,
                           "threads", (int)g->threads, "cpu_percent", 100 * g->cpu,
                           "waiting_percent", 100 * g->waiting, "cpu_us_per_request",
                           report_number_json(g->us_per_request), "allowed_cpus", g->allowed,
                           "last_cpus", g->last_cpus, "last_nodes", g->last_nodes));
    }
    return all;
}

/* Scattered CPUs, of which a large machine has many, are counted: with more characters the table
 * has no room in 80 columns. */
#define CPUS_SHOWN 11

static void cpus_cell(struct table *t, const char *cpus)
{
    struct cpulist list;
    if (cpus && strlen(cpus) > CPUS_SHOWN && cpulist_parse(cpus, &list) == 0)
        table_cell(t, "%u CPUs", cpulist_count(&list));
    else
        table_cell(t, "%s", cpus ? cpus : "-");
}

void report_threads_text(const GPtrArray *threads, FILE *out)
{
    static const struct table_column columns[] = {
        {"QEMU's threads", false}, {"CPU", true},      {"waits", true}, {"per request", true},
        {"may run on", true},      {"ran last", true}, {"node", true}};
    cleanup_table struct table *t = table_new(columns, ARRAY_SIZE(columns));
    for (guint i = 0; i < threads->len; i++) {
        const struct live_thread_group *g = threads->pdata[i];
        cleanup_free char *time =
            isfinite(g->us_per_request) ? report_us_text(g->us_per_request) : NULL;
        if (g->threads > 1)
            table_cell(t, "%s (%u)", g->name, g->threads);
        else
            table_cell(t, "%s", g->name);
        table_cell(t, "%.1f %%", 100 * g->cpu);
        table_cell(t, "%.1f %%", 100 * g->waiting);
        table_cell(t, "%s", time ? time : "-");
        cpus_cell(t, g->allowed);
        cpus_cell(t, g->last_cpus);
        table_cell(t, "%s", g->last_nodes ? g->last_nodes : "-");
    }
    table_print(t, out);
}
