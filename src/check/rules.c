/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check/rule.h"

#include <string.h>

#include "base/memory.h"
#include "base/text.h"

const struct rule_table *const rule_tables[] = {
    &rules_reading, &rules_effective, &rules_held,   &rules_domain, &rules_refused, &rules_bus,
    &rules_cache,   &rules_discard,   &rules_thread, &rules_queue,  &rules_pin,     &rules_image,
    &rules_qcow2,   &rules_tables,    &rules_place,  &rules_device, &rules_host,    &rules_guest,
};
const size_t rule_table_count = ARRAY_SIZE(rule_tables);

const struct rule *rule_find(const char *id)
{
    for (size_t t = 0; t < rule_table_count; t++)
        for (size_t i = 0; i < rule_tables[t]->count; i++)
            if (strcmp(rule_tables[t]->rows[i].id, id) == 0)
                return &rule_tables[t]->rows[i];
    return NULL;
}

struct finding *found_say(struct found *out, const char *format, ...)
{
    struct finding *f = xcalloc(1, sizeof(*f));
    va_list args;
    va_start(args, format);
    *f = (struct finding){
        .rule = out->rule,
        .severity = out->rule->severity,
        .summary = xvasprintf(format, args),
        .needs = out->rule->needs,
        .available = look_has_versions(out->at, &out->rule->since),
    };
    va_end(args);
    text_one_line(f->summary);
    g_ptr_array_add(out->findings, f);
    return f;
}

void finding_fix(struct finding *f, enum fix_kind kind, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    free(f->fix);
    f->kind = kind;
    f->fix = xvasprintf(format, args);
    va_end(args);
}

void finding_fix_driver(struct finding *f, const struct check_disk *d, const char *name,
                        const char *value)
{
    cleanup_free char *driver = look_driver_with(d, name, value, NULL);
    finding_fix(f, FIX_XML, "%s", driver);
}
