/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "explain/explanation.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "measure/stats.h"
#include "tune/stage.h"

static const struct {
    const char *id, *name;
} kinds[] = {
    [LAYER_GUEST] = {"guest", "program, guest's kernel"},
    [LAYER_FILESYSTEM] = {"filesystem", "guest's file system"},
    [LAYER_VIRTIO] = {"virtio", "virtio, exit, interrupt"},
    [LAYER_THROTTLE] = {"throttle", "limits (iotune)"},
    [LAYER_ALLOCATION] = {"allocation", "allocation of clusters"},
    [LAYER_FORMAT] = {"format", "image format"},
    [LAYER_AIO] = {"aio", "QEMU's block layer, AIO"},
    [LAYER_KERNEL] = {"kernel", "QEMU, AIO, host's kernel"},
    [LAYER_CACHE] = {"cache", "QEMU, host's page cache"},
    [LAYER_HOST] = {"host", "host's file system"},
    [LAYER_DEVICE] = {"device", "device"},
    [LAYER_UNEXPLAINED] = {"unexplained", "unexplained"},
};

const char *layer_id(enum layer_kind kind)
{
    return kinds[kind].id;
}

const char *layer_name(enum layer_kind kind)
{
    return kinds[kind].name;
}

enum layer_kind layer_of_variant(enum variant_role role)
{
    static const enum layer_kind layers[] = {
        [VARIANT_DISK] = LAYER_UNEXPLAINED, [VARIANT_FILE] = LAYER_FILESYSTEM,
        [VARIANT_FREE] = LAYER_THROTTLE,    [VARIANT_WRITTEN] = LAYER_ALLOCATION,
        [VARIANT_RAW] = LAYER_FORMAT,       [VARIANT_FLOOR] = LAYER_VIRTIO,
        [VARIANT_AIO] = LAYER_AIO,          [VARIANT_THREAD] = LAYER_VIRTIO,
        [VARIANT_CACHE] = LAYER_CACHE,      [VARIANT_TABLES] = LAYER_FORMAT,
    };
    return layers[role];
}

/* --- Series ----------------------------------------------------------------------------------- */

/* The location of a series, which may be NULL: not measured. */
static struct interval locate(const double *series, size_t count)
{
    struct stats_location l = stats_location(series, series ? count : 0);
    double half = stats_t_quantile(0.975, l.dof >= 1 ? l.dof : 1) * l.se;
    return (struct interval){l.robust, l.robust - half, l.robust + half};
}

/* What is cut, and what it is cut by. */
struct cut {
    const struct stage *stage;
    const GPtrArray *variants;
    const struct rounds *rounds;
    struct explanation *result;
    double *rest; /* of each round: what the layers so far leave */
};

/* The lane of the first variant with this role; -1 where there is none that runs. */
static int find_lane(const struct cut *c, int variant)
{
    const struct stage *s = c->stage;
    for (size_t i = s->host_lanes; variant >= 0 && i < s->lane_count; i++)
        if (s->lanes[i].candidate == variant && !s->lanes[i].failure)
            return (int)i;
    return -1;
}

static int lane_of_role(const struct cut *c, enum variant_role role)
{
    return find_lane(c, variants_find(c->variants, role));
}

static const double *program(const struct cut *c, int lane)
{
    return lane >= 0 ? c->rounds->lanes[lane].program : NULL;
}

static const double *inside(const struct cut *c, int lane, enum clock clock)
{
    return lane >= 0 ? c->rounds->lanes[lane].inside[clock] : NULL;
}

/* Adds a layer that takes `more` less `less`, series of which the second may be NULL for nothing;
 * it is left to the unexplained where the first is. */
static void add_layer(struct cut *c, enum layer_kind kind, const char *measured, const double *more,
                      const double *less)
{
    size_t count = c->rounds->count;
    cleanup_free double *series = xcalloc(count, sizeof(*series));
    for (size_t i = 0; more && i < count; i++) {
        series[i] = more[i] - (less ? less[i] : 0);
        /* One that has no clock, as the device of tmpfs, is no layer. */
        if (isnan(series[i]))
            return;
    }
    if (!more)
        return;
    for (size_t i = 0; i < count; i++)
        c->rest[i] -= series[i];
    c->result->layers[c->result->layer_count++] =
        (struct layer){.kind = kind, .measured = measured, .ns = locate(series, count)};
}

/* --- The layers ------------------------------------------------------------------------------- */

/* Below the format: what the host and its device take where the host's own file says so. */
static void cut_below(struct cut *c, int raw)
{
    const double *qemu = inside(c, raw, CLOCK_QEMU), *host = program(c, 0);
    const struct variant *v = c->variants->pdata[0];
    if (!disk_config_is_direct(&v->candidate.config)) {
        add_layer(c, LAYER_CACHE, "QEMU's clock", qemu, NULL);
        return;
    }
    const double *host_device = inside(c, 0, CLOCK_DEVICE),
                 *raw_device = inside(c, raw, CLOCK_DEVICE);
    bool has_device = !isnan(host_device[0]);
    if (c->rounds->in_flight > 1) {
        add_layer(c, LAYER_KERNEL, has_device ? "QEMU less the device" : "QEMU's clock", qemu,
                  has_device ? raw_device : NULL);
    } else {
        add_layer(c, LAYER_AIO, "raw less the host's file", qemu, host);
        add_layer(c, LAYER_HOST, has_device ? "host's file less device" : "the host's file", host,
                  has_device ? host_device : NULL);
    }
    add_layer(c, LAYER_DEVICE, "the device's clock", raw_device, NULL);
}

/* The disk as it would be without its limits: the disk itself where it has none. */
static int free_lane(const struct cut *c, int disk)
{
    int lane = lane_of_role(c, VARIANT_FREE);
    return lane >= 0 ? lane : disk;
}

/* Where the program works: on a file, or on the disk itself. */
static int top_lane(const struct cut *c, int disk)
{
    int lane = lane_of_role(c, VARIANT_FILE);
    return lane >= 0 ? lane : disk;
}

static void cut_layers(struct cut *c, int top, int disk)
{
    int floor = lane_of_role(c, VARIANT_FLOOR), written = lane_of_role(c, VARIANT_WRITTEN);
    int raw = lane_of_role(c, VARIANT_RAW), limited = disk;
    disk = free_lane(c, limited);
    int base = written >= 0 ? written : disk;
    add_layer(c, LAYER_GUEST, "program's, guest's clock", program(c, limited),
              inside(c, limited, CLOCK_GUEST));
    if (top != limited)
        add_layer(c, LAYER_FILESYSTEM, "less the disk itself", program(c, top),
                  program(c, limited));
    /* Where there is no such disk, or its queues are others, its own two clocks have to do. */
    int own = floor >= 0 && c->rounds->in_flight == 1 ? floor : limited;
    add_layer(c, LAYER_VIRTIO,
              own == floor ? "nothing behind the disk" : "clocks of guest and QEMU",
              inside(c, own, CLOCK_GUEST), inside(c, own, CLOCK_QEMU));
    if (limited != disk)
        add_layer(c, LAYER_THROTTLE, "less a disk without", inside(c, limited, CLOCK_QEMU),
                  inside(c, disk, CLOCK_QEMU));
    if (written >= 0)
        add_layer(c, LAYER_ALLOCATION, "less an allocated disk", inside(c, disk, CLOCK_QEMU),
                  inside(c, base, CLOCK_QEMU));
    if (raw >= 0)
        add_layer(c, LAYER_FORMAT, "less a raw image", inside(c, base, CLOCK_QEMU),
                  inside(c, raw, CLOCK_QEMU));
    cut_below(c, raw >= 0 ? raw : base);
}

/* What is left is so in the table, too: the locations of the layers need not add up as their means
 * do, and by how much they do not is part of the interval. */
static void close_sum(struct cut *c)
{
    struct explanation *e = c->result;
    struct interval rest = locate(c->rest, c->rounds->count);
    double half = (rest.high - rest.low) / 2, left = e->guest_ns.value;
    for (size_t i = 0; i < e->layer_count; i++)
        left -= e->layers[i].ns.value;
    half = fmax(half, fabs(left - rest.value));
    e->layers[e->layer_count++] = (struct layer){
        .kind = LAYER_UNEXPLAINED,
        .measured = e->in_flight > 1 ? "nothing, by construction" : "what the others leave",
        .ns = {left, left - half, left + half},
    };
    for (size_t i = 0; i < e->layer_count; i++) {
        struct layer *l = &e->layers[i];
        l->share = l->ns.value / e->guest_ns.value;
        l->is_zero = l->ns.low <= 0 && l->ns.high >= 0;
    }
}

/* --- Beside them ------------------------------------------------------------------------------ */

static void fill_effects(struct cut *c, int disk)
{
    struct explanation *e = c->result;
    size_t count = c->rounds->count;
    cleanup_free double *change = xcalloc(count, sizeof(*change));
    e->effects = xcalloc(c->variants->len, sizeof(*e->effects));
    for (guint i = 1; i < c->variants->len; i++) {
        const struct variant *v = c->variants->pdata[i];
        struct effect *effect = &e->effects[e->effect_count++];
        *effect = (struct effect){.variant = v, .failure = v->candidate.left_out};
        const double *own = program(c, find_lane(c, (int)i));
        for (size_t k = c->stage->host_lanes; !effect->failure && k < c->stage->lane_count; k++)
            if (c->stage->lanes[k].candidate == (int)i)
                effect->failure = c->stage->lanes[k].failure;
        bool has_limits = v->role == VARIANT_FREE || v->role == VARIANT_FILE;
        int base = has_limits ? disk : free_lane(c, disk);
        for (size_t k = 0; own && k < count; k++)
            change[k] = own[k] - program(c, base)[k];
        effect->ns = locate(own, count);
        effect->change_ns = locate(own ? change : NULL, count);
    }
}

static void fill_depths(struct cut *c, int disk)
{
    const struct lane_rounds *l = &c->rounds->lanes[disk];
    int raw = lane_of_role(c, VARIANT_RAW);
    for (enum clock i = 0; i < CLOCKS; i++) {
        bool known = !isnan(l->inside[i][0]);
        c->result->depth[i] = known ? rounds_depth(c->rounds, (size_t)disk, i) : NAN;
        /* The device is that of the layer, beside the raw image. */
        const struct lane_rounds *of =
            &c->rounds->lanes[i == CLOCK_DEVICE && raw >= 0 ? raw : disk];
        c->result->split[i] = known ? of->requests[i] / of->issued : NAN;
    }
}

struct explanation *explanation_new(const struct stage *stage, const GPtrArray *variants,
                                    const struct rounds *rounds, struct error **err)
{
    cleanup_explanation struct explanation *e = xcalloc(1, sizeof(*e));
    struct cut c = {.stage = stage, .variants = variants, .rounds = rounds, .result = e};
    int disk = find_lane(&c, 0);
    if (disk < 0) {
        error_set(err, "the disk cannot be had as it is: %s",
                  stage->lane_count > stage->host_lanes && stage->lanes[stage->host_lanes].failure
                      ? stage->lanes[stage->host_lanes].failure
                      : "its configuration is left out");
        return NULL;
    }
    e->rounds = rounds->count;
    e->in_flight = rounds->in_flight;
    int top = top_lane(&c, disk);
    const double *whole = program(&c, top);
    const struct variant *worked_on = variants->pdata[stage->lanes[top].candidate];
    e->filesystem = worked_on->candidate.filesystem;
    e->guest_ns = locate(whole, rounds->count);
    e->host_ns = locate(program(&c, 0), rounds->count);
    cleanup_free double *rest = xcalloc(rounds->count, sizeof(*rest));
    memcpy(rest, whole, rounds->count * sizeof(*rest));
    c.rest = rest;
    cut_layers(&c, top, disk);
    close_sum(&c);
    fill_effects(&c, disk);
    fill_depths(&c, disk);
    return TAKE_PTR(e);
}

void explanation_free(struct explanation *e)
{
    if (!e)
        return;
    free(e->effects);
    free(e);
}
