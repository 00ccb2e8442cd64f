/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * apply.c - virt-disktune apply: a plan, or settings, become the definition of a domain.
 */
#include <string.h>

#include "apply/change.h"
#include "apply/clone.h"
#include "apply/diff.h"
#include "apply/proof.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "base/json.h"
#include "base/memory.h"
#include "cmd/apply.h"
#include "domain/lookup.h"
#include "host/directories.h"
#include "tune/plan.h"

struct arguments {
    struct common_options common;
    struct changing_options changing;
    struct proving_options proving;
    struct workload_options work;
    gboolean shared, no_verify, keep_slower;
    char **set, *xml;
    struct operand operand;
};

/* What is to be applied, and to what. */
struct task {
    struct arguments arguments;
    struct changing changing;
    struct proving proving;
    json_t *measured; /* before the change; NULL */
    json_t *measured_after;
    struct proof proof; /* of the two */
    json_t *plan;       /* NULL: settings by hand */
    GArray *settings;   /* struct disk_setting */
    char *name, *target;
    char *before, *after; /* the definition */
};

/* --- Arguments -------------------------------------------------------------------------------- */

static int parse_arguments(int argc, char **argv, struct task *t, struct error **err)
{
    struct arguments *a = &t->arguments;
    const GOptionEntry own[] = {
        {"set", 's', 0, G_OPTION_ARG_STRING_ARRAY, &a->set,
         "A setting of the disk: cache, io, discard, detect_zeroes, queues, iothread (an id or "
         "new), metadata_cache (a size); KEY= takes one away",
         "KEY=VALUE"},
        {"xml", 0, 0, G_OPTION_ARG_FILENAME, &a->xml,
         "Edit this file's domain, and print it; then TARGET is the argument", "FILE"},
        {"shared-controller", 0, 0, G_OPTION_ARG_NONE, &a->shared,
         "A SCSI controller may be changed for its other disks as well", NULL},
        {"no-verify", 0, 0, G_OPTION_ARG_NONE, &a->no_verify,
         "With --restart: do not measure inside the guest before and after", NULL},
        {"keep-slower", 0, 0, G_OPTION_ARG_NONE, &a->keep_slower,
         "With --restart: do not roll back what is slower than before", NULL},
        CHANGING_ENTRIES(&a->changing),
        PROVING_ENTRIES(&a->proving),
        {NULL},
    };
    a->work.rewrites = true; /* the file in the guest is written first */
    a->operand = (struct operand){.name = "PLAN | DOMAIN[/TARGET] --set KEY=VALUE… "};
    if (options_parse(argc, argv, "change the definition of a domain's disk", own, &a->common,
                      &a->work, NULL, &a->operand, err) < 0)
        return -1;
    if (!a->operand.value && !(a->xml && a->set)) {
        error_set(err, "what is to be applied?");
        return error_hint(err, "a plan that tune has written, or DOMAIN/TARGET --set io=native");
    }
    if (a->xml && (a->changing.restart || a->common.connect))
        return error_set(err, "--xml edits a file, and no domain");
    t->changing.common = &a->common;
    t->changing.options = &a->changing;
    t->changing.progress.options = &a->common;
    t->proving = (struct proving){&a->proving, &a->work, &t->changing.progress};
    if ((a->no_verify || a->keep_slower) && !a->changing.restart)
        return error_set(err, "--no-verify and --keep-slower are for --restart");
    return changing_parse(&t->changing, err) < 0 || proving_parse(&t->proving, err) < 0 ? -1 : 0;
}

static int read_settings(struct task *t, struct error **err)
{
    t->settings = g_array_new(FALSE, FALSE, sizeof(struct disk_setting));
    for (char **set = t->arguments.set; *set; set++) {
        struct disk_setting s;
        if (disk_setting_parse(*set, &s, err) < 0)
            return error_prefix(err, "--set %s", *set);
        g_array_append_val(t->settings, s);
    }
    /* Of a file's only domain, the argument is a disk. */
    const char *operand = t->arguments.operand.value;
    if (t->arguments.xml)
        t->target = operand ? xstrdup(operand) : NULL;
    else
        changing_split(operand, &t->name, &t->target);
    return 0;
}

static int read_plan(struct task *t, struct error **err)
{
    const char *name, *target, *uuid = NULL;
    t->plan = plan_read(t->arguments.operand.value, err);
    if (!t->plan)
        return error_hint(err, "settings of a domain's disk are named by --set");
    json_unpack(t->plan, "{s:{s:s, s?s}, s:s}", "domain", "name", &name, "uuid", &uuid, "target",
                &target);
    t->name = xstrdup(uuid ? uuid : name);
    t->target = xstrdup(target);
    t->settings = change_settings_of_plan(t->plan, t->changing.report.left, err);
    return t->settings ? 0 : -1;
}

/* --- The edit --------------------------------------------------------------------------------- */

/* Where no disk is named, the only one. */
static int find_target(struct task *t, struct error **err)
{
    cleanup_domain_model struct domain_model *m =
        domain_model_from_xml(t->before, strlen(t->before), err);
    const struct domain_disk *disk = m ? domain_model_disk(m, t->target, err) : NULL;
    if (!disk)
        return -1;
    if (!t->target)
        t->target = xstrdup(disk->target);
    return !t->plan ? 0 : change_check_plan(t->plan, m->uuid, disk, err);
}

static int edit(struct task *t, struct error **err)
{
    struct apply_report *r = &t->changing.report;
    if (find_target(t, err) < 0)
        return -1;
    r->target = t->target;
    t->after = edit_disk(t->before, t->target,
                         (const struct disk_setting *)(void *)t->settings->data, t->settings->len,
                         t->arguments.shared ? EDIT_SHARED_CONTROLLER : 0, &r->edits, err);
    r->diff = t->after ? diff_texts(t->before, t->after, r->domain, err) : NULL;
    return r->diff ? 0 : -1;
}

/* --- A file ----------------------------------------------------------------------------------- */

static int print_file(const struct task *t, struct error **err)
{
    const struct apply_report *r = &t->changing.report;
    if (t->arguments.common.json) {
        cleanup_json json_t *json = report_apply_json(r);
        json_object_set_new(json, "xml", json_string(t->after));
        if (finish_json(json, err) < 0)
            return -1;
    } else {
        fputs(t->arguments.changing.dry_run ? r->diff : t->after, stdout);
        for (guint i = 0; i < r->left->len; i++)
            fprintf(stderr, "virt-disktune: note: %s\n", (const char *)r->left->pdata[i]);
    }
    return finish_output(err) < 0 ? -1 : EXIT_DONE;
}

/* The file stays as it is: what comes out is for whoever keeps it. */
static int run_file(struct task *t, struct error **err)
{
    struct apply_report *r = &t->changing.report;
    size_t length;
    t->before = file_read(t->arguments.xml, &length, err);
    if (!t->before)
        return -1;
    if (strlen(t->before) != length)
        return error_set(err, "%s is no XML: there are NULs in it", t->arguments.xml);
    r->domain = t->arguments.xml;
    if (edit(t, err) < 0)
        return error_prefix(err, "%s", t->arguments.xml);
    r->state = r->edits->len ? APPLY_SHOWN : APPLY_UNCHANGED;
    return print_file(t, err);
}

/* --- A domain --------------------------------------------------------------------------------- */

static int find_domain(struct task *t, struct error **err)
{
    struct changing *c = &t->changing;
    const char *uri = t->arguments.common.connect;
    if (!uri)
        uri = json_string_value(json_object_get(t->plan, "uri"));
    c->connection = connection_open(uri, err);
    c->domain = c->connection ? lookup_domain(c->connection, t->name, err) : NULL;
    if (!c->domain || change_check_domain(c->domain, err) < 0)
        return -1;
    changing_name(c);
    c->state_directory = directories_state();
    t->before = change_read(c->domain, err);
    return t->before ? 0 : -1;
}

static int try_stand_in(struct task *t, struct error **err)
{
    struct changing *c = &t->changing;
    enum clone_outcome outcome;
    progress_step(&c->progress, "starting a stand-in");
    int r = clone_try(c->connection, t->after, t->target, &outcome, &c->report.stand_in, err);
    progress_clear(&c->progress);
    if (r == 0 && outcome == CLONE_STARTED)
        c->report.stand_in = xstrdup("started");
    return r;
}

/* Makes the change, with what it is taken back by kept first. */
static struct change_record *make(struct task *t, struct error **err)
{
    struct changing *c = &t->changing;
    cleanup_free char *uri = virConnectGetURI(c->connection->handle);
    cleanup_close int lock = change_records_lock(c->state_directory, err);
    /* The question, the stand-in and the measurement may have taken minutes. */
    if (lock < 0 || change_check_domain(c->domain, err) < 0 || interrupt_check(err) < 0)
        return NULL;
    cleanup_change_record struct change_record *r =
        change_record_new(c->state_directory, uri ? uri : "", c->report.domain, c->uuid, t->target,
                          t->before, c->report.edits, t->plan);
    if (change_make(c->domain, r, t->after, c->report.left, err) < 0)
        return NULL;
    c->report.record = xstrdup(r->path);
    return TAKE_PTR(r);
}

/* --- The proof -------------------------------------------------------------------------------- */

static bool is_to_be_proved(const struct task *t)
{
    return t->arguments.changing.restart && !t->arguments.no_verify &&
           virDomainIsActive(t->changing.domain) == 1;
}

/* That there is no measurement is no reason not to make the change: it is said. */
static int measure(struct task *t, bool again, json_t **ret, struct error **err)
{
    struct changing *c = &t->changing;
    cleanup_error struct error *failure = NULL;
    *ret = again ? proving_measure_again(&t->proving, c->domain, t->target, t->plan, t->measured,
                                         c->wait_ns, &failure)
                 : proving_measure(&t->proving, c->domain, t->target, t->plan, &failure);
    if (!*ret)
        proving_note(c->report.left, again ? "after" : "before", failure);
    return interrupt_check(err);
}

/* Without, the change can be taken back as well. */
static void keep_measured(struct task *t, struct change_record *r, const char *when,
                          json_t *measured)
{
    struct changing *c = &t->changing;
    cleanup_error struct error *unkept = NULL;
    if (measured && proving_keep(c->state_directory, r, when, measured, &unkept) < 0)
        g_ptr_array_add(c->report.left, xasprintf("what was measured %s it is not kept: %s", when,
                                                  unkept->message));
}

static int measure_after(struct task *t, struct change_record *r, struct error **err)
{
    struct changing *c = &t->changing;
    c->report.proof = NULL;
    proof_done(&t->proof);
    json_decref(t->measured_after);
    if (measure(t, /* again = */ true, &t->measured_after, err) < 0)
        return -1;
    if (!t->measured_after)
        return 0;
    keep_measured(t, r, "after", t->measured_after);
    t->proof = proof_make(t->measured, t->measured_after, t->plan);
    c->report.proof = &t->proof;
    return 0;
}

/* *ret_good is false where it is slower than before and is not to be kept. A guest that has just
 * come back may be at other things yet: it has to come out twice. */
static int prove(struct task *t, struct change_record *r, bool *ret_good, struct error **err)
{
    struct changing *c = &t->changing;
    *ret_good = true;
    if (!t->measured)
        return 0;
    for (int times = 0; times < 2; times++) {
        if (measure_after(t, r, err) < 0)
            return -1;
        if (!c->report.proof || !proof_is_slower(&t->proof, t->proving.margin) ||
            t->arguments.keep_slower)
            return 0;
    }
    c->report.failure = xasprintf("slower than before: %.2f of it (%.2f–%.2f)",
                                  t->proof.whole.ratio, t->proof.whole.low, t->proof.whole.high);
    *ret_good = false;
    return 0;
}

/* --- Coming into effect ----------------------------------------------------------------------- */

static int roll_back(struct task *t, struct change_record *r, struct error **err)
{
    struct changing *c = &t->changing;
    if (changing_roll_back(c, r, err) < 0)
        return error_prefix(err, "%s", c->report.failure);
    c->report.state = APPLY_ROLLED_BACK;
    return 0;
}

/* What was changed and does not come to work, or makes it slower, is taken back. */
static int bring_about(struct task *t, struct change_record *r, struct error **err)
{
    bool good;
    keep_measured(t, r, "before", t->measured);
    if (changing_restart(&t->changing, &good, err) < 0 ||
        (good && t->changing.report.state == APPLY_EFFECTIVE && prove(t, r, &good, err) < 0))
        return -1;
    return good ? 0 : roll_back(t, r, err);
}

static int run_domain(struct task *t, struct error **err)
{
    struct changing *c = &t->changing;
    bool go;
    if (find_domain(t, err) < 0 || edit(t, err) < 0)
        return -1;
    if (!c->report.edits->len)
        return changing_print(c, err);
    if (changing_confirm(c, "Change the definition?", &go, err) < 0)
        return -1;
    if (!go)
        return changing_print(c, err);
    if (try_stand_in(t, err) < 0 ||
        (is_to_be_proved(t) && measure(t, /* again = */ false, &t->measured, err) < 0))
        return -1;
    cleanup_change_record struct change_record *r = make(t, err);
    return r && bring_about(t, r, err) == 0 ? changing_print(c, err) : -1;
}

/* --- The verb --------------------------------------------------------------------------------- */

static void task_done(struct task *t)
{
    changing_done(&t->changing);
    json_decref(t->plan);
    json_decref(t->measured);
    json_decref(t->measured_after);
    proof_done(&t->proof);
    if (t->settings)
        g_array_unref(t->settings);
    char *const owned[] = {t->name, t->target, t->before, t->after};
    for (size_t i = 0; i < ARRAY_SIZE(owned); i++)
        free(owned[i]);
    g_strfreev(t->arguments.set);
    g_free(t->arguments.xml);
}

int cmd_apply(int argc, char **argv)
{
    static struct task t; /* GLib's options in it are the process's */
    cleanup_error struct error *err = NULL;
    t.changing.report.left = g_ptr_array_new_with_free_func(free);
    if (parse_arguments(argc, argv, &t, &err) < 0)
        return fail(err);
    int r = t.arguments.set ? read_settings(&t, &err) : read_plan(&t, &err);
    if (r == 0)
        r = t.arguments.xml ? run_file(&t, &err) : run_domain(&t, &err);
    progress_clear(&t.changing.progress);
    task_done(&t);
    return r < 0 || err ? fail(err) : r;
}
