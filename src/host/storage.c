/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/storage.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "host/process.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

/* --- Kind ------------------------------------------------------------------------------------- */

/* Magic numbers that linux/magic.h does not have: OpenZFS, and the kernel's fs/cifs. */
#define ZFS_MAGIC 0x2fc12fc1
#define CIFS_MAGIC 0xff534d42
#define SMB2_MAGIC 0xfe534d42

char *storage_system_name(uint64_t magic)
{
    static const struct {
        unsigned magic;
        const char *name;
    } known[] = {
        {EXT4_SUPER_MAGIC, "ext4"},
        {XFS_SUPER_MAGIC, "xfs"},
        {BTRFS_SUPER_MAGIC, "btrfs"},
        {NFS_SUPER_MAGIC, "nfs"},
        {OVERLAYFS_SUPER_MAGIC, "overlay"},
        {TMPFS_MAGIC, "tmpfs"},
        {F2FS_SUPER_MAGIC, "f2fs"},
        {FUSE_SUPER_MAGIC, "fuse"},
        {CEPH_SUPER_MAGIC, "ceph"},
        {ZFS_MAGIC, "zfs"},
        {CIFS_MAGIC, "cifs"},
        {SMB2_MAGIC, "cifs"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (known[i].magic == magic)
            return xstrdup(known[i].name);
    return xasprintf("file system %#" PRIx64, magic);
}

static char *file_system(const char *directory)
{
    struct statfs fs;
    return statfs(directory, &fs) < 0 ? xstrdup("unknown")
                                      : storage_system_name((uint32_t)fs.f_type);
}

/* One line of a file of a device, NULL where there is none or it is empty. The caller frees. */
static char *attribute(const char *device, const char *name)
{
    cleanup_free char *path = xasprintf("%s/%s", device, name);
    cleanup_free char *text = file_read(path, NULL, NULL);
    if (text)
        text_one_line(text);
    return text && text[0] ? TAKE_PTR(text) : NULL;
}

/* What the disk is: its model, how a mapped one is mapped, or else its driver; NULL for none of
 * these. The caller frees. */
static char *hardware(const char *device)
{
    cleanup_free char *mapped = attribute(device, "dm/uuid");
    if (mapped)
        return strndup(mapped, strcspn(mapped, "-"));
    char *model = attribute(device, "device/model");
    if (model)
        return model;
    char driver[PATH_MAX];
    cleanup_free char *path = xasprintf("%s/device/driver", device);
    return realpath(path, driver) ? xstrdup(strrchr(driver, '/') + 1) : NULL;
}

/* The directory of the whole disk in /sys: that of a partition lies in it. NULL where there is
 * none. The caller frees. */
static char *disk_of(const char *sysroot, const char *directory)
{
    struct stat st;
    if (stat(directory, &st) < 0)
        return NULL;
    cleanup_free char *device =
        xasprintf("%s/sys/dev/block/%u:%u", sysroot, major(st.st_dev), minor(st.st_dev));
    cleanup_free char *partition = attribute(device, "partition");
    cleanup_free char *disk = xasprintf("%s%s", device, partition ? "/.." : "");
    return realpath(disk, NULL);
}

char *storage_kind(const char *sysroot, const char *directory)
{
    cleanup_free char *system = file_system(directory);
    cleanup_free char *disk = disk_of(sysroot, directory);
    if (!disk)
        return TAKE_PTR(system);
    cleanup_free char *mapped = attribute(disk, "dm/name");
    cleanup_free char *what = hardware(disk);
    cleanup_free char *rotational = attribute(disk, "queue/rotational");
    g_autoptr(GString) text = g_string_new(NULL);
    g_string_printf(text, "%s on %s", system, mapped ? mapped : strrchr(disk, '/') + 1);
    const char *turns = !rotational ? NULL : strcmp(rotational, "0") == 0 ? "ssd" : "rotational";
    if (what || turns)
        g_string_append_printf(text, " (%s%s%s)", what ? what : "", what && turns ? ", " : "",
                               turns ? turns : "");
    return xstrdup(text->str);
}

/* --- Space ------------------------------------------------------------------------------------ */

static uint64_t reserve_of(uint64_t total_bytes)
{
    uint64_t part = total_bytes / 20;
    return part < 64 * MIB ? 64 * MIB : part > 4 * GIB ? 4 * GIB : part;
}

int storage_check_space(const char *directory, uint64_t need_bytes, struct error **err)
{
    struct statvfs fs;
    if (statvfs(directory, &fs) < 0)
        return error_set_errno(err, errno, "cannot get the free space of %s", directory);
    uint64_t available = (uint64_t)fs.f_bavail * fs.f_frsize;
    uint64_t reserve = reserve_of((uint64_t)fs.f_blocks * fs.f_frsize);
    if (available >= reserve && available - reserve >= need_bytes)
        return 0;
    char need[32], have[32], keep[32];
    error_set(err, "%s has %s free: the scratch files need %s and %s stay in reserve", directory,
              text_format_size(available, have, sizeof(have)),
              text_format_size(need_bytes, need, sizeof(need)),
              text_format_size(reserve, keep, sizeof(keep)));
    return error_hint(err, "a smaller --size, fewer --candidates, or another --directory");
}

void storage_explain_full(const char *directory, struct error **err)
{
    struct statvfs fs;
    if (err && *err && statvfs(directory, &fs) == 0 && fs.f_bavail * fs.f_frsize < 2 * MIB) {
        error_prefix(err, "the file system of %s is full", directory);
        error_hint(err, "something else filled it during the run: free space and run again");
    }
}

uint64_t storage_room(const char *directory)
{
    struct statvfs fs;
    if (statvfs(directory, &fs) < 0)
        return 0;
    uint64_t available = (uint64_t)fs.f_bavail * fs.f_frsize;
    uint64_t reserve = reserve_of((uint64_t)fs.f_blocks * fs.f_frsize);
    return available > reserve ? available - reserve : 0;
}

/* --- Direct I/O ------------------------------------------------------------------------------- */

static int not_direct(const char *directory, const char *why, struct error **err)
{
    error_set(err, "%s: %s", directory, why);
    return error_hint(err, "figures from there would be those of the page cache, not of a disk; "
                           "use a directory on ext4, XFS or NFS");
}

/* Whether the first page of the file is in the page cache. */
static bool in_page_cache(int fd, size_t length)
{
    unsigned char resident = 0;
    void *map = mmap(NULL, length, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return false;
    bool known = mincore(map, (size_t)sysconf(_SC_PAGESIZE), &resident) == 0;
    munmap(map, length);
    return known && (resident & 1);
}

bool storage_zfs_is_direct(const char *version)
{
    unsigned major, minor;
    return !version || sscanf(version, "%u.%u", &major, &minor) != 2 || major > 2 ||
           (major == 2 && minor >= 3);
}

/* ZFS has a cache of its own, which mincore(2) does not know of. */
static int check_zfs(int fd, const char *directory, struct error **err)
{
    struct statfs fs;
    cleanup_free char *version = file_read("/sys/module/zfs/version", NULL, NULL);
    if (fstatfs(fd, &fs) < 0 || (uint32_t)fs.f_type != ZFS_MAGIC || storage_zfs_is_direct(version))
        return 0;
    return not_direct(directory, "ZFS before 2.3 takes O_DIRECT and uses its cache", err);
}

int storage_check_direct(const char *directory, struct error **err)
{
    enum { LENGTH = 1 << 20 };
    cleanup_free char *path = xasprintf("%s/direct-XXXXXX", directory);
    cleanup_close int made = mkostemp(path, O_CLOEXEC);
    if (made < 0)
        return error_set_errno(err, errno, "cannot create a file in %s", directory);
    cleanup_close int fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
    int open_errno = errno;
    unlink(path);
    if (fd < 0 && open_errno == EINVAL)
        return not_direct(directory, "the file system refuses O_DIRECT", err);
    if (fd < 0)
        return error_set_errno(err, open_errno, "cannot open %s", path);
    if (check_zfs(fd, directory, err) < 0)
        return -1;

    cleanup_free void *memory = aligned_alloc(4096, LENGTH);
    memset(memory, 0x5a, LENGTH);
    ssize_t n = pwrite(fd, memory, LENGTH, 0);
    if (n < 0 && errno == EINVAL)
        return not_direct(directory, "the file system refuses O_DIRECT", err);
    if (n != LENGTH)
        return error_set_errno(err, n < 0 ? errno : ENOSPC, "cannot write in %s", directory);
    if (in_page_cache(fd, LENGTH))
        return not_direct(directory, "the file system takes O_DIRECT and uses the page cache", err);
    return 0;
}

/* --- Files and images ------------------------------------------------------------------------- */

int storage_create_file(const char *path, uint64_t bytes, bool allocated, struct error **err)
{
    cleanup_close int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_set_errno(err, errno, "cannot create %s", path);
    int r = allocated ? posix_fallocate(fd, 0, (off_t)bytes)
                      : (ftruncate(fd, (off_t)bytes) < 0 ? errno : 0);
    return r ? error_set_errno(err, r, "cannot allocate %s", path) : 0;
}

int storage_create_image(const char *path, const char *format, const char *options, uint64_t bytes,
                         struct error **err)
{
    cleanup_free char *size = xasprintf("%" PRIu64, bytes);
    const char *const argv[] = {"qemu-img", "create", "-q", "-f", format,
                                "-o",       options,  path, size, NULL};
    return process_run(argv, "Debian: apt-get install qemu-utils", err);
}

int storage_create_overlay(const char *path, const char *format, const char *options,
                           const char *backing, const char *backing_format, uint64_t bytes,
                           struct error **err)
{
    cleanup_free char *size = xasprintf("%" PRIu64, bytes);
    const char *const argv[] = {"qemu-img", "create",       "-q", "-f",    format, "-b", backing,
                                "-F",       backing_format, "-o", options, path,   size, NULL};
    return process_run(argv, "Debian: apt-get install qemu-utils", err);
}

/* Tables of inodes are not zeroed before somebody uses them: a file that was empty stays so there.
 */
int storage_create_ext4(const char *path, uint64_t bytes, struct error **err)
{
    cleanup_free char *blocks = xasprintf("%" PRIu64, bytes / 4096);
    /* Users who are not root have no /sbin in their path. */
    g_autofree char *found = g_find_program_in_path("mke2fs");
    const char *const argv[] = {
        found ? found : "/sbin/mke2fs", "-q", "-F",   "-t", "ext4", "-b", "4096", "-E",
        "lazy_itable_init=1,nodiscard", path, blocks, NULL};
    if (storage_create_file(path, bytes, /* allocated = */ false, err) < 0)
        return -1;
    return process_run(argv, "Debian: apt-get install e2fsprogs", err);
}

int storage_drop_cached(const char *path, struct error **err)
{
    cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set_errno(err, errno, "cannot open %s", path);
    /* Only what is clean can be dropped. */
    int r = fsync(fd) < 0 ? errno : posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    return r ? error_set_errno(err, r, "cannot drop the cached pages of %s", path) : 0;
}
