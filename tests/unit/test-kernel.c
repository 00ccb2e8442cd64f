/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-kernel.c - which kernel is found among those in a made-up file system.
 */
#undef NDEBUG
#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fake-kernel.h"

/* --- The newest ------------------------------------------------------------------------------- */

#define FETCHED(release) "/state/kernels/" release

static const struct {
    const char *what;
    struct fake kernels[4];
    const char *found;   /* image and modules; NULL: there is none, and … */
    const char *message; /* … this is in the error */
} newest[] = {
    {"the newest, compared as versions",
     {{"", "boot/vmlinuz-6.9.0-1", "6.9.0-1", AS_MODULES},
      {"", "boot/vmlinuz-6.10.0-1", "6.10.0-1", AS_MODULES},
      {"", "boot/vmlinuz-6.1.0-56", "6.1.0-56", AS_MODULES}},
     "boot/vmlinuz-6.10.0-1 lib/modules/6.10.0-1"},
    {"of one version, the usual one of Debian",
     {{"", "boot/vmlinuz-6.1.0-56-amd64", "6.1.0-56-amd64", AS_MODULES},
      {"", "boot/vmlinuz-6.1.0-56-rt-amd64", "6.1.0-56-rt-amd64", AS_MODULES},
      {"", "boot/vmlinuz-6.1.0-56-amd64-dbg", "6.1.0-56-amd64-dbg", AS_MODULES}},
     "boot/vmlinuz-6.1.0-56-amd64 lib/modules/6.1.0-56-amd64"},
    {"of one version with a plus sign in it",
     {{"", "boot/vmlinuz-6.12.57+deb13-amd64", "6.12.57+deb13-amd64", AS_MODULES},
      {"", "boot/vmlinuz-6.12.57+deb13-rt-amd64", "6.12.57+deb13-rt-amd64", AS_MODULES}},
     "boot/vmlinuz-6.12.57+deb13-amd64 lib/modules/6.12.57+deb13-amd64"},
    {"of one version, the usual one of Ubuntu",
     {{"", "boot/vmlinuz-6.8.0-31-generic", "6.8.0-31-generic", AS_MODULES},
      {"", "boot/vmlinuz-6.8.0-31-lowlatency", "6.8.0-31-lowlatency", AS_MODULES}},
     "boot/vmlinuz-6.8.0-31-generic lib/modules/6.8.0-31-generic"},
    {"of one version, the usual one of Fedora",
     {{"", "lib/modules/6.8.5-301.fc40.x86_64+debug/vmlinuz", "6.8.5-301.fc40.x86_64+debug",
       AS_MODULES},
      {"", "lib/modules/6.8.5-301.fc40.x86_64/vmlinuz", "6.8.5-301.fc40.x86_64", AS_MODULES}},
     "lib/modules/6.8.5-301.fc40.x86_64/vmlinuz lib/modules/6.8.5-301.fc40.x86_64"},
    {"of one version, where its flavour is a part of it",
     {{"", "boot/vmlinuz-4.18.0-513.5.1.rt7.307.el8", "4.18.0-513.5.1.rt7.307.el8", AS_MODULES},
      {"", "boot/vmlinuz-4.18.0-513.5.1.el8", "4.18.0-513.5.1.el8", AS_MODULES}},
     "boot/vmlinuz-4.18.0-513.5.1.el8 lib/modules/4.18.0-513.5.1.el8"},
    {"a newer version counts more, whatever its flavour",
     {{"", "boot/vmlinuz-6.1.0-56-amd64", "6.1.0-56-amd64", AS_MODULES},
      {"", "boot/vmlinuz-6.1.0-57-rt-amd64", "6.1.0-57-rt-amd64", AS_MODULES}},
     "boot/vmlinuz-6.1.0-57-rt-amd64 lib/modules/6.1.0-57-rt-amd64"},
    {"a word with those letters in it is another",
     {{"", "boot/vmlinuz-6.1.0-56-amd64", "6.1.0-56-amd64", AS_MODULES},
      {"", "boot/vmlinuz-6.1.0-56-smart", "6.1.0-56-smart", AS_MODULES}},
     "boot/vmlinuz-6.1.0-56-smart lib/modules/6.1.0-56-smart"},
    {"what is built in counts",
     {{"", "boot/vmlinuz-6.1", "6.1", AS_MODULES}, {"", "boot/vmlinuz-6.2", "6.2", BUILT_IN}},
     "boot/vmlinuz-6.2 lib/modules/6.2"},
    {"one built in, the others not",
     {{"", "boot/vmlinuz-6.2", "6.2", MIXED}},
     "boot/vmlinuz-6.2 lib/modules/6.2"},
    {"unusable ones are skipped",
     {{"", "boot/vmlinuz-6.4", "6.4", NO_BLK},
      {"", "boot/vmlinuz-6.3", "6.3", NO_INDEX},
      {"", "boot/vmlinuz-6.2", "6.2", LOST_FILE},
      {"", "boot/vmlinuz-6.1", "6.1", AS_MODULES}},
     "boot/vmlinuz-6.1 lib/modules/6.1"},
    {"an image that no modules go with is skipped",
     {{"", "boot/vmlinuz-6.1.old", "6.1", AS_MODULES},
      {"", "boot/vmlinuz-0-rescue-0123abcd", "0", NO_MODULES},
      {"", "boot/vmlinuz-6.1", "6.1", NO_MODULES}},
     "boot/vmlinuz-6.1 lib/modules/6.1"},
    {"modules without an image are no kernel",
     {{"", NULL, "6.2", AS_MODULES}, {"", "boot/vmlinuz-6.1", "6.1", AS_MODULES}},
     "boot/vmlinuz-6.1 lib/modules/6.1"},
    {"an image beside its modules",
     {{"", "boot/vmlinuz-6.1", "6.1", AS_MODULES},
      {"", "lib/modules/6.2/vmlinuz", "6.2", AS_MODULES}},
     "lib/modules/6.2/vmlinuz lib/modules/6.2"},
    {"modules below /usr",
     {{"", "boot/vmlinuz-6.1", "6.1", BELOW_USR}},
     "boot/vmlinuz-6.1 usr/lib/modules/6.1"},
    {"an image beside its modules below /usr",
     {{"", "usr/lib/modules/6.1/vmlinuz", "6.1", BELOW_USR}},
     "usr/lib/modules/6.1/vmlinuz usr/lib/modules/6.1"},
    {"one that was fetched",
     {{FETCHED("6.1"), "boot/vmlinuz-6.1", "6.1", AS_MODULES}},
     "state/kernels/6.1/boot/vmlinuz-6.1 state/kernels/6.1/lib/modules/6.1"},
    {"a newer one that was fetched",
     {{"", "boot/vmlinuz-6.1.0-9", "6.1.0-9", AS_MODULES},
      {FETCHED("6.1.0-10"), "boot/vmlinuz-6.1.0-10", "6.1.0-10", AS_MODULES}},
     "state/kernels/6.1.0-10/boot/vmlinuz-6.1.0-10 state/kernels/6.1.0-10/lib/modules/6.1.0-10"},
    {"the installed one of two equals",
     {{FETCHED("6.1"), "boot/vmlinuz-6.1", "6.1", AS_MODULES},
      {"", "lib/modules/6.1/vmlinuz", "6.1", AS_MODULES}},
     "lib/modules/6.1/vmlinuz lib/modules/6.1"},
    {"an unusable installed one beside its equal",
     {{FETCHED("6.1"), "boot/vmlinuz-6.1", "6.1", AS_MODULES},
      {"", "boot/vmlinuz-6.1", "6.1", NO_BLK}},
     "state/kernels/6.1/boot/vmlinuz-6.1 state/kernels/6.1/lib/modules/6.1"},
    {"one that is being fetched",
     {{FETCHED(".fetch.x"), "boot/vmlinuz-6.1", "6.1", AS_MODULES}},
     NULL,
     "no kernel for the probe guest: no vmlinuz in "},
    {"none", {{0}}, NULL, "no kernel for the probe guest: no vmlinuz in "},
    {"the newest without virtio",
     {{"", "boot/vmlinuz-6.1", "6.1", NO_INDEX}, {"", "boot/vmlinuz-6.2", "6.2", NO_BLK}},
     NULL,
     "/lib/modules/6.2 has no module virtio_blk"},
    {"a module that was lost",
     {{"", "boot/vmlinuz-6.2", "6.2", LOST_FILE}},
     NULL,
     "/lib/modules/6.2/kernel/virtio_blk.ko: No such file"},
    {"no depmod", {{"", "boot/vmlinuz-6.2", "6.2", NO_INDEX}}, NULL, "depmod has not been run"},
    {"no modules",
     {{"", "boot/vmlinuz-6.2", "6.2", NO_MODULES}},
     NULL,
     "/boot/vmlinuz-6.2 has no modules: there is no /lib/modules/6.2"},
};

static void test_newest(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(newest); i++) {
        cleanup_free char *tree = make_tree();
        cleanup_free char *state_dir = xasprintf("%s/state", tree);
        for (size_t k = 0; k < ARRAY_SIZE(newest[i].kernels) && newest[i].kernels[k].root; k++)
            make_kernel(tree, &newest[i].kernels[k]);
        cleanup_error struct error *err = NULL;
        cleanup_kernel struct kernel *kernel = kernel_find(tree, NULL, state_dir, &err);
        if (newest[i].found)
            check_found(newest[i].what, tree, kernel, err, newest[i].found);
        else
            check_error(newest[i].what, kernel, err, newest[i].message, "scripts/fetch-kernel");
    }
}

/* --- The one asked for ------------------------------------------------------------------------ */

struct header {
    const char *text; /* what the header points to; NULL: the image is no bzImage */
    size_t pointer;
    size_t sectors; /* as written; 0 means 4 */
    size_t length;  /* of the file */
};

#define GOOD_HEADER(text)                                                                          \
    {                                                                                              \
        text, 0x300, 2, 0x600                                                                      \
    }

/* No more of the header is filled in than is read. */
static void make_bzimage(const char *path, const struct header *header)
{
    unsigned char image[0x1200];
    memset(image, 'x', sizeof(image));
    memcpy(image + 0x202, header->text ? "HdrS" : "none", 4);
    image[0x1f1] = (unsigned char)header->sectors;
    image[0x20e] = header->pointer & 0xff;
    image[0x20f] = (unsigned char)(header->pointer >> 8);
    if (header->text && header->pointer + 0x200 + strlen(header->text) < sizeof(image))
        strcpy((char *)image + header->pointer + 0x200, header->text);
    make_file(path, image, header->length);
}

static const struct {
    const char *what;
    struct header header;
    const char *message; /* NULL: 6.1.0-56 is found */
} headers[] = {
    {"as the kernel's build writes it", GOOD_HEADER("6.1.0-56 (a@b) #1 SMP"), NULL},
    {"the release alone", GOOD_HEADER("6.1.0-56"), NULL},
    {"no count of sectors is 4", {"6.1.0-56 (a@b)", 0x7e0, 0, 0xa00}, NULL},
    {"the last place there is", {"6.1.0-56", 0x3f7, 2, 0x600}, NULL},
    {"no bzImage", {NULL, 0x300, 2, 0x600}, "has no x86 boot header"},
    {"an empty file", {"6.1.0-56", 0x300, 2, 0}, "has no x86 boot header"},
    {"cut off in the magic", {"6.1.0-56", 0x300, 2, 0x205}, "has no x86 boot header"},
    {"cut off in the pointer", {"6.1.0-56", 0x300, 2, 0x20f}, "has no x86 boot header"},
    {"cut off before the text", {"6.1.0-56", 0x300, 2, 0x500}, "names none"},
    {"no pointer", {"", 0, 2, 0x600}, "names none"},
    {"behind the set-up sectors", {"6.1.0-56", 0x400, 2, 0x1000}, "names none"},
    {"as far as a pointer can be", {"", 0xffff, 255, 0x1200}, "names none"},
    {"an empty text", GOOD_HEADER(""), "names none"},
    {"a text without an end", {"", 0x2ff, 2, 0x4ff}, "names none"},
    {"long", GOOD_HEADER("6.1.0-56789012345678901234567890123456789012345678901234567890123"),
     "names none"},
    {"a path", GOOD_HEADER("6.1.0-56/."), "names none"},
    {"the directory itself", GOOD_HEADER(". (a@b)"), "names none"},
    {"line breaks", GOOD_HEADER("6.1.0\n56"), "names none"},
};

static void test_header(void **state)
{
    (void)state;
    cleanup_free char *tree = make_tree();
    cleanup_free char *image = xasprintf("%s/download/bzImage", tree);
    make_kernel(tree, &(struct fake){"", NULL, "6.1.0-56", AS_MODULES});
    for (size_t i = 0; i < ARRAY_SIZE(headers); i++) {
        make_bzimage(image, &headers[i].header);
        cleanup_error struct error *err = NULL;
        cleanup_kernel struct kernel *kernel = kernel_find(tree, image, "/nonexistent", &err);
        if (headers[i].message)
            check_error(headers[i].what, kernel, err, headers[i].message, NULL);
        else
            check_found(headers[i].what, tree, kernel, err,
                        "download/bzImage lib/modules/6.1.0-56");
    }
}

static const struct {
    const char *what;
    struct fake kernel;
    struct header header; /* instead of an image without one, where it has a text */
    const char *asked;
    const char *found;          /* image and modules; NULL: there is none, and … */
    const char *message, *hint; /* … this is in the error */
} asked[] = {
    {"by its name",
     {"", "srv/vmlinuz-6.1", "6.1", AS_MODULES},
     {0},
     "srv/vmlinuz-6.1",
     "srv/vmlinuz-6.1 lib/modules/6.1"},
    {"modules beside it",
     {"/srv", "boot/vmlinuz-6.1", "6.1", MIXED},
     {0},
     "srv/boot/vmlinuz-6.1",
     "srv/boot/vmlinuz-6.1 srv/lib/modules/6.1"},
    {"among its modules",
     {"/srv", "lib/modules/6.1/vmlinuz", "6.1", AS_MODULES},
     {0},
     "srv/lib/modules/6.1/vmlinuz",
     "srv/lib/modules/6.1/vmlinuz srv/lib/modules/6.1"},
    {"through a symbolic link",
     {"", "boot/vmlinuz-6.1", "6.1", AS_MODULES},
     {0},
     "link",
     "boot/vmlinuz-6.1 lib/modules/6.1"},
    {"a name that is no release",
     {"", "boot/vmlinuz-linux", "6.1.2-arch1-1", AS_MODULES},
     GOOD_HEADER("6.1.2-arch1-1 (linux@archlinux)"),
     "boot/vmlinuz-linux",
     "boot/vmlinuz-linux lib/modules/6.1.2-arch1-1"},
    {"not there",
     {"", "boot/vmlinuz-6.1", "6.1", AS_MODULES},
     {0},
     "boot/vmlinuz-6.2",
     NULL,
     "/boot/vmlinuz-6.2: No such file or directory"},
    {"a directory",
     {"", "boot/vmlinuz-6.1", "6.1", AS_MODULES},
     {0},
     "boot",
     NULL,
     "/boot is not a file"},
    {"nothing that tells the release",
     {"", "boot/linux", "6.1", AS_MODULES},
     {0},
     "boot/linux",
     NULL,
     "it is not named vmlinuz-RELEASE, and it has no x86 boot header"},
    {"no modules",
     {"", "srv/boot/vmlinuz-6.1", "6.1", NO_MODULES},
     {0},
     "srv/boot/vmlinuz-6.1",
     NULL,
     "/srv/lib/modules/6.1 nor ",
     "../lib/modules/RELEASE"},
    {"no modules for what the header says",
     {"", "boot/vmlinuz-linux", "6.1", AS_MODULES},
     GOOD_HEADER("6.2 (a@b)"),
     "boot/vmlinuz-linux",
     NULL,
     "/lib/modules/6.2 is not there",
     "../lib/modules/RELEASE"},
    {"no virtio",
     {"", "boot/vmlinuz-6.1", "6.1", NO_BLK},
     {0},
     "boot/vmlinuz-6.1",
     NULL,
     "/lib/modules/6.1 has no module virtio_blk"},
};

static void test_asked(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(asked); i++) {
        cleanup_free char *tree = make_tree();
        cleanup_free char *path = xasprintf("%s/%s", tree, asked[i].asked);
        cleanup_free char *link = xasprintf("%s/link", tree);
        make_kernel(tree, &asked[i].kernel);
        if (asked[i].header.text)
            make_bzimage(path, &asked[i].header);
        assert(symlink("boot/vmlinuz-6.1", link) == 0);
        /* What would be found if nothing had been asked for. */
        make_kernel(tree, &(struct fake){"", "boot/vmlinuz-9.9", "9.9", AS_MODULES});
        cleanup_error struct error *err = NULL;
        cleanup_kernel struct kernel *kernel = kernel_find(tree, path, "/nonexistent", &err);
        if (asked[i].found)
            check_found(asked[i].what, tree, kernel, err, asked[i].found);
        else
            check_error(asked[i].what, kernel, err, asked[i].message, asked[i].hint);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_newest),
        cmocka_unit_test(test_header),
        cmocka_unit_test(test_asked),
    };
    extend_path();
    return cmocka_run_group_tests(tests, scratch_set_up, scratch_tear_down);
}
