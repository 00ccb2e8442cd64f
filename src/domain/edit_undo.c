/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * edit_undo.c - takes edits back (edit.h), the last one first, so that each one finds the document
 * as it left it; and says whether a document has them.
 */
#include <string.h>

#include "base/memory.h"
#include "domain/edit.h"
#include "domain/edit_iothreads.h"
#include "domain/edit_place.h"
#include "domain/xml.h"
#include "domain/xml_text.h"

/* --- What an edit is in a document ------------------------------------------------------------ */

enum standing { STANDS, GONE, OTHERWISE };

static enum standing compare(const char *now, const char *before, const char *after)
{
    if (g_strcmp0(now, after) == 0)
        return STANDS;
    return g_strcmp0(now, before) == 0 ? GONE : OTHERWISE;
}

/* libvirt leaves cache='default' out when it writes a domain. */
static const char *unless_default(const char *value)
{
    return value && strcmp(value, "default") == 0 ? NULL : value;
}

static enum standing attribute_standing(xmlNodePtr domain, const struct edit *e)
{
    cleanup_free char *now = xml_attribute(place_find(domain, e->where), e->attribute);
    enum standing exactly = compare(now, e->before, e->after);
    return exactly != OTHERWISE
               ? exactly
               : compare(unless_default(now), unless_default(e->before), unless_default(e->after));
}

/* Whether an element is written otherwise and goes, too: others are only inserted. */
static bool is_cache(const struct edit *e)
{
    return e->kind == EDIT_ELEMENT && g_str_has_suffix(e->where, "/metadata_cache");
}

static bool is_written(xmlNodePtr node, const char *element)
{
    return node && element ? xml_text_is_element(node, element) : !node && !element;
}

/* A <driver> that has more in it since, as libvirt completes it, is still the one. */
static enum standing element_standing(xmlNodePtr domain, const struct edit *e)
{
    xmlNodePtr node = place_find(domain, e->where);
    if (is_cache(e))
        return is_written(node, e->after) ? STANDS : is_written(node, e->before) ? GONE : OTHERWISE;
    if (!node)
        return GONE;
    return strcmp(e->where, "iothreads") != 0 || xml_text_is_element(node, e->after) ? STANDS
                                                                                     : OTHERWISE;
}

static enum standing text_standing(xmlNodePtr domain, const struct edit *e)
{
    cleanup_free char *now = xml_child_text(domain, e->where);
    return compare(now, e->before, e->after);
}

static enum standing standing_of(xmlNodePtr domain, const struct edit *e)
{
    if (!place_parent(domain, e->where))
        return e->kind == EDIT_ELEMENT && !e->before ? GONE : OTHERWISE;
    switch (e->kind) {
    case EDIT_ATTRIBUTE:
        return attribute_standing(domain, e);
    case EDIT_ELEMENT:
        return element_standing(domain, e);
    case EDIT_TEXT:
        return text_standing(domain, e);
    case EDIT_TAG:
        break;
    }
    return STANDS;
}

bool edit_meets(const struct edit *a, const struct edit *b)
{
    return a->kind != EDIT_TAG && b->kind != EDIT_TAG && strcmp(a->where, b->where) == 0 &&
           g_strcmp0(a->attribute, b->attribute) == 0;
}

/* Whether another edit of the same thing is among [from, to): then that one's state counts. */
static bool is_edited_in(const GPtrArray *edits, guint index, guint from, guint to)
{
    for (guint i = from; i < to; i++)
        if (edit_meets(edits->pdata[index], edits->pdata[i]))
            return true;
    return false;
}

int edits_state(const char *xml, const GPtrArray *edits, enum edits_state *ret, struct error **err)
{
    cleanup_xml_text struct xml_text *t = xml_text_read(xml, err);
    xmlNodePtr domain = t ? place_domain(t->doc, err) : NULL;
    bool present = true, absent = true;
    if (!domain)
        return -1;
    for (guint i = 0; i < edits->len; i++) {
        const struct edit *e = edits->pdata[i];
        enum standing standing = standing_of(domain, e);
        if (e->kind == EDIT_TAG)
            continue;
        if (standing != STANDS && !is_edited_in(edits, i, i + 1, edits->len))
            present = false;
        if (standing != GONE && !is_edited_in(edits, i, 0, i))
            absent = false;
    }
    *ret = present ? EDITS_PRESENT : absent ? EDITS_ABSENT : EDITS_MIXED;
    return 0;
}

/* --- Taking back ------------------------------------------------------------------------------ */

struct undoing {
    struct xml_text *t;
    GPtrArray *left;
};

static void undoing_done(struct undoing *u)
{
    xml_text_free(u->t);
    if (u->left)
        g_ptr_array_unref(u->left);
}

static xmlNodePtr domain_of(const struct undoing *u)
{
    return xmlDocGetRootElement(u->t->doc);
}

/* Notes that an edit stays, and why. Returns 0: that is no error. */
static int leave(struct undoing *u, const struct edit *e, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static int leave(struct undoing *u, const struct edit *e, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    cleanup_free char *why = xvasprintf(format, args);
    va_end(args);
    g_ptr_array_add(u->left, xasprintf("%s: %s", e->where, why));
    return 0;
}

static int put_back(struct undoing *u, xmlNodePtr node, const struct edit *e, struct error **err)
{
    cleanup_free char *now = xml_attribute(node, e->attribute);
    if (!e->before)
        return now ? xml_text_remove_attribute(u->t, node, e->attribute, err) : 0;
    if (now)
        return xml_text_set_attribute(u->t, node, e->attribute, e->before, e->after ? e->raw : NULL,
                                      err);
    if (!e->after && e->raw)
        return xml_text_insert_attribute(u->t, node, e->attribute, e->before, e->raw, e->behind,
                                         err);
    cleanup_free char *last = NULL;
    cleanup_free char *raw = xml_text_compose_attribute(u->t, node, e->attribute, e->before, &last);
    return xml_text_insert_attribute(u->t, node, e->attribute, e->before, raw, last, err);
}

/* Why an iothread cannot be the driver's again; NULL where it can. */
static const char *no_way_back(xmlNodePtr domain, xmlNodePtr driver, const char *iothread)
{
    cleanup_iothreads struct iothreads all = {0};
    guint64 id;
    if (iothreads_read(domain, &all, NULL) < 0 ||
        !g_ascii_string_to_unsigned(iothread, 10, 1, UINT32_MAX, &id, NULL) ||
        !iothreads_have(&all, (unsigned)id))
        return "the iothread that it had is no more";
    return xml_child(driver, "iothreads") ? "its queues are dealt out among iothreads now" : NULL;
}

static int undo_attribute(struct undoing *u, const struct edit *e, struct error **err)
{
    xmlNodePtr node = place_find(domain_of(u), e->where);
    cleanup_free char *now = xml_attribute(node, e->attribute);
    enum standing standing = standing_of(domain_of(u), e);
    if (standing == GONE)
        return 0;
    if (!node)
        return leave(u, e, "it is not there any more");
    if (standing == OTHERWISE && now)
        return leave(u, e, "%s is '%s' now", e->attribute, now);
    if (standing == OTHERWISE)
        return leave(u, e, "%s is absent now", e->attribute);
    const char *why = e->before && strcmp(e->attribute, "iothread") == 0
                          ? no_way_back(domain_of(u), node, e->before)
                          : NULL;
    return why ? leave(u, e, "%s", why) : put_back(u, node, e, err);
}

static int remove_element(struct undoing *u, const struct edit *e, struct error **err)
{
    xmlNodePtr node = place_find(domain_of(u), e->where);
    if (!node)
        return 0;
    if (!xml_text_is_element(node, e->after))
        return leave(u, e, "it has more in it now");
    return xml_text_remove_inserted(u->t, node, e->raw ? e->raw : e->after, err);
}

/* Where libvirt has closed the <driver> since, it goes in as a new one does. */
static int put_back_element(struct undoing *u, const struct edit *e, struct error **err)
{
    xmlNodePtr parent = place_parent(domain_of(u), e->where);
    cleanup_free char *raw = NULL;
    if (!xml_text_span(u->t, parent)->self_closed)
        return xml_text_put_back_element(u->t, parent, e->before, e->raw, e->behind, err);
    if (xml_text_open(u->t, parent, err) < 0)
        return -1;
    return xml_text_insert_first(u->t, place_parent(domain_of(u), e->where), e->before, &raw, err);
}

static int undo_cache(struct undoing *u, const struct edit *e, struct error **err)
{
    enum standing standing = standing_of(domain_of(u), e);
    xmlNodePtr node = place_find(domain_of(u), e->where);
    if (standing == GONE)
        return 0;
    if (standing == OTHERWISE)
        return leave(u, e, node ? "it is another one now" : "it is not there any more");
    if (!e->before)
        return xml_text_remove_inserted(u->t, node, e->raw ? e->raw : e->after, err);
    return e->after ? xml_text_replace_element(u->t, node, e->before, err)
                    : put_back_element(u, e, err);
}

static int undo_tag(struct undoing *u, const struct edit *e, struct error **err)
{
    xmlNodePtr node = place_find(domain_of(u), e->where);
    return node ? xml_text_close(u->t, node, err) : 0;
}

/* --- Iothreads -------------------------------------------------------------------------------- */

static bool is_of_iothreads(const struct edit *e)
{
    return g_str_has_prefix(e->where, "iothread");
}

/* The id of the iothread that the edits in [first, last] made: a name, a count, or both. */
static unsigned made_iothread(const GPtrArray *edits, guint first, guint last)
{
    const struct edit *count = edits->pdata[first], *name = edits->pdata[last];
    unsigned id = place_iothread(name->where);
    if (id)
        return id;
    return count->kind == EDIT_TEXT ? (unsigned)g_ascii_strtoull(count->after, NULL, 10) : 1;
}

/* Why the iothread has to stay; NULL where nothing speaks for it. */
static const char *why_it_stays(const struct undoing *u, const GPtrArray *edits, guint first,
                                guint last)
{
    cleanup_iothreads struct iothreads all = {0};
    unsigned id = made_iothread(edits, first, last);
    g_autoptr(GHashTable) used = iothreads_used(domain_of(u), NULL);
    const struct edit *name = edits->pdata[last];
    for (guint i = first; i <= last; i++)
        if (standing_of(domain_of(u), edits->pdata[i]) != STANDS)
            return "the iothreads are others now";
    if (iothreads_read(domain_of(u), &all, NULL) < 0)
        return "the iothreads cannot be read";
    /* The last one of those without a name is it only while none has a name. */
    if (!place_iothread(name->where) && g_hash_table_size(all.named))
        return "the iothreads have ids now";
    if (g_hash_table_contains(used, GUINT_TO_POINTER(id)))
        return "the iothread is used now";
    return iothreads_are_tuned(domain_of(u), id) ? "the iothread is in <cputune> now" : NULL;
}

static int undo_count(struct undoing *u, const struct edit *e, struct error **err)
{
    xmlNodePtr node = place_find(domain_of(u), e->where);
    return e->kind == EDIT_TEXT ? xml_text_set_number(u->t, node, e->before, err)
                                : remove_element(u, e, err);
}

static int undo_iothread(struct undoing *u, const GPtrArray *edits, guint first, guint last,
                         struct error **err)
{
    bool gone = true;
    for (guint i = first; i <= last; i++)
        gone = gone && standing_of(domain_of(u), edits->pdata[i]) == GONE;
    if (gone)
        return 0;
    const struct edit *name = edits->pdata[last];
    const char *why = why_it_stays(u, edits, first, last);
    if (why)
        return leave(u, name, "%s", why);
    if (place_iothread(name->where) &&
        !xml_text_is_element(place_find(domain_of(u), name->where), name->after))
        return leave(u, name, "it has more in it now");
    for (guint i = last + 1; i-- > first;)
        if (undo_count(u, edits->pdata[i], err) < 0)
            return -1;
    return 0;
}

/* --- All of them ------------------------------------------------------------------------------ */

/* A named iothread and the count that was raised for it go together. */
static guint first_of_group(const GPtrArray *edits, guint index)
{
    const struct edit *e = edits->pdata[index];
    const struct edit *before = index ? edits->pdata[index - 1] : NULL;
    return before && place_iothread(e->where) && before->kind == EDIT_TEXT ? index - 1 : index;
}

static int undo_group(struct undoing *u, const GPtrArray *edits, guint first, guint last,
                      struct error **err)
{
    const struct edit *e = edits->pdata[last];
    if (is_of_iothreads(e))
        return undo_iothread(u, edits, first, last, err);
    switch (e->kind) {
    case EDIT_ATTRIBUTE:
        return undo_attribute(u, e, err);
    case EDIT_ELEMENT:
        return is_cache(e) ? undo_cache(u, e, err) : remove_element(u, e, err);
    case EDIT_TAG:
        return undo_tag(u, e, err);
    case EDIT_TEXT:
        break;
    }
    return error_set(err, "%s: this is no edit of a domain", e->where);
}

char *edit_undo(const char *xml, const GPtrArray *edits, GPtrArray **ret_left, struct error **err)
{
    at_scope_end(undoing_done) struct undoing u = {
        .t = xml_text_read(xml, err),
        .left = g_ptr_array_new_with_free_func(free),
    };
    if (!u.t || !place_domain(u.t->doc, err))
        return NULL;
    for (guint i = edits->len, first; i-- > 0; i = first) {
        first = first_of_group(edits, i);
        if (undo_group(&u, edits, first, i, err) < 0)
            return NULL;
    }
    *ret_left = TAKE_PTR(u.left);
    return TAKE_PTR(u.t->text);
}
