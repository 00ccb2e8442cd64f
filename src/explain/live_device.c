/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "explain/live_device.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/clock.h"
#include "base/memory.h"
#include "measure/disk_stat.h"

/* A sector of these statistics, whatever the device's own are. */
#define SECTOR_BYTES 512
/* A stripe over more disks than these is not listed to its end. */
#define ENDS_MAX 4

/* --- What the kernel prints ------------------------------------------------------------------- */

static uint64_t to_ns(uint64_t ms)
{
    return ms * NS_PER_MS;
}

int live_device_parse(const char *fields, struct live_counts *ret)
{
    struct disk_stat s;
    if (disk_stat_read(fields, &s) < 0)
        return -1;
    *ret = (struct live_counts){
        .at_ns = clock_now_ns(),
        .requests = {s.reads, s.writes, s.flushes},
        .bytes = {s.read_sectors * SECTOR_BYTES, s.written_sectors * SECTOR_BYTES, 0},
        .time_ns = {to_ns(s.read_ms), to_ns(s.write_ms), to_ns(s.flush_ms)},
    };
    return 0;
}

int live_device_of_list(const char *diskstats, const char *name, struct live_counts *ret)
{
    g_auto(GStrv) lines = g_strsplit(diskstats, "\n", -1);
    for (char **line = lines; *line; line++) {
        char found[64];
        int end = 0;
        if (sscanf(*line, "%*u %*u %63s%n", found, &end) == 1 && strcmp(found, name) == 0)
            return live_device_parse(*line + end, ret);
    }
    return -1;
}

/* --- What an agent tells ---------------------------------------------------------------------- */

static uint64_t number(const json_t *stats, const char *key)
{
    json_int_t value = json_integer_value(json_object_get(stats, key));
    return value > 0 ? (uint64_t)value : 0;
}

int live_device_of_agent(const json_t *list, const char *name, struct live_counts *ret)
{
    size_t i;
    json_t *one;
    json_array_foreach (list, i, one) {
        const char *found = json_string_value(json_object_get(one, "name"));
        const json_t *s = json_object_get(one, "stats");
        if (!found || strcmp(found, name) != 0 || !json_object_get(s, "read-ios"))
            continue;
        *ret = (struct live_counts){
            .at_ns = clock_now_ns(),
            .requests = {number(s, "read-ios"), number(s, "write-ios"), number(s, "flush-ios")},
            .bytes = {number(s, "read-sectors") * SECTOR_BYTES,
                      number(s, "write-sectors") * SECTOR_BYTES, 0},
            .time_ns = {to_ns(number(s, "read-ticks")), to_ns(number(s, "write-ticks")),
                        to_ns(number(s, "flush-ticks"))},
        };
        return 0;
    }
    return -1;
}

/* --- Devices of the host ---------------------------------------------------------------------- */

int live_device_read(const struct root *r, dev_t number_of, struct live_counts *ret)
{
    cleanup_free char *path =
        xasprintf("/sys/dev/block/%u:%u/stat", major(number_of), minor(number_of));
    cleanup_free char *text = root_read(r, path);
    return text ? live_device_parse(text, ret) : -1;
}

static void add_once(struct live_disk *d, const struct block_device *b, bool holds)
{
    struct live_device *there = live_disk_find_device(d, b->number);
    if (!there)
        there = live_disk_add_device(d, b->number, b->name, holds);
    there->holds |= holds;
}

void live_device_add_stack(struct live_disk *d, const struct block_device *b)
{
    g_autoptr(GPtrArray) all = stack_all(b);
    unsigned ends = 0;
    add_once(d, b, /* holds = */ true);
    for (guint i = 0; i < all->len && ends < ENDS_MAX; i++) {
        const struct block_device *below = all->pdata[i];
        if (below == b || below->below->len)
            continue;
        add_once(d, below, /* holds = */ false);
        ends++;
    }
}
