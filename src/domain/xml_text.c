/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "domain/xml_text.h"

#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "domain/xml.h"
#include "domain/xml_text_private.h"

/* --- The scanner ------------------------------------------------------------------------------ */

/* What begins with "<" and is no tag. There is no document type, which would be the fourth. */
static const struct {
    const char *begin, *end;
} no_tags[] = {{"<!--", "-->"}, {"<![CDATA[", "]]>"}, {"<?", "?>"}};

/* Behind what begins at c; c where that is a tag; NULL where it does not end. */
static const char *skip_no_tag(const char *c)
{
    for (size_t i = 0; i < ARRAY_SIZE(no_tags); i++) {
        size_t length = strlen(no_tags[i].begin);
        if (strncmp(c, no_tags[i].begin, length) != 0)
            continue;
        const char *end = strstr(c + length, no_tags[i].end);
        return end ? end + strlen(no_tags[i].end) : NULL;
    }
    return c;
}

/* The ">" that ends the tag at c; those in quotes do not. */
static const char *end_of_tag(const char *c)
{
    while (c && *c && *c != '>') {
        if (*c == '"' || *c == '\'')
            c = strchr(c + 1, *c);
        c = c ? c + 1 : NULL;
    }
    return c && *c ? c : NULL;
}

/* The elements that are open where the scanner is, as indices of their spans. */
struct scan {
    const char *text;
    GArray *spans, *open;
};

static void start_element(struct scan *s, const char *c, const char *end)
{
    size_t start = (size_t)(c - s->text), tag_end = (size_t)(end + 1 - s->text);
    struct xml_span span = {
        .start = start,
        .name_end = start + 1 + strcspn(c + 1, XML_BLANKS "/>"),
        .tag_end = tag_end,
        .close_start = tag_end,
        .end = tag_end,
        .self_closed = end[-1] == '/',
    };
    if (!span.self_closed)
        g_array_append_val(s->open, s->spans->len);
    g_array_append_val(s->spans, span);
}

static bool end_element(struct scan *s, const char *c, const char *end)
{
    if (!s->open->len)
        return false;
    guint index = g_array_index(s->open, guint, s->open->len - 1);
    struct xml_span *span = &g_array_index(s->spans, struct xml_span, index);
    span->close_start = (size_t)(c - s->text);
    span->end = (size_t)(end + 1 - s->text);
    g_array_set_size(s->open, s->open->len - 1);
    return true;
}

/* Finds the span of every element. */
static bool scan(struct scan *s)
{
    const char *c = strchr(s->text, '<');
    while (c) {
        const char *behind = skip_no_tag(c);
        if (behind == c) {
            const char *end = end_of_tag(c);
            if (!end || (c[1] == '/' && !end_element(s, c, end)))
                return false;
            if (c[1] != '/')
                start_element(s, c, end);
            behind = end + 1;
        }
        if (!behind)
            return false;
        c = strchr(behind, '<');
    }
    return !s->open->len;
}

static GArray *spans_of(const char *text)
{
    g_autoptr(GArray) spans = g_array_new(FALSE, FALSE, sizeof(struct xml_span));
    g_autoptr(GArray) open = g_array_new(FALSE, FALSE, sizeof(guint));
    struct scan s = {.text = text, .spans = spans, .open = open};
    return scan(&s) ? g_steal_pointer(&spans) : NULL;
}

/* --- Text and tree ---------------------------------------------------------------------------- */

static bool is_name(const char *name, size_t length, const char *text)
{
    return strlen(name) == length && strncmp(name, text, length) == 0;
}

/* Whether the element at this place of the text has the node's name. */
static bool is_of(const struct xml_text *t, guint index, xmlNodePtr node)
{
    if (index >= t->spans->len)
        return false;
    const struct xml_span *span = &g_array_index(t->spans, struct xml_span, index);
    const char *prefix = node->ns ? (const char *)node->ns->prefix : NULL;
    cleanup_free char *name =
        xasprintf("%s%s%s", prefix ? prefix : "", prefix ? ":" : "", (const char *)node->name);
    return is_name(name, span->name_end - span->start - 1, t->text + span->start + 1);
}

/* Notes in each element below a node which span is its own. The depth is the parser's limit. */
static bool pair_children(struct xml_text *t, xmlNodePtr parent, guint *index)
{
    for (xmlNodePtr node = parent->children; node; node = node->next) {
        if (node->type != XML_ELEMENT_NODE)
            continue;
        if (!is_of(t, *index, node))
            return false;
        node->_private = GUINT_TO_POINTER((*index)++);
        if (!pair_children(t, node, index))
            return false;
    }
    return true;
}

static bool is_known_encoding(const xmlChar *encoding)
{
    static const char *const known[] = {"UTF-8", "UTF8", "US-ASCII", "ASCII"};
    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (strcasecmp((const char *)encoding, known[i]) == 0)
            return true;
    return false;
}

struct xml_text *xml_text_read(const char *text, struct error **err)
{
    cleanup_xml_text struct xml_text *t = xcalloc(1, sizeof(*t));
    t->doc = xml_parse(text, strlen(text), err);
    if (!t->doc)
        return NULL;
    if (t->doc->encoding && !is_known_encoding(t->doc->encoding)) {
        error_set(err, "the XML is in %s, and only UTF-8 can be edited",
                  (const char *)t->doc->encoding);
        return NULL;
    }
    guint count = 0;
    t->text = xstrdup(text);
    t->spans = spans_of(text);
    if (!t->spans || !pair_children(t, (xmlNodePtr)t->doc, &count) || count != t->spans->len) {
        error_set(err, "the XML cannot be edited: its tags are not where its elements are");
        return NULL;
    }
    return TAKE_PTR(t);
}

void xml_text_free(struct xml_text *t)
{
    if (!t)
        return;
    if (t->doc)
        xmlFreeDoc(t->doc);
    if (t->spans)
        g_array_unref(t->spans);
    free(t->text);
    free(t);
}

const struct xml_span *xml_text_span(const struct xml_text *t, xmlNodePtr node)
{
    return &g_array_index(t->spans, struct xml_span, GPOINTER_TO_UINT(node->_private));
}

/* --- Attributes ------------------------------------------------------------------------------- */

bool xml_written_next(const struct xml_text *t, const struct xml_span *span, struct xml_written *a)
{
    const char *text = t->text;
    a->blank = a->end ? a->end : span->name_end;
    a->name = a->blank + strspn(text + a->blank, XML_BLANKS);
    if (text[a->name] == '>' || text[a->name] == '/')
        return false;
    a->name_end = a->name + strcspn(text + a->name, XML_BLANKS "=");
    size_t quote = a->name_end + strcspn(text + a->name_end, "'\"");
    a->quote = text[quote];
    a->value = quote + 1;
    a->value_end = a->value + (size_t)(strchr(text + a->value, a->quote) - (text + a->value));
    a->end = a->value_end + 1;
    return true;
}

static char *copy_range(const struct xml_text *t, size_t from, size_t to)
{
    return xasprintf("%.*s", (int)(to - from), t->text + from);
}

bool xml_written_find(const struct xml_text *t, xmlNodePtr node, const char *name,
                      struct xml_written *ret, char **ret_behind)
{
    const struct xml_span *span = xml_text_span(t, node);
    struct xml_written a = {0};
    cleanup_free char *behind = NULL;
    while (xml_written_next(t, span, &a)) {
        if (name && is_name(name, a.name_end - a.name, t->text + a.name)) {
            *ret = a;
            if (ret_behind)
                *ret_behind = TAKE_PTR(behind);
            return true;
        }
        *ret = a;
        free(behind);
        behind = copy_range(t, a.name, a.name_end);
    }
    if (ret_behind)
        *ret_behind = TAKE_PTR(behind);
    return false;
}

char *xml_text_raw_attribute(const struct xml_text *t, xmlNodePtr node, const char *name,
                             char **ret_behind)
{
    struct xml_written a = {0};
    cleanup_free char *behind = NULL;
    if (!xml_written_find(t, node, name, &a, &behind))
        return NULL;
    *ret_behind = TAKE_PTR(behind);
    return copy_range(t, a.blank, a.end);
}

char *xml_text_raw_value(const struct xml_text *t, xmlNodePtr node, const char *name)
{
    struct xml_written a = {0};
    return xml_written_find(t, node, name, &a, NULL) ? copy_range(t, a.value, a.value_end) : NULL;
}

char *xml_text_raw_element(const struct xml_text *t, xmlNodePtr node)
{
    const struct xml_span *span = xml_text_span(t, node);
    return copy_range(t, span->start, span->end);
}

char xml_text_quote(const struct xml_text *t, xmlNodePtr node)
{
    for (; node && node->type == XML_ELEMENT_NODE; node = node->parent) {
        struct xml_written last = {0};
        xml_written_find(t, node, NULL, &last, NULL);
        if (last.end)
            return last.quote;
    }
    return '\'';
}

char *xml_text_compose_attribute(const struct xml_text *t, xmlNodePtr node, const char *name,
                                 const char *value, char **ret_behind)
{
    struct xml_written last = {0};
    char quote = xml_text_quote(t, node);
    g_autofree char *escaped = g_markup_escape_text(value, -1);
    xml_written_find(t, node, NULL, &last, ret_behind);
    /* Attributes that have a line each go on so. */
    cleanup_free char *blank = copy_range(t, last.blank, last.name);
    return xasprintf("%s%s=%c%s%c", strchr(blank, '\n') ? blank : " ", name, quote, escaped, quote);
}
