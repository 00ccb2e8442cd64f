/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rules_pin.c - where the threads that serve disks run, how they poll, and how many there are.
 */
#include <string.h>

#include "base/memory.h"
#include "check/pins.h"
#include "check/rule.h"
#include "check/threads.h"
#include "domain/xml.h"

/* --- CPUs ------------------------------------------------------------------------------------- */

/* The CPUs that are online and that no vCPU of the domain is pinned to, of those that its threads
 * may run on; "" where there are none, or that is not known. The caller frees. */
static char *spare_cpus(const struct look *at)
{
    const struct domain_model *m = at->domain->model;
    struct cpulist spare, online, pinned = pins_of_vcpus(m, /* single = */ false);
    bool limited = cpulist_parse(m->cpuset, &spare) == 0;
    if (cpulist_parse(at->facts ? at->facts->online : NULL, &online) == 0) {
        if (limited)
            cpulist_keep(&spare, &online);
        else
            spare = online;
    }
    cpulist_remove(&spare, &pinned);
    return cpulist_format(&spare);
}

/* The iothreads that are there and in use. The caller frees. */
static GArray *used_threads(const struct check_domain *d)
{
    GArray *used = threads_declared(d);
    g_autoptr(GArray) idle = threads_idle(d);
    for (guint i = used->len; i-- > 0;)
        if (threads_has(idle, g_array_index(used, unsigned, i)))
            g_array_remove_index(used, i);
    return used;
}

/* --- Pins ------------------------------------------------------------------------------------- */

/* "virsh iothreadpin web 1 4-7 --config", a line for each. */
static void fix_thread_pins(struct finding *f, const struct look *at, const GArray *ids)
{
    cleanup_free char *spare = spare_cpus(at);
    g_autofree char *name = g_shell_quote(at->domain->model->name);
    g_autoptr(GString) lines = g_string_new(NULL);
    if (!*spare) {
        finding_fix(f, FIX_ADVICE, "Pin it to CPUs that no vCPU is pinned to (virsh iothreadpin)");
        return;
    }
    for (guint i = 0; i < ids->len; i++)
        g_string_append_printf(lines, "%svirsh iothreadpin %s %u %s %s", i ? "\n" : "", name,
                               g_array_index(ids, unsigned, i), spare,
                               look_virsh_flags(at->domain));
    finding_fix(f, FIX_VIRSH, "%s", lines->str);
}

static void look_unpinned(const struct look *at, struct found *out)
{
    const struct domain_model *m = at->domain->model;
    g_autoptr(GArray) ids = used_threads(at->domain);
    for (guint i = ids->len; i-- > 0;)
        if (pins_of_iothread(m, g_array_index(ids, unsigned, i)))
            g_array_remove_index(ids, i);
    if (!m->vcpu_pin_count || !ids->len)
        return;
    cleanup_free char *list = threads_list(ids);
    struct finding *f = found_say(out,
                                  "vCPUs are pinned, and iothread%s %s %s not: %s may run on "
                                  "their CPUs",
                                  ids->len > 1 ? "s" : "", list, ids->len > 1 ? "are" : "is",
                                  ids->len > 1 ? "they" : "it");
    fix_thread_pins(f, at, ids);
}

/* What has no iothread is served there. */
static bool has_disk_in_main_loop(const struct check_domain *d)
{
    for (size_t i = 0; i < d->disk_count; i++) {
        g_autoptr(GArray) named = threads_named(look_server_driver(&d->disks[i]));
        if (!named->len && strcmp(d->disks[i].model->type, "vhostuser") != 0)
            return true;
    }
    return false;
}

static void look_unpinned_emulator(const struct look *at, struct found *out)
{
    const struct domain_model *m = at->domain->model;
    if (!m->vcpu_pin_count || m->emulator_cpuset || !has_disk_in_main_loop(at->domain))
        return;
    struct finding *f =
        found_say(out, "vCPUs are pinned, and QEMU's main loop, which serves disks, "
                       "is not: it may run on their CPUs");
    cleanup_free char *spare = spare_cpus(at);
    g_autofree char *name = g_shell_quote(m->name);
    if (*spare)
        finding_fix(f, FIX_VIRSH, "virsh emulatorpin %s %s %s", name, spare,
                    look_virsh_flags(at->domain));
    else
        finding_fix(f, FIX_ADVICE, "Pin it to CPUs that no vCPU is pinned to (virsh emulatorpin)");
}

static void look_overlap(const struct look *at, struct found *out)
{
    const struct domain_model *m = at->domain->model;
    struct cpulist dedicated = pins_of_vcpus(m, /* single = */ true);
    g_autoptr(GArray) ids = used_threads(at->domain);
    for (guint i = 0; i < ids->len; i++) {
        unsigned id = g_array_index(ids, unsigned, i);
        if (!pins_overlap(m, id, &dedicated))
            continue;
        g_autoptr(GArray) one = g_array_new(FALSE, FALSE, sizeof(id));
        g_array_append_val(one, id);
        struct finding *f = found_say(out,
                                      "iothread %u is pinned to CPU %s, and so are vCPUs, one "
                                      "to each",
                                      id, pins_of_iothread(m, id));
        fix_thread_pins(f, at, one);
    }
}

/* --- Number and polling ----------------------------------------------------------------------- */

static void look_many(const struct look *at, struct found *out)
{
    g_autoptr(GArray) declared = threads_declared(at->domain);
    unsigned cpus = at->facts ? at->facts->cpus : 0;
    if (!cpus || declared->len <= cpus)
        return;
    struct finding *f = found_say(out, "%u iothreads on a host with %u CPUs", declared->len, cpus);
    finding_fix(f, FIX_ADVICE, "Let disks that are not busy at the same time share one");
}

/* libvirt has a word on polling for each iothread. */
static xmlNodePtr first_listed(const struct check_domain *d)
{
    return xml_child(xml_child(d->node, "iothreadids"), "iothread");
}

/* Without a word on polling, and with all else that is said of it. */
static void fix_poll(struct finding *f, xmlNodePtr iothread)
{
    cleanup_xml xmlDocPtr doc = look_copy_element(iothread, "iothread");
    xmlNodePtr copy = xmlDocGetRootElement(doc);
    look_drop(copy, "poll");
    cleanup_free char *xml = look_to_text(copy);
    finding_fix(f, FIX_XML, "%s", xml);
}

static void look_poll_off(const struct look *at, struct found *out)
{
    g_autoptr(GArray) used = used_threads(at->domain);
    for (xmlNodePtr n = first_listed(at->domain); n; n = xml_next(n, "iothread")) {
        unsigned id = xml_number(n, "id", 0);
        if (!look_says(xml_child(n, "poll"), "max", "0") || !threads_has(used, id))
            continue;
        struct finding *f = found_say(out, "iothread %u does not poll (max='0')", id);
        fix_poll(f, n);
    }
}

/* QEMU's own is 32768 ns, and 100 µs is what those take who want low latency. */
#define POLL_LONG_NS 1000000

static void look_poll_long(const struct look *at, struct found *out)
{
    g_autoptr(GArray) used = used_threads(at->domain);
    for (xmlNodePtr n = first_listed(at->domain); n; n = xml_next(n, "iothread")) {
        unsigned id = xml_number(n, "id", 0);
        unsigned max = xml_number(xml_child(n, "poll"), "max", 0);
        if (max <= POLL_LONG_NS || !threads_has(used, id))
            continue;
        struct finding *f = found_say(out,
                                      "iothread %u polls for up to %.1f ms without anything to "
                                      "do",
                                      id, max / 1e6);
        fix_poll(f, n);
    }
}

/* --- Thread pools ----------------------------------------------------------------------------- */

static const char *pool_fault(xmlNodePtr n)
{
    unsigned min = xml_number(n, "thread_pool_min", 0);
    unsigned max = xml_number(n, "thread_pool_max", UINT32_MAX);
    return !max        ? "thread_pool_max='0'"
           : min > max ? "thread_pool_min is more than thread_pool_max"
                       : NULL;
}

static void look_pool(const struct look *at, struct found *out)
{
    const char *fault = pool_fault(xml_child(at->domain->node, "defaultiothread"));
    for (xmlNodePtr n = first_listed(at->domain); !fault && n; n = xml_next(n, "iothread"))
        fault = pool_fault(n);
    if (fault)
        finding_fix(found_say(out, "%s: libvirt refuses it", fault), FIX_ADVICE,
                    "Leave both out: QEMU takes 0 and 64");
}

/* --- NUMA ------------------------------------------------------------------------------------- */

static void look_node(const struct look *at, struct found *out)
{
    const struct domain_model *m = at->domain->model;
    const struct block_device *b = pins_near_node(at->disk);
    if (!b || !pins_memory_is_far(m, at->disk))
        return;
    struct finding *f = found_say(out, "%s is at NUMA node %d, and the guest's memory at node %s",
                                  b->name, (int)b->numa_node, m->numa_nodeset);
    finding_fix(f, FIX_ADVICE, "Put memory, vCPUs and iothreads on node %d (numatune, cputune)",
                (int)b->numa_node);
}

/* --- Table ------------------------------------------------------------------------------------ */

static const struct rule rows[] = {
    {
        .id = "pin-iothread",
        .scope = RULE_DOMAIN,
        .severity = SEVERITY_NOTE,
        .title = "vCPUs are pinned, and iothreads are not",
        .why =
            "Who pins vCPUs wants them undisturbed, and an iothread that polls on the CPU of one "
            "takes time from it. Without a pin it runs wherever the domain may.",
        .source = "libvirt: formatdomain, iothreadpin",
        .look = look_unpinned,
    },
    {
        .id = "pin-emulator",
        .scope = RULE_DOMAIN,
        .severity = SEVERITY_NOTE,
        .title = "vCPUs are pinned, and the main loop is not",
        .why = "Disks without an iothread are served by QEMU's main loop, which may then take time "
               "from the pinned vCPUs. Without a pin it runs wherever the domain may.",
        .source = "libvirt: formatdomain, emulatorpin",
        .look = look_unpinned_emulator,
    },
    {
        .id = "pin-overlap",
        .scope = RULE_DOMAIN,
        .severity = SEVERITY_WARNING,
        .title = "an iothread on CPUs that vCPUs have for themselves",
        .why = "Both are busy at the same time: a vCPU that submits requests, and the thread that "
               "serves them. One waits while the other runs or polls.",
        .source = "libvirt: formatdomain, iothreadpin; qemu: util/aio-posix.c",
        .look = look_overlap,
    },
    {
        .id = "iothread-excess",
        .scope = RULE_DOMAIN,
        .severity = SEVERITY_NOTE,
        .title = "more iothreads than the host has CPUs",
        .why = "One or two to a CPU are what libvirt's manual says is enough; while some poll, "
               "others wait for a CPU.",
        .source = "libvirt: formatdomain, iothreads",
        .needs = FIX_NEEDS_RESTART,
        .look = look_many,
    },
    {
        .id = "poll-off",
        .scope = RULE_DOMAIN,
        .severity = SEVERITY_NOTE,
        .title = "an iothread that does not poll",
        .why = "It sleeps after each request and is woken for the next one, which spares CPU time "
               "when idle and adds latency. QEMU polls for up to 32 µs unasked, which is from "
               "measurements on NVMe drives.",
        .source = "qemu: iothread.c, IOTHREAD_POLL_MAX_NS_DEFAULT",
        .needs = FIX_NEEDS_RESTART,
        .since = {.qemu = 2009000, .libvirt = 9004000},
        .look = look_poll_off,
    },
    {
        .id = "poll-long",
        .scope = RULE_DOMAIN,
        .severity = SEVERITY_NOTE,
        .title = "an iothread that polls for very long",
        .why =
            "A CPU of the host is busy for all of that time. QEMU polls for up to 32 µs unasked; "
            "longer than a request takes gains nothing.",
        .source = "qemu: iothread.c, IOTHREAD_POLL_MAX_NS_DEFAULT",
        .needs = FIX_NEEDS_RESTART,
        .since = {.qemu = 2009000, .libvirt = 9004000},
        .look = look_poll_long,
    },
    {
        .id = "thread-pool-refused",
        .scope = RULE_DOMAIN,
        .severity = SEVERITY_ERROR,
        .title = "a pool of worker threads that cannot be",
        .why = "libvirt refuses to define a pool whose least size is above its largest, and one of "
               "no thread.",
        .source = "libvirt 9.0.0, tried: thread_pool_min must be smaller or equal",
        .needs = FIX_NEEDS_RESTART,
        .look = look_pool,
    },
    {
        .id = "numa-disk",
        .scope = RULE_DISK,
        .severity = SEVERITY_NOTE,
        .title = "the drive is near another NUMA node than the guest's memory",
        .why = "All data crosses the link between the nodes. How much that costs depends on the "
               "host and shows on the fastest drives: measure.",
        .source = "linux: /sys/block/DEVICE/device/numa_node; libvirt: formatdomain, numatune",
        .needs = FIX_NEEDS_RESTART,
        .look = look_node,
    },
};

RULE_TABLE(rules_pin, rows);
