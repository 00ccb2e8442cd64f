/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filesystem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/memory.h"
#include "disks.h"

#define IMAGE "/image"
#define MOUNTS "/disks"

static char *file_path(const char *serial)
{
    return xasprintf(MOUNTS "/%s/file", serial);
}

char *filesystem_file(const char *serial)
{
    cleanup_free char *path = file_path(serial);
    return access(path, F_OK) == 0 ? TAKE_PTR(path) : NULL;
}

/* A piece of the image, whose name is where it stands. */
static int copy_piece(int disk, const char *name, uint64_t *ret_written, struct error **err)
{
    size_t length;
    cleanup_free char *path = xasprintf(IMAGE "/%s", name);
    cleanup_free char *data = file_read(path, &length, err);
    if (!data)
        return -1;
    if (lseek(disk, (off_t)strtoull(name, NULL, 10), SEEK_SET) < 0 ||
        file_write_all(disk, data, length) < 0)
        return error_set_errno(err, errno, "cannot write a file system");
    *ret_written += length;
    return 0;
}

static int copy_image(const char *device, uint64_t *ret_written, struct error **err)
{
    cleanup_close int disk = open(device, O_WRONLY | O_CLOEXEC);
    if (disk < 0)
        return error_set_errno(err, errno, "cannot open %s", device);
    struct dirent **entries = NULL;
    int r = 0, pieces = 0, count = scandir(IMAGE, &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        if (r == 0 && entries[i]->d_name[0] != '.') {
            r = copy_piece(disk, entries[i]->d_name, ret_written, err);
            pieces++;
        }
        free(entries[i]);
    }
    free(entries);
    if (r == 0 && !pieces)
        return error_set(err, "the initramfs has no file system");
    if (r == 0 && fsync(disk) < 0)
        return error_set_errno(err, errno, "cannot write a file system");
    return r;
}

/* A disk that has one has its place already. */
static int make_point(const char *point, struct error **err)
{
    if (mkdir(MOUNTS, 0700) < 0 && errno != EEXIST)
        return error_set_errno(err, errno, MOUNTS);
    return mkdir(point, 0700) < 0 ? error_set_errno(err, errno, "%s", point) : 0;
}

/* The kernel is not to zero tables while somebody measures. */
static int mount_disk(const char *device, const char *point, const char *type, struct error **err)
{
    if (mount(device, point, type, 0, strcmp(type, "ext4") == 0 ? "noinit_itable" : NULL) < 0)
        return error_set_errno(err, errno, "cannot mount the %s", type);
    return 0;
}

static int make_file(const char *path, uint64_t bytes, struct error **err)
{
    cleanup_close int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_set_errno(err, errno, "%s", path);
    int r = posix_fallocate(fd, 0, (off_t)bytes);
    if (r == 0 && (fsync(fd) < 0 || syncfs(fd) < 0))
        r = errno;
    return r ? error_set_errno(err, r, "cannot allocate a file on a disk") : 0;
}

int filesystem_put(const char *serial, const char *type, uint64_t bytes, uint64_t *ret_written,
                   struct error **err)
{
    cleanup_free char *device = disks_find(serial, err);
    cleanup_free char *point = xasprintf(MOUNTS "/%s", serial);
    cleanup_free char *file = file_path(serial);
    if (!device || make_point(point, err) < 0 || copy_image(device, ret_written, err) < 0 ||
        mount_disk(device, point, type, err) < 0)
        return -1;
    return make_file(file, bytes, err);
}
