/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-place.c - what the kernel says of real files of several kinds, and that what was noted of a
 * place stands for it.
 */
#undef NDEBUG
#include <assert.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include <cmocka.h>

#include "base/json.h"
#include "host/place.h"
#include "tree.h"

#define MIB (1 << 20)

/* Everything that places are looked up in. */
struct scene {
    struct root *root;
    struct mounts *mounts;
    struct stack *stack;
    struct places *places;
};

static struct scene open_scene(const char *directory)
{
    struct scene s = {.root = root_open(directory, NULL)};
    struct error *err = NULL;
    s.mounts = mounts_read(s.root);
    s.stack = stack_new(s.root);
    s.places = places_new(s.root, s.mounts, s.stack, &err);
    if (!s.places)
        fail_msg("%s", err->message);
    return s;
}

static void close_scene(struct scene *s)
{
    places_free(s->places);
    stack_free(s->stack);
    mounts_free(s->mounts);
    root_free(s->root);
}
#define cleanup_scene at_scope_end(close_scene)

static struct place *look(const struct places *places, const char *path)
{
    struct error *err = NULL;
    struct place *p = place_look(places, path, &err);
    if (!p)
        fail_msg("%s", err->message);
    assert_null(err);
    return p;
}

static void assert_refused(const struct places *places, const char *path, const char *words)
{
    cleanup_error struct error *err = NULL;
    assert_null(place_look(places, path, &err));
    if (!strstr(err->message, words))
        fail_msg("\"%s\" is not in: %s", words, err->message);
}

/* A file of 8 MiB: `allocated` and `written` bytes of it at its start. The caller frees the path.
 */
static char *make_file(const char *name, off_t allocated, size_t written)
{
    char *path = scratch_path(name);
    cleanup_close int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    cleanup_free char *data = xcalloc(written, 1);
    assert(fd >= 0 && ftruncate(fd, 8 * MIB) == 0);
    assert(!allocated || posix_fallocate(fd, 0, allocated) == 0);
    memset(data, 'x', written);
    assert(file_write_all(fd, data, written) == 0 && fsync(fd) == 0);
    return path;
}

/* --- The kernel ------------------------------------------------------------------------------- */

static void test_files(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        off_t allocated;
        size_t written;
        bool full;
        uint64_t unwritten;
    } rows[] = {
        {"sparse", 0, 0, false, 0},
        {"half", 0, 4 * MIB, false, 0},
        {"allocated", 8 * MIB, 0, true, 8 * MIB},
        {"begun", 8 * MIB, MIB, true, 7 * MIB},
        {"written", 0, 8 * MIB, true, 0},
    };
    cleanup_scene struct scene s = open_scene(NULL);
    struct stat st;
    struct statfs fs;
    assert_true(stat(scratch, &st) == 0 && statfs(scratch, &fs) == 0);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        cleanup_free char *path = make_file(rows[i].name, rows[i].allocated, rows[i].written);
        cleanup_place struct place *p = look(s.places, path);
        assert_string_equal(p->path, path);
        assert_true(p->type == PLACE_FILE && p->size_bytes == 8 * MIB);
        assert_int_equal(place_is_allocated(p), rows[i].full);
        assert_true(p->allocated_bytes >= rows[i].written);
        assert_true(p->fs_magic == (uint32_t)fs.f_type && p->device == st.st_dev);
        assert_false(p->fs_read_only);
        assert_true(p->mount == mounts_of_path(s.mounts, path));
        assert_true(!p->direct_known ||
                    (p->direct_offset_align & (p->direct_offset_align - 1)) == 0);
        /* ext4 and XFS say what is unwritten; others know no such thing, or no extents. */
        if (p->extents_known && (p->fs_magic == FS_EXT4 || p->fs_magic == FS_XFS)) {
            assert_true(p->unwritten_bytes == rows[i].unwritten);
            assert_int_equal(p->extents > 0, rows[i].allocated || rows[i].written);
            assert_false(p->shared || p->encoded || p->nocow);
        }
    }
}

/* Holes between its pieces: more of them than are asked for at once. */
static void test_pieces(void **state)
{
    (void)state;
    enum { PIECES = 600 };
    cleanup_free char *path = make_file("pieces", 0, 0);
    cleanup_close int fd = open(path, O_WRONLY | O_CLOEXEC);
    const char block[4096] = "x";
    for (int i = 0; i < PIECES; i++)
        assert_int_equal(pwrite(fd, block, sizeof(block), i * 12288), sizeof(block));
    assert_int_equal(fsync(fd), 0);
    cleanup_scene struct scene s = open_scene(NULL);
    cleanup_place struct place *p = look(s.places, path);
    if (!p->extents_known || p->fs_magic != FS_EXT4)
        skip();
    assert_int_equal(p->extents, PIECES);
}

/* One that is partly written is several extents, and one piece where it lies in one. */
static void test_a_piece_of_several_extents(void **state)
{
    (void)state;
    cleanup_free char *path = make_file("extents", 8 * MIB, 0);
    cleanup_scene struct scene s = open_scene(NULL);
    cleanup_place struct place *before = look(s.places, path);
    cleanup_close int fd = open(path, O_WRONLY | O_CLOEXEC);
    const char block[65536] = "x";
    for (int i = 1; i < 8; i++)
        assert_int_equal(pwrite(fd, block, sizeof(block), i * MIB), sizeof(block));
    assert_int_equal(fsync(fd), 0);
    cleanup_place struct place *after = look(s.places, path);
    if (!after->extents_known || after->fs_magic != FS_EXT4)
        skip();
    assert_true(after->unwritten_bytes == 8 * MIB - 7 * sizeof(block));
    assert_int_equal(after->extents, before->extents);
}

static void test_other_things(void **state)
{
    (void)state;
    cleanup_free char *fifo = scratch_path("fifo"), *nothing = scratch_path("nothing");
    cleanup_free char *file = make_file("file", 0, 0), *link = scratch_path("link");
    cleanup_free char *around = scratch_path("./../"), *to = xasprintf("%s/file", scratch);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(symlink(to, link), 0);
    cleanup_scene struct scene s = open_scene(NULL);
    cleanup_place struct place *pipe = look(s.places, fifo), *directory = look(s.places, scratch),
                               *null = look(s.places, "/dev/null"), *linked = look(s.places, link),
                               *up = look(s.places, around);
    assert_true(pipe->type == PLACE_OTHER && directory->type == PLACE_OTHER &&
                null->type == PLACE_OTHER && linked->type == PLACE_FILE);
    assert_string_equal(linked->path, file);
    assert_true(up->path[0] == '/' && !strstr(up->path, ".."));
    assert_false(pipe->extents_known || pipe->direct_known);
    assert_refused(s.places, nothing, "No such file");
    assert_refused(s.places, "file", "absolute");
    assert_refused(s.places, "", "absolute");
}

/* root may open anything, unless it gives that up for a while. */
static void override_permissions(bool on)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    const uint32_t bits = 1u << CAP_DAC_OVERRIDE | 1u << CAP_DAC_READ_SEARCH;
    assert_int_equal(syscall(SYS_capget, &header, data), 0);
    data[0].effective =
        on ? data[0].effective | (data[0].permitted & bits) : data[0].effective & ~bits;
    assert_int_equal(syscall(SYS_capset, &header, data), 0);
}

static void test_unreadable(void **state)
{
    (void)state;
    cleanup_free char *path = make_file("unreadable", 8 * MIB, 0);
    assert_int_equal(chmod(path, 0), 0);
    cleanup_scene struct scene s = open_scene(NULL);
    override_permissions(false);
    struct error *err = NULL;
    cleanup_place struct place *p = place_look(s.places, path, &err);
    cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    override_permissions(true);
    assert_true(p && !err && fd < 0);
    assert_true(p->type == PLACE_FILE && p->size_bytes == 8 * MIB && place_is_allocated(p));
    assert_true(p->fs_magic && !p->extents_known);
}

static void test_a_block_device(void **state)
{
    (void)state;
    struct stat st;
    cleanup_scene struct scene s = open_scene(NULL);
    assert_int_equal(stat(scratch, &st), 0);
    const struct block_device *d = stack_find(s.stack, st.st_dev);
    cleanup_free char *path = d ? xasprintf("/dev/%s", d->name) : NULL;
    if (!path || stat(path, &st) < 0)
        skip();
    cleanup_place struct place *p = look(s.places, path);
    assert_true(p->type == PLACE_BLOCK && p->block == d && p->device == d->number);
    assert_true(p->size_bytes >= 8 * MIB && place_is_allocated(p) && p->fs_magic == 0);
    cleanup_free char *text = place_describe(p);
    assert_true(g_str_has_prefix(text, d->label));
}

/* --- Below a directory ------------------------------------------------------------------------ */

/* Without notes it is a host's copy, whose files are looked at themselves. */
static void test_without_notes(void **state)
{
    (void)state;
    static const struct entry entries[] = {
        {"copy/srv/a.img", "four"},
        {"copy/srv/link.img", "-> /srv/a.img"},
        {"copy/proc/self/mountinfo", "31 22 253:16 / /srv rw - xfs /dev/vdb rw\n"},
        {NULL, NULL},
    };
    make_entries(scratch, entries);
    cleanup_free char *directory = scratch_path("copy");
    cleanup_scene struct scene s = open_scene(directory);
    cleanup_place struct place *p = look(s.places, "/srv/link.img");
    assert_string_equal(p->path, "/srv/a.img");
    assert_true(p->size_bytes == 4);
    assert_string_equal(p->mount->source, "/dev/vdb");
    assert_null(p->block);
    assert_refused(s.places, "/etc/passwd", "No such file");
}

static void assert_same(const struct place *a, const struct place *b)
{
    assert_string_equal(a->path, b->path);
    assert_true(
        a->type == b->type && a->size_bytes == b->size_bytes &&
        a->allocated_bytes == b->allocated_bytes && a->fs_magic == b->fs_magic &&
        a->fs_read_only == b->fs_read_only && a->device == b->device &&
        a->direct_known == b->direct_known && a->direct_memory_align == b->direct_memory_align &&
        a->direct_offset_align == b->direct_offset_align && a->nocow == b->nocow &&
        a->extents_known == b->extents_known && a->extents == b->extents &&
        a->shared == b->shared && a->encoded == b->encoded &&
        a->unwritten_bytes == b->unwritten_bytes && a->mount == b->mount && a->block == b->block);
}

/* Looks up what was noted of the place, as a capture has it. */
static void assert_round_trip(const struct scene *s, const struct place *p)
{
    cleanup_json json_t *all = json_pack("{s:o}", "/asked", place_to_json(p));
    cleanup_free char *text = json_dumps(all, 0);
    assert_non_null(text);
    cleanup_places struct places *noted =
        places_parse(text, strlen(text), s->mounts, s->stack, NULL);
    assert_non_null(noted);
    cleanup_place struct place *again = look(noted, "/asked");
    assert_same(again, p);
    assert_refused(noted, "/else", "/else: was not captured");
}

static void test_round_trips(void **state)
{
    (void)state;
    static const struct place rows[] = {
        {.path = (char *)"/srv/a.img", .size_bytes = 1},
        {.path = (char *)"/srv/\"quoted\"\n", .type = PLACE_OTHER, .fs_read_only = true},
        {.path = (char *)"/a",
         .size_bytes = INT64_MAX,
         .allocated_bytes = INT64_MAX,
         .fs_magic = FS_BTRFS,
         .device = 0x23,
         .direct_known = true,
         .nocow = true,
         .extents_known = true},
        {.path = (char *)"/b",
         .direct_known = true,
         .direct_memory_align = 4,
         .direct_offset_align = 4096,
         .extents_known = true,
         .extents = PLACE_EXTENTS_MAX,
         .shared = true,
         .unwritten_bytes = 7},
        {.path = (char *)"/c", .extents_known = true, .extents = 1, .encoded = true},
    };
    cleanup_scene struct scene s = open_scene(NULL);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct place p = rows[i];
        p.mount = mounts_of_path(s.mounts, p.path);
        assert_round_trip(&s, &p);
    }
    cleanup_free char *path = make_file("noted", 8 * MIB, MIB);
    cleanup_place struct place *real = look(s.places, path);
    assert_round_trip(&s, real);
    const struct place odd = {.path = (char *)"/srv/\xff"};
    assert_null(place_to_json(&odd));
}

/* The block device that a file system's own number does not lead to is noted as well. */
static void test_a_capture(void **state)
{
    (void)state;
    static const struct entry entries[] = {
        {"theirs/proc/self/mountinfo",
         "31 22 0:41 / /srv rw - btrfs /dev/sdb1 rw\n32 22 0:45 / /net rw - nfs4 s:/e rw\n"},
        {"theirs/sys/dev/block/253:2", "-> ../../devices/dm-2"},
        {"theirs/sys/devices/dm-2/dm/name", "vg-images"},
        {"theirs/sys/devices/dm-2/dm/uuid", "LVM-abc"},
        {"theirs/sys/devices/dm-2/slaves/nvme0n1", "-> ../../nvme0n1"},
        {"theirs/sys/dev/block/259:0", "-> ../../devices/nvme0n1"},
        {"theirs/sys/devices/nvme0n1/dev", "259:0"},
        {"theirs/sys/devices/nvme0n1/device/driver", "-> ../../../bus/pci/drivers/nvme"},
        {"theirs" PLACES_FILE,
         "{\"/srv/a.img\":{\"path\":\"/srv/a.img\",\"type\":\"file\",\"size\":1,\"allocated\":1,"
         "\"device\":\"0:41\",\"block\":\"253:2\"},"
         "\"/net/a.img\":{\"path\":\"/net/a.img\",\"type\":\"file\",\"size\":1,\"allocated\":1,"
         "\"device\":\"0:45\"},"
         "\"/dev/vg/images\":{\"path\":\"/dev/dm-2\",\"type\":\"block\",\"size\":1,"
         "\"allocated\":1,\"device\":\"253:2\"},"
         "\"/dev/nvme0n1\":{\"path\":\"/dev/nvme0n1\",\"type\":\"block\",\"size\":1,"
         "\"allocated\":1,\"device\":\"259:0\"},"
         "\"/dev/sdz\":{\"path\":\"/dev/sdz\",\"type\":\"block\",\"size\":1,"
         "\"allocated\":1,\"device\":\"65:144\"},"
         "\"/var/a.img\":{\"path\":\"/var/a.img\",\"type\":\"file\",\"size\":1,\"allocated\":1,"
         "\"device\":\"259:0\",\"fs_magic\":1481003842}}"},
        {"theirs/etc/passwd", "there, but not noted"},
        {NULL, NULL},
    };
    static const struct {
        const char *path, *described;
    } rows[] = {
        {"/srv/a.img", "btrfs on vg-images on nvme0n1"},
        {"/net/a.img", "nfs4"},
        {"/dev/vg/images", "vg-images on nvme0n1"},
        {"/dev/nvme0n1", "nvme0n1 (nvme)"},
        {"/dev/sdz", "/dev/sdz"},
        {"/var/a.img", "xfs on nvme0n1"},
    };
    make_entries(scratch, entries);
    cleanup_free char *directory = scratch_path("theirs");
    cleanup_scene struct scene s = open_scene(directory);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        cleanup_place struct place *p = look(s.places, rows[i].path);
        cleanup_free char *text = place_describe(p);
        assert_string_equal(text, rows[i].described);
    }
    assert_refused(s.places, "/etc/passwd", "was not captured");
    assert_refused(s.places, "srv/a.img", "absolute");
}

static void test_hostile_notes(void **state)
{
    (void)state;
#define WITH(more)                                                                                 \
    "{\"/a\":{\"path\":\"/a\",\"type\":\"file\",\"size\":1,\"allocated\":1," more "}}"
    static const struct {
        const char *text, *whole, *entry; /* words of the error on reading all, or this one */
    } rows[] = {
        {"", PLACES_FILE, NULL},
        {"[]", "no object", NULL},
        {"{", PLACES_FILE, NULL},
        {"{\"/a\":{},\"/a\":{}}", "duplicate", NULL},
        {"{}", NULL, "was not captured"},
        {"{\"/a\":{}}", NULL, "path"},
        {"{\"/a\":null}", NULL, "cannot be used"},
        {"{\"/a\":[1]}", NULL, "cannot be used"},
        {WITH("\"device\":\"1:2\",\"size\":-1"), "duplicate", NULL},
        {WITH("\"device\":\"1:2x\""), NULL, "number of a device"},
        {WITH("\"device\":\"1\""), NULL, "number of a device"},
        {WITH("\"device\":12"), NULL, "cannot be used"},
        {WITH("\"device\":\"1:2\",\"block\":\"-\""), NULL, "number of a device"},
        {WITH("\"device\":\"1:2\",\"fs_magic\":-1"), NULL, "fs_magic"},
        {WITH("\"device\":\"1:2\",\"fs_magic\":4294967296"), NULL, "fs_magic"},
        {WITH("\"device\":\"1:2\",\"nocow\":1"), NULL, "cannot be used"},
        {WITH("\"device\":\"1:2\",\"direct\":{\"memory\":1}"), NULL, "offset"},
        {WITH("\"device\":\"1:2\",\"direct\":{\"memory\":-1,\"offset\":1}"), NULL, "memory"},
        {WITH("\"device\":\"1:2\",\"direct\":1"), NULL, "cannot be used"},
        {WITH("\"device\":\"1:2\",\"extents\":{\"count\":65537,\"shared\":false,"
              "\"encoded\":false,\"unwritten\":0}"),
         NULL, "count"},
        {"{\"/a\":{\"path\":\"/a\",\"type\":\"disk\",\"size\":1,\"allocated\":1,"
         "\"device\":\"1:2\"}}",
         NULL, "type of a place"},
        {"{\"/a\":{\"path\":\"/a\",\"type\":\"file\",\"size\":1.5,\"allocated\":1,"
         "\"device\":\"1:2\"}}",
         NULL, "cannot be used"},
    };
#undef WITH
    cleanup_scene struct scene s = open_scene(NULL);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        cleanup_error struct error *err = NULL;
        cleanup_places struct places *p =
            places_parse(rows[i].text, strlen(rows[i].text), s.mounts, s.stack, &err);
        if (rows[i].whole ? p || !strstr(err->message, rows[i].whole) : !p)
            fail_msg("%s: %s", rows[i].text, err ? err->message : "is read");
        if (p)
            assert_refused(p, "/a", rows[i].entry);
    }
}

/* Notes that are there and cannot be read are not passed over. */
static void test_unreadable_notes(void **state)
{
    (void)state;
    static const struct entry entries[] = {{"odd" PLACES_FILE "/", NULL}, {NULL, NULL}};
    make_entries(scratch, entries);
    cleanup_free char *directory = scratch_path("odd");
    cleanup_root struct root *r = root_open(directory, NULL);
    cleanup_error struct error *err = NULL;
    assert_null(places_new(r, NULL, NULL, &err));
    assert_non_null(strstr(err->message, PLACES_FILE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_a_piece_of_several_extents),
        cmocka_unit_test(test_other_things),
        cmocka_unit_test(test_unreadable),
        cmocka_unit_test(test_a_block_device),
        cmocka_unit_test(test_without_notes),
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_a_capture),
        cmocka_unit_test(test_hostile_notes),
        cmocka_unit_test(test_unreadable_notes),
    };
    return cmocka_run_group_tests_name("place", tests, scratch_set_up, scratch_tear_down);
}
