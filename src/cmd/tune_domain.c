/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tune_domain.c - tune for the disk of a domain: which it is, and the plan for it.
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

int tune_find_subject(struct tune_arguments *a, struct ground *ground, struct subject *ret,
                      struct error **err)
{
    if (probed_find(a->xml, &a->operand, &a->directory, &a->common.connect, ground, ret, err) < 0)
        return -1;
    if (!a->guest.vcpus)
        a->choice.vcpus = ret->vcpus;
    return 0;
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
