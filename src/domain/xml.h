/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xml.h - domain XML, read without trust: no network, no entities, no document type.
 */
#pragma once

#include <libxml/tree.h>

#include "base/cleanup.h"
#include "base/error.h"

/* The largest document that is looked at: libvirt's own limit on a domain's XML is 10 MB. */
#define XML_LENGTH_MAX (10 << 20)

/* Parses a document; the caller frees it with xmlFreeDoc. Errors: it is empty, or no XML,
 * with the line; it has a document type, where entities would be; it is too long. */
xmlDocPtr xml_parse(const char *text, size_t length, struct error **err);

/* The first child element of this name, and the next one behind a node; NULL for none, and for
 * none of NULL. */
xmlNodePtr xml_child(xmlNodePtr parent, const char *name);
xmlNodePtr xml_next(xmlNodePtr node, const char *name);

/* An attribute's value, and the text of a child element without the blanks around it; NULL where
 * there is none. The caller frees. */
char *xml_attribute(xmlNodePtr node, const char *name);
char *xml_child_text(xmlNodePtr parent, const char *name);

/* An attribute as a number up to UINT32_MAX; `fallback` where it is none. */
unsigned xml_number(xmlNodePtr node, const char *name, unsigned fallback);

/* The element in canonical form, without the blanks between elements: the same for documents that
 * say the same (https://www.w3.org/TR/xml-c14n). The caller frees. */
char *xml_canonical(xmlNodePtr node);

/* The element as XML, as it is written; the caller frees. */
char *xml_to_text(xmlNodePtr node);

static inline void cleanup_xml_handler(xmlDocPtr *doc)
{
    if (*doc)
        xmlFreeDoc(*doc);
}
#define cleanup_xml at_scope_end(cleanup_xml_handler)
