/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#include "base/json.h"
#include "base/memory.h"
#include "host/record.h"
#include "host/storage.h"

struct places {
    const struct root *root;
    const struct mounts *mounts;
    struct stack *stack;
    json_t *noted; /* of a capture: it answers, not the kernel; NULL */
};

/* --- What the kernel says --------------------------------------------------------------------- */

#define DESCRIPTOR_PATH_MAX 32

/* Where /proc has an open file: behind the link there it can be opened once more, and be nothing
 * else. Returns the buffer. */
static const char *descriptor_path(int fd, char buffer[DESCRIPTOR_PATH_MAX])
{
    snprintf(buffer, DESCRIPTOR_PATH_MAX, "/proc/self/fd/%d", fd);
    return buffer;
}

/* The path by which the kernel knows an open file; NULL where it has none. The caller frees. */
static char *kernel_path(int fd)
{
    char link[DESCRIPTOR_PATH_MAX], target[PATH_MAX];
    ssize_t n = readlink(descriptor_path(fd, link), target, sizeof(target));
    return n > 0 && n < (ssize_t)sizeof(target) && target[0] == '/' ? strndup(target, (size_t)n)
                                                                    : NULL;
}

/* The path without symbolic links, as one below the root. The caller frees. */
static char *resolved(const struct root *r, int fd, const char *path)
{
    cleanup_free char *whole = kernel_path(fd);
    cleanup_close int top = root_is_machine(r) ? -1 : root_openat(r, "/", O_PATH);
    cleanup_free char *above = top < 0 ? xstrdup("") : kernel_path(top);
    size_t length = above ? strlen(above) : 0;
    bool below = whole && above && strncmp(whole, above, length) == 0 && whole[length] == '/';
    return xstrdup(below ? whole + length : path);
}

static void read_stat(const struct root *r, const struct stat *st, struct place *p)
{
    bool block = S_ISBLK(st->st_mode);
    p->type = block ? PLACE_BLOCK : S_ISREG(st->st_mode) ? PLACE_FILE : PLACE_OTHER;
    p->device = block ? st->st_rdev : st->st_dev;
    p->size_bytes = (uint64_t)st->st_size;
    p->allocated_bytes = (uint64_t)st->st_blocks * 512;
    if (!block)
        return;
    /* In sectors of 512 bytes, whatever the device's own are. */
    int64_t sectors =
        root_read_number(r, "/sys/dev/block/%u:%u/size", major(st->st_rdev), minor(st->st_rdev));
    p->size_bytes = p->allocated_bytes = sectors > 0 ? (uint64_t)sectors * 512 : 0;
}

/* Linux 6.1 put two numbers into what was spare room in struct statx; older headers of it and of
 * glibc have neither these nor the mask. */
#ifndef STATX_DIOALIGN
#define STATX_DIOALIGN 0x2000U
#endif
#define STATX_DIO_MEM_ALIGN_AT 0x98

static void read_direct(int fd, struct place *p)
{
    struct statx st;
    if (p->type == PLACE_OTHER || statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &st) < 0)
        return;
    uint32_t align[2];
    memcpy(align, (const char *)&st + STATX_DIO_MEM_ALIGN_AT, sizeof(align));
    p->direct_known = st.stx_mask & STATX_DIOALIGN;
    if (p->direct_known) {
        p->direct_memory_align = align[0];
        p->direct_offset_align = align[1];
    }
}

static void read_file_system(int fd, struct place *p)
{
    struct statfs fs;
    if (p->type == PLACE_BLOCK || fstatfs(fd, &fs) < 0)
        return;
    p->fs_magic = (uint32_t)fs.f_type;
    p->fs_read_only = fs.f_flags & ST_RDONLY;
}

/* What extents say, added up. */
static void count_extents(const struct fiemap *map, struct fiemap_extent *last, struct place *p)
{
    for (unsigned i = 0; i < map->fm_mapped_extents; i++) {
        const struct fiemap_extent *e = &map->fm_extents[i];
        /* File systems cut long runs of blocks into several extents: these are one piece. */
        bool follows = p->extents && e->fe_logical == last->fe_logical + last->fe_length &&
                       e->fe_physical == last->fe_physical + last->fe_length;
        p->extents += !follows;
        p->shared |= (e->fe_flags & FIEMAP_EXTENT_SHARED) != 0;
        p->encoded |= (e->fe_flags & (FIEMAP_EXTENT_ENCODED | FIEMAP_EXTENT_DATA_ENCRYPTED)) != 0;
        p->unwritten_bytes += e->fe_flags & FIEMAP_EXTENT_UNWRITTEN ? e->fe_length : 0;
        *last = *e;
    }
}

/* Without FIEMAP_FLAG_SYNC, which would have everything written out first. -1 where the file system
 * cannot say. */
static int read_extents(int fd, struct place *p)
{
    enum { CHUNK = 512 };
    cleanup_free struct fiemap *map =
        xcalloc(1, sizeof(*map) + CHUNK * sizeof(struct fiemap_extent));
    struct fiemap_extent last = {0};
    uint64_t at = 0;
    for (unsigned seen = 0; seen < PLACE_EXTENTS_MAX; seen += map->fm_mapped_extents) {
        *map = (struct fiemap){
            .fm_start = at,
            .fm_length = FIEMAP_MAX_OFFSET - at,
            .fm_extent_count = MIN(CHUNK, PLACE_EXTENTS_MAX - seen),
        };
        if (ioctl(fd, FS_IOC_FIEMAP, map) < 0)
            return -1;
        count_extents(map, &last, p);
        uint64_t end = last.fe_logical + last.fe_length;
        if (!map->fm_mapped_extents || last.fe_flags & FIEMAP_EXTENT_LAST || end <= at)
            break;
        at = end;
    }
    return 0;
}

/* What only an open file tells. Opening waits for nobody, a lease's holder included. */
static void read_opened(int fd, struct place *p)
{
    char path[DESCRIPTOR_PATH_MAX];
    cleanup_close int opened =
        p->type != PLACE_FILE
            ? -1
            : open(descriptor_path(fd, path), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (opened < 0)
        return;
    int flags = 0;
    p->nocow = ioctl(opened, FS_IOC_GETFLAGS, &flags) == 0 && flags & FS_NOCOW_FL;
    struct place extents = {0};
    if (read_extents(opened, &extents) < 0)
        return;
    p->extents_known = true;
    p->extents = extents.extents;
    p->shared = extents.shared;
    p->encoded = extents.encoded;
    p->unwritten_bytes = extents.unwritten_bytes;
}

/* Some file systems (btrfs) have a device number of their own: the mount names the real one. */
static const struct block_device *block_of_source(const struct places *p, const struct mount *m)
{
    struct stat st;
    if (!m || !g_str_has_prefix(m->source, "/dev/"))
        return NULL;
    cleanup_close int fd = root_openat(p->root, m->source, O_PATH);
    return fd >= 0 && fstat(fd, &st) == 0 && S_ISBLK(st.st_mode) ? stack_find(p->stack, st.st_rdev)
                                                                 : NULL;
}

static struct place *ask_kernel(const struct places *p, const char *path, struct error **err)
{
    struct stat st;
    cleanup_close int fd = root_openat(p->root, path, O_PATH);
    if (fd < 0 || fstat(fd, &st) < 0) {
        error_set_errno(err, errno, "cannot look at %s", path);
        return NULL;
    }
    struct place *place = xcalloc(1, sizeof(*place));
    place->path = resolved(p->root, fd, path);
    read_stat(p->root, &st, place);
    read_direct(fd, place);
    read_file_system(fd, place);
    read_opened(fd, place);
    place->mount = mounts_of_path(p->mounts, place->path);
    place->block = stack_find(p->stack, place->device);
    if (!place->block && place->type != PLACE_BLOCK)
        place->block = block_of_source(p, place->mount);
    return place;
}

/* --- What was noted --------------------------------------------------------------------------- */

static const char *const type_names[] = {
    [PLACE_FILE] = "file", [PLACE_BLOCK] = "block", [PLACE_OTHER] = "other"};

/* A device number as "253:0". */
static json_t *number_to_json(dev_t number)
{
    return json_sprintf("%u:%u", major(number), minor(number));
}

json_t *place_to_json(const struct place *p)
{
    json_t *json = json_pack("{s:s, s:s, s:I, s:I, s:I, s:b, s:o, s:b}", "path", p->path, "type",
                             type_names[p->type], "size", (json_int_t)p->size_bytes, "allocated",
                             (json_int_t)p->allocated_bytes, "fs_magic", (json_int_t)p->fs_magic,
                             "fs_read_only", p->fs_read_only, "device", number_to_json(p->device),
                             "nocow", p->nocow);
    if (p->block)
        json_object_set_new(json, "block", number_to_json(p->block->number));
    if (p->direct_known)
        json_object_set_new(json, "direct",
                            json_pack("{s:I, s:I}", "memory", (json_int_t)p->direct_memory_align,
                                      "offset", (json_int_t)p->direct_offset_align));
    if (p->extents_known)
        json_object_set_new(json, "extents",
                            json_pack("{s:I, s:b, s:b, s:I}", "count", (json_int_t)p->extents,
                                      "shared", p->shared, "encoded", p->encoded, "unwritten",
                                      (json_int_t)p->unwritten_bytes));
    return json;
}

static int parse_number(const char *text, dev_t *ret, struct error **err)
{
    return stack_parse_number(text, ret) ? 0
                                         : error_set(err, "\"%s\" is no number of a device", text);
}

static int parse_type(const char *name, enum place_type *ret, struct error **err)
{
    for (size_t i = 0; i < ARRAY_SIZE(type_names); i++)
        if (strcmp(name, type_names[i]) == 0) {
            *ret = (enum place_type)i;
            return 0;
        }
    return error_set(err, "\"%s\" is no type of a place", name);
}

/* Sizes and counts of a place, as JSON has them. */
struct noted {
    json_int_t size, allocated, magic, memory, offset, extents, unwritten;
};

static int check_ranges(const struct noted *n, struct error **err)
{
    const struct {
        const char *name;
        json_int_t value, max;
    } ranges[] = {
        {"size", n->size, INT64_MAX},           {"allocated", n->allocated, INT64_MAX},
        {"fs_magic", n->magic, UINT32_MAX},     {"memory", n->memory, UINT32_MAX},
        {"offset", n->offset, UINT32_MAX},      {"count", n->extents, PLACE_EXTENTS_MAX},
        {"unwritten", n->unwritten, INT64_MAX},
    };
    for (size_t i = 0; i < ARRAY_SIZE(ranges); i++)
        if (ranges[i].value < 0 || ranges[i].value > ranges[i].max)
            return error_set(err, "\"%s\" is out of range", ranges[i].name);
    return 0;
}

/* Fills what is not looked up. `ret_block` is 0 where no block device is noted. */
static int parse_place(json_t *json, struct place *p, dev_t *ret_block, struct error **err)
{
    struct noted n = {0};
    const char *path, *type, *device, *block = NULL;
    int read_only = 0, nocow = 0, shared = 0, encoded = 0;
    json_error_t e;
    if (json_unpack_ex(json, &e, 0,
                       "{s:s, s:s, s:I, s:I, s:s, s?I, s?b, s?b, s?s, s?{s:I, s:I},"
                       " s?{s:I, s:b, s:b, s:I}}",
                       "path", &path, "type", &type, "size", &n.size, "allocated", &n.allocated,
                       "device", &device, "fs_magic", &n.magic, "fs_read_only", &read_only, "nocow",
                       &nocow, "block", &block, "direct", "memory", &n.memory, "offset", &n.offset,
                       "extents", "count", &n.extents, "shared", &shared, "encoded", &encoded,
                       "unwritten", &n.unwritten) < 0)
        return error_set(err, "%s", e.text);
    p->direct_known = json_object_get(json, "direct");
    p->extents_known = json_object_get(json, "extents");
    if (check_ranges(&n, err) < 0 || parse_type(type, &p->type, err) < 0 ||
        parse_number(device, &p->device, err) < 0 ||
        (block && parse_number(block, ret_block, err) < 0))
        return -1;
    p->path = xstrdup(path);
    p->size_bytes = (uint64_t)n.size;
    p->allocated_bytes = (uint64_t)n.allocated;
    p->fs_magic = (uint64_t)n.magic;
    p->fs_read_only = read_only;
    p->nocow = nocow;
    p->direct_memory_align = (uint32_t)n.memory;
    p->direct_offset_align = (uint32_t)n.offset;
    p->extents = (unsigned)n.extents;
    p->shared = shared;
    p->encoded = encoded;
    p->unwritten_bytes = (uint64_t)n.unwritten;
    return 0;
}

static struct place *look_up(const struct places *p, const char *path, struct error **err)
{
    json_t *json = json_object_get(p->noted, path);
    if (!json) {
        error_set(err, "%s: was not captured", path);
        return NULL;
    }
    const char *why = json_string_value(json_object_get(json, "error"));
    if (why) {
        error_set(err, "%s", why);
        return NULL;
    }
    cleanup_place struct place *place = xcalloc(1, sizeof(*place));
    dev_t block = 0;
    if (parse_place(json, place, &block, err) < 0) {
        error_prefix(err, "%s: what was captured of it cannot be used", path);
        return NULL;
    }
    place->mount = mounts_of_path(p->mounts, place->path);
    place->block = stack_find(p->stack, block ? block : place->device);
    return TAKE_PTR(place);
}

/* --- Places ----------------------------------------------------------------------------------- */

struct places *places_parse(const char *text, size_t length, const struct mounts *mounts,
                            struct stack *stack, struct error **err)
{
    json_error_t e;
    cleanup_json json_t *noted = json_loadb(text, length, JSON_REJECT_DUPLICATES, &e);
    if (!json_is_object(noted)) {
        error_set(err, "%s: %s", PLACES_FILE, noted ? "it is no object" : e.text);
        return NULL;
    }
    struct places *p = xcalloc(1, sizeof(*p));
    *p = (struct places){.mounts = mounts, .stack = stack, .noted = TAKE_PTR(noted)};
    return p;
}

struct places *places_new(const struct root *r, const struct mounts *mounts, struct stack *stack,
                          struct error **err)
{
    cleanup_close int noted = root_is_machine(r) ? -1 : root_openat(r, PLACES_FILE, O_PATH);
    if (noted >= 0) {
        cleanup_free char *text = root_read(r, PLACES_FILE);
        if (text)
            return places_parse(text, strlen(text), mounts, stack, err);
        error_set(err, "cannot read %s of the capture", PLACES_FILE);
        return NULL;
    }
    struct places *p = xcalloc(1, sizeof(*p));
    *p = (struct places){.root = r, .mounts = mounts, .stack = stack};
    return p;
}

void places_free(struct places *p)
{
    if (p)
        json_decref(p->noted);
    free(p);
}

/* As ask_kernel, and what comes of it is noted where the root has a record. */
static struct place *ask_and_note(const struct places *p, const char *path, struct error **err)
{
    cleanup_error struct error *why = NULL;
    struct record *record = root_record(p->root);
    struct place *place = ask_kernel(p, path, &why);
    if (record)
        record_place(record, path,
                     place ? place_to_json(place) : json_pack("{s:s}", "error", why->message));
    if (!place)
        error_set(err, "%s", why->message);
    return place;
}

struct place *place_look(const struct places *p, const char *path, struct error **err)
{
    if (path[0] != '/') {
        error_set(err, "%s: is no absolute path", path);
        return NULL;
    }
    return p->noted ? look_up(p, path, err) : ask_and_note(p, path, err);
}

struct place *place_share(struct place *p)
{
    p->shares++;
    return p;
}

void place_free(struct place *p)
{
    if (p && p->shares) {
        p->shares--;
        return;
    }
    if (p)
        free(p->path);
    free(p);
}

bool place_is_allocated(const struct place *p)
{
    return p->type == PLACE_BLOCK || p->allocated_bytes >= p->size_bytes - p->size_bytes / 100;
}

bool place_is_copied(const struct place *p)
{
    return p->type == PLACE_FILE &&
           ((p->fs_magic == FS_BTRFS && !p->nocow) || p->fs_magic == FS_ZFS);
}

/* --- For people ------------------------------------------------------------------------------- */

char *place_describe(const struct place *p)
{
    const struct block_device *b = p->block;
    cleanup_free char *below = b ? stack_describe(b) : NULL;
    if (p->type == PLACE_BLOCK && b && b->kind == DEVICE_DISK && b->driver)
        return xasprintf("%s (%s)", below, b->driver);
    if (p->type == PLACE_BLOCK)
        return b ? TAKE_PTR(below) : xstrdup(p->path);
    cleanup_free char *system =
        p->mount ? xstrdup(p->mount->type) : storage_system_name(p->fs_magic);
    return below ? xasprintf("%s on %s", system, below) : TAKE_PTR(system);
}
