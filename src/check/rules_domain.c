/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rules_domain.c - the domain around its disks, what of them is refused, and what is not in effect
 * yet.
 */
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "check/rule.h"
#include "domain/xml.h"

/* --- Accelerator, CPU, memory ----------------------------------------------------------------- */

static bool has_type(const struct check_domain *d, const char *type)
{
    return d->model->type && strcmp(d->model->type, type) == 0;
}

/* What the host's CPUs are is not read; nearly all hosts are of x86. libvirt refuses KVM for
 * others. */
static void look_emulated(const struct look *at, struct found *out)
{
    if (!has_type(at->domain, "qemu"))
        return;
    const char *arch = at->domain->model->arch;
    if (!arch || look_is_x86(at->domain)) {
        finding_fix(found_say(out, "type='qemu': its CPUs are emulated"), FIX_XML,
                    "<domain type='kvm'>");
        return;
    }
    struct finding *f = found_say(out,
                                  "type='qemu': its CPUs are emulated, as those of arch='%s' have "
                                  "to be on a host of another",
                                  arch);
    f->severity = SEVERITY_NOTE;
}

/* What libvirt gives a guest that says nothing, too. */
static bool is_old_cpu(const struct check_domain *d)
{
    static const char *const models[] = {"", "qemu64", "kvm64", "qemu32", "kvm32"};
    xmlNodePtr cpu = xml_child(d->node, "cpu");
    cleanup_free char *model = xml_child_text(cpu, "model");
    const char *mode = look_attribute(cpu, "mode");
    for (size_t i = 0; (!*mode || strcmp(mode, "custom") == 0) && i < ARRAY_SIZE(models); i++)
        if (strcmp(model ? model : "", models[i]) == 0)
            return true;
    return false;
}

/* The domain's <cpu> with the host's model, and all else that it has: topology, NUMA cells,
 * features. The caller frees. */
static char *host_model(const struct check_domain *d)
{
    static const char *const of_a_model[] = {"match", "check"};
    cleanup_xml xmlDocPtr doc = look_copy_element(xml_child(d->node, "cpu"), "cpu");
    xmlNodePtr cpu = xmlDocGetRootElement(doc);
    xmlSetProp(cpu, BAD_CAST "mode", BAD_CAST "host-model");
    for (size_t i = 0; i < ARRAY_SIZE(of_a_model); i++)
        xmlUnsetProp(cpu, BAD_CAST of_a_model[i]);
    look_drop(cpu, "model");
    look_drop(cpu, "vendor");
    return look_to_text(cpu);
}

static void look_cpu(const struct look *at, struct found *out)
{
    const struct check_domain *d = at->domain;
    cleanup_free char *model = xml_child_text(xml_child(d->node, "cpu"), "model");
    if (!has_type(d, "kvm") || !d->model->arch || strcmp(d->model->arch, "x86_64") != 0 ||
        !is_old_cpu(d))
        return;
    struct finding *f = found_say(out, "%s%s: it has no instructions for AES and CRC32",
                                  model && *model ? "the guest's CPU is " : "no CPU model is set",
                                  model && *model ? model : ", which is qemu64");
    cleanup_free char *xml = host_model(d);
    finding_fix(f, FIX_XML, "%s", xml);
}

#define LARGE_MEMORY_KIB (UINT64_C(8) << 20)

static void look_pages(const struct look *at, struct found *out)
{
    char size[32];
    const struct host_facts *facts = at->facts;
    uint64_t kib = at->domain->model->memory_kib;
    if (!facts || !facts->transparent_hugepages || at->domain->model->hugepage_kib ||
        strcmp(facts->transparent_hugepages, "never") != 0 || kib < LARGE_MEMORY_KIB)
        return;
    struct finding *f =
        found_say(out, "%s of memory in pages of 4 KiB: the host makes no large ones",
                  text_format_size(kib << 10, size, sizeof(size)));
    finding_fix(f, FIX_HOST, "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled");
}

/* --- What is refused -------------------------------------------------------------------------- */

/* What QEMU takes unasked. */
#define SECTOR_BYTES 512

static void look_block_size(const struct look *at, struct found *out)
{
    xmlNodePtr blockio = xml_child(at->disk->node, "blockio");
    unsigned logical = xml_number(blockio, "logical_block_size", 0);
    unsigned stated = xml_number(blockio, "physical_block_size", 0);
    unsigned physical = stated ? stated : SECTOR_BYTES;
    if (logical <= physical)
        return;
    struct finding *f =
        stated ? found_say(out,
                           "logical_block_size='%u' is more than physical_block_size='%u': QEMU "
                           "will not start",
                           logical, physical)
               : found_say(out,
                           "logical_block_size='%u', and physical_block_size is not set, which "
                           "is %u: QEMU will not start",
                           logical, physical);
    cleanup_free char *size = xasprintf("%u", logical);
    cleanup_free char *xml =
        look_element_with(blockio, "blockio", "physical_block_size", size, NULL);
    finding_fix(f, FIX_XML, "%s", xml);
}

/* Whether both may have the image open: neither writes, or they are said to share it. */
static bool may_share(const struct check_disk *a, const struct check_disk *b)
{
    return (xml_child(a->node, "readonly") && xml_child(b->node, "readonly")) ||
           (xml_child(a->node, "shareable") && xml_child(b->node, "shareable"));
}

/* Parts of one image (<slices>) are no conflict that we know of. */
static const char *whole_source(const struct check_disk *d)
{
    return xml_child(xml_child(d->node, "source"), "slices") ? NULL : d->model->source;
}

static void look_twice(const struct look *at, struct found *out)
{
    const struct check_disk *d = at->disk;
    bool few = at->domain->disk_count <= LOOK_COMPARED_DISKS_MAX;
    const char *source = few ? whole_source(d) : NULL;
    for (const struct check_disk *other = at->domain->disks; source && other != d; other++) {
        const char *others = whole_source(other);
        if (!others || strcmp(others, source) != 0 || may_share(d, other))
            continue;
        struct finding *f = found_say(out,
                                      "%s has the same image: QEMU will not start, as the "
                                      "image is locked",
                                      other->model->target ? other->model->target : "another disk");
        finding_fix(f, FIX_ADVICE,
                    "Give each its own image, or, with a cluster's file system in "
                    "it, raw images with <shareable/> on both");
        return;
    }
}

/* --- What would be dropped -------------------------------------------------------------------- */

/* Where of an XML file something is that libvirt has known since a version. */
struct novelty {
    const char *what; /* for people */
    bool (*is_there)(const struct check_disk *d, const char *name);
    const char *name;
    unsigned long libvirt;
};

static bool is_driver_attribute(const struct check_disk *d, const char *name)
{
    return *look_attribute(d->driver, name);
}

static bool is_driver_element(const struct check_disk *d, const char *name)
{
    return xml_child(d->driver, name);
}

static bool is_disk_element(const struct check_disk *d, const char *name)
{
    return xml_child(d->node, name);
}

static bool is_controller_element(const struct check_disk *d, const char *name)
{
    return xml_child(xml_child(d->controller, "driver"), name);
}

static const struct novelty novelties[] = {
    {"packed", is_driver_attribute, "packed", 6003000},
    {"<metadata_cache>", is_driver_element, "metadata_cache", 7000000},
    {"queue_size", is_driver_attribute, "queue_size", 7008000},
    {"discard_no_unref", is_driver_attribute, "discard_no_unref", 9005000},
    {"<iothreads> of the driver", is_driver_element, "iothreads", 10000000},
    {"<iothreads> of the controller", is_controller_element, "iothreads", 11002000},
    {"<throttlefilters>", is_disk_element, "throttlefilters", 11002000},
    {"<statistics>", is_driver_element, "statistics", 11009000},
};

/* libvirt's own XML has nothing that libvirt does not know. */
static void look_dropped(const struct look *at, struct found *out)
{
    unsigned long here = at->versions.libvirt;
    for (size_t i = 0; at->domain->file && here && i < ARRAY_SIZE(novelties); i++) {
        const struct novelty *n = &novelties[i];
        if (here >= n->libvirt || !n->is_there(at->disk, n->name))
            continue;
        g_autofree char *file = g_shell_quote(at->domain->file);
        struct finding *f =
            found_say(out, "%s needs libvirt %lu.%lu.%lu, and here is %lu.%lu.%lu", n->what,
                      n->libvirt / 1000000, n->libvirt / 1000 % 1000, n->libvirt % 1000,
                      here / 1000000, here / 1000 % 1000, here % 1000);
        finding_fix(f, FIX_VIRSH, "virsh define --validate %s", file);
    }
}

/* --- What is not in effect -------------------------------------------------------------------- */

/* What a disk is said to be, as words; for the caller to free. */
typedef char *word_of(const struct domain_disk *d);

static char *word_of_bus(const struct domain_disk *d)
{
    return xstrdup(d->config.bus);
}

static char *word_of_format(const struct domain_disk *d)
{
    return xstrdup(d->config.format);
}

static char *word_of_cache(const struct domain_disk *d)
{
    return xstrdup(d->config.cache);
}

static char *word_of_io(const struct domain_disk *d)
{
    return xstrdup(d->config.io);
}

static char *word_of_discard(const struct domain_disk *d)
{
    return xstrdup(d->config.discard ? "unmap" : "ignore");
}

static char *word_of_zeroes(const struct domain_disk *d)
{
    return xstrdup(disk_config_detect_zeroes(&d->config));
}

static char *word_of_thread(const struct domain_disk *d)
{
    return d->iothread ? xasprintf("%u", d->iothread) : xstrdup("none");
}

static char *word_of_queues(const struct domain_disk *d)
{
    return d->config.queues ? xasprintf("%u", d->config.queues) : xstrdup("default");
}

static const struct {
    const char *name;
    word_of *word;
} compared[] = {
    {"bus", word_of_bus},         {"type", word_of_format},     {"cache", word_of_cache},
    {"io", word_of_io},           {"discard", word_of_discard}, {"detect_zeroes", word_of_zeroes},
    {"iothread", word_of_thread}, {"queues", word_of_queues},
};

static void look_pending(const struct look *at, struct found *out)
{
    const struct domain_disk *live = look_live(at->disk);
    g_autoptr(GString) changes = g_string_new(NULL);
    for (size_t i = 0; live && i < ARRAY_SIZE(compared); i++) {
        cleanup_free char *now = compared[i].word(live);
        cleanup_free char *then = compared[i].word(at->disk->model);
        if (strcmp(now, then) != 0)
            g_string_append_printf(changes, "%s%s is '%s' and will be '%s'",
                                   changes->len ? ", " : "", compared[i].name, now, then);
    }
    if (!changes->len)
        return;
    g_autofree char *name = g_shell_quote(at->domain->model->name);
    struct finding *f = found_say(out, "changed and not in effect: %s", changes->str);
    finding_fix(f, FIX_VIRSH, "virsh shutdown %s\nvirsh start %s", name, name);
}

/* --- Table ------------------------------------------------------------------------------------ */

static const struct rule rows[] = {
    {
        .id = "tcg",
        .scope = RULE_DOMAIN,
        .severity = SEVERITY_WARNING,
        .title = "the guest is emulated",
        .why = "QEMU translates the guest's instructions instead of having the CPU run them, which "
               "makes the guest's part of each request many times slower. It has to be so only for "
               "another architecture than the host's.",
        .source = "libvirt: formatdomain, type of domain",
        .needs = FIX_NEEDS_RESTART,
        .look = look_emulated,
    },
    {
        .id = "cpu-model",
        .scope = RULE_DOMAIN,
        .severity = SEVERITY_NOTE,
        .title = "a CPU model with few instructions",
        .why = "Disk encryption and checksums of file systems in the guest then run as plain code. "
               "host-model gives the guest what the host has and can still be migrated to equal "
               "hosts. Windows may ask to be activated again.",
        .source = "qemu: target/i386/cpu.c; libvirt: formatdomain, cpu",
        .needs = FIX_NEEDS_RESTART,
        .look = look_cpu,
    },
    {
        .id = "memory-pages",
        .scope = RULE_DOMAIN,
        .severity = SEVERITY_NOTE,
        .title = "much memory in small pages",
        .why = "Copies to and from guest memory miss the TLB more often, which is said to show in "
               "guests with much memory. QEMU asks for large pages itself where the host lets it "
               "(madvise).",
        .source = "linux: admin-guide/mm/transhuge",
        .needs = FIX_NEEDS_RESTART,
        .look = look_pages,
    },
    {
        .id = "block-size-refused",
        .scope = RULE_DISK,
        .severity = SEVERITY_ERROR,
        .title = "logical blocks larger than physical ones",
        .why = "libvirt defines such a disk, and QEMU does not start with it. The logical size is "
               "what partitions are counted in: it must not be changed on a disk with data.",
        .source = "tried with libvirt 9.0.0 and QEMU 7.2; qemu: hw/block/block.c",
        .needs = FIX_NEEDS_RESTART,
        .look = look_block_size,
    },
    {
        .id = "image-twice",
        .scope = RULE_DISK,
        .severity = SEVERITY_ERROR,
        .title = "two disks with one image",
        .why = "QEMU locks an image that it writes to, so the second disk cannot open it; without "
               "the lock the two would destroy the data.",
        .source = "tried with libvirt 9.0.0 and QEMU 7.2; qemu: block/file-posix.c",
        .needs = FIX_NEEDS_RESTART,
        .look = look_twice,
    },
    {
        .id = "ignored-by-libvirt",
        .scope = RULE_DISK,
        .severity = SEVERITY_WARNING,
        .title = "libvirt is too old for what the file says",
        .why = "virsh define drops what it does not know without a word, so the disk would run "
               "without it. With --validate it is refused instead.",
        .source = "libvirt 9.0.0, tried; libvirt: VIR_DOMAIN_DEFINE_VALIDATE",
        .look = look_dropped,
    },
    {
        .id = "not-in-effect",
        .scope = RULE_DISK,
        .severity = SEVERITY_WARNING,
        .title = "the running guest has another configuration",
        .why =
            "A change to a disk's driver waits until the guest's QEMU ends and another starts: a "
            "reboot in the guest is not enough, and update-device reports success without doing "
            "it for some attributes.",
        .source = "libvirt: qemuDomainDiskChangeSupported, qemuDomainChangeDiskLive",
        .needs = FIX_NEEDS_RESTART,
        .look = look_pending,
    },
};

RULE_TABLE(rules_domain, rows);
