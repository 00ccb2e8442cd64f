/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * axes.h - the settings of a disk, and what each of them can be.
 */
#pragma once

#include "tune/space.h"

#define AXIS_VALUES_MAX 6
/* One place more, behind its own values, is for that of a current disk which is none of them. */
#define AXIS_PLACES (AXIS_VALUES_MAX + 1)

struct axis {
    const char *name;
    /* The first is that of a disk that virt-install makes, which an axis has that is neither
     * varied nor fixed. */
    const char *values[AXIS_VALUES_MAX + 1];
    unsigned usual; /* so many, from the first on, it has unless told otherwise */
    /* Gives the disk the value in this place. Called for one axis after another, in their order:
     * a value may depend on those of axes before. */
    void (*set)(const struct space *s, unsigned value, struct disk_config *c);
    const char *what;
};

extern const struct axis axes[SPACE_AXES];

/* The value of the axis that the configuration has; axis_count() where it is none of them. */
unsigned axis_place_of(enum space_axis axis, const struct space *s, const struct disk_config *c);

/* How many values it has. */
unsigned axis_count(enum space_axis axis);

/* The axis of this name, and the place of a value. Errors: there is none, with those that there
 * are. */
int axis_find(const char *name, enum space_axis *ret, struct error **err);
int axis_find_value(enum space_axis axis, const char *value, unsigned *ret, struct error **err);
