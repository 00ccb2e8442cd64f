/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-load.c - guests that have something open on a file system are told by their names, and what
 * else has is no guest.
 *
 *   test-load --child WORD…     stands in for a process that has: it sleeps
 */
#undef NDEBUG
#include <assert.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "child.h"
#include "host/load.h"
#include "scratch.h"

static const struct {
    const char *program, *word;
    const char *name; /* NULL: it is no guest */
} processes[] = {
    {"/usr/bin/qemu-system-x86_64", "guest=web,debug-threads=on", "web"},
    {"/opt/vm/emulator", "guest=odd", "odd"},
    {"qemu-system-aarch64", "-nographic", "QEMU"},
    {"/usr/libexec/qemu-kvm", "-nographic", "QEMU"},
    {"/usr/bin/kvm", "-nographic", "QEMU"},
    {"qemu-img", "convert", NULL},
    {"/usr/bin/qemu-nbd", "-c", NULL},
    {"/usr/sbin/qemu-ga", "-d", NULL},
    {"/opt/qemu-system-x86_64/test", "x", NULL},
    {"less", "guest-of-honour", NULL},
};

static const char *name_of(const GPtrArray *guests, pid_t pid)
{
    for (guint i = 0; i < guests->len; i++) {
        const struct guest_load *g = guests->pdata[i];
        if (g->pid == pid)
            return g->name;
    }
    return NULL;
}

static void test_guests(void **state)
{
    (void)state;
    pid_t pids[ARRAY_SIZE(processes)];
    cleanup_free char *path = scratch_path("open");
    assert_int_equal(file_write_atomic(path, "something", NULL), 0);
    /* They have it from here. */
    cleanup_close int fd = open(path, O_RDONLY);
    for (size_t i = 0; i < ARRAY_SIZE(processes); i++)
        pids[i] = start_child_as(processes[i].program, processes[i].word, "x");
    GPtrArray *guests = load_guests(scratch, /* own = */ pids[0]);
    GPtrArray *others = load_guests(scratch, /* own = */ 0);
    assert_true(fd >= 0);
    assert_null(name_of(guests, pids[0]));
    for (size_t i = 0; i < ARRAY_SIZE(processes); i++) {
        const char *name = name_of(others, pids[i]), *wanted = processes[i].name;
        if (!name != !wanted || (name && strcmp(name, wanted) != 0))
            fail_msg("%s %s: %s", processes[i].program, processes[i].word, name ? name : "none");
        assert_int_equal(kill(pids[i], SIGKILL), 0);
        assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
    }
    g_ptr_array_unref(guests);
    g_ptr_array_unref(others);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_guests)};
    if (child_was(argc, argv))
        return 0;
    return cmocka_run_group_tests(tests, scratch_set_up, scratch_tear_down);
}
