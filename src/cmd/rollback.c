/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rollback.c - virt-disktune rollback: what apply changed becomes what it was, and nothing else.
 */
#include <string.h>

#include "apply/change.h"
#include "apply/diff.h"
#include "base/json.h"
#include "base/memory.h"
#include "cmd/apply.h"
#include "domain/lookup.h"
#include "host/directories.h"

struct arguments {
    struct common_options common;
    struct changing_options changing;
    gboolean list;
    struct operand operand;
};

struct task {
    struct arguments arguments;
    struct changing changing;
    GPtrArray *records, *notes;
    struct change_record *record; /* the one that is taken back */
    char *name, *target;
    char *now, *without; /* the definition */
};

static int parse_arguments(int argc, char **argv, struct task *t, struct error **err)
{
    struct arguments *a = &t->arguments;
    const GOptionEntry own[] = {
        {"list", 'l', 0, G_OPTION_ARG_NONE, &a->list, "List the changes that there were", NULL},
        CHANGING_ENTRIES(&a->changing),
        {NULL},
    };
    a->operand = (struct operand){.name = "DOMAIN[/TARGET] "};
    if (options_parse(argc, argv, "take back what apply changed", own, &a->common, NULL, NULL,
                      &a->operand, err) < 0)
        return -1;
    if (!a->operand.value && !a->list) {
        error_set(err, "what is to be taken back?");
        return error_hint(err, "virt-disktune rollback --list lists the changes that there were");
    }
    if (a->operand.value)
        changing_split(a->operand.value, &t->name, &t->target);
    t->changing.common = &a->common;
    t->changing.options = &a->changing;
    t->changing.progress.options = &a->common;
    t->changing.report.undoes = true;
    t->changing.state_directory = directories_state();
    return changing_parse(&t->changing, err);
}

/* --- The list --------------------------------------------------------------------------------- */

static bool is_named(const struct change_record *r, const struct task *t)
{
    return (!t->name || strcmp(r->name, t->name) == 0 || strcmp(r->uuid, t->name) == 0) &&
           (!t->target || strcmp(r->target, t->target) == 0);
}

static int list(struct task *t, struct error **err)
{
    t->records = change_records_read(t->changing.state_directory, NULL, NULL, t->notes, err);
    if (!t->records)
        return -1;
    g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func(change_status_free);
    for (guint i = 0; i < t->records->len; i++) {
        const struct change_record *r = t->records->pdata[i];
        if (!is_named(r, t))
            continue;
        struct change_status *s = xcalloc(1, sizeof(*s));
        *s = (struct change_status){
            r->name, r->uuid,  r->target, r->created, change_record_state_name(r->state),
            NULL,    r->edits, r->path};
        g_ptr_array_add(rows, s);
    }
    if (t->arguments.common.json) {
        cleanup_json json_t *json = report_changes_json(rows, t->notes);
        if (finish_json(json, err) < 0)
            return -1;
    } else {
        report_changes_text(rows, t->notes, stdout);
    }
    return finish_output(err) < 0 ? -1 : EXIT_DONE;
}

/* --- Taking back ------------------------------------------------------------------------------ */

/* The latest change that is not taken back. */
static int find_record(struct task *t, struct error **err)
{
    struct changing *c = &t->changing;
    t->records = change_records_read(c->state_directory, c->uuid, t->target, t->notes, err);
    if (!t->records)
        return -1;
    for (guint i = t->records->len; i-- && !t->record;) {
        struct change_record *r = t->records->pdata[i];
        if (r->state != RECORD_UNDONE)
            t->record = r;
    }
    if (t->record)
        return 0;
    error_set(err, "there is no change of %s%s%s to take back", c->report.domain,
              t->target ? "/" : "", t->target ? t->target : "");
    if (t->notes->len)
        return error_hint(err, "%s", (const char *)t->notes->pdata[0]);
    return error_hint(err, "virt-disktune rollback --list lists the changes that there were");
}

static int find_domain(struct task *t, struct error **err)
{
    struct changing *c = &t->changing;
    c->connection = connection_open(t->arguments.common.connect, err);
    c->domain = c->connection ? lookup_domain(c->connection, t->name, err) : NULL;
    if (!c->domain)
        return -1;
    changing_name(c);
    return find_record(t, err) < 0 || change_check_domain(c->domain, err) < 0 ? -1 : 0;
}

static int undo(struct task *t, struct error **err)
{
    struct apply_report *r = &t->changing.report;
    g_autoptr(GPtrArray) left = NULL;
    t->now = change_read(t->changing.domain, err);
    t->without = t->now ? edit_undo(t->now, t->record->edits, &left, err) : NULL;
    if (!t->without)
        return -1;
    r->left = g_steal_pointer(&left);
    r->target = t->record->target;
    r->edits = g_ptr_array_ref(t->record->edits);
    r->record = xstrdup(t->record->path);
    r->diff = diff_texts(t->now, t->without, r->domain, err);
    return r->diff ? 0 : -1;
}

static int take_back(struct task *t, struct error **err)
{
    struct changing *c = &t->changing;
    cleanup_close int lock = change_records_lock(c->state_directory, err);
    /* The question may have stood for long. */
    if (lock < 0 || change_check_domain(c->domain, err) < 0)
        return -1;
    return change_take_back(c->domain, t->record, t->now, t->without, c->report.left, err);
}

static int run(struct task *t, struct error **err)
{
    struct changing *c = &t->changing;
    bool go, came = true;
    if (find_domain(t, err) < 0 || undo(t, err) < 0)
        return -1;
    bool changes = strcmp(t->now, t->without) != 0;
    if (!changes && t->arguments.changing.dry_run)
        return changing_print(c, err);
    if (changes && changing_confirm(c, "Take it back?", &go, err) < 0)
        return -1;
    if (changes && !go)
        return changing_print(c, err);
    if (take_back(t, err) < 0 || (changes && changing_restart(c, &came, err) < 0))
        return -1;
    if (!came)
        return error_set(err, "the change was taken back, and %s", c->report.failure);
    return changing_print(c, err);
}

/* --- The verb --------------------------------------------------------------------------------- */

static void task_done(struct task *t)
{
    changing_done(&t->changing);
    GPtrArray *const arrays[] = {t->records, t->notes};
    for (size_t i = 0; i < ARRAY_SIZE(arrays); i++)
        if (arrays[i])
            g_ptr_array_unref(arrays[i]);
    char *const owned[] = {t->name, t->target, t->now, t->without};
    for (size_t i = 0; i < ARRAY_SIZE(owned); i++)
        free(owned[i]);
}

int cmd_rollback(int argc, char **argv)
{
    static struct task t; /* GLib's options in it are the process's */
    cleanup_error struct error *err = NULL;
    t.notes = g_ptr_array_new_with_free_func(free);
    if (parse_arguments(argc, argv, &t, &err) < 0)
        return fail(err);
    int r = t.arguments.list ? list(&t, &err) : run(&t, &err);
    progress_clear(&t.changing.progress);
    task_done(&t);
    return r < 0 || err ? fail(err) : r;
}
