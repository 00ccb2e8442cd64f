/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/image.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "host/qcow2.h"
#include "host/record.h"

#define BACKING_NAME_MAX 1023
#define EXTENSIONS_MAX 16

/* --- One image -------------------------------------------------------------------------------- */

/* O_NONBLOCK: a path that is a FIFO must not keep us waiting. */
static int open_image(const struct root *r, const char *path, struct stat *st, struct error **err)
{
    cleanup_close int fd = root_openat(r, path, O_RDONLY | O_NOCTTY | O_NONBLOCK);
    if (fd < 0 || fstat(fd, st) < 0)
        return error_set_errno(err, errno, "cannot open the image %s", path);
    if (!S_ISREG(st->st_mode) && !S_ISBLK(st->st_mode))
        return error_set(err, "%s is neither a file nor a block device", path);
    return TAKE_FD(fd);
}

static uint64_t file_bytes(int fd, const struct stat *st)
{
    uint64_t bytes = 0;
    if (S_ISBLK(st->st_mode))
        return ioctl(fd, BLKGETSIZE64, &bytes) < 0 ? 0 : bytes;
    return (uint64_t)st->st_size;
}

struct __attribute__((packed)) extension {
    uint32_t type, length; /* big endian */
    union {
        char text[8];
        uint32_t count; /* big endian */
    };
};

/* The format of a backing image by its name in an extension. A name that is not known is raw, as
 * libvirt has it where there is none: QEMU would look, and a guest can write any header. */
static const char *backing_format(const struct extension *e)
{
    static const char *const names[] = {"qcow2", "qcow", "qed", "vmdk", "vdi", "vpc", "vhdx"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (be32toh(e->length) == strlen(names[i]) &&
            memcmp(e->text, names[i], strlen(names[i])) == 0)
            return names[i];
    return "raw";
}

/* Reads the few extensions that are behind the header. */
static void read_extensions(int fd, const struct qcow2_header *h, struct image *ret)
{
    off_t at = ret->version == 2 ? QCOW2_V2_LENGTH : be32toh(h->header_length);
    for (int i = 0; i < EXTENSIONS_MAX; i++) {
        struct extension e = {0};
        if (pread(fd, &e, sizeof(e), at) < (ssize_t)sizeof(uint64_t) || !e.type)
            return;
        if (be32toh(e.type) == QCOW2_EXTENSION_BACKING_FORMAT && ret->backing)
            ret->backing_format = backing_format(&e);
        if (be32toh(e.type) == QCOW2_EXTENSION_BITMAPS && ret->version != 2 &&
            be64toh(h->autoclear) & QCOW2_BITMAPS)
            ret->bitmaps = be32toh(e.count);
        at += 8 + ((off_t)be32toh(e.length) + 7) / 8 * 8;
    }
}

static int read_backing(int fd, const char *path, const struct qcow2_header *h, struct image *ret,
                        struct error **err)
{
    uint64_t offset = be64toh(h->backing_offset);
    uint32_t length = be32toh(h->backing_length);
    if (!offset)
        return 0;
    if (length > BACKING_NAME_MAX || offset > (UINT64_C(1) << 21))
        return error_set(err, "%s: the header names a backing image at %llu, %u bytes long", path,
                         (unsigned long long)offset, length);
    cleanup_free char *name = xcalloc(length + 1, 1);
    if (pread(fd, name, length, (off_t)offset) != (ssize_t)length || strlen(name) != length)
        return error_set(err, "%s: the name of the backing image cannot be read", path);
    ret->backing = length ? TAKE_PTR(name) : NULL;
    return 0;
}

/* What only version 3 has. */
static int read_features(const char *path, const struct qcow2_header *h, struct image *ret,
                         struct error **err)
{
    uint64_t incompatible = be64toh(h->incompatible), compatible = be64toh(h->compatible);
    uint32_t order = be32toh(h->refcount_order);
    if (order > 6)
        return error_set(err, "%s: refcounts of 2^%u bits are none of qcow2's", path, order);
    ret->refcount_bits = 1u << order;
    ret->dirty = incompatible & QCOW2_DIRTY;
    ret->corrupt = incompatible & QCOW2_CORRUPT;
    ret->data_file = incompatible & QCOW2_DATA_FILE;
    ret->extended_l2 = incompatible & QCOW2_EXTENDED_L2;
    ret->lazy_refcounts = compatible & QCOW2_LAZY_REFCOUNTS;
    ret->data_file_raw = ret->data_file && be64toh(h->autoclear) & QCOW2_DATA_FILE_RAW;
    return 0;
}

static int read_qcow2(int fd, const char *path, struct image *ret, struct error **err)
{
    static const char *const encryptions[] = {NULL, "aes", "luks"};
    struct qcow2_header h = {0};
    ssize_t n = pread(fd, &h, sizeof(h), 0);
    if (n < 0)
        return error_set_errno(err, errno, "cannot read the header of %s", path);
    uint32_t version = be32toh(h.version), bits = be32toh(h.cluster_bits);
    uint32_t crypt = be32toh(h.crypt_method);
    if (n < QCOW2_V2_LENGTH || be32toh(h.magic) != QCOW2_MAGIC)
        return error_set(err, "%s is no qcow2 image", path);
    if (version != 2 && version != 3)
        return error_set(err, "%s: qcow2 of version %u is not known", path, version);
    if (version == 3 && n < QCOW2_V3_LENGTH)
        return error_set(err, "%s: its header is cut off", path);
    /* docs/interop/qcow2: at least 9; QEMU's limit is 21 (2 MiB). */
    if (bits < 9 || bits > 21)
        return error_set(err, "%s: clusters of 2^%u bytes are none of qcow2's", path, bits);
    if (crypt >= ARRAY_SIZE(encryptions))
        return error_set(err, "%s: encryption of kind %u is not known", path, crypt);
    ret->version = version;
    ret->virtual_bytes = be64toh(h.size);
    ret->cluster_bytes = 1u << bits;
    ret->refcount_bits = 16;
    ret->snapshots = be32toh(h.snapshot_count);
    ret->encryption = encryptions[crypt];
    if ((version == 3 && read_features(path, &h, ret, err) < 0) ||
        read_backing(fd, path, &h, ret, err) < 0)
        return -1;
    ret->backing_format = ret->backing ? "raw" : NULL;
    read_extensions(fd, &h, ret);
    return 0;
}

/* For a capture: the header made anew, and none of a raw image. Of one that is damaged its fixed
 * fields, by which it is found to be. */
static void note_image(struct record *record, int fd, const char *path, const struct image *i)
{
    struct qcow2_header h = {0};
    size_t length = 0;
    cleanup_free void *made = i && i->version ? qcow2_header_of(i, &length) : NULL;
    ssize_t n = i ? 0 : pread(fd, &h, sizeof(h), 0);
    if (n >= QCOW2_V2_LENGTH && be32toh(h.magic) == QCOW2_MAGIC)
        length = be32toh(h.version) == 3 ? (size_t)n : QCOW2_V2_LENGTH;
    record_image(record, path, made ? made : &h, length);
}

/* `st` is of the image. */
static int read_image(const struct root *r, const char *path, const char *format, struct image *ret,
                      struct stat *st, struct error **err)
{
    cleanup_close int fd = open_image(r, path, st, err);
    if (fd < 0)
        return -1;
    struct record *record = root_record(r);
    cleanup_image struct image i = {0};
    uint64_t bytes = file_bytes(fd, st);
    i.allocated_bytes = S_ISBLK(st->st_mode) ? bytes : (uint64_t)st->st_blocks * 512;
    if (strcmp(format, "qcow2") == 0) {
        i.format = "qcow2";
        if (read_qcow2(fd, path, &i, err) < 0) {
            if (record)
                note_image(record, fd, path, NULL);
            return -1;
        }
    } else if (strcmp(format, "raw") == 0) {
        i.format = "raw";
        i.virtual_bytes = bytes;
    } else {
        return error_set(err, "%s: images of format %s are not read", path, format);
    }
    if (record)
        note_image(record, fd, path, &i);
    *ret = i;
    i = (struct image){0};
    return 0;
}

int image_read_below(const struct root *r, const char *path, const char *format, struct image *ret,
                     struct error **err)
{
    struct stat st;
    return read_image(r, path, format, ret, &st, err);
}

int image_read(const char *path, const char *format, struct image *ret, struct error **err)
{
    cleanup_root struct root *machine = root_open(NULL, err);
    return machine ? image_read_below(machine, path, format, ret, err) : -1;
}

const char *image_guess_format(const struct root *r, const char *path)
{
    uint32_t magic;
    struct stat st;
    cleanup_close int fd = open_image(r, path, &st, NULL);
    return fd >= 0 && pread(fd, &magic, sizeof(magic), 0) == sizeof(magic) &&
                   be32toh(magic) == QCOW2_MAGIC
               ? "qcow2"
               : "raw";
}

void image_done(struct image *i)
{
    free(i->backing);
    *i = (struct image){0};
}

bool image_is_allocated(const struct image *i)
{
    return i->allocated_bytes >= i->virtual_bytes - i->virtual_bytes / 100;
}

/* --- Chains ----------------------------------------------------------------------------------- */

static const char *without_file(const char *backing)
{
    return strncmp(backing, "file:", 5) == 0 ? backing + 5 : backing;
}

/* A word before the first slash that ends in a colon is a protocol, to QEMU. */
bool image_backing_is_path(const char *backing)
{
    const char *name = without_file(backing);
    const char *colon = strchr(name, ':'), *slash = strchr(name, '/');
    return !colon || (slash && slash < colon);
}

/* The path that a header's word for the next image means; NULL where it is no path. The caller
 * frees. */
static char *backing_path(const char *path, const char *backing)
{
    const char *name = without_file(backing);
    if (!image_backing_is_path(backing))
        return NULL;
    const char *end = strrchr(path, '/');
    return name[0] == '/' || !end ? xstrdup(name)
                                  : xasprintf("%.*s/%s", (int)(end - path), path, name);
}

static void free_chained(void *data)
{
    struct chained_image *c = data;
    free(c->path);
    image_done(&c->image);
    free(c);
}

/* Images of a chain, and what files these are: the same again is a loop. */
struct chain {
    const struct root *root;
    GPtrArray *images; /* struct chained_image * */
    GArray *files;     /* struct stat */
    bool any_format;   /* an image in a format that is not read ends it, and is no error */
    bool more;         /* such an image, or one that is not a path, is behind the last one */
};

static void done_chain(struct chain *c)
{
    g_ptr_array_unref(c->images);
    g_array_unref(c->files);
}
#define cleanup_chain at_scope_end(done_chain)

static struct chain start_chain(const struct root *r)
{
    return (struct chain){
        .root = r,
        .images = g_ptr_array_new_with_free_func(free_chained),
        .files = g_array_new(FALSE, FALSE, sizeof(struct stat)),
    };
}

static bool has_file(const struct chain *c, const struct stat *st)
{
    for (guint i = 0; i < c->files->len; i++) {
        const struct stat *other = &g_array_index(c->files, struct stat, i);
        if (other->st_dev == st->st_dev && other->st_ino == st->st_ino)
            return true;
    }
    return false;
}

static int add_image(struct chain *c, const char *path, const char *format, struct error **err)
{
    struct stat st;
    cleanup_image struct image image = {0};
    if (read_image(c->root, path, format, &image, &st, err) < 0)
        return -1;
    if (has_file(c, &st))
        return error_set(err, "%s: the images behind it form a loop", path);
    struct chained_image *added = xcalloc(1, sizeof(*added));
    *added = (struct chained_image){.path = xstrdup(path), .image = image};
    image = (struct image){0};
    g_ptr_array_add(c->images, added);
    g_array_append_val(c->files, st);
    return 0;
}

static bool is_read(const char *format)
{
    return strcmp(format, "raw") == 0 || strcmp(format, "qcow2") == 0;
}

/* Reads what is behind an image, which need not be of the chain, down to the end. */
static int follow(struct chain *c, const char *path, const struct image *top, struct error **err)
{
    const struct image *at = top;
    for (unsigned depth = 1; at->backing; depth++) {
        if (depth > IMAGE_CHAIN_MAX)
            return error_set(err, "%s: more than %d images are behind it, or they form a loop",
                             path, IMAGE_CHAIN_MAX);
        cleanup_free char *next = backing_path(path, at->backing);
        c->more = !next || (c->any_format && !is_read(at->backing_format));
        if (c->more)
            return 0;
        if (add_image(c, next, at->backing_format, err) < 0)
            return -1;
        const struct chained_image *last = c->images->pdata[c->images->len - 1];
        path = last->path;
        at = &last->image;
    }
    return 0;
}

int image_chain_depth(const char *path, const struct image *top, unsigned *ret, struct error **err)
{
    cleanup_root struct root *machine = root_open(NULL, err);
    if (!machine)
        return -1;
    cleanup_chain struct chain c = start_chain(machine);
    c.any_format = true;
    if (follow(&c, path, top, err) < 0)
        return error_prefix(err, "in the chain of %s", path);
    *ret = c.images->len + c.more;
    return 0;
}

GPtrArray *image_chain_read(const struct root *r, const char *path, const char *format,
                            struct error **err)
{
    cleanup_chain struct chain c = start_chain(r);
    if (add_image(&c, path, format, err) == 0) {
        const struct chained_image *top = c.images->pdata[0];
        if (follow(&c, top->path, &top->image, err) < 0)
            error_prefix(err, "in the chain of %s", path);
    }
    return g_ptr_array_ref(c.images);
}
