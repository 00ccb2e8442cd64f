/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/proof.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "report/report.h"
#include "report/table.h"

static json_t *ratio_json(const struct proof_ratio *r)
{
    if (!isfinite(r->ratio))
        return json_null();
    return json_pack("{s:f, s:o, s:o}", "value", r->ratio, "low", report_number_json(r->low),
                     "high", report_number_json(r->high));
}

json_t *report_proof_json(const struct proof *p)
{
    json_t *works = json_array();
    for (size_t i = 0; i < p->count; i++) {
        const struct proof_work *w = &p->works[i];
        json_array_append_new(
            works, json_pack("{s:s?, s:f, s:o, s:o, s:o}", "name", w->name, "weight", w->weight,
                             "before_iops", report_number_json(w->before_iops), "after_iops",
                             report_number_json(w->after_iops), "ratio", ratio_json(&w->ratio)));
    }
    return json_pack("{s:s, s:b, s:o, s:o, s:o, s:o}", "how", p->how, "comparable", p->comparable,
                     "works", works, "ratio", ratio_json(&p->whole), "predicted",
                     ratio_json(&p->predicted), "host_iops", report_number_json(p->host_iops));
}

/* "1.52 (1.48–1.57)", "" where it is not known. */
static void add_ratio(struct table *t, const struct proof_ratio *r)
{
    if (isfinite(r->ratio))
        table_cell(t, "%.2f (%.2f–%.2f)", r->ratio, r->low, r->high);
    else
        table_cell(t, "%s", "");
}

static void add_number(struct table *t, double value)
{
    if (isfinite(value))
        table_cell(t, "%.0f", value);
    else
        table_cell(t, "%s", "");
}

static void print_table(const struct proof *p, FILE *out)
{
    static const struct table_column columns[] = {
        {"work", false}, {"before, IOPS", true}, {"after, IOPS", true}, {"after / before", true}};
    cleanup_table struct table *t = table_new(columns, ARRAY_SIZE(columns));
    for (size_t i = 0; i < p->count; i++) {
        table_cell(t, "%s", p->works[i].name ? p->works[i].name : "");
        add_number(t, p->works[i].before_iops);
        add_number(t, p->works[i].after_iops);
        add_ratio(t, &p->works[i].ratio);
    }
    if (p->count > 1 && isfinite(p->whole.ratio)) {
        table_cell(t, "all");
        add_number(t, NAN);
        add_number(t, NAN);
        add_ratio(t, &p->whole);
    }
    table_print(t, out);
}

void report_proof_text(const struct proof *p, FILE *out)
{
    bool observed = strcmp(p->how, "observed") == 0;
    fprintf(out, "\n%s:\n",
            observed ? "What the guest did by itself, which says nothing of the change alone"
            : strcmp(p->how, "dd") == 0
                ? "Measured inside the guest by its own dd, which is another work"
                : "Measured inside the guest");
    print_table(p, out);
    if (isfinite(p->predicted.ratio))
        fprintf(out, "  predicted by the plan: %.2f (%.2f–%.2f)\n", p->predicted.ratio,
                p->predicted.low, p->predicted.high);
    if (isfinite(p->host_iops))
        fprintf(out, "  the host's own file, when the plan was made: %.0f IOPS\n", p->host_iops);
}
