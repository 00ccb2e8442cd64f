/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * check_xml_asked.h - what all rules say of a row's domain in its world.
 */
#pragma once

#include <string.h>

#include "base/memory.h"
#include "check/ask.h"
#include "check/subject.h"
#include "check_xml_world.h"

#define DISK_BYTES (UINT64_C(10) << 30)

static struct block_device *const all_devices[] = {&nvme,   &safe_nvme, &near_nvme,
                                                   &mirror, &heads,     &thin};

static inline int set_up(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(all_devices); i++)
        all_devices[i]->below = g_ptr_array_new();
    g_ptr_array_add(mirror.below, &nvme);
    g_ptr_array_add(mirror.below, &near_nvme);
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(all_devices); i++)
        g_ptr_array_unref(all_devices[i]->below);
    return 0;
}

/* --- A row's domain --------------------------------------------------------------------------- */

static struct place *place_of(const struct world *w)
{
    struct place *p = xcalloc(1, sizeof(*p));
    *p = (struct place){
        .path = xstrdup("/srv/web.img"),
        .type = w->fs_magic ? PLACE_FILE : PLACE_BLOCK,
        .size_bytes = DISK_BYTES,
        .allocated_bytes = w->image == FULL ? DISK_BYTES : DISK_BYTES / 8,
        .fs_magic = w->fs_magic,
        .direct_known = w->direct_known,
        .direct_memory_align = w->direct_align,
        .direct_offset_align = w->direct_align,
        .nocow = w->nocow,
        .mount = w->mount,
        .block = w->device,
    };
    return p;
}

static void add_image(struct check_disk *d, const struct world *w, const char *backing)
{
    struct check_image *i = xcalloc(1, sizeof(*i));
    *i = (struct check_image){
        .path = xstrdup("/srv/web.img"),
        .header = {.format = "qcow2",
                   .virtual_bytes = DISK_BYTES,
                   .backing = backing ? xstrdup(backing) : NULL},
        .place = place_of(w),
    };
    g_ptr_array_add(d->images, i);
}

static void look_at_world(struct check_disk *d, const struct world *w)
{
    if (w->image == UNREAD || d->place)
        return;
    d->place = place_of(w);
    add_image(d, w, w->image == OVER_A_BASE ? "/srv/base.img" : NULL);
    if (w->image == OVER_A_BASE)
        add_image(d, w, NULL);
}

static struct check_domain *domain_of(const char *xml, const struct row *row)
{
    struct error *err = NULL;
    const struct subject_source source = {.file = row->file,
                                          .xml = xml,
                                          .length = strlen(xml),
                                          .live = row->live,
                                          .persistent = !row->transient};
    struct check_domain *d = check_domain_new(NULL, &source, &err);
    if (!d)
        fail_msg("%s: %s: %s", row->rule, err->message, xml);
    for (size_t i = 0; i < d->disk_count; i++)
        look_at_world(&d->disks[i], row->world ? row->world : &nothing);
    return d;
}

/* All that is found, of the domain and of its disks. The caller frees. */
static GPtrArray *ask_all(const struct check_domain *d, const struct row *row)
{
    const struct world *w = row->world ? row->world : &nothing;
    const struct look base = {.facts = w->facts, .versions = w->versions, .domain = d};
    g_autofree GPtrArray **found = g_new0(GPtrArray *, d->disk_count + 1);
    ask_domain(&base, NULL, found);
    for (size_t i = 0; i < d->disk_count; i++)
        g_ptr_array_extend_and_steal(found[0], found[i + 1]);
    return found[0];
}

static inline const struct finding *finding_of(const GPtrArray *findings, const char *rule)
{
    for (guint i = 0; i < findings->len; i++) {
        const struct finding *f = findings->pdata[i];
        if (strcmp(f->rule->id, rule) == 0)
            return f;
    }
    return NULL;
}
