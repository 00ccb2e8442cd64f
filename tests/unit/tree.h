/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tree.h - a host as a tree of files: what /sys and /proc have on a machine that is not there.
 */
#pragma once

#include <string.h>
#include <unistd.h>

#include "scratch.h"

/* A file, a link where the text begins with "-> ", a directory where the path ends in a slash. */
struct entry {
    const char *path, *text;
};

/* Makes one below `directory`. */
static void make_entry(const char *directory, const struct entry *entry)
{
    cleanup_free char *path = xasprintf("%s/%s", directory, entry->path);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    assert_int_equal(file_make_directories(path, NULL), 0);
    if (!slash[1])
        return;
    *slash = '/';
    if (strncmp(entry->text, "-> ", 3) == 0)
        assert_int_equal(symlink(entry->text + 3, path), 0);
    else
        assert_int_equal(file_write_atomic(path, entry->text, NULL), 0);
}

/* Makes them up to one without a path. */
static inline void make_entries(const char *directory, const struct entry *entries)
{
    for (; entries->path; entries++)
        make_entry(directory, entries);
}
