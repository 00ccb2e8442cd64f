/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-process.c - programs are run without a shell and their failure is told in one line; those
 * that are looked for by what is on their command line are found and killed, and no others.
 *
 *   test-process --child WORD…     what the tests start: it sleeps
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
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/interrupt.h"
#include "base/memory.h"
#include "host/process.h"
#include "child.h"
#include "scratch.h"

/* --- Running ---------------------------------------------------------------------------------- */

static const struct {
    const char *argv[6];
    const char *message, *hint; /* NULL: it goes well; no hint is expected */
} runs[] = {
    {{"true"}, NULL, NULL},
    {{"true", "; false"}, NULL, NULL},
    {{"false"}, "false failed", NULL},
    {{"no-such-program-anywhere", "x"}, "cannot run no-such-program-anywhere: ", "install it"},
    {{"/nonexistent/program"}, "cannot run /nonexistent/program: ", "install it"},
    /* The last line of what it said, and only that. */
    {{"python3", "-c", "import sys; sys.exit('the first\\nthe last\\n')"},
     "python3 failed: the last",
     NULL},
    {{"python3", "-c", "import os; os.kill(os.getpid(), 15)"},
     "python3 was killed by signal 15",
     NULL},
};

static void test_run(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(runs); i++) {
        cleanup_error struct error *err = NULL;
        int result = process_run(runs[i].argv, "install it", &err);
        assert_int_equal(result, runs[i].message ? -1 : 0);
        if (!runs[i].message) {
            assert_null(err);
            continue;
        }
        if (strncmp(err->message, runs[i].message, strlen(runs[i].message)) != 0)
            fail_msg("'%s' instead of '%s'", err->message, runs[i].message);
        assert_null(strstr(err->message, "the first"));
        assert_int_equal(!err->hint, !runs[i].hint);
        assert_int_equal(process_run(runs[i].argv, NULL, NULL), -1);
    }
}

/* No shell sees the arguments. */
static void test_run_verbatim(void **state)
{
    (void)state;
    cleanup_free char *path = scratch_path("$(a) 'b' \"c\" ; * &");
    const char *const argv[] = {"touch", "--", path, NULL};
    assert_int_equal(process_run(argv, NULL, NULL), 0);
    assert_int_equal(access(path, F_OK), 0);
}

/* As Ctrl-C does at a terminal: the signal is that of the whole group, whose other processes are
 * killed by it. Of a process of its own, which has been interrupted then. */
static void test_run_is_interrupted(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        cleanup_error struct error *err = NULL;
        const char *const argv[] = {"sh", "-c", "kill -INT 0; exec sleep 60", NULL};
        int r =
            setpgid(0, 0) == 0 && interrupt_install(NULL) == 0 ? process_run(argv, NULL, &err) : 0;
        _exit(r < 0 && strcmp(err->message, "interrupted by SIGINT") == 0 ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* --- Watching --------------------------------------------------------------------------------- */

/* Every exit status is a result, with what was written to either end. */
static void test_watch(void **state)
{
    (void)state;
    cleanup_process_end struct process_end end = {0};
    const char *const argv[] = {
        "python3", "-c", "import os, sys; print('out'); sys.stderr.write('said\\n'); sys.exit(63)",
        NULL};
    assert_int_equal(process_watch(argv, NULL, &end, NULL), 0);
    assert_int_equal(end.status, 63);
    assert_string_equal(end.output, "out\n");
    assert_string_equal(end.said, "said\n");
    process_end_done(&end);
    assert_int_equal(process_watch((const char *const[]){"true", NULL}, NULL, &end, NULL), 0);
    assert_string_equal(end.output, "");
    assert_string_equal(end.said, "");
}

/* Of a flood of messages the end is kept; a flood of output is an error, and its end. */
static void test_watch_floods(void **state)
{
    (void)state;
    cleanup_process_end struct process_end end = {0};
    cleanup_error struct error *err = NULL;
    const char *const says[] = {"python3", "-c",
                                "import sys; sys.exit('x\\n' * 1000000 + 'the last')", NULL};
    assert_int_equal(process_watch(says, NULL, &end, NULL), 0);
    assert_true(strlen(end.said) <= 128 << 10);
    assert_true(strlen(end.said) > 9 && strcmp(end.said + strlen(end.said) - 9, "the last\n") == 0);
    assert_int_equal(process_watch((const char *const[]){"yes", NULL}, NULL, &end, &err), -1);
    assert_string_equal(err->message, "yes wrote more than 16 MiB");
}

/* A thread of ours hears no signals; what it starts does, and gives way to others' I/O. */
static void *watch_state(void *unused)
{
    (void)unused;
    cleanup_process_end struct process_end end = {0};
    const char *const argv[] = {"python3", "-c",
                                "import signal, subprocess\n"
                                "print(signal.pthread_sigmask(signal.SIG_BLOCK, []), flush=True)\n"
                                "subprocess.run(['ionice'])",
                                NULL};
    assert(process_watch(argv, NULL, &end, NULL) == 0);
    return TAKE_PTR(end.output);
}

static void test_watch_from_a_thread(void **state)
{
    (void)state;
    pthread_t thread;
    void *said;
    assert_int_equal(interrupt_start_thread(&thread, watch_state, NULL), 0);
    assert_int_equal(pthread_join(thread, &said), 0);
    cleanup_free char *text = said;
    assert_string_equal(text, "set()\nbest-effort: prio 7\n");
}

/* After a signal nothing is waited for: of a process of its own, which has been interrupted then.
 */
static void test_watch_is_interrupted(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        cleanup_process_end struct process_end end = {0};
        cleanup_error struct error *err = NULL;
        cleanup_free char *kill_us = xasprintf("kill -TERM %d; exec sleep 60", (int)getpid());
        const char *const argv[] = {"sh", "-c", kill_us, NULL};
        uint64_t start = clock_now_ns();
        int r = interrupt_install(NULL) == 0 ? process_watch(argv, NULL, &end, &err) : 0;
        bool told = r < 0 && strcmp(err->message, "interrupted by SIGTERM") == 0;
        _exit(told && clock_now_ns() - start < 30 * NS_PER_SECOND ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* --- Children --------------------------------------------------------------------------------- */

/* A word that is on no other command line. */
static char *unique_word(const char *what)
{
    return xasprintf("virt-disktune-test-%d-%s", (int)getpid(), what);
}

/* Ends a child of start_child; fails where it had ended already. */
static void end_child(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
}

static void test_find(void **state)
{
    (void)state;
    cleanup_free char *a = unique_word("find-a"), *b = unique_word("find-b");
    pid_t pid = start_child(a, b);
    assert_int_equal(process_find((const char *const[]){a, NULL}), pid);
    assert_int_equal(process_find((const char *const[]){b, a, NULL}), pid);
    assert_int_equal(process_find((const char *const[]){a, "no such word", NULL}), 0);
    end_child(pid);
    assert_int_equal(process_find((const char *const[]){a, NULL}), 0);
    /* This one has the words as well, and is not meant. */
    assert_int_not_equal(process_find((const char *const[]){"test-process", NULL}), getpid());
}

static void test_command_line(void **state)
{
    (void)state;
    size_t length;
    cleanup_free char *word = unique_word("line");
    pid_t pid = start_child(word, "b");
    cleanup_free char *line = process_command_line(pid, &length);
    cleanup_free char *wanted = xasprintf("test-process%c--child%c%s%cb", 0, 0, word, 0);
    assert_non_null(line);
    assert_int_equal(length, strlen("test-process") + strlen("--child") + strlen(word) + 1 + 4);
    assert_memory_equal(line, wanted, length);
    end_child(pid);
    assert_null(process_command_line(pid, &length));
}

/* All of those with both words are killed; one with the first alone and this program live on. */
static void test_kill(void **state)
{
    (void)state;
    cleanup_free char *a = unique_word("kill-a"), *b = unique_word("kill-b");
    pid_t both = start_child(a, b), other_order = start_child(b, a), one = start_child(a, "x");
    int status;
    process_kill((const char *const[]){a, b, NULL});
    assert_int_equal(waitpid(both, &status, WNOHANG), both);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_int_equal(waitpid(other_order, &status, WNOHANG), other_order);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    end_child(one);
    process_kill((const char *const[]){a, NULL});
}

/* --- CPU time --------------------------------------------------------------------------------- */

static void wait_ms(long ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

static _Noreturn void be_busy(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (volatile unsigned i = 0;; i++)
        ;
}

static void test_cpu_time(void **state)
{
    (void)state;
    cleanup_free char *word = unique_word("idle");
    pid_t busy = fork();
    if (busy == 0)
        be_busy();
    pid_t idle = start_child(word, "x");
    uint64_t before, after = 0, idle_before, idle_after, start = clock_now_ns();
    assert_int_equal(process_cpu_ns(busy, &before, NULL), 0);
    assert_int_equal(process_cpu_ns(idle, &idle_before, NULL), 0);
    /* On a loaded machine it has to wait for its turn. */
    uint64_t give_up = start + 20 * NS_PER_SECOND;
    while (after < before + 100 * NS_PER_MS && clock_now_ns() < give_up) {
        wait_ms(20);
        assert_int_equal(process_cpu_ns(busy, &after, NULL), 0);
    }
    assert_true(after >= before + 100 * NS_PER_MS);
    /* It has one thread, which had no more than the time that went by, on two clocks that do not
     * run quite alike. */
    uint64_t elapsed = clock_now_ns() - start;
    assert_true(after - before <= elapsed + elapsed / 50);
    assert_int_equal(process_cpu_ns(idle, &idle_after, NULL), 0);
    assert_true(idle_after - idle_before < 50 * NS_PER_MS);
    end_child(busy);
    end_child(idle);
    cleanup_error struct error *err = NULL;
    assert_int_equal(process_cpu_ns(busy, &after, &err), -1);
    assert_non_null(strstr(err->message, "cannot read the CPU time of process "));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_run),
        cmocka_unit_test(test_run_verbatim),
        cmocka_unit_test(test_run_is_interrupted),
        cmocka_unit_test(test_watch),
        cmocka_unit_test(test_watch_floods),
        cmocka_unit_test(test_watch_from_a_thread),
        cmocka_unit_test(test_watch_is_interrupted),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_command_line),
        cmocka_unit_test(test_kill),
        cmocka_unit_test(test_cpu_time),
    };
    if (child_was(argc, argv))
        return 0;
    if (!is_harmless()) {
        printf("Bail out! process_find() finds what is not there\n");
        return 1;
    }
    return cmocka_run_group_tests(tests, scratch_set_up, scratch_tear_down);
}
