/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-claim.c - a claim is known to be dead when its owner is, and only then is it buried; what is
 * no claim of this user's is never touched, whatever its name.
 *
 *   test-claim --foreign         with one of another user, which only root can have to test with
 *   test-claim --child WORD…     stands in for a QEMU that was left behind: it sleeps
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/interrupt.h"
#include "host/claim.h"
#include "host/process.h"
#include "child.h"
#include "scratch.h"

#define PREFIX CLAIM_SCRATCH_PREFIX

/* --- Helpers ---------------------------------------------------------------------------------- */

/* A directory for one test; the caller frees its path. */
static char *make_place(void)
{
    char *path = scratch_path("place-XXXXXX");
    assert(mkdtemp(path));
    return path;
}

static char *below(const char *directory, const char *name)
{
    return xasprintf("%s/%s", directory, name);
}

static void make_text(const char *directory, const char *name, const char *text)
{
    cleanup_free char *path = below(directory, name);
    assert(file_write_atomic(path, text, NULL) == 0);
}

/* What a run that was killed leaves: a claim whose lock nobody holds, with an image in it. */
static char *make_dead(const char *place, const char *name)
{
    char *path = below(place, name);
    assert(mkdir(path, 0700) == 0);
    make_text(path, "lock", "1\n");
    make_text(path, "0.img", "image");
    return path;
}

static bool exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

/* A process that has a claim in `place` and lives until it is ended; its claim is in *ret_path. */
static pid_t start_holder(const char *place, char **ret_path)
{
    int ends[2];
    char path[PATH_MAX] = "";
    assert(pipe(ends) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        struct claim *claim = claim_take(place, PREFIX, true, NULL);
        if (!claim || write(ends[1], claim->path, strlen(claim->path)) < 0)
            _exit(1);
        close(ends[1]);
        for (;;)
            pause();
    }
    close(ends[1]);
    assert(pid > 0 && read(ends[0], path, sizeof(path) - 1) > 0);
    close(ends[0]);
    *ret_path = xstrdup(path);
    return pid;
}

static void end_process(pid_t pid)
{
    int status;
    assert(kill(pid, SIGKILL) == 0 && waitpid(pid, &status, 0) == pid);
}

/* Takes a claim, which buries what is dead, and gives it back. */
static void sweep(const char *place)
{
    cleanup_error struct error *err = NULL;
    cleanup_claim struct claim *claim = claim_take(place, PREFIX, false, &err);
    if (!claim)
        fail_msg("%s", err->message);
}

/* --- Taking ----------------------------------------------------------------------------------- */

static void test_take(void **state)
{
    (void)state;
    cleanup_free char *place = make_place();
    struct claim *claim = claim_take(place, PREFIX, true, NULL);
    assert_non_null(claim);
    cleanup_free char *path = xstrdup(claim->path), *lock = below(path, "lock");
    cleanup_free char *pid = xasprintf("%d\n", (int)getpid()), *start = below(place, PREFIX);
    char host[HOST_NAME_MAX + 1];
    assert(gethostname(host, sizeof(host)) == 0);
    struct stat st;
    assert_int_equal(strncmp(path, start, strlen(start)), 0);
    assert_true(stat(path, &st) == 0 && S_ISDIR(st.st_mode) && (st.st_mode & 07777) == 0700);
    cleanup_free char *owner = file_read(lock, NULL, NULL);
    assert_non_null(owner);
    assert_int_equal(strncmp(owner, pid, strlen(pid)), 0);
    assert_int_equal(strncmp(owner + strlen(pid), host, strlen(host)), 0);
    make_text(path, "0.img", "image");
    claim_release(claim);
    /* Nothing is left of it: the place is as it was. */
    assert_int_equal(rmdir(place), 0);
    claim_release(NULL);
}

static void test_not_alone(void **state)
{
    (void)state;
    cleanup_free char *place = make_place(), *theirs = NULL;
    pid_t holder = start_holder(place, &theirs);
    cleanup_error struct error *err = NULL;
    assert_null(claim_take(place, PREFIX, true, &err));
    cleanup_free char *wanted = xasprintf("another run (process %d) is measuring here", holder);
    assert_non_null(strstr(err->message, wanted));
    assert_non_null(err->hint);
    /* Whoever does not ask to be alone is let in; other prefixes are other places. */
    cleanup_claim struct claim *company = claim_take(place, PREFIX, false, NULL);
    cleanup_claim struct claim *other = claim_take(place, "other-", true, NULL);
    assert_true(company && other && exists(theirs));
    end_process(holder);
}

/* kill -9 is enough for a claim to be dead, and its successor's lock is none of its business. */
static void test_dead(void **state)
{
    (void)state;
    cleanup_free char *place = make_place(), *theirs = NULL;
    pid_t holder = start_holder(place, &theirs);
    end_process(holder);
    assert_true(exists(theirs));
    cleanup_claim struct claim *claim = claim_take(place, PREFIX, true, NULL);
    assert_non_null(claim);
    assert_false(exists(theirs));
    assert_true(exists(claim->path));
}

static void test_many_dead(void **state)
{
    (void)state;
    cleanup_free char *place = make_place(), *alive = NULL;
    cleanup_free char *a = make_dead(place, PREFIX "aaaaaa"),
                      *b = make_dead(place, PREFIX "bbbbbb");
    pid_t holder = start_holder(place, &alive);
    /* That one has buried them already. */
    assert_true(!exists(a) && !exists(b) && exists(alive));
    cleanup_free char *c = make_dead(place, PREFIX "cccccc");
    sweep(place);
    assert_true(!exists(c) && exists(alive));
    end_process(holder);
}

/* Killed between the directory and the lock in it. */
static void test_half_made(void **state)
{
    (void)state;
    cleanup_free char *place = make_place(), *path = below(place, PREFIX "aaaaaa");
    assert(mkdir(path, 0700) == 0);
    sweep(place);
    assert_false(exists(path));
}

static void test_take_errors(void **state)
{
    (void)state;
    cleanup_free char *place = make_place(), *file = below(place, "file");
    cleanup_error struct error *err = NULL;
    make_text(place, "file", "");
    assert_null(claim_take("/nonexistent", PREFIX, true, &err));
    assert_non_null(strstr(err->message, "/nonexistent: No such file or directory"));
    assert_null(claim_take(file, PREFIX, true, &err));
    assert_non_null(strstr(err->message, "Not a directory"));
}

/* Another process has the directory locked: it is waited for, and no longer than until a signal. */
static void test_take_is_interrupted(void **state)
{
    (void)state;
    cleanup_free char *place = make_place();
    cleanup_close int fd = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    pid_t pid = fork();
    if (pid == 0) {
        cleanup_error struct error *err = NULL;
        bool ready = interrupt_install(NULL) == 0 && raise(SIGTERM) == 0;
        /* Who hears nothing ends, too. */
        signal(SIGALRM, SIG_DFL);
        alarm(50);
        bool told = ready && !claim_take(place, PREFIX, true, &err) &&
                    strcmp(err->message, "interrupted by SIGTERM") == 0;
        _exit(told ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(rmdir(place), 0);
}

/* --- What is not ours ------------------------------------------------------------------------- */

static void test_other_names(void **state)
{
    (void)state;
    /* To the letter: six letters and digits behind the prefix. */
    static const char *const names[] = {
        "virt-disktune-aaaaaa",
        ".virt-disktun",
        "data",
        ".virt",
        PREFIX,
        PREFIX "aaaaa",
        PREFIX "aaaaaaa",
        PREFIX "aaa.aa",
        PREFIX "aaaaa ",
        "x" PREFIX "aaaaaa",
    };
    cleanup_free char *place = make_place();
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        free(make_dead(place, names[i]));
    sweep(place);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        cleanup_free char *path = below(place, names[i]), *image = below(path, "0.img");
        assert_true(exists(image));
    }
}

/* A link of the right name, to something that looks like a dead claim. */
static void test_links(void **state)
{
    (void)state;
    cleanup_free char *place = make_place(), *elsewhere = make_place();
    cleanup_free char *data = make_dead(elsewhere, "data"), *image = below(data, "0.img");
    cleanup_free char *link = below(place, PREFIX "aaaaaa"), *file = below(place, PREFIX "bbbbbb");
    assert(symlink(data, link) == 0);
    make_text(place, PREFIX "bbbbbb", "a file");
    sweep(place);
    assert_true(exists(link) && exists(image) && exists(file));
}

/* A lock that is a link is nobody's that this program made. */
static void test_linked_lock(void **state)
{
    (void)state;
    cleanup_free char *place = make_place(), *dead = make_dead(place, PREFIX "aaaaaa");
    cleanup_free char *lock = below(dead, "lock");
    assert(unlink(lock) == 0 && symlink("0.img", lock) == 0);
    sweep(place);
    assert_true(exists(dead) && exists(lock));
}

/* Of another user. */
static void test_foreign(void **state)
{
    (void)state;
    cleanup_free char *place = make_place(), *dead = make_dead(place, PREFIX "aaaaaa");
    cleanup_free char *image = below(dead, "0.img");
    assert_int_equal(chown(dead, 65534, (gid_t)-1), 0);
    sweep(place);
    assert_true(exists(image));
}

/* A claim of a machine with which the storage is shared is not buried, and nobody is alone with it.
 */
static void test_other_machine(void **state)
{
    (void)state;
    cleanup_free char *place = make_place(), *theirs = make_dead(place, PREFIX "aaaaaa");
    cleanup_free char *image = below(theirs, "0.img");
    cleanup_error struct error *err = NULL;
    make_text(theirs, "lock", "12\nanother-machine\nanother-boot\n");
    sweep(place);
    assert_true(exists(image));
    assert_null(claim_take(place, PREFIX, true, &err));
    assert_non_null(strstr(err->message, "a run of the machine another-machine (process 12) was "));
    assert_non_null(strstr(err->hint, theirs));
    /* While one there holds the lock and this machine knows, it is as any other. */
    cleanup_free char *lock = below(theirs, "lock");
    cleanup_close int fd = open(lock, O_RDONLY | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_null(claim_take(place, PREFIX, true, &err));
    assert_non_null(
        strstr(err->message, "another run (process 12 of the machine another-machine) is "));
}

/* What this machine left before it was started anew, or had another name, is its own. */
static void test_same_machine(void **state)
{
    (void)state;
    cleanup_free char *place = make_place();
    cleanup_free char *boot = file_read("/proc/sys/kernel/random/boot_id", NULL, NULL);
    char host[HOST_NAME_MAX + 1];
    assert(gethostname(host, sizeof(host)) == 0);
    cleanup_free char *before = xasprintf("12\n%s\nanother-boot\n", host);
    cleanup_free char *renamed = xasprintf("12\nanother-name\n%s", boot);
    const char *const locks[] = {before, renamed, "12\n", "", "\n\n\n\n"};
    for (size_t i = 0; i < ARRAY_SIZE(locks); i++) {
        cleanup_free char *dead = make_dead(place, PREFIX "aaaaaa");
        make_text(dead, "lock", locks[i]);
        sweep(place);
        assert_false(exists(dead));
    }
}

/* --- Linked claims ---------------------------------------------------------------------------- */

/* A dead claim in a runtime directory that says `other` dies with it; then a sweep there. Nothing
 * outside of the scratch directory is ever named here: where the code is wrong, it is removed. */
static void sweep_linked(const char *other)
{
    cleanup_free char *runtime = make_place(), *dead = make_dead(runtime, PREFIX "aaaaaa");
    make_text(dead, "linked", other);
    sweep(runtime);
    assert_false(exists(dead));
}

static void test_linked(void **state)
{
    (void)state;
    cleanup_free char *place = make_place();
    cleanup_free char *dead = make_dead(place, PREFIX "aaaaaa");
    cleanup_free char *data = make_dead(place, "data");
    cleanup_free char *link = below(place, PREFIX "llllll"), *file = below(place, PREFIX "ffffff");
    cleanup_free char *relative = below(dead, ".."), *longer = make_dead(place, PREFIX "aaaaaaa");
    assert(symlink("data", link) == 0);
    make_text(place, PREFIX "ffffff", "a file");
    sweep_linked(data);
    sweep_linked(link);
    sweep_linked(file);
    sweep_linked(place);
    sweep_linked(relative);
    sweep_linked(longer);
    sweep_linked("");
    sweep_linked(PREFIX "aaaaaa");
    sweep_linked("/nonexistent/" PREFIX "aaaaaa");
    assert_true(exists(data) && exists(link) && exists(file) && exists(dead) && exists(longer));
    sweep_linked(dead);
    assert_true(exists(data) && !exists(dead));
}

static void test_linked_lives(void **state)
{
    (void)state;
    cleanup_free char *place = make_place(), *theirs = NULL;
    pid_t holder = start_holder(place, &theirs);
    sweep_linked(theirs);
    assert_true(exists(theirs));
    end_process(holder);
    sweep_linked(theirs);
    assert_false(exists(theirs));
}

static void test_link(void **state)
{
    (void)state;
    cleanup_free char *place = make_place(), *runtime = make_place();
    cleanup_claim struct claim *a = claim_take(runtime, PREFIX, false, NULL);
    cleanup_claim struct claim *b = claim_take(place, PREFIX, true, NULL);
    assert_true(a && b);
    assert_int_equal(claim_link(a, b, NULL), 0);
    cleanup_free char *path = below(a->path, "linked"), *text = file_read(path, NULL, NULL);
    assert_string_equal(text, b->path);
}

/* --- The QEMU left behind --------------------------------------------------------------------- */

static void check_killed(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, WNOHANG), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* Ends what has to be alive. */
static void check_alive(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
    end_process(pid);
}

/* It is told by the domain's name and the claim's path: both, for neither is enough. */
static void test_left_behind(void **state)
{
    (void)state;
    cleanup_free char *place = make_place(), *dead = make_dead(place, PREFIX "aaaaaa");
    cleanup_free char *file = below(dead, "0.img");
    pid_t left = start_child("guest=" CLAIM_DOMAIN_PREFIX "1", file);
    pid_t other = start_child("guest=" CLAIM_DOMAIN_PREFIX "1", place);
    pid_t reader = start_child("less", file);
    sweep(place);
    assert_false(exists(dead));
    check_killed(left);
    check_alive(other);
    check_alive(reader);
}

/* One that libvirt starts to ask what it can is no guest's, and by no means goes by itself. */
static void test_asked_and_left_behind(void **state)
{
    (void)state;
    cleanup_free char *place = make_place(), *dead = make_dead(place, PREFIX "aaaaaa");
    cleanup_free char *ours =
        xasprintf("unix:%s/lib/qemu/qmp-1OWQ71/qmp.monitor,server=on,wait=off", dead);
    pid_t left = start_child("-qmp", ours);
    pid_t other =
        start_child("-qmp", "unix:/var/lib/libvirt/qemu/qmp-1OWQ71/qmp.monitor,server=on,wait=off");
    sweep(place);
    assert_false(exists(dead));
    check_killed(left);
    check_alive(other);
}

static int run_foreign(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_foreign)};
    if (geteuid() != 0) {
        printf("1..0 # SKIP nobody but root can give a directory away\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, scratch_set_up, scratch_tear_down);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_take),
        cmocka_unit_test(test_not_alone),
        cmocka_unit_test(test_dead),
        cmocka_unit_test(test_many_dead),
        cmocka_unit_test(test_half_made),
        cmocka_unit_test(test_take_errors),
        cmocka_unit_test(test_other_names),
        cmocka_unit_test(test_links),
        cmocka_unit_test(test_linked_lock),
        cmocka_unit_test(test_linked),
        cmocka_unit_test(test_linked_lives),
        cmocka_unit_test(test_link),
        cmocka_unit_test(test_left_behind),
        cmocka_unit_test(test_asked_and_left_behind),
        cmocka_unit_test(test_take_is_interrupted),
        cmocka_unit_test(test_other_machine),
        cmocka_unit_test(test_same_machine),
    };
    if (child_was(argc, argv))
        return 0;
    if (!is_harmless()) {
        printf("Bail out! process_find() finds what is not there\n");
        return 1;
    }
    if (argc > 1 && strcmp(argv[1], "--foreign") == 0)
        return run_foreign();
    return cmocka_run_group_tests(tests, scratch_set_up, scratch_tear_down);
}
