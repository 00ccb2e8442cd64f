/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-mounts.c - the list of mounts, as the kernel writes it and as nobody does.
 */
#undef NDEBUG
#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cmocka.h>

#include "host/mounts.h"
#include "tree.h"

static const char list[] =
    "22 1 253:0 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,errors=remount-ro\n"
    "23 22 0:21 / /proc rw,nosuid shared:12 - proc proc rw\n"
    "31 22 253:16 / /srv rw,noatime - xfs /dev/mapper/vg-images rw,attr2,discard\n"
    "32 31 0:45 / /srv/images ro,relatime shared:2 master:3 propagate_from:2 unbindable - nfs4 "
    "server:/export rw,vers=4.2\n"
    "33 22 8:1 /sub\\040volume /mnt/a\\040b\\134c\\011d rw - btrfs /dev/sda1 "
    "rw,subvol=/sub\\040volume\n"
    "34 22 0:50 / /mnt/empty rw - tmpfs  rw,size=4k\n"
    "35 22 0:51 / /mnt/over rw - tmpfs first rw\n"
    "36 35 0:52 / /mnt/over rw - tmpfs second rw\n"
    "37 22 0:53 / /home rw shared:9 - fuse.sshfs user@server: rw,user_id=0";

static void test_which_mount(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        unsigned id;
    } rows[] = {
        {"/", 22},
        {"/etc/fstab", 22},
        {"/srv", 31},
        {"/srv/a.img", 31},
        {"/srv2/a.img", 22},
        {"/srv/images/a.img", 32},
        {"/srv/images2/a.img", 31},
        {"/proc/1", 23},
        {"/mnt/a b\\c\td/a.img", 33},
        {"/mnt/a", 22},
        {"/mnt/empty/x", 34},
        {"/mnt/over/x", 36},
        {"/home/", 37},
    };
    cleanup_mounts struct mounts *m = mounts_parse(list);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct mount *mount = mounts_of_path(m, rows[i].path);
        assert_non_null(mount);
        if (mount->id != rows[i].id)
            fail_msg("%s is on %u", rows[i].path, mount->id);
    }
    assert_null(mounts_of_path(m, "a.img"));
    assert_null(mounts_of_path(m, ""));
}

static void test_fields(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        unsigned id, major, minor;
        const char *root, *point, *type, *source, *options;
    } rows[] = {
        {"/x", 22, 253, 0, "/", "/", "ext4", "/dev/vda1", "rw,relatime,rw,errors=remount-ro"},
        {"/srv/images/x", 32, 0, 45, "/", "/srv/images", "nfs4", "server:/export",
         "ro,relatime,rw,vers=4.2"},
        {"/mnt/a b\\c\td", 33, 8, 1, "/sub volume", "/mnt/a b\\c\td", "btrfs", "/dev/sda1",
         "rw,rw,subvol=/sub volume"},
        {"/mnt/empty", 34, 0, 50, "/", "/mnt/empty", "tmpfs", "", "rw,rw,size=4k"},
    };
    cleanup_mounts struct mounts *m = mounts_parse(list);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct mount *got = mounts_of_path(m, rows[i].path);
        assert_int_equal(got->id, rows[i].id);
        assert_true(got->device == makedev(rows[i].major, rows[i].minor));
        assert_string_equal(got->root, rows[i].root);
        assert_string_equal(got->point, rows[i].point);
        assert_string_equal(got->type, rows[i].type);
        assert_string_equal(got->source, rows[i].source);
        assert_string_equal(got->options, rows[i].options);
    }
}

static void test_options(void **state)
{
    (void)state;
    static const struct {
        const char *options, *word;
        bool wanted;
    } rows[] = {
        {"rw,noatime,rw,discard", "discard", true},
        {"rw,noatime,rw,discard", "noatime", true},
        {"rw,noatime,rw,discard", "atime", false},
        {"rw,discard=async", "discard", false},
        {"rw,discard=async", "discard=async", true},
        {"nodiscard,rw", "discard", false},
        {"discard,rw", "discard", true},
        {"data=journal", "data=journal", true},
        {"data=journal_async", "data=journal", false},
        {",,", "rw", false},
        {"", "rw", false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct mount m = {.options = (char *)rows[i].options};
        if (mount_has_option(&m, rows[i].word) != rows[i].wanted)
            fail_msg("%s in %s", rows[i].word, rows[i].options);
    }
}

/* Lines of another kind are left out, and those around them are read. */
static void test_what_nobody_writes(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "",
        "-",
        "22",
        "22 1 253:0 / /a rw",
        "22 1 253:0 / /a rw shared:1",
        "22 1 253:0 / /a rw shared:1 -",
        "22 1 253:0 / /a rw shared:1 - ext4",
        "22 1 253:0 / /a rw shared:1 - ext4 /dev/vda",
        "x 1 253:0 / /a rw - ext4 /dev/vda rw",
        "22 1 253 / /a rw - ext4 /dev/vda rw",
        "22 1 : / /a rw - ext4 /dev/vda rw",
        "22 1 253:0 / a rw - ext4 /dev/vda rw",
        "22 1 253:0 /  rw - ext4 /dev/vda rw",
        "22 1 253:0 / \\057a\\000 rw -ext4 /dev/vda rw",
    };
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        cleanup_free char *text =
            xasprintf("%s\n2 1 0:1 / /a rw - tmpfs t rw\n%s", lines[i], lines[i]);
        cleanup_mounts struct mounts *m = mounts_parse(text);
        const struct mount *mount = mounts_of_path(m, "/a");
        assert_true(mount && mount->id == 2);
        assert_null(mounts_of_path(m, "/b"));
    }
    cleanup_mounts struct mounts *odd =
        mounts_parse("3 1 0:1 / /a\\0\\400\\08\\ rw - tmpfs \\000 rw\n");
    const struct mount *mount = mounts_of_path(odd, "/a\\0\\400\\08\\");
    assert_non_null(mount);
    assert_string_equal(mount->source, "\\000");
}

static void test_this_machine_and_a_capture(void **state)
{
    (void)state;
    cleanup_root struct root *machine = root_open(NULL, NULL);
    cleanup_mounts struct mounts *here = mounts_read(machine);
    const struct mount *proc = mounts_of_path(here, "/proc/self");
    struct stat st;
    assert_int_equal(stat("/proc/self", &st), 0);
    assert_true(proc && proc->device == st.st_dev);
    assert_string_equal(proc->type, "proc");

    cleanup_root struct root *r = root_open(scratch, NULL);
    cleanup_mounts struct mounts *none = mounts_read(r);
    assert_null(mounts_of_path(none, "/"));
    const struct entry entries[] = {{"proc/self/mountinfo", list}, {NULL, NULL}};
    make_entries(scratch, entries);
    cleanup_mounts struct mounts *theirs = mounts_read(r);
    assert_int_equal(mounts_of_path(theirs, "/srv/images/a.img")->id, 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_which_mount),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_what_nobody_writes),
        cmocka_unit_test(test_this_machine_and_a_capture),
    };
    return cmocka_run_group_tests_name("mounts", tests, scratch_set_up, scratch_tear_down);
}
