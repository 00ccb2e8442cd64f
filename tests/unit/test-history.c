/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-history.c - what is written is read back, whatever is in it; a file that is damaged, not
 * ours, newer or not to be written is an error and stays as it is; writers wait for each other; and
 * one that is killed leaves whole races.
 */
#undef NDEBUG
#include <assert.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "measure/named.h"
#include "scratch.h"
#include "base/json.h"
#include "tune/history.h"

#define CANDIDATES 12
#define FILE_NAME "history.sqlite3"

/* --- Races ------------------------------------------------------------------------------------ */

/* A race with this time, number of candidates and text in every place that has any. */
static struct history_race *race_new(int64_t time, size_t count, const char *text)
{
    struct history_race *r = xcalloc(1, sizeof(*r));
    char **const strings[] = {&r->version, &r->host, &r->storage,    &r->accelerator,
                              &r->works,   &r->goal, &r->directory,  &r->work,
                              &r->kernel,  &r->qemu, &r->recommended};
    for (size_t i = 0; i < ARRAY_SIZE(strings); i++)
        *strings[i] = xasprintf("%s%zu", text, i);
    r->time = time;
    r->vcpus = 2;
    r->rounds = 12345678901;
    r->seconds = 117.25;
    r->settled = true;
    r->candidates = xcalloc(count, sizeof(*r->candidates));
    for (; r->count < count; r->count++)
        r->candidates[r->count] = (struct history_candidate){
            .id = xasprintf("%s#%zu", text, r->count),
            .config = xasprintf("{\"%s\":%zu}", text, r->count),
            .verdict = xstrdup(r->count ? "slower" : "best"),
            .rounds = r->count * 40,
            .share = {0.5, 0.25, INFINITY},
            .cpu_us_per_io = NAN,
        };
    return r;
}

static void free_record(struct history_race **r)
{
    history_race_free(*r);
}
#define cleanup_record at_scope_end(free_record)

static void check_candidate(const struct history_candidate *a, const struct history_candidate *b)
{
    assert_string_equal(a->id, b->id);
    assert_string_equal(a->config, b->config);
    assert_string_equal(a->verdict, b->verdict);
    assert_int_equal(a->rounds, b->rounds);
    assert_true(a->share.value == b->share.value && a->share.low == b->share.low &&
                a->share.high == b->share.high && isnan(a->cpu_us_per_io));
}

static void check_race(const struct history_race *a, const struct history_race *b)
{
    assert_int_equal(a->time, b->time);
    assert_string_equal(a->version, b->version);
    assert_string_equal(a->host, b->host);
    assert_string_equal(a->storage, b->storage);
    assert_string_equal(a->accelerator, b->accelerator);
    assert_string_equal(a->works, b->works);
    assert_string_equal(a->goal, b->goal);
    assert_string_equal(a->directory, b->directory);
    assert_string_equal(a->work, b->work);
    assert_string_equal(a->kernel, b->kernel);
    assert_string_equal(a->qemu, b->qemu);
    assert_string_equal(a->recommended, b->recommended);
    assert_null(a->best);
    assert_int_equal(a->vcpus, b->vcpus);
    assert_int_equal(a->rounds, b->rounds);
    assert_true(a->seconds == b->seconds && a->settled == b->settled);
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++)
        check_candidate(&a->candidates[i], &b->candidates[i]);
}

/* 0, or -1 with the error. */
static int add(const char *directory, const struct history_race *race, struct error **err)
{
    cleanup_history struct history *h = history_open(directory, /* make = */ true, err);
    return h ? history_add(h, race, err) : -1;
}

static void add_one(const char *directory, int64_t time, const char *text)
{
    cleanup_record struct history_race *race = race_new(time, 2, text);
    assert_int_equal(add(directory, race, NULL), 0);
}

/* What is in it; NULL with an error. */
static GPtrArray *list(const char *directory, const struct history_query *query, struct error **err)
{
    cleanup_history struct history *h = history_open(directory, /* make = */ false, err);
    return h ? history_list(h, query, err) : NULL;
}

/* "3 2 1", the times of those that the query gives, by their order. */
static void check_times(const char *directory, const struct history_query *query,
                        const char *wanted)
{
    g_autoptr(GPtrArray) races = list(directory, query, NULL);
    g_autoptr(GString) times = g_string_new(NULL);
    assert_non_null(races);
    for (guint i = 0; i < races->len; i++) {
        const struct history_race *r = races->pdata[i];
        g_string_append_printf(times, "%s%d", i ? " " : "", (int)r->time);
    }
    assert_string_equal(times->str, wanted);
}

/* --- Tests ------------------------------------------------------------------------------------ */

static void test_read_back(void **state)
{
    (void)state;
    static char longest[100000];
    memset(longest, '\'', sizeof(longest) - 1);
    const char *const texts[] = {"plain",
                                 "",
                                 "'); DROP TABLE race; --",
                                 "\"quoted\" `x` [y] ?1 :a",
                                 "line\nbreak\r\ttab \x07",
                                 "größe 磁碟",
                                 "\xff\xfe\xc3",
                                 "%s%n",
                                 longest};
    cleanup_free char *directory = scratch_path("back/and/forth");
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        cleanup_record struct history_race *race = race_new((int64_t)i, i, texts[i]);
        assert_int_equal(add(directory, race, NULL), 0);
    }
    g_autoptr(GPtrArray) races = list(directory, &(struct history_query){0}, NULL);
    assert_non_null(races);
    assert_int_equal(races->len, ARRAY_SIZE(texts));
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        cleanup_record struct history_race *wanted = race_new((int64_t)i, i, texts[i]);
        check_race(races->pdata[races->len - 1 - i], wanted);
    }
}

static void test_queries(void **state)
{
    (void)state;
    cleanup_free char *directory = scratch_path("queries");
    add_one(directory, 5, "a");
    add_one(directory, 9, "a");
    add_one(directory, 7, "b'");
    add_one(directory, 9, "b'");
    cleanup_record struct history_race *a = race_new(0, 0, "a"), *b = race_new(0, 0, "b'");
    check_times(directory, &(struct history_query){0}, "9 9 7 5");
    check_times(directory, &(struct history_query){.limit = 3}, "9 9 7");
    check_times(directory, &(struct history_query){.directory = "b'6"}, "9 7");
    check_times(directory, &(struct history_query){.directory = "b"}, "");
    check_times(directory, &(struct history_query){.like = a}, "9 5");
    check_times(directory, &(struct history_query){.like = b, .limit = 1}, "9");
    /* Each of them has to be the same. */
    char **const parts[] = {&a->host, &a->storage, &a->accelerator, &a->works, &a->goal};
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        char *kept = *parts[i];
        *parts[i] = xstrdup("other");
        check_times(directory, &(struct history_query){.like = a}, "");
        free(*parts[i]);
        *parts[i] = kept;
    }
}

/* Reading makes nothing. A file that a killed run has made and not filled is as good as none. */
static void test_none_yet(void **state)
{
    (void)state;
    cleanup_free char *directory = scratch_path("none"), *path = scratch_path("none/" FILE_NAME);
    check_times(directory, &(struct history_query){0}, "");
    assert_int_equal(access(directory, F_OK), -1);
    assert_int_equal(file_make_directories(directory, NULL), 0);
    check_times(directory, &(struct history_query){0}, "");
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(file_write_atomic(path, "", NULL), 0);
    check_times(directory, &(struct history_query){0}, "");
    add_one(directory, 1, "a");
    check_times(directory, &(struct history_query){0}, "1");
}

/* Neither reads nor writes, says why, and leaves the file as it is. */
static void check_refused(const char *directory, const char *why)
{
    cleanup_free char *path = xasprintf("%s/" FILE_NAME, directory);
    cleanup_record struct history_race *race = race_new(1, 2, "a");
    cleanup_error struct error *reading = NULL, *writing = NULL;
    size_t before_length, after_length;
    cleanup_free char *before = file_read(path, &before_length, NULL);
    g_autoptr(GPtrArray) races = list(directory, &(struct history_query){0}, &reading);
    assert_null(races);
    assert_int_equal(add(directory, race, &writing), -1);
    if (!strstr(reading->message, why) || !strstr(writing->message, why) ||
        !strstr(reading->message, path))
        fail_msg("'%s' and '%s' instead of '%s'", reading->message, writing->message, why);
    cleanup_free char *after = file_read(path, &after_length, NULL);
    assert_int_equal(before_length, after_length);
    assert_memory_equal(before, after, after_length);
}

static void run_sql(const char *path, const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void test_not_ours(void **state)
{
    (void)state;
    cleanup_free char *newer = scratch_path("newer"), *other = scratch_path("other"),
                      *newer_file = scratch_path("newer/" FILE_NAME),
                      *other_file = scratch_path("other/" FILE_NAME);
    add_one(newer, 1, "a");
    run_sql(newer_file, "PRAGMA user_version = 2");
    check_refused(newer, "newer virt-disktune");
    run_sql(newer_file, "PRAGMA user_version = -1");
    check_refused(newer, "not a history");
    assert_int_equal(file_make_directories(other, NULL), 0);
    run_sql(other_file, "CREATE TABLE bookmarks (url TEXT)");
    check_refused(other, "not a history");
}

static void test_damaged(void **state)
{
    (void)state;
    cleanup_free char *junk = scratch_path("junk"), *cut = scratch_path("cut"),
                      *junk_file = scratch_path("junk/" FILE_NAME),
                      *cut_file = scratch_path("cut/" FILE_NAME);
    assert_int_equal(file_make_directories(junk, NULL), 0);
    static char text[20000];
    memset(text, 'x', sizeof(text) - 1);
    assert_int_equal(file_write_atomic(junk_file, text, NULL), 0);
    check_refused(junk, "not a database");
    /* The pages of the tables are gone, what says that they are there is not. */
    add_one(cut, 1, "a");
    assert_int_equal(truncate(cut_file, 4096), 0);
    check_refused(cut, "malformed");
}

/* Runs it in a process of its own, and returns what that exits with. */
static int in_child(int (*run)(const char *), const char *directory)
{
    int status;
    pid_t pid = fork();
    if (pid == 0)
        _exit(run(directory));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* 0 where it can be read, and to write is an error that is said. Permissions do not keep root from
 * anything. */
static int write_without_right(const char *directory)
{
    cleanup_record struct history_race *race = race_new(1, 2, "a");
    cleanup_error struct error *err = NULL;
    if (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
        return 77;
    g_autoptr(GPtrArray) races = list(directory, &(struct history_query){0}, NULL);
    return races && races->len == 1 && add(directory, race, &err) < 0 &&
                   strstr(err->message, "readonly database")
               ? 0
               : 1;
}

/* In a directory that another user can reach, as the scratch directory need not be. */
static void test_read_only(void **state)
{
    (void)state;
    char parent[] = "/var/tmp/history-XXXXXX";
    assert_non_null(mkdtemp(parent));
    cleanup_free char *path = xasprintf("%s/" FILE_NAME, parent);
    add_one(parent, 1, "a");
    assert_int_equal(chmod(path, 0444), 0);
    assert_int_equal(chmod(parent, 0555), 0);
    int status = in_child(write_without_right, parent);
    assert_int_equal(chmod(parent, 0755), 0);
    file_remove_tree(parent, NULL);
    assert_int_equal(status, 0);
    /* Where no directory can be, not even for root. */
    cleanup_error struct error *err = NULL;
    assert_null(history_open("/proc/self/nowhere", true, &err));
    assert_non_null(strstr(err->message, "/proc/self/nowhere"));
}

/* 0 where a write that finds no room for more than what is there is an error. */
static int write_into_full(const char *directory)
{
    cleanup_record struct history_race *race = race_new(2, 5000, "a race that takes space");
    cleanup_error struct error *err = NULL;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){100000, 100000});
    return add(directory, race, &err) < 0 ? 0 : 1;
}

static void test_full(void **state)
{
    (void)state;
    cleanup_free char *directory = scratch_path("full");
    add_one(directory, 1, "a");
    assert_int_equal(in_child(write_into_full, directory), 0);
    check_times(directory, &(struct history_query){0}, "1");
    add_one(directory, 3, "a");
    check_times(directory, &(struct history_query){0}, "3 1");
}

static int write_ten(const char *directory)
{
    cleanup_record struct history_race *race = race_new(1, CANDIDATES, "a");
    cleanup_error struct error *err = NULL;
    for (int i = 0; i < 10; i++)
        if (add(directory, race, &err) < 0) {
            print_message("# %s\n", err->message);
            return 1;
        }
    return 0;
}

/* Reads all; fails unless each race is whole. */
static guint count_whole(const char *directory)
{
    cleanup_error struct error *err = NULL;
    g_autoptr(GPtrArray) races = list(directory, &(struct history_query){0}, &err);
    if (!races)
        fail_msg("%s", err->message);
    for (guint i = 0; i < races->len; i++) {
        const struct history_race *r = races->pdata[i];
        assert_int_equal(r->count, CANDIDATES);
    }
    return races->len;
}

/* They make the file at the same time, too. */
static void test_at_the_same_time(void **state)
{
    (void)state;
    cleanup_free char *directory = scratch_path("same");
    pid_t pids[4];
    for (size_t i = 0; i < ARRAY_SIZE(pids); i++)
        if ((pids[i] = fork()) == 0)
            _exit(write_ten(directory));
    for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
        int status;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(count_whole(directory), 40);
}

/* Writes until it is killed, or by itself should nobody be left to do that. */
_Noreturn static void write_on(const char *directory)
{
    alarm(60);
    while (write_ten(directory) == 0)
        ;
    _exit(1);
}

static void wait_for(const char *path)
{
    for (int i = 0; i < 200000 && access(path, F_OK) < 0; i++)
        usleep(50);
}

static void test_killed(void **state)
{
    (void)state;
    cleanup_free char *directory = scratch_path("killed"),
                      *journal = scratch_path("killed/" FILE_NAME "-journal");
    guint races = 0, hot = 0;
    useconds_t i = 0;
    /* On a slow disk the first ones are killed before they have written any. */
    for (; i < 20 || (i < 300 && (!races || !hot)); i++) {
        pid_t pid = fork();
        if (pid == 0)
            write_on(directory);
        wait_for(journal);
        usleep(i * 500);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        hot += access(journal, F_OK) == 0;
        guint now = count_whole(directory);
        assert_true(now >= races);
        races = now;
    }
    print_message("# %u races by %u writers, %u of which were killed in the middle of one\n", races,
                  (unsigned)i, hot);
    assert_true(races > 0 && hot > 0);
}

static void set_verdict(struct history_race *race, size_t candidate, const char *verdict)
{
    free(race->candidates[candidate].verdict);
    race->candidates[candidate].verdict = xstrdup(verdict);
}

static const struct disk_config a_disk = {
    .bus = "virtio", .format = "raw", .preallocation = "off", .cache = "none", .io = "native"};

static void set_config(struct history_race *race, size_t candidate, const struct disk_config *c)
{
    cleanup_json json_t *json = disk_config_to_json(c);
    free(race->candidates[candidate].config);
    race->candidates[candidate].config = json_dumps(json, JSON_SORT_KEYS | JSON_COMPACT);
}

/* Winners are known again by their configuration, not by what they were called. */
static void test_winners(void **state)
{
    (void)state;
    static char ids[4][8] = {"current", "b", "c", "new"}, why[] = "left out";
    struct candidate candidates[4];
    g_autoptr(GPtrArray) all = g_ptr_array_new();
    for (size_t i = 0; i < 4; i++) {
        candidates[i] = (struct candidate){.id = ids[i], .config = a_disk};
        candidates[i].config.queues = (unsigned)i;
        g_ptr_array_add(all, &candidates[i]);
    }
    cleanup_record struct history_race *race = race_new(1, 3, "a");
    for (size_t i = 0; i < 3; i++)
        set_config(race, i, &candidates[i].config);
    cleanup_free bool *best = history_winners(race, all);
    assert_true(best && best[0] && !best[1] && !best[2] && !best[3]);
    set_verdict(race, 0, "failed");
    assert_null(history_winners(race, all));
    set_verdict(race, 0, "equal");
    set_verdict(race, 1, "equal");
    cleanup_free bool *equals = history_winners(race, all);
    assert_true(equals && equals[0] && equals[1] && !equals[2] && !equals[3]);
    /* Where nobody has lost all may be as good: it was ended early, or had one alone. */
    set_verdict(race, 2, "equal");
    assert_null(history_winners(race, all));
    set_verdict(race, 2, "slower");
    /* Where all that are raced have won nobody is ahead of anybody. */
    candidates[2].left_out = candidates[3].left_out = why;
    assert_null(history_winners(race, all));
    candidates[0].left_out = candidates[1].left_out = why;
    candidates[2].left_out = candidates[3].left_out = NULL;
    assert_null(history_winners(race, all));
}

/* The text is the same for the same works, and for these alone. */
static void test_works(void **state)
{
    (void)state;
    cleanup_suite struct suite *s = suite_new("x");
    suite_add(s, &(struct work){.workload = *named_workload("dd", NULL), .weight = 1}, false);
    cleanup_free char *one = history_works(s, false), *again = history_works(s, false),
                      *fresh = history_works(s, true);
    assert_string_equal(one, again);
    assert_string_not_equal(one, fresh);
    s->works[0].weight = 2;
    cleanup_free char *heavier = history_works(s, false);
    assert_string_not_equal(one, heavier);
    s->works[0].weight = 1;
    s->works[0].workload.depth++;
    cleanup_free char *deeper = history_works(s, false);
    assert_string_not_equal(one, deeper);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read_back), cmocka_unit_test(test_queries),
        cmocka_unit_test(test_none_yet),  cmocka_unit_test(test_not_ours),
        cmocka_unit_test(test_damaged),   cmocka_unit_test(test_read_only),
        cmocka_unit_test(test_full),      cmocka_unit_test(test_at_the_same_time),
        cmocka_unit_test(test_killed),    cmocka_unit_test(test_winners),
        cmocka_unit_test(test_works),
    };
    return cmocka_run_group_tests(tests, scratch_set_up, scratch_tear_down);
}
