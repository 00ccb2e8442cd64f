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

/* Runs qemu-img with these words. */
#define qemu_img(...)                                                                              \
    do {                                                                                           \
        const char *const argv[] = {"qemu-img", __VA_ARGS__, NULL};                                \
        struct error *err = NULL;                                                                  \
        if (process_run(argv, NULL, &err) < 0)                                                     \
            fail_msg("%s", err->message);                                                          \
    } while (0)

/* Makes an image. */
#define create(...) qemu_img("create", "-q", __VA_ARGS__)

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
        struct image wanted;
    } rows[] = {
        {"compat=1.1", {.version = 3, .cluster_bytes = 65536, .refcount_bits = 16}},
        {"compat=0.10", {.version = 2, .cluster_bytes = 65536, .refcount_bits = 16}},
        {"cluster_size=2M", {.version = 3, .cluster_bytes = 2 << 20, .refcount_bits = 16}},
        {"cluster_size=128k,extended_l2=on",
         {.version = 3, .cluster_bytes = 128 << 10, .refcount_bits = 16, .extended_l2 = true}},
        {"cluster_size=512", {.version = 3, .cluster_bytes = 512, .refcount_bits = 16}},
        {"lazy_refcounts=on,refcount_bits=1",
         {.version = 3, .cluster_bytes = 65536, .refcount_bits = 1, .lazy_refcounts = true}},
        {"refcount_bits=64", {.version = 3, .cluster_bytes = 65536, .refcount_bits = 64}},
        {"data_file=data.raw",
         {.version = 3, .cluster_bytes = 65536, .refcount_bits = 16, .data_file = true}},
        {"data_file=data.raw,data_file_raw=on",
         {.version = 3,
          .cluster_bytes = 65536,
          .refcount_bits = 16,
          .data_file = true,
          .data_file_raw = true}},
    };
    /* A data file is made where the program is run, which may be anywhere else. */
    assert_int_equal(chdir(scratch), 0);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct image *wanted = &rows[i].wanted;
        cleanup_free char *path = scratch_path("made.qcow2");
        unlink(path);
        unlink("data.raw");
        create("-f", "qcow2", "-o", rows[i].options, path, "1G");
        cleanup_image struct image image = read_well(path, "qcow2");
        assert_string_equal(image.format, "qcow2");
        assert_true(image.virtual_bytes == UINT64_C(1) << 30);
        assert_int_equal(image.version, wanted->version);
        assert_int_equal(image.cluster_bytes, wanted->cluster_bytes);
        assert_int_equal(image.refcount_bits, wanted->refcount_bits);
        assert_int_equal(image.extended_l2, wanted->extended_l2);
        assert_int_equal(image.lazy_refcounts, wanted->lazy_refcounts);
        assert_int_equal(image.data_file, wanted->data_file);
        assert_int_equal(image.data_file_raw, wanted->data_file_raw);
        assert_false(image.dirty || image.corrupt || image.snapshots || image.bitmaps);
        assert_null(image.encryption);
        assert_null(image.backing);
        assert_null(image.backing_format);
        assert_false(image_is_allocated(&image));
    }
}

static void test_snapshots_and_bitmaps(void **state)
{
    (void)state;
    cleanup_free char *path = scratch_path("marked.qcow2"), *base = scratch_path("under.raw");
    create("-f", "raw", base, "8M");
    create("-f", "qcow2", "-F", "raw", "-b", base, path);
    qemu_img("snapshot", "-c", "one", path);
    qemu_img("snapshot", "-c", "two", path);
    qemu_img("bitmap", "--add", path, "a");
    qemu_img("bitmap", "--add", path, "b");
    qemu_img("bitmap", "--add", path, "c");
    cleanup_image struct image marked = read_well(path, "qcow2");
    assert_int_equal(marked.snapshots, 2);
    assert_int_equal(marked.bitmaps, 3);
    assert_string_equal(marked.backing_format, "raw");

    /* A program that knows no bitmaps clears their bit when it writes: they mean nothing then. */
    cleanup_close int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "\0\0\0\0\0\0\0\0", 8, 88), 8);
    cleanup_image struct image cleared = read_well(path, "qcow2");
    assert_int_equal(cleared.bitmaps, 0);
    assert_int_equal(cleared.snapshots, 2);
}

/* What QEMU writes when something went wrong, and what needs a secret to make. */
static void test_marks(void **state)
{
    (void)state;
    cleanup_free char *path = scratch_path("marks.qcow2");
    create("-f", "qcow2", path, "8M");
    cleanup_close int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "\0\0\0\0\0\0\0\x01", 8, 72), 8);
    cleanup_image struct image dirty = read_well(path, "qcow2");
    assert_true(dirty.dirty && !dirty.corrupt && !dirty.data_file);
    assert_int_equal(pwrite(fd, "\0\0\0\0\0\0\0\x02", 8, 72), 8);
    cleanup_image struct image corrupt = read_well(path, "qcow2");
    assert_true(!corrupt.dirty && corrupt.corrupt && !corrupt.data_file);
    static const char *const encryptions[] = {"aes", "luks"};
    for (unsigned char i = 0; i < ARRAY_SIZE(encryptions); i++) {
        assert_int_equal(pwrite(fd, (const unsigned char[]){0, 0, 0, i + 1}, 4, 32), 4);
        cleanup_image struct image image = read_well(path, "qcow2");
        assert_string_equal(image.encryption, encryptions[i]);
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

/* --- A chain, image by image ------------------------------------------------------------------ */

/* The chain's paths below the scratch directory, with a blank between, and "!" where it breaks. The
 * caller frees. */
static char *chain_of(const struct root *r, const char *path, const char *words)
{
    cleanup_error struct error *err = NULL;
    g_autoptr(GPtrArray) chain = image_chain_read(r, path, "qcow2", &err);
    g_autoptr(GString) text = g_string_new(NULL);
    for (guint i = 0; i < chain->len; i++) {
        const struct chained_image *c = chain->pdata[i];
        g_string_append_printf(text, "%s%s", i ? " " : "", strrchr(c->path, '/') + 1);
        assert_true(c->image.virtual_bytes == 8 << 20);
    }
    assert_true(!err == !words);
    if (err && !strstr(err->message, words))
        fail_msg("\"%s\" is not in: %s", words, err->message);
    return xasprintf("%s%s", text->str, err ? "!" : "");
}

/* An overlay that says whatever of its backing image; -u: qemu-img does not look for it. */
static void make_overlay(const char *path, const char *backing, const char *format)
{
    unlink(path);
    create("-u", "-f", "qcow2", "-F", format, "-b", backing, path, "8M");
}

static void test_whole_chains(void **state)
{
    (void)state;
    static const struct {
        const char *backing, *format, *chain, *words;
    } rows[] = {
        {"2.qcow2", "qcow2", "top.qcow2 2.qcow2 1.qcow2 0.qcow2", NULL},
        {"file:2.qcow2", "qcow2", "top.qcow2 2.qcow2 1.qcow2 0.qcow2", NULL},
        {"nbd://host/export", "raw", "top.qcow2", NULL},
        {"json:{\"driver\":\"file\",\"filename\":\"/0.qcow2\"}", "raw", "top.qcow2", NULL},
        {"top.qcow2", "qcow2", "top.qcow2!", "form a loop"},
        {"./top.qcow2", "qcow2", "top.qcow2!", "form a loop"},
        {"gone.qcow2", "qcow2", "top.qcow2!", "gone.qcow2: No such file"},
        {"0.qcow2", "vmdk", "top.qcow2!", "format vmdk are not read"},
    };
    cleanup_free char *below = make_chain(3), *top = scratch_path("top.qcow2");
    cleanup_root struct root *machine = root_open(NULL, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        make_overlay(top, rows[i].backing, rows[i].format);
        cleanup_free char *chain = chain_of(machine, top, rows[i].words);
        assert_string_equal(chain, rows[i].chain);
    }
    g_autoptr(GPtrArray) none = image_chain_read(machine, "/nonexistent", "raw", NULL);
    assert_int_equal(none->len, 0);
}

/* A chain as a capture has it: paths are those of the host that it is from. */
static void test_below_a_directory(void **state)
{
    (void)state;
    cleanup_free char *host = scratch_path("host"), *srv = scratch_path("host/srv");
    cleanup_free char *top = scratch_path("host/srv/top.qcow2");
    cleanup_free char *base = scratch_path("host/srv/base.qcow2");
    assert_int_equal(file_make_directories(srv, NULL), 0);
    create("-f", "qcow2", base, "8M");
    make_overlay(top, "/srv/base.qcow2", "qcow2");
    cleanup_root struct root *r = root_open(host, NULL);
    cleanup_free char *chain = chain_of(r, "/srv/top.qcow2", NULL);
    assert_string_equal(chain, "top.qcow2 base.qcow2");
    /* The path of this machine means nothing there. */
    make_overlay(top, base, "qcow2");
    cleanup_free char *broken = chain_of(r, "/srv/top.qcow2", "No such file");
    assert_string_equal(broken, "top.qcow2!");
    struct image image;
    assert_int_equal(image_read_below(r, base, "qcow2", &image, NULL), -1);
    cleanup_image struct image well = {0};
    assert_int_equal(image_read_below(r, "/srv/base.qcow2", "qcow2", &well, NULL), 0);
}

/* As deep as it may be, and one deeper. */
static void test_a_long_chain(void **state)
{
    (void)state;
    cleanup_root struct root *machine = root_open(NULL, NULL);
    cleanup_free char *template = scratch_path("0.qcow2");
    make_overlay(template, "placeholder.qcow2", "qcow2");
    size_t length;
    cleanup_free char *bytes = file_read(template, &length, NULL);
    char *name = memmem(bytes, length, "placeholder.qcow2", strlen("placeholder.qcow2"));
    assert_non_null(name);
    for (int i = 0; i <= IMAGE_CHAIN_MAX; i++) {
        cleanup_free char *path = xasprintf("%s/link%07d.qcow2", scratch, i);
        char next[32];
        snprintf(next, sizeof(next), "link%07d.qcow2", i + 1);
        memcpy(name, next, strlen("placeholder.qcow2"));
        cleanup_close int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        assert_int_equal(file_write_all(fd, bytes, length), 0);
    }
    cleanup_free char *last = xasprintf("%s/link%07d.qcow2", scratch, IMAGE_CHAIN_MAX + 1);
    cleanup_free char *first = scratch_path("link0000000.qcow2");
    cleanup_free char *second = scratch_path("link0000001.qcow2");
    create("-f", "qcow2", last, "8M");
    cleanup_error struct error *err = NULL;
    g_autoptr(GPtrArray) chain = image_chain_read(machine, second, "qcow2", &err);
    assert_true(!err && chain->len == IMAGE_CHAIN_MAX + 1);
    g_autoptr(GPtrArray) longer = image_chain_read(machine, first, "qcow2", &err);
    assert_non_null(strstr(err->message, "more than 200 images"));
    assert_int_equal(longer->len, IMAGE_CHAIN_MAX + 1);
}

/* A format that is not read is one image more, of which nothing is known. */
static void test_depth_of_other_formats(void **state)
{
    (void)state;
    cleanup_free char *top = scratch_path("top.qcow2");
    static const char *const formats[] = {"vmdk", "qed", "vdi", "vpc", "vhdx", "qcow"};
    for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
        make_overlay(top, "gone.img", formats[i]);
        cleanup_image struct image image = read_well(top, "qcow2");
        assert_string_equal(image.backing_format, formats[i]);
        assert_int_equal(depth_of(top), 1);
    }
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
    assert_patched_refused(32, "\0\0\0\x03", 4, "encryption of kind 3");
    assert_patched_refused(96, "\0\0\0\x07", 4, "refcounts of 2^7");
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
        cmocka_unit_test(test_snapshots_and_bitmaps),
        cmocka_unit_test(test_marks),
        cmocka_unit_test(test_raw),
        cmocka_unit_test(test_chains),
        cmocka_unit_test(test_raw_is_never_looked_into),
        cmocka_unit_test(test_a_loop),
        cmocka_unit_test(test_a_missing_link),
        cmocka_unit_test(test_whole_chains),
        cmocka_unit_test(test_below_a_directory),
        cmocka_unit_test(test_a_long_chain),
        cmocka_unit_test(test_depth_of_other_formats),
        cmocka_unit_test(test_absurd_headers),
        cmocka_unit_test(test_no_image_at_all),
    };
    return cmocka_run_group_tests_name("image", tests, scratch_set_up, scratch_tear_down);
}
