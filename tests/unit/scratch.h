/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scratch.h - a directory for one test program, gone when it ends.
 *
 * It is made where the program is run, which is the build directory: that is on a disk, where /tmp
 * need not be, and O_DIRECT is wanted.
 */
#pragma once

#include <limits.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/memory.h"

/* Its path: absolute and without symbolic links. */
static char scratch[PATH_MAX];

static int scratch_set_up(void **state)
{
    (void)state;
    char path[] = "scratch-XXXXXX";
    return mkdtemp(path) && realpath(path, scratch) ? 0 : -1;
}

static int scratch_tear_down(void **state)
{
    (void)state;
    return file_remove_tree(scratch, NULL);
}

/* The path of something in it; the caller frees. */
static inline char *scratch_path(const char *name)
{
    return xasprintf("%s/%s", scratch, name);
}
