/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * status.c - virt-disktune status: what became of the changes that apply has made.
 */
#include <libvirt/virterror.h>
#include <string.h>

#include "apply/effective.h"
#include "apply/change_record.h"
#include "base/json.h"
#include "base/memory.h"
#include "cmd/cmd.h"
#include "domain/edit.h"
#include "domain/lookup.h"
#include "host/directories.h"
#include "report/apply.h"

struct arguments {
    struct common_options common;
    struct operand operand;
};

static int parse_arguments(int argc, char **argv, struct arguments *a, struct error **err)
{
    const GOptionEntry own[] = {{NULL}};
    a->operand = (struct operand){.name = "[DOMAIN…] ", .many = true};
    return options_parse(argc, argv, "show what became of the changes that were made", own,
                         &a->common, NULL, NULL, &a->operand, err);
}

/* --- One change ------------------------------------------------------------------------------- */

static const char *say(struct change_status *s, const char *state, char *what)
{
    s->state = state;
    s->what = what;
    return state;
}

/* Whether a change of the same domain was made over this edit of an earlier one. */
static bool is_over(const struct change_record *later, const char *uuid, const struct edit *e)
{
    /* One that is only meant may have come to nothing. */
    if (later->state != RECORD_MADE || strcmp(later->uuid, uuid) != 0)
        return false;
    for (guint i = 0; i < later->edits->len; i++)
        if (edit_meets(e, later->edits->pdata[i]))
            return true;
    return false;
}

/* Of the record at `index`, the edits that no later change was made over; that a tag was opened
 * says nothing. */
static GPtrArray *edits_that_count(const GPtrArray *records, guint index)
{
    const struct change_record *r = records->pdata[index];
    GPtrArray *counting = g_ptr_array_new();
    for (guint i = 0; i < r->edits->len; i++) {
        struct edit *e = r->edits->pdata[i];
        guint k = index + 1;
        while (k < records->len && !is_over(records->pdata[k], r->uuid, e))
            k++;
        if (k == records->len && e->kind != EDIT_TAG)
            g_ptr_array_add(counting, e);
    }
    return counting;
}

/* Of a domain that runs with the change in its definition. */
static const char *look_at_running(struct change_status *s, const struct change_record *r,
                                   const GPtrArray *edits, const char *live)
{
    enum edits_state state = EDITS_MIXED;
    if (edits_state(live, edits, &state, NULL) < 0 || state != EDITS_PRESENT)
        return say(s, "pending", xstrdup("the next cold start brings it: it runs as before"));
    g_autoptr(GPtrArray) differences = effective_differences(live, r->target);
    if (differences && differences->len)
        return say(s, "differs", xstrdup(differences->pdata[0]));
    return say(s, "effective",
               differences ? NULL
                           : xstrdup("as far as libvirt says: its QEMU "
                                     "cannot be looked at"));
}

static const char *look(struct change_status *s, const struct change_record *r,
                        const GPtrArray *edits, const char *next, const char *live)
{
    enum edits_state state = EDITS_MIXED;
    if (!edits->len)
        return say(s, "replaced", xstrdup("a later change was made over it"));
    if (edits_state(next, edits, &state, NULL) < 0 || state == EDITS_MIXED)
        return say(s, "differs", xstrdup("its definition was changed since by somebody else"));
    if (state == EDITS_ABSENT && r->state == RECORD_MEANT)
        return say(s, "interrupted", xstrdup("apply was interrupted before it changed anything"));
    if (state == EDITS_ABSENT)
        return say(s, "differs", xstrdup("its definition is as it was before the change"));
    if (!live)
        return say(s, "pending", xstrdup("it is off: its next start brings it"));
    return look_at_running(s, r, edits, live);
}

/* That there is no such domain, or that libvirt does not tell. */
static void say_missing(struct change_status *s)
{
    cleanup_error struct error *err = NULL;
    if (virGetLastErrorCode() == VIR_ERR_NO_DOMAIN) {
        say(s, "gone", xstrdup("libvirt has no such domain at this URI"));
        return;
    }
    connection_error(&err, "libvirt does not tell");
    say(s, "unknown", xstrdup(err->message));
}

static struct change_status *look_up(const struct connection *c, const GPtrArray *records,
                                     guint index)
{
    bool persistent;
    const struct change_record *r = records->pdata[index];
    g_autoptr(GPtrArray) edits = edits_that_count(records, index);
    cleanup_free char *next = NULL, *live = NULL;
    struct change_status *s = xcalloc(1, sizeof(*s));
    *s = (struct change_status){r->name, r->uuid, r->target, r->created,
                                NULL,    NULL,    r->edits,  r->path};
    cleanup_domain virDomainPtr domain = virDomainLookupByUUIDString(c->handle, r->uuid);
    if (!domain)
        say_missing(s);
    else if (lookup_xml(domain, &next, &live, &persistent, NULL) < 0)
        say(s, "unknown", xstrdup("its definition cannot be read"));
    else
        look(s, r, edits, next, live);
    return s;
}

/* --- The verb --------------------------------------------------------------------------------- */

static bool is_asked_for(const struct arguments *a, const struct change_record *r)
{
    for (size_t i = 0; i < a->operand.count; i++)
        if (strcmp(a->operand.values[i], r->name) == 0 ||
            strcmp(a->operand.values[i], r->uuid) == 0)
            return true;
    return !a->operand.count;
}

static int run(const struct arguments *a, struct error **err)
{
    cleanup_free char *state = directories_state();
    g_autoptr(GPtrArray) notes = g_ptr_array_new_with_free_func(free);
    g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func(change_status_free);
    g_autoptr(GPtrArray) records = change_records_read(state, NULL, NULL, notes, err);
    cleanup_connection struct connection *c = NULL;
    for (guint i = 0; records && i < records->len; i++) {
        const struct change_record *r = records->pdata[i];
        if (r->state == RECORD_UNDONE || !is_asked_for(a, r))
            continue;
        if (!c && !(c = connection_open_read_only(a->common.connect, err)))
            return -1;
        g_ptr_array_add(rows, look_up(c, records, i));
    }
    if (!records)
        return -1;
    if (a->common.json) {
        cleanup_json json_t *json = report_changes_json(rows, notes);
        if (finish_json(json, err) < 0)
            return -1;
    } else {
        report_changes_text(rows, notes, stdout);
    }
    return finish_output(err);
}

int cmd_status(int argc, char **argv)
{
    static struct arguments a;
    cleanup_error struct error *err = NULL;
    return parse_arguments(argc, argv, &a, &err) < 0 || run(&a, &err) < 0 ? fail(err) : EXIT_DONE;
}
