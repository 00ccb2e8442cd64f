/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * space.h - the configurations that a disk could have, as combinations of settings.
 *
 * Every setting is an axis with a few values. A space has some values of each; its candidates are
 * all combinations of these that exist, with the reason where a rule is against one. What could
 * lose data that the guest was told is on the disk (cache='unsafe') is no value of any axis.
 */
#pragma once

#include "tune/candidate.h"

enum space_axis {
    SPACE_IMAGE,
    SPACE_CLUSTER,
    SPACE_EXTENDED_L2,
    SPACE_L2_CACHE,
    SPACE_BUS,
    SPACE_IO,
    SPACE_CACHE,
    SPACE_QUEUES,
    SPACE_IOTHREAD,
    SPACE_POLL,
    SPACE_DISCARD,
    SPACE_DETECT_ZEROES,
    SPACE_AXES,
};

struct space {
    unsigned values[SPACE_AXES]; /* a bit for each that the space has; at least one */
    bool allow_host_cache, allow_bus_change;
    unsigned vcpus;
    uint64_t disk_bytes; /* what the guest sees of the disk; 0: not known */
    bool concurrent;     /* the work has several requests in flight */
};

/* How many queues the disk has. */
unsigned space_queues(const struct space *s, const struct disk_config *c);

/* What is varied by default; everything else as on a disk that virt-install makes. */
struct space space_new(void);

/* Vary the axes of a comma list, and no others. An error where there is none of a name. */
int space_vary(struct space *s, const char *list, struct error **err);

/* Fix axes: "cache=directsync,io=native". An error where there is no such axis or value. */
int space_fix(struct space *s, const char *list, struct error **err);

/* Axes and values for people, three lines each. The caller frees. */
char *space_describe(void);

/* An array of struct candidate *, which owns them. */
GPtrArray *space_candidates(const struct space *s, const struct candidate_facts *facts);
