/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "domain/edit_iothreads.h"

#include <stdint.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "domain/xml.h"

/* --- What there is ---------------------------------------------------------------------------- */

static int read_count(xmlNodePtr domain, struct iothreads *t, struct error **err)
{
    uint64_t count = 0;
    cleanup_free char *text = xml_child_text(domain, "iothreads");
    t->counted = text != NULL;
    if (text && text_parse_number(text, 0, UINT32_MAX - 1, &count, err) < 0)
        return error_prefix(err, "<iothreads>");
    t->count = (unsigned)count;
    return 0;
}

static int read_named(xmlNodePtr node, struct iothreads *t, struct error **err)
{
    uint64_t id;
    cleanup_free char *text = xml_attribute(node, "id");
    if (!text)
        return error_set(err, "<iothreadids>: an iothread has no id");
    if (text_parse_number(text, 1, UINT32_MAX, &id, err) < 0)
        return error_prefix(err, "<iothreadids>");
    if (!g_hash_table_add(t->named, GUINT_TO_POINTER((guint)id)))
        return error_set(err, "<iothreadids>: the id %s is there twice", text);
    return 0;
}

int iothreads_read(xmlNodePtr domain, struct iothreads *ret, struct error **err)
{
    cleanup_iothreads struct iothreads t = {.named = g_hash_table_new(NULL, NULL)};
    xmlNodePtr node = xml_child(xml_child(domain, "iothreadids"), "iothread");
    if (read_count(domain, &t, err) < 0)
        return -1;
    for (; node; node = xml_next(node, "iothread"))
        if (read_named(node, &t, err) < 0)
            return -1;
    t.count = MAX(t.count, g_hash_table_size(t.named));
    *ret = t;
    t.named = NULL;
    return 0;
}

void iothreads_done(struct iothreads *t)
{
    if (t->named)
        g_hash_table_unref(t->named);
}

static bool contains(GHashTable *ids, unsigned id)
{
    return g_hash_table_contains(ids, GUINT_TO_POINTER(id));
}

/* How many have no name. */
static unsigned nameless(const struct iothreads *t)
{
    return t->count - g_hash_table_size(t->named);
}

bool iothreads_have(const struct iothreads *t, unsigned id)
{
    GHashTableIter iter;
    gpointer key;
    unsigned named_below = 0;
    if (!id || contains(t->named, id))
        return id != 0;
    g_hash_table_iter_init(&iter, t->named);
    while (g_hash_table_iter_next(&iter, &key, NULL))
        named_below += GPOINTER_TO_UINT(key) < id;
    return id - named_below <= nameless(t);
}

/* --- What uses them --------------------------------------------------------------------------- */

static void use(GHashTable *used, xmlNodePtr node, const char *attribute)
{
    uint64_t id;
    cleanup_free char *text = xml_attribute(node, attribute);
    if (text && text_parse_number(text, 1, UINT32_MAX, &id, NULL) == 0)
        g_hash_table_add(used, GUINT_TO_POINTER((guint)id));
}

static void use_named(GHashTable *used, xmlNodePtr driver)
{
    use(used, driver, "iothread");
    xmlNodePtr node = xml_child(xml_child(driver, "iothreads"), "iothread");
    for (; node; node = xml_next(node, "iothread"))
        use(used, node, "id");
}

/* Not disks and controllers alone: whatever of the devices names one, also what we know nothing of.
 */
GHashTable *iothreads_used(xmlNodePtr domain, xmlNodePtr but_for)
{
    GHashTable *used = g_hash_table_new(NULL, NULL);
    xmlNodePtr devices = xml_child(domain, "devices");
    for (xmlNodePtr d = devices ? devices->children : NULL; d; d = d->next)
        for (xmlNodePtr driver = xml_child(d, "driver"); driver;
             driver = xml_next(driver, "driver"))
            if (driver != but_for)
                use_named(used, driver);
    return used;
}

unsigned iothreads_unused(const struct iothreads *t, GHashTable *used)
{
    GHashTableIter iter;
    gpointer key;
    unsigned lowest = 0, left = nameless(t);
    g_hash_table_iter_init(&iter, t->named);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        unsigned id = GPOINTER_TO_UINT(key);
        if (!contains(used, id) && (!lowest || id < lowest))
            lowest = id;
    }
    for (unsigned id = 1; left && (!lowest || id < lowest); id++) {
        if (contains(t->named, id))
            continue;
        left--;
        if (!contains(used, id))
            return id;
    }
    return lowest;
}

unsigned iothreads_next(const struct iothreads *t)
{
    unsigned id = 1, left = nameless(t);
    for (; left || contains(t->named, id); id++)
        left -= !contains(t->named, id);
    return id;
}

/* --- What is tuned of them -------------------------------------------------------------------- */

/* Whether "1-3,^2,7" has the id; what is no such list has none. */
static bool list_has(const char *list, unsigned id)
{
    bool has = false;
    g_auto(GStrv) parts = g_strsplit(list, ",", -1);
    for (char **part = parts; *part; part++) {
        const char *text = g_strstrip(*part);
        bool without = *text == '^';
        g_auto(GStrv) ends = g_strsplit(text + without, "-", 2);
        uint64_t first, last;
        if (!ends[0] || text_parse_number(ends[0], 0, UINT32_MAX, &first, NULL) < 0)
            continue;
        last = first;
        if (ends[1] && text_parse_number(ends[1], 0, UINT32_MAX, &last, NULL) < 0)
            continue;
        if (first <= id && id <= last)
            has = !without;
    }
    return has;
}

bool iothreads_are_tuned(xmlNodePtr domain, unsigned id)
{
    static const struct {
        const char *element, *attribute;
    } tunings[] = {{"iothreadpin", "iothread"}, {"iothreadsched", "iothreads"}};
    xmlNodePtr cputune = xml_child(domain, "cputune");
    for (size_t i = 0; i < ARRAY_SIZE(tunings); i++) {
        xmlNodePtr node = xml_child(cputune, tunings[i].element);
        for (; node; node = xml_next(node, tunings[i].element)) {
            cleanup_free char *list = xml_attribute(node, tunings[i].attribute);
            if (list && list_has(list, id))
                return true;
        }
    }
    return false;
}
