/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-check-process.c - what the QEMU of a domain really does, from /proc, its log and its control
 * group, on hosts made of files.
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

#include "base/file.h"
#include "base/memory.h"
#include "check/process.h"
#include "scratch.h"

#define UUID "4dea22b3-1d52-d8f3-2516-782e98ab3fa0"
#define PROC "/proc/4711"

struct host {
    const char *directory;
    struct root *root;
};

static void put(const struct host *h, const char *path, const void *data, size_t length)
{
    cleanup_free char *whole = xasprintf("%s%s", h->directory, path);
    cleanup_free char *parent = xstrdup(whole);
    *strrchr(parent, '/') = '\0';
    assert_int_equal(file_make_directories(parent, NULL), 0);
    cleanup_file FILE *f = fopen(whole, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, length, f), length);
}

static void put_text(const struct host *h, const char *path, const char *text)
{
    put(h, path, text, strlen(text));
}

static void put_descriptor(const struct host *h, int number, const char *target, const char *flags)
{
    cleanup_free char *link = xasprintf("%s" PROC "/fd/%d", h->directory, number);
    cleanup_free char *info = xasprintf(PROC "/fdinfo/%d", number);
    put_text(h, PROC "/fd/.made", "");
    assert_int_equal(symlink(target, link), 0);
    put_text(h, info, flags);
}

static int set_up(void **state)
{
    static const char command[] = "/usr/bin/qemu-system-x86_64\0-name\0guest=web\0-uuid\0" UUID;
    assert_int_equal(scratch_set_up(state), 0);
    struct host *h = xcalloc(1, sizeof(*h));
    h->directory = scratch;
    h->root = root_open(h->directory, NULL);
    assert_non_null(h->root);
    put(h, PROC "/cmdline", command, sizeof(command));
    put_text(h, "/proc/1/cmdline", "/sbin/init");
    put_text(h, "/proc/self", "");
    *state = h;
    return 0;
}

static int tear_down(void **state)
{
    struct host *h = *state;
    root_free(h->root);
    free(h);
    return scratch_tear_down(state);
}

static struct check_process *look(const struct host *h, const char *name, const char *uuid)
{
    cleanup_processes struct processes *all = processes_read(h->root);
    const struct domain_model model = {.name = (char *)name, .uuid = (char *)uuid};
    return process_look(all, h->root, &model);
}

static void test_which_process(void **state)
{
    struct check_process *p = look(*state, "web", UUID);
    assert_non_null(p);
    assert_int_equal(p->pid, 4711);
    assert_int_equal(p->fallbacks->len, 0);
    assert_null(p->io_limit);
    check_process_free(p);
    assert_null(look(*state, "web", "00000000-1d52-d8f3-2516-782e98ab3fa0"));
    assert_null(look(*state, "web", NULL));
}

static int is_direct(const struct check_process *p, const char *path)
{
    gpointer value = NULL;
    return g_hash_table_lookup_extended(p->direct, path, NULL, &value) ? GPOINTER_TO_INT(value) : -1;
}

/* 040000 octal is O_DIRECT on x86, 0200000 elsewhere: the kernel prints what open(2) takes. */
static void test_direct(void **state)
{
    const struct host *h = *state;
    cleanup_free char *with = xasprintf("pos:\t0\nflags:\t0%o\nmnt_id:\t1\n", O_DIRECT | O_RDWR);
    put_descriptor(h, 8, "/srv/direct.img", with);
    put_descriptor(h, 9, "/srv/direct.img", "pos:\t0\nflags:\t02\n");
    put_descriptor(h, 10, "/srv/cached.img", "pos:\t0\nflags:\t02\n");
    put_descriptor(h, 11, "socket:[77]", with);
    put_descriptor(h, 12, "/srv/broken.img", "nonsense");
    struct check_process *p = look(h, "web", UUID);
    assert_int_equal(is_direct(p, "/srv/direct.img"), 1);
    assert_int_equal(is_direct(p, "/srv/cached.img"), 0);
    assert_int_equal(is_direct(p, "/srv/broken.img"), -1);
    assert_int_equal(g_hash_table_size(p->direct), 2);
    check_process_free(p);
}

static void test_log(void **state)
{
    put_text(*state, "/var/log/libvirt/qemu/web.log",
             "2026-01-01 00:00:00.000+0000: starting up libvirt version: 9.0.0\n"
             "qemu: Unable to use Linux AIO, falling back to thread pool: old\n"
             "2026-01-02 00:00:00.000+0000: starting up libvirt version: 9.0.0\n"
             "something else\n"
             "qemu: Unable to use linux io_uring, falling back to thread pool: new\n");
    struct check_process *p = look(*state, "web", UUID);
    assert_int_equal(p->fallbacks->len, 1);
    assert_non_null(strstr(p->fallbacks->pdata[0], "io_uring"));
    check_process_free(p);
}

/* The name of a domain is a stranger's: it names no file elsewhere. */
static void test_hostile_names(void **state)
{
    put_text(*state, "/var/log/libvirt/x.log", "falling back to thread pool");
    static const char *const names[] = {"../x", "..", "a/b", ""};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct check_process *p = look(*state, names[i], UUID);
        assert_int_equal(p->fallbacks->len, 0);
        check_process_free(p);
    }
}

static void test_limits(void **state)
{
#define GROUP "/machine.slice/machine-qemu\\x2d1\\x2dweb.scope"
    put_text(*state, PROC "/cgroup", "0::" GROUP "/libvirt/emulator\n");
    put_text(*state, "/sys/fs/cgroup" GROUP "/libvirt/emulator/cpu.max", "max 100000\n");
    put_text(*state, "/sys/fs/cgroup" GROUP "/cpu.max", "50000 100000\n");
    put_text(*state, "/sys/fs/cgroup" GROUP "/io.max", "\n");
    put_text(*state, "/sys/fs/cgroup/machine.slice/io.max", "8:0 rbps=max wbps=1048576\n");
    struct check_process *p = look(*state, "web", UUID);
    assert_string_equal(p->cpu_limit, "cpu.max of " GROUP ": 50000 100000");
    assert_string_equal(p->io_limit, "io.max of /machine.slice: 8:0 rbps=max wbps=1048576");
    check_process_free(p);
}

static void test_no_limits(void **state)
{
    static const char *const groups[] = {"0::/\n", "0::/../../etc\n", "1:blkio:/x\n0::/y\n", "junk", ""};
    put_text(*state, "/sys/fs/etc/io.max", "8:0 wbps=1\n");
    for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
        put_text(*state, PROC "/cgroup", groups[i]);
        struct check_process *p = look(*state, "web", UUID);
        assert_null(p->io_limit);
        assert_null(p->cpu_limit);
        check_process_free(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_which_process, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_direct, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_log, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_hostile_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_limits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_limits, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("check-process", tests, NULL, NULL);
}
