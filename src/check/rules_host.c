/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rules_host.c - what the host is set to.
 */
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "check/images.h"
#include "check/rule.h"
#include "domain/xml.h"

/* --- Asynchronous I/O ------------------------------------------------------------------------- */

/* What distributions and vendors set it to where many guests run. */
#define AIO_PLENTY 1048576

static void find_aio_end(const struct look *at, struct found *out)
{
    const struct host_facts *f = at->facts;
    if (!f || f->aio_used < 0 || f->aio_max <= 0 || f->aio_used * 10 <= f->aio_max * 9)
        return;
    finding_fix(found_say(out, "%lld of %lld asynchronous requests are taken (fs.aio-max-nr)",
                          (long long)f->aio_used, (long long)f->aio_max),
                FIX_HOST, "sysctl -w fs.aio-max-nr=%lld",
                (long long)MAX(AIO_PLENTY, f->aio_max * 2));
}

static bool wants_io_uring(const struct look *at)
{
    return look_is_host_file(at->disk) && strcmp(at->disk->model->config.io, "io_uring") == 0;
}

/* What libvirt refuses to define, whatever QEMU would do. */
static bool is_built_without(const struct look *at)
{
    return at->facts &&
           host_facts_qemu_flag(at->facts, at->domain->model->emulator, "aio.io_uring") == 0;
}

/* Why QEMU cannot have io_uring here; NULL where it can, or where that is not known. A group of
 * those who may (kernel.io_uring_group) can have QEMU's user in it. */
static const char *obstacle_to_io_uring(const struct look *at)
{
    const struct host_facts *f = at->facts;
    if (!f)
        return NULL;
    if (is_built_without(at))
        return "this QEMU is built without it";
    if (f->io_uring_disabled == 2)
        return "the host has it disabled (kernel.io_uring_disabled is 2)";
    if (f->io_uring_disabled == 1 && f->io_uring_group < 0)
        return "the host has it for privileged processes alone (kernel.io_uring_disabled is 1)";
    return NULL;
}

/* Between these QEMU logs that there is none and takes its threads: it fails up to 8.2, and again
 * from 10.2 on. */
static bool falls_back(const struct look *at)
{
    unsigned long qemu = at->versions.qemu;
    return !qemu || (qemu >= 9000000 && qemu < 10002000);
}

/* What the disk can have instead. libvirt wants to read that it is direct for io='native', also
 * where that is the default (<shareable/>). */
static void fix_io(struct finding *f, const struct look *at)
{
    const char *io = look_best_io(at);
    bool native = io && strcmp(io, "native") == 0;
    cleanup_free char *driver =
        look_driver_with(at->disk, "io", io ? io : "threads", native ? "cache" : NULL,
                         at->disk->model->config.cache, NULL);
    finding_fix(f, FIX_XML, "%s", driver);
}

static void find_no_io_uring(const struct look *at, struct found *out)
{
    const char *obstacle = wants_io_uring(at) ? obstacle_to_io_uring(at) : NULL;
    if (!obstacle)
        return;
    struct finding *f = found_say(out, "io='io_uring', and %s", obstacle);
    if ((falls_back(at) && !is_built_without(at)) || at->domain->running)
        f->severity = SEVERITY_WARNING;
    fix_io(f, at);
}

static void find_hanging_io_uring(const struct look *at, struct found *out)
{
    bool bad_qemu = look_qemu_hangs_io_uring(at) && at->disk->model->config.iothread;
    if (!wants_io_uring(at) || (!bad_qemu && !look_kernel_hangs_io_uring(at)))
        return;
    unsigned kernel = at->facts ? at->facts->kernel : 0;
    struct finding *f = bad_qemu ? found_say(out, "io='io_uring' with an iothread, and QEMU is 7.1")
                                 : found_say(out, "io='io_uring', and the kernel is %u.%u",
                                             kernel / 1000, kernel % 1000);
    fix_io(f, at);
}

/* --- Memory ----------------------------------------------------------------------------------- */

/* A minute's worth of writing for a slow disk, seconds for a fast one. */
#define DIRTY_MUCH (UINT64_C(4) << 30)

/* How much may wait in memory to be written; 0 where that is not known. */
static uint64_t dirty_limit(const struct host_facts *f)
{
    if (f->dirty_bytes > 0)
        return (uint64_t)f->dirty_bytes;
    return f->dirty_ratio > 0 ? f->memory_bytes / 100 * (uint64_t)f->dirty_ratio : 0;
}

/* The first disk of which writes have to wait in the host's page cache, which ZFS goes past and
 * tmpfs is; NULL. Where there is direct I/O that is what is proposed for it. */
static const struct check_disk *cached_disk(const struct check_domain *d)
{
    for (size_t i = 0; i < d->disk_count; i++) {
        const struct check_disk *disk = &d->disks[i];
        const char *cache = disk->model->config.cache;
        bool buffered = strcmp(cache, "writeback") == 0 && !look_has_direct(disk) &&
                        !look_is_synchronous(disk) && !look_is_memory(disk);
        if (look_is_host_file(disk) && buffered && !xml_child(disk->node, "readonly"))
            return disk;
    }
    return NULL;
}

static void find_dirty_pages(const struct look *at, struct found *out)
{
    uint64_t limit = at->facts ? dirty_limit(at->facts) : 0;
    const struct check_disk *disk = cached_disk(at->domain);
    char text[32];
    if (limit < DIRTY_MUCH || !disk)
        return;
    finding_fix(found_say(out,
                          "%s goes through the host's page cache, in which up to %s may wait to "
                          "be written",
                          disk->model->target ? disk->model->target : "a disk",
                          text_format_size(limit, text, sizeof(text))),
                FIX_HOST,
                "sysctl -w vm.dirty_background_bytes=268435456 vm.dirty_bytes=1073741824");
}

static void find_ksm(const struct look *at, struct found *out)
{
    if (at->facts && at->facts->ksm == 1)
        finding_fix(found_say(out, "equal pages of guests are merged (KSM runs)"), FIX_HOST,
                    "echo 0 > /sys/kernel/mm/ksm/run");
}

/* --- Limits ----------------------------------------------------------------------------------- */

/* Appends those of these children that are more than zero. */
static void append_limits(GString *list, xmlNodePtr parent, const char *const *names)
{
    for (; parent && *names; names++) {
        cleanup_free char *value = xml_child_text(parent, *names);
        if (value && atoll(value) > 0)
            g_string_append_printf(list, "%s%s %s", list->len ? ", " : "", *names, value);
    }
}

/* Of a running guest it is said what limits it in effect. */
static void find_limits(const struct look *at, struct found *out)
{
    static const char *const device[] = {"read_bytes_sec", "write_bytes_sec", "read_iops_sec",
                                         "write_iops_sec", NULL};
    static const char *const cpu[] = {"quota", "global_quota", "emulator_quota", "iothread_quota",
                                      NULL};
    const struct check_process *p = at->domain->process;
    xmlNodePtr domain = at->domain->node;
    if (p && (p->io_limit || p->cpu_limit))
        return;
    g_autoptr(GString) list = g_string_new(NULL);
    xmlNodePtr d = xml_child(xml_child(domain, "blkiotune"), "device");
    for (; d; d = xml_next(d, "device"))
        append_limits(list, d, device);
    append_limits(list, xml_child(domain, "cputune"), cpu);
    if (list->len)
        found_say(out, "it is defined with limits: %s", list->str);
}

/* --- CPUs ------------------------------------------------------------------------------------- */

/* Whether the hardware itself finds the clock: there powersave is the ordinary governor, and no
 * lowest clock. */
static bool has_own_clock(const struct host_facts *f)
{
    static const char *const drivers[] = {"intel_pstate", "amd-pstate-epp", "amd_pstate_epp"};
    for (size_t i = 0; f->governor_driver && i < ARRAY_SIZE(drivers); i++)
        if (strcmp(f->governor_driver, drivers[i]) == 0)
            return true;
    return false;
}

static void find_governor(const struct look *at, struct found *out)
{
    const struct host_facts *f = at->facts;
    const char *preference = f && f->energy_preference ? f->energy_preference : "";
    if (!f || !f->governor || strcmp(f->governor, "powersave") != 0)
        return;
    if (!has_own_clock(f))
        finding_fix(found_say(out, "the CPUs' governor is powersave"), FIX_HOST,
                    "cpupower frequency-set -g performance");
    else if (strcmp(preference, "power") == 0 || strcmp(preference, "balance_power") == 0)
        finding_fix(found_say(out,
                              "the CPUs are to save power (energy_performance_preference is %s)",
                              preference),
                    FIX_HOST,
                    "echo balance_performance | tee "
                    "/sys/devices/system/cpu/cpu*/cpufreq/energy_performance_preference");
}

static void find_no_halt_poll(const struct look *at, struct found *out)
{
    if (at->facts && at->facts->halt_poll_ns == 0)
        finding_fix(found_say(out, "KVM does not poll when a vCPU halts (halt_poll_ns is 0)"),
                    FIX_HOST, "echo 200000 > /sys/module/kvm/parameters/halt_poll_ns");
}

/* --- Rows ------------------------------------------------------------------------------------- */

static const struct rule rows[] = {
    {
        .id = "io-uring-unavailable",
        .scope = RULE_DISK,
        .severity = SEVERITY_ERROR,
        .title = "io='io_uring' where there is none",
        .why =
            "QEMU up to 8.2, and from 10.2 on, does not start with it; those between say so in the "
            "domain's log and take threads. For a QEMU that is built without it libvirt refuses "
            "it. What is given is what the disk can have instead.",
        .source = "qemu: block/file-posix.c, block/io_uring.c; linux: kernel.io_uring_disabled",
        .needs = FIX_NEEDS_RESTART,
        .look = find_no_io_uring,
    },
    {
        .id = "io-uring-hangs",
        .scope = RULE_DISK,
        .severity = SEVERITY_WARNING,
        .title = "io='io_uring' with versions that are known to hang",
        .why = "Disks with an iothread stop in QEMU 7.1, and guests on LVM were found frozen with "
               "kernels before 5.13.",
        .source = "gitlab.com/qemu-project/qemu issue 1193; github.com/canonical/lxd issue 10061",
        .needs = FIX_NEEDS_RESTART,
        .look = find_hanging_io_uring,
    },
    {
        .id = "dirty-pages",
        .scope = RULE_DOMAIN,
        .severity = SEVERITY_NOTE,
        .title = "much data that may wait in the host's memory",
        .why =
            "When the guest flushes, all that is unwritten of its disk is written while it waits; "
            "how long depends on the disk. cache='none' has nothing to wait for.",
        .source = "linux: Documentation/admin-guide/sysctl/vm, dirty_ratio",
        .look = find_dirty_pages,
    },
    {
        .id = "limits-defined",
        .scope = RULE_DOMAIN,
        .severity = SEVERITY_NOTE,
        .title = "a guest that the host is to hold back",
        .why =
            "Neither the guest nor QEMU sees these limits, and no tuning goes beyond them: virsh "
            "blkiotune and virsh schedinfo show and change them.",
        .source = "libvirt: formatdomain, blkiotune and cputune",
        .look = find_limits,
    },
    {
        .id = "aio-max-nr",
        .scope = RULE_HOST,
        .severity = SEVERITY_WARNING,
        .title = "hardly any room for io='native'",
        .why =
            "QEMU takes 1024 for each thread that serves disks with io='native'. Without them the "
            "guest does not start, or its QEMU goes back to threads.",
        .source = "qemu: block/linux-aio.c; linux: fs/aio.c ioctx_alloc",
        .look = find_aio_end,
    },
    {
        .id = "governor",
        .scope = RULE_HOST,
        .severity = SEVERITY_NOTE,
        .title = "CPUs that save power",
        .why =
            "Work with one request in flight lets the CPUs clock down between requests, and waits "
            "for them. Of most drivers the governor powersave is the lowest clock there is; with "
            "intel_pstate and amd-pstate it is the ordinary one, and their "
            "energy_performance_preference decides.",
        .source = "linux: Documentation/admin-guide/pm: cpufreq, intel_pstate, amd-pstate",
        .look = find_governor,
    },
    {
        .id = "halt-poll-off",
        .scope = RULE_HOST,
        .severity = SEVERITY_NOTE,
        .title = "KVM without halt polling",
        .why =
            "A vCPU that waits for its disk sleeps at once and has to be woken; polling a moment "
            "spares that, for CPU time of the host's.",
        .source = "linux: Documentation/virt/kvm/halt-polling",
        .look = find_no_halt_poll,
    },
    {
        .id = "ksm",
        .scope = RULE_HOST,
        .severity = SEVERITY_NOTE,
        .title = "KSM merges pages of guests",
        .why = "It takes CPU time, and the first write to a merged page is said to cost latency. "
               "It is "
               "of use where memory is short.",
        .source = "linux: Documentation/admin-guide/mm/ksm",
        .look = find_ksm,
    },
};

RULE_TABLE(rules_host, rows);
