/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-kernel-unreadable.c - a kernel that this user may not read, as Ubuntu has it, is passed over
 * for one that can be read, and said to be the reason where there is none.
 *
 * root can read anything, so the looking is done by another process, as somebody else. The way to
 * the scratch directory may be closed to that one: it is its root directory.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <ftw.h>
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "fake-kernel.h"

#define NOBODY 65534

/* The scratch directory as the process that looks sees it. */
static const char *root = scratch;

static void test_none(void **state)
{
    (void)state;
    cleanup_free char *tree = xasprintf("%s/none", root);
    cleanup_error struct error *err = NULL;
    cleanup_kernel struct kernel *kernel = kernel_find(tree, NULL, "/nonexistent", &err);
    check_error("the newest", kernel, err, "/boot/vmlinuz-6.2: Permission denied", "chmod a+r");
}

static void test_asked(void **state)
{
    (void)state;
    cleanup_free char *tree = xasprintf("%s/none", root);
    cleanup_free char *image = xasprintf("%s/boot/vmlinuz-6.2", tree);
    cleanup_error struct error *err = NULL;
    cleanup_kernel struct kernel *kernel = kernel_find(tree, image, "/nonexistent", &err);
    check_error("asked for", kernel, err, "/boot/vmlinuz-6.2: Permission denied", "chmod a+r");
}

static void test_older(void **state)
{
    (void)state;
    cleanup_free char *tree = xasprintf("%s/older", root);
    cleanup_error struct error *err = NULL;
    cleanup_kernel struct kernel *kernel = kernel_find(tree, NULL, "/nonexistent", &err);
    check_found("an older one", tree, kernel, err, "boot/vmlinuz-6.1 lib/modules/6.1");
}

/* --- Running ---------------------------------------------------------------------------------- */

/* Two kernels that are no use, one because it cannot be read; and, in `older`, one that is. */
static void make_kernels(void)
{
    static const char *const trees[] = {"none", "older"};
    for (size_t i = 0; i < ARRAY_SIZE(trees); i++) {
        cleanup_free char *tree = scratch_path(trees[i]);
        cleanup_free char *image = xasprintf("%s/boot/vmlinuz-6.2", tree);
        make_kernel(tree, &(struct fake){"", "boot/vmlinuz-6.2", "6.2", AS_MODULES});
        make_kernel(tree, &(struct fake){"", "boot/vmlinuz-6.3", "6.3", NO_MODULES});
        if (i == 1)
            make_kernel(tree, &(struct fake){"", "boot/vmlinuz-6.1", "6.1", AS_MODULES});
        assert(chmod(image, 0) == 0);
    }
}

static int give_away(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return lchown(path, NOBODY, (gid_t)-1);
}

/* Gives the scratch directory and this process to somebody without privileges. */
static int become_ordinary(void)
{
    if (geteuid() != 0)
        return 0;
    root = "";
    return nftw(scratch, give_away, 16, FTW_PHYS) != 0 || chroot(scratch) < 0 || chdir("/") < 0 ||
                   setgroups(0, NULL) < 0 || setgid(NOBODY) < 0 || setuid(NOBODY) < 0
               ? -1
               : 0;
}

static int look(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_asked),
        cmocka_unit_test(test_older),
    };
    if (become_ordinary() == 0)
        return cmocka_run_group_tests(tests, NULL, NULL);
    printf("1..0 # SKIP root cannot become anybody else: %s\n", strerror(errno));
    return 0;
}

int main(void)
{
    int status = -1;
    extend_path();
    if (scratch_set_up(NULL) < 0)
        return 1;
    make_kernels();
    pid_t pid = fork();
    if (pid == 0) {
        int result = look();
        fflush(stdout);
        /* Not exit(): a sanitizer would look for leaks, in a /proc that is not there. */
        _exit(result);
    }
    bool ended = waitpid(pid, &status, 0) == pid && WIFEXITED(status);
    return scratch_tear_down(NULL) < 0 || !ended ? 1 : WEXITSTATUS(status);
}
