/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "measure/marks.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"

/* Fewer quarter seconds say nothing about steadiness. */
#define QUARTERS_MIN 4

static void add(struct marks *m, double requests)
{
    if (m->count == m->room) {
        m->room = m->room ? m->room * 2 : 64;
        m->requests = xreallocarray(m->requests, m->room, sizeof(*m->requests));
    }
    m->requests[m->count++] = requests;
}

void marks_start(struct marks *m, uint64_t now, double requests)
{
    m->next_ns = now + MARK_NS;
    m->before_ns = now;
    m->before = 0;
    m->count = 0;
    add(m, requests);
}

/* What is under way at a mark counts as far as its time had gone by, so that few large requests are
 * as steady as many small ones. */
void marks_set(struct marks *m, uint64_t now, uint64_t requests)
{
    double each = (double)(requests - m->before) / (double)(now - m->before_ns);
    for (; m->next_ns <= now; m->next_ns += MARK_NS)
        add(m, (double)m->before + each * (double)(m->next_ns - m->before_ns));
}

void marks_done(struct marks *m)
{
    free(m->requests);
    *m = (struct marks){0};
}

static double sum_at(const struct marks *const *all, unsigned count, unsigned mark)
{
    double sum = 0;
    for (unsigned i = 0; i < count; i++)
        sum += all[i]->requests[mark];
    return sum;
}

/* Mean and squared deviations by Welford's recurrence (Technometrics 4, 1962). */
void marks_steadiness(const struct marks *const *all, unsigned count, double *ret_spread,
                      double *ret_trend)
{
    unsigned marks = UINT32_MAX;
    double mean = 0, squares = 0, first = 0, last = 0;
    for (unsigned i = 0; i < count; i++)
        marks = all[i]->count < marks ? all[i]->count : marks;
    *ret_spread = *ret_trend = NAN;
    if (!count || marks < QUARTERS_MIN + 1)
        return;
    for (unsigned quarter = 1; quarter < marks; quarter++) {
        last = sum_at(all, count, quarter) - sum_at(all, count, quarter - 1);
        first = quarter == 1 ? last : first;
        double off = last - mean;
        mean += off / quarter;
        squares += off * (last - mean);
    }
    *ret_spread = sqrt(squares / (marks - 2)) / mean;
    *ret_trend = last / first - 1;
}
