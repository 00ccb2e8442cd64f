/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "domain/xml_same.h"

static bool same_namespace(xmlNsPtr a, xmlNsPtr b)
{
    return (!a && !b) ||
           (a && b && xmlStrEqual(a->prefix, b->prefix) && xmlStrEqual(a->href, b->href));
}

static bool same_declarations(xmlNodePtr a, xmlNodePtr b)
{
    xmlNsPtr x = a->nsDef, y = b->nsDef;
    for (; x && y; x = x->next, y = y->next)
        if (!same_namespace(x, y))
            return false;
    return !x && !y;
}

static bool same_attribute(xmlAttrPtr a, xmlNodePtr b)
{
    xmlAttrPtr other =
        a->ns ? xmlHasNsProp(b, a->name, a->ns->href) : xmlHasNsProp(b, a->name, NULL);
    if (!other || !same_namespace(a->ns, other->ns))
        return false;
    xmlChar *x = xmlNodeListGetString(a->doc, a->children, 1);
    xmlChar *y = xmlNodeListGetString(other->doc, other->children, 1);
    /* No value and an empty one are the same. */
    bool same = xmlStrEqual(x ? x : BAD_CAST "", y ? y : BAD_CAST "");
    xmlFree(x);
    xmlFree(y);
    return same;
}

static bool same_attributes(xmlNodePtr a, xmlNodePtr b)
{
    size_t in_a = 0, in_b = 0;
    for (xmlAttrPtr x = b->properties; x; x = x->next)
        in_b++;
    for (xmlAttrPtr x = a->properties; x; x = x->next, in_a++)
        if (!same_attribute(x, b))
            return false;
    return in_a == in_b;
}

/* The node, or the first one behind it, that is no blank text. */
static xmlNodePtr skip_blanks(xmlNodePtr node)
{
    while (node && node->type == XML_TEXT_NODE && xmlIsBlankNode(node))
        node = node->next;
    return node;
}

static bool same_children(xmlNodePtr a, xmlNodePtr b)
{
    a = skip_blanks(a);
    b = skip_blanks(b);
    while (a && b) {
        if (!xml_same_node(a, b))
            return false;
        a = skip_blanks(a->next);
        b = skip_blanks(b->next);
    }
    return !a && !b;
}

bool xml_same_node(xmlNodePtr a, xmlNodePtr b)
{
    if (a->type != b->type || !xmlStrEqual(a->name, b->name))
        return false;
    if (a->type != XML_ELEMENT_NODE)
        return xmlStrEqual(a->content, b->content);
    return same_namespace(a->ns, b->ns) && same_declarations(a, b) && same_attributes(a, b) &&
           same_children(a->children, b->children);
}

bool xml_same_document(xmlDocPtr a, xmlDocPtr b)
{
    return xmlStrEqual(a->version, b->version) && xmlStrEqual(a->encoding, b->encoding) &&
           a->standalone == b->standalone && same_children(a->children, b->children);
}
