/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rules_effective.c - what the running QEMU does, against what the domain says.
 */
#include <string.h>

#include "base/memory.h"
#include "check/rule.h"

static void look_direct(const struct look *at, struct found *out)
{
    const struct domain_disk *d = look_live(at->disk);
    const struct check_process *p = at->domain->process;
    gpointer direct;
    if (!p || !d || !d->source || !disk_config_is_direct(&d->config) ||
        !g_hash_table_lookup_extended(
            p->direct, at->disk->place ? at->disk->place->path : d->source, NULL, &direct) ||
        GPOINTER_TO_INT(direct))
        return;
    struct finding *f = found_say(out,
                                  "cache='%s' is configured, and the running QEMU (process %d) "
                                  "has the image open without O_DIRECT",
                                  d->config.cache, (int)p->pid);
    finding_fix(f, FIX_ADVICE,
                "Look for the reason in the domain's log; if it was changed by hand "
                "through the monitor, the next cold start brings what is configured");
}

static void look_fallback(const struct look *at, struct found *out)
{
    const struct check_process *p = at->domain->process;
    if (!p || !p->fallbacks->len)
        return;
    const char *line = p->fallbacks->pdata[0];
    const char *reason = strstr(line, "Unable to use");
    struct finding *f =
        found_say(out, "the running QEMU does not do what io= says: %s", reason ? reason : line);
    finding_fix(f, FIX_ADVICE,
                "Remove the reason (fs.aio-max-nr, kernel.io_uring_disabled, a sandbox), then "
                "shut the domain down and start it");
}

static void look_io_limit(const struct look *at, struct found *out)
{
    const struct check_process *p = at->domain->process;
    if (!p || !p->io_limit)
        return;
    struct finding *f = found_say(out, "the running QEMU is held to %s", p->io_limit);
    g_autofree char *name = g_shell_quote(at->domain->name);
    finding_fix(f, FIX_VIRSH, "virsh blkiotune %s", name);
}

static void look_cpu_limit(const struct look *at, struct found *out)
{
    const struct check_process *p = at->domain->process;
    if (!p || !p->cpu_limit)
        return;
    struct finding *f = found_say(out, "the running QEMU is held to %s", p->cpu_limit);
    g_autofree char *name = g_shell_quote(at->domain->name);
    finding_fix(f, FIX_VIRSH, "virsh schedinfo %s", name);
}

static const struct rule rows[] = {
    {
        .id = "effective-buffered",
        .scope = RULE_DISK,
        .severity = SEVERITY_WARNING,
        .title = "the running QEMU goes through the page cache although the domain says otherwise",
        .why = "What is configured is not what runs, so every figure and every promise of the "
               "cache mode is about something else.",
        .source = "proc(5), fdinfo: flags of the open image",
        .look = look_direct,
    },
    {
        .id = "effective-aio",
        .scope = RULE_DOMAIN,
        .severity = SEVERITY_WARNING,
        .title = "the running QEMU fell back to worker threads",
        .why = "After 8.2 QEMU starts without native AIO when it cannot have it, and up to 10.1 "
               "without io_uring as well: only its log says so.",
        .source = "qemu: block/linux-aio.c, block/io_uring.c; the domain's log",
        .needs = FIX_NEEDS_RESTART,
        .look = look_fallback,
    },
    {
        .id = "cgroup-io-limit",
        .scope = RULE_DOMAIN,
        .severity = SEVERITY_NOTE,
        .title = "a control group limits the I/O of the running domain",
        .why =
            "No disk of it gets more than that, whatever else is changed. The limit may be meant; "
            "it is not in the definition where systemd or somebody by hand has set it.",
        .source = "Linux: Documentation/admin-guide/cgroup-v2.rst, io.max; "
                  "cgroup-v1/blkio-controller.rst, blkio.throttle",
        .look = look_io_limit,
    },
    {
        .id = "cgroup-cpu-limit",
        .scope = RULE_DOMAIN,
        .severity = SEVERITY_NOTE,
        .title = "a control group limits the CPU time of the running domain",
        .why = "A thread that has used up its time waits for the next period, with every request "
               "that it holds.",
        .source = "Linux: Documentation/admin-guide/cgroup-v2.rst, cpu.max; "
                  "scheduler/sched-bwc.rst, cpu.cfs_quota_us",
        .look = look_cpu_limit,
    },
};

RULE_TABLE(rules_effective, rows);
