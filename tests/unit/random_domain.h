/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * random_domain.h - domains as people and programs write them, from a seed: with every quote and
 * indentation, comments, elements of others with libvirt's names, iothreads of all kinds. libvirt's
 * schema accepts them.
 */
#pragma once

#include <glib.h>
#include <string.h>

#include "base/memory.h"

#define RANDOM_DISKS_MAX 6

struct random_domain {
    GRand *rand;
    GString *xml;
    const char *newline, *indent;
    unsigned depth;
    unsigned iothreads, disks, controllers;
    char targets[RANDOM_DISKS_MAX][16];
};

static unsigned below(struct random_domain *d, unsigned n)
{
    return (unsigned)g_rand_int_range(d->rand, 0, (gint32)n);
}

static bool chance(struct random_domain *d, unsigned percent)
{
    return below(d, 100) < percent;
}

#define pick(d, array) ((array)[below(d, ARRAY_SIZE(array))])

/* --- Writing ---------------------------------------------------------------------------------- */

static void new_line(struct random_domain *d)
{
    static const char *const comments[] = {"<!-- <disk> -->", "<!--<driver io='x'/>-->",
                                           "<?note <iothreads>9</iothreads> ?>", "<!-- > -->"};
    if (chance(d, 5))
        g_string_append(d->xml, pick(d, comments));
    g_string_append(d->xml, d->newline);
    if (chance(d, 4))
        g_string_append(d->xml, d->newline);
    for (unsigned i = 0; *d->newline && i < d->depth; i++)
        g_string_append(d->xml, d->indent);
}

static void attribute(struct random_domain *d, const char *name, const char *value)
{
    static const char *const blanks[] = {" ", " ", " ", " ", "  ", "\n   ", "\t"};
    static const char *const equals[] = {"=", "=", "=", "=", " = ", "\n="};
    char quote = chance(d, 80) ? '\'' : '"';
    /* Any character can be written as a reference. */
    cleanup_free char *text = *value && chance(d, 5)
                                  ? xasprintf("&#x%x;%s", (unsigned)value[0], value + 1)
                                  : xstrdup(value);
    g_string_append_printf(d->xml, "%s%s%s%c%s%c", pick(d, blanks), name, pick(d, equals), quote,
                           text, quote);
}

static void number(struct random_domain *d, const char *name, unsigned value)
{
    cleanup_free char *text = xasprintf("%u", value);
    attribute(d, name, text);
}

static void begin(struct random_domain *d, const char *name)
{
    new_line(d);
    g_string_append_printf(d->xml, "<%s", name);
}

static void begin_children(struct random_domain *d)
{
    g_string_append(d->xml, chance(d, 5) ? " >" : ">");
    d->depth++;
}

static void end(struct random_domain *d, const char *name)
{
    d->depth--;
    new_line(d);
    g_string_append_printf(d->xml, "</%s%s>", name, chance(d, 5) ? " " : "");
}

static void end_empty(struct random_domain *d, const char *name)
{
    if (chance(d, 85))
        g_string_append(d->xml, chance(d, 10) ? " />" : "/>");
    else
        g_string_append_printf(d->xml, "></%s>", name);
}

static void text_element(struct random_domain *d, const char *name, const char *text)
{
    new_line(d);
    g_string_append_printf(d->xml, "<%s>%s</%s>", name, text, name);
}

/* --- Disks and controllers -------------------------------------------------------------------- */

struct random_attribute {
    const char *name, *values[6];
};

static unsigned value_count(const struct random_attribute *a)
{
    unsigned count = 0;
    while (count < ARRAY_SIZE(a->values) && a->values[count])
        count++;
    return count;
}

/* Some of them, in any order. */
static void some_attributes(struct random_domain *d, const struct random_attribute *all,
                            unsigned count)
{
    for (unsigned i = 0, first = below(d, count); i < count; i++) {
        const struct random_attribute *a = &all[(first + i) % count];
        if (chance(d, 50))
            attribute(d, a->name, a->values[below(d, value_count(a))]);
    }
}

/* An iothread of those that there are. */
static void maybe_iothread(struct random_domain *d)
{
    if (d->iothreads && chance(d, 60))
        number(d, "iothread", 1 + below(d, d->iothreads));
}

static void metadata_cache(struct random_domain *d)
{
    static const char *const units[] = {"bytes", "bytes", "B", "KiB"};
    static const char *const sizes[] = {"4096", "4096", " 8 "};
    begin(d, "metadata_cache");
    if (chance(d, 10)) {
        end_empty(d, "metadata_cache");
        return;
    }
    begin_children(d);
    begin(d, "max_size");
    if (chance(d, 80))
        attribute(d, "unit", pick(d, units));
    g_string_append_printf(d->xml, ">%s</max_size>", pick(d, sizes));
    end(d, "metadata_cache");
}

static void disk_driver(struct random_domain *d, bool virtio)
{
    static const struct random_attribute all[] = {
        {"name", {"qemu"}},
        {"type", {"raw", "qcow2", "qcow2", "qcow2"}},
        {"cache", {"none", "none", "directsync", "writeback", "default", "unsafe"}},
        {"io", {"threads", "native", "io_uring"}},
        {"discard", {"unmap", "ignore"}},
        {"detect_zeroes", {"off", "on", "unmap"}},
        {"error_policy", {"stop", "report"}},
    };
    begin(d, "driver");
    some_attributes(d, all, ARRAY_SIZE(all));
    if (virtio)
        maybe_iothread(d);
    if (virtio && chance(d, 20))
        number(d, "queues", 1 + below(d, 8));
    if (chance(d, 80)) {
        end_empty(d, "driver");
        return;
    }
    begin_children(d);
    metadata_cache(d);
    end(d, "driver");
}

static void disk(struct random_domain *d)
{
    static const char *const buses[] = {"virtio", "virtio", "virtio", "scsi", "scsi", "sata"};
    const char *bus = pick(d, buses);
    bool virtio = strcmp(bus, "virtio") == 0;
    char *target = d->targets[d->disks];
    snprintf(target, sizeof(d->targets[0]), "%s%c", virtio ? "vd" : "sd", 'a' + (int)d->disks++);
    begin(d, "disk");
    attribute(d, "type", "file");
    attribute(d, "device", "disk");
    begin_children(d);
    if (chance(d, 80))
        disk_driver(d, virtio);
    begin(d, "source");
    attribute(d, "file", "/srv/a&amp;b&gt;.img");
    end_empty(d, "source");
    begin(d, "target");
    attribute(d, "dev", target);
    attribute(d, "bus", bus);
    end_empty(d, "target");
    if (strcmp(bus, "scsi") == 0 && chance(d, 80)) {
        begin(d, "address");
        attribute(d, "type", "drive");
        number(d, "controller", below(d, d->controllers + 1));
        end_empty(d, "address");
    }
    end(d, "disk");
}

static void controller(struct random_domain *d)
{
    static const char *const models[] = {"virtio-scsi", "virtio-scsi", "virtio-scsi", "lsilogic"};
    const char *model = pick(d, models);
    begin(d, "controller");
    attribute(d, "type", "scsi");
    number(d, "index", d->controllers++);
    attribute(d, "model", model);
    if (chance(d, 50)) {
        end_empty(d, "controller");
        return;
    }
    begin_children(d);
    if (strcmp(model, "virtio-scsi") == 0 && chance(d, 70)) {
        begin(d, "driver");
        maybe_iothread(d);
        if (chance(d, 50))
            number(d, "queues", 1 + below(d, 8));
        end_empty(d, "driver");
    }
    end(d, "controller");
}

/* --- Iothreads -------------------------------------------------------------------------------- */

/* Ids from 1 to some number, in any order, of which <iothreadids> names some; and their count,
 * which may be left out where all are named. Those that are not named have the lowest ids. */
static void iothreads(struct random_domain *d)
{
    unsigned first, unnamed = chance(d, 40) ? below(d, 3) : 0;
    d->iothreads = chance(d, 30) ? 0 : 1 + below(d, 4);
    unnamed = MIN(unnamed, d->iothreads);
    bool named = d->iothreads > unnamed && chance(d, 60);
    if (!named && !d->iothreads && chance(d, 50))
        return;
    if (!named || unnamed || chance(d, 80)) {
        cleanup_free char *count = xasprintf(chance(d, 90) ? "%u" : " %u\n", d->iothreads);
        text_element(d, "iothreads", count);
    }
    if (!named)
        return;
    begin(d, "iothreadids");
    begin_children(d);
    first = below(d, d->iothreads - unnamed);
    for (unsigned i = 0; i < d->iothreads - unnamed; i++) {
        begin(d, "iothread");
        number(d, "id", unnamed + 1 + (first + i) % (d->iothreads - unnamed));
        end_empty(d, "iothread");
    }
    end(d, "iothreadids");
}

/* --- The domain ------------------------------------------------------------------------------- */

static void devices(struct random_domain *d)
{
    unsigned disks = 1 + below(d, RANDOM_DISKS_MAX), controllers = below(d, 3);
    begin(d, "devices");
    begin_children(d);
    text_element(d, "emulator", "/usr/bin/qemu-system-x86_64");
    while (disks || controllers) {
        bool is_disk = disks && (!controllers || chance(d, 60));
        if (is_disk)
            disk(d);
        else
            controller(d);
        *(is_disk ? &disks : &controllers) -= 1;
    }
    end(d, "devices");
}

static void top(struct random_domain *d)
{
    text_element(d, "name", chance(d, 90) ? "web" : "<![CDATA[web]]>");
    if (chance(d, 40))
        text_element(d, "metadata",
                     "<devices xmlns='urn:x'><disk><driver io='threads'/><target dev='vda'/></disk>"
                     "</devices><x:iothreads xmlns:x='urn:y'>7</x:iothreads>");
    text_element(d, "memory", "1048576");
    if (chance(d, 80))
        text_element(d, "vcpu", "4");
    iothreads(d);
    if (d->iothreads && chance(d, 30))
        text_element(d, "cputune", "<iothreadpin iothread='1' cpuset='0-3,^2'/>");
    text_element(d, "os", "<type arch='x86_64' machine='pc-q35-7.2'>hvm</type>");
}

static void whole(struct random_domain *d)
{
    static const char *const starts[] = {"",
                                         "",
                                         "",
                                         "<?xml version='1.0'?>\n",
                                         "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n",
                                         "\xef\xbb\xbf",
                                         "<!-- \xc3\xa4 -->\n"};
    g_string_append(d->xml, pick(d, starts));
    g_string_append(d->xml, "<domain");
    attribute(d, "type", chance(d, 80) ? "kvm" : "qemu");
    bool qemu = chance(d, 20);
    if (qemu)
        attribute(d, "xmlns:qemu", "http://libvirt.org/schemas/domain/qemu/1.0");
    begin_children(d);
    top(d);
    devices(d);
    if (qemu)
        text_element(d, "qemu:commandline", "<qemu:arg value='-device'/>");
    end(d, "domain");
    g_string_append(d->xml, chance(d, 80) ? "\n" : chance(d, 50) ? "" : "\n<!-- end -->\n");
}

static struct random_domain random_domain(guint32 seed)
{
    static const char *const newlines[] = {"\n", "\n", "\n", "\r\n", ""};
    static const char *const indents[] = {"  ", "  ", "\t", "    "};
    struct random_domain d = {.rand = g_rand_new_with_seed(seed), .xml = g_string_new(NULL)};
    d.newline = pick(&d, newlines);
    d.indent = pick(&d, indents);
    whole(&d);
    return d;
}

static void random_domain_done(struct random_domain *d)
{
    g_rand_free(d->rand);
    g_string_free(d->xml, TRUE);
}
