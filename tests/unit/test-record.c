/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-record.c - what is looked up while there is a record comes to the same below a directory
 * that has what was noted; and of images that is a header that says the same.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/json.h"
#include "host/image.h"
#include "host/qcow2.h"
#include "host/record.h"
#include "host/root.h"
#include "tree.h"

/* --- A copy of what was noted ----------------------------------------------------------------- */

static void write_file(const char *path, const void *data, size_t length)
{
    cleanup_close int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(file_write_all(fd, data, length), 0);
}

static void copy_entry(const char *directory, const char *path, const struct recorded *e)
{
    cleanup_free char *to = xasprintf("%s%s", directory, path);
    cleanup_free char *above = xasprintf("%s/..", to);
    *strrchr(above, '/') = '\0';
    *strrchr(above, '/') = '\0';
    assert_int_equal(file_make_directories(above, NULL), 0);
    if (e->type == RECORDED_DIRECTORY)
        assert_int_equal(file_make_directories(to, NULL), 0);
    else if (e->type == RECORDED_LINK)
        assert_int_equal(symlink(e->data, to), 0);
    else
        write_file(to, e->data ? e->data : "", e->length);
}

/* The root of a copy; its path is `name` in the scratch directory. */
static struct root *copy_of(const struct record *r, const char *name)
{
    GHashTableIter i;
    gpointer path, e;
    cleanup_free char *directory = scratch_path(name);
    cleanup_free char *notes = xasprintf("%s/virt-disktune", directory);
    cleanup_free char *refused = xasprintf("%s%s", directory, ROOT_REFUSALS_FILE);
    assert_int_equal(file_make_directories(notes, NULL), 0);
    g_hash_table_iter_init(&i, record_entries(r));
    while (g_hash_table_iter_next(&i, &path, &e))
        if (strcmp(path, "/") != 0)
            copy_entry(directory, path, e);
    g_autofree char *text = json_dumps(record_refusals(r), 0);
    write_file(refused, text, strlen(text));
    struct root *copy = root_open(directory, NULL);
    assert_non_null(copy);
    return copy;
}

static struct root *recording(struct record *record)
{
    struct root *r = root_open(NULL, NULL);
    root_record_into(r, record);
    assert_ptr_equal(root_record(r), record);
    return r;
}

/* --- Looking up ------------------------------------------------------------------------------- */

/* All that can be asked of a path, as one text. The caller frees. */
static char *answers(const struct root *r, const char *path)
{
    cleanup_free char *text = root_read(r, path), *link = root_readlink(r, path);
    g_autoptr(GPtrArray) names = root_list(r, path);
    g_autoptr(GString) all = g_string_new(NULL);
    for (guint i = 0; i < names->len; i++)
        g_string_append_printf(all, " %s", (char *)names->pdata[i]);
    cleanup_close int there = root_openat(r, path, O_PATH);
    cleanup_close int opened = root_openat(r, path, O_RDONLY | O_NONBLOCK);
    bool lacks = opened < 0 && (errno == ENOENT || errno == ENOTDIR);
    return xasprintf("%s|%s|%s|%d|%s", text ? text : "(none)", link ? link : "(none)", all->str,
                     there >= 0,
                     lacks        ? "not there"
                     : opened < 0 ? strerror(errno)
                                  : "opened");
}

static void test_looked_up_again(void **state)
{
    (void)state;
    const struct entry entries[] = {
        {"m/devices/pci/numa_node", "1\n"},
        {"m/devices/pci/ctl/disk/size", "42\n"},
        {"m/devices/pci/ctl/disk/device", "-> ../../ctl"},
        {"m/devices/pci/ctl/disk/mq/0/", NULL},
        {"m/devices/pci/ctl/disk/mq/1/", NULL},
        {"m/devices/pci/ctl/disk/empty", ""},
        {"m/apart/number", "1\n"},
        {"m/apart/lone/", NULL},
        {"m/dev/8:0", "-> ../devices/pci/ctl/disk"},
        {"m/dev/round", "-> round"},
        {"m/dev/nowhere", "-> nothing"},
        {"m/dev/dots", "-> ./..//devices/./pci"},
        {NULL, NULL},
    };
    static const char *const paths[] = {
        "/dev/8:0/size",         "/dev/8:0",           "/dev/8:0/device/../numa_node",
        "/dev/8:0/mq",           "/dev/8:0/mq/0",      "/dev/8:0/empty",
        "/dev/8:0/nothing",      "/dev/8:0/size/more", "/dev/round",
        "/dev/nowhere",          "/dev/dots/ctl/disk", "/dev",
        "/devices/pci/ctl//.",   "/dev/fifo",          "/dev/8:0/../../../dev",
        "/apart/lone/../number",
    };
    make_entries(scratch, entries);
    cleanup_free char *absolute = scratch_path("m/dev/absolute"), *disk = scratch_path("m/devices");
    cleanup_free char *fifo = scratch_path("m/dev/fifo");
    assert_int_equal(symlink(disk, absolute), 0);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    cleanup_record struct record *record = record_new();
    cleanup_root struct root *machine = recording(record);
    char *before[ARRAY_SIZE(paths) + 1];
    for (size_t i = 0; i <= ARRAY_SIZE(paths); i++) {
        const char *path = i < ARRAY_SIZE(paths) ? paths[i] : "/dev/absolute/pci/numa_node";
        cleanup_free char *whole = xasprintf("%s/m%s", scratch, path);
        before[i] = answers(machine, whole);
    }
    cleanup_root struct root *copy = copy_of(record, "copy");
    for (size_t i = 0; i <= ARRAY_SIZE(paths); i++) {
        const char *path = i < ARRAY_SIZE(paths) ? paths[i] : "/dev/absolute/pci/numa_node";
        cleanup_free char *whole = xasprintf("%s/m%s", scratch, path);
        cleanup_free char *after = answers(copy, whole);
        if (strcmp(after, before[i]) != 0)
            fail_msg("%s: %s instead of %s", path, after, before[i]);
        free(before[i]);
    }
}

static void test_refused(void **state)
{
    (void)state;
    const struct entry entries[] = {{"refused/a", "text"}, {"refused/b", "text"}, {NULL, NULL}};
    const struct entry refusals[] = {
        {"refused/virt-disktune/refused.json",
         "{\"/a\": 13, \"/b\": \"no\", \"/c\": 5, \"/d\": 99999, \"/e\": -1}"},
        {NULL, NULL}};
    make_entries(scratch, entries);
    make_entries(scratch, refusals);
    cleanup_free char *directory = scratch_path("refused");
    cleanup_root struct root *r = root_open(directory, NULL);
    cleanup_close int there = root_openat(r, "/a", O_PATH);
    assert_true(there >= 0);
    assert_int_equal(root_openat(r, "/a", O_RDONLY), -1);
    assert_int_equal(errno, EACCES);
    assert_int_equal(root_openat(r, "/c", O_RDONLY), -1);
    assert_int_equal(errno, EIO);
    assert_int_equal(root_openat(r, "/d", O_RDONLY), -1);
    assert_int_equal(errno, ENOENT);
    cleanup_free char *text = root_read(r, "/b");
    assert_string_equal(text, "text");
}

static void test_what_cannot_be_read(void **state)
{
    (void)state;
    cleanup_record struct record *record = record_new();
    cleanup_root struct root *machine = recording(record);
    /* It opens, and every read of it fails. */
    assert_null(root_read(machine, "/proc/self/mem"));
    assert_null(root_read(machine, scratch));
    assert_true(json_integer_value(json_object_get(record_refusals(record), "/proc/self/mem")) > 0);
    cleanup_root struct root *copy = copy_of(record, "unread");
    assert_null(root_read(copy, "/proc/self/mem"));
    assert_null(root_read(copy, scratch));
}

static void *note_many(void *data)
{
    const struct root *r = data;
    for (int i = 0; i < 200; i++)
        g_ptr_array_unref(root_list(r, i % 2 ? "/proc/self" : "/sys/kernel"));
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    pthread_t threads[8];
    cleanup_record struct record *record = record_new();
    cleanup_root struct root *machine = recording(record);
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, note_many, machine), 0);
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_non_null(g_hash_table_lookup(record_entries(record), "/proc/self/status"));
}

/* --- Images ----------------------------------------------------------------------------------- */

static void assert_same(const struct image *a, const struct image *b, const char *name)
{
    bool texts = g_strcmp0(a->backing, b->backing) == 0 || !image_backing_is_path(a->backing);
    bool same = texts && a->version == b->version && a->virtual_bytes == b->virtual_bytes &&
                a->cluster_bytes == b->cluster_bytes && a->extended_l2 == b->extended_l2 &&
                a->lazy_refcounts == b->lazy_refcounts && a->dirty == b->dirty &&
                a->corrupt == b->corrupt && a->refcount_bits == b->refcount_bits &&
                a->snapshots == b->snapshots && a->bitmaps == b->bitmaps &&
                a->data_file == b->data_file && a->data_file_raw == b->data_file_raw &&
                !a->backing == !b->backing && g_strcmp0(a->encryption, b->encryption) == 0 &&
                g_strcmp0(a->backing_format, b->backing_format) == 0;
    if (!same)
        fail_msg("%s: the header that was noted is another one", name);
}

/* Whether it was read, here and from what was noted alike. */
static bool compare_image(const char *path, const char *name)
{
    cleanup_record struct record *record = record_new();
    cleanup_root struct root *machine = recording(record);
    cleanup_image struct image image = {0}, again = {0};
    cleanup_error struct error *err = NULL, *err_again = NULL;
    int r = image_read_below(machine, path, "qcow2", &image, &err);
    cleanup_root struct root *copy = copy_of(record, name);
    assert_int_equal(image_read_below(copy, path, "qcow2", &again, &err_again), r);
    if (r == 0)
        assert_same(&image, &again, name);
    else
        assert_string_equal(err_again->message, err->message);
    const struct recorded *e = g_hash_table_lookup(record_entries(record), path);
    assert_true(e && e->image && e->length < 4096);
    return r == 0;
}

static void test_images_of_the_corpus(void **state)
{
    (void)state;
    unsigned read = 0, refused = 0;
    cleanup_free char *corpus =
        xasprintf("%s/../fuzz/corpus/image", getenv("VIRT_DISKTUNE_TEST_DATA"));
    cleanup_free char *directory = realpath(corpus, NULL);
    assert_non_null(directory);
    g_autoptr(GDir) dir = g_dir_open(directory, 0, NULL);
    for (const char *name; (name = g_dir_read_name(dir));) {
        cleanup_free char *path = xasprintf("%s/%s", directory, name);
        bool good = compare_image(path, name);
        read += good;
        refused += !good;
    }
    assert_true(read >= 10 && refused >= 5);
}

/* Each field by itself, as the header that is made of it is read. */
static void test_headers(void **state)
{
    (void)state;
    static const struct image rows[] = {
        {.version = 2, .cluster_bytes = 512, .refcount_bits = 16, .snapshots = 3},
        {.version = 2,
         .cluster_bytes = 65536,
         .refcount_bits = 16,
         .backing = (char *)"/b.img",
         .backing_format = "qcow2",
         .encryption = "aes"},
        {.version = 3, .cluster_bytes = 2 << 20, .refcount_bits = 1, .virtual_bytes = 1ull << 40},
        {.version = 3, .cluster_bytes = 65536, .refcount_bits = 64, .bitmaps = 7},
        {.version = 3,
         .cluster_bytes = 65536,
         .refcount_bits = 16,
         .bitmaps = 1,
         .backing = (char *)"b",
         .backing_format = "raw"},
        {.version = 3,
         .cluster_bytes = 65536,
         .refcount_bits = 16,
         .dirty = true,
         .lazy_refcounts = true},
        {.version = 3, .cluster_bytes = 65536, .refcount_bits = 16, .corrupt = true},
        {.version = 3, .cluster_bytes = 65536, .refcount_bits = 16, .extended_l2 = true},
        {.version = 3, .cluster_bytes = 65536, .refcount_bits = 16, .data_file = true},
        {.version = 3,
         .cluster_bytes = 65536,
         .refcount_bits = 16,
         .data_file = true,
         .data_file_raw = true,
         .encryption = "luks"},
    };
    cleanup_free char *path = scratch_path("header.qcow2");
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        size_t length;
        cleanup_image struct image read = {0};
        cleanup_free void *header = qcow2_header_of(&rows[i], &length);
        write_file(path, header, length);
        assert_int_equal(image_read(path, "qcow2", &read, NULL), 0);
        cleanup_free char *name = xasprintf("row %zu", i);
        assert_same(&rows[i], &read, name);
        assert_string_equal(read.backing ? read.backing : "",
                            rows[i].backing ? rows[i].backing : "");
    }
}

static void test_data_is_not_noted(void **state)
{
    (void)state;
    cleanup_free char *path = scratch_path("data.img");
    write_file(path, "a partition table", 17);
    cleanup_record struct record *record = record_new();
    cleanup_root struct root *machine = recording(record);
    cleanup_image struct image image = {0};
    assert_int_equal(image_read_below(machine, path, "raw", &image, NULL), 0);
    assert_string_equal(image_guess_format(machine, path), "raw");
    assert_int_equal(image_read_below(machine, path, "qcow2", &image, NULL), -1);
    const struct recorded *e = g_hash_table_lookup(record_entries(record), path);
    assert_true(e->image);
    assert_int_equal(e->length, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_looked_up_again),      cmocka_unit_test(test_refused),
        cmocka_unit_test(test_what_cannot_be_read),  cmocka_unit_test(test_threads),
        cmocka_unit_test(test_images_of_the_corpus), cmocka_unit_test(test_headers),
        cmocka_unit_test(test_data_is_not_noted),
    };
    return cmocka_run_group_tests(tests, scratch_set_up, scratch_tear_down);
}
