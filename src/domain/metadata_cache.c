/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "domain/metadata_cache.h"

#include <stdbool.h>
#include <strings.h>

#include "base/memory.h"
#include "base/text.h"
#include "domain/xml.h"

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
