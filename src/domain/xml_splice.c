/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xml_splice.c - the changes of xml_text.h. Each one is made in the tree first, which says what is
 * meant, and then in the text, which has to come to the same tree.
 */
#include <string.h>

#include "base/memory.h"
#include "domain/xml.h"
#include "domain/xml_same.h"
#include "domain/xml_text_private.h"

/* Replaces the bytes in [from, to), once the tree has been changed as these are to change it. */
static int splice(struct xml_text *t, size_t from, size_t to, const char *with, struct error **err)
{
    cleanup_free char *text = xasprintf("%.*s%s%s", (int)from, t->text, with, t->text + to);
    cleanup_xml_text struct xml_text *changed = xml_text_read(text, err);
    if (!changed)
        return error_prefix(err, "the edited XML");
    if (!xml_same_document(t->doc, changed->doc))
        return error_set(err, "the edited XML: it differs in more than what was to be changed");
    struct xml_text old = *t;
    *t = *changed;
    *changed = old;
    return 0;
}

/* --- Attributes ------------------------------------------------------------------------------- */

int xml_text_set_attribute(struct xml_text *t, xmlNodePtr node, const char *name, const char *value,
                           const char *raw, struct error **err)
{
    struct xml_written a = {0};
    if (!xml_written_find(t, node, name, &a, NULL))
        return error_set(err, "<%s> has no attribute %s", (const char *)node->name, name);
    /* The quotes stay, and may be others than those that raw was in. */
    g_autofree char *escaped = g_markup_escape_text(value, -1);
    bool fits = raw && !strchr(raw, a.quote);
    xmlSetNsProp(node, NULL, BAD_CAST name, BAD_CAST value);
    return splice(t, a.value, a.value_end, fits ? raw : escaped, err);
}

int xml_text_insert_attribute(struct xml_text *t, xmlNodePtr node, const char *name,
                              const char *value, const char *raw, const char *behind,
                              struct error **err)
{
    struct xml_written a = {0};
    if (behind)
        xml_written_find(t, node, behind, &a, NULL);
    size_t at = a.end ? a.end : xml_text_span(t, node)->name_end;
    xmlSetNsProp(node, NULL, BAD_CAST name, BAD_CAST value);
    return splice(t, at, at, raw, err);
}

int xml_text_remove_attribute(struct xml_text *t, xmlNodePtr node, const char *name,
                              struct error **err)
{
    struct xml_written a = {0};
    if (!xml_written_find(t, node, name, &a, NULL))
        return error_set(err, "<%s> has no attribute %s", (const char *)node->name, name);
    xmlUnsetNsProp(node, NULL, BAD_CAST name);
    return splice(t, a.blank, a.end, "", err);
}

/* --- Text ------------------------------------------------------------------------------------- */

int xml_text_set_number(struct xml_text *t, xmlNodePtr node, const char *digits, struct error **err)
{
    const struct xml_span *span = xml_text_span(t, node);
    size_t from = span->tag_end + strspn(t->text + span->tag_end, XML_BLANKS);
    size_t to = from + strspn(t->text + from, "0123456789");
    if (to == from || to + strspn(t->text + to, XML_BLANKS) != span->close_start)
        return error_set(err, "<%s> has more in it than a number", (const char *)node->name);
    cleanup_free char *content =
        xasprintf("%.*s%s%.*s", (int)(from - span->tag_end), t->text + span->tag_end, digits,
                  (int)(span->close_start - to), t->text + to);
    xmlNodeSetContent(node, BAD_CAST content);
    return splice(t, from, to, digits, err);
}

/* --- Elements --------------------------------------------------------------------------------- */

/* Where the blanks in front of what is at `end` begin: at the last line break. */
static size_t start_of_blanks(const char *text, size_t end)
{
    size_t start = end;
    while (start && strchr(XML_BLANKS, text[start - 1]) && text[start] != '\n')
        start--;
    if (start && text[start] == '\n' && text[start - 1] == '\r')
        start--;
    return start;
}

char *xml_text_indentation(const struct xml_text *t, xmlNodePtr node)
{
    size_t end = xml_text_span(t, node)->start, start = start_of_blanks(t->text, end);
    return xasprintf("%.*s", (int)(end - start), t->text + start);
}

static xmlNodePtr first_element(xmlNodePtr parent)
{
    xmlNodePtr node = parent->children;
    while (node && node->type != XML_ELEMENT_NODE)
        node = node->next;
    return node;
}

/* What a level of indentation is here: how much deeper an element is than the one around it. */
static char *indentation_unit(const struct xml_text *t, xmlNodePtr node)
{
    cleanup_free char *own = xml_text_indentation(t, node);
    if (!node->parent || node->parent->type != XML_ELEMENT_NODE)
        return xstrdup("  ");
    cleanup_free char *outer = xml_text_indentation(t, node->parent);
    /* The outermost element has no line break in front of it. */
    const char *blanks = strrchr(own, '\n') ? strrchr(own, '\n') + 1 : own;
    const char *around = strrchr(outer, '\n') ? strrchr(outer, '\n') + 1 : outer;
    bool deeper = strlen(blanks) > strlen(around) && g_str_has_prefix(blanks, around);
    return xstrdup(deeper ? blanks + strlen(around) : "  ");
}

/* The blanks in front of and behind a first child. */
static void blanks_around_first(const struct xml_text *t, xmlNodePtr parent, char **ret_before,
                                char **ret_after)
{
    const struct xml_span *span = xml_text_span(t, parent);
    xmlNodePtr next = first_element(parent);
    cleanup_free char *own = xml_text_indentation(t, parent);
    *ret_after = xstrdup("");
    if (next) {
        *ret_before = xml_text_indentation(t, next);
    } else if (!strchr(own, '\n')) {
        *ret_before = xstrdup("");
    } else {
        cleanup_free char *unit = indentation_unit(t, parent);
        *ret_before = xasprintf("%s%s", own, unit);
        if (span->tag_end == span->close_start) {
            free(*ret_after);
            *ret_after = TAKE_PTR(own);
        }
    }
}

/* The element as a node that belongs to the document, and to no place in it yet. */
static xmlNodePtr node_for(struct xml_text *t, const char *element, struct error **err)
{
    cleanup_xml xmlDocPtr doc = xml_parse(element, strlen(element), err);
    return doc ? xmlDocCopyNode(xmlDocGetRootElement(doc), t->doc, /* extended = recursively */ 1)
               : NULL;
}

int xml_text_insert_first(struct xml_text *t, xmlNodePtr parent, const char *element,
                          char **ret_raw, struct error **err)
{
    cleanup_free char *before = NULL, *after = NULL;
    size_t at = xml_text_span(t, parent)->tag_end;
    blanks_around_first(t, parent, &before, &after);
    xmlNodePtr node = node_for(t, element, err);
    if (!node)
        return -1;
    if (parent->children)
        xmlAddPrevSibling(parent->children, node);
    else
        xmlAddChild(parent, node);
    cleanup_free char *raw = xasprintf("%s%s%s", before, element, after);
    if (splice(t, at, at, raw, err) < 0)
        return -1;
    *ret_raw = TAKE_PTR(raw);
    return 0;
}

int xml_text_insert_behind(struct xml_text *t, xmlNodePtr sibling, const char *element,
                           char **ret_raw, struct error **err)
{
    cleanup_free char *before = xml_text_indentation(t, sibling);
    size_t at = xml_text_span(t, sibling)->end;
    xmlNodePtr node = node_for(t, element, err);
    if (!node)
        return -1;
    xmlAddNextSibling(sibling, node);
    cleanup_free char *raw = xasprintf("%s%s", before, element);
    if (splice(t, at, at, raw, err) < 0)
        return -1;
    *ret_raw = TAKE_PTR(raw);
    return 0;
}

int xml_text_remove_inserted(struct xml_text *t, xmlNodePtr node, const char *raw,
                             struct error **err)
{
    const struct xml_span *span = xml_text_span(t, node);
    cleanup_free char *before = xml_text_indentation(t, node);
    size_t to = span->end, length = strlen(raw), after = length;
    while (after && strchr(XML_BLANKS, raw[after - 1]))
        after--;
    /* The blanks behind it were made for an element that had nothing else in it. */
    if (strncmp(t->text + to, raw + after, length - after) == 0 &&
        strncmp(t->text + to + length - after, "</", 2) == 0)
        to += length - after;
    size_t from = span->start - strlen(before);
    xmlUnlinkNode(node);
    xmlFreeNode(node);
    return splice(t, from, to, "", err);
}

int xml_text_replace_element(struct xml_text *t, xmlNodePtr node, const char *element,
                             struct error **err)
{
    const struct xml_span span = *xml_text_span(t, node);
    xmlNodePtr other = node_for(t, element, err);
    if (!other)
        return -1;
    xmlReplaceNode(node, other);
    xmlFreeNode(node);
    return splice(t, span.start, span.end, element, err);
}

/* Where the children begin that stand behind another one, or behind none. */
static size_t end_of_previous(const struct xml_text *t, xmlNodePtr parent, xmlNodePtr previous)
{
    return previous ? xml_text_span(t, previous)->end : xml_text_span(t, parent)->tag_end;
}

int xml_text_remove_element(struct xml_text *t, xmlNodePtr node, char **ret_raw, char **ret_behind,
                            struct error **err)
{
    const struct xml_span span = *xml_text_span(t, node);
    xmlNodePtr previous = xmlPreviousElementSibling(node);
    size_t from = end_of_previous(t, node->parent, previous);
    cleanup_free char *raw = xasprintf("%.*s", (int)(span.end - from), t->text + from);
    cleanup_free char *behind = previous ? xstrdup((const char *)previous->name) : NULL;
    xmlUnlinkNode(node);
    xmlFreeNode(node);
    if (splice(t, start_of_blanks(t->text, span.start), span.end, "", err) < 0)
        return -1;
    *ret_raw = TAKE_PTR(raw);
    *ret_behind = TAKE_PTR(behind);
    return 0;
}

static bool is_blank(xmlNodePtr node)
{
    return node->type == XML_TEXT_NODE && xmlIsBlankNode(node);
}

/* How many nodes this text is: comments, and what else stands between two elements. */
static unsigned count_nodes(const char *text)
{
    unsigned count = 0;
    cleanup_free char *element = xasprintf("<a>%s</a>", text);
    cleanup_xml xmlDocPtr doc = xml_parse(element, strlen(element), NULL);
    xmlNodePtr node = doc ? xmlDocGetRootElement(doc)->children : NULL;
    for (; node; node = node->next)
        count += !is_blank(node);
    return count;
}

/* Puts a node behind so many others, blanks not counted. */
static void add_behind(xmlNodePtr parent, xmlNodePtr previous, unsigned count, xmlNodePtr node)
{
    xmlNodePtr next = previous ? previous->next : parent->children;
    for (; next && count; next = next->next)
        count -= !is_blank(next);
    if (next)
        xmlAddPrevSibling(next, node);
    else
        xmlAddChild(parent, node);
}

int xml_text_put_back_element(struct xml_text *t, xmlNodePtr parent, const char *element,
                              const char *raw, const char *behind, struct error **err)
{
    if (strlen(raw) < strlen(element))
        return error_set(err, "<%s> was written otherwise", (const char *)parent->name);
    size_t start = strlen(raw) - strlen(element), blanks = start_of_blanks(raw, start);
    cleanup_free char *before = xasprintf("%.*s", (int)blanks, raw);
    xmlNodePtr previous = behind ? xml_child(parent, behind) : NULL;
    size_t at = end_of_previous(t, parent, previous);
    xmlNodePtr node = node_for(t, element, err);
    if (!node)
        return -1;
    bool is_there = strncmp(t->text + at, before, blanks) == 0;
    add_behind(parent, previous, is_there ? count_nodes(before) : 0, node);
    at += is_there ? blanks : 0;
    return splice(t, at, at, raw + blanks, err);
}

bool xml_text_is_element(xmlNodePtr node, const char *element)
{
    cleanup_xml xmlDocPtr doc = xml_parse(element, strlen(element), NULL);
    return doc && xml_same_node(node, xmlDocGetRootElement(doc));
}

/* --- Tags ------------------------------------------------------------------------------------- */

int xml_text_open(struct xml_text *t, xmlNodePtr node, struct error **err)
{
    const struct xml_span *span = xml_text_span(t, node);
    if (!span->self_closed)
        return 0;
    cleanup_free char *tags =
        xasprintf("></%.*s>", (int)(span->name_end - span->start - 1), t->text + span->start + 1);
    return splice(t, span->tag_end - strlen("/>"), span->tag_end, tags, err);
}

int xml_text_close(struct xml_text *t, xmlNodePtr node, struct error **err)
{
    const struct xml_span *span = xml_text_span(t, node);
    if (span->self_closed || span->close_start != span->tag_end)
        return 0;
    return splice(t, span->tag_end - strlen(">"), span->end, "/>", err);
}
