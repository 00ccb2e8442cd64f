/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "apply/by_hand.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "domain/disk_config.h"

/* --- The plan --------------------------------------------------------------------------------- */

/* What the sentences need of a plan; "" and such where it is not said. */
struct hand {
    const char *domain, *target, *format; /* the format that the image has */
    struct disk_config chosen;
};

/* Whatever a file says: a disk has no more queues than that. */
#define IOTHREADS_MAX 1024

static struct hand hand_of(json_t *plan)
{
    int iothread = 0, iothreads = 0, queues = 0;
    struct hand h = {"DOMAIN", "vda", "", {.bus = "virtio", .format = "raw"}};
    json_unpack(plan, "{s?{s?s}, s?s, s?{s?s}}", "domain", "name", &h.domain, "target", &h.target,
                "current", "format", &h.format);
    json_unpack(plan, "{s?{s?s, s?s, s?b, s?i, s?i}}", "chosen", "bus", &h.chosen.bus, "format",
                &h.chosen.format, "iothread", &iothread, "iothreads", &iothreads, "queues",
                &queues);
    /* The JSON counts the one as well. */
    h.chosen.iothread = iothread;
    h.chosen.iothreads = iothreads > 1 ? (unsigned)MIN(iothreads, IOTHREADS_MAX) : 0;
    h.chosen.queues = queues > 0 ? (unsigned)queues : 0;
    return h;
}

static json_t *set_of(json_t *plan, const char *key)
{
    return json_object_get(json_object_get(plan, "set"), key);
}

bool by_hand_is_left(json_t *plan, const char *key)
{
    static const char *const always[] = {"bus", "iothreads", "poll_max_ns", NULL};
    static const char *const of_bus[] = {"iothread", "queues", NULL};
    const struct hand h = hand_of(plan);
    return g_strv_contains(always, key) || (set_of(plan, "bus") && g_strv_contains(of_bus, key)) ||
           (strcmp(key, "metadata_cache_bytes") == 0 && strcmp(h.format, "qcow2") != 0);
}

/* --- Sentences -------------------------------------------------------------------------------- */

/* Lines of XML as one. The caller frees. */
static char *in_a_line(const char *lines)
{
    g_autoptr(GString) line = g_string_new(NULL);
    for (const char *at = lines; *at; at += strspn(at, "\n ")) {
        size_t length = strcspn(at, "\n");
        g_string_append_len(line, at, (gssize)length);
        at += length;
    }
    return xstrdup(line->str);
}

/* "vda" on a bus whose disks have another name. The caller frees. */
static char *target_on(const char *bus, const char *target)
{
    const char *letters = strlen(target) > 2 && target[1] == 'd' ? target + 2 : "a";
    return xasprintf("%cd%s", strcmp(bus, "scsi") == 0 ? 's' : 'v', letters);
}

/* " queues='4' iothread='1'", and the list of several iothreads. The caller frees both. */
static char *serving_attributes(const struct disk_config *c)
{
    g_autoptr(GString) text = g_string_new(NULL);
    if (c->queues)
        g_string_append_printf(text, " queues='%u'", c->queues);
    if (c->iothread && !c->iothreads)
        g_string_append(text, " iothread='1'");
    return xstrdup(text->str);
}

static char *iothread_list(unsigned count)
{
    g_autoptr(GString) list = g_string_new("<iothreads>");
    for (unsigned id = 1; id <= count; id++)
        g_string_append_printf(list, "<iothread id='%u'/>", id);
    g_string_append(list, "</iothreads>");
    return xstrdup(list->str);
}

/* A controller of its own, which has what was said of the disk before. The caller frees. */
static char *controller_lines(const struct disk_config *c)
{
    cleanup_free char *lines = disk_config_controller_lines(c);
    cleanup_free char *line = in_a_line(lines);
    g_auto(GStrv) parts = g_strsplit(line, "index='0'", 2);
    g_autofree char *anywhere = g_strjoinv("index='INDEX'", parts);
    return xasprintf("<address type='drive' controller='INDEX'/> instead of its address, no "
                     "iothread= and queues= in its <driver>; %s in <devices>, with an INDEX that "
                     "is free",
                     anywhere);
}

/* What the <driver> of a disk is to have that serves itself. The caller frees. */
static char *driver_lines(const struct disk_config *c)
{
    cleanup_free char *attributes = serving_attributes(c);
    cleanup_free char *list = c->iothreads ? iothread_list(c->iothreads) : xstrdup("");
    return xasprintf("its <address> taken out%s%s%s%s",
                     *attributes || *list ? "; in its <driver>" : "", attributes,
                     !*list        ? ""
                     : *attributes ? " and "
                                   : " ",
                     list);
}

static char *say_bus(const struct hand *h)
{
    const struct disk_config *c = &h->chosen;
    bool scsi = disk_config_has_controller(c);
    cleanup_free char *target = target_on(c->bus, h->target);
    cleanup_free char *serving = scsi ? controller_lines(c) : driver_lines(c);
    cleanup_free char *threads = disk_config_domain_lines(c);
    return xasprintf("bus=%s is not changed here. Once the guest has %s in its initramfs, by virsh "
                     "edit %s: in the disk <target dev='%s' bus='%s'/>, and %s%s%s%s",
                     c->bus, scsi ? "virtio_scsi" : "virtio_blk", h->domain, target, c->bus,
                     serving, *threads ? "; " : "", threads,
                     *threads ? " in <domain>, unless it has as many that are free" : "");
}

static char *say_iothreads(const struct hand *h)
{
    unsigned count = h->chosen.iothreads;
    if (!count)
        return xasprintf("iothreads=%d is not changed here. By virsh edit %s: no <iothreads> in "
                         "the <driver> of the disk%s%s",
                         h->chosen.iothread, h->domain,
                         disk_config_has_controller(&h->chosen) ? "'s controller" : "",
                         h->chosen.iothread ? ", but iothread= with the id of one of them" : "");
    cleanup_free char *list = iothread_list(count);
    return xasprintf(
        "iothreads=%u is not changed here. By virsh edit %s: <iothreads>%u</iothreads> "
        "in <domain>, and %s in the <driver> of the disk%s instead of its iothread=, "
        "with the ids of those that serve nothing else",
        count, h->domain, count, list,
        disk_config_has_controller(&h->chosen) ? "'s controller" : "");
}

/* A negative one is from before 0 was written for no polling at all. */
static char *say_poll(const struct hand *h, json_t *value)
{
    json_int_t ns = MAX(json_integer_value(value), 0);
    return xasprintf(
        "poll_max_ns=%" JSON_INTEGER_FORMAT " is not changed here. Until %s is shut "
        "down: virsh iothreadset %s ID --poll-max-ns %" JSON_INTEGER_FORMAT
        ", with the ID of each iothread of the disk; from libvirt 9.4 on, for good, by "
        "virsh edit %s: <iothreadids><iothread id='ID'><poll max='%" JSON_INTEGER_FORMAT
        "'/></iothread></iothreadids> in <domain>",
        ns, h->domain, h->domain, ns, h->domain, ns);
}

static char *say_cache(const struct hand *h, json_t *value)
{
    return xasprintf("metadata_cache=%" JSON_INTEGER_FORMAT " is for a qcow2, which the image is "
                     "not. Once it is: virt-disktune apply %s/%s --set metadata_cache="
                     "%" JSON_INTEGER_FORMAT,
                     json_integer_value(value), h->domain, h->target, json_integer_value(value));
}

/* NULL where another sentence has it, or nothing is to be done. The caller frees. */
static char *say_setting(json_t *plan, const struct hand *h, const char *key, json_t *value)
{
    if (strcmp(key, "bus") == 0)
        return say_bus(h);
    if (strcmp(key, "iothreads") == 0)
        return set_of(plan, "bus") ? NULL : say_iothreads(h);
    if (strcmp(key, "poll_max_ns") == 0)
        return say_poll(h, value);
    return strcmp(key, "metadata_cache_bytes") == 0 && json_integer_value(value)
               ? say_cache(h, value)
               : NULL;
}

static char *say_command(const struct hand *h, const char *command)
{
    bool other = strcmp(h->format, h->chosen.format) != 0;
    return xasprintf(
        "the image is not converted here. While %s is off: %s; then, by virsh edit %s, "
        "NEW in the <source> of %s%s%s%s",
        h->domain, command, h->domain, h->target, other ? ", and type='" : "",
        other ? h->chosen.format : "", other ? "' in its <driver>" : "");
}

void by_hand_say(json_t *plan, GPtrArray *sentences)
{
    const struct hand h = hand_of(plan);
    const char *key;
    json_t *value;
    size_t i;
    json_object_foreach (json_object_get(plan, "set"), key, value) {
        char *sentence = by_hand_is_left(plan, key) ? say_setting(plan, &h, key, value) : NULL;
        if (sentence)
            g_ptr_array_add(sentences, sentence);
    }
    json_array_foreach (json_object_get(plan, "commands"), i, value)
        if (json_is_string(value))
            g_ptr_array_add(sentences, say_command(&h, json_string_value(value)));
}
