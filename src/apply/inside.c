/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "apply/inside.h"

#include <math.h>
#include <string.h>

#include "apply/inside_ways.h"
#include "base/json.h"
#include "base/memory.h"
#include "check/guest.h"
#include "check/subject.h"
#include "domain/agent.h"
#include "domain/lookup.h"

/* --- Where ------------------------------------------------------------------------------------ */

/* The file system with most in it is not asked for: the one at the shortest path is the disk's own
 * more often than what is mounted below it for a purpose. */
static const char *shortest_mount(const struct guest_disk *disk)
{
    const char *found = NULL;
    for (guint i = 0; disk->mounts && i < disk->mounts->len; i++) {
        const struct mount *m = disk->mounts->pdata[i];
        bool boot = g_str_has_prefix(m->point, "/boot") || g_str_has_prefix(m->point, "/efi");
        if (!boot && (!found || strlen(m->point) < strlen(found)))
            found = m->point;
    }
    return found;
}

static char *directory_of(const struct guest_facts *facts, const char *target, struct error **err)
{
    if (facts->silent) {
        error_set(err, "%s", facts->silent);
        return NULL;
    }
    for (guint i = 0; i < facts->disks->len; i++) {
        const struct guest_disk *disk = facts->disks->pdata[i];
        const char *point =
            disk->target && strcmp(disk->target, target) == 0 ? shortest_mount(disk) : NULL;
        if (point)
            return xstrdup(point);
    }
    error_set(err, "no file system of the guest is seen to lie on %s", target);
    error_hint(err, "name a directory in the guest that does (--path)");
    return NULL;
}

/* Where in the guest a file lies on the disk. The caller frees. */
static char *find_directory(virDomainPtr domain, const char *target, struct error **err)
{
    bool persistent;
    cleanup_free char *next = NULL, *live = NULL;
    if (lookup_xml(domain, &next, &live, &persistent, err) < 0)
        return NULL;
    const struct subject_source source = {.xml = next, .length = strlen(next), .live = live};
    cleanup_check_domain struct check_domain *d = check_domain_new(NULL, &source, err);
    if (!d)
        return NULL;
    guest_look(domain, live, d);
    return directory_of(d->guest, target, err);
}

/* --- What ------------------------------------------------------------------------------------- */

struct suite *inside_suite_of_plan(const json_t *plan, uint64_t bytes, uint64_t run_ns)
{
    size_t i;
    json_t *item;
    cleanup_suite struct suite *suite = suite_new("");
    json_array_foreach (json_object_get(json_object_get(plan, "evidence"), "workloads"), i, item) {
        struct work w = {
            .span_bytes = bytes,
            .weight = json_number_value(json_object_get(item, "weight")),
            .bounds = {.bytes = bytes, .duration_ns = run_ns, .time_based = true},
        };
        if (i >= SUITE_WORKS_MAX || !(w.weight > 0) || !isfinite(w.weight) ||
            workload_from_json(item, &w.workload, NULL) < 0)
            return NULL;
        suite_add(suite, &w, /* beside = */ false);
    }
    return suite->count ? TAKE_PTR(suite) : NULL;
}

/* --- The ways --------------------------------------------------------------------------------- */

static void add_how(json_t *result, const char *how, const char *why, const char *directory)
{
    json_object_set_new(result, "how", json_string(how));
    json_object_set_new(result, "why", why ? json_string(why) : json_null());
    json_object_set_new(result, "directory", directory ? json_string(directory) : json_null());
}

/* By the agent, with the program or else dd; NULL where it runs neither, and `why`. */
static json_t *by_agent(struct agent *a, const struct inside_options *o, const char *directory,
                        struct error **why, bool *ret_final)
{
    *ret_final = false;
    json_t *result = inside_by_program(a, o, directory, ret_final, why);
    if (result) {
        add_how(result, "program", NULL, directory);
        return result;
    }
    if (*ret_final)
        return NULL;
    cleanup_error struct error *no_dd = NULL;
    result = inside_by_dd(a, o, directory, &no_dd);
    if (result)
        add_how(result, "dd", (*why)->message, directory);
    return result;
}

json_t *inside_measure(virDomainPtr domain, const struct inside_options *o, struct error **err)
{
    cleanup_error struct error *why = NULL;
    cleanup_agent struct agent *agent = agent_open(domain, &why);
    bool runs = agent && agent_can(agent, "guest-exec") && agent_can(agent, "guest-file-open");
    if (agent && !runs)
        error_set(&why, "the guest's agent runs no programs for others (guest-exec)");
    if (runs) {
        bool final;
        cleanup_free char *found = o->directory ? NULL : find_directory(domain, o->target, err);
        const char *directory = o->directory ? o->directory : found;
        if (!directory)
            return NULL;
        json_t *result = by_agent(agent, o, directory, &why, &final);
        if (result)
            return result;
        if (final) {
            if (err)
                *err = TAKE_PTR(why);
            return NULL;
        }
    }
    json_t *result = inside_by_observing(domain, o, err);
    if (result)
        add_how(result, "observed", why ? why->message : NULL, NULL);
    return result;
}
