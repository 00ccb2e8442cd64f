/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-initramfs.c - what is written is read back.
 *
 *   test-initramfs           with made-up modules
 *   test-initramfs --real    with those of a real kernel; skipped where this machine has none
 */
#undef NDEBUG
#include <assert.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <archive.h>
#include <archive_entry.h>
#include <cmocka.h>

#include "host/directories.h"
#include "made-modules.h"
#include "probe/initramfs.h"

#define ENTRIES_MAX 64

static const char init[] = "\177ELF, and what else\n\0is in a program";

static struct kernel *real_kernel;

/* --- Reading back ----------------------------------------------------------------------------- */

struct entry {
    char *name;
    mode_t mode;
    dev_t device;
    size_t length;
    char *data;
};

struct contents {
    size_t count;
    struct entry entries[ENTRIES_MAX];
};

static void contents_free(struct contents *contents)
{
    for (size_t i = 0; i < contents->count; i++) {
        free(contents->entries[i].name);
        free(contents->entries[i].data);
    }
}

/* Reads the archive and removes it. */
static void read_back(const char *path, struct contents *ret)
{
    struct archive *archive = archive_read_new();
    struct archive_entry *header;
    struct stat st;
    assert(stat(path, &st) == 0 && (st.st_mode & 07777) == 0600);
    archive_read_support_format_cpio(archive);
    assert(archive_read_open_filename(archive, path, 4096) == ARCHIVE_OK);
    while (archive_read_next_header(archive, &header) == ARCHIVE_OK) {
        assert(archive_format(archive) == ARCHIVE_FORMAT_CPIO_SVR4_NOCRC);
        assert(ret->count < ENTRIES_MAX);
        struct entry *entry = &ret->entries[ret->count++];
        entry->name = xstrdup(archive_entry_pathname(header));
        entry->mode = archive_entry_mode(header);
        entry->device = archive_entry_rdev(header);
        entry->length = (size_t)archive_entry_size(header);
        entry->data = xcalloc(entry->length, 1);
        assert(archive_read_data(archive, entry->data, entry->length) == (la_ssize_t)entry->length);
    }
    assert(!archive_error_string(archive));
    archive_read_free(archive);
    assert(unlink(path) == 0);
}

/* Checks what is there besides modules, and returns where those begin. */
static size_t check_base(const struct contents *contents)
{
    const struct entry base[] = {
        {(char *)"dev", S_IFDIR | 0755, 0, 0, (char *)""},
        {(char *)"proc", S_IFDIR | 0755, 0, 0, (char *)""},
        {(char *)"sys", S_IFDIR | 0755, 0, 0, (char *)""},
        {(char *)"modules", S_IFDIR | 0755, 0, 0, (char *)""},
        {(char *)"image", S_IFDIR | 0755, 0, 0, (char *)""},
        {(char *)"dev/console", S_IFCHR | 0600, makedev(5, 1), 0, (char *)""},
        {(char *)"init", S_IFREG | 0755, 0, sizeof(init), (char *)init},
    };
    assert_true(contents->count >= ARRAY_SIZE(base));
    for (size_t i = 0; i < ARRAY_SIZE(base); i++) {
        const struct entry *entry = &contents->entries[i];
        assert_string_equal(entry->name, base[i].name);
        assert_int_equal(entry->mode, base[i].mode);
        assert_int_equal(entry->device, base[i].device);
        assert_int_equal(entry->length, base[i].length);
        assert_memory_equal(entry->data, base[i].data, base[i].length);
    }
    return ARRAY_SIZE(base);
}

/* The names of the modules, without "modules/" and ".ko"; the caller frees. */
static char *module_names(const struct contents *contents)
{
    char *names = xstrdup("");
    for (size_t i = check_base(contents); i < contents->count; i++) {
        const struct entry *entry = &contents->entries[i];
        assert_int_equal(entry->mode, S_IFREG | 0644);
        assert_true(entry->length > SELFMAG && memcmp(entry->data, ELFMAG, SELFMAG) == 0);
        assert_memory_equal(entry->name, "modules/", 8);
        assert_string_equal(entry->name + strlen(entry->name) - 3, ".ko");
        char *more = xasprintf("%s%s%.*s", names, names[0] ? " " : "",
                               (int)strlen(entry->name) - 11, entry->name + 8);
        free(names);
        names = more;
    }
    return names;
}

/* --- Made-up modules -------------------------------------------------------------------------- */

static const struct {
    const char *names[4];
    const char *written;
} orders[] = {
    {{NULL}, ""},
    {{"virtio"}, "00-virtio"},
    {{"virtio_blk"}, "00-virtio 01-virtio_ring 02-virtio_blk"},
    {{"virtio-blk", "virtio_blk", "virtio"}, "00-virtio 01-virtio_ring 02-virtio_blk"},
    {{"virtio_pci", "virtio_blk"},
     "00-virtio 01-virtio_ring 02-a_modern 03-virtio_pci 04-virtio_blk"},
    {{"virtio_console"}, ""},
    {{"built_in", "virtio", "virtio_console"}, "00-virtio"},
    {{"soft"}, "00-virtio 01-virtio_ring 02-soft_first 03-soft"},
    {{"loop_a"}, "00-loop_b 01-loop_a"},
    {{"packed_gz", "packed_xz", "packed_zst"}, "00-packed_gz 01-packed_xz 02-packed_zst"},
};

static void test_order(void **state)
{
    (void)state;
    cleanup_free char *path = xasprintf("%s/initramfs", scratch);
    for (size_t i = 0; i < ARRAY_SIZE(orders); i++) {
        cleanup_error struct error *err = NULL;
        if (initramfs_write(path, &fake_kernel, init, sizeof(init), orders[i].names, NULL, &err) <
            0)
            fail_msg("%s: %s", orders[i].names[0], err->message);
        struct contents contents = {0};
        read_back(path, &contents);
        cleanup_free char *names = module_names(&contents);
        assert_string_equal(names, orders[i].written);
        contents_free(&contents);
    }
}

static void test_unpacked(void **state)
{
    (void)state;
    static const char *const packed[] = {"packed_gz", "packed_xz", "packed_zst", NULL};
    cleanup_free char *path = xasprintf("%s/initramfs", scratch);
    struct elf elf = make_elf(NULL, (const char *const[]){NULL});
    struct contents contents = {0};
    assert_int_equal(initramfs_write(path, &fake_kernel, init, sizeof(init), packed, NULL, NULL),
                     0);
    read_back(path, &contents);
    size_t first = check_base(&contents);
    assert_int_equal(contents.count, first + 3);
    for (size_t i = first; i < contents.count; i++) {
        assert_int_equal(contents.entries[i].length, sizeof(elf));
        assert_memory_equal(contents.entries[i].data, &elf, sizeof(elf));
    }
    contents_free(&contents);
}

/* --- An image --------------------------------------------------------------------------------- */

#define BLOCK 4096

/* Where there is something else than zeros: alone, across what is read at a time, at the end.
 * Blocks of zeros are written as well, and are not holes of the file. */
static const struct {
    off_t offset;
    size_t blocks;
    char value;
} pieces[] = {
    {0, 1, 0},           {BLOCK, 1, 'a'},     {3 * BLOCK, 2, 'b'}, {5 * BLOCK, 1, 0},
    {1 << 20, 256, 'c'}, {3 << 20, 600, 'd'}, {64 << 20, 1, 'e'},
};

static void make_image(const char *path, size_t size)
{
    cleanup_close int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert(fd >= 0 && ftruncate(fd, (off_t)size) == 0);
    for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
        cleanup_free char *data = xcalloc(pieces[i].blocks, BLOCK);
        memset(data, pieces[i].value, pieces[i].blocks * BLOCK);
        assert(pwrite(fd, data, pieces[i].blocks * BLOCK, pieces[i].offset) ==
               (ssize_t)(pieces[i].blocks * BLOCK));
    }
}

/* What the archive has, put where it stands, is the image; it has no more than what is not zeros.
 */
static void test_image(void **state)
{
    (void)state;
    static const char *const none[] = {NULL};
    const size_t size = (64 << 20) + BLOCK;
    cleanup_free char *path = xasprintf("%s/initramfs", scratch);
    cleanup_free char *image = xasprintf("%s/image", scratch);
    cleanup_free char *copy = xcalloc(1, size), *whole = xcalloc(1, size);
    make_image(image, size);
    struct contents contents = {0};
    assert_int_equal(initramfs_write(path, &fake_kernel, init, sizeof(init), none, image, NULL), 0);
    read_back(path, &contents);
    size_t bytes = 0;
    for (size_t i = check_base(&contents); i < contents.count; i++) {
        const struct entry *entry = &contents.entries[i];
        assert_memory_equal(entry->name, "image/", 6);
        size_t offset = strtoul(entry->name + 6, NULL, 10);
        assert_true(offset % BLOCK == 0 && offset + entry->length <= size);
        memcpy(copy + offset, entry->data, entry->length);
        bytes += entry->length;
    }
    contents_free(&contents);
    cleanup_close int fd = open(image, O_RDONLY | O_CLOEXEC);
    assert_int_equal(read(fd, whole, size), size);
    assert_memory_equal(copy, whole, size);
    assert_int_equal(bytes, (1 + 2 + 256 + 600 + 1) * BLOCK);
    unlink(image);
}

static void test_no_image(void **state)
{
    (void)state;
    static const char *const none[] = {NULL};
    cleanup_free char *path = xasprintf("%s/initramfs", scratch);
    cleanup_error struct error *err = NULL;
    assert_int_equal(
        initramfs_write(path, &fake_kernel, init, sizeof(init), none, "/nonexistent/image", &err),
        -1);
    assert_non_null(strstr(err->message, "/nonexistent/image"));
    assert_int_equal(access(path, F_OK), -1);
}

/* --- Errors ----------------------------------------------------------------------------------- */

static const struct {
    const char *module;
    const char *message;
} broken[] = {
    {"nowhere", "/lib/modules/" RELEASE " has no module nowhere"},
    {"text", "/kernel/text.ko: it is not a kernel module"},
    {"packed_text", "/kernel/packed-text.ko.xz: it is not a kernel module"},
    {"torn", "/kernel/torn.ko: "},
    {"packed_empty", "/kernel/packed-empty.ko.xz: it is"},
    {"empty", "/kernel/empty.ko: it is empty"},
    {"gone", "/kernel/gone.ko: cannot open: No such file"},
};

/* Fails where there is no such error, or where something was left behind. */
static void check_error(const char *path, const struct kernel *kernel, const char *module,
                        const char *message)
{
    const char *const names[] = {"virtio", module, NULL};
    cleanup_error struct error *err = NULL;
    if (initramfs_write(path, kernel, init, sizeof(init), names, NULL, &err) == 0)
        fail_msg("no error '%s'", message);
    if (!strstr(err->message, message))
        fail_msg("'%s' instead of '%s'", err->message, message);
    assert_int_equal(access(path, F_OK), -1);
}

static void test_broken(void **state)
{
    (void)state;
    cleanup_free char *path = xasprintf("%s/initramfs", scratch);
    for (size_t i = 0; i < ARRAY_SIZE(broken); i++)
        check_error(path, &fake_kernel, broken[i].module, broken[i].message);
    check_error(path, &(struct kernel){.modules_dir = scratch}, "virtio", "depmod has not been");
    check_error("/nonexistent/initramfs", &fake_kernel, "virtio", "/initramfs: No such file");
}

static void test_no_room(void **state)
{
    (void)state;
    cleanup_free char *path = xasprintf("%s/initramfs", scratch);
    struct rlimit before;
    assert(getrlimit(RLIMIT_FSIZE, &before) == 0);
    signal(SIGXFSZ, SIG_IGN);
    assert(setrlimit(RLIMIT_FSIZE, &(struct rlimit){1024, before.rlim_max}) == 0);
    check_error(path, &fake_kernel, "virtio", "cannot write the initramfs ");
    assert(setrlimit(RLIMIT_FSIZE, &before) == 0);
}

/* What is there already is somebody's. */
static void test_exists(void **state)
{
    (void)state;
    static const char *const names[] = {"virtio", NULL};
    cleanup_free char *path = xasprintf("%s/theirs", scratch);
    write_file(scratch, "theirs", NULL, "theirs", 6);
    cleanup_error struct error *err = NULL;
    assert_int_equal(initramfs_write(path, &fake_kernel, init, sizeof(init), names, NULL, &err),
                     -1);
    assert_non_null(strstr(err->message, "theirs: File exists"));
    cleanup_free char *text = file_read(path, NULL, NULL);
    assert_string_equal(text, "theirs");
}

/* --- A real kernel ---------------------------------------------------------------------------- */

/* "kernel/drivers/virtio/virtio-ring.ko.xz" as " 01-virtio_ring " has it: where in `names` it is,
 * or NULL. */
static const char *find_module(const char *names, const char *file)
{
    const char *base = strrchr(file, '/') ? strrchr(file, '/') + 1 : file;
    cleanup_free char *name = xasprintf("-%.*s ", (int)strcspn(base, "."), base);
    for (char *hyphen = name + 1; (hyphen = strchr(hyphen, '-'));)
        *hyphen = '_';
    return strstr(names, name);
}

/* Goes through modules.dep, where a line is "FILE: FILE…", the latter being what it needs. */
static void check_dependencies(const struct kernel *kernel, const char *names)
{
    cleanup_free char *path = xasprintf("%s/modules.dep", kernel->modules_dir);
    cleanup_free char *text = file_read(path, NULL, NULL);
    assert_non_null(text);
    char *line_rest, *rest;
    for (char *line = strtok_r(text, "\n", &line_rest); line;
         line = strtok_r(NULL, "\n", &line_rest)) {
        const char *place = find_module(names, strtok_r(line, ": ", &rest));
        for (char *file; place && (file = strtok_r(NULL, " ", &rest));) {
            const char *needed = find_module(names, file);
            if (!needed || needed > place)
                fail_msg("%s is not before what needs it in %s", file, names);
        }
    }
}

static void test_real_kernel(void **state)
{
    (void)state;
    static const char *const virtio[] = {"virtio_pci", "virtio_blk", "virtio_console", NULL};
    cleanup_free char *path = xasprintf("%s/initramfs", scratch);
    cleanup_error struct error *err = NULL;
    if (initramfs_write(path, real_kernel, init, sizeof(init), virtio, NULL, &err) < 0)
        fail_msg("%s", err->message);
    struct contents contents = {0};
    read_back(path, &contents);
    cleanup_free char *names = module_names(&contents);
    cleanup_free char *padded = xasprintf("%s ", names);
    check_dependencies(real_kernel, padded);
    contents_free(&contents);
}

/* --- Running ---------------------------------------------------------------------------------- */

static int set_up(void **state)
{
    if (scratch_set_up(state) < 0)
        return -1;
    make_kernel();
    return 0;
}

static int tear_down(void **state)
{
    free(fake_kernel.modules_dir);
    return scratch_tear_down(state);
}

static int run_real(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_real_kernel)};
    cleanup_free char *state_dir = directories_state();
    cleanup_error struct error *err = NULL;
    cleanup_kernel struct kernel *kernel = kernel_find("", NULL, state_dir, &err);
    if (!kernel) {
        /* Not cmocka's skip(): what it prints for that is a failure to meson. */
        printf("1..0 # SKIP %s\n", err->message);
        return 0;
    }
    real_kernel = kernel;
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),  cmocka_unit_test(test_unpacked),
        cmocka_unit_test(test_image),  cmocka_unit_test(test_no_image),
        cmocka_unit_test(test_broken), cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_exists),
    };
    /* An ordinary user's path may lack the directory depmod is in. */
    cleanup_free char *path = xasprintf("%s:/usr/sbin:/sbin", getenv("PATH"));
    setenv("PATH", path, 1);
    if (argc > 1 && strcmp(argv[1], "--real") == 0)
        return run_real();
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
