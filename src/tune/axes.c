/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tune/axes.h"

#include <assert.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"

/* --- What a value does ------------------------------------------------------------------------ */

static void set_image(const struct space *s, unsigned value, struct disk_config *c)
{
    static const struct {
        const char *format, *preallocation;
    } images[] = {{"qcow2", "off"}, {"qcow2", "falloc"}, {"raw", "falloc"}, {"qcow2", "metadata"}};
    (void)s;
    c->format = images[value].format;
    c->preallocation = images[value].preallocation;
}

static void set_cluster(const struct space *s, unsigned value, struct disk_config *c)
{
    uint64_t bytes = 0;
    (void)s;
    text_parse_size(axes[SPACE_CLUSTER].values[value], &bytes, NULL);
    c->cluster_bytes = value ? (uint32_t)bytes : 0;
}

static void set_extended_l2(const struct space *s, unsigned value, struct disk_config *c)
{
    (void)s;
    c->extended_l2 = value;
}

static void set_l2_cache(const struct space *s, unsigned value, struct disk_config *c)
{
    c->metadata_cache_bytes = value ? disk_config_full_cache_bytes(c, s->disk_bytes) : 0;
}

static void set_bus(const struct space *s, unsigned value, struct disk_config *c)
{
    (void)s;
    c->bus = axes[SPACE_BUS].values[value];
}

static void set_io(const struct space *s, unsigned value, struct disk_config *c)
{
    (void)s;
    c->io = axes[SPACE_IO].values[value];
}

static void set_cache(const struct space *s, unsigned value, struct disk_config *c)
{
    (void)s;
    c->cache = axes[SPACE_CACHE].values[value];
}

static void set_queues(const struct space *s, unsigned value, struct disk_config *c)
{
    (void)s;
    c->queues = value;
}

static void set_iothread(const struct space *s, unsigned value, struct disk_config *c)
{
    c->iothread = value > 0;
    c->iothreads = value == 2 ? space_queues(s, c) : 0;
}

static void set_poll(const struct space *s, unsigned value, struct disk_config *c)
{
    static const int64_t times_ns[] = {0, DISK_POLL_OFF, 200000};
    (void)s;
    c->poll_max_ns = times_ns[value];
}

static void set_discard(const struct space *s, unsigned value, struct disk_config *c)
{
    (void)s;
    c->discard = value;
}

static void set_detect_zeroes(const struct space *s, unsigned value, struct disk_config *c)
{
    (void)s;
    c->detect_zeroes = value;
}

/* --- The table -------------------------------------------------------------------------------- */

const struct axis axes[SPACE_AXES] = {
    [SPACE_IMAGE] =
        {"image",
         {"qcow2", "qcow2-prealloc", "raw", "qcow2-meta"},
         3,
         set_image,
         "format; qcow2-prealloc and raw have all blocks allocated, qcow2-meta its tables"},
    [SPACE_CLUSTER] = {"cluster",
                       {"64k", "128k", "256k", "512k", "1m", "2m"},
                       1,
                       set_cluster,
                       "cluster size of qcow2"},
    [SPACE_EXTENDED_L2] =
        {"extended_l2", {"no", "yes"}, 1, set_extended_l2, "qcow2 allocates clusters in 32 parts"},
    [SPACE_L2_CACHE] = {"l2_cache",
                        {"default", "full"},
                        1,
                        set_l2_cache,
                        "what QEMU keeps of qcow2's tables; full: all, of a disk that outgrows it"},
    [SPACE_BUS] = {"bus",
                   {"virtio", "scsi"},
                   1,
                   set_bus,
                   "virtio-blk, or a virtio-scsi controller; only with --allow-bus-change"},
    [SPACE_IO] =
        {"io", {"threads", "native", "io_uring"}, 3, set_io, "how QEMU does asynchronous I/O"},
    [SPACE_CACHE] = {"cache",
                     {"none", "directsync", "writeback", "writethrough"},
                     1,
                     set_cache,
                     "the last two only with --allow-host-cache"},
    [SPACE_QUEUES] = {"queues", {"vcpus", "1"}, 1, set_queues, "request queues of the disk"},
    [SPACE_IOTHREAD] =
        {"iothread",
         {"no", "yes", "perqueue"},
         2,
         set_iothread,
         "a thread of its own serves the disk; perqueue: one for each of its queues"},
    [SPACE_POLL] = {"poll",
                    {"default", "off", "200us"},
                    1,
                    set_poll,
                    "how long an iothread polls for the next request; QEMU's default is 33 us"},
    [SPACE_DISCARD] =
        {"discard", {"ignore", "unmap"}, 1, set_discard, "what the guest discards is given back"},
    [SPACE_DETECT_ZEROES] = {"detect_zeroes",
                             {"off", "on"},
                             1,
                             set_detect_zeroes,
                             "zeros become holes or zero clusters; costs CPU for each write"},
};
static_assert(ARRAY_SIZE(axes) == SPACE_AXES, "a row for each axis");

unsigned axis_count(enum space_axis axis)
{
    unsigned count = 0;
    while (axes[axis].values[count])
        count++;
    return count;
}

unsigned axis_place_of(enum space_axis axis, const struct space *s, const struct disk_config *c)
{
    unsigned count = axis_count(axis), place = 0;
    for (; place < count; place++) {
        struct disk_config other = *c;
        axes[axis].set(s, place, &other);
        if (disk_config_equal(&other, c))
            break;
    }
    return place;
}

/* --- By name ---------------------------------------------------------------------------------- */

static char *list_axes(void)
{
    g_autoptr(GString) list = g_string_new(NULL);
    for (int i = 0; i < SPACE_AXES; i++)
        g_string_append_printf(list, "%s%s", i ? ", " : "", axes[i].name);
    return xstrdup(list->str);
}

int axis_find(const char *name, enum space_axis *ret, struct error **err)
{
    for (int i = 0; i < SPACE_AXES; i++) {
        if (strcmp(axes[i].name, name) != 0)
            continue;
        *ret = (enum space_axis)i;
        return 0;
    }
    cleanup_free char *known = list_axes();
    error_set(err, "there is no axis '%s'", name);
    return error_hint(err, "the axes are %s", known);
}

int axis_find_value(enum space_axis axis, const char *value, unsigned *ret, struct error **err)
{
    g_autoptr(GString) known = g_string_new(NULL);
    for (unsigned i = 0; i < axis_count(axis); i++) {
        if (strcmp(axes[axis].values[i], value) == 0) {
            *ret = i;
            return 0;
        }
        g_string_append_printf(known, "%s%s", i ? ", " : "", axes[axis].values[i]);
    }
    error_set(err, "%s is never '%s'", axes[axis].name, value);
    return error_hint(err, "%s is one of %s", axes[axis].name, known->str);
}
