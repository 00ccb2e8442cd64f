/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/facts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "host/cpulist.h"

/* --- Reading ---------------------------------------------------------------------------------- */

static unsigned kernel_of(const struct root *r)
{
    unsigned major, minor;
    cleanup_free char *release = root_read(r, "/proc/sys/kernel/osrelease");
    bool known = release && sscanf(release, "%4u.%3u", &major, &minor) == 2;
    return known ? major * 1000 + minor : 0;
}

static void read_cpus(struct host_facts *f, const struct root *r)
{
    struct cpulist online;
    cleanup_free char *list = root_read_word(r, "/sys/devices/system/cpu/online");
    if (cpulist_parse(list, &online) < 0)
        return;
    f->cpus = cpulist_count(&online);
    f->online = TAKE_PTR(list);
}

/* Nodes may have memory alone. */
static void read_nodes(struct host_facts *f, const struct root *r)
{
    struct cpulist online, cpus;
    cleanup_free char *list = root_read_word(r, "/sys/devices/system/node/online");
    if (cpulist_parse(list, &online) < 0)
        return;
    for (unsigned id = 0; id < CPULIST_MAX; id++) {
        cleanup_free char *path = xasprintf("/sys/devices/system/node/node%u/cpulist", id);
        cleanup_free char *text = cpulist_has(&online, id) ? root_read_word(r, path) : NULL;
        if (cpulist_parse(text, &cpus) < 0 || !cpulist_count(&cpus))
            continue;
        f->nodes = xreallocarray(f->nodes, f->node_count + 1, sizeof(*f->nodes));
        f->nodes[f->node_count++] = (struct host_node){id, TAKE_PTR(text)};
    }
}

static uint64_t memory_of(const struct root *r)
{
    uint64_t kib = 0;
    cleanup_free char *text = root_read(r, "/proc/meminfo");
    const char *line = text ? strstr(text, "MemTotal:") : NULL;
    return line && sscanf(line, "MemTotal: %18" SCNu64 " kB", &kib) == 1 ? kib * 1024 : 0;
}

/* Where libvirt's daemon keeps what it has found out about each QEMU binary; root's alone. */
#define CAPABILITIES_DIRECTORY "/var/cache/libvirt/qemu/capabilities"
#define CAPABILITIES_MAX ((size_t)64 << 20)

/* Of a hundred kilobytes these are six, and they are looked through for each disk. libvirt writes
 * each element in one line. */
static void append_asked_for(GString *all, const char *xml)
{
    static const char *const elements[] = {"<qemuCaps>", "<emulator>", "<flag ", "<version>"};
    for (const char *line = xml, *next; line; line = next) {
        const char *end = strchr(line, '\n');
        next = end ? end + 1 : NULL;
        line += strspn(line, " ");
        for (size_t i = 0; i < ARRAY_SIZE(elements); i++)
            if (g_str_has_prefix(line, elements[i]))
                g_string_append_len(all, line, next ? next - line : (gssize)strlen(line));
    }
}

char *host_facts_asked_for(const char *path, const char *xml)
{
    if (!g_str_has_prefix(path, CAPABILITIES_DIRECTORY "/"))
        return NULL;
    g_autoptr(GString) text = g_string_new(NULL);
    append_asked_for(text, xml);
    return xstrdup(text->str);
}

static char *capabilities_of(const struct root *r)
{
    g_autoptr(GPtrArray) names = root_list(r, CAPABILITIES_DIRECTORY);
    g_autoptr(GString) all = g_string_new(NULL);
    for (guint i = 0; i < names->len && all->len < CAPABILITIES_MAX; i++) {
        const char *name = names->pdata[i];
        cleanup_free char *path = xasprintf("%s/%s", CAPABILITIES_DIRECTORY, name);
        cleanup_free char *text = g_str_has_suffix(name, ".xml") ? root_read(r, path) : NULL;
        if (text)
            append_asked_for(all, text);
    }
    return all->len ? xstrdup(all->str) : NULL;
}

#define CPUFREQ "/sys/devices/system/cpu/cpu0/cpufreq/"

struct host_facts *host_facts_read(const struct root *r)
{
    struct host_facts *f = xcalloc(1, sizeof(*f));
    const struct {
        const char *path;
        int64_t *ret;
    } numbers[] = {
        {"/proc/sys/fs/aio-nr", &f->aio_used},
        {"/proc/sys/fs/aio-max-nr", &f->aio_max},
        {"/proc/sys/kernel/io_uring_disabled", &f->io_uring_disabled},
        {"/proc/sys/kernel/io_uring_group", &f->io_uring_group},
        {"/proc/sys/vm/dirty_ratio", &f->dirty_ratio},
        {"/proc/sys/vm/dirty_bytes", &f->dirty_bytes},
        {"/proc/sys/vm/dirty_background_ratio", &f->dirty_background_ratio},
        {"/proc/sys/vm/dirty_background_bytes", &f->dirty_background_bytes},
        {"/proc/sys/vm/swappiness", &f->swappiness},
        {"/sys/module/kvm/parameters/halt_poll_ns", &f->halt_poll_ns},
        {"/sys/kernel/mm/ksm/run", &f->ksm},
    };
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
        *numbers[i].ret = root_read_number(r, "%s", numbers[i].path);
    f->kernel = kernel_of(r);
    read_cpus(f, r);
    read_nodes(f, r);
    f->memory_bytes = memory_of(r);
    f->governor = root_read_chosen(r, CPUFREQ "scaling_governor");
    f->governor_driver = root_read_chosen(r, CPUFREQ "scaling_driver");
    f->energy_preference = root_read_chosen(r, CPUFREQ "energy_performance_preference");
    f->transparent_hugepages = root_read_chosen(r, "/sys/kernel/mm/transparent_hugepage/enabled");
    f->qemu_capabilities = capabilities_of(r);
    return f;
}

void host_facts_free(struct host_facts *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < f->node_count; i++)
        free(f->nodes[i].cpus);
    free(f->nodes);
    free(f->online);
    free(f->governor);
    free(f->governor_driver);
    free(f->energy_preference);
    free(f->transparent_hugepages);
    free(f->qemu_capabilities);
    free(f);
}

/* --- What QEMU can do ------------------------------------------------------------------------- */

/* Whether `text` has these words within its first `length` bytes. */
static bool has(const char *text, size_t length, const char *words)
{
    return memmem(text, length, words, strlen(words)) != NULL;
}

/* libvirt writes each element in one line, a flag's name in single quotes: no parser is needed to
 * find one, and none is fooled by what is left of a document that was cut off. */
int host_facts_qemu_flag(const struct host_facts *f, const char *emulator, const char *flag)
{
    static const char start[] = "<qemuCaps>";
    cleanup_free char *about =
        emulator ? g_markup_printf_escaped("<emulator>%s</emulator>", emulator) : NULL;
    cleanup_free char *wanted = g_markup_printf_escaped("<flag name='%s'/>", flag);
    int found = -1;
    const char *at = f->qemu_capabilities ? strstr(f->qemu_capabilities, start) : NULL;
    while (at && found != 1) {
        const char *next = strstr(at + 1, start);
        size_t length = next ? (size_t)(next - at) : strlen(at);
        if (!about || has(at, length, about))
            found = has(at, length, wanted);
        at = next;
    }
    return found;
}

unsigned long host_facts_qemu_version(const struct host_facts *f)
{
    unsigned long newest = 0;
    const char *at = f->qemu_capabilities;
    while (at && (at = strstr(at, "<version>"))) {
        at += strlen("<version>");
        unsigned long version = strtoul(at, NULL, 10);
        newest = version > newest ? version : newest;
    }
    return newest;
}
