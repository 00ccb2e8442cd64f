/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "domain/lookup.h"

#include <glib.h>
#include <libvirt/virterror.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "domain/patience.h"
#include "domain/xml.h"

/* --- Domains ---------------------------------------------------------------------------------- */

/* Names of others, for the hint: more than these nobody reads. */
#define NAMES_SHOWN 8

static char *list_names(const struct connection *c)
{
    virDomainPtr *domains = NULL;
    int count = virConnectListAllDomains(c->handle, &domains, 0);
    g_autoptr(GString) list = g_string_new(NULL);
    for (int i = 0; i < count; i++) {
        if (i < NAMES_SHOWN)
            g_string_append_printf(list, "%s%s", i ? ", " : "", virDomainGetName(domains[i]));
        virDomainFree(domains[i]);
    }
    if (count > NAMES_SHOWN)
        g_string_append_printf(list, " and %d more", count - NAMES_SHOWN);
    free(domains);
    return list->len ? xstrdup(list->str) : NULL;
}

static virDomainPtr find_domain(const struct connection *c, const char *name, struct error **err)
{
    uint64_t id;
    virDomainPtr domain = NULL;
    if (text_parse_number(name, 0, INT32_MAX, &id, NULL) == 0)
        domain = virDomainLookupByID(c->handle, (int)id);
    if (!domain)
        domain = virDomainLookupByUUIDString(c->handle, name);
    if (!domain)
        domain = virDomainLookupByName(c->handle, name);
    if (domain)
        return domain;
    connection_error(err, "there is no domain '%s'", name);
    cleanup_free char *names = list_names(c);
    cleanup_free char *uri = virConnectGetURI(c->handle);
    error_hint(err, names ? "%s has %s" : "%s has no domain%s", uri ? uri : "libvirt",
               names ? names : "");
    return NULL;
}

/* --- With patience that ends ------------------------------------------------------------------ */

/* libvirt looks at a domain only when whoever has it lets go, and has no bound for that: a dump
 * into a pipe that nobody opens keeps it for ever. Where libvirt has one, between calls, it is 30
 * s. */
#define PATIENCE_SECONDS 40

struct question {
    struct connection connection; /* a reference of its own */
    char *name;
    virDomainPtr domain;
    GPtrArray *all; /* virDomainPtr */
    struct error *err;
};

static void free_domain(void *domain)
{
    virDomainFree(domain);
}

static void question_clear(void *data)
{
    struct question *q = data;
    if (q->domain)
        virDomainFree(q->domain);
    if (q->all)
        g_ptr_array_unref(q->all);
    virConnectClose(q->connection.handle);
    error_free(q->err);
    free(q->name);
}

PATIENCE_CLEANUP(cleanup_question_handler, struct question, question_clear)
#define cleanup_question at_scope_end(cleanup_question_handler)

static struct question *question_new(const struct connection *c)
{
    struct question *q = g_atomic_rc_box_new0(struct question);
    q->connection = *c;
    virConnectRef(c->handle);
    return q;
}

/* Whether it is answered, be it with an error; `undone` is what libvirt has not done where it is
 * not. */
static bool is_answered(struct question *q, void (*ask)(void *), const char *undone,
                        struct error **err)
{
    enum patience end = patience_ask(q, ask, question_clear, PATIENCE_SECONDS, err);
    if (end == PATIENCE_OVER) {
        error_set(err, "libvirt has not %s within %d s: somebody has %s", undone, PATIENCE_SECONDS,
                  q->name ? "it" : "one");
        error_hint(err, "is a dump or a save waiting for what it writes to? virsh waits, too");
    }
    if (end != PATIENCE_ANSWERED)
        return false;
    error_take(err, &q->err);
    return true;
}

static void ask_one(void *data)
{
    struct question *q = data;
    q->domain = find_domain(&q->connection, q->name, &q->err);
}

virDomainPtr lookup_domain(const struct connection *c, const char *name, struct error **err)
{
    cleanup_question struct question *q = question_new(c);
    q->name = xstrdup(name);
    cleanup_free char *undone = xasprintf("found the domain '%s'", name);
    return is_answered(q, ask_one, undone, err) ? TAKE_PTR(q->domain) : NULL;
}

/* To list them libvirt looks at each, and so waits for each. */
static void ask_all(void *data)
{
    struct question *q = data;
    virDomainPtr *domains = NULL;
    int count = virConnectListAllDomains(q->connection.handle, &domains, 0);
    if (count < 0) {
        connection_error(&q->err, "cannot list the domains");
        return;
    }
    q->all = g_ptr_array_new_with_free_func(free_domain);
    for (int i = 0; i < count; i++)
        g_ptr_array_add(q->all, domains[i]);
    free(domains);
}

/* libvirt has them in no order. */
static int compare_names(const void *a, const void *b)
{
    return strcmp(virDomainGetName(*(const virDomainPtr *)a),
                  virDomainGetName(*(const virDomainPtr *)b));
}

GPtrArray *lookup_domains(const struct connection *c, struct error **err)
{
    cleanup_question struct question *q = question_new(c);
    if (!is_answered(q, ask_all, "listed the domains", err) || !q->all)
        return NULL;
    g_ptr_array_sort(q->all, compare_names);
    return TAKE_PTR(q->all);
}

bool lookup_is_gone(virDomainPtr domain)
{
    return virDomainIsActive(domain) < 0 && virGetLastErrorCode() == VIR_ERR_NO_DOMAIN;
}

static char *read_xml(virDomainPtr domain, unsigned flags, struct error **err)
{
    const char *name = virDomainGetName(domain); /* libvirt forgets an error with its next call */
    char *xml = virDomainGetXMLDesc(domain, flags);
    if (!xml)
        connection_error(err, "cannot read the definition of %s", name);
    return xml;
}

int lookup_xml(virDomainPtr domain, char **ret_next, char **ret_live, bool *ret_persistent,
               struct error **err)
{
    bool persistent = virDomainIsPersistent(domain) == 1;
    bool running = virDomainIsActive(domain) == 1;
    cleanup_free char *next = read_xml(domain, persistent ? VIR_DOMAIN_XML_INACTIVE : 0, err);
    cleanup_free char *live = next && running ? read_xml(domain, 0, err) : NULL;
    if (!next || (running && !live))
        return -1;
    *ret_next = TAKE_PTR(next);
    *ret_live = TAKE_PTR(live);
    *ret_persistent = persistent;
    return 0;
}

int lookup_definitions(virDomainPtr domain, struct definitions *ret, struct error **err)
{
    cleanup_free char *next = NULL, *live = NULL;
    cleanup_definitions struct definitions d = {0};
    if (lookup_xml(domain, &next, &live, &d.persistent, err) < 0)
        return -1;
    d.running = live != NULL;
    d.next = domain_model_from_xml(next, strlen(next), err);
    if (!d.next || (live && !(d.live = domain_model_from_xml(live, strlen(live), err))))
        return -1;
    *ret = d;
    d = (struct definitions){0};
    return 0;
}

void definitions_done(struct definitions *d)
{
    domain_model_free(d->next);
    domain_model_free(d->live);
    *d = (struct definitions){0};
}

/* --- Pools ------------------------------------------------------------------------------------ */

static void cleanup_pool_handler(virStoragePoolPtr *pool)
{
    if (*pool)
        virStoragePoolFree(*pool);
}
#define cleanup_pool at_scope_end(cleanup_pool_handler)

static virStoragePoolPtr find_pool(const struct connection *c, const char *name, struct error **err)
{
    virStoragePoolPtr pool = virStoragePoolLookupByName(c->handle, name);
    if (!pool)
        connection_error(err, "cannot find the storage pool %s", name);
    return pool;
}

char *lookup_pool_directory(const struct connection *c, const char *name, struct error **err)
{
    cleanup_pool virStoragePoolPtr pool = find_pool(c, name, err);
    cleanup_free char *xml = pool ? virStoragePoolGetXMLDesc(pool, 0) : NULL;
    if (!xml) {
        if (pool)
            connection_error(err, "cannot read the storage pool %s", name);
        return NULL;
    }
    cleanup_xml xmlDocPtr doc = xml_parse(xml, strlen(xml), err);
    if (!doc)
        return NULL;
    xmlNodePtr root = xmlDocGetRootElement(doc);
    cleanup_free char *type = xml_attribute(root, "type");
    if (type && (strcmp(type, "dir") == 0 || strcmp(type, "fs") == 0 || strcmp(type, "netfs") == 0))
        return xml_child_text(xml_child(root, "target"), "path");
    error_set(err, "the storage pool %s keeps no files (%s)", name, type ? type : "unknown type");
    return NULL;
}

char *lookup_volume_path(const struct connection *c, const char *pool_name, const char *volume,
                         struct error **err)
{
    cleanup_pool virStoragePoolPtr pool = find_pool(c, pool_name, err);
    if (!pool)
        return NULL;
    virStorageVolPtr vol = virStorageVolLookupByName(pool, volume);
    char *path = vol ? virStorageVolGetPath(vol) : NULL;
    if (!path)
        connection_error(err, "cannot find the volume %s of the pool %s", volume, pool_name);
    if (vol)
        virStorageVolFree(vol);
    return path;
}
