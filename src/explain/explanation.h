/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * explanation.h - where a request's time goes, layer by layer.
 *
 * Theory of operation. The clocks at the boundaries (clocks.h) tell how long a request of the disk
 * is inside of the guest's block layer, QEMU and the device; the host's own file tells how long the
 * same request takes there without a guest; and disks beside the explained one, each different from
 * it in one layer alone (variants.h), tell what that layer adds. With T the time of a request of
 * the program, and G, Q, D that inside of guest, QEMU and device:
 *
 * - guest is T - G of the disk: the program, its system call, the guest's kernel above its block
 *   layer;
 * - filesystem is T on a file of a like disk with a file system on it, less T on the disk itself:
 *   all that it adds, the requests for its own tables included. All else is of the disk itself;
 * - virtio is G - Q of the disk with nothing behind it: the guest's driver, the exit, the
 *   notifications of both directions;
 * - throttle is Q of the disk less Q of one without its limits; where it has any, and then "the
 *   disk" below is the one without;
 * - allocation is Q of the disk less Q of one whose clusters are allocated; of first writes alone;
 * - format is Q of that less Q of a raw image;
 * - aio is Q of the raw image less T of the host's own file: QEMU's block layer, and its way into
 *   the host's kernel;
 * - host is T of the host's own file less D beside it: system call and file system;
 * - device is D beside the raw image's own slices: what the device does for tables, or for
 *   clusters, is in the layers that ask for it.
 *
 * No two of these are parts of one subtraction, so what they leave of T is not zero by
 * construction: it is the unexplained rest, and is given as such. It holds what the layers do to
 * each other: the event loop that sleeps while the device works and has to be woken, which a disk
 * with nothing behind it never does; caches that are cold by then; and what the device does
 * otherwise for the guest than for the host.
 *
 * With several requests in flight each time is that of a request in a layer, waiting for the others
 * included, and by Little's law goes with how many are there at a time. On the host's own file all
 * of them are in the host's kernel, on a disk with nothing behind it all are before QEMU: neither
 * has the queues of the disk, and neither's time is a part of its. Then virtio is G - Q of the disk
 * itself, and "kernel" takes the place of aio and host: Q of the raw image less D beside it, and
 * the sum is T by construction.
 *
 * A disk that uses the host's page cache has no such counterpart on the host, whose work goes round
 * that. There "cache" takes the place of aio, host and device: all that QEMU waits for below the
 * format.
 *
 * All are differences within a round, whose slices share the weather.
 */
#pragma once

#include "explain/rounds.h"
#include "explain/variants.h"
#include "tune/contest.h"

enum layer_kind {
    LAYER_GUEST,
    LAYER_FILESYSTEM,
    LAYER_VIRTIO,
    LAYER_THROTTLE,
    LAYER_ALLOCATION,
    LAYER_FORMAT,
    LAYER_AIO,
    LAYER_KERNEL,
    LAYER_CACHE,
    LAYER_HOST,
    LAYER_DEVICE,
    LAYER_UNEXPLAINED,
    LAYERS,
};

struct layer {
    enum layer_kind kind;
    const char *measured; /* how, one line; static */
    struct interval ns;   /* of one request: robust location and its 95 % interval */
    double share;         /* of the request's time */
    bool is_zero;         /* for all that the interval tells */
};

/* What a variant came to. */
struct effect {
    const struct variant *variant;
    const char *failure;       /* why it has no figure, or NULL */
    struct interval ns;        /* a request of the program on it */
    struct interval change_ns; /* less that on the disk itself (without its limits, but where the
                                * variant is that, or has them): below 0 it is faster */
};

struct explanation {
    size_t rounds;
    unsigned in_flight;     /* as set */
    double depth[CLOCKS];   /* as found inside of each boundary of the disk; NaN: not known */
    double split[CLOCKS];   /* requests there for one of the program, the device's for one on the
                             * raw image; NaN: not known */
    const char *filesystem; /* the guest's, on a file of which the program works; NULL: on the disk
                             * itself */
    struct interval guest_ns; /* a request of the program, on that in the guest */
    struct interval host_ns;  /* on the host's own file */
    size_t layer_count;
    struct layer layers[LAYERS]; /* from the program down; the last is what is unexplained */
    size_t effect_count;
    struct effect *effects; /* of the variants but the disk itself */
};

/* What a layer is called in JSON, what in a table; static. */
const char *layer_id(enum layer_kind kind);
const char *layer_name(enum layer_kind kind);

/* The layer that a variant with this role differs in. */
enum layer_kind layer_of_variant(enum variant_role role);

/* Cuts the time of a request on the first of the variants, the disk; the stage has a lane for each
 * that can be had. Refers to the variants. Errors: the disk itself could not be measured. The
 * caller frees. */
struct explanation *explanation_new(const struct stage *stage, const GPtrArray *variants,
                                    const struct rounds *rounds, struct error **err);
void explanation_free(struct explanation *e);
CLEANUP_PTR(cleanup_explanation_handler, struct explanation, explanation_free)
#define cleanup_explanation at_scope_end(cleanup_explanation_handler)
