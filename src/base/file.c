/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/interrupt.h"
#include "base/memory.h"

#define FILE_READ_LIMIT ((size_t)16 << 20)

char *file_read_rest(int fd, const char *path, size_t *ret_length, struct error **err)
{
    /* /proc and /sys say size 0, so read until the end instead of asking. */
    cleanup_free char *data = NULL;
    size_t length = 0, capacity = 0;
    for (;;) {
        if (length + 1 >= capacity) {
            capacity = capacity ? capacity * 2 : 4096;
            data = xreallocarray(data, capacity, 1);
        }
        ssize_t n = read(fd, data + length, capacity - length - 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            error_set_errno(err, errno, "cannot read %s", path);
            return NULL;
        }
        if (n == 0)
            break;
        length += (size_t)n;
        if (length > FILE_READ_LIMIT) {
            error_set(err, "%s is larger than any file this program reads whole", path);
            return NULL;
        }
    }
    data[length] = '\0';
    if (ret_length)
        *ret_length = length;
    return TAKE_PTR(data);
}

char *file_read_at(int dirfd, const char *path, size_t *ret_length, struct error **err)
{
    cleanup_close int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        error_set_errno(err, errno, "cannot open %s", path);
        return NULL;
    }
    return file_read_rest(fd, path, ret_length, err);
}

char *file_read(const char *path, size_t *ret_length, struct error **err)
{
    return file_read_at(AT_FDCWD, path, ret_length, err);
}

int file_write_all(int fd, const void *data, size_t length)
{
    for (const char *p = data; length;) {
        ssize_t n = write(fd, p, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        p += n;
        length -= (size_t)n;
    }
    return 0;
}

/* So that the name that was made, or changed, in a directory outlives a crash. */
static int sync_directory_of(const char *path)
{
    cleanup_free char *copy = xstrdup(path);
    cleanup_close int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -1 : fsync(fd);
}

int file_write_atomic(const char *path, const char *text, struct error **err)
{
    cleanup_free char *temporary = xasprintf("%s.XXXXXX", path);
    cleanup_close int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return error_set_errno(err, errno, "cannot create %s", temporary);
    if (file_write_all(fd, text, strlen(text)) < 0 || fsync(fd) < 0 ||
        rename(temporary, path) < 0 || sync_directory_of(path) < 0) {
        error_set_errno(err, errno, "cannot write %s", path);
        unlink(temporary);
        return -1;
    }
    return 0;
}

/* Gives a file another name unless that is there. A file system that cannot (NFS) has links. */
static int rename_new(const char *from, const char *to)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    return link(from, to) < 0 || unlink(from) < 0 ? -1 : 0;
}

int file_write_new(const char *path, const void *data, size_t length, struct error **err)
{
    cleanup_free char *temporary = xasprintf("%s.XXXXXX", path);
    cleanup_close int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return error_set_errno(err, errno, "cannot create %s", path);
    if (file_write_all(fd, data, length) < 0 || fsync(fd) < 0 || rename_new(temporary, path) < 0) {
        error_set_errno(err, errno, "cannot write %s", path);
        unlink(temporary);
        return -1;
    }
    /* That it outlives a crash is wished for, and not what was asked. */
    (void)!sync_directory_of(path);
    return 0;
}

int file_copy(const char *from, const char *to, struct error **err)
{
    cleanup_close int in = open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0)
        return error_set_errno(err, errno, "cannot open %s", from);
    cleanup_close int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (out < 0)
        return error_set_errno(err, errno, "cannot create %s", to);
    ssize_t n;
    while ((n = sendfile(out, in, NULL, (size_t)1 << 30)) > 0 || (n < 0 && errno == EINTR))
        ;
    if (n == 0)
        return 0;
    error_set_errno(err, errno, "cannot copy %s to %s", from, to);
    unlink(to);
    return -1;
}

#define LOCK_EVERY_MS 100

int file_lock(int fd, const char *path, unsigned seconds, struct error **err)
{
    uint64_t end = clock_now_ns() + seconds * NS_PER_SECOND;
    while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return error_set_errno(err, errno, "cannot lock %s", path);
        if (clock_now_ns() >= end)
            return error_set(err, "another process holds a lock on %s", path);
        if (interrupt_sleep_ms(LOCK_EVERY_MS, err) < 0)
            return -1;
    }
    return 0;
}

int file_make_directories(const char *path, struct error **err)
{
    cleanup_free char *copy = xstrdup(path);
    for (char *slash = strchr(copy + 1, '/');; slash = strchr(slash + 1, '/')) {
        if (slash)
            *slash = '\0';
        if (mkdir(copy, 0700) < 0 && errno != EEXIST)
            return error_set_errno(err, errno, "cannot create the directory %s", copy);
        if (!slash)
            return 0;
        *slash = '/';
    }
}

/* Whether something is mounted here: another file system, or a part of the same by a bind mount. */
static bool is_mount_point(int parent, const char *name)
{
    struct statx st;
    return statx(parent, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, 0, &st) == 0 &&
           (st.stx_attributes & st.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT);
}

/* Removes what is in the directory `parent`/`name`, the entry `last` (or NULL) after all others,
 * then the directory. */
static int remove_directory_at(int parent, const char *name, dev_t device, const char *last)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    cleanup_dir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir)
        return -1;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..") ||
            (last && !strcmp(entry->d_name, last)))
            continue;
        struct stat st;
        if (fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        if (!S_ISDIR(st.st_mode)) {
            if (unlinkat(fd, entry->d_name, 0) < 0 && errno != ENOENT)
                return -1;
        } else if (st.st_dev != device || is_mount_point(fd, entry->d_name)) {
            errno = EXDEV;
            return -1;
        } else if (remove_directory_at(fd, entry->d_name, device, NULL) < 0) {
            return -1;
        }
    }
    if (last && unlinkat(fd, last, 0) < 0 && errno != ENOENT)
        return -1;
    return unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -1 : 0;
}

int file_remove_tree_lastly(const char *path, const char *last, struct error **err)
{
    struct stat st;
    if (lstat(path, &st) < 0)
        return errno == ENOENT ? 0 : error_set_errno(err, errno, "cannot remove %s", path);
    if (is_mount_point(AT_FDCWD, path))
        return error_set_errno(err, EBUSY, "cannot remove %s", path);
    if (remove_directory_at(AT_FDCWD, path, st.st_dev, last) < 0)
        return error_set_errno(err, errno, "cannot remove %s", path);
    return 0;
}

int file_remove_tree(const char *path, struct error **err)
{
    return file_remove_tree_lastly(path, NULL, err);
}
