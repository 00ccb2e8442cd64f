/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * file.h - whole files, small ones: /proc and /sys entries, lock files, settings.
 */
#pragma once

#include <limits.h>
#include <stddef.h>

#include "base/error.h"

/* Reads the file (at most 16 MiB) relative to dirfd (AT_FDCWD for none); the result is
 * NUL-terminated, the caller frees it; ret_length may be NULL. NULL with an error otherwise. */
char *file_read_at(int dirfd, const char *path, size_t *ret_length, struct error **err);
char *file_read(const char *path, size_t *ret_length, struct error **err);

/* The same of an open file, from where it stands; the path is for the error. */
char *file_read_rest(int fd, const char *path, size_t *ret_length, struct error **err);

/* Replaces the file by `text`, through a temporary file beside it and rename, synced with its
 * directory: after a crash the file is the old or the new one. */
int file_write_atomic(const char *path, const char *text, struct error **err);

/* Makes the file, 0600, with this in it, through a temporary file beside it: it is there whole or
 * not at all, and none that was there is replaced. Errors: it is there; it cannot be written, and
 * then nothing is left. */
int file_write_new(const char *path, const void *data, size_t length, struct error **err);

/* Makes the file `to`, 0600, with what is in `from`. Errors: it is there; one of the two cannot be
 * read, or written, and then nothing is left. */
int file_copy(const char *from, const char *to, struct error **err);

/* Writes all of it, whatever write(2) returns in between. errno tells on -1. */
int file_write_all(int fd, const void *data, size_t length);

/* Takes the lock (flock) on an open file or directory, whose path is for the error. Unlike flock's
 * own wait this one ends with a signal. Errors: another process still has it after so many seconds;
 * a signal; it cannot be locked. */
#define FILE_LOCK_WAIT UINT_MAX /* for as long as it takes: 136 years */
int file_lock(int fd, const char *path, unsigned seconds, struct error **err);

/* Makes the directory and its parents, each 0700 unless it was there. */
int file_make_directories(const char *path, struct error **err);

/* Removes a directory and everything below it. No symbolic link is followed and nothing is removed
 * beyond a mount point, bind mounts and the path itself included. A path that is not there is no
 * error. */
int file_remove_tree(const char *path, struct error **err);

/* The same, with the file `last` in that directory after all others: whoever is killed in between
 * leaves it. */
int file_remove_tree_lastly(const char *path, const char *last, struct error **err);
