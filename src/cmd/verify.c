/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verify.c - virt-disktune verify: the user's own guest, measured from inside, before or after a
 * change.
 */
#include <string.h>

#include "apply/change_record.h"
#include "base/json.h"
#include "base/memory.h"
#include "cmd/apply.h"
#include "domain/edit.h"
#include "domain/lookup.h"
#include "domain/model.h"
#include "host/directories.h"
#include "report/proof.h"

struct arguments {
    struct common_options common;
    struct workload_options work;
    struct proving_options proving;
    struct operand operand;
};

struct task {
    struct arguments arguments;
    struct proving proving;
    struct progress progress;
    struct connection *connection;
    virDomainPtr domain;
    char *name, *target;
    GPtrArray *records;
    struct change_record
        *record;  /* the latest change of the disk that is made and there; NULL: none is */
    bool changed; /* it runs with that */
};

static int parse_arguments(int argc, char **argv, struct task *t, struct error **err)
{
    struct arguments *a = &t->arguments;
    const GOptionEntry own[] = {PROVING_ENTRIES(&a->proving), {NULL}};
    t->progress.options = &a->common;
    a->work.rewrites = true; /* the file in the guest is written first */
    a->operand = (struct operand){.name = "DOMAIN[/TARGET] "};
    if (options_parse(argc, argv, "measure a domain's disk inside its own guest", own, &a->common,
                      &a->work, NULL, &a->operand, err) < 0)
        return -1;
    if (!a->operand.value)
        return error_set(err, "which domain?");
    changing_split(a->operand.value, &t->name, &t->target);
    t->proving = (struct proving){&a->proving, &a->work, &t->progress};
    return proving_parse(&t->proving, err);
}

/* --- What is measured ------------------------------------------------------------------------- */

static int find_target(struct task *t, struct error **err)
{
    cleanup_free char *live = virDomainGetXMLDesc(t->domain, 0);
    if (!live)
        return connection_error(err, "cannot read what runs of %s", t->name);
    cleanup_domain_model struct domain_model *m = domain_model_from_xml(live, strlen(live), err);
    const struct domain_disk *disk = m ? domain_model_disk(m, t->target, err) : NULL;
    if (disk && !t->target)
        t->target = xstrdup(disk->target);
    return disk ? 0 : -1;
}

static int find_domain(struct task *t, struct error **err)
{
    t->connection = connection_open(t->arguments.common.connect, err);
    t->domain = t->connection ? lookup_domain(t->connection, t->name, err) : NULL;
    if (!t->domain)
        return -1;
    if (virDomainIsActive(t->domain) == 1)
        return find_target(t, err);
    error_set(err, "%s does not run", virDomainGetName(t->domain));
    return error_hint(err, "start it: what it does is measured inside it");
}

/* Whether it runs with the change, or will from its next start on; neither: somebody has taken the
 * change out, and what is measured has nothing to do with it. */
static int take_standing(struct task *t, struct error **err)
{
    enum edits_state now, then;
    bool persistent;
    cleanup_free char *next = NULL, *live = NULL;
    if (lookup_xml(t->domain, &next, &live, &persistent, err) < 0 ||
        edits_state(live ? live : next, t->record->edits, &now, err) < 0 ||
        edits_state(next, t->record->edits, &then, err) < 0)
        return -1;
    t->changed = now == EDITS_PRESENT;
    if (!t->changed && then != EDITS_PRESENT)
        t->record = NULL;
    return 0;
}

static int find_record(struct task *t, struct error **err)
{
    char uuid[VIR_UUID_STRING_BUFLEN] = "";
    cleanup_free char *state = directories_state();
    g_autoptr(GPtrArray) notes = g_ptr_array_new_with_free_func(free);
    virDomainGetUUIDString(t->domain, uuid);
    t->records = change_records_read(state, uuid, t->target, notes, err);
    for (guint i = 0; t->records && i < t->records->len; i++) {
        struct change_record *r = t->records->pdata[i];
        if (r->state == RECORD_MADE)
            t->record = r;
    }
    return !t->records || (t->record && take_standing(t, err) < 0) ? -1 : 0;
}

/* --- What came of it -------------------------------------------------------------------------- */

/* A change that is pending finds what was before it when it has come. */
static int keep(struct task *t, json_t *result, struct error **err)
{
    cleanup_free char *state = directories_state();
    const char *when = t->changed ? "after" : "before";
    return t->record ? proving_keep(state, t->record, when, result, err) : 0;
}

static int print(const struct task *t, json_t *result, bool *ret_slower, struct error **err)
{
    const json_t *before =
        t->record && t->changed ? json_object_get(t->record->measured, "before") : NULL;
    cleanup_proof struct proof proof =
        proof_make(before, result, t->record && t->changed ? t->record->plan : NULL);
    *ret_slower = proof_is_slower(&proof, t->proving.margin);
    if (t->arguments.common.json) {
        cleanup_json json_t *json =
            json_pack("{s:s, s:s, s:s, s:O, s:o}", "domain", virDomainGetName(t->domain), "disk",
                      t->target, "when",
                      !t->record   ? "now"
                      : t->changed ? "after"
                                   : "before",
                      "measured", result, "proof", report_proof_json(&proof));
        return finish_json(json, err);
    }
    const char *directory = json_string_value(json_object_get(result, "directory"));
    const char *why = json_string_value(json_object_get(result, "why"));
    printf("%s/%s%s%s%s\n", virDomainGetName(t->domain), t->target, directory ? ", in " : "",
           directory ? directory : "",
           !t->record   ? ""
           : t->changed ? ", with the change of it"
                        : ", before the change of it, which is pending");
    report_proof_text(&proof, stdout);
    if (before && !proof.comparable && strcmp(proof.how, "observed") != 0)
        printf("Before the change it was measured by other work, or elsewhere: the two are not "
               "compared.\n");
    if (why)
        printf("Our program was not run: %s\n", why);
    if (*ret_slower)
        printf("It is slower than before the change: virt-disktune rollback %s/%s\n",
               virDomainGetName(t->domain), t->target);
    return finish_output(err);
}

/* --- The verb --------------------------------------------------------------------------------- */

static int run(struct task *t, struct error **err)
{
    bool slower;
    if (find_domain(t, err) < 0 || find_record(t, err) < 0)
        return -1;
    cleanup_json json_t *result =
        proving_measure(&t->proving, t->domain, t->target, t->record ? t->record->plan : NULL, err);
    if (!result || keep(t, result, err) < 0 || print(t, result, &slower, err) < 0)
        return -1;
    return slower ? EXIT_NO : EXIT_DONE;
}

static void task_done(struct task *t)
{
    if (t->records)
        g_ptr_array_unref(t->records);
    if (t->domain)
        virDomainFree(t->domain);
    connection_close(t->connection);
    char *const owned[] = {t->name, t->target};
    for (size_t i = 0; i < ARRAY_SIZE(owned); i++)
        free(owned[i]);
}

int cmd_verify(int argc, char **argv)
{
    static struct task t; /* GLib's options in it are the process's */
    cleanup_error struct error *err = NULL;
    int r = parse_arguments(argc, argv, &t, &err) < 0 ? -1 : run(&t, &err);
    progress_clear(&t.progress);
    task_done(&t);
    return r < 0 ? fail(err) : r;
}
