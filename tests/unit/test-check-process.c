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
#include "check/tasks.h"
#include "host/cgroup.h"
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
    put_text(h, "/proc/self/cmdline", "");
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
    cleanup_mounts struct mounts *mounts = mounts_read(h->root);
    return process_look(all, h->root, mounts, &model);
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

/* As a script that goes on beside its QEMU can have it, or anybody. */
static void test_two_of_one_domain(void **state)
{
    static const char other[] = "/bin/sh\0run\0-uuid\0" UUID, third[] = "x\0-uuid\0third";
    put(*state, "/proc/12/cmdline", other, sizeof(other));
    put(*state, "/proc/4712/cmdline", other, sizeof(other));
    put(*state, "/proc/4713/cmdline", third, sizeof(third));
    assert_null(look(*state, "web", UUID));
    struct check_process *p = look(*state, "web", "third");
    assert_int_equal(p->pid, 4713);
    check_process_free(p);
}

static int is_direct(const struct check_process *p, const char *path)
{
    gpointer value = NULL;
    return g_hash_table_lookup_extended(p->direct, path, NULL, &value) ? GPOINTER_TO_INT(value)
                                                                       : -1;
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

#define GROUP "/machine.slice/machine-qemu\\x2d1\\x2dweb.scope"
#define TOP "/sys/fs/cgroup"
#define MOUNT(id, root, point, type, options)                                                      \
    id " 1 0:" id " " root " " point " rw - " type " none rw" options "\n"

static const struct limits_row {
    const char *what, *mounts, *groups;
    struct {
        const char *path, *text;
    } files[6];
    const char *io, *cpu;
} limits_rows[] = {
    {"version 2, the innermost one",
     MOUNT("30", "/", TOP, "cgroup2", ""),
     "0::" GROUP "/libvirt/emulator\n",
     {{TOP GROUP "/libvirt/emulator/cpu.max", "max 100000\n"},
      {TOP GROUP "/cpu.max", "50000 100000\n"},
      {TOP GROUP "/io.max", "\n"},
      {TOP "/machine.slice/cpu.max", "70000 100000\n"},
      {TOP "/machine.slice/io.max", "8:0 rbps=max wbps=1048576\n8:16 wbps=7\n"}},
     "io.max of /machine.slice: 8:0 rbps=max wbps=1048576,8:16 wbps=7",
     "cpu.max of " GROUP ": 50000 100000"},
    {"version 2 elsewhere",
     MOUNT("30", "/", "/mnt/groups", "cgroup2", ""),
     "0::/a\n",
     {{"/mnt/groups/a/io.max", "8:0 wbps=1\n"}, {TOP "/a/cpu.max", "1 100000\n"}},
     "io.max of /a: 8:0 wbps=1",
     NULL},
    {"of a mount that begins at a group",
     MOUNT("30", "/a", TOP, "cgroup2", ""),
     "0::/a/b\n",
     {{TOP "/b/io.max", "8:0 wbps=1\n"}, {TOP "/cpu.max", "5 100\n"}},
     "io.max of /b: 8:0 wbps=1",
     "cpu.max of /: 5 100"},
    {"and one that is not below it",
     MOUNT("30", "/a", TOP, "cgroup2", ""),
     "0::/ab\n",
     {{TOP "/b/io.max", "8:0 wbps=1\n"}, {TOP "/cpu.max", "5 100\n"}},
     NULL,
     NULL},
    {"version 1, a hierarchy for each",
     MOUNT("30", "/", TOP "/blkio", "cgroup", ",blkio")
         MOUNT("31", "/", TOP "/cpu,cpuacct", "cgroup", ",cpu,cpuacct")
             MOUNT("32", "/", TOP "/unified", "cgroup2", ""),
     "7:blkio:/machine.slice\n6:name=systemd:/x\n1:cpu,cpuacct:" GROUP "/emulator\n0::/y\n",
     {{TOP "/blkio/machine.slice/blkio.throttle.read_bps_device", ""},
      {TOP "/blkio/machine.slice/blkio.throttle.write_bps_device", "8:0 1048576\n8:16 2048\n"},
      {TOP "/blkio/machine.slice/blkio.throttle.write_iops_device", "8:0 100\n"},
      {TOP "/cpu,cpuacct" GROUP "/emulator/cpu.cfs_quota_us", "-1\n"},
      {TOP "/cpu,cpuacct" GROUP "/cpu.cfs_quota_us", "50000\n"},
      {TOP "/cpu,cpuacct" GROUP "/cpu.cfs_period_us", "100000\n"}},
     "blkio.throttle.write_bps_device of /machine.slice: 8:0 1048576,8:16 2048; "
     "blkio.throttle.write_iops_device of /machine.slice: 8:0 100",
     "cpu.cfs_quota_us of " GROUP ": 50000 of 100000"},
    {"a throttle of version 1 holds no group below",
     MOUNT("30", "/", TOP, "cgroup", ",blkio"),
     "7:blkio:/a/b\n",
     {{TOP "/a/blkio.throttle.write_bps_device", "8:0 1048576\n"}},
     NULL,
     NULL},
    {"an option is a whole word",
     MOUNT("30", "/", TOP, "cgroup", ",cpuacct"),
     "1:cpu:/a\n",
     {{TOP "/a/cpu.cfs_quota_us", "5"}, {TOP "/a/cpu.cfs_period_us", "100"}},
     NULL,
     NULL},
    {"nothing is mounted", "", "0::/a\n", {{TOP "/a/io.max", "8:0 wbps=1\n"}}, NULL, NULL},
    {"a group above",
     MOUNT("30", "/", TOP, "cgroup2", ""),
     "0::/../../etc\n",
     {{"/sys/etc/io.max", "8:0 wbps=1\n"}, {TOP "/x", ""}},
     NULL,
     NULL},
    {"no group", MOUNT("30", "/", TOP, "cgroup2", ""), "0::\n0:\n\njunk\n::", {}, NULL, NULL},
};

static void same(const char *what, const char *found, const char *wanted)
{
    if (g_strcmp0(found, wanted) != 0)
        fail_msg("%s: %s instead of %s", what, found ? found : "-", wanted ? wanted : "-");
}

static void test_limits(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(limits_rows); i++) {
        const struct limits_row *row = &limits_rows[i];
        cleanup_free char *directory = xasprintf("%s/%zu", scratch, i);
        cleanup_root struct root *root = NULL;
        struct host h = {.directory = directory};
        put_text(&h, PROC "/cgroup", row->groups);
        put_text(&h, "/proc/self/mountinfo", row->mounts);
        for (size_t k = 0; k < ARRAY_SIZE(row->files) && row->files[k].path; k++)
            put_text(&h, row->files[k].path, row->files[k].text);
        h.root = root = root_open(directory, NULL);
        cleanup_mounts struct mounts *mounts = mounts_read(root);
        cleanup_free char *io = cgroup_io_limit(root, mounts, 4711);
        cleanup_free char *cpu = cgroup_cpu_limit(root, mounts, 4711);
        same(row->what, io, row->io);
        same(row->what, cpu, row->cpu);
    }
}

/* That process_look asks for both. */
static void test_limits_of_process(void **state)
{
    put_text(*state, "/proc/self/mountinfo", MOUNT("30", "/", TOP, "cgroup2", ""));
    put_text(*state, PROC "/cgroup", "0::/a\n");
    put_text(*state, TOP "/a/io.max", "8:0 wbps=1\n");
    put_text(*state, TOP "/a/cpu.max", "5 100\n");
    struct check_process *p = look(*state, "web", UUID);
    same("I/O", p->io_limit, "io.max of /a: 8:0 wbps=1");
    same("CPU", p->cpu_limit, "cpu.max of /a: 5 100");
    check_process_free(p);
}

static void put_task(const struct host *h, const char *number, const char *name, const char *cpus)
{
    cleanup_free char *path = xasprintf(PROC "/task/%s/status", number);
    cleanup_free char *text = xasprintf("Name:\t%s\nUmask:\t0022\nCpus_allowed:\tff\n"
                                        "Cpus_allowed_list:\t%s\nMems_allowed_list:\t0\n",
                                        name, cpus);
    put_text(h, path, text);
}

/* A thread's name is what others make it: that of the main one does not count. */
static void test_tasks(void **state)
{
    static const struct task wanted[] = {
        {TASK_MAIN, 0, (char *)"0-3"},        {TASK_IOTHREAD, 1, (char *)"2"},
        {TASK_IOTHREAD, 12, (char *)"0-1,3"}, {TASK_VCPU, 0, (char *)"1"},
        {TASK_VCPU, 7, (char *)"1"},          {TASK_VCPU, 0, (char *)"5"}};
    put_task(*state, "4711", "IO iothread9", "0-3");
    put_task(*state, "4712", "IO iothread1", "2");
    put_task(*state, "4713", "IO iothread12", "0-1,3");
    put_task(*state, "4714", "IO mon_iothread", "4");
    put_task(*state, "4715", "CPU 0/KVM", "1");
    put_task(*state, "4716", "CPU 7/TCG", "1");
    put_task(*state, "4717", "ALL CPUs/TCG", "5");
    put_task(*state, "4718", "worker", "5");
    put_text(*state, PROC "/task/4719/status", "Name:\tCPU 1/KVM\n");
    put_text(*state, PROC "/task/4720/status", "");
    struct check_process *p = look(*state, "web", UUID);
    assert_int_equal(p->tasks->len, ARRAY_SIZE(wanted));
    for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
        const struct task *t = p->tasks->pdata[i];
        assert_int_equal(t->role, wanted[i].role);
        assert_int_equal(t->id, wanted[i].id);
        assert_string_equal(t->cpus, wanted[i].cpus);
    }
    check_process_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_which_process, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_two_of_one_domain, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_direct, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_log, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_hostile_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_limits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_limits_of_process, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tasks, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("check-process", tests, NULL, NULL);
}
