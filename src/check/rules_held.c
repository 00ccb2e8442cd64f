/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rules_held.c - the CPUs that the threads of the running QEMU are held to.
 *
 * What is wrong with the definition already is said by rules_pin.c, and not once more here.
 */
#include <string.h>

#include "base/memory.h"
#include "check/pins.h"
#include "check/rule.h"
#include "check/tasks.h"
#include "domain/xml.h"

static char *task_name(const struct task *t)
{
    return t->role == TASK_MAIN
               ? xstrdup("the main loop")
               : xasprintf("%s %u", t->role == TASK_VCPU ? "vCPU" : "iothread", t->id);
}

/* NULL where the threads of the domain's QEMU are not known. */
static const GPtrArray *tasks_of(const struct look *at)
{
    return at->domain->process ? at->domain->process->tasks : NULL;
}

/* Whether the requests of the disk, as it runs, are served by this thread. Of several iothreads for
 * one disk the definition alone tells. */
static bool serves(const struct task *t, const struct check_disk *d)
{
    const struct domain_disk *live = look_live(d);
    xmlNodePtr several = xml_child(look_server_driver(d), "iothreads");
    if (!live || t->role == TASK_VCPU || strcmp(live->type, "vhostuser") == 0)
        return false;
    if (live->iothread || !several)
        return live->iothread ? t->role == TASK_IOTHREAD && t->id == live->iothread
                              : t->role == TASK_MAIN;
    for (xmlNodePtr n = xml_child(several, "iothread"); n; n = xml_next(n, "iothread"))
        if (t->role == TASK_IOTHREAD && xml_number(n, "id", 0) == t->id)
            return true;
    return false;
}

static bool serves_any(const struct task *t, const struct check_domain *d)
{
    for (size_t i = 0; i < d->disk_count && i < LOOK_COMPARED_DISKS_MAX; i++)
        if (serves(t, &d->disks[i]))
            return true;
    return false;
}

/* Appends "virsh iothreadpin web 1 4-7 --live", a line for each. */
static void append_pin(GString *lines, const struct check_domain *d, const struct task *t,
                       const char *cpus, const char *flags)
{
    g_autofree char *name = g_shell_quote(d->name);
    g_string_append(lines, lines->len ? "\n" : "");
    if (t->role == TASK_MAIN)
        g_string_append_printf(lines, "virsh emulatorpin %s %s %s", name, cpus, flags);
    else
        g_string_append_printf(lines, "virsh %s %s %u %s %s",
                               t->role == TASK_VCPU ? "vcpupin" : "iothreadpin", name, t->id, cpus,
                               flags);
}

/* --- Configured is not effective -------------------------------------------------------------- */

static const char *pin_of_vcpu(const struct domain_model *m, unsigned id)
{
    for (size_t i = 0; i < m->vcpu_pin_count; i++)
        if (m->vcpu_pins[i].id == id)
            return m->vcpu_pins[i].cpuset;
    return NULL;
}

static const char *pin_of(const struct domain_model *m, const struct task *t)
{
    return t->role == TASK_MAIN   ? m->emulator_cpuset
           : t->role == TASK_VCPU ? pin_of_vcpu(m, t->id)
                                  : pins_of_iothread(m, t->id);
}

/* Whether it may run elsewhere than it is pinned to, or not on all of that. CPUs that are not there
 * are no difference. */
static bool differs(const struct task *t, const char *pin, const struct cpulist *online)
{
    struct cpulist has, wanted, absent;
    if (cpulist_parse(t->cpus, &has) < 0 || cpulist_parse(pin, &wanted) < 0)
        return false;
    absent = wanted;
    cpulist_remove(&absent, online);
    cpulist_remove(&wanted, &absent);
    return cpulist_count(&wanted) && cpulist_count(&has) &&
           (!cpulist_covers(&wanted, &has) || !cpulist_covers(&has, &wanted));
}

static void look_pins(const struct look *at, struct found *out)
{
    const struct domain_model *live = at->domain->live;
    const GPtrArray *tasks = tasks_of(at);
    struct cpulist online;
    if (!tasks || !live || !at->facts || cpulist_parse(at->facts->online, &online) < 0)
        return;
    const struct task *first = NULL;
    unsigned count = 0;
    g_autoptr(GString) lines = g_string_new(NULL);
    for (guint i = 0; i < tasks->len; i++) {
        const struct task *t = tasks->pdata[i];
        const char *pin = pin_of(live, t);
        if (!pin || !differs(t, pin, &online))
            continue;
        first = first ? first : t;
        append_pin(lines, at->domain, t, pin, "--live");
        count++;
    }
    if (!first)
        return;
    cleanup_free char *name = task_name(first);
    cleanup_free char *more = count > 1 ? xasprintf(", and %u more", count - 1) : xstrdup("");
    struct finding *f =
        found_say(out, "%s is pinned to CPU %s, and that of the running QEMU may run on %s%s", name,
                  pin_of(live, first), first->cpus, more);
    finding_fix(f, FIX_VIRSH, "%s", lines->str);
}

/* --- All on one CPU --------------------------------------------------------------------------- */

/* The one CPU that a thread may run on; -1 where there are more, or that is not known. */
static int only_cpu(const struct task *t)
{
    struct cpulist has;
    if (cpulist_parse(t->cpus, &has) < 0 || cpulist_count(&has) != 1)
        return -1;
    for (unsigned cpu = 0; cpu < CPULIST_MAX; cpu++)
        if (cpulist_has(&has, cpu))
            return (int)cpu;
    return -1;
}

/* The one CPU that all vCPUs may run on; -1. */
static int only_cpu_of_vcpus(const GPtrArray *tasks)
{
    int cpu = -1;
    bool seen = false;
    for (guint i = 0; i < tasks->len; i++) {
        const struct task *t = tasks->pdata[i];
        int own = t->role == TASK_VCPU ? only_cpu(t) : -1;
        if (t->role != TASK_VCPU)
            continue;
        if (own < 0 || (seen && own != cpu))
            return -1;
        cpu = own;
        seen = true;
    }
    return cpu;
}

/* All CPUs there are but this one; "" where that is not known. The caller frees. */
static char *other_cpus(const struct host_facts *f, unsigned cpu)
{
    struct cpulist online, one;
    cleanup_free char *number = xasprintf("%u", cpu);
    if (cpulist_parse(f->online, &online) < 0 || cpulist_parse(number, &one) < 0)
        return xstrdup("");
    cpulist_remove(&online, &one);
    return cpulist_format(&online);
}

static void look_one_cpu(const struct look *at, struct found *out)
{
    const struct check_domain *d = at->domain;
    const GPtrArray *tasks = tasks_of(at);
    int cpu = tasks && at->facts && at->facts->cpus > 1 ? only_cpu_of_vcpus(tasks) : -1;
    if (cpu < 0)
        return;
    g_autoptr(GString) names = g_string_new(NULL), lines = g_string_new(NULL);
    struct cpulist dedicated = pins_of_vcpus(d->model, /* single = */ true);
    cleanup_free char *others = other_cpus(at->facts, (unsigned)cpu);
    for (guint i = 0; i < tasks->len; i++) {
        const struct task *t = tasks->pdata[i];
        if (t->role == TASK_VCPU || only_cpu(t) != cpu || !serves_any(t, d) ||
            (t->role == TASK_IOTHREAD && pins_overlap(d->model, t->id, &dedicated)))
            continue;
        cleanup_free char *name = task_name(t);
        g_string_append_printf(names, "%s%s", names->len ? ", " : "", name);
        append_pin(lines, d, t, others, look_virsh_flags(d));
    }
    if (!names->len)
        return;
    struct finding *f = found_say(
        out,
        "all vCPUs and what serves disks (%s) may run on CPU %d alone, of %u that the host has",
        names->str, cpu, at->facts->cpus);
    if (*others)
        finding_fix(f, FIX_VIRSH, "%s", lines->str);
    else
        finding_fix(f, FIX_ADVICE, "Let them run elsewhere too (virsh iothreadpin, emulatorpin)");
}

/* --- NUMA ------------------------------------------------------------------------------------- */

static const char *cpus_of_node(const struct host_facts *f, int64_t node)
{
    for (size_t i = 0; i < f->node_count; i++)
        if (f->nodes[i].id == node)
            return f->nodes[i].cpus;
    return NULL;
}

/* The CPUs of all nodes that the disk's devices are near. */
static struct cpulist cpus_near(const struct host_facts *f, const struct check_disk *d)
{
    struct cpulist near = {0}, one, nodes = pins_disk_nodes(d);
    for (size_t i = 0; i < f->node_count; i++)
        if (cpulist_has(&nodes, f->nodes[i].id) && cpulist_parse(f->nodes[i].cpus, &one) == 0)
            cpulist_add(&near, &one);
    return near;
}

/* The first thread that serves the disk, where none of those that do may run on these CPUs; NULL.
 */
static const struct task *far_task(const GPtrArray *tasks, const struct check_disk *d,
                                   const struct cpulist *near)
{
    const struct task *first = NULL;
    for (guint i = 0; i < tasks->len; i++) {
        const struct task *t = tasks->pdata[i];
        struct cpulist has, left;
        if (!serves(t, d))
            continue;
        if (cpulist_parse(t->cpus, &has) < 0)
            return NULL;
        left = has;
        cpulist_remove(&left, near);
        if (cpulist_count(&left) != cpulist_count(&has))
            return NULL;
        first = first ? first : t;
    }
    return first;
}

/* Where there is one node all CPUs are its. */
static void look_far(const struct look *at, struct found *out)
{
    const GPtrArray *tasks = tasks_of(at);
    const struct block_device *b = tasks && at->facts ? pins_near_node(at->disk) : NULL;
    const char *cpus = b ? cpus_of_node(at->facts, b->numa_node) : NULL;
    if (!cpus || pins_memory_is_far(at->domain->model, at->disk))
        return;
    const struct cpulist near = cpus_near(at->facts, at->disk);
    if (!cpulist_count(&near))
        return;
    const struct task *t = far_task(tasks, at->disk, &near);
    if (!t)
        return;
    cleanup_free char *name = task_name(t);
    struct finding *f = found_say(
        out, "%s is at NUMA node %d (CPUs %s), and %s, which serves it, may run on %s alone",
        b->name, (int)b->numa_node, cpus, name, t->cpus);
    finding_fix(f, FIX_ADVICE,
                "vCPUs, memory and this thread work together: move all of them to node %d, or none "
                "(numatune, cputune), and measure",
                (int)b->numa_node);
}

/* --- Table ------------------------------------------------------------------------------------ */

static const struct rule rows[] = {
    {
        .id = "effective-pin",
        .scope = RULE_DOMAIN,
        .severity = SEVERITY_NOTE,
        .title = "a thread of the running QEMU is not where it is pinned to",
        .why = "Something else has moved it: taskset, the CPUs of its control group, or a pin that "
               "could not be had. What is configured is not what runs.",
        .source = "proc(5), status: Cpus_allowed_list; libvirt: formatdomain, cputune",
        .look = look_pins,
    },
    {
        .id = "effective-one-cpu",
        .scope = RULE_DOMAIN,
        .severity = SEVERITY_WARNING,
        .title = "the running QEMU has one CPU for its vCPUs and for what serves their disks",
        .why = "A vCPU that submits requests, and the thread that serves them, take turns although "
               "there are other CPUs.",
        .source = "proc(5), status: Cpus_allowed_list; qemu: util/aio-posix.c",
        .look = look_one_cpu,
    },
    {
        .id = "effective-numa",
        .scope = RULE_DISK,
        .severity = SEVERITY_NOTE,
        .title = "what serves the disk may not run at the drive's NUMA node",
        .why = "Interrupts and data of the drive cross the link between the nodes. How much that "
               "costs depends on the host and shows on the fastest drives.",
        .source = "proc(5), status: Cpus_allowed_list; linux: /sys/block/DEVICE/device/numa_node, "
                  "/sys/devices/system/node",
        .look = look_far,
    },
};

RULE_TABLE(rules_held, rows);
