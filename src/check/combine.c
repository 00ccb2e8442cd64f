/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a remedy changes is how its <driver> differs from the disk's: in attributes, and in child
 * elements as a whole. So the rules need not say it a second time. Changes are collected by their
 * names, an attribute's with an "@" before it; two of one name that are not the same contradict
 * each other.
 */
#include "check/combine.h"

#include <string.h>

#include "base/memory.h"
#include "check/rule.h"
#include "domain/xml.h"

/* --- Changes ---------------------------------------------------------------------------------- */

static GHashTable *no_changes(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, free, free);
}

/* Everything that an element has: "@name" → value, "child" → its text. Children of one name are
 * one.
 */
static GHashTable *parts_of(xmlNodePtr element)
{
    GHashTable *parts = no_changes();
    for (xmlAttrPtr a = element->properties; a; a = a->next) {
        char *value = xml_attribute(element, (const char *)a->name);
        if (value)
            g_hash_table_insert(parts, xasprintf("@%s", (const char *)a->name), value);
    }
    for (xmlNodePtr n = element->children; n; n = n->next) {
        if (n->type != XML_ELEMENT_NODE)
            continue;
        const char *before = g_hash_table_lookup(parts, n->name);
        cleanup_free char *text = look_to_text(n);
        char *all = xasprintf("%s%s", before ? before : "", text);
        g_hash_table_insert(parts, xstrdup((const char *)n->name), all);
    }
    return parts;
}

/* What `after` has otherwise than `before`: "" for what it does not have. */
static void add_changes(GHashTable *changes, GHashTable *before, GHashTable *after)
{
    GHashTableIter iter;
    gpointer name, value;
    g_hash_table_iter_init(&iter, after);
    while (g_hash_table_iter_next(&iter, &name, &value))
        if (g_strcmp0(g_hash_table_lookup(before, name), value) != 0)
            g_hash_table_insert(changes, xstrdup(name), xstrdup(value));
    g_hash_table_iter_init(&iter, before);
    while (g_hash_table_iter_next(&iter, &name, NULL))
        if (!g_hash_table_contains(after, name))
            g_hash_table_insert(changes, xstrdup(name), xstrdup(""));
}

/* --- One remedy ------------------------------------------------------------------------------- */

/* What a remedy changes of the <driver>, and what it needs beside that: name → text. */
struct remedy {
    GHashTable *changes, *beside;
};

static void remedy_done(struct remedy *r)
{
    g_hash_table_unref(r->changes);
    g_hash_table_unref(r->beside);
}
#define cleanup_remedy at_scope_end(remedy_done)

/* A comment before the element says on what it depends, one behind it what else would do. */
static void read_elements(xmlNodePtr first, GHashTable *before, struct remedy *r)
{
    bool seen = false;
    for (xmlNodePtr n = first; n && n->type != XML_COMMENT_NODE; n = n->next) {
        if (n->type != XML_ELEMENT_NODE)
            continue;
        if (strcmp((const char *)n->name, "driver") == 0) {
            g_autoptr(GHashTable) after = parts_of(n);
            add_changes(r->changes, before, after);
            seen = true;
        } else {
            g_hash_table_insert(r->beside, xstrdup((const char *)n->name), look_to_text(n));
        }
    }
    if (!seen)
        g_hash_table_remove_all(r->beside);
}

/* *ret is for the caller to clean up; without changes where it is a remedy of another kind. */
static void read_remedy(const struct finding *f, GHashTable *before, struct remedy *ret)
{
    *ret = (struct remedy){no_changes(), no_changes()};
    cleanup_free char *text = xasprintf("<fix>%s</fix>", f->fix);
    cleanup_xml xmlDocPtr doc = xml_parse(text, strlen(text), NULL);
    if (doc)
        read_elements(xmlDocGetRootElement(doc)->children, before, ret);
}

/* --- All of them ------------------------------------------------------------------------------ */

static bool contradicts(GHashTable *all, GHashTable *more)
{
    GHashTableIter iter;
    gpointer name, value;
    g_hash_table_iter_init(&iter, more);
    while (g_hash_table_iter_next(&iter, &name, &value)) {
        const char *other = g_hash_table_lookup(all, name);
        if (other && strcmp(other, value) != 0)
            return true;
    }
    return false;
}

/* An attribute as it will be with these changes, the later table first; "" where there is none. */
static const char *will_be(const char *name, GHashTable *more, GHashTable *all, GHashTable *before)
{
    GHashTable *const tables[] = {more, all, before};
    for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
        const char *value = g_hash_table_lookup(tables[i], name);
        if (value)
            return value;
    }
    return "";
}

/* io='native' is for a file that is allocated, and discards make holes in it: each can be a remedy,
 * and both together are what discard-allocated finds. */
static bool punches_native(const struct check_disk *d, GHashTable *more, GHashTable *all,
                           GHashTable *before)
{
    return strcmp(will_be("@io", more, all, before), "native") == 0 &&
           strcmp(will_be("@discard", more, all, before), "unmap") == 0 &&
           !(d->place && d->place->type == PLACE_BLOCK) &&
           (g_hash_table_contains(more, "@io") || g_hash_table_contains(more, "@discard"));
}

static void add_all(GHashTable *all, GHashTable *more)
{
    GHashTableIter iter;
    gpointer name, value;
    g_hash_table_iter_init(&iter, more);
    while (g_hash_table_iter_next(&iter, &name, &value))
        g_hash_table_insert(all, xstrdup(name), xstrdup(value));
}

static gint compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(a, b);
}

/* Puts a child in the place of those of its name. */
static void change_child(xmlNodePtr driver, const char *name, const char *text)
{
    look_drop(driver, name);
    cleanup_xml xmlDocPtr doc = *text ? xml_parse(text, strlen(text), NULL) : NULL;
    if (doc)
        xmlAddChild(driver, xmlDocCopyNode(xmlDocGetRootElement(doc), driver->doc, 1));
}

/* Changes the <driver>, and writes it down. The caller frees. */
static char *text_of(xmlNodePtr element, const struct remedy *all)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GList) beside = g_list_sort(g_hash_table_get_keys(all->beside), compare_names);
    g_autoptr(GList) names = g_list_sort(g_hash_table_get_keys(all->changes), compare_names);
    for (GList *n = beside; n; n = n->next)
        g_string_append_printf(text, "%s\n", (char *)g_hash_table_lookup(all->beside, n->data));
    for (GList *n = names; n; n = n->next) {
        const char *name = n->data, *value = g_hash_table_lookup(all->changes, name);
        if (*name != '@')
            change_child(element, name, value);
        else if (*value)
            xmlSetProp(element, BAD_CAST(name + 1), BAD_CAST value);
        else
            xmlUnsetProp(element, BAD_CAST(name + 1));
    }
    cleanup_free char *changed = look_to_text(element);
    g_string_append(text, changed);
    return xstrdup(text->str);
}

static void take(struct combined *c, struct remedy *all, const struct check_disk *d,
                 const struct finding *f, GHashTable *before)
{
    cleanup_remedy struct remedy one;
    read_remedy(f, before, &one);
    if (!g_hash_table_size(one.changes))
        return;
    bool is_out = contradicts(all->changes, one.changes) || contradicts(all->beside, one.beside) ||
                  punches_native(d, one.changes, all->changes, before);
    g_ptr_array_add(is_out ? c->left_out : c->rules, (gpointer)f->rule);
    if (is_out)
        return;
    add_all(all->changes, one.changes);
    add_all(all->beside, one.beside);
    c->needs |= f->needs;
}

/* Others are not worth parsing. */
static bool counts(const struct finding *f, enum severity level)
{
    return f->kind == FIX_XML && f->available && f->severity >= level && strstr(f->fix, "<driver");
}

static unsigned count_of(const GPtrArray *findings, enum severity level)
{
    unsigned n = 0;
    for (guint i = 0; i < findings->len; i++)
        n += counts(findings->pdata[i], level);
    return n;
}

struct combined *combine_fixes(const struct check_disk *d, const GPtrArray *findings,
                               enum severity level)
{
    if (count_of(findings, level) < 2)
        return NULL;
    cleanup_xml xmlDocPtr doc = look_copy_element(d->driver, "driver");
    xmlNodePtr driver = xmlDocGetRootElement(doc);
    g_autoptr(GHashTable) before = parts_of(driver);
    cleanup_remedy struct remedy all = {no_changes(), no_changes()};
    cleanup_combined struct combined *c = xcalloc(1, sizeof(*c));
    c->rules = g_ptr_array_new();
    c->left_out = g_ptr_array_new();
    for (guint i = 0; i < findings->len; i++) {
        const struct finding *f = findings->pdata[i];
        if (counts(f, level))
            take(c, &all, d, f, before);
    }
    if (c->rules->len < 2)
        return NULL;
    c->text = text_of(driver, &all);
    return TAKE_PTR(c);
}

void combined_free(struct combined *c)
{
    if (!c)
        return;
    g_ptr_array_unref(c->rules);
    g_ptr_array_unref(c->left_out);
    free(c->text);
    free(c);
}
