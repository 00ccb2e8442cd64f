/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * space.h - the configurations that a disk could have, as combinations of settings.
 *
 * Every setting is an axis with a few values. A space has some values of each; its candidates are
 * all combinations of these that exist, with the reason where a rule is against one. What could
 * lose data that the guest was told is on the disk (cache='unsafe') is no value of any axis.
 *
 * A space is that of a new disk, or lies around one that there is: what is neither varied nor fixed
 * is then as it is on that disk, which is a candidate itself.
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
    unsigned varied, fixed;      /* a bit for each axis that is */
    bool named;                  /* what is varied was asked for by name */
    bool allow_host_cache, allow_bus_change, allow_image_conversion;
    const struct disk_config *current; /* of the disk that there is; NULL: it is a new one */
    unsigned vcpus;
    unsigned unasked_queues; /* that the current disk would have unasked; 0: not known */
    uint64_t disk_bytes;     /* what the guest sees of the disk; 0: not known */
    bool concurrent;         /* the work has several requests in flight */
};

/* How many queues the disk has. */
unsigned space_queues(const struct space *s, const struct disk_config *c);

/* What is varied by default; everything else as on a disk that virt-install makes. */
struct space space_new(void);

/* Vary the axes of a comma list, and no others. An error where there is none of a name. */
int space_vary(struct space *s, const char *list, struct error **err);

/* Fix axes: "cache=directsync,io=native". An error where there is no such axis or value. */
int space_fix(struct space *s, const char *list, struct error **err);

/* Go out from a disk that there is; `current`, and its strings, outlive the space's candidates.
 *
 * An axis that is neither varied nor fixed has the current value. It need not be one of the axis: a
 * cluster size of 4 KiB or queues='3' is then one value more, which a varied axis has besides its
 * own. Two things are not kept like that. Other images are offered by allow_image_conversion alone:
 * unless it is set, the axis image is varied only where it was asked for by name, and then to say
 * so. And where the disk uses the host's cache, cache='none' is in the space as well, because
 * everything else about such a disk matters less than that.
 *
 * Attributes that the XML does not have are in `current` as what they come to: io='threads' and
 * cache='writeback'. */
void space_start_from(struct space *s, const struct disk_config *current);

/* A current disk as its candidate has it: what comes to the same is written the same, so that it is
 * known again among values, two of the same are one, and nothing differs that makes no difference.
 */
struct disk_config space_normal_form(const struct space *s, const struct disk_config *current);

/* Axes and values for people, three lines each. The caller frees. */
char *space_describe(void);

/* An array of struct candidate *, which owns them. Around a current disk the first is that, with
 * the id "current"; no rule but one by which it could not be run, or not be trusted, leaves it out,
 * and no other is the same. */
GPtrArray *space_candidates(const struct space *s, const struct candidate_facts *facts);
