/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check/guest.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "base/text.h"
#include "check/guest_devices.h"
#include "domain/agent.h"
#include "domain/xml.h"

/* --- Freeing ---------------------------------------------------------------------------------- */

static void free_partition(void *data)
{
    struct guest_partition *p = data;
    free(p->name);
    free(p);
}

static void free_disk(void *data)
{
    struct guest_disk *d = data;
    free(d->target);
    free(d->name);
    free(d->scheduler);
    free(d->device_cache);
    free(d->kernel_cache);
    g_ptr_array_unref(d->partitions);
    g_ptr_array_unref(d->layers);
    g_ptr_array_unref(d->mounts);
    free(d);
}

void guest_facts_free(struct guest_facts *g)
{
    if (!g)
        return;
    free(g->silent);
    free(g->hint);
    free(g->system);
    free(g->unread);
    free(g->remedy);
    mounts_free(g->mounts);
    g_ptr_array_unref(g->disks);
    free(g);
}

/* --- Asking ----------------------------------------------------------------------------------- */

/* A guest while it is asked. */
struct asked {
    const struct guest_source *source;
    struct guest_facts *facts;
    GPtrArray *devices; /* struct guest_device *; NULL: they are not known */
    char *swaps;        /* /proc/swaps, or NULL */
};

/* Remembers why nothing more is to be had; other errors mean that this one thing is not known. */
static void note_error(struct asked *a, struct error **err)
{
    if (*err && !a->facts->silent && a->source->is_silent(a->source->data)) {
        a->facts->silent = TAKE_PTR((*err)->message);
        a->facts->hint = TAKE_PTR((*err)->hint);
    }
}

static json_t *ask(struct asked *a, const char *command)
{
    cleanup_error struct error *err = NULL;
    if (a->facts->silent || !a->source->can(a->source->data, command))
        return NULL;
    json_t *value = a->source->call(a->source->data, command, &err);
    note_error(a, &err);
    return value;
}

/* The text of a file without the blanks at its end; NULL where it is not to be had. The path is
 * printf-style. The caller frees. */
__attribute__((format(printf, 2, 3))) static char *ask_file(struct asked *a, const char *format,
                                                            ...)
{
    cleanup_error struct error *err = NULL;
    if (a->facts->silent || a->facts->unread)
        return NULL;
    va_list args;
    va_start(args, format);
    cleanup_free char *path = xvasprintf(format, args);
    va_end(args);
    char *text = a->source->read(a->source->data, path, &err);
    note_error(a, &err);
    return text ? g_strchomp(text) : NULL;
}

/* A number of /sys; -1 where it is not to be had. */
static int64_t number_of(char *text)
{
    char *end;
    cleanup_free char *taken = text;
    long long value = taken ? strtoll(taken, &end, 10) : -1;
    return taken && end != taken ? value : -1;
}

/* --- The guest as a whole --------------------------------------------------------------------- */

static bool is_linux(const char *id)
{
    return !id || (strcmp(id, "mswindows") != 0 && !g_str_has_suffix(id, "bsd"));
}

static const char *member(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static void read_system(struct asked *a)
{
    cleanup_json json_t *info = ask(a, "guest-get-osinfo");
    const char *name = member(info, "pretty-name");
    a->facts->system = name ? xstrdup(name) : NULL;
    if (!is_linux(member(info, "id")))
        a->facts->unread = xasprintf("the guest runs %s, and only Linux is looked into",
                                     name ? name : member(info, "id"));
}

/* What the agents of RHEL and its kin do not allow unless they are told to. */
static void require_files(struct asked *a)
{
    static const char *const wanted[] = {"guest-file-open", "guest-file-read", "guest-file-close"};
    for (size_t i = 0; i < ARRAY_SIZE(wanted) && !a->facts->unread; i++) {
        if (a->source->can(a->source->data, wanted[i]))
            continue;
        a->facts->unread = xasprintf("%s is disabled in the guest's agent, so the kernel's "
                                     "settings of its disks were not read",
                                     wanted[i]);
        a->facts->remedy = xstrdup("The guest's administrator may allow guest-file-open, "
                                   "guest-file-read and guest-file-close (RHEL and its kin: "
                                   "/etc/sysconfig/qemu-ga), and restart the agent");
    }
}

static void read_devices(struct asked *a)
{
    cleanup_json json_t *disks = ask(a, "guest-get-disks");
    cleanup_json json_t *fsinfo = disks ? NULL : ask(a, "guest-get-fsinfo");
    if (disks)
        a->devices = guest_devices_of_disks(disks);
    else if (fsinfo)
        a->devices = guest_devices_of_fsinfo(fsinfo);
    else if (!a->facts->unread)
        a->facts->unread = xstrdup("the guest's agent does not list its disks");
    if (!a->devices)
        return;
    cleanup_free char *partitions = ask_file(a, "/proc/partitions");
    if (partitions)
        guest_devices_add_partitions(a->devices, partitions);
}

/* --- A disk ----------------------------------------------------------------------------------- */

static void read_queue(struct asked *a, struct guest_disk *d)
{
    cleanup_free char *schedulers = ask_file(a, "/sys/block/%s/queue/scheduler", d->name);
    d->scheduler = schedulers ? text_chosen(schedulers) : NULL;
    /* virtio-blk's own; others have none. */
    d->device_cache = ask_file(a, "/sys/block/%s/cache_type", d->name);
    d->kernel_cache = ask_file(a, "/sys/block/%s/queue/write_cache", d->name);
    d->rotational = number_of(ask_file(a, "/sys/block/%s/queue/rotational", d->name));
    d->discard_max_bytes = number_of(ask_file(a, "/sys/block/%s/queue/discard_max_bytes", d->name));
    d->discard_device_bytes =
        number_of(ask_file(a, "/sys/block/%s/queue/discard_max_hw_bytes", d->name));
}

static void add_partition(struct asked *a, struct guest_disk *d, const struct guest_device *device)
{
    struct guest_partition *p = xcalloc(1, sizeof(*p));
    *p = (struct guest_partition){
        .name = xstrdup(device->name),
        .first_sector = number_of(ask_file(a, "/sys/block/%s/%s/start", d->name, device->name)),
        .size_kib = device->size_kib,
    };
    g_ptr_array_add(d->partitions, p);
}

/* The device mapper's kinds, by what their UUIDs begin with. */
static const struct {
    const char *prefix, *kind;
} mapped_kinds[] = {
    {"LVM-", "LVM"},
    {"CRYPT-LUKS", "LUKS"},
    {"CRYPT-", "dm-crypt"},
    {"mpath-", "multipath"},
};

static void add_layer(struct asked *a, struct guest_disk *d, const struct guest_device *device)
{
    const char *kind = "device mapper";
    const char *name = device->alias ? device->alias : device->name;
    cleanup_free char *uuid = NULL;
    if (g_str_has_prefix(device->name, "md"))
        kind = "RAID";
    else if (g_str_has_prefix(device->name, "dm-"))
        uuid = ask_file(a, "/sys/block/%s/dm/uuid", device->name);
    else
        return;
    for (size_t i = 0; uuid && i < ARRAY_SIZE(mapped_kinds); i++)
        if (g_str_has_prefix(uuid, mapped_kinds[i].prefix)) {
            kind = mapped_kinds[i].kind;
            break;
        }
    g_ptr_array_add(d->layers, xasprintf("%s %s", kind, name));
}

/* A file system that is mounted at several places counts once. */
static bool has_mount_of(const struct guest_disk *d, const struct mount *m)
{
    for (guint i = 0; i < d->mounts->len; i++)
        if (((const struct mount *)d->mounts->pdata[i])->device == m->device)
            return true;
    return false;
}

/* btrfs gives its file systems numbers that are no device's. */
static const struct guest_device *device_of_mount(const struct asked *a, const struct mount *m)
{
    const struct guest_device *d = guest_device_numbered(a->devices, m->device);
    return d ? d : guest_device_of_path(a->devices, m->source);
}

static void add_mounts(struct asked *a, struct guest_disk *d, GHashTable *above)
{
    const GPtrArray *all = a->facts->mounts ? mounts_list(a->facts->mounts) : NULL;
    for (guint i = 0; all && i < all->len; i++) {
        const struct mount *m = all->pdata[i];
        const struct guest_device *on = device_of_mount(a, m);
        if (on && g_hash_table_contains(above, on) && !has_mount_of(d, m))
            g_ptr_array_add(d->mounts, (gpointer)m);
    }
}

/* A swap's device, or that of the file system that its file is in; NULL. */
static const struct guest_device *device_of_swap(const struct asked *a, const char *path)
{
    const struct guest_device *d = guest_device_of_path(a->devices, path);
    const struct mount *m = !d && a->facts->mounts ? mounts_of_path(a->facts->mounts, path) : NULL;
    return m ? device_of_mount(a, m) : d;
}

static void add_swaps(struct asked *a, struct guest_disk *d, GHashTable *above)
{
    g_auto(GStrv) lines = g_strsplit(a->swaps ? a->swaps : "", "\n", -1);
    for (char **line = lines; *line; line++) {
        char path[256];
        unsigned long long used;
        if (sscanf(*line, "%255s %*s %*s %llu", path, &used) != 2)
            continue;
        mounts_unescape(path);
        const struct guest_device *on = device_of_swap(a, path);
        if (on && g_hash_table_contains(above, on))
            d->swap_used_kib += used;
    }
}

static void read_disk(struct asked *a, const char *target, const struct guest_device *device)
{
    struct guest_disk *d = xcalloc(1, sizeof(*d));
    *d = (struct guest_disk){
        .target = xstrdup(target),
        .name = xstrdup(device->name),
        .partitions = g_ptr_array_new_with_free_func(free_partition),
        .layers = g_ptr_array_new_with_free_func(free),
        .mounts = g_ptr_array_new(),
    };
    g_ptr_array_add(a->facts->disks, d);
    read_queue(a, d);
    g_autoptr(GHashTable) above = guest_devices_above(a->devices, device);
    for (guint i = 0; i < a->devices->len; i++) {
        const struct guest_device *other = a->devices->pdata[i];
        if (other == device || !g_hash_table_contains(above, other))
            continue;
        if (other->is_partition)
            add_partition(a, d, other);
        else
            add_layer(a, d, other);
    }
    add_mounts(a, d, above);
    add_swaps(a, d, above);
}

/* --- All of it -------------------------------------------------------------------------------- */

static uint64_t capacity_of(void *data, const char *target)
{
    const struct guest_source *s = ((struct asked *)data)->source;
    return s->capacity(s->data, target);
}

static int64_t bus_behind(void *data, const char *bridge)
{
    return number_of(ask_file(data, "/sys/bus/pci/devices/%s/secondary_bus_number", bridge));
}

static void read_disks(struct asked *a, xmlNodePtr domain_devices)
{
    const struct guest_lookup lookup = {capacity_of, bus_behind, a};
    g_autoptr(GHashTable) matched = guest_devices_match(a->devices, domain_devices, &lookup);
    g_autoptr(GString) missing = g_string_new(NULL);
    xmlNodePtr disk = xml_child(domain_devices, "disk");
    for (; disk; disk = xml_next(disk, "disk")) {
        const char *target = look_attribute(xml_child(disk, "target"), "dev");
        const char *kind = look_attribute(disk, "device");
        const struct guest_device *device = g_hash_table_lookup(matched, target);
        if (device)
            read_disk(a, target, device);
        else if (strcmp(kind, "cdrom") != 0 && strcmp(kind, "floppy") != 0)
            g_string_append_printf(missing, "%s%s", missing->len ? ", " : "", target);
    }
    if (missing->len && !a->facts->unread)
        a->facts->unread =
            xasprintf("it is not clear which of the guest's disks is %s", missing->str);
}

struct guest_facts *guest_read(const struct guest_source *s, xmlNodePtr devices)
{
    struct guest_facts *facts = xcalloc(1, sizeof(*facts));
    struct asked a = {.source = s, .facts = facts};
    facts->disks = g_ptr_array_new_with_free_func(free_disk);
    read_system(&a);
    if (facts->unread)
        return facts;
    require_files(&a);
    read_devices(&a);
    if (!a.devices)
        return facts;
    cleanup_free char *mounts = ask_file(&a, "/proc/self/mountinfo");
    facts->mounts = mounts ? mounts_parse(mounts) : NULL;
    a.swaps = ask_file(&a, "/proc/swaps");
    read_disks(&a, devices);
    g_ptr_array_unref(a.devices);
    free(a.swaps);
    return facts;
}

/* --- By its agent ----------------------------------------------------------------------------- */

/* /proc/self/mountinfo of a guest that is full of containers is the longest. */
#define FILE_MAX (1 << 20)

/* An agent as a source. */
struct by_agent {
    virDomainPtr domain;
    struct agent *agent;
};

static bool can(void *data, const char *command)
{
    return agent_can(((struct by_agent *)data)->agent, command);
}

static json_t *call(void *data, const char *command, struct error **err)
{
    return agent_call(((struct by_agent *)data)->agent, command, NULL, AGENT_SECONDS, err);
}

static char *read_file(void *data, const char *path, struct error **err)
{
    return agent_read_file(((struct by_agent *)data)->agent, path, FILE_MAX, NULL, err);
}

static bool is_silent(void *data)
{
    return agent_is_silent(((struct by_agent *)data)->agent);
}

static uint64_t capacity(void *data, const char *target)
{
    virDomainBlockInfo info;
    return virDomainGetBlockInfo(((struct by_agent *)data)->domain, target, &info, 0) == 0
               ? info.capacity
               : 0;
}

static struct guest_facts *silent_guest(struct error *err)
{
    struct guest_facts *facts = xcalloc(1, sizeof(*facts));
    facts->disks = g_ptr_array_new_with_free_func(free_disk);
    facts->silent = TAKE_PTR(err->message);
    facts->hint = TAKE_PTR(err->hint);
    return facts;
}

void guest_attach(struct guest_facts *facts, struct check_domain *d)
{
    d->guest = facts;
    for (size_t i = 0; i < d->disk_count; i++)
        for (guint k = 0; k < facts->disks->len; k++) {
            struct guest_disk *disk = facts->disks->pdata[k];
            if (d->disks[i].model->target && strcmp(d->disks[i].model->target, disk->target) == 0)
                d->disks[i].guest = disk;
        }
}

void guest_look(virDomainPtr domain, const char *live, struct check_domain *d)
{
    cleanup_error struct error *err = NULL;
    cleanup_agent struct agent *agent = agent_open(domain, &err);
    cleanup_xml xmlDocPtr doc = agent ? xml_parse(live, strlen(live), &err) : NULL;
    if (!doc) {
        guest_attach(silent_guest(err), d);
        return;
    }
    struct by_agent by = {.domain = domain, .agent = agent};
    const struct guest_source source = {
        .can = can,
        .call = call,
        .read = read_file,
        .is_silent = is_silent,
        .capacity = capacity,
        .data = &by,
    };
    guest_attach(guest_read(&source, xml_child(xmlDocGetRootElement(doc), "devices")), d);
}
