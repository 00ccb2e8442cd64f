/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "domain/metadata_cache.h"

#include <stdbool.h>
#include <strings.h>

#include "base/memory.h"
#include "base/text.h"
#include "domain/xml.h"
#include "domain/xml_text.h"

/* libvirt's words for a unit that is none (virScaleInteger). */
static bool is_bytes(const char *unit)
{
    static const char *const words[] = {"", "b", "byte", "bytes"};
    bool known = !unit;
    for (size_t i = 0; !known && i < ARRAY_SIZE(words); i++)
        known = strcasecmp(unit, words[i]) == 0;
    return known;
}

uint64_t metadata_cache_bytes(xmlNodePtr cache)
{
    uint64_t bytes = 0;
    cleanup_free char *number = xml_child_text(cache, "max_size");
    cleanup_free char *unit = xml_attribute(xml_child(cache, "max_size"), "unit");
    cleanup_free char *text = number ? xasprintf("%s%s", number, is_bytes(unit) ? "" : unit) : NULL;
    return text && text_parse_size(text, &bytes, NULL) == 0 ? bytes : 0;
}

/* --- With another size ------------------------------------------------------------------------ */

static int insert_size(struct xml_text *t, const char *size, struct error **err)
{
    cleanup_free char *raw = NULL;
    if (xml_text_open(t, xmlDocGetRootElement(t->doc), err) < 0)
        return -1;
    return xml_text_insert_first(t, xmlDocGetRootElement(t->doc), size, &raw, err);
}

static int set_size(struct xml_text *t, const char *bytes, struct error **err)
{
    xmlNodePtr size = xml_child(xmlDocGetRootElement(t->doc), "max_size");
    cleanup_free char *unit = xml_attribute(size, "unit");
    if (!is_bytes(unit) && xml_text_set_attribute(t, size, "unit", "bytes", NULL, err) < 0)
        return -1;
    return xml_text_set_number(t, xml_child(xmlDocGetRootElement(t->doc), "max_size"), bytes, err);
}

char *metadata_cache_with(const char *written, const char *bytes, char quote, struct error **err)
{
    cleanup_free char *size =
        xasprintf("<max_size unit=%cbytes%c>%s</max_size>", quote, quote, bytes);
    if (!written)
        return xasprintf("<metadata_cache>%s</metadata_cache>", size);
    cleanup_xml_text struct xml_text *t = xml_text_read(written, err);
    if (!t)
        return NULL;
    bool has_size = xml_child(xmlDocGetRootElement(t->doc), "max_size");
    if ((has_size ? set_size(t, bytes, err) : insert_size(t, size, err)) < 0)
        return NULL;
    return TAKE_PTR(t->text);
}
