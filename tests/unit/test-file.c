/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-file.c - files are read whole or not at all, are replaced whole or not at all, and removing
 * a tree removes nothing else.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/interrupt.h"
#include "scratch.h"

#define LIMIT ((size_t)16 << 20)

static void make_file(const char *path, const void *data, size_t length)
{
    cleanup_close int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert(fd >= 0 && file_write_all(fd, data, length) == 0);
}

static void make_text(const char *path, const char *text)
{
    make_file(path, text, strlen(text));
}

static void check_text(const char *path, const char *wanted)
{
    cleanup_free char *text = file_read(path, NULL, NULL);
    assert_non_null(text);
    assert_string_equal(text, wanted);
}

/* --- Reading ---------------------------------------------------------------------------------- */

static const size_t lengths[] = {0, 1, 4094, 4095, 4096, 4097, 8191, 8192, 100000, LIMIT};

static void test_read(void **state)
{
    (void)state;
    cleanup_free char *path = scratch_path("read");
    cleanup_free char *data = xcalloc(LIMIT, 1);
    for (size_t i = 0; i < LIMIT; i++)
        data[i] = (char)(i * 7);
    for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
        size_t length = 12345;
        make_file(path, data, lengths[i]);
        cleanup_free char *text = file_read(path, &length, NULL);
        assert_non_null(text);
        assert_int_equal(length, lengths[i]);
        assert_memory_equal(text, data, length);
        assert_int_equal(text[length], '\0');
    }
}

static void test_read_limit(void **state)
{
    (void)state;
    cleanup_free char *path = scratch_path("large");
    cleanup_error struct error *err = NULL;
    make_text(path, "");
    assert(truncate(path, LIMIT + 1) == 0);
    assert_null(file_read(path, NULL, &err));
    assert_non_null(strstr(err->message, "large is larger than"));
    /* One without an end is not read until the memory is full. */
    error_free(TAKE_PTR(err));
    assert_null(file_read("/dev/zero", NULL, &err));
    assert_non_null(strstr(err->message, "/dev/zero is larger than"));
}

/* /proc says that its files have no length. */
static void test_read_proc(void **state)
{
    (void)state;
    size_t length = 0;
    cleanup_free char *text = file_read("/proc/self/status", &length, NULL);
    assert_non_null(text);
    assert_true(length > 100 && strlen(text) == length);
    assert_non_null(strstr(text, "Pid:"));
}

static void test_read_at(void **state)
{
    (void)state;
    cleanup_free char *path = scratch_path("beside");
    cleanup_close int fd = open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    make_text(path, "relative");
    cleanup_free char *text = file_read_at(fd, "beside", NULL, NULL);
    assert_non_null(text);
    assert_string_equal(text, "relative");
}

static void test_read_errors(void **state)
{
    (void)state;
    cleanup_error struct error *err = NULL;
    cleanup_free char *missing = scratch_path("missing");
    size_t length = 5;
    assert_null(file_read(missing, &length, &err));
    assert_non_null(strstr(err->message, "missing: No such file or directory"));
    assert_null(file_read(scratch, &length, &err));
    assert_non_null(strstr(err->message, ": Is a directory"));
    assert_int_equal(length, 5);
    assert_null(file_read(missing, NULL, NULL));
}

/* --- Writing ---------------------------------------------------------------------------------- */

static void test_write_atomic(void **state)
{
    (void)state;
    cleanup_free char *path = scratch_path("atomic/file");
    cleanup_free char *directory = scratch_path("atomic");
    assert_int_equal(file_make_directories(directory, NULL), 0);
    assert_int_equal(file_write_atomic(path, "old", NULL), 0);
    check_text(path, "old");
    assert_int_equal(file_write_atomic(path, "", NULL), 0);
    check_text(path, "");
    assert_int_equal(file_write_atomic(path, "new\n", NULL), 0);
    check_text(path, "new\n");
    /* It was the only file: what it was written through is gone. */
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(directory), 0);
}

/* A link is replaced, not followed: what it points at is somebody's. */
static void test_write_atomic_link(void **state)
{
    (void)state;
    cleanup_free char *theirs = scratch_path("theirs"), *path = scratch_path("link");
    struct stat st;
    make_text(theirs, "theirs");
    assert(symlink("theirs", path) == 0);
    assert_int_equal(file_write_atomic(path, "ours", NULL), 0);
    check_text(theirs, "theirs");
    check_text(path, "ours");
    assert_true(lstat(path, &st) == 0 && S_ISREG(st.st_mode));
}

/* In the child: what it writes is limited, and exit status 0 says that all was as it should be. */
static void check_no_room(const char *path)
{
    struct error *err = NULL;
    cleanup_free char *long_text = xcalloc(100001, 1);
    memset(long_text, 'x', 100000);
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){4096, 4096});
    bool failed = file_write_atomic(path, long_text, &err) == -1;
    bool said = failed && err && strstr(err->message, "full/file: File too large");
    _exit(said ? 0 : 1);
}

static void test_write_atomic_no_room(void **state)
{
    (void)state;
    cleanup_free char *directory = scratch_path("full"), *path = scratch_path("full/file");
    assert_int_equal(file_make_directories(directory, NULL), 0);
    assert_int_equal(file_write_atomic(path, "old", NULL), 0);
    pid_t pid = fork();
    if (pid == 0)
        check_no_room(path);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    check_text(path, "old");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(directory), 0);
}

static void test_write_atomic_errors(void **state)
{
    (void)state;
    cleanup_error struct error *err = NULL;
    cleanup_free char *nowhere = scratch_path("nowhere/file"), *taken = scratch_path("taken");
    assert_int_equal(file_write_atomic(nowhere, "text", &err), -1);
    assert_non_null(strstr(err->message, "No such file or directory"));
    /* A directory cannot be replaced by a file. */
    assert(mkdir(taken, 0700) == 0);
    assert_int_equal(file_write_atomic(taken, "text", &err), -1);
    assert_non_null(strstr(err->message, "taken: Is a directory"));
}

/* A pipe takes little at a time, so all of it means more than one write. */
static void assert_content(const char *path, const char *wanted, size_t length)
{
    size_t found;
    cleanup_free char *data = file_read(path, &found, NULL);
    assert_int_equal(found, length);
    assert_memory_equal(data, wanted, length);
}

static void test_write_new(void **state)
{
    (void)state;
    struct stat st;
    cleanup_free char *path = scratch_path("new/a"), *other = scratch_path("new/absent/a");
    cleanup_free char *directory = scratch_path("new");
    cleanup_error struct error *err = NULL;
    assert_int_equal(file_make_directories(directory, NULL), 0);
    assert_int_equal(file_write_new(path, "a\0b", 3, &err), 0);
    assert_content(path, "a\0b", 3);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(file_write_new(path, "other", 5, &err), -1);
    assert_non_null(strstr(err->message, "File exists"));
    assert_content(path, "a\0b", 3);
    assert_int_equal(file_write_new(other, "a", 1, &err), -1);
    /* Nothing but the file is left. */
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(directory), 0);
}

static void test_write_all(void **state)
{
    (void)state;
    enum { LENGTH = 1 << 20 };
    int ends[2];
    assert(pipe(ends) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        cleanup_free char *data = xcalloc(LENGTH, 1);
        close(ends[0]);
        _exit(file_write_all(ends[1], data, LENGTH) == 0 ? 0 : 1);
    }
    close(ends[1]);
    char buffer[1000];
    size_t seen = 0;
    for (ssize_t n; (n = read(ends[0], buffer, sizeof(buffer))) > 0;)
        seen += (size_t)n;
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(seen, LENGTH);
    close(ends[0]);
    assert_int_equal(file_write_all(ends[0], buffer, 1), -1);
    assert_int_equal(errno, EBADF);
}

static void test_copy(void **state)
{
    (void)state;
    cleanup_free char *from = scratch_path("copied"), *to = scratch_path("copy");
    cleanup_free char *absent = scratch_path("absent"), *nowhere = scratch_path("absent/copy");
    cleanup_free char *data = xcalloc(LIMIT, 1);
    for (size_t i = 0; i < LIMIT; i++)
        data[i] = (char)(i * 7);
    for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
        size_t length;
        struct stat st;
        make_file(from, data, lengths[i]);
        assert_int_equal(file_copy(from, to, NULL), 0);
        cleanup_free char *copy = file_read(to, &length, NULL);
        assert_int_equal(length, lengths[i]);
        assert_memory_equal(copy, data, length);
        assert_true(stat(to, &st) == 0 && (st.st_mode & 07777) == 0600);
        /* What is there is not written over. */
        cleanup_error struct error *err = NULL;
        assert_int_equal(file_copy(from, to, &err), -1);
        assert_non_null(strstr(err->message, "File exists"));
        assert_int_equal(unlink(to), 0);
    }
    assert_int_equal(file_copy(absent, to, NULL), -1);
    assert_int_equal(file_copy(from, nowhere, NULL), -1);
    /* A directory opens, and is not read. */
    assert_int_equal(file_copy(scratch, to, NULL), -1);
    assert_int_not_equal(access(to, F_OK), 0);
}

/* --- Locking ---------------------------------------------------------------------------------- */

/* A process that has a lock on the file until it is ended. */
static pid_t start_holder(const char *path)
{
    int ends[2];
    char nothing;
    assert(pipe(ends) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int fd = open(path, O_RDONLY);
        if (flock(fd, LOCK_EX) < 0)
            _exit(1);
        close(ends[1]);
        close(ends[0]);
        for (;;)
            pause();
    }
    close(ends[1]);
    assert(pid > 0 && read(ends[0], &nothing, 1) == 0);
    close(ends[0]);
    return pid;
}

static void end_holder(pid_t pid)
{
    int status;
    assert(kill(pid, SIGKILL) == 0 && waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
}

/* In a process of its own, which a signal has come to: waits no longer, and says so. */
static _Noreturn void wait_and_be_interrupted(int fd)
{
    cleanup_error struct error *err = NULL;
    bool told = interrupt_install(NULL) == 0 && raise(SIGTERM) == 0 &&
                file_lock(fd, "it", 60, &err) < 0 &&
                strcmp(err->message, "interrupted by SIGTERM") == 0;
    _exit(told ? 0 : 1);
}

static void test_lock(void **state)
{
    (void)state;
    cleanup_free char *path = scratch_path("locked");
    cleanup_error struct error *err = NULL;
    make_text(path, "");
    pid_t holder = start_holder(path);
    cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(file_lock(fd, path, 0, &err), -1);
    assert_non_null(strstr(err->message, "another process holds a lock on "));
    assert_non_null(strstr(err->message, path));
    pid_t waiter = fork();
    if (waiter == 0)
        wait_and_be_interrupted(fd);
    int status;
    assert_int_equal(waitpid(waiter, &status, 0), waiter);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    end_holder(holder);
    assert_int_equal(file_lock(fd, path, 60, NULL), 0);
    error_free(TAKE_PTR(err));
    assert_int_equal(file_lock(-1, path, 60, &err), -1);
    assert_non_null(strstr(err->message, "cannot lock "));
}

/* --- Directories ------------------------------------------------------------------------------ */

static void test_make_directories(void **state)
{
    (void)state;
    cleanup_free char *deep = scratch_path("a/b/c"), *file = scratch_path("a/file");
    cleanup_free char *below = scratch_path("a/file/x");
    cleanup_error struct error *err = NULL;
    struct stat st;
    assert_int_equal(file_make_directories(deep, NULL), 0);
    assert_int_equal(file_make_directories(deep, NULL), 0);
    assert_true(stat(deep, &st) == 0 && S_ISDIR(st.st_mode) && (st.st_mode & 07777) == 0700);
    make_text(file, "");
    assert_int_equal(file_make_directories(below, &err), -1);
    assert_non_null(strstr(err->message, "a/file/x: Not a directory"));
}

static void test_remove_tree(void **state)
{
    (void)state;
    cleanup_free char *tree = scratch_path("tree"), *deep = scratch_path("tree/1/2/3/4");
    cleanup_free char *file = scratch_path("tree/1/2/file"), *fifo = scratch_path("tree/fifo");
    assert_int_equal(file_make_directories(deep, NULL), 0);
    make_text(file, "text");
    assert(mkfifo(fifo, 0600) == 0);
    for (int i = 0; i < 300; i++) {
        cleanup_free char *one = xasprintf("%s/%d", deep, i);
        make_text(one, "");
    }
    assert_int_equal(file_remove_tree(tree, NULL), 0);
    assert_int_equal(access(tree, F_OK), -1);
    /* What is not there is removed already. */
    assert_int_equal(file_remove_tree(tree, NULL), 0);
}

static void test_remove_follows_no_link(void **state)
{
    (void)state;
    cleanup_free char *kept = scratch_path("kept"), *file = scratch_path("kept/file");
    cleanup_free char *tree = scratch_path("links"), *inner = scratch_path("links/inner");
    cleanup_free char *to_file = scratch_path("links/to-file"), *outer = scratch_path("outer");
    cleanup_error struct error *err = NULL;
    assert(mkdir(kept, 0700) == 0 && mkdir(tree, 0700) == 0);
    make_text(file, "kept");
    assert(symlink("../kept", inner) == 0 && symlink("../kept/file", to_file) == 0);
    assert(symlink("kept", outer) == 0);
    assert_int_equal(file_remove_tree(tree, NULL), 0);
    assert_int_equal(access(tree, F_OK), -1);
    check_text(file, "kept");
    assert_int_equal(file_remove_tree(outer, &err), -1);
    assert_non_null(strstr(err->message, "cannot remove "));
    check_text(file, "kept");
}

/* A plain file is no tree. */
static void test_remove_file(void **state)
{
    (void)state;
    cleanup_free char *file = scratch_path("plain");
    cleanup_error struct error *err = NULL;
    make_text(file, "kept");
    assert_int_equal(file_remove_tree(file, &err), -1);
    check_text(file, "kept");
}

enum { HELD = 0, NO_MOUNTS = 77, BROKEN = 1 };

static int write_own(const char *path, const char *text)
{
    cleanup_close int fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd < 0 ? -1 : file_write_all(fd, text, strlen(text));
}

/* Moves this process into a mount name space of its own; whoever is not root needs to be root in a
 * user name space for that. */
static int leave_name_spaces(void)
{
    bool is_root = geteuid() == 0;
    cleanup_free char *uid_map = xasprintf("0 %d 1", (int)geteuid());
    cleanup_free char *gid_map = xasprintf("0 %d 1", (int)getegid());
    if (unshare(is_root ? CLONE_NEWNS : CLONE_NEWUSER | CLONE_NEWNS) < 0)
        return -1;
    if (!is_root && (write_own("/proc/self/setgroups", "deny") < 0 ||
                     write_own("/proc/self/uid_map", uid_map) < 0 ||
                     write_own("/proc/self/gid_map", gid_map) < 0))
        return -1;
    return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

/* In the child: the mount is gone with it. */
static void check_mount(const char *tree, const char *point, const char *file)
{
    struct error *err = NULL;
    if (leave_name_spaces() < 0 || mount("test", point, "tmpfs", 0, "size=64k") < 0)
        _exit(NO_MOUNTS);
    make_text(file, "kept");
    bool refused = file_remove_tree(tree, &err) == -1;
    bool said = refused && err && strstr(err->message, "Invalid cross-device link");
    _exit(said && access(file, F_OK) == 0 ? HELD : BROKEN);
}

static void test_remove_crosses_no_mount(void **state)
{
    (void)state;
    cleanup_free char *tree = scratch_path("mounts"), *point = scratch_path("mounts/point");
    cleanup_free char *file = scratch_path("mounts/point/file");
    assert_int_equal(file_make_directories(point, NULL), 0);
    pid_t pid = fork();
    if (pid == 0)
        check_mount(tree, point, file);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == NO_MOUNTS)
        print_message("# not held: nothing can be mounted here\n");
    else
        assert_int_equal(WEXITSTATUS(status), HELD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_read_limit),
        cmocka_unit_test(test_read_proc),
        cmocka_unit_test(test_read_at),
        cmocka_unit_test(test_read_errors),
        cmocka_unit_test(test_write_atomic),
        cmocka_unit_test(test_write_atomic_link),
        cmocka_unit_test(test_write_atomic_no_room),
        cmocka_unit_test(test_write_atomic_errors),
        cmocka_unit_test(test_write_new),
        cmocka_unit_test(test_write_all),
        cmocka_unit_test(test_copy),
        cmocka_unit_test(test_lock),
        cmocka_unit_test(test_make_directories),
        cmocka_unit_test(test_remove_tree),
        cmocka_unit_test(test_remove_follows_no_link),
        cmocka_unit_test(test_remove_file),
        cmocka_unit_test(test_remove_crosses_no_mount),
    };
    return cmocka_run_group_tests(tests, scratch_set_up, scratch_tear_down);
}
