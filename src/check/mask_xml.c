/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check/mask_xml.h"

#include <stdbool.h>
#include <string.h>

#include <glib.h>

#include "base/memory.h"
#include "domain/xml.h"

enum keep {
    KEEP_PART,  /* the attributes named, and children that are in the table themselves */
    KEEP_TEXT,  /* its text, no attributes */
    KEEP_MASK,  /* the element with another text */
    KEEP_WHOLE, /* all below, but for comments and other namespaces */
};

/* Elements that stay, by the parent's name and their own. */
static const struct kept {
    const char *path;
    enum keep keep;
    const char *attributes; /* of a part, with blanks between; or the text of a mask */
} table[] = {
    {"/domain", KEEP_PART, "type"},
    {"domain/name", KEEP_TEXT, ""},
    {"domain/uuid", KEEP_TEXT, ""},
    {"domain/memory", KEEP_WHOLE, ""},
    {"domain/currentMemory", KEEP_WHOLE, ""},
    {"domain/maxMemory", KEEP_WHOLE, ""},
    {"domain/memoryBacking", KEEP_WHOLE, ""},
    {"domain/memtune", KEEP_WHOLE, ""},
    {"domain/vcpu", KEEP_WHOLE, ""},
    {"domain/vcpus", KEEP_WHOLE, ""},
    {"domain/iothreads", KEEP_WHOLE, ""},
    {"domain/iothreadids", KEEP_WHOLE, ""},
    {"domain/defaultiothread", KEEP_WHOLE, ""},
    {"domain/cputune", KEEP_WHOLE, ""},
    {"domain/numatune", KEEP_WHOLE, ""},
    {"domain/blkiotune", KEEP_WHOLE, ""},
    {"domain/cpu", KEEP_WHOLE, ""},
    {"domain/os", KEEP_PART, ""},
    {"os/type", KEEP_WHOLE, ""},
    {"domain/devices", KEEP_PART, ""},
    {"devices/emulator", KEEP_TEXT, ""},
    {"devices/controller", KEEP_WHOLE, ""},
    {"devices/disk", KEEP_PART, "type device model rawio sgio snapshot"},
    {"disk/driver", KEEP_WHOLE, ""},
    {"disk/source", KEEP_PART, "file dev dir protocol pool volume mode type startupPolicy"},
    {"source/slices", KEEP_WHOLE, ""},
    {"source/reservations", KEEP_PART, "managed"},
    {"source/encryption", KEEP_PART, "format engine"},
    {"disk/encryption", KEEP_PART, "format engine"},
    {"disk/backingStore", KEEP_PART, "type"},
    {"backingStore/backingStore", KEEP_PART, "type"},
    {"backingStore/format", KEEP_WHOLE, ""},
    {"backingStore/source", KEEP_PART, "file dev dir protocol pool volume"},
    {"disk/target", KEEP_WHOLE, ""},
    {"disk/iotune", KEEP_WHOLE, ""},
    {"disk/throttlefilters", KEEP_WHOLE, ""},
    {"disk/readonly", KEEP_WHOLE, ""},
    {"disk/shareable", KEEP_WHOLE, ""},
    {"disk/transient", KEEP_WHOLE, ""},
    {"disk/blockio", KEEP_WHOLE, ""},
    {"disk/geometry", KEEP_WHOLE, ""},
    {"disk/boot", KEEP_WHOLE, ""},
    {"disk/address", KEEP_WHOLE, ""},
    {"disk/serial", KEEP_MASK, "masked"},
    {"disk/wwn", KEEP_MASK, "5000000000000000"},
    {"disk/vendor", KEEP_MASK, "masked"},
    {"disk/product", KEEP_MASK, "masked"},
};

/* Any other device, whose driver may name an iothread, and what stays below it. */
static const struct kept device = {"devices/", KEEP_PART, "type model mode index bus"};
static const struct kept below_device[] = {
    {"/driver", KEEP_WHOLE, ""},
    {"/address", KEEP_WHOLE, ""},
};

static bool is_named(const xmlNode *node, const char *name)
{
    return node && node->type == XML_ELEMENT_NODE && strcmp((const char *)node->name, name) == 0;
}

/* Whether it is a child of <devices> in <domain>. */
static bool is_device(const xmlNode *node)
{
    const xmlNode *devices = node && node->type == XML_ELEMENT_NODE ? node->parent : NULL;
    return is_named(devices, "devices") && is_named(devices->parent, "domain");
}

static const struct kept *kept_of(const xmlNode *node)
{
    const xmlNode *parent = node->parent;
    cleanup_free char *path =
        xasprintf("%s/%s", parent->type == XML_ELEMENT_NODE ? (const char *)parent->name : "",
                  (const char *)node->name);
    for (size_t i = 0; i < ARRAY_SIZE(table); i++)
        if (strcmp(path, table[i].path) == 0)
            return &table[i];
    if (is_device(node))
        return &device;
    for (size_t i = 0; is_device(parent) && i < ARRAY_SIZE(below_device); i++)
        if (is_named(node, below_device[i].path + 1))
            return &below_device[i];
    return NULL;
}

/* Whether `word` is one of the words in `list`. */
static bool is_listed(const char *list, const char *word)
{
    g_auto(GStrv) words = g_strsplit(list, " ", -1);
    return g_strv_contains((const gchar *const *)words, word);
}

static void prune_attributes(xmlNodePtr node, const struct kept *k)
{
    for (xmlAttrPtr a = node->properties, next; a; a = next) {
        next = a->next;
        bool stays =
            !a->ns && (k->keep == KEEP_WHOLE ||
                       (k->keep == KEEP_PART && is_listed(k->attributes, (const char *)a->name)));
        if (!stays)
            xmlRemoveProp(a);
    }
}

/* Blanks stay, so that an element reads as it did. */
static bool stays(xmlNodePtr child, const struct kept *k)
{
    bool text = child->type == XML_TEXT_NODE || child->type == XML_CDATA_SECTION_NODE;
    if (child->type == XML_ELEMENT_NODE)
        return !child->ns && (k->keep == KEEP_WHOLE || (k->keep == KEEP_PART && kept_of(child)));
    return text && (k->keep == KEEP_WHOLE || k->keep == KEEP_TEXT || xmlIsBlankNode(child));
}

static void prune(xmlNodePtr node, const struct kept *k)
{
    prune_attributes(node, k);
    for (xmlNodePtr child = node->children, next; child; child = next) {
        next = child->next;
        if (!stays(child, k)) {
            xmlUnlinkNode(child);
            xmlFreeNode(child);
        } else if (child->type == XML_ELEMENT_NODE) {
            prune(child, k->keep == KEEP_WHOLE ? k : kept_of(child));
        }
    }
    if (k->keep == KEEP_MASK)
        xmlNodeSetContent(node, BAD_CAST k->attributes);
    /* Nothing is left that is of one. */
    xmlFreeNsList(node->nsDef);
    node->nsDef = NULL;
}

char *mask_domain(xmlDocPtr doc)
{
    cleanup_xml xmlDocPtr masked = xmlNewDoc(BAD_CAST "1.0");
    xmlNodePtr domain = xmlDocCopyNode(xmlDocGetRootElement(doc), masked, /* extended = */ 1);
    xmlDocSetRootElement(masked, domain);
    prune(domain, &table[0]);
    return xml_to_text(domain);
}
