/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/check_json.h"

#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "check/combine.h"
#include "check/rule.h"
#include "report/check.h"
#include "report/report.h"
#include "report/table.h"

/* --- Versions --------------------------------------------------------------------------------- */

static char *version_text(unsigned long v)
{
    return xasprintf("%lu.%lu.%lu", v / 1000000, v / 1000 % 1000, v % 1000);
}

char *report_since_text(const struct versions *since)
{
    cleanup_free char *qemu = version_text(since->qemu), *libvirt = version_text(since->libvirt);
    return xasprintf("%s%s%s%s%s", since->qemu ? "QEMU " : "", since->qemu ? qemu : "",
                     since->qemu && since->libvirt ? " and " : "", since->libvirt ? "libvirt " : "",
                     since->libvirt ? libvirt : "");
}

static json_t *version_json(unsigned long v)
{
    cleanup_free char *text = version_text(v);
    return v ? json_string(text) : json_null();
}

/* --- Findings --------------------------------------------------------------------------------- */

static json_t *optional(const char *text)
{
    return text ? report_path_json(text) : json_null();
}

static json_t *needs_json(unsigned needs)
{
    json_t *all = json_array();
    for (unsigned flag = 1; flag < FIX_NEEDS_END; flag <<= 1)
        if (needs & flag)
            json_array_append_new(all, json_string(fix_needs_name(flag)));
    return all;
}

static json_t *fix_json(const struct finding *f)
{
    if (!f->fix)
        return json_null();
    const struct versions *since = &f->rule->since;
    return json_pack("{s:s, s:o, s:o, s:{s:o, s:o}, s:b}", "kind", fix_kind_names[f->kind], "text",
                     report_path_json(f->fix), "needs", needs_json(f->needs), "since", "qemu",
                     version_json(since->qemu), "libvirt", version_json(since->libvirt),
                     "available", f->available);
}

static json_t *findings_json(const GPtrArray *findings)
{
    json_t *all = json_array();
    for (guint i = 0; findings && i < findings->len; i++) {
        const struct finding *f = findings->pdata[i];
        json_array_append_new(all, json_pack("{s:s, s:s, s:o, s:s, s:o, s:s}", "rule", f->rule->id,
                                             "severity", severity_names[f->severity], "summary",
                                             report_path_json(f->summary), "why", f->rule->why,
                                             "fix", fix_json(f), "source", f->rule->source));
    }
    return all;
}

static json_t *ids_json(const GPtrArray *rules)
{
    json_t *all = json_array();
    for (guint i = 0; i < rules->len; i++)
        json_array_append_new(all, json_string(((const struct rule *)rules->pdata[i])->id));
    return all;
}

static json_t *combined_json(const struct check_disk *d, const GPtrArray *findings)
{
    cleanup_combined struct combined *c = combine_fixes(d, findings, SEVERITY_NOTE);
    return c ? json_pack("{s:s, s:o, s:o, s:o, s:o}", "kind", fix_kind_names[FIX_XML], "text",
                         report_path_json(c->text), "needs", needs_json(c->needs), "rules",
                         ids_json(c->rules), "left_out", ids_json(c->left_out))
             : json_null();
}

static json_t *disk_json(const struct check_disk *d, const GPtrArray *findings)
{
    const struct domain_disk *m = d->model;
    cleanup_free char *place = d->place ? place_describe(d->place) : NULL;
    return json_pack("{s:o, s:o, s:s, s:o, s:i, s:o, s:o}", "target", optional(m->target), "source",
                     optional(m->source), "format", m->config.format, "storage", optional(place),
                     "images_read", (int)d->images->len, "findings", findings_json(findings),
                     "combined_fix", combined_json(d, findings));
}

static void dump(json_t *json, size_t flags, FILE *out)
{
    json_dumpf(json, out, flags | JSON_COMPACT);
}

void report_check_domain_json(const struct check_domain *d, const char *image,
                              GPtrArray *const *findings, FILE *out)
{
    cleanup_json json_t *disks = json_array();
    for (size_t i = 0; i < d->disk_count; i++)
        json_array_append_new(disks, disk_json(&d->disks[i], findings[i + 1]));
    cleanup_json json_t *json =
        json_pack("{s:o, s:b, s:o, s:O}", "name", optional(d->name), "running", d->running,
                  "findings", findings_json(findings[0]), "disks", disks);
    if (d->file)
        json_object_set_new(json, "file", optional(d->file));
    if (image)
        json_object_set_new(json, "image", optional(image));
    dump(json, 0, out);
}

void report_check_host_json(const GPtrArray *host, const GPtrArray *notes, FILE *out)
{
    cleanup_json json_t *json = json_pack("{s:{s:o}, s:o}", "host", "findings", findings_json(host),
                                          "notes", report_strings_json((GPtrArray *)notes));
    dump(json, JSON_EMBED, out);
    fputs("\n}\n", out);
}

/* --- Rules ------------------------------------------------------------------------------------ */

static const char *const scope_names[] = {
    [RULE_DOMAIN] = "domain", [RULE_DISK] = "disk",   [RULE_IMAGE] = "image",
    [RULE_DEVICE] = "device", [RULE_MOUNT] = "mount", [RULE_HOST] = "host",
};

static json_t *rule_json(const struct rule *r)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:{s:o, s:o}, s:s}", "rule", r->id, "severity",
                     severity_names[r->severity], "scope", scope_names[r->scope], "title", r->title,
                     "why", r->why, "needs", needs_json(r->needs), "since", "qemu",
                     version_json(r->since.qemu), "libvirt", version_json(r->since.libvirt),
                     "source", r->source);
}

static void print_rules(const GPtrArray *rules, FILE *out)
{
    static const struct table_column columns[] = {
        {"rule", false}, {"severity", false}, {"looks at", false}, {"finds that", false}};
    cleanup_table struct table *t = table_new(columns, ARRAY_SIZE(columns));
    for (guint i = 0; i < rules->len; i++) {
        const struct rule *r = rules->pdata[i];
        table_cell(t, "%s", r->id);
        table_cell(t, "%s", severity_names[r->severity]);
        table_cell(t, "%s", scope_names[r->scope]);
        table_cell(t, "%s", r->title);
    }
    table_print(t, out);
}

void report_rules(bool json, FILE *out)
{
    g_autoptr(GPtrArray) rules = g_ptr_array_new();
    for (size_t t = 0; t < rule_table_count; t++)
        for (size_t i = 0; i < rule_tables[t]->count; i++)
            g_ptr_array_add(rules, (gpointer)&rule_tables[t]->rows[i]);
    if (!json) {
        print_rules(rules, out);
        return;
    }
    cleanup_json json_t *all = json_array();
    for (guint i = 0; i < rules->len; i++)
        json_array_append_new(all, rule_json(rules->pdata[i]));
    cleanup_json json_t *object = json_pack("{s:O}", "rules", all);
    report_print_json(object, out);
}
