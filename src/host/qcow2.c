/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/qcow2.h"

#include <endian.h>
#include <string.h>

#include "base/memory.h"

/* The word that an image is named by from outside, up to its protocol's colon. The caller frees. */
static char *masked_backing(const char *backing)
{
    return image_backing_is_path(backing)
               ? xstrdup(backing)
               : xasprintf("%.*s:masked", (int)strcspn(backing, ":"), backing);
}

static uint32_t crypt_of(const char *encryption)
{
    return !encryption ? 0 : strcmp(encryption, "aes") == 0 ? 1 : 2;
}

static uint64_t flag(bool is_set, uint64_t bit)
{
    return is_set ? bit : 0;
}

static void fill_features(const struct image *i, struct qcow2_header *h)
{
    h->incompatible =
        htobe64(flag(i->dirty, QCOW2_DIRTY) | flag(i->corrupt, QCOW2_CORRUPT) |
                flag(i->data_file, QCOW2_DATA_FILE) | flag(i->extended_l2, QCOW2_EXTENDED_L2));
    h->compatible = htobe64(flag(i->lazy_refcounts, QCOW2_LAZY_REFCOUNTS));
    h->autoclear =
        htobe64(flag(i->bitmaps, QCOW2_BITMAPS) | flag(i->data_file_raw, QCOW2_DATA_FILE_RAW));
    h->refcount_order = htobe32((uint32_t)__builtin_ctz(i->refcount_bits));
    h->header_length = htobe32(QCOW2_V3_LENGTH);
}

/* Its data is padded to whole eights. */
static void append_extension(GByteArray *out, uint32_t type, const void *data, size_t length)
{
    static const uint8_t zeros[8];
    const uint32_t head[] = {htobe32(type), htobe32((uint32_t)length)};
    g_byte_array_append(out, (const uint8_t *)head, sizeof(head));
    g_byte_array_append(out, data, (guint)length);
    g_byte_array_append(out, zeros, (guint)(-length % 8));
}

static void append_extensions(GByteArray *out, const struct image *i)
{
    /* The number, and three more fields that nobody reads. */
    const uint32_t bitmaps[6] = {htobe32(i->bitmaps)};
    if (i->backing)
        append_extension(out, QCOW2_EXTENSION_BACKING_FORMAT, i->backing_format,
                         strlen(i->backing_format));
    if (i->bitmaps)
        append_extension(out, QCOW2_EXTENSION_BITMAPS, bitmaps, sizeof(bitmaps));
    append_extension(out, 0, "", 0);
}

void *qcow2_header_of(const struct image *i, size_t *ret_length)
{
    size_t length = i->version == 2 ? QCOW2_V2_LENGTH : QCOW2_V3_LENGTH;
    GByteArray *out = g_byte_array_new();
    struct qcow2_header h = {
        .magic = htobe32(QCOW2_MAGIC),
        .version = htobe32(i->version),
        .cluster_bits = htobe32((uint32_t)__builtin_ctz(i->cluster_bytes)),
        .size = htobe64(i->virtual_bytes),
        .crypt_method = htobe32(crypt_of(i->encryption)),
        .snapshot_count = htobe32(i->snapshots),
    };
    if (i->version != 2)
        fill_features(i, &h);
    g_byte_array_append(out, (const uint8_t *)&h, (guint)length);
    append_extensions(out, i);
    if (i->backing) {
        cleanup_free char *backing = masked_backing(i->backing);
        h.backing_offset = htobe64(out->len);
        h.backing_length = htobe32((uint32_t)strlen(backing));
        g_byte_array_append(out, (const uint8_t *)backing, (guint)strlen(backing));
    }
    /* A header of version 2 may be shorter than what is read at once of one. */
    memcpy(out->data, &h, length);
    gsize total;
    guint8 *bytes = g_byte_array_steal(out, &total);
    g_byte_array_unref(out);
    *ret_length = total;
    return bytes;
}
