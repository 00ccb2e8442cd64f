/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "domain/edit.h"

#include <inttypes.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "domain/edit_iothreads.h"
#include "domain/edit_place.h"
#include "domain/metadata_cache.h"
#include "domain/xml.h"
#include "domain/xml_text.h"

/* A document while it is edited. Nodes do not outlive a change, so they are found anew. */
struct editing {
    struct xml_text *t;
    const char *target;
    unsigned flags;
    GPtrArray *edits;
};

static void editing_done(struct editing *e)
{
    xml_text_free(e->t);
    if (e->edits)
        g_ptr_array_unref(e->edits);
}

static xmlNodePtr domain_of(const struct editing *e)
{
    return xmlDocGetRootElement(e->t->doc);
}

static char *copy_of(const char *text)
{
    return text ? xstrdup(text) : NULL;
}

/* Notes what was done. */
static void note(struct editing *e, const struct edit *done)
{
    g_ptr_array_add(e->edits, edit_copy(done));
}

/* --- What is refused -------------------------------------------------------------------------- */

static const struct disk_setting *find_setting(const struct disk_setting *settings, size_t count,
                                               const char *key)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(settings[i].key, key) == 0)
            return &settings[i];
    return NULL;
}

static int check_words(const struct disk_setting *settings, size_t count, struct error **err)
{
    for (size_t i = 0; i < count; i++) {
        if (disk_setting_check(&settings[i], err) < 0)
            return -1;
        if (find_setting(settings, i, settings[i].key))
            return error_set(err, "%s is set twice", settings[i].key);
    }
    return 0;
}

/* What an attribute will be. */
static char *outcome(xmlNodePtr driver, const struct disk_setting *set, const char *key)
{
    return set ? copy_of(set->value) : xml_attribute(driver, key);
}

/* libvirt refuses io='native' where the host's page cache is in between. */
static int check_native(xmlNodePtr driver, const struct disk_setting *settings, size_t count,
                        struct error **err)
{
    static const char *const direct[] = {"none", "directsync", NULL};
    const struct disk_setting *set_io = find_setting(settings, count, "io");
    const struct disk_setting *set_cache = find_setting(settings, count, "cache");
    cleanup_free char *io = outcome(driver, set_io, "io");
    cleanup_free char *cache = outcome(driver, set_cache, "cache");
    if ((!set_io && !set_cache) || !io || strcmp(io, "native") != 0 ||
        (cache && g_strv_contains(direct, cache)))
        return 0;
    error_set(err, "io=native needs cache=none or cache=directsync, and the cache would be %s",
              cache ? cache : "the default");
    return error_hint(err, set_io ? "set cache=none as well" : "set another io as well");
}

/* The driver of a vhost-user disk is another process, and only queues are QEMU's. */
static int check_type(xmlNodePtr disk, const struct disk_setting *settings, size_t count,
                      struct error **err)
{
    cleanup_free char *type = xml_attribute(disk, "type");
    for (size_t i = 0; type && strcmp(type, "vhostuser") == 0 && i < count; i++)
        if (settings[i].value && strcmp(settings[i].key, "queues") != 0)
            return error_set(err, "a vhostuser disk has no %s", settings[i].key);
    return 0;
}

/* libvirt refuses the element for anything else. */
static int check_cache(xmlNodePtr driver, const struct disk_setting *settings, size_t count,
                       struct error **err)
{
    const struct disk_setting *set = find_setting(settings, count, "metadata_cache");
    cleanup_free char *format = xml_attribute(driver, "type");
    if (!set || !set->value || (format && strcmp(format, "qcow2") == 0))
        return 0;
    return error_set(err, "metadata_cache is for the tables of a qcow2, and the disk is %s",
                     format ? format : "raw");
}

static int check_disk(const struct editing *e, const struct disk_setting *settings, size_t count,
                      struct error **err)
{
    xmlNodePtr disk = place_disk(domain_of(e), e->target, err);
    if (!disk)
        return -1;
    xmlNodePtr driver = xml_child(disk, "driver");
    if (xml_next(driver, "driver"))
        return error_set(err, "the disk has several <driver>");
    return check_type(disk, settings, count, err) < 0 ||
                   check_native(driver, settings, count, err) < 0 ||
                   check_cache(driver, settings, count, err) < 0
               ? -1
               : 0;
}

/* --- Where a setting belongs ------------------------------------------------------------------ */

/* Who serves the disk is said of its controller, where it shares one. */
static bool is_of_controller(const char *key)
{
    return strcmp(key, "iothread") == 0 || strcmp(key, "queues") == 0;
}

static char *place_of(const struct editing *e, const struct disk_setting *s, struct error **err)
{
    xmlNodePtr disk = place_disk(domain_of(e), e->target, err);
    cleanup_free char *bus = disk ? place_bus(disk) : NULL;
    cleanup_free char *own = xasprintf("disk:%s/driver", e->target);
    if (!disk)
        return NULL;
    if (!is_of_controller(s->key) || strcmp(bus, "virtio") == 0)
        return TAKE_PTR(own);
    if (strcmp(bus, "scsi") == 0)
        return place_controller(disk, err)
                   ? xasprintf("controller:scsi:%u/driver", place_controller_index(disk))
                   : NULL;
    /* Nothing is what there is. */
    if (!s->value)
        return TAKE_PTR(own);
    error_set(err, "a disk on bus '%s' has no %s", bus, s->key);
    error_hint(err, "disks on bus 'virtio' have, and on bus 'scsi' with a virtio-scsi controller");
    return NULL;
}

static int check_shared(const struct editing *e, const char *where, struct error **err)
{
    if (e->flags & EDIT_SHARED_CONTROLLER || !g_str_has_prefix(where, "controller:"))
        return 0;
    xmlNodePtr disk = place_disk(domain_of(e), e->target, err);
    cleanup_free char *others = disk ? place_controller_others(disk) : NULL;
    if (!others)
        return disk ? 0 : -1;
    error_set(err, "the controller of %s is that of others too: %s", e->target, others);
    return error_hint(err, "iothread and queues of a SCSI disk are its controller's");
}

/* --- Iothreads -------------------------------------------------------------------------------- */

static int check_iothread(xmlNodePtr driver, const char *value, struct error **err)
{
    if (xml_child(driver, "iothreads"))
        return error_set(err, "<driver> deals its queues out among iothreads already");
    cleanup_free char *ioeventfd = xml_attribute(driver, "ioeventfd");
    /* QEMU refuses that, and only when the guest is started. */
    if (value && ioeventfd && strcmp(ioeventfd, "off") == 0)
        return error_set(err, "an iothread needs ioeventfd, which <driver> has off");
    return 0;
}

static int check_defined(const struct iothreads *all, const char *value, struct error **err)
{
    uint64_t id;
    if (text_parse_number(value, 1, UINT32_MAX, &id, err) < 0)
        return -1;
    if (iothreads_have(all, (unsigned)id))
        return 0;
    error_set(err, "the domain has no iothread %s", value);
    return error_hint(err, "iothread=new makes one");
}

/* The id to be set: NULL for none. Nothing is changed yet; *ret_define: there is no such iothread
 * so far. */
static int choose_iothread(const struct editing *e, const char *where, const char *value,
                           char **ret_id, bool *ret_define, struct error **err)
{
    cleanup_iothreads struct iothreads all = {0};
    xmlNodePtr driver = place_find(domain_of(e), where);
    if (check_iothread(driver, value, err) < 0 || iothreads_read(domain_of(e), &all, err) < 0)
        return -1;
    *ret_define = false;
    *ret_id = copy_of(value);
    if (!value)
        return 0;
    if (strcmp(value, "new") != 0)
        return check_defined(&all, value, err);
    g_autoptr(GHashTable) used = iothreads_used(domain_of(e), driver);
    cleanup_free char *now = xml_attribute(driver, "iothread");
    uint64_t id;
    free(*ret_id);
    *ret_id = NULL;
    /* One of its own is what it may have. */
    if (now && text_parse_number(now, 1, UINT32_MAX, &id, NULL) == 0 &&
        iothreads_have(&all, (unsigned)id) && !g_hash_table_contains(used, GUINT_TO_POINTER(id))) {
        *ret_id = TAKE_PTR(now);
        return 0;
    }
    unsigned unused = iothreads_unused(&all, used);
    *ret_define = !unused;
    *ret_id = xasprintf("%u", unused ? unused : iothreads_next(&all));
    return 0;
}

/* What <iothreads> stands behind: the first of these that there is. */
static const char *const in_front[] = {"vcpus", "vcpu", "currentMemory", "memory", "uuid", "name"};

static int insert_count(struct editing *e, struct error **err)
{
    const char *element = "<iothreads>1</iothreads>";
    xmlNodePtr sibling = NULL;
    cleanup_free char *raw = NULL;
    for (size_t i = 0; !sibling && i < ARRAY_SIZE(in_front); i++)
        sibling = xml_child(domain_of(e), in_front[i]);
    if (!sibling)
        return error_set(err, "the domain has no name");
    if (xml_text_insert_behind(e->t, sibling, element, &raw, err) < 0)
        return -1;
    note(e,
         &(struct edit){.kind = EDIT_ELEMENT, .where = "iothreads", .after = element, .raw = raw});
    return 0;
}

static int raise_count(struct editing *e, unsigned count, struct error **err)
{
    xmlNodePtr node = xml_child(domain_of(e), "iothreads");
    cleanup_free char *before = xml_child_text(domain_of(e), "iothreads");
    cleanup_free char *after = xasprintf("%u", count);
    if (xml_text_set_number(e->t, node, after, err) < 0)
        return -1;
    note(e,
         &(struct edit){.kind = EDIT_TEXT, .where = "iothreads", .before = before, .after = after});
    return 0;
}

static int insert_named(struct editing *e, const char *id, struct error **err)
{
    xmlNodePtr last = xml_child(xml_child(domain_of(e), "iothreadids"), "iothread"), next = last;
    while ((next = xml_next(next, "iothread")))
        last = next;
    char quote = xml_text_quote(e->t, last);
    cleanup_free char *where = xasprintf("iothreadids/iothread:%s", id), *raw = NULL;
    cleanup_free char *element = xasprintf("<iothread id=%c%s%c/>", quote, id, quote);
    if (xml_text_insert_behind(e->t, last, element, &raw, err) < 0)
        return -1;
    note(e, &(struct edit){.kind = EDIT_ELEMENT, .where = where, .after = element, .raw = raw});
    return 0;
}

/* Where ids are named the new one is as well, so that it is the one that was chosen. */
static int define_iothread(struct editing *e, const char *id, struct error **err)
{
    cleanup_iothreads struct iothreads all = {0};
    if (iothreads_read(domain_of(e), &all, err) < 0)
        return -1;
    bool named = g_hash_table_size(all.named);
    if (all.counted && raise_count(e, all.count + 1, err) < 0)
        return -1;
    if (named)
        return insert_named(e, id, err);
    return all.counted ? 0 : insert_count(e, err);
}

/* --- Attributes ------------------------------------------------------------------------------- */

/* Opens an element, for another one to go into it. */
static int open_tag(struct editing *e, const char *where, struct error **err)
{
    xmlNodePtr node = place_find(domain_of(e), where);
    if (!xml_text_span(e->t, node)->self_closed)
        return 0;
    if (xml_text_open(e->t, node, err) < 0)
        return -1;
    note(e, &(struct edit){.kind = EDIT_TAG, .where = where, .before = "/>", .after = ">"});
    return 0;
}

/* Makes the <driver> that a disk or a controller lacks. */
static int insert_driver(struct editing *e, const char *where, struct error **err)
{
    bool of_disk = g_str_has_prefix(where, "disk:");
    cleanup_free char *parent = xasprintf("%.*s", (int)(strlen(where) - strlen("/driver")), where);
    /* What has a disk in it is open. */
    if (!of_disk && open_tag(e, parent, err) < 0)
        return -1;
    xmlNodePtr node = place_parent(domain_of(e), where);
    char quote = xml_text_quote(e->t, node);
    cleanup_free char *element =
        of_disk ? xasprintf("<driver name=%cqemu%c/>", quote, quote) : xstrdup("<driver/>");
    cleanup_free char *raw = NULL;
    if (xml_text_insert_first(e->t, node, element, &raw, err) < 0)
        return -1;
    note(e, &(struct edit){.kind = EDIT_ELEMENT, .where = where, .after = element, .raw = raw});
    return 0;
}

static int change_attribute(struct editing *e, const char *where, const char *key,
                            const char *value, struct error **err)
{
    if (!place_find(domain_of(e), where) && insert_driver(e, where, err) < 0)
        return -1;
    xmlNodePtr driver = place_find(domain_of(e), where);
    cleanup_free char *before = xml_attribute(driver, key), *raw = NULL, *behind = NULL;
    int r;
    if (before && value) {
        raw = xml_text_raw_value(e->t, driver, key);
        r = xml_text_set_attribute(e->t, driver, key, value, NULL, err);
    } else if (value) {
        cleanup_free char *last = NULL;
        cleanup_free char *text = xml_text_compose_attribute(e->t, driver, key, value, &last);
        r = xml_text_insert_attribute(e->t, driver, key, value, text, last, err);
    } else {
        raw = xml_text_raw_attribute(e->t, driver, key, &behind);
        r = xml_text_remove_attribute(e->t, driver, key, err);
    }
    if (r < 0)
        return -1;
    note(e, &(struct edit){.kind = EDIT_ATTRIBUTE,
                           .where = where,
                           .attribute = key,
                           .before = before,
                           .after = value,
                           .raw = raw,
                           .behind = behind});
    return 0;
}

/* --- The cache of a qcow2's tables ------------------------------------------------------------ */

static int insert_cache(struct editing *e, const char *where, const char *bytes, struct error **err)
{
    cleanup_free char *driver = xasprintf("disk:%s/driver", e->target), *raw = NULL;
    if (open_tag(e, driver, err) < 0)
        return -1;
    xmlNodePtr node = place_find(domain_of(e), driver);
    cleanup_free char *element = metadata_cache_with(NULL, bytes, xml_text_quote(e->t, node), err);
    if (xml_text_insert_first(e->t, node, element, &raw, err) < 0)
        return -1;
    note(e, &(struct edit){.kind = EDIT_ELEMENT, .where = where, .after = element, .raw = raw});
    return 0;
}

static int replace_cache(struct editing *e, const char *where, const char *bytes,
                         struct error **err)
{
    xmlNodePtr node = place_find(domain_of(e), where);
    cleanup_free char *before = xml_text_raw_element(e->t, node), *raw = NULL, *behind = NULL;
    cleanup_free char *after =
        bytes ? metadata_cache_with(before, bytes, xml_text_quote(e->t, node), err) : NULL;
    if (bytes && (!after || xml_text_replace_element(e->t, node, after, err) < 0))
        return -1;
    if (!bytes && xml_text_remove_element(e->t, node, &raw, &behind, err) < 0)
        return -1;
    note(e, &(struct edit){.kind = EDIT_ELEMENT,
                           .where = where,
                           .before = before,
                           .after = after,
                           .raw = raw,
                           .behind = behind});
    return 0;
}

static int change_cache(struct editing *e, const char *bytes, struct error **err)
{
    cleanup_free char *where = xasprintf("disk:%s/driver/metadata_cache", e->target);
    xmlNodePtr node = place_find(domain_of(e), where);
    cleanup_free char *now = xasprintf("%" PRIu64, metadata_cache_bytes(node));
    if (bytes ? strcmp(now, bytes) == 0 : !node)
        return 0;
    return node ? replace_cache(e, where, bytes, err) : insert_cache(e, where, bytes, err);
}

/* --- One setting ------------------------------------------------------------------------------ */

static bool is_so(const char *now, const char *value)
{
    /* "default" is the word for what is not said. */
    return g_strcmp0(now, value) == 0 || (!now && strcmp(value, "default") == 0);
}

static int apply(struct editing *e, const struct disk_setting *s, struct error **err)
{
    bool define = false;
    if (strcmp(s->key, "metadata_cache") == 0)
        return change_cache(e, s->value, err);
    cleanup_free char *where = place_of(e, s, err), *value = NULL;
    if (!where)
        return -1;
    if (strcmp(s->key, "iothread") != 0)
        value = copy_of(s->value);
    else if (choose_iothread(e, where, s->value, &value, &define, err) < 0)
        return -1;
    cleanup_free char *now = xml_attribute(place_find(domain_of(e), where), s->key);
    if (is_so(now, value))
        return 0;
    if (check_shared(e, where, err) < 0 || (define && define_iothread(e, value, err) < 0))
        return -1;
    return change_attribute(e, where, s->key, value, err);
}

char *edit_disk(const char *xml, const char *target, const struct disk_setting *settings,
                size_t count, unsigned flags, GPtrArray **ret_edits, struct error **err)
{
    at_scope_end(editing_done) struct editing e = {
        .target = target,
        .flags = flags,
        .edits = g_ptr_array_new_with_free_func((GDestroyNotify)edit_free),
    };
    if (check_words(settings, count, err) < 0)
        return NULL;
    e.t = xml_text_read(xml, err);
    if (!e.t || !place_domain(e.t->doc, err) || check_disk(&e, settings, count, err) < 0)
        return NULL;
    for (size_t i = 0; i < count; i++)
        if (apply(&e, &settings[i], err) < 0)
            return NULL;
    *ret_edits = TAKE_PTR(e.edits);
    return TAKE_PTR(e.t->text);
}
