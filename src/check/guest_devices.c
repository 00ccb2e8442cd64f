/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check/guest_devices.h"

#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/memory.h"
#include "check/look.h"
#include "domain/xml.h"

/* More devices than these no guest has that we would look at. */
#define DEVICES_MAX 256
#define PARENTS_MAX 32

/* --- Devices ---------------------------------------------------------------------------------- */

static void free_device(void *data)
{
    struct guest_device *d = data;
    free(d->name);
    free(d->alias);
    free(d->serial);
    g_ptr_array_unref(d->parents);
    free(d);
}

static GPtrArray *no_devices(void)
{
    return g_ptr_array_new_with_free_func(free_device);
}

/* The name of a path below /dev; NULL where no kernel gives it. It comes to stand in paths and in
 * commands. */
static const char *device_name(const char *path)
{
    static const char *const characters = "abcdefghijklmnopqrstuvwxyz"
                                          "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                          "0123456789_-";
    const char *name = path && strncmp(path, "/dev/", 5) == 0 ? path + 5 : path;
    return name && *name && strlen(name) < 32 && !name[strspn(name, characters)] ? name : NULL;
}

static struct guest_device *add_device(GPtrArray *devices, const char *name)
{
    struct guest_device *d = xcalloc(1, sizeof(*d));
    *d = (struct guest_device){
        .name = xstrdup(name),
        .parents = g_ptr_array_new_with_free_func(free),
    };
    g_ptr_array_add(devices, d);
    return d;
}

static char *copy_string(const json_t *string)
{
    const char *text = json_string_value(string);
    return text && *text ? xstrdup(text) : NULL;
}

/* -1 where it is not known, which agents say like that as well. */
static int64_t integer(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return json_is_integer(value) ? json_integer_value(value) : -1;
}

/* GuestDiskAddress of the agent's schema. */
static void read_address(struct guest_device *d, const json_t *address)
{
    static const char *const pci[] = {"domain", "bus", "slot", "function"};
    static const char *const drive[] = {"bus", "target", "unit"};
    const json_t *controller = json_object_get(address, "pci-controller");
    d->serial = copy_string(json_object_get(address, "serial"));
    d->has_address = json_is_object(controller);
    for (size_t i = 0; i < ARRAY_SIZE(pci); i++) {
        d->pci[i] = integer(controller, pci[i]);
        d->has_address &= d->pci[i] >= 0;
    }
    for (size_t i = 0; i < ARRAY_SIZE(drive); i++)
        d->drive[i] = integer(address, drive[i]);
}

static void read_device(GPtrArray *devices, const json_t *disk)
{
    size_t i;
    json_t *parent;
    const char *name = device_name(json_string_value(json_object_get(disk, "name")));
    if (!name || guest_device_find(devices, name) || devices->len >= DEVICES_MAX)
        return;
    struct guest_device *d = add_device(devices, name);
    d->is_partition = json_is_true(json_object_get(disk, "partition"));
    d->alias = copy_string(json_object_get(disk, "alias"));
    read_address(d, json_object_get(disk, "address"));
    const json_t *parents = json_object_get(disk, "dependencies");
    json_array_foreach (parents, i, parent) {
        const char *on = device_name(json_string_value(parent));
        if (on && d->parents->len < PARENTS_MAX)
            g_ptr_array_add(d->parents, xstrdup(on));
    }
}

GPtrArray *guest_devices_of_disks(const json_t *disks)
{
    size_t i;
    json_t *disk;
    GPtrArray *devices = no_devices();
    json_array_foreach (disks, i, disk)
        read_device(devices, disk);
    return devices;
}

/* The disk's name of a partition's: "vda" of "vda1", "nvme0n1" of "nvme0n1p1"; NULL where it is
 * none by its name. The caller frees. */
static char *disk_of_partition(const char *name)
{
    size_t length = strlen(name);
    while (length && g_ascii_isdigit(name[length - 1]))
        length--;
    if (!length || !name[length])
        return NULL;
    if (g_ascii_isdigit(name[strcspn(name, "0123456789")]) && strcspn(name, "0123456789") < length)
        length = name[length - 1] == 'p' ? length - 1 : 0;
    return length ? xasprintf("%.*s", (int)length, name) : NULL;
}

/* There the address is the disk's, and the name the partition's. */
static void read_fs_disk(GPtrArray *devices, const json_t *disk)
{
    const char *name = device_name(json_string_value(json_object_get(disk, "dev")));
    cleanup_free char *whole = name ? disk_of_partition(name) : NULL;
    const char *found = whole ? whole : name;
    if (!found || guest_device_find(devices, found) || devices->len >= DEVICES_MAX)
        return;
    read_address(add_device(devices, found), disk);
}

GPtrArray *guest_devices_of_fsinfo(const json_t *fsinfo)
{
    size_t i, k;
    json_t *fs, *disk;
    GPtrArray *devices = no_devices();
    json_array_foreach (fsinfo, i, fs) {
        const json_t *disks = json_object_get(fs, "disk");
        json_array_foreach (disks, k, disk)
            read_fs_disk(devices, disk);
    }
    return devices;
}

/* --- /proc/partitions ------------------------------------------------------------------------- */

static void add_partition(GPtrArray *devices, unsigned major, unsigned minor, uint64_t size_kib,
                          const char *name)
{
    struct guest_device *d = guest_device_find(devices, name);
    cleanup_free char *disk = disk_of_partition(name);
    if (!d && disk && guest_device_find(devices, disk) && devices->len < DEVICES_MAX) {
        d = add_device(devices, name);
        d->is_partition = true;
        g_ptr_array_add(d->parents, TAKE_PTR(disk));
    }
    if (!d)
        return;
    d->number = makedev(major, minor);
    d->size_kib = size_kib;
}

void guest_devices_add_partitions(GPtrArray *devices, const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        char name[64];
        unsigned major, minor;
        unsigned long long size;
        if (sscanf(*line, "%u %u %llu %63s", &major, &minor, &size, name) == 4 && device_name(name))
            add_partition(devices, major, minor, size, name);
    }
}

/* --- Finding ---------------------------------------------------------------------------------- */

struct guest_device *guest_device_find(const GPtrArray *devices, const char *name)
{
    for (guint i = 0; i < devices->len; i++) {
        struct guest_device *d = devices->pdata[i];
        if (strcmp(d->name, name) == 0)
            return d;
    }
    return NULL;
}

struct guest_device *guest_device_numbered(const GPtrArray *devices, dev_t number)
{
    for (guint i = 0; number && i < devices->len; i++) {
        struct guest_device *d = devices->pdata[i];
        if (d->number == number)
            return d;
    }
    return NULL;
}

struct guest_device *guest_device_of_path(const GPtrArray *devices, const char *path)
{
    const char *mapped = strncmp(path, "/dev/mapper/", 12) == 0 ? path + 12 : NULL;
    const char *name = device_name(path);
    for (guint i = 0; mapped && i < devices->len; i++) {
        struct guest_device *d = devices->pdata[i];
        if (d->alias && strcmp(d->alias, mapped) == 0)
            return d;
    }
    return name && name != path ? guest_device_find(devices, name) : NULL;
}

static bool lies_on_any(const struct guest_device *d, GHashTable *names)
{
    for (guint i = 0; i < d->parents->len; i++)
        if (g_hash_table_contains(names, d->parents->pdata[i]))
            return true;
    return false;
}

GHashTable *guest_devices_above(const GPtrArray *devices, const struct guest_device *disk)
{
    GHashTable *above = g_hash_table_new(NULL, NULL);
    g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
    g_hash_table_add(above, (gpointer)disk);
    g_hash_table_add(names, disk->name);
    for (bool more = true; more;) {
        more = false;
        for (guint i = 0; i < devices->len; i++) {
            struct guest_device *d = devices->pdata[i];
            if (g_hash_table_contains(above, d) || !lies_on_any(d, names))
                continue;
            g_hash_table_add(above, d);
            more |= g_hash_table_add(names, d->name);
        }
    }
    return above;
}

/* --- Which of them is a disk ------------------------------------------------------------------ */

/* A disk of the running domain, while its device is looked for. */
struct sought {
    char *target, *bus, *serial;
    bool has_address;
    int64_t pci[4], drive[3];
    uint64_t bytes;                          /* 0: not known */
    struct guest_device *device, *candidate; /* NULL */
};

static void free_sought(void *data)
{
    struct sought *s = data;
    free(s->target);
    free(s->bus);
    free(s->serial);
    free(s);
}

static void read_sought_address(struct sought *s, xmlNodePtr disk, const struct guest_lookup *ask)
{
    static const char *const names[] = {"bus", "target", "unit"};
    xmlNodePtr address = xml_child(disk, "address");
    if (look_says(address, "type", "drive")) {
        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
            s->drive[i] = xml_number(address, names[i], 0);
        xmlNodePtr c = guest_controller(disk->parent, s->bus, xml_number(address, "controller", 0));
        address = xml_child(c, "address");
    }
    s->has_address = guest_pci_address(disk->parent, address, ask, s->pci);
}

/* The disks whose devices can be told. */
static GPtrArray *read_sought(xmlNodePtr domain_devices, const struct guest_lookup *ask)
{
    GPtrArray *all = g_ptr_array_new_with_free_func(free_sought);
    xmlNodePtr disk = xml_child(domain_devices, "disk");
    for (; disk; disk = xml_next(disk, "disk")) {
        const char *device = look_attribute(disk, "device");
        cleanup_free char *target = xml_attribute(xml_child(disk, "target"), "dev");
        if (!target || strcmp(device, "cdrom") == 0 || strcmp(device, "floppy") == 0)
            continue;
        struct sought *s = xcalloc(1, sizeof(*s));
        s->bytes = ask->capacity(ask->data, target);
        s->target = TAKE_PTR(target);
        s->bus = xstrdup(look_attribute(xml_child(disk, "target"), "bus"));
        s->serial = xml_child_text(disk, "serial");
        read_sought_address(s, disk, ask);
        g_ptr_array_add(all, s);
    }
    return all;
}

/* --- Ways to match ---------------------------------------------------------------------------- */

/* The agent says of a virtio-blk disk, which has a controller of its own, that it is drive 0. */
static bool same_address(const struct sought *s, const struct guest_device *d)
{
    bool drive = strcmp(s->bus, "virtio") == 0 || memcmp(s->drive, d->drive, sizeof(s->drive)) == 0;
    return s->has_address && d->has_address && memcmp(s->pci, d->pci, sizeof(s->pci)) == 0 && drive;
}

/* udev knows a virtio disk by its serial number alone, of which the device has 20 bytes, and others
 * by maker, model and number. */
static bool same_serial(const struct sought *s, const struct guest_device *d)
{
    if (!s->serial || !*s->serial || !d->serial)
        return false;
    if (strcmp(s->bus, "virtio") == 0)
        return strlen(d->serial) == MIN(strlen(s->serial), 20) &&
               strncmp(s->serial, d->serial, 20) == 0;
    cleanup_free char *end = xasprintf("_%s", s->serial);
    return strcmp(s->serial, d->serial) == 0 || g_str_has_suffix(d->serial, end);
}

/* Whether the driver gives disks of this bus such names. Only by itself it says little. */
static bool same_kind(const struct sought *s, const struct guest_device *d)
{
    bool virtio = strcmp(s->bus, "virtio") == 0;
    return g_str_has_prefix(d->name, virtio ? "vd" : "sd");
}

/* By its size; the kernel counts in KiB, and QEMU in sectors. */
static bool may_be(const struct sought *s, const struct guest_device *d)
{
    uint64_t bytes = d->size_kib << 10;
    uint64_t difference = bytes > s->bytes ? bytes - s->bytes : s->bytes - bytes;
    return !d->is_partition && !d->parents->len && (!s->bytes || !d->size_kib || difference < 4096);
}

typedef bool (*same_fn)(const struct sought *s, const struct guest_device *d);

static bool is_taken(const GPtrArray *all, const struct guest_device *d)
{
    for (guint i = 0; i < all->len; i++)
        if (((const struct sought *)all->pdata[i])->device == d)
            return true;
    return false;
}

/* The only one of all devices that nobody has yet and that this disk may be; NULL. */
static struct guest_device *only_device(const GPtrArray *devices, const GPtrArray *all,
                                        const struct sought *s, same_fn same)
{
    struct guest_device *found = NULL;
    for (guint i = 0; i < devices->len; i++) {
        struct guest_device *d = devices->pdata[i];
        if (d->is_partition || d->parents->len || !same(s, d) || is_taken(all, d))
            continue;
        if (found)
            return NULL;
        found = d;
    }
    return found && may_be(s, found) ? found : NULL;
}

static bool is_only_sought(const GPtrArray *all, const struct sought *s, same_fn same)
{
    for (guint i = 0; i < all->len; i++) {
        const struct sought *other = all->pdata[i];
        if (other != s && !other->device && same(other, s->candidate))
            return false;
    }
    return true;
}

static void match_all(const GPtrArray *devices, const GPtrArray *all, same_fn same)
{
    for (guint i = 0; i < all->len; i++) {
        struct sought *s = all->pdata[i];
        struct guest_device *d = s->device ? NULL : only_device(devices, all, s, same);
        s->candidate = d;
        if (d && !is_only_sought(all, s, same))
            s->candidate = NULL;
    }
    for (guint i = 0; i < all->len; i++) {
        struct sought *s = all->pdata[i];
        if (s->candidate)
            s->device = s->candidate;
    }
}

GHashTable *guest_devices_match(const GPtrArray *devices, xmlNodePtr domain_devices,
                                const struct guest_lookup *ask)
{
    static const same_fn ways[] = {same_address, same_serial, same_kind};
    g_autoptr(GPtrArray) all = read_sought(domain_devices, ask);
    for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
        match_all(devices, all, ways[i]);
    GHashTable *matched = g_hash_table_new_full(g_str_hash, g_str_equal, free, NULL);
    for (guint i = 0; i < all->len; i++) {
        struct sought *s = all->pdata[i];
        if (s->device)
            g_hash_table_insert(matched, xstrdup(s->target), s->device);
    }
    return matched;
}
