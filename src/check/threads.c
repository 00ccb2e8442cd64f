/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check/threads.h"

#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "domain/edit_iothreads.h"
#include "domain/xml.h"

/* More than any machine has use for: a number of iothreads can be any number. */
#define THREADS_MAX 1024

/* Where an id is in the ascending array, or would be. */
static guint position_of(const GArray *ids, unsigned id)
{
    guint low = 0, high = ids->len;
    while (low < high) {
        guint middle = low + (high - low) / 2;
        if (g_array_index(ids, unsigned, middle) < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool threads_has(const GArray *ids, unsigned id)
{
    guint at = position_of(ids, id);
    return at < ids->len && g_array_index(ids, unsigned, at) == id;
}

static void add(GArray *ids, unsigned id)
{
    if (id && ids->len < THREADS_MAX && !threads_has(ids, id))
        g_array_insert_val(ids, position_of(ids, id), id);
}

unsigned threads_free_id(const GArray *declared, unsigned nth)
{
    unsigned id = 1;
    while (threads_has(declared, id) || nth-- > 0)
        id++;
    return id;
}

char *threads_list(const GArray *ids)
{
    g_autoptr(GString) list = g_string_new(NULL);
    for (guint i = 0; i < ids->len; i++)
        g_string_append_printf(list, "%s%u", i ? ", " : "", g_array_index(ids, unsigned, i));
    return xstrdup(list->str);
}

static GArray *no_ids(void)
{
    return g_array_new(FALSE, FALSE, sizeof(unsigned));
}

/* Every <iothread id='…'/> of an element. Each disk asks: of an absurd list not all is looked at.
 */
static void add_listed(GArray *ids, xmlNodePtr list)
{
    xmlNodePtr n = xml_child(list, "iothread");
    for (unsigned i = 0; n && i < THREADS_MAX; n = xml_next(n, "iothread"), i++)
        add(ids, xml_number(n, "id", 0));
}

GArray *threads_declared(const struct check_domain *d)
{
    GArray *ids = no_ids();
    uint64_t count = 0;
    cleanup_free char *text = xml_child_text(d->node, "iothreads");
    if (text && text_parse_number(text, 0, THREADS_MAX, &count, NULL) < 0)
        count = 0;
    add_listed(ids, xml_child(d->node, "iothreadids"));
    for (unsigned id = 1; ids->len < count; id++)
        add(ids, id);
    return ids;
}

GArray *threads_named(xmlNodePtr driver)
{
    GArray *ids = no_ids();
    add(ids, xml_number(driver, "iothread", 0));
    add_listed(ids, xml_child(driver, "iothreads"));
    return ids;
}

GArray *threads_listed(xmlNodePtr list)
{
    GArray *ids = no_ids();
    add_listed(ids, list);
    return ids;
}

static void add_missing(GArray *missing, const GArray *declared, const struct check_disk *d)
{
    bool can_have = look_is_virtio_blk(d) || look_is_virtio_scsi(d);
    g_autoptr(GArray) named = threads_named(look_server_driver(d));
    for (guint i = 0; can_have && i < named->len; i++)
        if (!threads_has(declared, g_array_index(named, unsigned, i)))
            add(missing, g_array_index(named, unsigned, i));
}

GArray *threads_missing(const struct check_disk *d)
{
    const struct check_domain *domain = d->domain;
    GArray *missing = no_ids();
    g_autoptr(GArray) declared = threads_declared(domain);
    add_missing(missing, declared, d);
    size_t count = domain->disk_count <= LOOK_COMPARED_DISKS_MAX ? domain->disk_count : 0;
    for (size_t i = 0; i < count; i++)
        add_missing(missing, declared, &domain->disks[i]);
    return missing;
}

GArray *threads_idle(const struct check_domain *d)
{
    GArray *idle = no_ids();
    g_autoptr(GArray) declared = threads_declared(d);
    g_autoptr(GHashTable) used = iothreads_used(d->node, NULL);
    for (guint i = 0; i < declared->len; i++) {
        unsigned id = g_array_index(declared, unsigned, i);
        if (!g_hash_table_contains(used, GUINT_TO_POINTER(id)))
            add(idle, id);
    }
    return idle;
}

bool threads_is_first(const struct check_disk *d)
{
    const struct check_domain *domain = d->domain;
    size_t count = domain->disk_count <= LOOK_COMPARED_DISKS_MAX ? domain->disk_count : 0;
    for (size_t i = 0; d->controller && i < count && &domain->disks[i] != d; i++)
        if (domain->disks[i].controller == d->controller)
            return false;
    return true;
}

/* virtio's MMIO transport has no notifiers. */
static bool has_notifiers(const struct check_disk *d)
{
    xmlNodePtr owner = look_is_virtio_scsi(d) ? d->controller : d->node;
    return !look_says(xml_child(owner, "address"), "type", "virtio-mmio");
}

bool threads_can_serve(const struct check_disk *d)
{
    return (look_is_virtio_blk(d) || (look_is_virtio_scsi(d) && threads_is_first(d))) &&
           has_notifiers(d);
}

bool threads_is_unserved(const struct check_disk *d)
{
    g_autoptr(GArray) named = threads_named(look_server_driver(d));
    return threads_can_serve(d) && !named->len;
}

char *threads_serve(const struct check_disk *d, unsigned id)
{
    xmlNodePtr driver;
    cleanup_xml xmlDocPtr doc = look_copy_server(d, &driver);
    cleanup_free char *number = xasprintf("%u", id);
    look_drop(driver, "iothreads");
    xmlSetProp(driver, BAD_CAST "iothread", BAD_CAST number);
    xmlUnsetProp(driver, BAD_CAST "ioeventfd");
    return look_to_text(xmlDocGetRootElement(doc));
}

char *threads_attach(const struct check_disk *d, unsigned id)
{
    cleanup_free char *element = threads_serve(d, id);
    return xasprintf("<!-- %s -->\n%s", d->model->target ? d->model->target : "disk", element);
}
