/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rules_queue.c - a virtio disk's queues, their notifications, and what libvirt or QEMU refuse of
 * queues and iothreads.
 */
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "check/rule.h"
#include "check/threads.h"
#include "domain/xml.h"

/* The <driver> of a controller is asked of its first disk alone. */
static bool has_queues(const struct check_disk *d)
{
    return look_is_virtio_blk(d) || (look_is_virtio_scsi(d) && threads_is_first(d));
}

/* Of all vCPUs that it can come to have. */
static unsigned most_vcpus(const struct check_domain *d)
{
    uint64_t value;
    cleanup_free char *text = xml_child_text(d->node, "vcpu");
    return text && text_parse_number(text, 1, UINT32_MAX, &value, NULL) == 0 ? (unsigned)value
                                                                             : d->model->vcpus;
}

static void fix_server(struct finding *f, const struct check_disk *d, const char *name,
                       const char *value)
{
    cleanup_free char *element = look_server_with(d, name, value, NULL);
    finding_fix(f, FIX_XML, "%s", element);
}

/* --- Queues ----------------------------------------------------------------------------------- */

/* What says which iothread has which queue is about another number of them: without it QEMU deals
 * them out. */
static void fix_queues(struct finding *f, const struct check_disk *d, unsigned count)
{
    xmlNodePtr driver;
    cleanup_xml xmlDocPtr doc = look_copy_server(d, &driver);
    cleanup_free char *number = xasprintf("%u", count);
    xmlSetProp(driver, BAD_CAST "queues", BAD_CAST number);
    xmlNodePtr n = xml_child(xml_child(driver, "iothreads"), "iothread");
    for (; n; n = xml_next(n, "iothread"))
        look_drop(n, "queue");
    cleanup_free char *element = look_to_text(xmlDocGetRootElement(doc));
    finding_fix(f, FIX_XML, "%s", element);
}

/* From 4 vCPUs on they are likely to submit at once. What the machine type gives is one for each
 * vCPU from 5.2 on. */
static void look_one_queue(const struct look *at, struct found *out)
{
    const struct check_disk *d = at->disk;
    unsigned vcpus = at->domain->model->vcpus, machine = look_machine_version(at->domain);
    unsigned queues = xml_number(look_server_driver(d), "queues", 0);
    bool old = !queues && machine && machine < 5002;
    if (!has_queues(d) || (queues != 1 && !old) || vcpus < 2 || look_is_rotating(d))
        return;
    struct finding *f =
        old ? found_say(out, "one queue for %u vCPUs, as the machine type %s has it unasked", vcpus,
                        at->domain->model->machine)
            : found_say(out, "queues='1' for %u vCPUs", vcpus);
    f->severity = vcpus >= 4 ? f->severity : SEVERITY_NOTE;
    fix_queues(f, d, vcpus);
}

static void look_many_queues(const struct look *at, struct found *out)
{
    const struct check_disk *d = at->disk;
    unsigned vcpus = most_vcpus(at->domain);
    unsigned queues = xml_number(look_server_driver(d), "queues", 0);
    if (!has_queues(d) || queues <= vcpus)
        return;
    fix_queues(found_say(out, "%u queues for %u vCPU%s", queues, vcpus, vcpus == 1 ? "" : "s"), d,
               vcpus);
}

/* For other buses than these libvirt refuses it on the disk; SCSI has queues on the controller. */
static void look_queues_refused(const struct look *at, struct found *out)
{
    const struct check_disk *d = at->disk;
    if (!*look_attribute(d->driver, "queues") || !d->model->bus ||
        strcmp(d->model->bus, "virtio") == 0)
        return;
    struct finding *f = found_say(out, "queues='%s' on a disk of bus='%s': libvirt refuses it",
                                  look_attribute(d->driver, "queues"), d->model->bus);
    finding_fix_driver(f, d, "queues", NULL);
}

static bool is_power_of_two(unsigned n)
{
    return n && !(n & (n - 1));
}

static void look_queue_size_invalid(const struct look *at, struct found *out)
{
    const struct check_disk *d = at->disk;
    unsigned size = xml_number(d->driver, "queue_size", 256);
    if (!look_is_virtio_blk(d) || (is_power_of_two(size) && size >= 4 && size <= 1024))
        return;
    cleanup_free char *driver = look_driver_with(d, "queue_size", "256", NULL);
    finding_fix(found_say(out, "queue_size='%u': QEMU will not start with it", size), FIX_XML, "%s",
                driver);
}

/* 256 is what QEMU takes unasked since 5.0, with machine types as young. */
static void look_queue_size_small(const struct look *at, struct found *out)
{
    const struct check_disk *d = at->disk;
    unsigned machine = look_machine_version(at->domain);
    unsigned size = xml_number(d->driver, "queue_size", 0);
    bool old = !size && machine && machine < 5000;
    if (!look_is_virtio_blk(d) || look_is_rotating(d) ||
        !(old || (is_power_of_two(size) && size >= 4 && size <= 128)))
        return;
    struct finding *f =
        old ? found_say(out, "128 entries in a queue, as the machine type %s has it unasked",
                        at->domain->model->machine)
            : found_say(out, "%u entries in a queue", size);
    finding_fix_driver(f, d, "queue_size", "256");
}

/* --- Notifications ---------------------------------------------------------------------------- */

static bool has_thread(const struct check_disk *d)
{
    g_autoptr(GArray) named = threads_named(look_server_driver(d));
    return named->len != 0;
}

static void look_ioeventfd_thread(const struct look *at, struct found *out)
{
    const struct check_disk *d = at->disk;
    if (!has_queues(d) || !look_says(look_server_driver(d), "ioeventfd", "off") || !has_thread(d))
        return;
    fix_server(found_say(out, "ioeventfd='off' with an iothread: QEMU will not start"), d,
               "ioeventfd", NULL);
}

static void look_ioeventfd(const struct look *at, struct found *out)
{
    const struct check_disk *d = at->disk;
    if (!has_queues(d) || !look_says(look_server_driver(d), "ioeventfd", "off") || has_thread(d))
        return;
    fix_server(found_say(out, "ioeventfd='off': a vCPU that submits a request stands still until "
                              "QEMU has taken it"),
               d, "ioeventfd", NULL);
}

static void look_event_idx(const struct look *at, struct found *out)
{
    const struct check_disk *d = at->disk;
    if (!has_queues(d) || !look_says(look_server_driver(d), "event_idx", "off"))
        return;
    fix_server(found_say(out, "event_idx='off': guest and QEMU notify each other of every request, "
                              "wanted or not"),
               d, "event_idx", NULL);
}

static void look_packed(const struct look *at, struct found *out)
{
    const struct check_disk *d = at->disk;
    if (!has_queues(d) || !look_says(look_server_driver(d), "packed", "on"))
        return;
    fix_server(found_say(out, "packed='on': the other layout of its queues, if the guest's driver "
                              "knows it"),
               d, "packed", NULL);
}

/* --- Refused of iothreads --------------------------------------------------------------------- */

static char *driver_without_threads(const struct check_disk *d)
{
    cleanup_xml xmlDocPtr doc = look_copy_element(d->driver, "driver");
    xmlNodePtr driver = xmlDocGetRootElement(doc);
    xmlUnsetProp(driver, BAD_CAST "iothread");
    look_drop(driver, "iothreads");
    return look_to_text(driver);
}

static void look_thread_bus(const struct look *at, struct found *out)
{
    const struct check_disk *d = at->disk;
    g_autoptr(GArray) named = threads_named(d->driver);
    if (!named->len || !d->model->bus || strcmp(d->model->bus, "virtio") == 0)
        return;
    struct finding *f =
        found_say(out, "an iothread on a disk of bus='%s': libvirt refuses it%s", d->model->bus,
                  look_is_virtio_scsi(d) ? ", it belongs on the controller" : "");
    cleanup_free char *driver = driver_without_threads(d);
    cleanup_free char *controller =
        look_is_virtio_scsi(d) ? threads_serve(d, g_array_index(named, unsigned, 0)) : NULL;
    finding_fix(f, FIX_XML, "%s%s%s", driver, controller ? "\n" : "", controller ? controller : "");
}

static void add_id(xmlNodePtr list, unsigned id)
{
    cleanup_free char *number = xasprintf("%u", id);
    xmlNewProp(xmlNewChild(list, NULL, BAD_CAST "iothread", NULL), BAD_CAST "id", BAD_CAST number);
}

/* "<iothreadids>…" as it is, with those that have no more than a number there, and with these. What
 * libvirt would refuse of it, or is more than is reckoned with, is made anew. The caller frees. */
static char *ids_with(const struct check_domain *d, const GArray *declared, const GArray *missing)
{
    xmlNodePtr old = xml_child(d->node, "iothreadids");
    g_autoptr(GArray) listed = threads_listed(old);
    bool sound = xmlChildElementCount(old) == listed->len;
    cleanup_xml xmlDocPtr doc = look_copy_element(sound ? old : NULL, "iothreadids");
    xmlNodePtr list = xmlDocGetRootElement(doc);
    for (guint i = 0; i < declared->len; i++)
        if (!sound || !threads_has(listed, g_array_index(declared, unsigned, i)))
            add_id(list, g_array_index(declared, unsigned, i));
    for (guint i = 0; i < missing->len; i++)
        add_id(list, g_array_index(missing, unsigned, i));
    return look_to_text(list);
}

/* The first that is not among the domain's; 0. */
static unsigned first_undefined(const GArray *named, const GArray *declared)
{
    for (guint i = 0; i < named->len; i++)
        if (!threads_has(declared, g_array_index(named, unsigned, i)))
            return g_array_index(named, unsigned, i);
    return 0;
}

/* The remedy is that of all disks: applied for each of them in turn it is the same. */
static void look_thread_undefined(const struct look *at, struct found *out)
{
    const struct check_disk *d = at->disk;
    g_autoptr(GArray) named = threads_named(look_server_driver(d));
    if (!named->len || !has_queues(d))
        return;
    g_autoptr(GArray) declared = threads_declared(at->domain);
    unsigned id = first_undefined(named, declared);
    if (!id)
        return;
    g_autoptr(GArray) missing = threads_missing(d);
    cleanup_free char *ids = ids_with(at->domain, declared, missing);
    finding_fix(found_say(out, "iothread='%u', and the domain has none of that number", id),
                FIX_XML, "<iothreads>%u</iothreads>\n%s", declared->len + missing->len, ids);
}

/* --- Mappings --------------------------------------------------------------------------------- */

/* Marks the queues that an <iothread> lists; says what is wrong, or NULL. */
static const char *mark_queues(xmlNodePtr thread, unsigned queues, GHashTable *taken)
{
    for (xmlNodePtr q = xml_child(thread, "queue"); q; q = xml_next(q, "queue")) {
        unsigned id = xml_number(q, "id", UINT32_MAX);
        if (!queues)
            return "<queue> needs queues= on the <driver>";
        if (id >= queues)
            return "a <queue> is beyond queues=";
        if (!g_hash_table_add(taken, GUINT_TO_POINTER(id)))
            return "a <queue> is given to two iothreads";
    }
    return NULL;
}

static const char *list_fault(xmlNodePtr list, unsigned queues)
{
    g_autoptr(GHashTable) ids = g_hash_table_new(NULL, NULL), taken = g_hash_table_new(NULL, NULL);
    unsigned with = 0, without = 0;
    for (xmlNodePtr n = xml_child(list, "iothread"); n; n = xml_next(n, "iothread")) {
        const char *fault = mark_queues(n, queues, taken);
        if (fault)
            return fault;
        if (!g_hash_table_add(ids, GUINT_TO_POINTER(xml_number(n, "id", 0))))
            return "an iothread is listed twice";
        *(xml_child(n, "queue") ? &with : &without) += 1;
    }
    return with && without ? "some iothreads have <queue> and some have not"
           : with && g_hash_table_size(taken) < queues ? "a queue is given to no iothread"
                                                       : NULL;
}

static void look_mapping_refused(const struct look *at, struct found *out)
{
    const struct check_disk *d = at->disk;
    xmlNodePtr driver = look_server_driver(d), list = xml_child(driver, "iothreads");
    if (!has_queues(d) || !list)
        return;
    const char *fault = *look_attribute(driver, "iothread")
                            ? "iothread= excludes the element <iothreads>"
                            : list_fault(list, xml_number(driver, "queues", 0));
    if (fault)
        finding_fix(found_say(out, "<iothreads> of its driver is refused: %s", fault), FIX_ADVICE,
                    "List each iothread once, without <queue>: QEMU deals the queues out");
}

/* --- Table ------------------------------------------------------------------------------------ */

static const struct rule rows[] = {
    {
        .id = "queues-one",
        .scope = RULE_DISK,
        .severity = SEVERITY_WARNING,
        .title = "one queue for several vCPUs",
        .why =
            "vCPUs that submit at once wait for the one queue, and completions interrupt another "
            "vCPU than the one that waits. QEMU gives one to each vCPU unasked from machine type "
            "5.2 on. It is part of the hardware that the guest sees.",
        .source = "qemu: hw/virtio/virtio-pci.c, hw/core/machine.c (hw_compat_5_1)",
        .needs = FIX_NEEDS_RESTART,
        .since = {.qemu = 2007000, .libvirt = 3009000},
        .look = look_one_queue,
    },
    {
        .id = "queues-excess",
        .scope = RULE_DISK,
        .severity = SEVERITY_NOTE,
        .title = "more queues than vCPUs",
        .why = "A guest uses at most one for each vCPU; the others cost memory and interrupt "
               "vectors.",
        .source = "qemu: hw/virtio/virtio-pci.c; linux: drivers/block/virtio_blk.c",
        .needs = FIX_NEEDS_RESTART,
        .look = look_many_queues,
    },
    {
        .id = "queues-refused",
        .scope = RULE_DISK,
        .severity = SEVERITY_ERROR,
        .title = "queues= on a disk that is not virtio",
        .why = "Only virtio-blk has queues of its own; those of SCSI are the controller's.",
        .source = "libvirt: virDomainDiskDefValidate",
        .needs = FIX_NEEDS_RESTART,
        .look = look_queues_refused,
    },
    {
        .id = "queue-size-invalid",
        .scope = RULE_DISK,
        .severity = SEVERITY_ERROR,
        .title = "a queue_size that QEMU does not have",
        .why = "It is a power of two from 4 to 1024. libvirt defines any other number, and the "
               "guest does not start.",
        .source = "tried with libvirt 9.0.0 and QEMU 7.2; qemu: hw/block/virtio-blk.c",
        .needs = FIX_NEEDS_RESTART,
        .look = look_queue_size_invalid,
    },
    {
        .id = "queue-size-small",
        .scope = RULE_DISK,
        .severity = SEVERITY_NOTE,
        .title = "short queues",
        .why = "They bound how many requests are in flight, and how many pieces of memory one "
               "request has (queue_size - 2), so large requests are cut up. It matters to deep "
               "queues and large requests. It is part of the hardware that the guest sees.",
        .source = "qemu: hw/block/virtio-blk.c, hw/core/machine.c (hw_compat_4_2)",
        .needs = FIX_NEEDS_RESTART,
        .since = {.qemu = 2012000, .libvirt = 7008000},
        .look = look_queue_size_small,
    },
    {
        .id = "ioeventfd-iothread",
        .scope = RULE_DISK,
        .severity = SEVERITY_ERROR,
        .title = "an iothread that nothing can notify",
        .why = "Without ioeventfd the vCPU itself takes the guest's notification, and an iothread "
               "cannot be woken. libvirt defines that, and QEMU does not start with it.",
        .source = "tried with libvirt 9.0.0 and QEMU 7.2: ioeventfd is required for iothread",
        .needs = FIX_NEEDS_RESTART,
        .look = look_ioeventfd_thread,
    },
    {
        .id = "ioeventfd-off",
        .scope = RULE_DISK,
        .severity = SEVERITY_WARNING,
        .title = "requests are taken by the vCPU that submits them",
        .why =
            "The notification then leaves the kernel and is handled while the guest's CPU waits. "
            "libvirt's manual asks to leave this setting alone.",
        .source = "libvirt: formatdomain, ioeventfd",
        .needs = FIX_NEEDS_RESTART,
        .look = look_ioeventfd,
    },
    {
        .id = "event-idx-off",
        .scope = RULE_DISK,
        .severity = SEVERITY_WARNING,
        .title = "notifications that nobody needs",
        .why = "event_idx lets each side say when it wants to be notified next, which saves "
               "interrupts and exits. libvirt's manual asks to leave this setting alone.",
        .source = "libvirt: formatdomain, event_idx",
        .needs = FIX_NEEDS_RESTART,
        .look = look_event_idx,
    },
    {
        .id = "packed",
        .scope = RULE_DISK,
        .severity = SEVERITY_NOTE,
        .title = "packed queues",
        .why = "Whether they are faster depends on the guest's driver and on the host: measure. A "
               "guest that does not know them uses split ones.",
        .source = "libvirt: formatdomain, packed",
        .needs = FIX_NEEDS_RESTART,
        .look = look_packed,
    },
    {
        .id = "iothread-bus",
        .scope = RULE_DISK,
        .severity = SEVERITY_ERROR,
        .title = "an iothread on a disk that can have none",
        .why = "iothreads serve virtio-blk disks and controllers of virtio-scsi.",
        .source = "libvirt 9.0.0, tried: IOThreads not available for bus",
        .needs = FIX_NEEDS_RESTART,
        .look = look_thread_bus,
    },
    {
        .id = "iothread-undefined",
        .scope = RULE_DISK,
        .severity = SEVERITY_ERROR,
        .title = "an iothread that the domain does not have",
        .why = "libvirt refuses to define a disk whose iothread is not among the domain's.",
        .source = "libvirt 9.0.0, tried: Disk iothread not defined in iothreadid",
        .needs = FIX_NEEDS_RESTART,
        .look = look_thread_undefined,
    },
    {
        .id = "iothread-mapping-refused",
        .scope = RULE_DISK,
        .severity = SEVERITY_ERROR,
        .title = "queues and iothreads that do not match",
        .why = "Each queue has to have one iothread, or all are left to QEMU, which deals them out "
               "in turn and is what its developers recommend.",
        .source = "libvirt: formatdomain, iothreads of driver",
        .needs = FIX_NEEDS_RESTART,
        .since = {.qemu = 9000000, .libvirt = 10000000},
        .look = look_mapping_refused,
    },
};

RULE_TABLE(rules_queue, rows);
