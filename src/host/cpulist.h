/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cpulist.h - sets of CPUs or NUMA nodes as libvirt writes them: "0-3,8,^2".
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* As many CPUs as Linux can be built for on x86. */
#define CPULIST_MAX 8192

struct cpulist {
    uint64_t words[CPULIST_MAX / 64];
};

/* Reads one, which may be hostile. What "^" takes out is taken out wherever it stands. -1 where it
 * is NULL, no such set, or goes beyond CPULIST_MAX; *ret is then empty. */
int cpulist_parse(const char *text, struct cpulist *ret);

bool cpulist_has(const struct cpulist *l, unsigned cpu);
unsigned cpulist_count(const struct cpulist *l);

/* Whether each of `part` is in `l`, and that is at least one. */
bool cpulist_covers(const struct cpulist *l, const struct cpulist *part);

/* One more; those beyond CPULIST_MAX are none. */
void cpulist_include(struct cpulist *l, unsigned cpu);

void cpulist_add(struct cpulist *l, const struct cpulist *more);
void cpulist_remove(struct cpulist *l, const struct cpulist *those);
void cpulist_keep(struct cpulist *l, const struct cpulist *those); /* and no others */

/* "0-3,8"; "" for none. The caller frees. */
char *cpulist_format(const struct cpulist *l);
