/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-image.c - headers of images: those that qemu-img writes, and those that nobody should.
 */
#undef NDEBUG
#include <assert.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "host/image.h"
#include "host/process.h"
#include "scratch.h"

/* Makes an image with qemu-img; NULL-terminated words behind "create -q". */
#define create(...)                                                                                \
    do {                                                                                           \
        const char *const argv[] = {"qemu-img", "create", "-q", __VA_ARGS__, NULL};                \
        struct error *err = NULL;                                                                  \
        if (process_run(argv, NULL, &err) < 0)                                                     \
            fail_msg("%s", err->message);                                                          \
    } while (0)

static struct image read_well(const char *path, const char *format)
{
    struct image image;
    struct error *err = NULL;
    if (image_read(path, format, &image, &err) < 0)
        fail_msg("%s", err->message);
    return image;
}

static void assert_refused(const char *path, const char *format, const char *words)
{
    struct image image;
    cleanup_error struct error *err = NULL;
    assert_int_equal(image_read(path, format, &image, &err), -1);
    if (!strstr(err->message, words))
        fail_msg("\"%s\" is not in: %s", words, err->message);
}

static void test_what_qemu_img_writes(void **state)
{
    (void)state;
    static const struct {
        const char *options;
        uint32_t cluster;
        bool extended;
    } rows[] = {
        {"compat=1.1", 65536, false},        {"compat=0.10", 65536, false},
        {"cluster_size=2M", 2 << 20, false}, {"cluster_size=128k,extended_l2=on", 128 << 10, true},
        {"cluster_size=512", 512, false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        cleanup_free char *path = scratch_path("made.qcow2");
        unlink(path);
        create("-f", "qcow2", "-o", rows[i].options, path, "1G");
        cleanup_image struct image image = read_well(path, "qcow2");
        assert_string_equal(image.format, "qcow2");
        assert_true(image.virtual_bytes == UINT64_C(1) << 30);
        assert_int_equal(image.cluster_bytes, rows[i].cluster);
        assert_int_equal(image.extended_l2, rows[i].extended);
        assert_null(image.backing);
        assert_false(image_is_allocated(&image));
    }
}

static void test_raw(void **state)
{
    (void)state;
    cleanup_free char *sparse = scratch_path("sparse.raw"), *full = scratch_path("full.raw");
    create("-f", "raw", sparse, "8M");
    create("-f", "raw", "-o", "preallocation=falloc", full, "8M");
    cleanup_image struct image a = read_well(sparse, "raw"), b = read_well(full, "raw");
    assert_true(a.virtual_bytes == 8 << 20 && b.virtual_bytes == 8 << 20);
    assert_int_equal(a.cluster_bytes, 0);
    assert_false(image_is_allocated(&a));
    assert_true(image_is_allocated(&b));
}

/* A chain of `length` images, 0.qcow2 the last of it; the caller frees the path of the top. */
static char *make_chain(unsigned length)
{
    cleanup_free char *base = scratch_path("0.qcow2");
    create("-f", "qcow2", base, "8M");
    char *below = xstrdup("0.qcow2");
    for (unsigned i = 1; i < length; i++) {
        cleanup_free char *name = xasprintf("%u.qcow2", i);
        cleanup_free char *path = scratch_path(name);
        /* By its name in the directory of the image, and by its path. */
        cleanup_free char *whole = scratch_path(below);
        create("-f", "qcow2", "-F", "qcow2", "-b", i % 2 ? below : whole, path);
        free(below);
        below = TAKE_PTR(name);
    }
    char *top = scratch_path(below);
    free(below);
    return top;
}

static unsigned depth_of(const char *path)
{
    unsigned depth = 0;
    struct error *err = NULL;
    cleanup_image struct image image = read_well(path, "qcow2");
    if (image_chain_depth(path, &image, &depth, &err) < 0)
        fail_msg("%s", err->message);
    return depth;
}

static void test_chains(void **state)
{
    (void)state;
    cleanup_free char *one = make_chain(1);
    assert_int_equal(depth_of(one), 0);
    cleanup_free char *five = make_chain(5);
    assert_int_equal(depth_of(five), 4);

    cleanup_free char *base = scratch_path("base.raw"), *top = scratch_path("over-raw.qcow2");
    create("-f", "raw", base, "8M");
    create("-f", "qcow2", "-F", "raw", "-b", base, top);
    assert_int_equal(depth_of(top), 1);
    cleanup_image struct image image = read_well(top, "qcow2");
    assert_string_equal(image.backing, base);
    assert_string_equal(image.backing_format, "raw");
}

/* A guest can write a header into its raw disk that names a file of the host: it is not followed.
 */
static void test_raw_is_never_looked_into(void **state)
{
    (void)state;
    cleanup_free char *evil = make_chain(3), *top = scratch_path("over-evil.qcow2");
    create("-f", "qcow2", "-F", "raw", "-b", evil, top, "8M");
    assert_int_equal(depth_of(top), 1);
}

/* Rebasing without a look (-u) makes a chain that bites its tail. */
static void test_a_loop(void **state)
{
    (void)state;
    cleanup_free char *top = make_chain(3), *base = scratch_path("0.qcow2");
    const char *const argv[] = {"qemu-img", "rebase", "-u", "-f", "qcow2", "-F",
                                "qcow2",    "-b",     top,  base, NULL};
    assert_int_equal(process_run(argv, NULL, NULL), 0);
    cleanup_image struct image image = read_well(top, "qcow2");
    unsigned depth;
    cleanup_error struct error *err = NULL;
    assert_int_equal(image_chain_depth(top, &image, &depth, &err), -1);
    assert_non_null(strstr(err->message, "loop"));
}

static void test_a_missing_link(void **state)
{
    (void)state;
    cleanup_free char *top = make_chain(3), *middle = scratch_path("1.qcow2");
    unlink(middle);
    cleanup_image struct image image = read_well(top, "qcow2");
    unsigned depth;
    cleanup_error struct error *err = NULL;
    assert_int_equal(image_chain_depth(top, &image, &depth, &err), -1);
    assert_non_null(strstr(err->message, "1.qcow2: No such file"));
}

/* --- What nobody should write ----------------------------------------------------------------- */

/* A good header with some bytes replaced. */
static void assert_patched_refused(off_t at, const void *bytes, size_t length, const char *words)
{
    cleanup_free char *path = scratch_path("patched.qcow2"), *base = scratch_path("base.raw");
    unlink(path);
    create("-f", "raw", base, "8M");
    create("-f", "qcow2", "-F", "raw", "-b", base, path);
    cleanup_close int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, bytes, length, at), length);
    assert_refused(path, "qcow2", words);
}

static void test_absurd_headers(void **state)
{
    (void)state;
    assert_patched_refused(0, "QFI\xfa", 4, "no qcow2 image");
    assert_patched_refused(4, "\0\0\0\x04", 4, "version 4");
    assert_patched_refused(4, "\xff\xff\xff\xff", 4, "version");
    assert_patched_refused(20, "\0\0\0\x08", 4, "2^8");
    assert_patched_refused(20, "\0\0\0\x16", 4, "2^22");
    assert_patched_refused(20, "\xff\xff\xff\xff", 4, "clusters");
    assert_patched_refused(16, "\0\0\x04\0", 4, "1024 bytes long");
    assert_patched_refused(16, "\xff\xff\xff\xff", 4, "bytes long");
    assert_patched_refused(8, "\xff\xff\xff\xff\xff\xff\xff\xff", 8, "names a backing image at");
}

static void test_no_image_at_all(void **state)
{
    (void)state;
    cleanup_free char *fifo = scratch_path("fifo"), *nothing = scratch_path("nothing");
    cleanup_free char *text = scratch_path("text");
    mkfifo(fifo, 0600);
    assert_int_equal(file_write_atomic(text, "QFI", NULL), 0);
    assert_refused(fifo, "raw", "neither a file nor a block device");
    assert_refused(scratch, "raw", "neither a file nor a block device");
    assert_refused(nothing, "raw", "No such file");
    assert_refused(text, "qcow2", "no qcow2 image");
    assert_refused(text, "vmdk", "format vmdk");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_qemu_img_writes),
        cmocka_unit_test(test_raw),
        cmocka_unit_test(test_chains),
        cmocka_unit_test(test_raw_is_never_looked_into),
        cmocka_unit_test(test_a_loop),
        cmocka_unit_test(test_a_missing_link),
        cmocka_unit_test(test_absurd_headers),
        cmocka_unit_test(test_no_image_at_all),
    };
    return cmocka_run_group_tests_name("image", tests, scratch_set_up, scratch_tear_down);
}
