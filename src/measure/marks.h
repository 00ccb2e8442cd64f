/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * marks.h - how far a job has come at each quarter of a second of a whole run, by which it shows
 * whether the speed was steady. Nothing is ended to look: a mark lies between two completions.
 */
#pragma once

#include <stdint.h>

#include "base/clock.h"

#define MARK_NS (NS_PER_SECOND / 4)

struct marks {
    uint64_t next_ns;           /* when the next mark is due */
    uint64_t before_ns, before; /* the last completion before it, and the requests up to that */
    unsigned count, room;
    double *requests; /* done at each mark, the first of which is the start */
};

/* Begins anew; `requests` (a part of one) count as done by then. */
void marks_start(struct marks *m, uint64_t now, double requests);

/* Sets the marks that are due between the last completion and this one. */
void marks_set(struct marks *m, uint64_t now, uint64_t requests);

void marks_done(struct marks *m);

/* So many requests are complete `now`. */
static inline void marks_pass(struct marks *m, uint64_t now, uint64_t requests)
{
    if (requests == m->before)
        return;
    if (now >= m->next_ns)
        marks_set(m, now, requests);
    m->before_ns = now;
    m->before = requests;
}

/* Of several jobs together, as long as all of them were at work: the relative standard deviation of
 * their speed in the quarter seconds, and that in the last against the first, less one. NaN where
 * there were too few to say. */
void marks_steadiness(const struct marks *const *all, unsigned count, double *ret_spread,
                      double *ret_trend);
