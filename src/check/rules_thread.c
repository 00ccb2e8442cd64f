/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rules_thread.c - which thread serves a disk.
 *
 * Remedies of several disks fit together: each is given a number that no other is given.
 */
#include <string.h>

#include "base/memory.h"
#include "check/rule.h"
#include "check/threads.h"
#include "domain/xml.h"

/* Where all is emulated nothing of this shows. */
static bool is_emulated(const struct check_domain *d)
{
    return d->model->type && strcmp(d->model->type, "qemu") == 0;
}

/* Whether an iothread might make it faster; for heads that move it does not. */
static bool wants_thread(const struct check_disk *d)
{
    return threads_is_unserved(d) && !look_is_rotating(d) && !is_emulated(d->domain);
}

/* How many of the domain's disks do, those before `end` alone where that is not NULL. */
static unsigned count_disks(const struct check_domain *d, bool (*is)(const struct check_disk *d),
                            const struct check_disk *end)
{
    unsigned count = 0;
    for (size_t i = 0; i < d->disk_count && &d->disks[i] != end; i++)
        count += is(&d->disks[i]);
    return count;
}

static bool is_comparable(const struct check_domain *d)
{
    return d->disk_count <= LOOK_COMPARED_DISKS_MAX;
}

/* How many of `wanted` further threads the host has CPUs for. */
static unsigned within_cpus(const struct look *at, unsigned wanted, unsigned declared)
{
    unsigned cpus = at->facts ? at->facts->cpus : 0;
    if (!cpus || declared + wanted <= cpus)
        return wanted;
    return cpus > declared ? cpus - declared : 0;
}

/* --- None ------------------------------------------------------------------------------------- */

static void fix_none(struct finding *f, const struct look *at, const GArray *declared,
                     unsigned idle)
{
    const struct check_domain *domain = at->domain;
    unsigned before = count_disks(domain, wants_thread, at->disk) - idle;
    unsigned wanted = count_disks(domain, wants_thread, NULL) - idle;
    unsigned count = within_cpus(at, wanted, declared->len);
    count = count ? count : 1;
    cleanup_free char *element = threads_serve(at->disk, threads_free_id(declared, before % count));
    finding_fix(f, FIX_XML, "<iothreads>%u</iothreads>\n%s", declared->len + count, element);
}

/* A thread that was declared for it and not attached is another rule's. */
static void look_none(const struct look *at, struct found *out)
{
    const struct check_disk *d = at->disk;
    if (!is_comparable(at->domain) || !wants_thread(d))
        return;
    g_autoptr(GArray) idle = threads_idle(at->domain), declared = threads_declared(at->domain);
    if (count_disks(at->domain, wants_thread, d) < idle->len)
        return;
    struct finding *f = found_say(out, "no iothread: its requests are served by QEMU's main loop, "
                                       "which does all else as well");
    f->severity = look_is_nvme(d) && at->domain->model->vcpus > 1 ? f->severity : SEVERITY_NOTE;
    fix_none(f, at, declared, idle->len);
}

/* --- Unattached ------------------------------------------------------------------------------- */

/* Gives idle threads, from *next on, to disks without one: to those that want it, or to the others.
 */
static void attach_idle(GString *lines, const struct check_domain *d, const GArray *idle,
                        guint *next, bool wanted)
{
    for (size_t i = 0; i < d->disk_count && *next < idle->len; i++) {
        if (!threads_is_unserved(&d->disks[i]) || wants_thread(&d->disks[i]) != wanted)
            continue;
        cleanup_free char *line =
            threads_attach(&d->disks[i], g_array_index(idle, unsigned, (*next)++));
        g_string_append_printf(lines, "%s%s", lines->len ? "\n" : "", line);
    }
}

/* In the order that iothread-none reckons with. */
static void fix_unattached(struct finding *f, const struct check_domain *d, const GArray *idle)
{
    g_autoptr(GString) lines = g_string_new(NULL);
    guint next = 0;
    attach_idle(lines, d, idle, &next, /* wanted = */ true);
    attach_idle(lines, d, idle, &next, /* wanted = */ false);
    finding_fix(f, FIX_XML, "%s", lines->str);
}

static void fix_idle(struct finding *f, const struct check_domain *d, const GArray *idle)
{
    g_autofree char *name = g_shell_quote(d->model->name);
    finding_fix(f, FIX_VIRSH, "virsh iothreaddel %s %u %s", name, g_array_index(idle, unsigned, 0),
                look_virsh_flags(d));
    f->needs = FIX_NEEDS_NOTHING;
    f->severity = SEVERITY_NOTE;
}

static void look_unattached(const struct look *at, struct found *out)
{
    g_autoptr(GArray) idle = threads_idle(at->domain);
    if (!idle->len)
        return;
    cleanup_free char *ids = threads_list(idle);
    unsigned unserved = count_disks(at->domain, threads_is_unserved, NULL);
    struct finding *f = found_say(
        out, "iothread%s %s %s declared, and no disk or controller uses %s%s",
        idle->len > 1 ? "s" : "", ids, idle->len > 1 ? "are" : "is", idle->len > 1 ? "them" : "it",
        unserved ? ": its disks are served by QEMU's main loop" : "");
    if (!unserved) {
        fix_idle(f, at->domain, idle);
        return;
    }
    f->severity = count_disks(at->domain, wants_thread, NULL) ? f->severity : SEVERITY_NOTE;
    fix_unattached(f, at->domain, idle);
}

/* --- Shared ----------------------------------------------------------------------------------- */

/* The one thread that serves it; 0 for none or several. */
static unsigned only_thread(const struct check_disk *d)
{
    g_autoptr(GArray) named = threads_named(look_server_driver(d));
    return threads_can_serve(d) && named->len == 1 ? g_array_index(named, unsigned, 0) : 0;
}

/* Whether an earlier disk has its thread, too. */
static bool shares_earlier(const struct check_disk *d)
{
    unsigned id = only_thread(d);
    for (const struct check_disk *other = d->domain->disks; id && other != d; other++)
        if (only_thread(other) == id)
            return true;
    return false;
}

/* "iothread 1 serves vda, vdb"; for the caller to free. */
static char *list_shared(const struct check_domain *d, unsigned id)
{
    g_autoptr(GString) list = g_string_new(NULL);
    for (size_t i = 0; i < d->disk_count; i++)
        if (only_thread(&d->disks[i]) == id)
            g_string_append_printf(list, "%s%s", list->len ? ", " : "",
                                   d->disks[i].model->target ? d->disks[i].model->target : "?");
    return xasprintf("iothread %u serves %s", id, list->str);
}

static char *shared_threads(const struct check_domain *d)
{
    g_autoptr(GString) all = g_string_new(NULL);
    g_autoptr(GArray) declared = threads_declared(d);
    for (guint i = 0; i < declared->len; i++) {
        cleanup_free char *shared = list_shared(d, g_array_index(declared, unsigned, i));
        if (strchr(shared, ','))
            g_string_append_printf(all, "%s%s", all->len ? "; " : "", shared);
    }
    return xstrdup(all->str);
}

/* Whether each names an iothread that there is: else that is to be put right first. */
static bool all_are_declared(const struct check_domain *d, const GArray *declared)
{
    for (size_t i = 0; i < d->disk_count; i++) {
        unsigned id = only_thread(&d->disks[i]);
        if (id && !threads_has(declared, id))
            return false;
    }
    return true;
}

/* Behind the numbers that disks without a thread are given. */
static void look_shared(const struct look *at, struct found *out)
{
    const struct check_domain *d = at->domain;
    if (!is_comparable(d) || is_emulated(d))
        return;
    g_autoptr(GArray) idle = threads_idle(d), declared = threads_declared(d);
    if (!all_are_declared(d, declared))
        return;
    unsigned shared = count_disks(d, shares_earlier, NULL);
    unsigned unserved = count_disks(d, wants_thread, NULL);
    unsigned taken = unserved > idle->len ? unserved - idle->len : 0;
    unsigned count = within_cpus(at, shared, declared->len + taken);
    if (!count)
        return;
    cleanup_free char *summary = shared_threads(d);
    struct finding *f = found_say(out, "%s", summary);
    g_autoptr(GString) lines = g_string_new(NULL);
    g_string_append_printf(lines, "<iothreads>%u</iothreads>", declared->len + taken + count);
    for (size_t i = 0, n = 0; i < d->disk_count && n < count; i++) {
        if (!shares_earlier(&d->disks[i]))
            continue;
        unsigned id = threads_free_id(declared, taken + (unsigned)n++);
        cleanup_free char *line = threads_attach(&d->disks[i], id);
        g_string_append_printf(lines, "\n%s", line);
    }
    finding_fix(f, FIX_XML, "%s", lines->str);
}

/* --- Mapping ---------------------------------------------------------------------------------- */

/* Whether a second thread for its queues is worth a measurement: a disk that is fast as far as is
 * known, alone on its thread, with more than one queue. qcow2 does its tables' work under one lock.
 */
static bool wants_mapping(const struct check_disk *d)
{
    const struct domain_model *m = d->domain->model;
    unsigned machine = look_machine_version(d->domain);
    unsigned queues = d->model->config.queues;
    return look_is_virtio_blk(d) && only_thread(d) && !xml_child(d->driver, "iothreads") &&
           m->vcpus > 4 && strcmp(d->model->config.format, "raw") == 0 && look_is_nvme(d) &&
           !is_emulated(d->domain) && (queues ? queues > 1 : !machine || machine >= 5002);
}

static char *mapped_driver(const struct check_disk *d, unsigned first, unsigned second)
{
    cleanup_xml xmlDocPtr doc = look_copy_element(d->driver, "driver");
    xmlNodePtr driver = xmlDocGetRootElement(doc);
    xmlUnsetProp(driver, BAD_CAST "iothread");
    xmlNodePtr list = xmlNewChild(driver, NULL, BAD_CAST "iothreads", NULL);
    const unsigned ids[] = {first, second};
    for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
        cleanup_free char *id = xasprintf("%u", ids[i]);
        xmlNewProp(xmlNewChild(list, NULL, BAD_CAST "iothread", NULL), BAD_CAST "id", BAD_CAST id);
    }
    return look_to_text(driver);
}

/* When each disk has its own thread, and the versions for it are known to be there. */
static void look_mapping(const struct look *at, struct found *out)
{
    const struct check_disk *d = at->disk;
    const struct check_domain *domain = at->domain;
    if (!is_comparable(domain) || !wants_mapping(d))
        return;
    g_autoptr(GArray) declared = threads_declared(domain), idle = threads_idle(domain);
    unsigned before = count_disks(domain, wants_mapping, d);
    unsigned all = count_disks(domain, wants_mapping, NULL);
    if (!at->versions.qemu || !look_has_versions(at, &out->rule->since) || idle->len ||
        count_disks(domain, wants_thread, NULL) || count_disks(domain, shares_earlier, NULL) ||
        within_cpus(at, all, declared->len) < all)
        return;
    struct finding *f = found_say(out, "iothread %u alone serves the queues of %u vCPUs",
                                  only_thread(d), domain->model->vcpus);
    cleanup_free char *driver = mapped_driver(d, only_thread(d), threads_free_id(declared, before));
    finding_fix(f, FIX_XML, "<iothreads>%u</iothreads>\n%s", declared->len + all, driver);
}

/* --- Table ------------------------------------------------------------------------------------ */

static const struct rule rows[] = {
    {
        .id = "iothread-unattached",
        .scope = RULE_DOMAIN,
        .severity = SEVERITY_WARNING,
        .title = "an iothread that serves nothing",
        .why = "Declaring iothreads does not give one to any disk: each disk, or controller of "
               "virtio-scsi, has to name its own. Nothing complains, and published benchmarks have "
               "measured iothreads that were never used.",
        .source = "libvirt: formatdomain, iothreads; atiratree/vm-benchmarking",
        .needs = FIX_NEEDS_RESTART,
        .since = {.qemu = 2001000, .libvirt = 1002008},
        .look = look_unattached,
    },
    {
        .id = "iothread-none",
        .scope = RULE_DISK,
        .severity = SEVERITY_WARNING,
        .title = "requests are served by QEMU's main loop",
        .why =
            "The main loop works under QEMU's big lock and serves the monitor, displays and all "
            "emulated devices as well. An iothread of its own helps a fast disk that is busy; on "
            "a slow one, or a host without a CPU to spare, it gains nothing or costs, so "
            "measure.",
        .source = "qemu: docs/devel/multiple-iothreads.txt; libvirt: formatdomain, iothreads",
        .needs = FIX_NEEDS_RESTART,
        .since = {.qemu = 2001000, .libvirt = 1002008},
        .look = look_none,
    },
    {
        .id = "iothread-shared",
        .scope = RULE_DOMAIN,
        .severity = SEVERITY_NOTE,
        .title = "one iothread for several disks",
        .why = "Their requests wait for one another when several of the disks are busy at once. If "
               "only one of them ever is, it is as good as one each.",
        .source = "libvirt: formatdomain, iothreads",
        .needs = FIX_NEEDS_RESTART,
        .since = {.qemu = 2001000, .libvirt = 1002008},
        .look = look_shared,
    },
    {
        .id = "iothread-mapping",
        .scope = RULE_DISK,
        .severity = SEVERITY_NOTE,
        .title = "all queues of a fast disk are served by one thread",
        .why =
            "A guest that submits from many vCPUs can have the queues dealt out among several "
            "iothreads. It helps when the one is at its limit, and takes CPU time from the host: "
            "measure.",
        .source = "libvirt: formatdomain, iothreads of driver; qemu: hw/block/virtio-blk.c",
        .needs = FIX_NEEDS_RESTART,
        .since = {.qemu = 9000000, .libvirt = 10000000},
        .look = look_mapping,
    },
};

RULE_TABLE(rules_thread, rows);
