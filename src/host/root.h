/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * root.h - where the paths of a host are looked up: on this machine, or below a directory that has a
 * copy of what another one had.
 *
 * Below a directory no symbolic link leads out, absolute ones included. Paths begin with a slash.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"

struct root;
struct record;

/* `directory` NULL or "/": this machine. The caller frees. Errors: it cannot be opened; below a
 * directory, a kernel without openat2 (before 5.6). */
struct root *root_open(const char *directory, struct error **err);
void root_free(struct root *r);
CLEANUP_PTR(cleanup_root_handler, struct root, root_free)
#define cleanup_root at_scope_end(cleanup_root_handler)

/* Whether that is this machine, whose kernel can be asked. */
bool root_is_machine(const struct root *r);

/* Has all that is looked up of this machine from here on noted (host/record.h); the record is the
 * caller's, and root_record is it, or NULL. */
void root_record_into(struct root *r, struct record *record);
struct record *root_record(const struct root *r);

/* Below a capture's root: {"/srv/a.img": 13, …}: what was there and could not be read, as an errno
 * value, and cannot be read below it either. */
#define ROOT_REFUSALS_FILE "/virt-disktune/refused.json"

/* open(2) with O_CLOEXEC; -1 with errno. */
int root_openat(const struct root *r, const char *path, int flags);

/* The whole file (at most 16 MiB), NUL-terminated; NULL where it cannot be read. The caller frees.
 * The second tells the length, for what has NULs in it; the third has blanks at its end cut off, as values of /sys have them. */
char *root_read(const struct root *r, const char *path);
char *root_read_data(const struct root *r, const char *path, size_t *ret_length);
char *root_read_word(const struct root *r, const char *path) __attribute__((nonnull));

/* The word in brackets of a file that lists what can be chosen ("none [bfq]"), or the only one
 * there; NULL where there is none. The caller frees. */
char *root_read_chosen(const struct root *r, const char *path);

/* The number that a file begins with; -1 where there is none. The path is printf-style. */
int64_t root_read_number(const struct root *r, const char *path_format, ...)
    __attribute__((format(printf, 2, 3)));

/* Where a symbolic link points; NULL where it is none. The caller frees. */
char *root_readlink(const struct root *r, const char *path);

/* The names in a directory, sorted, without "." and ".."; empty where it is not there. The caller
 * frees (g_ptr_array_unref). */
GPtrArray *root_list(const struct root *r, const char *path);
