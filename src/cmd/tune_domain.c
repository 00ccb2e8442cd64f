/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tune_domain.c - tune for the disk of a domain: what is read of it before, and the plan after.
 */
#include "cmd/tune.h"

#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "domain/needs.h"
#include "host/directories.h"
#include "report/report.h"
#include "tune/plan.h"

bool tune_has_subject(const struct tune_arguments *a)
{
    return a->operand.value || a->xml;
}

/* --- Before ----------------------------------------------------------------------------------- */

static int read_subject(const struct tune_arguments *a, struct ground *ground, struct subject *ret,
                        struct error **err)
{
    if (a->xml)
        return subject_from_file(a->xml, a->operand.value, a->directory, ret, err);
    ground->connection = connection_open(a->common.connect, err);
    if (!ground->connection || connection_require_local_qemu(ground->connection, err) < 0)
        return -1;
    return subject_from_domain(ground->connection, a->operand.value, a->directory, ret, err);
}

static void take_over(char **option, const char *value)
{
    if (!*option && value)
        *option = g_strdup(value);
}

int tune_find_subject(struct tune_arguments *a, struct ground *ground, struct subject *ret,
                      struct error **err)
{
    if (read_subject(a, ground, ret, err) < 0)
        return -1;
    const struct domain_model *m = ret->definitions.next;
    take_over(&a->directory, ret->directory);
    take_over(&a->common.connect, ret->uri);
    if (!a->guest.vcpus)
        a->choice.vcpus = m->vcpus;
    return option_directory(&a->directory, err);
}

/* --- After ------------------------------------------------------------------------------------ */

void tune_doubt_subject(const struct subject *subject, enum accelerator accelerator,
                        GPtrArray *warnings)
{
    for (guint i = 0; i < subject->notes->len; i++)
        trust_say(warnings, "%s", (const char *)subject->notes->pdata[i]);
    if (accelerator == ACCELERATOR_TCG && subject->mirror.vcpu_pin_count)
        trust_say(warnings, "the domain's vCPUs are pinned; under TCG libvirt pins none, and the "
                            "probe guest's were not");
}

/* What was measured of the current configuration and of the one that is recommended. */
static json_t *evidence_of(const struct tune_report *report)
{
    static const char *const kept[] = {"accelerator", "seconds",  "directory", "workload",
                                       "workloads",   "guest",    "host",      "margin",
                                       "settled",     "warnings", "goal"};
    cleanup_json json_t *all = report_tune_json(report);
    json_t *evidence = json_object(), *candidates = json_array(), *candidate;
    for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
        if (json_object_get(all, kept[i]))
            json_object_set(evidence, kept[i], json_object_get(all, kept[i]));
    size_t i;
    json_array_foreach (json_object_get(all, "candidates"), i, candidate) {
        const char *id = json_string_value(json_object_get(candidate, "id"));
        if (json_is_true(json_object_get(candidate, "current")) ||
            strcmp(id, report->outcome->recommended->candidate->id) == 0)
            json_array_append(candidates, candidate);
    }
    json_object_set_new(evidence, "candidates", candidates);
    return evidence;
}

int tune_write_plan(const struct tune_arguments *a, const struct subject *subject,
                    const struct tune_report *report, char **ret_path, struct error **err)
{
    const struct standing *chosen = report->outcome->recommended;
    const struct domain_model *m = subject->definitions.next;
    *ret_path = NULL;
    if (!chosen || chosen->candidate->current)
        return 0;
    cleanup_json json_t *needs = disk_needs_to_json(chosen->candidate->needs);
    cleanup_json json_t *evidence = evidence_of(report);
    struct plan_parts parts = {
        .uri = subject->uri,
        .name = m->name,
        .uuid = m->uuid,
        .target = subject->disk->target,
        .disk_sha256 = subject->disk->hash,
        .current = &subject->current,
        .chosen = &chosen->candidate->config,
        .needs = needs,
        .evidence = evidence,
    };
    cleanup_json json_t *plan = plan_new(&parts);
    cleanup_free char *state = directories_state();
    cleanup_free char *path =
        a->plan ? xstrdup(a->plan)
                : plan_default_path(state, m->uuid ? m->uuid : m->name, subject->disk->target);
    if (plan_write(plan, path, err) < 0)
        return -1;
    *ret_path = TAKE_PTR(path);
    return 0;
}
