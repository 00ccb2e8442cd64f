/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tune/goal.h"

#include <glib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"

static const char *const names[] = {
    [AIM_THROUGHPUT] = "throughput",
    [AIM_LATENCY] = "latency",
    [AIM_CPU] = "cpu",
};

const struct goal goal_throughput = {{[AIM_THROUGHPUT] = 1}};

static int add_aim(struct goal *g, char *item, struct error **err)
{
    double weight;
    if (text_split_weight(g_strstrip(item), &weight, err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (strcmp(item, names[i]) != 0)
            continue;
        g->weights[i] += weight;
        return 0;
    }
    error_set(err, "there is no goal '%s'", item);
    return error_hint(err, "goals are throughput, latency and cpu, or several: throughput:2,cpu");
}

int goal_parse(const char *list, struct goal *ret, struct error **err)
{
    struct goal g = {0};
    g_auto(GStrv) items = g_strsplit(*list ? list : ",", ",", -1);
    for (char **item = items; *item; item++)
        if (add_aim(&g, *item, err) < 0)
            return -1;
    *ret = g;
    return 0;
}

static unsigned count_aims(const struct goal *g)
{
    unsigned count = 0;
    for (enum aim i = 0; i < AIM_MAX; i++)
        count += goal_has(g, i);
    return count;
}

char *goal_text(const struct goal *g)
{
    g_autoptr(GString) text = g_string_new(NULL);
    for (enum aim i = 0; i < AIM_MAX; i++) {
        if (!goal_has(g, i))
            continue;
        g_string_append_printf(text, "%s%s", text->len ? "," : "", names[i]);
        if (count_aims(g) > 1 && g->weights[i] != 1)
            g_string_append_printf(text, ":%g", g->weights[i]);
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

bool goal_has(const struct goal *g, enum aim aim)
{
    return g->weights[aim] > 0;
}

bool goal_is_throughput(const struct goal *g)
{
    return goal_has(g, AIM_THROUGHPUT) && count_aims(g) == 1;
}
