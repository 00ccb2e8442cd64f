/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check/subject.h"

#include <string.h>

#include "base/memory.h"
#include "check/guest_facts.h"
#include "domain/xml.h"

/* --- Images ----------------------------------------------------------------------------------- */

static void free_image(void *data)
{
    struct check_image *i = data;
    free(i->path);
    image_done(&i->header);
    place_free(i->place);
    free(i);
}

/* Where the top image is, as far as that is a path of the host's; NULL. The caller frees. */
static char *path_of(const struct check_disk *d, const struct subject_source *source,
                     struct error **err)
{
    const struct domain_disk *m = d->model;
    if (strcmp(m->type, "file") == 0 || strcmp(m->type, "block") == 0)
        return m->source ? xstrdup(m->source) : NULL;
    if (strcmp(m->type, "volume") == 0 && source->volume_path && m->pool && m->volume)
        return source->volume_path(source->data, m->pool, m->volume, err);
    return NULL;
}

/* Sizes of the file as its place has them: where this is a capture, the file is a header alone. */
static void take_sizes(struct check_image *i)
{
    if (!i->place || (i->place->type == PLACE_BLOCK && !i->place->size_bytes))
        return; /* not known */
    i->header.allocated_bytes = i->place->allocated_bytes;
    if (strcmp(i->header.format, "raw") == 0)
        i->header.virtual_bytes = i->place->size_bytes;
}

static void take_image(struct check_host *host, struct check_disk *d, struct chained_image *chained)
{
    struct check_image *i = xcalloc(1, sizeof(*i));
    i->path = TAKE_PTR(chained->path);
    i->header = chained->image;
    chained->image = (struct image){0};
    /* That of the top one is known. */
    i->place = d->images->len ? check_host_look(host, i->path, NULL) : place_share(d->place);
    take_sizes(i);
    g_ptr_array_add(d->images, i);
}

static void read_images(struct check_host *host, struct check_disk *d, const char *path)
{
    cleanup_error struct error *err = NULL;
    d->place = check_host_look(host, path, &err);
    if (d->place) {
        g_autoptr(GPtrArray) chain =
            image_chain_read(host->root, path, d->model->config.format, &err);
        for (guint i = 0; i < chain->len; i++)
            take_image(host, d, chain->pdata[i]);
    }
    if (err)
        d->unread = TAKE_PTR(err->message);
}

static void find_images(struct check_host *host, const struct subject_source *source,
                        struct check_disk *d)
{
    cleanup_error struct error *err = NULL;
    d->path = path_of(d, source, &err);
    if (d->path)
        read_images(host, d, d->path);
    else if (err)
        d->unread = TAKE_PTR(err->message);
}

/* --- Disks ------------------------------------------------------------------------------------ */

static xmlNodePtr controller_of(xmlNodePtr disk, const struct domain_disk *model)
{
    return model->bus && strcmp(model->bus, "scsi") == 0 ? domain_disk_controller(disk) : NULL;
}

static bool holds_data(const struct domain_disk *m)
{
    return strcmp(m->device, "cdrom") != 0 && strcmp(m->device, "floppy") != 0;
}

/* The model has the disks in the order of the XML. */
static void read_disks(struct check_domain *d)
{
    xmlNodePtr node = xml_child(xml_child(d->node, "devices"), "disk");
    d->disks = xcalloc(d->model->disk_count + 1, sizeof(*d->disks));
    for (size_t i = 0; i < d->model->disk_count; i++, node = xml_next(node, "disk")) {
        const struct domain_disk *model = &d->model->disks[i];
        if (!holds_data(model))
            continue;
        d->disks[d->disk_count++] = (struct check_disk){
            .domain = d,
            .model = model,
            .node = node,
            .driver = xml_child(node, "driver"),
            .controller = controller_of(node, model),
            .images = g_ptr_array_new_with_free_func(free_image),
        };
    }
}

static void disk_done(struct check_disk *d)
{
    g_ptr_array_unref(d->images);
    free(d->path);
    free(d->unread);
    place_free(d->place);
}

/* --- Domains ---------------------------------------------------------------------------------- */

struct check_domain *check_domain_new(struct check_host *host, const struct subject_source *source,
                                      struct error **err)
{
    cleanup_check_domain struct check_domain *d = xcalloc(1, sizeof(*d));
    d->doc = xml_parse(source->xml, source->length, err);
    d->model = d->doc ? domain_model_from_doc(d->doc, err) : NULL;
    if (!d->model)
        return NULL;
    d->node = xmlDocGetRootElement(d->doc);
    d->name = xstrdup(d->model->name);
    d->file = source->file ? xstrdup(source->file) : NULL;
    d->persistent = source->persistent;
    d->running = source->live != NULL;
    if (source->live)
        d->live_doc = xml_parse(source->live, strlen(source->live), NULL);
    if (d->live_doc)
        d->live = domain_model_from_doc(d->live_doc, NULL);
    read_disks(d);
    if (host && d->running)
        d->process = check_host_process(host, d->model);
    for (size_t i = 0; host && i < d->disk_count; i++)
        find_images(host, source, &d->disks[i]);
    return TAKE_PTR(d);
}

static xmlNodePtr add_child(xmlNodePtr parent, const char *name)
{
    return xmlNewChild(parent, NULL, BAD_CAST name, NULL);
}

/* Through XML as well, so that there is one way in; made of nodes, whatever is in the path. */
static char *image_domain(const char *path, const char *format)
{
    cleanup_xml xmlDocPtr doc = xmlNewDoc(BAD_CAST "1.0");
    xmlNodePtr domain = xmlNewDocNode(doc, NULL, BAD_CAST "domain", NULL);
    xmlDocSetRootElement(doc, domain);
    xmlNewProp(domain, BAD_CAST "type", BAD_CAST "kvm");
    xmlNewChild(domain, NULL, BAD_CAST "name", BAD_CAST "image");
    xmlNodePtr disk = add_child(add_child(domain, "devices"), "disk");
    xmlNodePtr driver = add_child(disk, "driver");
    xmlNewProp(driver, BAD_CAST "name", BAD_CAST "qemu");
    xmlNewProp(driver, BAD_CAST "type", BAD_CAST format);
    xmlNewProp(driver, BAD_CAST "cache", BAD_CAST "none");
    xmlNewProp(add_child(disk, "source"), BAD_CAST "file", BAD_CAST path);
    xmlNodePtr target = add_child(disk, "target");
    xmlNewProp(target, BAD_CAST "dev", BAD_CAST "vda");
    xmlNewProp(target, BAD_CAST "bus", BAD_CAST "virtio");
    return xml_to_text(domain);
}

struct check_domain *check_domain_of_image(struct check_host *host, const char *path,
                                           const char *format, struct error **err)
{
    cleanup_free char *xml = image_domain(path, format);
    const struct subject_source source = {.xml = xml, .length = strlen(xml)};
    struct check_domain *d = check_domain_new(host, &source, NULL);
    if (!d) {
        error_set(err, "the name has bytes that XML, and so libvirt, cannot have");
        return NULL;
    }
    free(d->name);
    d->name = NULL;
    d->made_up = true;
    return d;
}

void check_domain_free(struct check_domain *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < d->disk_count; i++)
        disk_done(&d->disks[i]);
    free(d->disks);
    check_process_free(d->process);
    guest_facts_free(d->guest);
    domain_model_free(d->model);
    domain_model_free(d->live);
    if (d->doc)
        xmlFreeDoc(d->doc);
    if (d->live_doc)
        xmlFreeDoc(d->live_doc);
    free(d->name);
    free(d->file);
    free(d);
}
