/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check/ask.h"

bool ask_is_skipped(const struct rule *rule, const GPtrArray *skip)
{
    return skip && g_ptr_array_find((GPtrArray *)skip, rule, NULL);
}

/* An image by itself is in no domain: only what is about images is said of it. */
static bool applies(const struct rule_table *table, const struct look *at)
{
    return !at->domain || !at->domain->made_up || table == &rules_image || table == &rules_qcow2 ||
           table == &rules_tables || table == &rules_place;
}

static void ask(enum rule_scope scope, const struct look *at, const GPtrArray *skip,
                GPtrArray *findings)
{
    for (size_t t = 0; t < rule_table_count; t++)
        for (size_t i = 0; i < rule_tables[t]->count; i++) {
            const struct rule *rule = &rule_tables[t]->rows[i];
            struct found out = {.rule = rule, .at = at, .findings = findings};
            if (rule->scope == scope && applies(rule_tables[t], at) && !ask_is_skipped(rule, skip))
                rule->look(at, &out);
        }
}

static GPtrArray *no_findings(void)
{
    return g_ptr_array_new_with_free_func((GDestroyNotify)finding_free);
}

static void ask_disk(const struct look *domain, const struct check_disk *d, const GPtrArray *skip,
                     GPtrArray *findings)
{
    struct look at = *domain;
    at.disk = d;
    ask(RULE_DISK, &at, skip, findings);
    for (guint i = 0; i < d->images->len; i++) {
        at.image = d->images->pdata[i];
        at.layer = i;
        ask(RULE_IMAGE, &at, skip, findings);
    }
}

/* The gravest first; what is as grave stays in the order of the tables. */
static int compare_severity(const void *a, const void *b)
{
    const struct finding *x = *(struct finding *const *)a, *y = *(struct finding *const *)b;
    return (int)y->severity - (int)x->severity;
}

void ask_domain(const struct look *base, const GPtrArray *skip, GPtrArray **ret)
{
    const struct check_domain *d = base->domain;
    ret[0] = no_findings();
    ask(RULE_DOMAIN, base, skip, ret[0]);
    for (size_t i = 0; i < d->disk_count; i++) {
        ret[i + 1] = no_findings();
        ask_disk(base, &d->disks[i], skip, ret[i + 1]);
    }
    for (size_t i = 0; i <= d->disk_count; i++)
        g_ptr_array_sort(ret[i], compare_severity);
}

GPtrArray *ask_host(struct check_host *host, struct versions versions, const GPtrArray *skip)
{
    GPtrArray *findings = no_findings();
    struct look at = {.facts = host->facts, .versions = versions};
    ask(RULE_HOST, &at, skip, findings);
    g_autoptr(GPtrArray) mounts = check_host_mounts(host);
    for (guint i = 0; i < mounts->len; i++) {
        at.mount = mounts->pdata[i];
        ask(RULE_MOUNT, &at, skip, findings);
    }
    at.mount = NULL;
    g_autoptr(GPtrArray) devices = stack_seen(host->stack);
    for (guint i = 0; i < devices->len; i++) {
        at.device = devices->pdata[i];
        ask(RULE_DEVICE, &at, skip, findings);
    }
    g_ptr_array_sort(findings, compare_severity);
    return findings;
}
