/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stack.c - how /sys/dev/block is read.
 *
 * Every device is a directory there, by its number. A partition's is below that of its disk; what
 * device mapper and md are made of is in "slaves", and the "dev" of a slave leads to its directory.
 * So numbers are all that is followed, and a device that is met twice is the same one. In a made-up
 * tree these can lead in a circle, or deeper than any real one: neither is followed.
 */
#include "host/stack.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/memory.h"
#include "base/text.h"

#define DEPTH_MAX 32

struct stack {
    const struct root *root;
    GMutex lock;
    GHashTable *devices; /* struct block_device * by its number, owned */
    GPtrArray *path;     /* those that are being read: what rests on what */
};

bool stack_parse_number(const char *text, dev_t *ret)
{
    unsigned major_number, minor_number;
    int end = 0;
    if (strspn(text, "0123456789:\n") != strlen(text) ||
        sscanf(text, "%9u:%9u%n", &major_number, &minor_number, &end) != 2 ||
        (text[end] && strcmp(text + end, "\n") != 0))
        return false;
    *ret = makedev(major_number, minor_number);
    return true;
}

/* --- One device ------------------------------------------------------------------------------- */

/* A path of /sys below a device. The caller frees. */
static char *path_of(dev_t number, const char *name)
{
    return xasprintf("/sys/dev/block/%u:%u/%s", major(number), minor(number), name);
}

static bool has(const struct root *r, dev_t number, const char *name)
{
    cleanup_free char *path = path_of(number, name);
    cleanup_close int fd = root_openat(r, path, O_PATH);
    return fd >= 0;
}

/* The text of a file, NULL where it is empty or not there. The caller frees. */
static char *word_of(const struct root *r, dev_t number, const char *name)
{
    cleanup_free char *path = path_of(number, name);
    cleanup_free char *word = root_read_word(r, path);
    if (word)
        text_one_line(word);
    return word && word[0] ? TAKE_PTR(word) : NULL;
}

/* The last name of where a link points; NULL where it is none. The caller frees. */
static char *link_of(const struct root *r, const char *path)
{
    cleanup_free char *target = root_readlink(r, path);
    if (!target)
        return NULL;
    text_one_line(target);
    const char *slash = strrchr(target, '/');
    return xstrdup(slash ? slash + 1 : target);
}

/* The number in a "dev" file; 0 for none. */
static dev_t number_of(const struct root *r, const char *path)
{
    dev_t number;
    cleanup_free char *text = root_read(r, path);
    return text && stack_parse_number(text, &number) ? number : 0;
}

/* An LVM volume's uuid has nothing behind its ids but where it is an inner part: such a part is the
 * pool that thin volumes rest on, whose uuid ends so. */
static bool is_pool(const char *uuid)
{
    return uuid && g_str_has_prefix(uuid, "LVM-") && g_str_has_suffix(uuid, "-tpool");
}

static bool rests_on_pool(const struct root *r, dev_t number)
{
    cleanup_free char *directory = path_of(number, "slaves");
    g_autoptr(GPtrArray) names = root_list(r, directory);
    for (guint i = 0; i < names->len; i++) {
        cleanup_free char *path = xasprintf("%s/%s/dm/uuid", directory, (char *)names->pdata[i]);
        cleanup_free char *uuid = root_read_word(r, path);
        if (is_pool(uuid))
            return true;
    }
    return false;
}

static enum device_kind mapped_kind(const struct root *r, dev_t number, const char *uuid)
{
    static const struct {
        const char *prefix;
        enum device_kind kind;
    } kinds[] = {
        {"LVM-", DEVICE_LVM},
        {"CRYPT-", DEVICE_CRYPT},
        {"mpath-", DEVICE_MULTIPATH},
    };
    enum device_kind kind = DEVICE_MAPPER;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (g_str_has_prefix(uuid, kinds[i].prefix))
            kind = kinds[i].kind;
    bool whole = kind == DEVICE_LVM && !strchr(uuid + strlen("LVM-"), '-');
    return whole && rests_on_pool(r, number) ? DEVICE_THIN : kind;
}

/* The driver of a disk: of its own device, or of the one that this belongs to, as that of an NVMe
 * namespace is a controller. One with several controllers is below a subsystem, without a driver.
 * The caller frees. */
static char *driver_of(const struct root *r, dev_t number)
{
    cleanup_free char *device = path_of(number, "device");
    cleanup_free char *near = path_of(number, "device/driver");
    cleanup_free char *far = path_of(number, "device/device/driver");
    char *driver = link_of(r, near);
    if (!driver)
        driver = link_of(r, far);
    cleanup_free char *name = driver ? NULL : link_of(r, device);
    return name && g_str_has_prefix(name, "nvme") ? xstrdup("nvme") : driver;
}

/* "LUKS2" of "CRYPT-LUKS2-UUID-NAME"; NULL. The caller frees. */
static char *kind_of_crypt(const char *uuid)
{
    static const char prefix[] = "CRYPT-";
    if (!uuid || !g_str_has_prefix(uuid, prefix))
        return NULL;
    const char *kind = uuid + strlen(prefix);
    return strndup(kind, strcspn(kind, "-"));
}

/* What it is, and what only devices of this kind have. */
static void read_kind(const struct root *r, struct block_device *d)
{
    cleanup_free char *uuid = word_of(r, d->number, "dm/uuid");
    cleanup_free char *level = word_of(r, d->number, "md/level");
    if (has(r, d->number, "partition")) {
        d->kind = DEVICE_PARTITION;
    } else if (uuid || has(r, d->number, "dm")) {
        d->kind = mapped_kind(r, d->number, uuid ? uuid : "");
        d->label = word_of(r, d->number, "dm/name");
        d->detail = kind_of_crypt(uuid);
    } else if (level || has(r, d->number, "md")) {
        d->kind = DEVICE_RAID;
        d->label = level ? xasprintf("%s (%s)", d->name, level) : NULL;
        d->detail = TAKE_PTR(level);
    } else if (has(r, d->number, "loop")) {
        d->kind = DEVICE_LOOP;
        d->detail = word_of(r, d->number, "loop/backing_file");
    } else {
        d->driver = driver_of(r, d->number);
        d->model = word_of(r, d->number, "device/model");
        d->kind = d->driver ? DEVICE_DISK : DEVICE_OTHER_KIND;
    }
    if (!d->label)
        d->label = xstrdup(d->name);
}

/* --- Its queue -------------------------------------------------------------------------------- */

/* How many directories above a disk's own device are looked at for its NUMA node: a SCSI disk's is
 * that of its controller, and target, host and ports are between. */
#define PARENTS_MAX 8

static int64_t numa_node_of(const struct root *r, const char *disk)
{
    g_autoptr(GString) path = g_string_new(disk);
    g_string_append(path, "/device");
    int64_t node = -1;
    for (int i = 0; i < PARENTS_MAX && node < 0; i++) {
        node = root_read_number(r, "%s/numa_node", path->str);
        g_string_append(path, "/..");
    }
    return node;
}

static int64_t hardware_queues_of(const struct root *r, const char *disk)
{
    cleanup_free char *path = xasprintf("%s/mq", disk);
    g_autoptr(GPtrArray) names = root_list(r, path);
    return names->len ? (int64_t)names->len : -1;
}

/* `disk` is the directory of the whole one. */
static void read_queue(const struct root *r, const char *disk, struct block_device *d)
{
    const struct {
        const char *name;
        int64_t *ret;
    } values[] = {
        {"rotational", &d->rotational},
        {"logical_block_size", &d->logical_block_bytes},
        {"physical_block_size", &d->physical_block_bytes},
        {"nr_requests", &d->requests},
        {"max_sectors_kb", &d->max_sectors_kib},
        {"wbt_lat_usec", &d->wbt_us},
        {"nomerges", &d->merges_off},
        {"rq_affinity", &d->affinity},
        {"fua", &d->fua},
        {"read_ahead_kb", &d->read_ahead_kib},
        {"discard_max_bytes", &d->discard_max_bytes},
    };
    for (size_t i = 0; i < ARRAY_SIZE(values); i++)
        *values[i].ret = root_read_number(r, "%s/queue/%s", disk, values[i].name);
    cleanup_free char *scheduler = xasprintf("%s/queue/scheduler", disk);
    cleanup_free char *cache = xasprintf("%s/queue/write_cache", disk);
    d->scheduler = root_read_chosen(r, scheduler);
    d->write_cache = root_read_word(r, cache);
    d->hardware_queues = hardware_queues_of(r, disk);
    d->numa_node = numa_node_of(r, disk);
}

/* --- All of them ------------------------------------------------------------------------------ */

static void free_device(void *data)
{
    struct block_device *d = data;
    free(d->name);
    free(d->label);
    free(d->driver);
    free(d->model);
    free(d->detail);
    free(d->scheduler);
    free(d->write_cache);
    g_ptr_array_unref(d->below);
    free(d);
}

struct stack *stack_new(const struct root *r)
{
    struct stack *s = xcalloc(1, sizeof(*s));
    s->root = r;
    _Static_assert(sizeof(dev_t) == sizeof(gint64), "numbers of devices are keys as they are");
    s->devices = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, free_device);
    s->path = g_ptr_array_new();
    g_mutex_init(&s->lock);
    return s;
}

void stack_free(struct stack *s)
{
    if (!s)
        return;
    g_hash_table_unref(s->devices);
    g_ptr_array_unref(s->path);
    g_mutex_clear(&s->lock);
    free(s);
}

static struct block_device *find(struct stack *s, dev_t number);

/* Adds a device that this one rests on, unless it rests on this one itself. */
static void add_below(struct stack *s, struct block_device *d, dev_t number)
{
    struct block_device *below = number ? find(s, number) : NULL;
    if (below && !g_ptr_array_find(s->path, below, NULL) &&
        !g_ptr_array_find(d->below, below, NULL)) {
        g_ptr_array_add(d->below, below);
        below->is_path = below->is_path || d->kind == DEVICE_MULTIPATH;
    }
}

static void read_below(struct stack *s, struct block_device *d)
{
    if (s->path->len >= DEPTH_MAX)
        return;
    g_ptr_array_add(s->path, d);
    if (d->kind == DEVICE_PARTITION) {
        cleanup_free char *path = path_of(d->number, "../dev");
        add_below(s, d, number_of(s->root, path));
    } else {
        cleanup_free char *directory = path_of(d->number, "slaves");
        g_autoptr(GPtrArray) names = root_list(s->root, directory);
        for (guint i = 0; i < names->len; i++) {
            cleanup_free char *path = xasprintf("%s/%s/dev", directory, (char *)names->pdata[i]);
            add_below(s, d, number_of(s->root, path));
        }
    }
    g_ptr_array_set_size(s->path, (gint)s->path->len - 1);
}

static struct block_device *find(struct stack *s, dev_t number)
{
    struct block_device *d = g_hash_table_lookup(s->devices, &number);
    if (d)
        return d;
    cleanup_free char *directory = xasprintf("/sys/dev/block/%u:%u", major(number), minor(number));
    cleanup_free char *name = link_of(s->root, directory);
    if (!name || !name[0])
        return NULL;
    d = xcalloc(1, sizeof(*d));
    *d =
        (struct block_device){.number = number, .name = TAKE_PTR(name), .below = g_ptr_array_new()};
    g_hash_table_insert(s->devices, &d->number, d);
    read_kind(s->root, d);
    cleanup_free char *disk =
        xasprintf("%s%s", directory, d->kind == DEVICE_PARTITION ? "/.." : "");
    read_queue(s->root, disk, d);
    d->direct_io =
        d->kind == DEVICE_LOOP ? root_read_number(s->root, "%s/loop/dio", directory) : -1;
    read_below(s, d);
    return d;
}

const struct block_device *stack_find(struct stack *s, dev_t number)
{
    g_mutex_lock(&s->lock);
    const struct block_device *d = find(s, number);
    g_mutex_unlock(&s->lock);
    return d;
}

static gint compare_names(gconstpointer a, gconstpointer b)
{
    const struct block_device *const *x = a, *const *y = b;
    int order = strcmp((*x)->name, (*y)->name);
    return order ? order : ((*x)->number > (*y)->number) - ((*x)->number < (*y)->number);
}

GPtrArray *stack_seen(struct stack *s)
{
    GPtrArray *seen = g_ptr_array_new();
    GHashTableIter i;
    gpointer d;
    g_mutex_lock(&s->lock);
    g_hash_table_iter_init(&i, s->devices);
    while (g_hash_table_iter_next(&i, NULL, &d))
        g_ptr_array_add(seen, d);
    g_mutex_unlock(&s->lock);
    g_ptr_array_sort(seen, compare_names);
    return seen;
}

/* --- What is below ---------------------------------------------------------------------------- */

/* This device and all below it, level by level, each once; a partition's disk only where wanted.
 * The caller frees. `ret_ends`, which may be NULL: how many there are up to the end of each level.
 */
static GPtrArray *levels(const struct block_device *d, bool disks, GArray *ret_ends)
{
    g_autoptr(GHashTable) met = g_hash_table_new(NULL, NULL);
    GPtrArray *all = g_ptr_array_new();
    g_ptr_array_add(all, (gpointer)d);
    g_hash_table_add(met, (gpointer)d);
    for (guint i = 0, end = all->len; i < all->len; end = all->len) {
        if (ret_ends)
            g_array_append_val(ret_ends, end);
        for (; i < end; i++) {
            const struct block_device *at = all->pdata[i];
            for (guint j = 0; (disks || at->kind != DEVICE_PARTITION) && j < at->below->len; j++)
                if (g_hash_table_add(met, at->below->pdata[j]))
                    g_ptr_array_add(all, at->below->pdata[j]);
        }
    }
    return all;
}

GPtrArray *stack_all(const struct block_device *d)
{
    return levels(d, true, NULL);
}

bool stack_every_end(const struct block_device *d, bool (*is)(const struct block_device *end))
{
    g_autoptr(GPtrArray) all = stack_all(d);
    for (guint i = 0; i < all->len; i++) {
        const struct block_device *at = all->pdata[i];
        if (!at->below->len && !is(at))
            return false;
    }
    return true;
}

const struct block_device *stack_below(const struct block_device *d, enum device_kind kind)
{
    g_autoptr(GPtrArray) all = stack_all(d);
    for (guint i = 0; i < all->len; i++) {
        const struct block_device *at = all->pdata[i];
        if (at->kind == kind)
            return at;
    }
    return NULL;
}

char *stack_describe(const struct block_device *d)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GArray) ends = g_array_new(FALSE, FALSE, sizeof(guint));
    /* The name of a partition says which disk it is of. */
    g_autoptr(GPtrArray) all = levels(d, false, ends);
    for (guint level = 0, i = 0; level < ends->len; level++) {
        const char *between = level ? " on " : "";
        for (; i < g_array_index(ends, guint, level); i++, between = ", ") {
            const struct block_device *at = all->pdata[i];
            g_string_append_printf(text, "%s%s", between, at->label);
        }
    }
    return xstrdup(text->str);
}

bool stack_is_virtual(const struct block_device *d)
{
    static const char *const drivers[] = {"virtio_blk", "vbd"};
    static const char *const models[] = {"QEMU", "VBOX", "Virtual", "VMware", "PersistentDisk"};
    for (size_t i = 0; i < ARRAY_SIZE(drivers); i++)
        if (d->driver && strcmp(d->driver, drivers[i]) == 0)
            return true;
    for (size_t i = 0; i < ARRAY_SIZE(models); i++)
        if (d->model && strcasestr(d->model, models[i]))
            return true;
    return false;
}

static bool has_heads(const struct block_device *d)
{
    return d->kind == DEVICE_DISK && d->rotational == 1 && !stack_is_virtual(d);
}

bool stack_is_rotating(const struct block_device *d)
{
    return stack_every_end(d, has_heads);
}
