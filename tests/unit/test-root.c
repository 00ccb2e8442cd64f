/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-root.c - paths are looked up below a directory and never lead out of it; what is read there
 * is bounded, and nothing keeps the reader waiting.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "host/root.h"
#include "tree.h"

#define LIMIT (16 << 20)

static struct root *root_below(const char *directory)
{
    struct error *err = NULL;
    struct root *r = root_open(directory, &err);
    if (!r)
        fail_msg("%s", err->message);
    return r;
}

/* A text or NULL, which cmocka does not compare. */
static void assert_text(const char *text, const char *wanted)
{
    assert_string_equal(text ? text : "(none)", wanted ? wanted : "(none)");
}

static void test_links_stay_below(void **state)
{
    (void)state;
    cleanup_free char *outside = scratch_path("outside");
    cleanup_free char *to_outside = xasprintf("-> %s", outside);
    const struct entry entries[] = {
        {"outside", "secret"},
        {"host/etc/name", "web\n"},
        {"host/etc/passwd", "theirs"},
        {"host/a/relative", "-> ../etc/name"},
        {"host/a/absolute", "-> /etc/name"},
        {"host/a/above", "-> ../../../../../../../../../../etc/passwd"},
        {"host/a/directory", "-> /etc"},
        {"host/a/out", to_outside},
        {"host/a/dots", "-> ../../outside"},
        {"host/a/round", "-> round"},
        {"host/a/magic", "-> /proc/self/root/etc/passwd"},
        {NULL, NULL},
    };
    static const struct {
        const char *path, *text;
    } rows[] = {
        {"/etc/name", "web\n"},
        {"/a/relative", "web\n"},
        {"/a/absolute", "web\n"},
        {"/a/directory/name", "web\n"},
        {"/a/above", "theirs"}, /* not the one of this machine */
        {"/../../../../../../../../etc/passwd", "theirs"},
        {"/a/out", NULL},
        {"/a/dots", NULL},
        {"/a/round", NULL},
        {"/a/magic", NULL},
        {"/outside", NULL},
        {"/../outside", NULL},
        {"/etc", NULL},
        {"/proc/self/status", NULL},
    };
    make_entries(scratch, entries);
    cleanup_free char *directory = scratch_path("host");
    cleanup_root struct root *r = root_below(directory);
    assert_false(root_is_machine(r));
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        cleanup_free char *text = root_read(r, rows[i].path);
        assert_text(text, rows[i].text);
    }
    /* Only looking below the directory keeps the link from leading there. */
    cleanup_free char *link = scratch_path("host/a/out");
    cleanup_free char *secret = file_read(link, NULL, NULL);
    assert_text(secret, "secret");
}

static void test_this_machine(void **state)
{
    (void)state;
    static const char *const names[] = {NULL, "/"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        cleanup_root struct root *r = root_below(names[i]);
        assert_true(root_is_machine(r));
        cleanup_free char *status = root_read(r, "/proc/self/status");
        assert_non_null(strstr(status, "Name:"));
        cleanup_free char *path = scratch_path("word");
        assert_int_equal(file_write_atomic(path, "one two \n\n", NULL), 0);
        cleanup_free char *word = root_read_word(r, path);
        assert_text(word, "one two");
    }
}

static void test_no_directory(void **state)
{
    (void)state;
    cleanup_free char *file = scratch_path("file"), *nothing = scratch_path("nothing");
    assert_int_equal(file_write_atomic(file, "", NULL), 0);
    const char *const paths[] = {file, nothing};
    static const char *const words[] = {"Not a directory", "No such file"};
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        cleanup_error struct error *err = NULL;
        assert_null(root_open(paths[i], &err));
        assert_non_null(strstr(err->message, words[i]));
    }
}

static void test_words_and_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text, *word, *chosen;
        int64_t number;
    } rows[] = {
        {"0\n", "0", "0", 0},
        {"1234 kB\n", "1234 kB", NULL, 1234},
        {"-1\n", "-1", "-1", -1},
        {"9223372036854775807", "9223372036854775807", "9223372036854775807", INT64_MAX},
        {"9223372036854775808", "9223372036854775808", "9223372036854775808", -1},
        {"none [mq-deadline] bfq\n", "none [mq-deadline] bfq", "mq-deadline", -1},
        {"[none]\n", "[none]", "none", -1},
        {"none\n", "none", "none", -1},
        {"[none", "[none", NULL, -1},
        {"none]", "none]", NULL, -1},
        {"\n", "", NULL, -1},
        {"", "", NULL, -1},
        {"Samsung SSD 980 PRO        \n", "Samsung SSD 980 PRO", NULL, -1},
    };
    cleanup_root struct root *r = root_below(scratch);
    cleanup_free char *path = scratch_path("value");
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_int_equal(file_write_atomic(path, rows[i].text, NULL), 0);
        cleanup_free char *word = root_read_word(r, "/value");
        cleanup_free char *chosen = root_read_chosen(r, "/value");
        assert_text(word, rows[i].word);
        assert_text(chosen, rows[i].chosen);
        assert_true(root_read_number(r, "/%s", "value") == rows[i].number);
    }
    assert_null(root_read_word(r, "/no/value"));
    assert_null(root_read_chosen(r, "/no/value"));
    assert_true(root_read_number(r, "/no/%d", 1) == -1);
}

static void test_nothing_makes_it_wait(void **state)
{
    (void)state;
    cleanup_free char *fifo = scratch_path("fifo"), *large = scratch_path("large");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    cleanup_root struct root *r = root_below(scratch);
    assert_null(root_read(r, "/fifo"));
    g_autoptr(GPtrArray) none = root_list(r, "/fifo");
    assert_int_equal(none->len, 0);
    /* With somebody who could write, but does not. */
    cleanup_close int writer = open(fifo, O_RDWR | O_CLOEXEC);
    assert_null(root_read(r, "/fifo"));

    cleanup_close int fd = open(large, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(ftruncate(fd, LIMIT), 0);
    cleanup_free char *most = root_read(r, "/large");
    assert_non_null(most);
    assert_int_equal(ftruncate(fd, LIMIT + 1), 0);
    assert_null(root_read(r, "/large"));
}

static void test_links_and_lists(void **state)
{
    (void)state;
    static const struct entry entries[] = {
        {"sys/block/vda", "-> ../devices/vda"},
        {"sys/devices/vda/size", "1"},
        {"sys/devices/vda/.hidden", ""},
        {"sys/devices/vda/mq/", NULL},
        {NULL, NULL},
    };
    static const char *const names[] = {".hidden", "mq", "size"};
    make_entries(scratch, entries);
    cleanup_root struct root *r = root_below(scratch);
    cleanup_free char *target = root_readlink(r, "/sys/block/vda");
    assert_text(target, "../devices/vda");
    assert_null(root_readlink(r, "/sys/devices/vda"));
    assert_null(root_readlink(r, "/sys/devices/vda/size"));
    assert_null(root_readlink(r, "/sys/devices/vdb"));

    g_autoptr(GPtrArray) list = root_list(r, "/sys/block/vda");
    assert_int_equal(list->len, ARRAY_SIZE(names));
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        assert_string_equal(list->pdata[i], names[i]);
    g_autoptr(GPtrArray) none = root_list(r, "/sys/nothing");
    assert_int_equal(none->len, 0);
}

static void test_opening(void **state)
{
    (void)state;
    cleanup_root struct root *r = root_below(scratch);
    assert_int_equal(root_openat(r, "/not/there", O_RDONLY), -1);
    assert_int_equal(errno, ENOENT);
    cleanup_close int fd = root_openat(r, "/", O_RDONLY | O_DIRECTORY);
    assert_true(fd >= 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_links_stay_below),
        cmocka_unit_test(test_this_machine),
        cmocka_unit_test(test_no_directory),
        cmocka_unit_test(test_words_and_numbers),
        cmocka_unit_test(test_nothing_makes_it_wait),
        cmocka_unit_test(test_links_and_lists),
        cmocka_unit_test(test_opening),
    };
    return cmocka_run_group_tests_name("root", tests, scratch_set_up, scratch_tear_down);
}
