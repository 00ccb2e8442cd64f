/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fake-kernel.h - kernels in a made-up file system.
 *
 * depmod makes the indices that libkmod reads. It does not mind that these modules are no modules,
 * but says so, and what it says is dropped.
 */
#pragma once

#include <assert.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>

#include "host/kernel.h"
#include "scratch.h"

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

static inline void make_parents(const char *path)
{
    cleanup_free char *parent = xstrdup(path);
    *strrchr(parent, '/') = '\0';
    assert(file_make_directories(parent, NULL) == 0);
}

static inline void make_file(const char *path, const void *data, size_t length)
{
    make_parents(path);
    cleanup_close int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert(fd >= 0 && file_write_all(fd, data, length) == 0);
}

static inline bool run_depmod(const char *root, const char *release)
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

static inline void make_module(const char *modules, const char *name, bool built_in)
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

static inline void make_modules(const char *root, const struct fake *fake)
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

static inline void make_kernel(const char *tree, const struct fake *fake)
{
    cleanup_free char *root = xasprintf("%s%s", tree, fake->root);
    cleanup_free char *image = fake->image ? xasprintf("%s/%s", root, fake->image) : NULL;
    if (fake->virtio != NO_MODULES)
        make_modules(root, fake);
    if (image)
        make_file(image, "an image", 8);
}

/* A directory for one row of a table; the caller frees its name. */
static inline char *make_tree(void)
{
    char *tree = xasprintf("%s/XXXXXX", scratch);
    assert(mkdtemp(tree));
    return tree;
}

/* --- Comparing -------------------------------------------------------------------------------- */

static inline void check_error(const char *what, const struct kernel *kernel,
                               const struct error *err, const char *message, const char *hint)
{
    if (kernel)
        fail_msg("%s: found %s", what, kernel->image);
    if (!err || !strstr(err->message, message))
        fail_msg("%s: the error is '%s'", what, err ? err->message : "");
    if (hint && (!err->hint || !strstr(err->hint, hint)))
        fail_msg("%s: the hint is '%s'", what, err->hint ? err->hint : "");
}

/* `found` is "IMAGE MODULES_DIR", both below the tree. */
static inline void check_found(const char *what, const char *tree, const struct kernel *kernel,
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

/* An ordinary user's path may lack the directory depmod is in. */
static inline void extend_path(void)
{
    cleanup_free char *path = xasprintf("%s:/usr/sbin:/sbin", getenv("PATH"));
    setenv("PATH", path, 1);
}
