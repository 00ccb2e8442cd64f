/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz-image.c - the header of an image is refused with an error, or has values that qcow2 allows;
 * nor does what it says of others do any harm.
 */
#undef NDEBUG
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/file.h"
#include "base/memory.h"
#include "host/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_chain(const char *path)
{
    cleanup_root struct root *machine = root_open(NULL, NULL);
    cleanup_error struct error *err = NULL;
    g_autoptr(GPtrArray) chain = image_chain_read(machine, path, "qcow2", &err);
    assert(chain && chain->len >= 1 && chain->len <= IMAGE_CHAIN_MAX + 1);
    for (guint i = 0; i < chain->len; i++) {
        const struct chained_image *c = chain->pdata[i];
        assert(c->path && c->image.format);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cleanup_close int fd = memfd_create("image", MFD_CLOEXEC);
    assert(fd >= 0 && file_write_all(fd, data, size) == 0);
    cleanup_free char *path = xasprintf("/proc/self/fd/%d", fd);
    cleanup_error struct error *err = NULL;
    cleanup_image struct image image = {0};
    int r = image_read(path, "qcow2", &image, &err);
    assert(!r == !err);
    if (r < 0)
        return 0;
    assert(image.cluster_bytes >= 512 && image.cluster_bytes <= 2 << 20);
    assert((image.cluster_bytes & (image.cluster_bytes - 1)) == 0);
    assert(!image.backing == !image.backing_format);
    assert(!image.backing || strlen(image.backing) <= 1023);
    assert(image.version == 3 || (image.version == 2 && image.refcount_bits == 16));
    assert(image.refcount_bits >= 1 && image.refcount_bits <= 64);
    assert(image.data_file || !image.data_file_raw);
    (void)image_is_allocated(&image);
    unsigned depth = 0;
    r = image_chain_depth(path, &image, &depth, &err);
    assert(!r == !err && depth <= IMAGE_CHAIN_MAX && (image.backing || depth == 0));
    check_chain(path);
    return 0;
}
