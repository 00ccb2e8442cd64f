/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * field.h - the series of a made-up race, with contenders that point into them.
 */
#pragma once

#include "tune/contest.h"

#define CONTENDERS_MAX 16
#define LANES_MAX 3
#define ROUNDS_MAX 200

struct field {
    size_t count, rounds;
    struct contender contenders[CONTENDERS_MAX];
    double *lanes[CONTENDERS_MAX][LANES_MAX];
    double series[CONTENDERS_MAX][LANES_MAX][ROUNDS_MAX];
};

static inline void field_init(struct field *f, size_t count, size_t lanes, size_t rounds)
{
    f->count = count;
    f->rounds = rounds;
    for (size_t i = 0; i < count; i++) {
        f->contenders[i] = (struct contender){lanes, f->lanes[i], rounds};
        for (size_t k = 0; k < lanes; k++)
            f->lanes[i][k] = f->series[i][k];
    }
}
