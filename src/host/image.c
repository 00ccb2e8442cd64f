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

#define QCOW2_MAGIC 0x514649fbu
/* Incompatible feature bit 4: extended L2 entries. */
#define QCOW2_EXTENDED_L2 (UINT64_C(1) << 4)
#define BACKING_NAME_MAX 1023
/* A header extension whose text is the format of the backing image. */
#define EXTENSION_BACKING_FORMAT 0xe2792acau
#define EXTENSIONS_MAX 16

/* Big endian. */
struct __attribute__((packed)) qcow2_header {
    uint32_t magic, version;
    uint64_t backing_offset;
    uint32_t backing_length, cluster_bits;
    uint64_t size;
    uint32_t crypt_method, l1_size;
    uint64_t l1_offset, refcount_offset;
    uint32_t refcount_clusters, snapshot_count;
    uint64_t snapshot_offset;
    uint64_t incompatible, compatible, autoclear;
    uint32_t refcount_order, header_length; /* these five are not in version 2 */
};
#define QCOW2_V2_LENGTH 72

/* --- One image -------------------------------------------------------------------------------- */

/* O_NONBLOCK: a path that is a FIFO must not keep us waiting. */
static int open_image(const char *path, struct stat *st, struct error **err)
{
    cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
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

/* What the header says of the backing image's format, in the few extensions behind it. Where it
 * says nothing it is raw, as libvirt has it: QEMU would look, and a guest can write any header. */
static bool says_qcow2(int fd, const struct qcow2_header *h)
{
    off_t at = be32toh(h->version) == 2 ? QCOW2_V2_LENGTH : be32toh(h->header_length);
    for (int i = 0; i < EXTENSIONS_MAX; i++) {
        struct {
            uint32_t type, length;
            char text[8];
        } e = {0};
        if (pread(fd, &e, sizeof(e), at) < (ssize_t)sizeof(uint64_t) || !e.type)
            return false;
        if (be32toh(e.type) == EXTENSION_BACKING_FORMAT)
            return be32toh(e.length) == strlen("qcow2") && memcmp(e.text, "qcow2", 5) == 0;
        at += 8 + ((off_t)be32toh(e.length) + 7) / 8 * 8;
    }
    return false;
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
    ret->backing_format = says_qcow2(fd, h) ? "qcow2" : "raw";
    return 0;
}

static int read_qcow2(int fd, const char *path, struct image *ret, struct error **err)
{
    struct qcow2_header h = {0};
    ssize_t n = pread(fd, &h, sizeof(h), 0);
    if (n < 0)
        return error_set_errno(err, errno, "cannot read the header of %s", path);
    uint32_t version = be32toh(h.version), bits = be32toh(h.cluster_bits);
    if (n < QCOW2_V2_LENGTH || be32toh(h.magic) != QCOW2_MAGIC)
        return error_set(err, "%s is no qcow2 image", path);
    if (version != 2 && version != 3)
        return error_set(err, "%s: qcow2 of version %u is not known", path, version);
    /* docs/interop/qcow2: at least 9; QEMU's limit is 21 (2 MiB). */
    if (bits < 9 || bits > 21)
        return error_set(err, "%s: clusters of 2^%u bytes are none of qcow2's", path, bits);
    ret->virtual_bytes = be64toh(h.size);
    ret->cluster_bytes = 1u << bits;
    ret->extended_l2 = version == 3 && be64toh(h.incompatible) & QCOW2_EXTENDED_L2;
    return read_backing(fd, path, &h, ret, err);
}

int image_read(const char *path, const char *format, struct image *ret, struct error **err)
{
    struct stat st;
    cleanup_close int fd = open_image(path, &st, err);
    if (fd < 0)
        return -1;
    cleanup_image struct image i = {0};
    uint64_t bytes = file_bytes(fd, &st);
    i.allocated_bytes = S_ISBLK(st.st_mode) ? bytes : (uint64_t)st.st_blocks * 512;
    if (strcmp(format, "qcow2") == 0) {
        i.format = "qcow2";
        if (read_qcow2(fd, path, &i, err) < 0)
            return -1;
    } else if (strcmp(format, "raw") == 0) {
        i.format = "raw";
        i.virtual_bytes = bytes;
    } else {
        return error_set(err, "%s: images of format %s are not read", path, format);
    }
    *ret = i;
    i = (struct image){0};
    return 0;
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

/* The path that a header's word for the next image means; NULL where it is no path. The caller
 * frees. */
static char *backing_path(const char *path, const char *backing)
{
    const char *name = strncmp(backing, "file:", 5) == 0 ? backing + 5 : backing;
    const char *colon = strchr(name, ':'), *slash = strchr(name, '/');
    /* A word before the first slash that ends in a colon is a protocol, to QEMU. */
    if (colon && (!slash || colon < slash))
        return NULL;
    const char *end = strrchr(path, '/');
    return name[0] == '/' || !end ? xstrdup(name)
                                  : xasprintf("%.*s/%s", (int)(end - path), path, name);
}

int image_chain_depth(const char *path, const struct image *top, unsigned *ret, struct error **err)
{
    unsigned depth = 0;
    cleanup_free char *at = xstrdup(path);
    cleanup_free char *backing = top->backing ? xstrdup(top->backing) : NULL;
    const char *format = top->backing_format;
    while (backing) {
        if (++depth > IMAGE_CHAIN_MAX)
            return error_set(err, "%s: more than %d images are behind it, or they form a loop",
                             path, IMAGE_CHAIN_MAX);
        char *next = backing_path(at, backing);
        free(at);
        at = next;
        if (!at)
            break;
        cleanup_image struct image image = {0};
        if (image_read(at, format, &image, err) < 0)
            return error_prefix(err, "in the chain of %s", path);
        free(backing);
        backing = TAKE_PTR(image.backing);
        format = image.backing_format;
    }
    *ret = depth;
    return 0;
}
