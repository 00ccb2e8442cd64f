/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "probe/mirror.h"

#include <inttypes.h>
#include <libxml/tree.h>

#include "base/memory.h"

/* Adds <name id_name='id' cpuset='…'/>, without the id where `id_name` is NULL. */
static void add_pin(xmlNodePtr cputune, const char *name, const char *id_name, unsigned id,
                    const char *cpuset)
{
    cleanup_free char *text = xasprintf("%u", id);
    xmlNodePtr pin = xmlNewChild(cputune, NULL, BAD_CAST name, NULL);
    if (id_name)
        xmlNewProp(pin, BAD_CAST id_name, BAD_CAST text);
    xmlNewProp(pin, BAD_CAST "cpuset", BAD_CAST cpuset);
}

static void add_pins(xmlNodePtr domain, const struct probe_mirror *m, unsigned vcpus,
                     unsigned iothreads, bool pin_vcpus)
{
    xmlNodePtr cputune = xmlNewChild(domain, NULL, BAD_CAST "cputune", NULL);
    for (size_t i = 0; pin_vcpus && i < m->vcpu_pin_count; i++)
        if (m->vcpu_pins[i].id < vcpus)
            add_pin(cputune, "vcpupin", "vcpu", m->vcpu_pins[i].id, m->vcpu_pins[i].cpuset);
    if (m->emulator_cpuset)
        add_pin(cputune, "emulatorpin", NULL, 0, m->emulator_cpuset);
    for (unsigned i = 1; m->iothread_cpuset && i <= iothreads; i++)
        add_pin(cputune, "iothreadpin", "iothread", i, m->iothread_cpuset);
}

static void add_memory(xmlNodePtr domain, const struct probe_mirror *m)
{
    if (m->numa_nodeset) {
        xmlNodePtr numatune = xmlNewChild(domain, NULL, BAD_CAST "numatune", NULL);
        xmlNodePtr memory = xmlNewChild(numatune, NULL, BAD_CAST "memory", NULL);
        if (m->numa_mode)
            xmlNewProp(memory, BAD_CAST "mode", BAD_CAST m->numa_mode);
        xmlNewProp(memory, BAD_CAST "nodeset", BAD_CAST m->numa_nodeset);
    }
    if (m->hugepage_kib) {
        cleanup_free char *size = xasprintf("%" PRIu64, m->hugepage_kib);
        xmlNodePtr backing = xmlNewChild(domain, NULL, BAD_CAST "memoryBacking", NULL);
        xmlNodePtr pages = xmlNewChild(backing, NULL, BAD_CAST "hugepages", NULL);
        xmlNodePtr page = xmlNewChild(pages, NULL, BAD_CAST "page", NULL);
        xmlNewProp(page, BAD_CAST "size", BAD_CAST size);
        xmlNewProp(page, BAD_CAST "unit", BAD_CAST "KiB");
    }
}

void mirror_add(xmlNodePtr domain, const struct probe_mirror *m, unsigned vcpus, unsigned iothreads,
                bool pin_vcpus)
{
    add_pins(domain, m, vcpus, iothreads, pin_vcpus);
    add_memory(domain, m);
}
