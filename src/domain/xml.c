/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "domain/xml.h"

#include <libxml/c14n.h>
#include <libxml/parser.h>
#include <stdbool.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"

static char *copy_of(xmlChar *text)
{
    char *copy = text ? xstrdup((const char *)text) : NULL;
    xmlFree(text);
    return copy;
}

/* --- Parsing ---------------------------------------------------------------------------------- */

static int parse_error(struct error **err)
{
    const xmlError *last = xmlGetLastError();
    cleanup_free char *message = xstrdup(last && last->message ? last->message : "unknown error");
    text_one_line(message);
    return error_set(err, "this is no XML: line %d: %s", last ? last->line : 0, message);
}

static bool is_blank(const char *text, size_t length)
{
    size_t i = 0;
    while (i < length && memchr(" \t\r\n", text[i], 4))
        i++;
    return i == length;
}

xmlDocPtr xml_parse(const char *text, size_t length, struct error **err)
{
    if (length > XML_LENGTH_MAX) {
        error_set(err, "the XML is longer than %d MiB", XML_LENGTH_MAX >> 20);
        return NULL;
    }
    /* Of that the parser says nothing, not even a line. */
    if (is_blank(text, length)) {
        error_set(err, "the XML is empty");
        return NULL;
    }
    xmlResetLastError();
    cleanup_xml xmlDocPtr doc = xmlReadMemory(
        text, (int)length, NULL, NULL, XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    if (!doc || !xmlDocGetRootElement(doc)) {
        parse_error(err);
        return NULL;
    }
    if (doc->intSubset || doc->extSubset) {
        error_set(err, "the XML has a document type, and entities are not read");
        return NULL;
    }
    return TAKE_PTR(doc);
}

/* --- Finding ---------------------------------------------------------------------------------- */

/* Elements of other namespaces are not libvirt's, whatever their name. */
static bool is_named(xmlNodePtr node, const char *name)
{
    return node->type == XML_ELEMENT_NODE && !node->ns &&
           strcmp((const char *)node->name, name) == 0;
}

static xmlNodePtr first_named(xmlNodePtr node, const char *name)
{
    while (node && !is_named(node, name))
        node = node->next;
    return node;
}

xmlNodePtr xml_child(xmlNodePtr parent, const char *name)
{
    return parent ? first_named(parent->children, name) : NULL;
}

xmlNodePtr xml_next(xmlNodePtr node, const char *name)
{
    return node ? first_named(node->next, name) : NULL;
}

char *xml_attribute(xmlNodePtr node, const char *name)
{
    return node ? copy_of(xmlGetNoNsProp(node, BAD_CAST name)) : NULL;
}

unsigned xml_number(xmlNodePtr node, const char *name, unsigned fallback)
{
    uint64_t value;
    cleanup_free char *text = xml_attribute(node, name);
    return text && text_parse_number(text, 0, UINT32_MAX, &value, NULL) == 0 ? (unsigned)value
                                                                             : fallback;
}

char *xml_child_text(xmlNodePtr parent, const char *name)
{
    xmlNodePtr node = xml_child(parent, name);
    cleanup_free char *text = node ? copy_of(xmlNodeGetContent(node)) : NULL;
    if (!text)
        return NULL;
    const char *begin = text + strspn(text, " \t\r\n");
    size_t length = strlen(begin);
    while (length && strchr(" \t\r\n", begin[length - 1]))
        length--;
    return xasprintf("%.*s", (int)length, begin);
}

/* --- Canonical form --------------------------------------------------------------------------- */

static void remove_blanks(xmlNodePtr node)
{
    for (xmlNodePtr child = node->children, next; child; child = next) {
        next = child->next;
        if (xmlIsBlankNode(child) || child->type == XML_COMMENT_NODE) {
            xmlUnlinkNode(child);
            xmlFreeNode(child);
        } else if (child->type == XML_ELEMENT_NODE) {
            remove_blanks(child);
        }
    }
}

static void stay_silent(void *data, xmlErrorPtr error)
{
    (void)data, (void)error;
}

/* Canonical form does not exist where a namespace has a relative name, which nobody means, and XML
 * can have: that is taken as it is written. */
static xmlChar *dump(xmlDocPtr doc)
{
    xmlChar *text = NULL;
    int length;
    xmlSetStructuredErrorFunc(NULL, stay_silent);
    if (xmlC14NDocDumpMemory(doc, NULL, XML_C14N_1_0, NULL, /* with_comments = */ 0, &text) < 0)
        xmlDocDumpMemory(doc, &text, &length);
    xmlSetStructuredErrorFunc(NULL, NULL);
    return text;
}

char *xml_canonical(xmlNodePtr node)
{
    cleanup_xml xmlDocPtr doc = xmlNewDoc(BAD_CAST "1.0");
    xmlNodePtr copy = xmlDocCopyNode(node, doc, /* extended = recursively */ 1);
    xmlDocSetRootElement(doc, copy);
    remove_blanks(copy);
    return copy_of(dump(doc));
}

/* --- As text ---------------------------------------------------------------------------------- */

char *xml_to_text(xmlNodePtr node)
{
    xmlBufferPtr buffer = xmlBufferCreate();
    xmlNodeDump(buffer, node->doc, node, /* level = */ 0, /* format = */ 0);
    char *text = xstrdup((const char *)xmlBufferContent(buffer));
    xmlBufferFree(buffer);
    return text;
}
