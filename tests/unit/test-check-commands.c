/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-check-commands.c - the commands that check proposes are run, on images that qemu-img made,
 * and what was found is gone.
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
#include <unistd.h>

#include <cmocka.h>
#include <glib.h>

#include "check/ask.h"
#include "check/subject.h"
#include "host/process.h"
#include "scratch.h"

/* A name that has to be quoted. */
#define NAME "it's a disk.img"

static struct check_host *host;

static void run(const char *const *argv)
{
    struct error *err = NULL;
    if (process_run(argv, NULL, &err) < 0)
        fail_msg("%s", err->message);
}

/* Runs qemu-img with these words. */
#define qemu_img(...)                                                                              \
    do {                                                                                           \
        const char *const argv[] = {"qemu-img", __VA_ARGS__, NULL};                                \
        run(argv);                                                                                 \
    } while (0)

/* Runs lines as a shell would, as far as they have words alone, and each has to do. */
static void run_lines(const char *text)
{
    static const char and[] = " &&";
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        if (g_str_has_suffix(*line, and))
            (*line)[strlen(*line) - strlen(and)] = '\0';
        g_auto(GStrv) argv = NULL;
        assert_true(g_shell_parse_argv(*line, NULL, &argv, NULL));
        run((const char *const *)argv);
    }
}

/* --- Findings --------------------------------------------------------------------------------- */

/* What the rule finds of the image as it is now, for the caller to free; NULL. */
static struct finding *find(const char *path, const char *format, const char *id)
{
    cleanup_check_domain struct check_domain *d = check_domain_of_image(host, path, format, NULL);
    GPtrArray *findings[2];
    struct finding *found = NULL;
    const struct look at = {.facts = host->facts, .domain = d};
    assert_int_equal(d->disk_count, 1);
    ask_domain(&at, NULL, findings);
    for (guint i = 0; i < findings[1]->len && !found; i++)
        if (strcmp(((struct finding *)findings[1]->pdata[i])->rule->id, id) == 0)
            found = g_ptr_array_steal_index(findings[1], i);
    g_ptr_array_unref(findings[0]);
    g_ptr_array_unref(findings[1]);
    return found;
}

/* The commands of what is found, which has to be; the caller frees. */
static char *commands_for(const char *path, const char *format, const char *id)
{
    struct finding *f = find(path, format, id);
    if (!f)
        fail_msg("%s is not found", id);
    assert_non_null(f->fix);
    char *fix = xstrdup(f->fix);
    finding_free(f);
    return fix;
}

static void assert_gone(const char *path, const char *format, const char *id)
{
    struct finding *f = find(path, format, id);
    if (f)
        fail_msg("%s, after its remedy: %s", id, f->summary);
}

/* --- Images ----------------------------------------------------------------------------------- */

/* Makes a qcow2 with these options, with something written to it; the caller frees its path. */
static char *make_image(const char *options)
{
    char *path = scratch_path(NAME);
    cleanup_free char *data = scratch_path("data"), *old = scratch_path(NAME ".old");
    unlink(path);
    unlink(old);
    cleanup_free char *bytes = xcalloc(1 << 20, 1);
    memset(bytes, 'x', (1 << 20) - 1);
    assert_int_equal(file_write_atomic(data, bytes, NULL), 0);
    qemu_img("convert", "-q", "-f", "raw", "-O", "qcow2", "-o", options, data, path);
    return path;
}

/* An overlay of such an image, with these options. */
static char *make_overlay(const char *options)
{
    cleanup_free char *base = make_image("compat=1.1"), *moved = scratch_path("base.qcow2");
    assert_int_equal(rename(base, moved), 0);
    char *path = scratch_path(NAME);
    qemu_img("create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", "base.qcow2", "-o", options, path);
    return path;
}

static struct image read_header(const char *path)
{
    struct image image;
    assert_int_equal(image_read(path, "qcow2", &image, NULL), 0);
    return image;
}

/* Sets a bit in a byte of the header. */
static void set_bit(const char *path, off_t at, uint8_t bit)
{
    uint8_t byte;
    cleanup_close int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte |= bit;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
}

/* --- Tests ------------------------------------------------------------------------------------ */

static void test_amended(void **state)
{
    (void)state;
    static const struct {
        const char *id, *options;
    } rows[] = {
        {"lazy-refcounts", "lazy_refcounts=on"},
        {"image-old-version", "compat=0.10"},
        {"cluster-small", "cluster_size=4k"},
        {"cluster-small", "cluster_size=16k,extended_l2=on"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        cleanup_free char *path = make_image(rows[i].options);
        cleanup_free char *commands = commands_for(path, "qcow2", rows[i].id);
        run_lines(commands);
        assert_gone(path, "qcow2", rows[i].id);
    }
}

static void test_an_overlay_stays_one(void **state)
{
    (void)state;
    cleanup_free char *path = make_overlay("cluster_size=2M");
    qemu_img("bitmap", "--add", path, "backup");
    cleanup_free char *commands = commands_for(path, "qcow2", "cluster-large");
    run_lines(commands);
    assert_gone(path, "qcow2", "cluster-large");
    cleanup_image struct image image = read_header(path);
    assert_string_equal(image.backing, "base.qcow2");
    assert_int_equal(image.cluster_bytes, 128 << 10);
    assert_true(image.extended_l2);
    assert_int_equal(image.bitmaps, 1);
}

/* Who may not read the guest's disk must not be able to read the copy. */
static void test_a_copy_stays_closed(void **state)
{
    (void)state;
    struct stat before, after;
    cleanup_free char *path = make_image("cluster_size=4k");
    assert_int_equal(chmod(path, 0600), 0);
    if (geteuid() == 0)
        assert_int_equal(chown(path, 65534, 65533), 0);
    assert_int_equal(stat(path, &before), 0);
    cleanup_free char *commands = commands_for(path, "qcow2", "cluster-small");
    run_lines(commands);
    assert_gone(path, "qcow2", "cluster-small");
    assert_int_equal(stat(path, &after), 0);
    assert_true(after.st_ino != before.st_ino);
    assert_int_equal(after.st_mode, before.st_mode);
    assert_int_equal(after.st_uid, before.st_uid);
    assert_int_equal(after.st_gid, before.st_gid);
}

/* The copy takes the place of the file, and not of what leads to it. */
static void test_behind_a_link(void **state)
{
    (void)state;
    cleanup_free char *path = make_image("cluster_size=4k"), *links = scratch_path("links");
    cleanup_free char *link = scratch_path("links/" NAME), *before = scratch_path(NAME ".old");
    assert_int_equal(mkdir(links, 0700), 0);
    assert_int_equal(symlink("../" NAME, link), 0);
    cleanup_free char *commands = commands_for(link, "qcow2", "cluster-small");
    run_lines(commands);
    assert_gone(path, "qcow2", "cluster-small");
    assert_true(g_file_test(link, G_FILE_TEST_IS_SYMLINK));
    assert_true(g_file_test(before, G_FILE_TEST_IS_REGULAR));
    assert_int_equal(unlink(link), 0);
    assert_int_equal(rmdir(links), 0); /* nothing else is in there */
}

static void test_a_chain(void **state)
{
    (void)state;
    cleanup_free char *middle = make_overlay("compat=1.1"), *moved = scratch_path("middle.qcow2");
    assert_int_equal(rename(middle, moved), 0);
    cleanup_free char *path = scratch_path(NAME), *flat = scratch_path(NAME ".flat");
    qemu_img("create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", "middle.qcow2", path);
    cleanup_free char *commands = commands_for(path, "qcow2", "chain-long");
    run_lines(commands);
    assert_gone(flat, "qcow2", "chain-long");
    cleanup_image struct image image = read_header(flat);
    assert_null(image.backing);
}

static void test_a_foreign_format(void **state)
{
    (void)state;
    cleanup_free char *path = scratch_path(NAME), *converted = scratch_path(NAME ".qcow2");
    qemu_img("create", "-q", "-f", "vmdk", path, "8M");
    cleanup_free char *commands = commands_for(path, "vmdk", "format-foreign");
    run_lines(commands);
    assert_gone(converted, "qcow2", "format-foreign");
    cleanup_image struct image image = read_header(converted);
    assert_true(image.virtual_bytes == 8 << 20);
}

static void test_holes(void **state)
{
    (void)state;
    cleanup_free char *path = scratch_path("sparse.raw");
    qemu_img("create", "-q", "-f", "raw", path, "8M");
    cleanup_free char *commands = commands_for(path, "raw", "image-sparse");
    run_lines(commands);
    assert_gone(path, "raw", "image-sparse");
}

/* What QEMU marks is found; such an image is copied, and looked at. */
static void test_marks(void **state)
{
    (void)state;
    cleanup_free char *path = make_image("compat=1.1"), *copy = scratch_path(NAME ".copy");
    struct finding *f;
    assert_gone(path, "qcow2", "image-corrupt");
    assert_gone(path, "qcow2", "image-dirty");
    set_bit(path, 79, 1 << 0);
    assert_non_null(f = find(path, "qcow2", "image-dirty"));
    finding_free(f);
    set_bit(path, 79, 1 << 1);
    cleanup_free char *commands = commands_for(path, "qcow2", "image-corrupt");
    char *end = strstr(commands, " &&\n");
    *end = '\0';
    run_lines(commands);
    assert_true(g_file_test(copy, G_FILE_TEST_IS_REGULAR));
    assert_true(g_str_has_prefix(end + strlen(" &&\n"), "qemu-img check -f qcow2 "));
}

static void test_snapshots(void **state)
{
    (void)state;
    cleanup_free char *path = make_image("compat=1.1");
    qemu_img("snapshot", "-c", "before", path);
    cleanup_free char *commands = commands_for(path, "qcow2", "image-internal-snapshots");
    g_auto(GStrv) named = g_strsplit(commands, "SNAPSHOT", -1);
    g_autofree char *text = g_strjoinv("before", named);
    run_lines(text);
    assert_gone(path, "qcow2", "image-internal-snapshots");
}

static int set_up(void **state)
{
    host = check_host_new(NULL, NULL);
    return host ? scratch_set_up(state) : -1;
}

static int tear_down(void **state)
{
    check_host_free(host);
    return scratch_tear_down(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_amended),
        cmocka_unit_test(test_an_overlay_stays_one),
        cmocka_unit_test(test_a_copy_stays_closed),
        cmocka_unit_test(test_behind_a_link),
        cmocka_unit_test(test_a_chain),
        cmocka_unit_test(test_a_foreign_format),
        cmocka_unit_test(test_holes),
        cmocka_unit_test(test_marks),
        cmocka_unit_test(test_snapshots),
    };
    return cmocka_run_group_tests_name("check-commands", tests, set_up, tear_down);
}
