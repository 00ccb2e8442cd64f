/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sites.h - every disk prepared for every group of a suite, so that going from one disk, or from
 * one work, to the next costs nothing.
 */
#pragma once

#include "measure/crew.h"
#include "measure/suite.h"

struct sites;

/* 0, or -1 where the buffers of all works, which are there at the same time, would not fit into the
 * probe guest. */
int sites_check_memory(const struct suite *suite, struct error **err);

/* Makes a crew for each group. The suite is copied. Errors are those of sites_check_memory and
 * crew_new; and with `once`, several groups: where one wrote first, the next would rewrite. The
 * caller frees. */
struct sites *sites_new(const struct suite *suite, bool once, uint64_t seed, struct error **err);
void sites_free(struct sites *s);
CLEANUP_PTR(cleanup_sites_handler, struct sites, sites_free)
#define cleanup_sites at_scope_end(cleanup_sites_handler)

/* Opens the disk or file for all groups; disks are numbered from 0 as they come. Errors are those
 * of site_open. */
int sites_add(struct sites *s, const char *path, uint64_t seed, struct error **err);

size_t sites_disks(const struct sites *s);
const struct suite *sites_suite(const struct sites *s);

/* The site of a disk and a group, which stays the sites'. */
struct site *sites_site(struct sites *s, size_t disk, unsigned group);

/* One slice on it, every work within the same budget; `ret` has a member for each work of the
 * group. */
int sites_run(struct sites *s, size_t disk, unsigned group, const struct budget *budget,
              struct slice *ret, struct error **err);

/* Forgets the latencies of all disks. */
void sites_clear_latencies(struct sites *s);

/* Adds the latencies of the suite's work with this number on the disk. */
void sites_add_latencies(const struct sites *s, size_t disk, unsigned work, struct histogram *into);
