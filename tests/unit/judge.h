/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * judge.h - rules of check against rows that say what there is and what is to be found.
 *
 * A row says what differs from a domain with one qcow2 on a disk of which little is known. The
 * domain is read as any is; its image, and what that lies on, are what the row has.
 */
#pragma once

#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <libxml/relaxng.h>

#include "base/memory.h"
#include "check/rule.h"
#include "check/subject.h"
#include "domain/xml.h"
#include "host/tables.h"
#include "shown.h"

/* Rows override what is not known, on purpose. */
#pragma GCC diagnostic ignored "-Woverride-init"

/* Strings of structs that are not const. */
#define TEXT(s) ((char *)(s))

#define FACTS(...)                                                                                 \
    (const struct host_facts[])                                                                    \
    {                                                                                              \
        {                                                                                          \
            .aio_used = -1, .aio_max = -1, .io_uring_disabled = -1, .io_uring_group = -1,          \
            .dirty_ratio = -1, .dirty_bytes = -1, .dirty_background_ratio = -1,                    \
            .dirty_background_bytes = -1, .swappiness = -1, .halt_poll_ns = -1, .ksm = -1,         \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

#define DEVICE(...)                                                                                \
    (const struct block_device[])                                                                  \
    {                                                                                              \
        {                                                                                          \
            .rotational = -1, .logical_block_bytes = -1, .physical_block_bytes = -1,               \
            .requests = -1, .max_sectors_kib = -1, .wbt_us = -1, .merges_off = -1, .affinity = -1, \
            .fua = -1, .read_ahead_kib = -1, .hardware_queues = -1, .numa_node = -1,               \
            .discard_max_bytes = -1, .direct_io = -1, __VA_ARGS__                                                           \
        }                                                                                          \
    }

#define MOUNT(...)                                                                                 \
    (const struct mount[])                                                                         \
    {                                                                                              \
        {                                                                                          \
            .point = TEXT("/srv"), __VA_ARGS__                                                     \
        }                                                                                          \
    }

/* A place on a file system; .type is PLACE_FILE, and .path that of the image. */
#define PLACE(...)                                                                                 \
    (const struct place[])                                                                         \
    {                                                                                              \
        {                                                                                          \
            .size_bytes = 1 << 30, .allocated_bytes = 1 << 20, __VA_ARGS__                         \
        }                                                                                          \
    }

#define QCOW2(...)                                                                                 \
    {                                                                                              \
        .format = "qcow2", .virtual_bytes = UINT64_C(10) << 30, .allocated_bytes = 1 << 30,        \
        .cluster_bytes = 65536, .version = 3, .refcount_bits = 16, __VA_ARGS__                     \
    }
#define RAW(...)                                                                                   \
    {                                                                                              \
        .format = "raw", .virtual_bytes = 1 << 30, .allocated_bytes = 1 << 20, __VA_ARGS__         \
    }

struct judge_row {
    const char *rule;
    const char *what;                  /* what is special of it, for people */
    const char *devices;               /* of the domain's <devices>; NULL: judge_devices */
    const char *rest;                  /* other elements of the domain, or NULL */
    const char *machine;               /* NULL: pc-q35-7.2 */
    struct image image;                /* without a format: there is no image that was read */
    const struct image_tables *tables; /* of each image; NULL: not known */
    unsigned behind;                   /* images behind it, which are as it is */
    unsigned layer;                    /* the one that an image's rule is asked about */
    const struct place *place;         /* NULL: not known */
    const struct block_device *device; /* of the place as well */
    const struct block_device *below;  /* that */
    const struct mount *mount;         /* of the place as well */
    const struct host_facts *facts;
    struct versions versions;
    const char *unread, *io_limit;
    bool running, nameless;
    enum severity severity;
    const char *says; /* words of what is found; NULL: nothing is */
    const char *fix;  /* words of the remedy, or NULL */
};

static const char judge_devices[] =
    "<disk type='file' device='disk'>"
    "<driver name='qemu' type='qcow2' cache='none'/><source file='/srv/a b.img'/>"
    "<target dev='vda' bus='virtio'/></disk>";

#define RAW_DISK                                                                                   \
    "<disk type='file' device='disk'><driver name='qemu' type='raw' cache='none'/>"                \
    "<source file='/srv/a.img'/><target dev='vda' bus='virtio'/></disk>"

struct scene {
    struct check_domain *domain;
    struct check_process process;
    struct block_device device;
    struct block_device below; /* that this one rests on, if any */
    struct look at;
};

static struct place *judge_place(const struct judge_row *row, const struct scene *s)
{
    struct place *p = row->place ? xcalloc(1, sizeof(*p)) : NULL;
    if (!p)
        return NULL;
    *p = *row->place;
    p->path = xstrdup(p->path ? p->path : "/srv/a b.img");
    p->block = row->device ? &s->device : p->block;
    p->mount = row->mount ? row->mount : p->mount;
    return p;
}

static void judge_add_image(const struct judge_row *row, struct scene *s, unsigned layer)
{
    struct check_image *i = xcalloc(1, sizeof(*i));
    i->path = layer ? xasprintf("/srv/base%u.img", layer) : xstrdup("/srv/a b.img");
    i->header = row->image;
    if (layer < row->behind && !i->header.backing)
        i->header.backing = xasprintf("base%u.img", layer + 1);
    else if (i->header.backing)
        i->header.backing = xstrdup(i->header.backing);
    i->header.backing_format = i->header.backing ? "qcow2" : NULL;
    i->place = judge_place(row, s);
    i->tables = row->tables;
    g_ptr_array_add(s->domain->disks[0].images, i);
}

static void judge_fill_disk(const struct judge_row *row, struct scene *s)
{
    struct check_disk *d = &s->domain->disks[0];
    for (unsigned i = 0; row->image.format && i <= row->behind; i++)
        judge_add_image(row, s, i);
    d->unread = row->unread ? xstrdup(row->unread) : NULL;
    d->place = judge_place(row, s);
    s->at.disk = d;
    s->at.layer = row->layer;
    s->at.image = row->layer < d->images->len ? d->images->pdata[row->layer] : NULL;
}

/* What has no place in constants. */
static void judge_link(const struct judge_row *row, struct scene *s)
{
    if (row->device) {
        s->device = *row->device;
        s->device.below = g_ptr_array_new();
        if (row->below) {
            s->below = *row->below;
            s->below.below = g_ptr_array_new();
            g_ptr_array_add(s->device.below, &s->below);
        }
        s->at.device = &s->device;
    }
    s->process.io_limit = (char *)row->io_limit;
    if (row->io_limit)
        s->domain->process = &s->process;
}

static void judge_set_up(const struct judge_row *row, struct scene *s)
{
    cleanup_free char *xml =
        xasprintf("<domain type='kvm'><name>web</name><vcpu>4</vcpu>"
                  "<os><type arch='x86_64' machine='%s'>hvm</type></os>%s<devices>%s</devices>"
                  "</domain>",
                  row->machine ? row->machine : "pc-q35-7.2", row->rest ? row->rest : "",
                  row->devices ? row->devices : judge_devices);
    const struct subject_source source = {.xml = xml, .length = strlen(xml), .persistent = true};
    cleanup_error struct error *err = NULL;
    *s = (struct scene){.domain = check_domain_new(NULL, &source, &err)};
    if (!s->domain)
        fail_msg("%s", err->message);
    s->domain->running = row->running;
    if (row->nameless)
        free(TAKE_PTR(s->domain->name));
    s->at = (struct look){
        .facts = row->facts,
        .versions = row->versions,
        .domain = s->domain,
        .mount = row->mount,
    };
    judge_link(row, s);
    judge_fill_disk(row, s);
}

static void judge_tear_down(struct scene *s)
{
    s->domain->process = NULL;
    check_domain_free(s->domain);
    if (s->device.below)
        g_ptr_array_unref(s->device.below);
    if (s->below.below)
        g_ptr_array_unref(s->below.below);
}

/* What the rule of a row finds: struct finding *, owned. */
static GPtrArray *judge_ask(const struct judge_row *row)
{
    struct scene s;
    const struct rule *rule = rule_find(row->rule);
    GPtrArray *findings = g_ptr_array_new_with_free_func((GDestroyNotify)finding_free);
    if (!rule)
        fail_msg("there is no rule %s", row->rule);
    judge_set_up(row, &s);
    struct found out = {.rule = rule, .at = &s.at, .findings = findings};
    rule->look(&s.at, &out);
    judge_tear_down(&s);
    return findings;
}

static void judge_row_holds(const struct judge_row *row)
{
    g_autoptr(GPtrArray) findings = judge_ask(row);
    const char *what = row->what ? row->what : "";
    const struct finding *f = findings->len ? findings->pdata[0] : NULL;
    if (!row->says && f)
        fail_msg("%s, %s: false alarm: %s", row->rule, what, f->summary);
    if (!row->says)
        return;
    if (findings->len != 1)
        fail_msg("%s, %s: %u findings", row->rule, what, findings->len);
    if (!strstr(f->summary, row->says))
        fail_msg("%s, %s: \"%s\" is not in: %s", row->rule, what, row->says, f->summary);
    if (f->severity != row->severity)
        fail_msg("%s, %s: is a %s: %s", row->rule, what, severity_names[f->severity], f->summary);
    if (row->fix && (!f->fix || !strstr(f->fix, row->fix)))
        fail_msg("%s, %s: \"%s\" is not in: %s", row->rule, what, row->fix, f->fix ? f->fix : "-");
    if (!f->fix != (f->kind == FIX_NONE))
        fail_msg("%s, %s: a remedy without a kind, or a kind without one", row->rule, what);
    if (f->kind == FIX_QEMU_IMG && !f->needs)
        fail_msg("%s, %s: is for when the guest is off, and live", row->rule, what);
    show_found(row->what ? row->what : row->devices ? row->devices : "a row's facts", f);
}

/* Whether rows have one that triggers the rule, or one that must not. */
static bool judge_has_row(const struct judge_row *rows, size_t count, const char *id, bool triggers)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(rows[i].rule, id) == 0 && (rows[i].says != NULL) == triggers)
            return true;
    return false;
}

static inline void judge_table_is_covered(const struct rule_table *table,
                                          const struct judge_row *rows, size_t count)
{
    for (size_t i = 0; i < table->count; i++)
        for (int triggers = 0; triggers <= 1; triggers++)
            if (!judge_has_row(rows, count, table->rows[i].id, triggers))
                fail_msg("no row has %s %s", table->rows[i].id, triggers ? "found" : "not found");
}

static inline void judge_all(const struct judge_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        judge_row_holds(&rows[i]);
}

/* --- Remedies as XML -------------------------------------------------------------------------- */

#define JUDGE_SCHEMA "/usr/share/libvirt/schemas/domain.rng"

#define JUDGE_OS "<os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os>"
#define JUDGE_DISK JUDGE_OS "<devices><disk type='file'>"

/* A domain with the element of a remedy in its place; the caller frees. */
static char *judge_domain_with(const char *xml)
{
    static const struct {
        const char *begins, *before, *after;
    } places[] = {
        {"<driver", JUDGE_DISK, "<source file='/a'/><target dev='vda'/></disk></devices>"},
        {"<target", JUDGE_DISK "<source file='/a'/>", "</disk></devices>"},
        {"<!--", JUDGE_DISK "<source file='/a'/>", "</disk></devices>"},
        {"<blockio", JUDGE_DISK "<source file='/a'/>", "<target dev='vda'/></disk></devices>"},
        {"<disk", JUDGE_OS "<devices>", "</devices>"},
        {"<controller", JUDGE_OS "<devices>", "</devices>"},
        {"<memoryBacking", "", JUDGE_OS},
    };
    for (size_t i = 0; i < ARRAY_SIZE(places); i++)
        if (g_str_has_prefix(xml, places[i].begins))
            return xasprintf("<domain type='kvm'><name>web</name><memory>1048576</memory>%s%s%s"
                             "</domain>",
                             places[i].before, xml, places[i].after);
    fail_msg("nobody knows where this is to be: %s", xml);
    return NULL;
}

static void judge_validate(xmlRelaxNGPtr schema, const char *rule, const char *xml)
{
    cleanup_free char *text = judge_domain_with(xml);
    cleanup_error struct error *err = NULL;
    cleanup_xml xmlDocPtr doc = xml_parse(text, strlen(text), &err);
    if (!doc)
        fail_msg("%s: %s: %s", rule, err->message, text);
    xmlRelaxNGValidCtxtPtr valid = xmlRelaxNGNewValidCtxt(schema);
    int result = xmlRelaxNGValidateDoc(valid, doc);
    xmlRelaxNGFreeValidCtxt(valid);
    if (result != 0)
        fail_msg("%s: libvirt's schema refuses: %s", rule, text);
}

/* Whatever the rows propose as XML is XML that libvirt's schema accepts, and some of them do. */
static inline void judge_xml_is_valid(const struct judge_row *rows, size_t count)
{
    xmlRelaxNGParserCtxtPtr parser = xmlRelaxNGNewParserCtxt(JUDGE_SCHEMA);
    xmlRelaxNGPtr schema = xmlRelaxNGParse(parser);
    unsigned validated = 0;
    assert_non_null(schema);
    for (size_t i = 0; i < count; i++) {
        g_autoptr(GPtrArray) findings = judge_ask(&rows[i]);
        const struct finding *f = findings->len ? findings->pdata[0] : NULL;
        if (!f || f->kind != FIX_XML)
            continue;
        judge_validate(schema, rows[i].rule, f->fix);
        validated++;
    }
    assert_true(validated > 0);
    xmlRelaxNGFree(schema);
    xmlRelaxNGFreeParserCtxt(parser);
}

/* The tests of a program whose rows are those of these tables; with --schema, whether the XML that
 * they propose is what libvirt's schema accepts. */
#define JUDGE_MAIN(name, ...)                                                                      \
    static void test_rows(void **state)                                                            \
    {                                                                                              \
        (void)state;                                                                               \
        judge_all(rows, ARRAY_SIZE(rows));                                                         \
    }                                                                                              \
                                                                                                   \
    static void test_each_rule_has_rows(void **state)                                              \
    {                                                                                              \
        (void)state;                                                                               \
        static const struct rule_table *const tables[] = {__VA_ARGS__};                            \
        for (size_t i = 0; i < ARRAY_SIZE(tables); i++)                                            \
            judge_table_is_covered(tables[i], rows, ARRAY_SIZE(rows));                             \
    }                                                                                              \
                                                                                                   \
    static void test_schema(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        judge_xml_is_valid(rows, ARRAY_SIZE(rows));                                                \
    }                                                                                              \
                                                                                                   \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        const struct CMUnitTest schema[] = {cmocka_unit_test(test_schema)};                        \
        const struct CMUnitTest tests[] = {                                                        \
            cmocka_unit_test(test_rows),                                                           \
            cmocka_unit_test(test_each_rule_has_rows),                                             \
        };                                                                                         \
        if (argc > 1 && strcmp(argv[1], "--schema") == 0)                                          \
            return cmocka_run_group_tests_name(name " --schema", schema, NULL, NULL);              \
        return cmocka_run_group_tests_name(name, tests, NULL, NULL);                               \
    }
