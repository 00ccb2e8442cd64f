/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mounts.h - what is mounted where, from /proc/self/mountinfo (proc(5)).
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

#include "host/root.h"

struct mount {
    unsigned id;
    dev_t device;
    char *root, *point; /* with the octal escapes resolved */
    char *type;         /* "ext4", "fuse.sshfs" */
    char *source;       /* "/dev/vda1", "server:/export" */
    char *options;      /* those of the mount and of the file system, with a comma between */
};

struct mounts;

/* Reads them once; a machine whose list cannot be read has none. Several threads may look. The
 * caller frees. */
struct mounts *mounts_read(const struct root *r);
struct mounts *mounts_parse(const char *text);
void mounts_free(struct mounts *m);
CLEANUP_PTR(cleanup_mounts_handler, struct mounts, mounts_free)
#define cleanup_mounts at_scope_end(cleanup_mounts_handler)

/* All of them, in the order in which they were mounted: struct mount *. */
const GPtrArray *mounts_list(const struct mounts *m);

/* Resolves "\040" and the like, in place: the kernel writes blanks, line breaks and backslashes so,
 * here and in /proc/swaps. */
void mounts_unescape(char *s);

/* The mount that an absolute path is below: of those with the longest point the last one. NULL. */
const struct mount *mounts_of_path(const struct mounts *m, const char *path);

/* Whether the options have this word ("data=journal", "discard"). */
bool mount_has_option(const struct mount *m, const char *word);

/* Whether the file system does not flush the cache of its disk. */
bool mount_has_no_barriers(const struct mount *m);
