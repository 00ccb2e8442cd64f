/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-fio.c - job files of fio: sections and groups, limits, the files kept in tests/data/fio; and
 * work that is printed is the same when it is read again.
 *
 *   test-fio           against what is kept
 *   test-fio --real    what is printed, and the files kept, against the program fio itself
 */
#undef NDEBUG
#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/memory.h"
#include "fio-work.h"
#include "measure/fio.h"

extern char **environ;

/* --- Sections --------------------------------------------------------------------------------- */

/* Lines are numbered in the text, so that the table below can be followed. */
static const char sections[] = "; a comment\n"                  /* 1 */
                               "[global]\n"                     /* 2 */
                               "bs=8k ; behind a value\n"       /* 3 */
                               "[one] # and behind a section\n" /* 4 */
                               "[ two ]\n"                      /* 5 */
                               "\t bs = 16k#right behind\r\n"   /* 6 */
                               "numjobs=2\n"                    /* 7 */
                               "[globals, all the same]\n"      /* 8 */
                               "stonewall\n"                    /* 9 */
                               "bs=32k\n"                       /* 10 */
                               "  [three]\n"                    /* 11 */
                               "\n"                             /* 12 */
                               "[four]\n"                       /* 13 */
                               "stonewall=0\n"                  /* 14 */
                               "[four]\n"                       /* 15 */
                               "wait_for_previous=1";           /* 16 */

static void test_sections(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        unsigned line, group, kib, jobs;
    } wanted[] = {{"one", 4, 0, 8, 1},
                  {" two ", 5, 0, 16, 2},
                  {"three", 11, 1, 32, 1},
                  {"four", 13, 1, 32, 1},
                  {"four", 15, 2, 32, 1}};
    cleanup_fio struct fio_file *file = parse(sections);
    assert_int_equal(file->count, ARRAY_SIZE(wanted));
    for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
        const struct fio_job *job = &file->jobs[i];
        assert_string_equal(job->name, wanted[i].name);
        assert_string_equal(job->workload.name, wanted[i].name);
        assert_int_equal(job->line, wanted[i].line);
        assert_int_equal(job->group, wanted[i].group);
        assert_int_equal(job->workload.block_bytes, wanted[i].kib * K);
        assert_int_equal(job->workload.jobs, wanted[i].jobs);
    }
}

/* A barrier before the first job is none; and a long name is cut between characters. */
static void test_first_and_long(void **state)
{
    (void)state;
    cleanup_fio struct fio_file *file =
        parse("[123456789012345678901234567890\xc3\xbc]\nstonewall\n[b]\n");
    assert_int_equal(file->jobs[0].group, 0);
    assert_int_equal(file->jobs[1].group, 0);
    assert_string_equal(file->jobs[0].name, "123456789012345678901234567890\xc3\xbc");
    assert_string_equal(file->jobs[0].workload.name, "123456789012345678901234567890");
}

static bool notes_files(const char *text)
{
    cleanup_fio struct fio_file *file = parse(text);
    bool found = false;
    for (size_t i = 0; i < file->note_count; i++)
        found |= !!strstr(file->notes[i], "each job of fio's has a file of its own");
    return found;
}

/* fio has a file for each job that is not told otherwise; what follows another is on blocks that
 * nobody else works on either way. */
static void test_files(void **state)
{
    (void)state;
    assert_true(notes_files("[a]\nnumjobs=2\n"));
    assert_true(notes_files("[a]\n[b]\n"));
    assert_false(notes_files("[a]\n[b]\nstonewall\n"));
    assert_false(notes_files("[global]\nfilename=x\n[a]\nnumjobs=2\n[b]\n"));
}

/* Each text comes once, however often there is a reason for it. */
static void test_notes_once(void **state)
{
    (void)state;
    cleanup_fio struct fio_file *file =
        parse("[a]\nfilename=x\nfilename=y\n[b]\nfilename=z\n[c]\nfilename=x\nbuffered=0\n");
    assert_int_equal(file->note_count, 2);
    assert_string_equal(file->notes[0], "F:2: filename: our own scratch file is used instead");
    assert_string_equal(file->notes[1], "F: direct: it is not given, and measured is direct I/O");
}

/* --- Limits ----------------------------------------------------------------------------------- */

static void check_refused(const char *text, const char *message)
{
    cleanup_error struct error *err = NULL;
    cleanup_fio struct fio_file *file = fio_parse(text, "F", &err);
    if (file)
        fail_msg("%.80s\n: it was read", text);
    if (strncmp(err->message, message, strlen(message)) != 0)
        fail_msg("%.80s\n: the error is '%s'", text, err->message);
}

/* `count` times the text, with `head` before it. */
static char *repeat(const char *head, const char *text, size_t count)
{
    size_t start = strlen(head), step = strlen(text);
    char *all = xcalloc(start + count * step + 1, 1);
    memcpy(all, head, start);
    for (size_t i = 0; i < count; i++)
        memcpy(all + start + i * step, text, step);
    return all;
}

static void test_limits(void **state)
{
    (void)state;
    cleanup_free char *jobs = repeat("", "[a]\n", FIO_JOBS_MAX);
    cleanup_fio struct fio_file *file = parse(jobs);
    assert_int_equal(file->count, FIO_JOBS_MAX);
    cleanup_free char *more_jobs = repeat("", "[a]\n", FIO_JOBS_MAX + 1);
    check_refused(more_jobs, "F:257: more than 256 jobs");

    cleanup_free char *line = repeat("[a]\ndescription=", "x", FIO_LINE_MAX - 12);
    cleanup_fio struct fio_file *long_line = parse(line);
    assert_int_equal(long_line->count, 1);
    cleanup_free char *longer = repeat("[a]\ndescription=", "x", FIO_LINE_MAX - 11);
    check_refused(longer, "F:2: a line of more than 4096 characters");

    cleanup_free char *text = repeat("[a]\n", "rw=read\n", (FIO_FILE_MAX - 4) / 8);
    cleanup_fio struct fio_file *long_text = parse(text);
    assert_int_equal(long_text->count, 1);
    cleanup_free char *larger = repeat("[a]\n", "rw=read\n", FIO_FILE_MAX / 8);
    check_refused(larger, "F: more than 1 MiB is not a job file");
}

/* --- Files ------------------------------------------------------------------------------------ */

static const struct {
    const char *file, *section;
    unsigned group;
    uint64_t size, io, runtime_s;
    struct workload work;
} kept[] = {
    {"database",
     "pages",
     0,
     UINT64_C(4) << 30,
     0,
     60,
     {MIX(70), .block_bytes = 8 * K, .depth = 16, .jobs = 4, .zipf = 1.1, .sync_every = 64}},
    {"database",
     "log",
     0,
     UINT64_C(512) << 20,
     0,
     60,
     {.rw = WORKLOAD_WRITE,
      .block_bytes = 16 * K,
      .rate_iops = 200,
      .sync_every = 1,
      .datasync = true}},
    {"boot-storm",
     "first",
     0,
     0,
     0,
     120,
     {.rw = WORKLOAD_RANDREAD, .read_percent = 100, .depth = 2}},
    {"boot-storm",
     "storm",
     1,
     0,
     0,
     120,
     {.rw = WORKLOAD_RANDREAD,
      .read_percent = 100,
      .block_bytes = 128 * K,
      .depth = 4,
      .jobs = 16,
      SPLIT({4 * K, 55}, {16 * K, 25}, {64 * K, 10}, {128 * K, 10})}},
    {"boot-storm", "updates", 1, 0, 0, 120, {.rw = WORKLOAD_RANDWRITE, .rate_iops = 100}},
    {"streaming",
     "stream",
     0,
     UINT64_C(8) << 30,
     UINT64_C(4) << 30,
     0,
     {.read_percent = 100, .block_bytes = K * K, .depth = 8}},
};

static char *kept_path(const char *name)
{
    const char *data = getenv("VIRT_DISKTUNE_TEST_DATA");
    assert_non_null(data);
    return xasprintf("%s/fio/%s.fio", data, name);
}

static void check_kept(size_t i, const struct fio_job *job)
{
    struct workload wanted = with_defaults(kept[i].work);
    assert_string_equal(job->name, kept[i].section);
    assert_int_equal(job->group, kept[i].group);
    assert_int_equal(job->size_bytes, kept[i].size);
    assert_int_equal(job->io_bytes, kept[i].io);
    assert_int_equal(job->runtime_ns, kept[i].runtime_s * 1000000000);
    assert_int_equal(job->time_based, kept[i].runtime_s > 0);
    check_work(kept[i].section, &job->workload, &wanted);
}

static void test_kept(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(kept);) {
        const char *name = kept[i].file;
        cleanup_error struct error *err = NULL;
        cleanup_free char *path = kept_path(name);
        cleanup_fio struct fio_file *file = fio_read(path, &err);
        if (!file)
            fail_msg("%s", err->message);
        for (size_t j = 0; j < file->count; j++, i++) {
            assert_string_equal(kept[i].file, name);
            check_kept(i, &file->jobs[j]);
        }
    }
}

static void test_read_errors(void **state)
{
    (void)state;
    cleanup_error struct error *err = NULL;
    assert_null(fio_read("/nonexistent/x.fio", &err));
    assert_non_null(strstr(err->message, "cannot open /nonexistent/x.fio"));
    assert_null(fio_read("/proc/self/environ", &err));
    assert_non_null(strstr(err->message, "zero byte"));
}

/* --- Printed ---------------------------------------------------------------------------------- */

static const struct workload odd[] = {
    {.name = "dd", .rw = WORKLOAD_WRITE, .block_bytes = 64 * K, .zeros = true},
    {.name = "two words", .read_percent = 100, .block_bytes = 512},
    {MIX(1), .rate_iops = 1, .depth = 32},
    {MIX(99), .rate_iops = 7, .block_bytes = 512},
    {MIX(0), .rate_iops = 7, .sync_every = 3},
    {MIX(100), .rate_iops = 7},
    {MIX(37), .rate_iops = 100003, .block_bytes = 8 * K, .zipf = 0.1 + 0.2},
    {MIX(33), .rate_iops = UINT32_MAX, .block_bytes = WORKLOAD_BLOCK_MAX},
    {.rw = WORKLOAD_RANDWRITE, .rate_iops = UINT32_MAX, .zipf = 5},
    {.rw = WORKLOAD_RANDWRITE, .zipf = 1e-9, .sync_every = UINT32_MAX, .datasync = true},
    {.rw = WORKLOAD_RW, .read_percent = 10, .jobs = 64, .depth = 1024},
    {.rw = WORKLOAD_RANDREAD,
     .read_percent = 100,
     .block_bytes = 64 * K,
     .rate_iops = 333,
     SPLIT({4 * K, 33}, {64 * K, 67})},
    {MIX(51), .block_bytes = 16 * K, .rate_iops = 1,
     SPLIT({512, 97}, {1 * K, 1}, {16 * K, 1}, {3 * K, 1})},
    {.rw = WORKLOAD_WRITE, .block_bytes = 8 * K, SPLIT({4 * K, 100}, {8 * K, 0})},
};

/* Works of every direction with what goes with it, then the odd ones. */
#define BROAD (WORKLOAD_RW_MAX * 32)
#define ALL (BROAD + ARRAY_SIZE(odd))

static struct workload work_number(size_t i)
{
    if (i >= BROAD)
        return with_defaults(odd[i - BROAD]);
    static const unsigned read_percents[WORKLOAD_RW_MAX] = {100, 0, 100, 0, 70, 25};
    struct workload w = {.rw = i / 32, .read_percent = read_percents[i / 32]};
    w.depth = i & 1 ? 16 : 1;
    w.jobs = i & 2 ? 4 : 1;
    w.zipf = i & 4 && workload_is_random(&w) ? 1.2 : 0;
    w.rate_iops = i & 4 ? 1000 : 0;
    w.sync_every = i & 8 && workload_writes(&w) ? 32 : 0;
    w.datasync = w.sync_every && i & 1;
    w.zeros = i & 2;
    if (i & 16) {
        w.size_count = 2;
        w.sizes[0] = (struct block_share){4 * K, 60};
        w.sizes[1] = (struct block_share){w.block_bytes = 64 * K, 40};
    }
    snprintf(w.name, sizeof(w.name), "work-%zu", i);
    return with_defaults(w);
}

static void test_printed(void **state)
{
    (void)state;
    for (size_t i = 0; i < ALL; i++) {
        struct workload w = work_number(i);
        assert_int_equal(workload_check(&w, NULL), 0);
        cleanup_free char *text = print_one(&w, i << 20);
        cleanup_fio struct fio_file *file = parse(text);
        assert_int_equal(file->count, 1);
        check_work(text, &file->jobs[0].workload, &w);
        assert_string_equal(file->jobs[0].workload.name, *w.name ? w.name : "job");
        assert_int_equal(file->jobs[0].size_bytes, i << 20);
    }
}

/* Works at the same time and one after another stay so, with the sizes of each. */
static void test_printed_groups(void **state)
{
    (void)state;
    cleanup_suite struct suite *suite = suite_new("");
    for (unsigned i = 0; i < 6; i++) {
        const struct work work = {.workload = work_number(i * 7), .span_bytes = (i + 1) << 20};
        suite_add(suite, &work, /* beside = */ i == 2 || i == 3);
    }
    cleanup_free char *text = fio_print(suite);
    cleanup_fio struct fio_file *file = parse(text);
    assert_int_equal(file->count, suite->count);
    assert_false(notes_files(text));
    for (unsigned i = 0; i < suite->count; i++) {
        assert_int_equal(file->jobs[i].group, suite->works[i].group);
        assert_int_equal(file->jobs[i].size_bytes, suite->works[i].span_bytes);
        check_work(text, &file->jobs[i].workload, &suite->works[i].workload);
    }
}

static const struct {
    const char *name, *printed;
} names[] = {
    {"", "job"},
    {"global", "job-global"},
    {"a]b;c#d\ne", "a_b_c_d_e"},
    {"${HOME}", "_{HOME}"},
    {"$a=[{", "$a=[{"},
    {"\xc3\xbc", "\xc3\xbc"},
};

static void test_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct workload w = with_defaults((struct workload){.rw = WORKLOAD_WRITE});
        strcpy(w.name, names[i].name);
        cleanup_free char *text = print_one(&w, 0);
        cleanup_fio struct fio_file *file = parse(text);
        assert_string_equal(file->jobs[0].name, names[i].printed);
    }
}

/* A theta of 1, which fio does not take, becomes one next to it. */
static void test_theta_one(void **state)
{
    (void)state;
    struct workload w = with_defaults((struct workload){MIX(50), .zipf = 1});
    cleanup_free char *text = print_one(&w, 0);
    cleanup_fio struct fio_file *file = parse(text);
    assert_true(file->jobs[0].workload.zipf > 0.9999 && file->jobs[0].workload.zipf < 1);
}

/* --- With fio itself -------------------------------------------------------------------------- */

/* The exit status of fio with these arguments, the first of which is its name; -1 where there is no
 * fio. */
static int run_fio(const char *const *arguments)
{
    posix_spawn_file_actions_t actions;
    pid_t pid;
    int status;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
    int result =
        posix_spawnp(&pid, arguments[0], &actions, NULL, (char *const *)arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (result != 0 || waitpid(pid, &status, 0) != pid)
        return -1;
    return WIFEXITED(status) && WEXITSTATUS(status) != 127 ? WEXITSTATUS(status) : -1;
}

static int fio_takes(const char *path)
{
    const char *arguments[] = {"fio", "--parse-only", path, NULL};
    return run_fio(arguments);
}

static char *write_scratch(const char *text)
{
    char *path = xstrdup("test-fio-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(file_write_all(fd, text, strlen(text)), 0);
    close(fd);
    return path;
}

/* All at once, as fio takes long to start: it fails if one of them does. */
static void test_real_printed(void **state)
{
    (void)state;
    const char *arguments[ALL + 3] = {"fio", "--parse-only"};
    for (size_t i = 0; i < ALL; i++) {
        struct workload w = work_number(i);
        cleanup_free char *text = print_one(&w, i << 20);
        arguments[i + 2] = write_scratch(text);
    }
    int status = run_fio(arguments);
    for (size_t i = 2; status != 0 && i < ALL + 2; i++)
        if (fio_takes(arguments[i]) != 0)
            print_error("fio does not take number %zu\n", i - 2);
    for (size_t i = 2; i < ALL + 2; i++) {
        unlink(arguments[i]);
        free((char *)arguments[i]);
    }
    assert_int_equal(status, 0);
}

static int fio_takes_text(const char *text)
{
    cleanup_free char *path = write_scratch(text);
    int status = fio_takes(path);
    unlink(path);
    return status;
}

static void test_real_kept(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
        cleanup_free char *path = kept_path(kept[i].file);
        assert_int_equal(fio_takes(path), 0);
    }
    assert_int_equal(fio_takes_text(sections), 0);
    struct workload w = with_defaults((struct workload){MIX(50), .zipf = 1});
    cleanup_free char *text = print_one(&w, 0);
    assert_int_equal(fio_takes_text(text), 0);
    /* It does refuse something. */
    assert_int_not_equal(fio_takes_text("[a]\nrw=nonsense\n"), 0);
}

static int run_real(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_real_printed),
                                       cmocka_unit_test(test_real_kept)};
    const char *version[] = {"fio", "--version", NULL};
    if (run_fio(version) != 0) {
        printf("1..0 # SKIP there is no program fio\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sections),       cmocka_unit_test(test_first_and_long),
        cmocka_unit_test(test_notes_once),     cmocka_unit_test(test_files),
        cmocka_unit_test(test_limits),         cmocka_unit_test(test_kept),
        cmocka_unit_test(test_read_errors),    cmocka_unit_test(test_printed),
        cmocka_unit_test(test_names),          cmocka_unit_test(test_theta_one),
        cmocka_unit_test(test_printed_groups),
    };
    if (argc > 1 && strcmp(argv[1], "--real") == 0)
        return run_real();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
