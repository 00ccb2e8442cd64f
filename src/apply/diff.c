/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "apply/diff.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/file.h"
#include "base/memory.h"
#include "host/process.h"

/* A definition has secrets in it: it is shown to diff without ever being on a disk. */
static int file_of(const char *text, struct error **err)
{
    cleanup_close int fd = memfd_create("definition", MFD_CLOEXEC);
    if (fd < 0 || file_write_all(fd, text, strlen(text)) < 0)
        return error_set_errno(err, errno, "cannot make a file in memory");
    return TAKE_FD(fd);
}

static char *path_of(int fd)
{
    return xasprintf("/proc/%d/fd/%d", (int)getpid(), fd);
}

char *diff_texts(const char *before, const char *after, const char *name, struct error **err)
{
    cleanup_close int old = file_of(before, err);
    cleanup_close int new = old < 0 ? -1 : file_of(after, err);
    if (new < 0)
        return NULL;
    cleanup_free char *old_path = path_of(old);
    cleanup_free char *new_path = path_of(new);
    cleanup_free char *old_label = xasprintf("%s (now)", name);
    cleanup_free char *new_label = xasprintf("%s (then)", name);
    const char *const argv[] = {"diff",    "-u",     "--label", old_label, "--label",
                                new_label, old_path, new_path,  NULL};
    return process_read(argv, 1, "install diffutils", err);
}
