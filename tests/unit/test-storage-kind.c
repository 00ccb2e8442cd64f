/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-storage-kind.c - a directory's storage is named by its file system and the disk below it, as
 * machines of several kinds have it in /sys; a ZFS that caches what is to be direct is known.
 */
#undef NDEBUG
#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cmocka.h>

#include "host/storage.h"
#include "tree.h"

/* The kind of the scratch directory's storage, were it on the disk at `device`, a directory below
 * /sys/devices; entries are relative to `disk`, another one there. The file system, which is the
 * real one here, is cut off. The caller frees. */
static char *kind_on(const char *name, const char *disk, const char *device,
                     const struct entry *entries)
{
    struct stat st;
    cleanup_free char *root = scratch_path(name), *links = xasprintf("%s/sys/dev/block", root);
    cleanup_free char *directory = xasprintf("%s/sys/devices/%s", root, disk);
    assert_int_equal(stat(scratch, &st), 0);
    assert_int_equal(file_make_directories(links, NULL), 0);
    assert_int_equal(file_make_directories(directory, NULL), 0);
    make_entries(directory, entries);
    cleanup_free char *link = xasprintf("%s/%u:%u", links, major(st.st_dev), minor(st.st_dev));
    cleanup_free char *target = xasprintf("../../devices/%s", device);
    assert_int_equal(symlink(target, link), 0);
    cleanup_free char *kind = storage_kind(root, scratch);
    char *on = strstr(kind, " on ");
    return xstrdup(on ? on + strlen(" on ") : kind);
}

static void test_disks(void **state)
{
    (void)state;
    static const struct {
        const char *name, *disk, *device;
        struct entry entries[5];
        const char *wanted;
    } machines[] = {
        {"virtio",
         "pci0000:00/0000:00:02.0/virtio1/block/vda",
         "pci0000:00/0000:00:02.0/virtio1/block/vda",
         {{"queue/rotational", "1\n"},
          {"device", "-> ../../../virtio1"},
          {"../../driver", "-> ../../../../bus/virtio/drivers/virtio_blk"},
          {"../../../../../../bus/virtio/drivers/virtio_blk/uevent", ""}},
         "vda (virtio_blk, rotational)"},
        {"nvme",
         "pci0000:00/0000:00:1d.0/nvme/nvme0/nvme0n1",
         "pci0000:00/0000:00:1d.0/nvme/nvme0/nvme0n1/nvme0n1p2",
         {{"queue/rotational", "0\n"},
          {"device", "-> ../../nvme0"},
          {"../model", "Samsung SSD 980 PRO 1TB                 \n"},
          {"nvme0n1p2/partition", "2\n"}},
         "nvme0n1 (Samsung SSD 980 PRO 1TB, ssd)"},
        {"mapped",
         "virtual/block/dm-3",
         "virtual/block/dm-3",
         {{"queue/rotational", "0\n"},
          {"dm/name", "vg-images\n"},
          {"dm/uuid", "LVM-nQ0mUb3PXtwWzL8A\n"}},
         "vg-images (LVM, ssd)"},
        {"bare", "virtual/block/loop0", "virtual/block/loop0", {{"ro", "0\n"}}, "loop0"},
        {"turning",
         "virtual/block/md0",
         "virtual/block/md0",
         {{"queue/rotational", "1\n"}},
         "md0 (rotational)"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(machines); i++) {
        cleanup_free char *kind =
            kind_on(machines[i].name, machines[i].disk, machines[i].device, machines[i].entries);
        assert_string_equal(kind, machines[i].wanted);
    }
}

/* The file system's name is there whether it is on a disk that is known or not. */
static void test_file_systems(void **state)
{
    (void)state;
    cleanup_free char *here = storage_kind(scratch, scratch), *proc = storage_kind("", "/proc"),
                      *nowhere = storage_kind("", "/nonexistent");
    assert_true(here[0] && !strstr(here, " on "));
    assert_string_equal(proc, "file system 0x9fa0");
    assert_string_equal(nowhere, "unknown");
    cleanup_free char *shm = storage_kind("", "/dev/shm");
    assert_string_equal(shm, "tmpfs");
}

static void test_zfs(void **state)
{
    (void)state;
    static const char *const cached[] = {"2.2.2-0ubuntu9\n", "2.1.11-1", "0.8.6-1\n", "2.0"};
    static const char *const direct[] = {"2.3.0-1\n", "2.10.0", "2.4.0-rc1", "3.0.0", "", "next"};
    for (size_t i = 0; i < ARRAY_SIZE(cached); i++)
        assert_false(storage_zfs_is_direct(cached[i]));
    for (size_t i = 0; i < ARRAY_SIZE(direct); i++)
        assert_true(storage_zfs_is_direct(direct[i]));
    assert_true(storage_zfs_is_direct(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_disks),
        cmocka_unit_test(test_file_systems),
        cmocka_unit_test(test_zfs),
    };
    return cmocka_run_group_tests(tests, scratch_set_up, scratch_tear_down);
}
