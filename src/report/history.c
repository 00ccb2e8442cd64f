/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/report.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "report/table.h"
#include "tune/history.h"

static json_t *candidate_json(const struct history_candidate *c)
{
    json_t *json =
        json_pack("{s:o, s:o*, s:s, s:I, s:o}", "id", report_path_json(c->id), "disk",
                  json_loads(c->config, 0, NULL), "verdict", c->verdict, "rounds",
                  (json_int_t)c->rounds, "cpu_us_per_io", report_number_json(c->cpu_us_per_io));
    json_object_set_new(json, "share_of_host",
                        json_pack("{s:o, s:o, s:o}", "robust", report_number_json(c->share.value),
                                  "low", report_number_json(c->share.low), "high",
                                  report_number_json(c->share.high)));
    return json;
}

static json_t *race_json(const struct history_race *r)
{
    json_t *candidates = json_array();
    for (size_t i = 0; i < r->count; i++)
        json_array_append_new(candidates, candidate_json(&r->candidates[i]));
    json_t *json = json_object();
    const struct {
        const char *key, *text;
    } strings[] = {
        {"version", r->version}, {"directory", r->directory}, {"storage", r->storage},
        {"workload", r->work},   {"goal", r->goal},           {"accelerator", r->accelerator},
        {"qemu", r->qemu},       {"kernel", r->kernel},
    };
    json_object_set_new(json, "time", report_time_json(r->time));
    for (size_t i = 0; i < ARRAY_SIZE(strings); i++)
        json_object_set_new(json, strings[i].key, report_path_json(strings[i].text));
    json_object_set_new(json, "vcpus", json_integer(r->vcpus));
    json_object_set_new(json, "rounds", json_integer((json_int_t)r->rounds));
    json_object_set_new(json, "seconds", report_number_json(r->seconds));
    json_object_set_new(json, "settled", json_boolean(r->settled));
    json_object_set_new(json, "best", r->best ? report_path_json(r->best) : json_null());
    json_object_set_new(json, "recommended",
                        r->recommended ? report_path_json(r->recommended) : json_null());
    json_object_set_new(json, "candidates", candidates);
    return json;
}

json_t *report_history_json(const GPtrArray *races)
{
    json_t *all = json_array();
    for (guint i = 0; i < races->len; i++)
        json_array_append_new(all, race_json(races->pdata[i]));
    return json_pack("{s:o}", "races", all);
}

/* A directory's name may hold a line break, and need not be UTF-8. */
static void text_cell(struct table *t, const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    text_one_line(valid);
    table_cell(t, "%s", valid);
}

/* "raw-native", or "raw-native, 3 equal" where others were. */
static void winner_cells(struct table *t, const struct history_race *r)
{
    const struct history_candidate *winner = NULL;
    size_t equal = 0;
    for (size_t i = 0; i < r->count; i++) {
        const struct history_candidate *c = &r->candidates[i];
        equal += strcmp(c->verdict, verdict_name(VERDICT_EQUAL)) == 0;
        if (r->recommended && strcmp(c->id, r->recommended) == 0)
            winner = c;
    }
    cleanup_free char *text = !winner     ? xstrdup("none")
                              : equal > 1 ? xasprintf("%s, %zu equal", winner->id, equal)
                                          : xstrdup(winner->id);
    text_cell(t, text);
    if (winner && isfinite(winner->share.value))
        table_cell(t, "%.1f", winner->share.value * 100);
    else
        table_cell(t, "%s", "");
}

void report_history_text(const GPtrArray *races, FILE *out)
{
    static const struct table_column columns[] = {
        {"time", false},  {"work", false},      {"goal", false},
        {"accel", false}, {"rounds", true},     {"won", false},
        {"host %", true}, {"directory", false}, {"storage", false},
    };
    if (!races->len) {
        fputs("There are no races yet.\n", out);
        return;
    }
    cleanup_table struct table *t = table_new(columns, ARRAY_SIZE(columns));
    for (guint i = 0; i < races->len; i++) {
        const struct history_race *r = races->pdata[i];
        g_autofree char *time = report_time_text(r->time, "%Y-%m-%d %H:%M");
        text_cell(t, time);
        text_cell(t, r->work);
        text_cell(t, r->goal);
        text_cell(t, r->accelerator);
        table_cell(t, "%zu%s", r->rounds, r->settled ? "" : "+");
        winner_cells(t, r);
        text_cell(t, r->directory);
        text_cell(t, r->storage);
    }
    table_print(t, out);
    fputs("\n  rounds: with + the time was up before the race was settled; won: the configuration "
          "that\n"
          "  was recommended, and how many were equal; host %: its share of the host's speed\n",
          out);
}
