/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/apply.h"

#include <string.h>

#include "base/memory.h"
#include "report/proof.h"
#include "report/report.h"
#include "report/table.h"

static const char *const state_names[] = {
    [APPLY_UNCHANGED] = "unchanged",     [APPLY_SHOWN] = "shown",
    [APPLY_DECLINED] = "declined",       [APPLY_DEFINED] = "defined",
    [APPLY_PENDING] = "pending",         [APPLY_EFFECTIVE] = "effective",
    [APPLY_ROLLED_BACK] = "rolled-back",
};

void apply_report_done(struct apply_report *r)
{
    if (r->edits)
        g_ptr_array_unref(r->edits);
    if (r->differences)
        g_ptr_array_unref(r->differences);
    if (r->left)
        g_ptr_array_unref(r->left);
    free(r->diff);
    free(r->stand_in);
    free(r->record);
    free(r->failure);
    *r = (struct apply_report){0};
}

/* --- JSON ------------------------------------------------------------------------------------- */

static json_t *edits_json(const GPtrArray *edits)
{
    json_t *all = json_array();
    for (guint i = 0; edits && i < edits->len; i++) {
        const struct edit *e = edits->pdata[i];
        json_array_append_new(all,
                              json_pack("{s:s, s:s?, s:s?, s:s?}", "where", e->where, "attribute",
                                        e->attribute, "before", e->before, "after", e->after));
    }
    return all;
}

static json_t *strings_or_null(GPtrArray *strings)
{
    return strings ? report_strings_json(strings) : json_null();
}

json_t *report_apply_json(const struct apply_report *r)
{
    json_t *effective = !r->differences ? json_null() : json_boolean(!r->differences->len);
    return json_pack("{s:s, s:s?, s:s?, s:s?, s:o, s:s?, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
                     "state", state_names[r->state], "domain", r->domain, "uuid", r->uuid, "disk",
                     r->target, "changes", edits_json(r->edits), "diff", r->diff, "stand_in",
                     report_path_json(r->stand_in), "back", report_path_json(r->back), "effective",
                     effective, "differences", strings_or_null(r->differences), "left",
                     strings_or_null(r->left), "record", report_path_json(r->record), "failure",
                     report_path_json(r->failure), "proof",
                     r->proof ? report_proof_json(r->proof) : json_null());
}

/* --- Text ------------------------------------------------------------------------------------- */

/* "disk:vda/driver io: (none) → native". The caller frees. */
static char *edit_text(const struct edit *e)
{
    if (e->kind == EDIT_TAG)
        return xasprintf("%s: opened", e->where);
    if (e->kind == EDIT_ELEMENT && !e->before)
        return xasprintf("%s: %s", e->where, e->after);
    return xasprintf("%s%s%s: %s → %s", e->where, e->attribute ? " " : "",
                     e->attribute ? e->attribute : "", e->before ? e->before : "(none)",
                     e->after ? e->after : "(none)");
}

static void print_edits(const struct apply_report *r, FILE *out)
{
    for (guint i = 0; r->edits && i < r->edits->len; i++) {
        cleanup_free char *text = edit_text(r->edits->pdata[i]);
        fprintf(out, "  %s%s\n", r->undoes ? "taken back: " : "", text);
    }
}

static void print_next(const struct apply_report *r, FILE *out)
{
    switch (r->state) {
    case APPLY_DEFINED:
        fprintf(out, "The next start of %s brings it.\n", r->domain);
        break;
    case APPLY_PENDING:
        fprintf(out,
                "%s runs on as before; its next cold start brings it: shut it down and start it "
                "again\n(a reboot inside the guest is none), or use --restart.\n",
                r->domain);
        break;
    case APPLY_EFFECTIVE:
        fprintf(out, "%s was restarted (%s), and ", r->domain, r->back);
        fputs(r->differences ? "its QEMU runs what is configured.\n"
                             : "what its QEMU runs could not be looked at.\n",
              out);
        break;
    default:
        break;
    }
}

static const char *headline(const struct apply_report *r)
{
    switch (r->state) {
    case APPLY_UNCHANGED:
        if (r->undoes)
            return "nothing to take back";
        return r->left && r->left->len ? "nothing of it is changed here" : "is so already";
    case APPLY_SHOWN:
        return "nothing was changed";
    case APPLY_DECLINED:
        return "not confirmed, nothing was changed";
    case APPLY_ROLLED_BACK:
        return "rolled back";
    default:
        return r->undoes ? "taken back" : "changed";
    }
}

void report_apply_text(const struct apply_report *r, FILE *out)
{
    bool done = r->state >= APPLY_DEFINED && r->state <= APPLY_EFFECTIVE;
    if (r->state == APPLY_SHOWN)
        fputs(r->diff, out);
    fprintf(out, "%s/%s: %s%s%s\n", r->domain, r->target, headline(r), r->failure ? ": " : "",
            r->failure ? r->failure : "");
    if (done)
        print_edits(r, out);
    if (r->left && r->left->len)
        report_print_list("Not done", r->left, out);
    if (done && r->stand_in && strcmp(r->stand_in, "started") != 0)
        fprintf(out, "Whether it starts was not tried: %s.\n", r->stand_in);
    print_next(r, out);
    if (r->proof)
        report_proof_text(r->proof, out);
    if (done && !r->undoes)
        fprintf(out, "To take it back: virt-disktune rollback %s/%s\n", r->domain, r->target);
}

/* --- Records ---------------------------------------------------------------------------------- */

void change_status_free(void *status)
{
    struct change_status *s = status;
    free((char *)s->what);
    free(s);
}

json_t *report_changes_json(const GPtrArray *changes, GPtrArray *notes)
{
    json_t *all = json_array();
    for (guint i = 0; i < changes->len; i++) {
        const struct change_status *c = changes->pdata[i];
        json_array_append_new(
            all, json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o}", "domain", c->domain, "uuid",
                           c->uuid, "disk", c->target, "created", c->created, "state", c->state,
                           "what", report_path_json(c->what), "changes", edits_json(c->edits),
                           "record", report_path_json(c->record)));
    }
    return json_pack("{s:o, s:o}", "changes", all, "notes", report_strings_json(notes));
}

static char *edits_text(const GPtrArray *edits)
{
    g_autoptr(GString) text = g_string_new(NULL);
    for (guint i = 0; i < edits->len; i++) {
        cleanup_free char *setting = edit_to_setting(edits->pdata[i]);
        if (setting)
            g_string_append_printf(text, "%s%s", text->len ? " " : "", setting);
    }
    return text->len ? xstrdup(text->str) : xstrdup("-");
}

void report_changes_text(const GPtrArray *changes, GPtrArray *notes, FILE *out)
{
    static const struct table_column columns[] = {
        {"made", false}, {"domain", false}, {"disk", false}, {"state", false}, {"change", false}};
    cleanup_table struct table *t = table_new(columns, ARRAY_SIZE(columns));
    for (guint i = 0; i < changes->len; i++) {
        const struct change_status *c = changes->pdata[i];
        cleanup_free char *text = edits_text(c->edits);
        table_cell(t, "%s", c->created);
        table_cell(t, "%s", c->domain);
        table_cell(t, "%s", c->target);
        table_cell(t, "%s", c->state);
        table_cell(t, "%s", text);
    }
    if (changes->len)
        table_print(t, out);
    else
        fputs("There are no changes.\n", out);
    for (guint i = 0; i < changes->len; i++) {
        const struct change_status *c = changes->pdata[i];
        if (c->what)
            fprintf(out, "%s/%s: %s\n", c->domain, c->target, c->what);
    }
    report_print_list("Could not be read", notes, out);
}
