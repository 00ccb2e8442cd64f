/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "explain/clocks.h"

#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/memory.h"
#include "host/load.h"
#include "probe/qmp.h"
#include "tune/stage.h"

struct clocks {
    struct stage *stage;
    char **devices; /* of each lane, as QEMU calls it; NULL for the host's */
};

/* --- QEMU's ----------------------------------------------------------------------------------- */

static bool is_of_lane(json_t *block, const struct lane *lane, const char *serial)
{
    json_t *inserted = json_object_get(block, "inserted");
    const char *file = json_string_value(json_object_get(inserted, "file"));
    const char *node = json_string_value(json_object_get(inserted, "node-name"));
    return (file && strcmp(file, lane->path) == 0) || (node && strcmp(node, serial) == 0);
}

static int find_devices(struct clocks *c, struct error **err)
{
    struct stage *s = c->stage;
    cleanup_json json_t *blocks = qmp(s->probe, json_pack("{s:s}", "execute", "query-block"), err);
    if (!blocks)
        return -1;
    for (size_t i = s->host_lanes; i < s->lane_count; i++) {
        cleanup_free char *serial = stage_serial(s, i);
        size_t k;
        json_t *block;
        json_array_foreach (blocks, k, block)
            if (!c->devices[i] && is_of_lane(block, &s->lanes[i], serial) &&
                json_object_get(block, "qdev"))
                c->devices[i] = xstrdup(json_string_value(json_object_get(block, "qdev")));
        if (!c->devices[i] && !s->lanes[i].failure)
            return error_set(err, "QEMU does not know the disk %s", serial);
    }
    return 0;
}

static void add_up(json_t *stats, struct reading *ret)
{
    static const char *const kinds[] = {"rd", "wr", "flush"};
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        cleanup_free char *time = xasprintf("%s_total_time_ns", kinds[i]);
        cleanup_free char *operations = xasprintf("%s_operations", kinds[i]);
        ret->busy_ns[CLOCK_QEMU] += (double)json_integer_value(json_object_get(stats, time));
        ret->requests[CLOCK_QEMU] += (double)json_integer_value(json_object_get(stats, operations));
    }
    ret->known[CLOCK_QEMU] = true;
}

static int read_qemu(struct clocks *c, size_t lane, struct reading *ret, struct error **err)
{
    json_t *command = json_pack("{s:s}", "execute", "query-blockstats");
    cleanup_json json_t *all = qmp(c->stage->probe, command, err);
    size_t i;
    json_t *block;
    json_array_foreach (all, i, block) {
        const char *device = json_string_value(json_object_get(block, "qdev"));
        if (device && strcmp(device, c->devices[lane]) == 0)
            add_up(json_object_get(block, "stats"), ret);
    }
    if (all && !ret->known[CLOCK_QEMU])
        error_set(err, "QEMU has no statistics of %s", c->devices[lane]);
    return ret->known[CLOCK_QEMU] ? 0 : -1;
}

/* --- The others ------------------------------------------------------------------------------- */

static int read_guest(struct clocks *c, size_t lane, struct reading *ret, struct error **err)
{
    cleanup_free char *serial = stage_serial(c->stage, lane);
    json_t *command = json_pack("{s:s, s:s}", "do", "diskstat", "serial", serial);
    cleanup_json json_t *reply = probe_request(c->stage->probe, command, 30 * NS_PER_SECOND, err);
    uint64_t requests, busy_ms;
    if (!reply || protocol_get_u64(reply, "requests", &requests, err) < 0 ||
        protocol_get_u64(reply, "busy_ms", &busy_ms, err) < 0)
        return -1;
    ret->requests[CLOCK_GUEST] = (double)requests;
    ret->busy_ns[CLOCK_GUEST] = (double)busy_ms * NS_PER_MS;
    ret->known[CLOCK_GUEST] = true;
    return 0;
}

static void read_device(struct clocks *c, struct reading *ret)
{
    struct load load;
    if (load_read("", c->stage->options->directory, &load, NULL) < 0)
        return;
    ret->requests[CLOCK_DEVICE] = (double)load.requests;
    ret->busy_ns[CLOCK_DEVICE] = (double)load.busy_ns;
    ret->known[CLOCK_DEVICE] = true;
}

/* --- All of them ------------------------------------------------------------------------------ */

struct clocks *clocks_new(struct stage *stage, struct error **err)
{
    cleanup_clocks struct clocks *c = xcalloc(1, sizeof(*c));
    c->stage = stage;
    c->devices = xcalloc(stage->lane_count, sizeof(*c->devices));
    return find_devices(c, err) == 0 ? TAKE_PTR(c) : NULL;
}

void clocks_free(struct clocks *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->stage->lane_count; i++)
        free(c->devices[i]);
    free(c->devices);
    free(c);
}

int clocks_read(struct clocks *c, size_t lane, struct reading *ret, struct error **err)
{
    *ret = (struct reading){0};
    bool in_guest = c->stage->lanes[lane].candidate != LANE_HOST;
    if (in_guest && (read_guest(c, lane, ret, err) < 0 || read_qemu(c, lane, ret, err) < 0))
        return -1;
    read_device(c, ret);
    return 0;
}

struct reading clocks_between(const struct reading *from, const struct reading *to)
{
    struct reading r;
    for (enum clock i = 0; i < CLOCKS; i++) {
        r.known[i] = from->known[i] && to->known[i];
        r.busy_ns[i] = to->busy_ns[i] - from->busy_ns[i];
        r.requests[i] = to->requests[i] - from->requests[i];
    }
    return r;
}
