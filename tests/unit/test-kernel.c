/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-kernel.c - which kernel is found among those in a made-up file system.
 *
 * depmod makes the indices that libkmod reads. It does not mind that these modules are no modules,
 * but says so, and what it says is dropped.
 */
#undef NDEBUG
#include <assert.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/memory.h"
#include "host/kernel.h"

#define NOBODY 65534

static char scratch[PATH_MAX];

/* --- Making kernels --------------------------------------------------------------------------- */

enum virtio {
    AS_MODULES,
    BUILT_IN,
    MIXED,
    NO_BLK,     /* all but virtio_blk */
    LOST_FILE,  /* the index says it is there */
    NO_INDEX,   /* depmod has not been run */
    NO_MODULES, /* the directory is not there */
    BELOW_USR,  /* as modules, in /usr/lib/modules alone */
};

struct fake {
    const char *root;  /* below the file system of the test */
    const char *image; /* below that; NULL for none */
    const char *release;
    enum virtio virtio;
};

static void make_parents(const char *path)
{
    cleanup_free char *parent = xstrdup(path);
    *strrchr(parent, '/') = '\0';
    assert(file_make_directories(parent, NULL) == 0);
}

static void make_file(const char *path, const void *data, size_t length)
{
    make_parents(path);
    cleanup_close int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert(fd >= 0 && file_write_all(fd, data, length) == 0);
}

static bool run_depmod(const char *root, const char *release)
{
    const char *const argv[] = {"depmod", "-b", root, release, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    pid_t pid;
    int status = -1;
    bool started = !posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return started && waitpid(pid, &status, 0) == pid && status == 0;
}

static void make_module(const char *modules, const char *name, bool built_in)
{
    cleanup_free char *path = xasprintf("%s/kernel/%s.ko", modules, name);
    if (!built_in) {
        make_file(path, "", 0);
        return;
    }
    cleanup_free char *list = xasprintf("%s/modules.builtin", modules);
    cleanup_file FILE *file = fopen(list, "ae");
    assert(file && fprintf(file, "kernel/drivers/%s.ko\n", name) > 0);
}

static void make_modules(const char *root, const struct fake *fake)
{
    cleanup_free char *modules = xasprintf("%s/lib/modules/%s", root, fake->release);
    cleanup_free char *blk = xasprintf("%s/kernel/virtio_blk.ko", modules);
    cleanup_free char *order = xasprintf("%s/modules.order", modules);
    make_file(order, "", 0);
    make_module(modules, "virtio_pci", fake->virtio == BUILT_IN || fake->virtio == MIXED);
    make_module(modules, "virtio_console", fake->virtio == BUILT_IN);
    if (fake->virtio != NO_BLK)
        make_module(modules, "virtio_blk", fake->virtio == BUILT_IN);
    if (fake->virtio == NO_INDEX)
        return;
    /* Some depmods look below /usr alone. */
    cleanup_free char *usr = xasprintf("%s/usr", root);
    assert(symlink(".", usr) == 0 && run_depmod(root, fake->release) && unlink(usr) == 0);
    if (fake->virtio == LOST_FILE)
        assert(unlink(blk) == 0);
    if (fake->virtio == BELOW_USR) {
        cleanup_free char *moved = xasprintf("%s/usr/lib/modules/%s", root, fake->release);
        make_parents(moved);
        assert(rename(modules, moved) == 0);
    }
}

static void make_kernel(const char *tree, const struct fake *fake)
{
    cleanup_free char *root = xasprintf("%s%s", tree, fake->root);
    cleanup_free char *image = fake->image ? xasprintf("%s/%s", root, fake->image) : NULL;
    if (fake->virtio != NO_MODULES)
        make_modules(root, fake);
    if (image)
        make_file(image, "an image", 8);
}

/* A directory for one row of a table; the caller frees its name. */
static char *make_tree(void)
{
    char *tree = xasprintf("%s/XXXXXX", scratch);
    assert(mkdtemp(tree));
    return tree;
}

/* --- Comparing -------------------------------------------------------------------------------- */

static void check_error(const char *what, const struct kernel *kernel, const struct error *err,
                        const char *message, const char *hint)
{
    if (kernel)
        fail_msg("%s: found %s", what, kernel->image);
    if (!err || !strstr(err->message, message))
        fail_msg("%s: the error is '%s'", what, err ? err->message : "");
    if (hint && (!err->hint || !strstr(err->hint, hint)))
        fail_msg("%s: the hint is '%s'", what, err->hint ? err->hint : "");
}

/* `found` is "IMAGE MODULES_DIR", both below the tree. */
static void check_found(const char *what, const char *tree, const struct kernel *kernel,
                        const struct error *err, const char *found)
{
    if (!kernel)
        fail_msg("%s: %s", what, err->message);
    int length = (int)strcspn(found, " ");
    cleanup_free char *expected =
        xasprintf("%s/%.*s %s/%s", tree, length, found, tree, found + length + 1);
    cleanup_free char *is = xasprintf("%s %s", kernel->image, kernel->modules_dir);
    if (strcmp(is, expected) != 0)
        fail_msg("%s: %s instead of %s", what, is, expected);
    assert_string_equal(kernel->release, strrchr(kernel->modules_dir, '/') + 1);
}

/* --- The newest ------------------------------------------------------------------------------- */

#define FETCHED(release) "/state/kernels/" release

static const struct {
    const char *what;
    struct fake kernels[4];
    const char *found;   /* image and modules; NULL: there is none, and … */
    const char *message; /* … this is in the error */
} newest[] = {
    {"the newest, compared as versions",
     {{"", "boot/vmlinuz-6.9.0-1", "6.9.0-1", AS_MODULES},
      {"", "boot/vmlinuz-6.10.0-1", "6.10.0-1", AS_MODULES},
      {"", "boot/vmlinuz-6.1.0-56", "6.1.0-56", AS_MODULES}},
     "boot/vmlinuz-6.10.0-1 lib/modules/6.10.0-1"},
    {"what is built in counts",
     {{"", "boot/vmlinuz-6.1", "6.1", AS_MODULES}, {"", "boot/vmlinuz-6.2", "6.2", BUILT_IN}},
     "boot/vmlinuz-6.2 lib/modules/6.2"},
    {"one built in, the others not",
     {{"", "boot/vmlinuz-6.2", "6.2", MIXED}},
     "boot/vmlinuz-6.2 lib/modules/6.2"},
    {"unusable ones are skipped",
     {{"", "boot/vmlinuz-6.4", "6.4", NO_BLK},
      {"", "boot/vmlinuz-6.3", "6.3", NO_INDEX},
      {"", "boot/vmlinuz-6.2", "6.2", LOST_FILE},
      {"", "boot/vmlinuz-6.1", "6.1", AS_MODULES}},
     "boot/vmlinuz-6.1 lib/modules/6.1"},
    {"an image that no modules go with is skipped",
     {{"", "boot/vmlinuz-6.1.old", "6.1", AS_MODULES},
      {"", "boot/vmlinuz-0-rescue-0123abcd", "0", NO_MODULES},
      {"", "boot/vmlinuz-6.1", "6.1", NO_MODULES}},
     "boot/vmlinuz-6.1 lib/modules/6.1"},
    {"modules without an image are no kernel",
     {{"", NULL, "6.2", AS_MODULES}, {"", "boot/vmlinuz-6.1", "6.1", AS_MODULES}},
     "boot/vmlinuz-6.1 lib/modules/6.1"},
    {"an image beside its modules",
     {{"", "boot/vmlinuz-6.1", "6.1", AS_MODULES},
      {"", "lib/modules/6.2/vmlinuz", "6.2", AS_MODULES}},
     "lib/modules/6.2/vmlinuz lib/modules/6.2"},
    {"modules below /usr",
     {{"", "boot/vmlinuz-6.1", "6.1", BELOW_USR}},
     "boot/vmlinuz-6.1 usr/lib/modules/6.1"},
    {"an image beside its modules below /usr",
     {{"", "usr/lib/modules/6.1/vmlinuz", "6.1", BELOW_USR}},
     "usr/lib/modules/6.1/vmlinuz usr/lib/modules/6.1"},
    {"one that was fetched",
     {{FETCHED("6.1"), "boot/vmlinuz-6.1", "6.1", AS_MODULES}},
     "state/kernels/6.1/boot/vmlinuz-6.1 state/kernels/6.1/lib/modules/6.1"},
    {"a newer one that was fetched",
     {{"", "boot/vmlinuz-6.1.0-9", "6.1.0-9", AS_MODULES},
      {FETCHED("6.1.0-10"), "boot/vmlinuz-6.1.0-10", "6.1.0-10", AS_MODULES}},
     "state/kernels/6.1.0-10/boot/vmlinuz-6.1.0-10 state/kernels/6.1.0-10/lib/modules/6.1.0-10"},
    {"the installed one of two equals",
     {{FETCHED("6.1"), "boot/vmlinuz-6.1", "6.1", AS_MODULES},
      {"", "lib/modules/6.1/vmlinuz", "6.1", AS_MODULES}},
     "lib/modules/6.1/vmlinuz lib/modules/6.1"},
    {"an unusable installed one beside its equal",
     {{FETCHED("6.1"), "boot/vmlinuz-6.1", "6.1", AS_MODULES},
      {"", "boot/vmlinuz-6.1", "6.1", NO_BLK}},
     "state/kernels/6.1/boot/vmlinuz-6.1 state/kernels/6.1/lib/modules/6.1"},
    {"one that is being fetched",
     {{FETCHED(".fetch.x"), "boot/vmlinuz-6.1", "6.1", AS_MODULES}},
     NULL,
     "no kernel for the probe guest: no vmlinuz in "},
    {"none", {{0}}, NULL, "no kernel for the probe guest: no vmlinuz in "},
    {"the newest without virtio",
     {{"", "boot/vmlinuz-6.1", "6.1", NO_INDEX}, {"", "boot/vmlinuz-6.2", "6.2", NO_BLK}},
     NULL,
     "/lib/modules/6.2 has no module virtio_blk"},
    {"a module that was lost",
     {{"", "boot/vmlinuz-6.2", "6.2", LOST_FILE}},
     NULL,
     "/lib/modules/6.2/kernel/virtio_blk.ko: No such file"},
    {"no depmod", {{"", "boot/vmlinuz-6.2", "6.2", NO_INDEX}}, NULL, "depmod has not been run"},
    {"no modules",
     {{"", "boot/vmlinuz-6.2", "6.2", NO_MODULES}},
     NULL,
     "/boot/vmlinuz-6.2 has no modules: there is no /lib/modules/6.2"},
};

static void test_newest(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(newest); i++) {
        cleanup_free char *tree = make_tree();
        cleanup_free char *state_dir = xasprintf("%s/state", tree);
        for (size_t k = 0; k < ARRAY_SIZE(newest[i].kernels) && newest[i].kernels[k].root; k++)
            make_kernel(tree, &newest[i].kernels[k]);
        cleanup_error struct error *err = NULL;
        cleanup_kernel struct kernel *kernel = kernel_find(tree, NULL, state_dir, &err);
        if (newest[i].found)
            check_found(newest[i].what, tree, kernel, err, newest[i].found);
        else
            check_error(newest[i].what, kernel, err, newest[i].message, "scripts/fetch-kernel");
    }
}

/* root can read anything, so the kernels are made and looked for as somebody else. */
static bool become_ordinary(const char *tree)
{
    return geteuid() != 0 || (chmod(scratch, 0755) == 0 && chown(tree, NOBODY, (gid_t)-1) == 0 &&
                              seteuid(NOBODY) == 0 && euidaccess(tree, W_OK) == 0);
}

static void check_unreadable(const char *tree)
{
    cleanup_free char *image = xasprintf("%s/boot/vmlinuz-6.2", tree);
    make_kernel(tree, &(struct fake){"", "boot/vmlinuz-6.2", "6.2", AS_MODULES});
    make_kernel(tree, &(struct fake){"", "boot/vmlinuz-6.3", "6.3", NO_MODULES});
    assert(chmod(image, 0) == 0);
    cleanup_error struct error *err = NULL, *asked_err = NULL;
    cleanup_kernel struct kernel *none = kernel_find(tree, NULL, "/nonexistent", &err);
    cleanup_kernel struct kernel *by_name = kernel_find(tree, image, "/nonexistent", &asked_err);
    check_error("the newest", none, err, "/boot/vmlinuz-6.2: Permission denied", "chmod a+r");
    check_error("asked for", by_name, asked_err, "/boot/vmlinuz-6.2: Permission denied",
                "chmod a+r");

    make_kernel(tree, &(struct fake){"", "boot/vmlinuz-6.1", "6.1", AS_MODULES});
    cleanup_kernel struct kernel *older = kernel_find(tree, NULL, "/nonexistent", &err);
    check_found("an older one", tree, older, err, "boot/vmlinuz-6.1 lib/modules/6.1");
}

/* Ubuntu lets only root read a kernel. */
static void test_unreadable(void **state)
{
    (void)state;
    char tree[PATH_MAX + 16];
    snprintf(tree, sizeof(tree), "%s/XXXXXX", scratch);
    assert(mkdtemp(tree));
    /* Not skip(): what some cmockas print for that is a failure to meson. */
    if (become_ordinary(tree))
        check_unreadable(tree);
    else
        print_message("# skipped: %s is root's own\n", scratch);
}

static int become_oneself(void **state)
{
    (void)state;
    return seteuid(getuid());
}

/* --- The one asked for ------------------------------------------------------------------------ */

struct header {
    const char *text; /* what the header points to; NULL: the image is no bzImage */
    size_t pointer;
    size_t sectors; /* as written; 0 means 4 */
    size_t length;  /* of the file */
};

#define GOOD_HEADER(text)                                                                          \
    {                                                                                              \
        text, 0x300, 2, 0x600                                                                      \
    }

/* No more of the header is filled in than is read. */
static void make_bzimage(const char *path, const struct header *header)
{
    unsigned char image[0x1200];
    memset(image, 'x', sizeof(image));
    memcpy(image + 0x202, header->text ? "HdrS" : "none", 4);
    image[0x1f1] = (unsigned char)header->sectors;
    image[0x20e] = header->pointer & 0xff;
    image[0x20f] = (unsigned char)(header->pointer >> 8);
    if (header->text && header->pointer + 0x200 + strlen(header->text) < sizeof(image))
        strcpy((char *)image + header->pointer + 0x200, header->text);
    make_file(path, image, header->length);
}

static const struct {
    const char *what;
    struct header header;
    const char *message; /* NULL: 6.1.0-56 is found */
} headers[] = {
    {"as the kernel's build writes it", GOOD_HEADER("6.1.0-56 (a@b) #1 SMP"), NULL},
    {"the release alone", GOOD_HEADER("6.1.0-56"), NULL},
    {"no count of sectors is 4", {"6.1.0-56 (a@b)", 0x7e0, 0, 0xa00}, NULL},
    {"the last place there is", {"6.1.0-56", 0x3f7, 2, 0x600}, NULL},
    {"no bzImage", {NULL, 0x300, 2, 0x600}, "has no x86 boot header"},
    {"an empty file", {"6.1.0-56", 0x300, 2, 0}, "has no x86 boot header"},
    {"cut off in the magic", {"6.1.0-56", 0x300, 2, 0x205}, "has no x86 boot header"},
    {"cut off in the pointer", {"6.1.0-56", 0x300, 2, 0x20f}, "has no x86 boot header"},
    {"cut off before the text", {"6.1.0-56", 0x300, 2, 0x500}, "names none"},
    {"no pointer", {"", 0, 2, 0x600}, "names none"},
    {"behind the set-up sectors", {"6.1.0-56", 0x400, 2, 0x1000}, "names none"},
    {"as far as a pointer can be", {"", 0xffff, 255, 0x1200}, "names none"},
    {"an empty text", GOOD_HEADER(""), "names none"},
    {"a text without an end", {"", 0x2ff, 2, 0x4ff}, "names none"},
    {"long", GOOD_HEADER("6.1.0-56789012345678901234567890123456789012345678901234567890123"),
     "names none"},
    {"a path", GOOD_HEADER("6.1.0-56/."), "names none"},
    {"the directory itself", GOOD_HEADER(". (a@b)"), "names none"},
    {"line breaks", GOOD_HEADER("6.1.0\n56"), "names none"},
};

static void test_header(void **state)
{
    (void)state;
    cleanup_free char *tree = make_tree();
    cleanup_free char *image = xasprintf("%s/download/bzImage", tree);
    make_kernel(tree, &(struct fake){"", NULL, "6.1.0-56", AS_MODULES});
    for (size_t i = 0; i < ARRAY_SIZE(headers); i++) {
        make_bzimage(image, &headers[i].header);
        cleanup_error struct error *err = NULL;
        cleanup_kernel struct kernel *kernel = kernel_find(tree, image, "/nonexistent", &err);
        if (headers[i].message)
            check_error(headers[i].what, kernel, err, headers[i].message, NULL);
        else
            check_found(headers[i].what, tree, kernel, err,
                        "download/bzImage lib/modules/6.1.0-56");
    }
}

static const struct {
    const char *what;
    struct fake kernel;
    struct header header; /* instead of an image without one, where it has a text */
    const char *asked;
    const char *found;          /* image and modules; NULL: there is none, and … */
    const char *message, *hint; /* … this is in the error */
} asked[] = {
    {"by its name",
     {"", "srv/vmlinuz-6.1", "6.1", AS_MODULES},
     {0},
     "srv/vmlinuz-6.1",
     "srv/vmlinuz-6.1 lib/modules/6.1"},
    {"modules beside it",
     {"/srv", "boot/vmlinuz-6.1", "6.1", MIXED},
     {0},
     "srv/boot/vmlinuz-6.1",
     "srv/boot/vmlinuz-6.1 srv/lib/modules/6.1"},
    {"among its modules",
     {"/srv", "lib/modules/6.1/vmlinuz", "6.1", AS_MODULES},
     {0},
     "srv/lib/modules/6.1/vmlinuz",
     "srv/lib/modules/6.1/vmlinuz srv/lib/modules/6.1"},
    {"through a symbolic link",
     {"", "boot/vmlinuz-6.1", "6.1", AS_MODULES},
     {0},
     "link",
     "boot/vmlinuz-6.1 lib/modules/6.1"},
    {"a name that is no release",
     {"", "boot/vmlinuz-linux", "6.1.2-arch1-1", AS_MODULES},
     GOOD_HEADER("6.1.2-arch1-1 (linux@archlinux)"),
     "boot/vmlinuz-linux",
     "boot/vmlinuz-linux lib/modules/6.1.2-arch1-1"},
    {"not there",
     {"", "boot/vmlinuz-6.1", "6.1", AS_MODULES},
     {0},
     "boot/vmlinuz-6.2",
     NULL,
     "/boot/vmlinuz-6.2: No such file or directory"},
    {"a directory",
     {"", "boot/vmlinuz-6.1", "6.1", AS_MODULES},
     {0},
     "boot",
     NULL,
     "/boot is not a file"},
    {"nothing that tells the release",
     {"", "boot/linux", "6.1", AS_MODULES},
     {0},
     "boot/linux",
     NULL,
     "it is not named vmlinuz-RELEASE, and it has no x86 boot header"},
    {"no modules",
     {"", "srv/boot/vmlinuz-6.1", "6.1", NO_MODULES},
     {0},
     "srv/boot/vmlinuz-6.1",
     NULL,
     "/srv/lib/modules/6.1 nor ",
     "../lib/modules/RELEASE"},
    {"no modules for what the header says",
     {"", "boot/vmlinuz-linux", "6.1", AS_MODULES},
     GOOD_HEADER("6.2 (a@b)"),
     "boot/vmlinuz-linux",
     NULL,
     "/lib/modules/6.2 is not there",
     "../lib/modules/RELEASE"},
    {"no virtio",
     {"", "boot/vmlinuz-6.1", "6.1", NO_BLK},
     {0},
     "boot/vmlinuz-6.1",
     NULL,
     "/lib/modules/6.1 has no module virtio_blk"},
};

static void test_asked(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(asked); i++) {
        cleanup_free char *tree = make_tree();
        cleanup_free char *path = xasprintf("%s/%s", tree, asked[i].asked);
        cleanup_free char *link = xasprintf("%s/link", tree);
        make_kernel(tree, &asked[i].kernel);
        if (asked[i].header.text)
            make_bzimage(path, &asked[i].header);
        assert(symlink("boot/vmlinuz-6.1", link) == 0);
        /* What would be found if nothing had been asked for. */
        make_kernel(tree, &(struct fake){"", "boot/vmlinuz-9.9", "9.9", AS_MODULES});
        cleanup_error struct error *err = NULL;
        cleanup_kernel struct kernel *kernel = kernel_find(tree, path, "/nonexistent", &err);
        if (asked[i].found)
            check_found(asked[i].what, tree, kernel, err, asked[i].found);
        else
            check_error(asked[i].what, kernel, err, asked[i].message, asked[i].hint);
    }
}

/* --- Running ---------------------------------------------------------------------------------- */

static int set_up(void **state)
{
    (void)state;
    const char *parent = getenv("TMPDIR");
    cleanup_free char *path = xasprintf("%s/test-kernel-XXXXXX", parent ? parent : "/tmp");
    /* Without symbolic links, as kernel_find() names an image that was asked for. */
    return mkdtemp(path) && realpath(path, scratch) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    return file_remove_tree(scratch, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_newest),
        cmocka_unit_test_teardown(test_unreadable, become_oneself),
        cmocka_unit_test(test_header),
        cmocka_unit_test(test_asked),
    };
    /* An ordinary user's path may lack the directory depmod is in. */
    cleanup_free char *path = xasprintf("%s:/usr/sbin:/sbin", getenv("PATH"));
    setenv("PATH", path, 1);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
