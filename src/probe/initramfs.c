/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "probe/initramfs.h"

#include <archive.h>
#include <archive_entry.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <libkmod.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/memory.h"

#define MODULES_MAX 100 /* two digits, so that sorting the names is sorting the numbers */
#define MODULE_SIZE_MAX ((size_t)64 << 20)

CLEANUP_PTR(cleanup_kmod_handler, struct kmod_ctx, kmod_unref)
CLEANUP_PTR(cleanup_module_handler, struct kmod_module, kmod_module_unref)
CLEANUP_PTR(cleanup_module_list_handler, struct kmod_list, kmod_module_unref_list)
CLEANUP_PTR(cleanup_array_handler, GPtrArray, g_ptr_array_unref)
CLEANUP_PTR(cleanup_table_handler, GHashTable, g_hash_table_unref)
CLEANUP_PTR(cleanup_archive_handler, struct archive, archive_free)
CLEANUP_PTR(cleanup_entry_handler, struct archive_entry, archive_entry_free)

#define cleanup_array at_scope_end(cleanup_array_handler)
#define cleanup_module_list at_scope_end(cleanup_module_list_handler)

/* --- Which modules, and in which order -------------------------------------------------------- */

static void add_module(GPtrArray *order, GHashTable *seen, struct kmod_module *module);

static void add_modules(GPtrArray *order, GHashTable *seen, const struct kmod_list *list)
{
    const struct kmod_list *item;
    kmod_list_foreach(item, list)
    {
        at_scope_end(cleanup_module_handler) struct kmod_module *module =
            kmod_module_get_module(item);
        add_module(order, seen, module);
    }
}

/* Adds what the module needs, then the module. modules.dep lists what a module needs directly and
 * indirectly, in no order that could be relied on, so each of them is asked in turn. */
static void add_module(GPtrArray *order, GHashTable *seen, struct kmod_module *module)
{
    if (!g_hash_table_add(seen, g_strdup(kmod_module_get_name(module))))
        return;
    cleanup_module_list struct kmod_list *needed = kmod_module_get_dependencies(module);
    cleanup_module_list struct kmod_list *before = NULL, *after = NULL;
    add_modules(order, seen, needed);
    if (kmod_module_get_softdeps(module, &before, &after) >= 0)
        add_modules(order, seen, before);
    /* A soft dependency may be built in; then it has no file. */
    if (kmod_module_get_path(module))
        g_ptr_array_add(order, kmod_module_ref(module));
}

static void unref_module(void *module)
{
    kmod_module_unref(module);
}

/* An array of struct kmod_module *, which the caller frees. */
static GPtrArray *load_order(const struct kernel *kernel, const char *const *names,
                             struct error **err)
{
    at_scope_end(cleanup_kmod_handler) struct kmod_ctx *modules =
        kernel_open_modules(kernel->modules_dir, err);
    if (!modules)
        return NULL;
    cleanup_array GPtrArray *order = g_ptr_array_new_with_free_func(unref_module);
    at_scope_end(cleanup_table_handler) GHashTable *seen =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (; *names; names++) {
        at_scope_end(cleanup_module_handler) struct kmod_module *module = NULL;
        if (kernel_find_module(modules, *names, &module, err) < 0)
            return NULL;
        if (module)
            add_module(order, seen, module);
    }
    if (order->len > MODULES_MAX) {
        error_set(err, "%u modules are more than the probe guest is made for", order->len);
        return NULL;
    }
    return TAKE_PTR(order);
}

/* --- Unpacking a module ----------------------------------------------------------------------- */

static int archive_failed(struct archive *archive, struct error **err)
{
    const char *why = archive_error_string(archive);
    return error_set(err, "%s", why ? why : "it is empty");
}

/* Reads all of what the archive's current entry holds; the caller frees. */
static void *read_entry(struct archive *archive, size_t *ret_length, struct error **err)
{
    cleanup_free char *data = NULL;
    size_t length = 0, capacity = 0;
    for (;;) {
        if (length == capacity) {
            capacity = capacity ? capacity * 2 : 64 << 10;
            data = xreallocarray(data, capacity, 1);
        }
        ssize_t n = archive_read_data(archive, data + length, capacity - length);
        if (n < 0) {
            archive_failed(archive, err);
            return NULL;
        }
        if (n == 0)
            break;
        length += (size_t)n;
        if (length > MODULE_SIZE_MAX) {
            error_set(err, "it is larger than any module");
            return NULL;
        }
    }
    *ret_length = length;
    return TAKE_PTR(data);
}

/* Reads a module, compressed (.ko.gz, .ko.xz, .ko.zst) or not; the caller frees. */
static void *read_module(const char *path, size_t *ret_length, struct error **err)
{
    cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        error_set_errno(err, errno, "cannot open");
        return NULL;
    }
    at_scope_end(cleanup_archive_handler) struct archive *archive = archive_read_new();
    archive_read_support_filter_gzip(archive);
    archive_read_support_filter_xz(archive);
    archive_read_support_filter_zstd(archive);
    archive_read_support_format_raw(archive);
    archive_read_support_format_empty(archive);
    struct archive_entry *entry;
    if (archive_read_open_fd(archive, fd, 64 << 10) != ARCHIVE_OK ||
        archive_read_next_header(archive, &entry) != ARCHIVE_OK) {
        archive_failed(archive, err);
        return NULL;
    }
    cleanup_free void *data = read_entry(archive, ret_length, err);
    if (!data)
        return NULL;
    /* What could not be unpacked for want of a filter comes through as it is. */
    if (*ret_length < SELFMAG || memcmp(data, ELFMAG, SELFMAG) != 0) {
        error_set(err, "it is not a kernel module, or packed in a way this program does not know");
        return NULL;
    }
    return TAKE_PTR(data);
}

/* --- Writing ---------------------------------------------------------------------------------- */

/* Adds a file, with `data`, or what else `mode` says it is. */
static int add_entry(struct archive *archive, const char *name, mode_t mode, dev_t device,
                     const void *data, size_t length, struct error **err)
{
    at_scope_end(cleanup_entry_handler) struct archive_entry *entry = archive_entry_new();
    archive_entry_set_pathname(entry, name);
    archive_entry_set_mode(entry, mode);
    archive_entry_set_rdev(entry, device);
    archive_entry_set_size(entry, (la_int64_t)length);
    archive_entry_set_nlink(entry, 1);
    if (archive_write_header(archive, entry) != ARCHIVE_OK)
        return archive_failed(archive, err);
    if (length && archive_write_data(archive, data, length) != (la_ssize_t)length)
        return archive_failed(archive, err);
    return 0;
}

static int add_module_file(struct archive *archive, guint number, struct kmod_module *module,
                           struct error **err)
{
    const char *path = kmod_module_get_path(module);
    size_t length;
    cleanup_free void *data = read_module(path, &length, err);
    if (!data)
        return error_prefix(err, "the module %s", path);
    cleanup_free char *name = xasprintf("modules/%02u-%s.ko", number, kmod_module_get_name(module));
    return add_entry(archive, name, S_IFREG | 0644, 0, data, length, err);
}

/* --- The image -------------------------------------------------------------------------------- */

#define BLOCK 4096
#define RUN_MAX (256 * BLOCK) /* what one file of the archive holds */

static bool is_zero(const char *block)
{
    return block[0] == 0 && memcmp(block, block + 1, BLOCK - 1) == 0;
}

/* Adds what is not zeros of `length` bytes of the image, which stand at this offset. */
static int add_runs(struct archive *archive, const char *data, size_t length, off_t offset,
                    struct error **err)
{
    for (size_t from = 0, to; from < length; from = to) {
        for (to = from; to < length && !is_zero(data + to); to += BLOCK)
            ;
        cleanup_free char *name = xasprintf("image/%jd", (intmax_t)offset + (intmax_t)from);
        if (to > from &&
            add_entry(archive, name, S_IFREG | 0644, 0, data + from, to - from, err) < 0)
            return -1;
        to += to == from ? BLOCK : 0;
    }
    return 0;
}

/* Its holes are passed over: it is as large as a disk. */
static int add_image(struct archive *archive, const char *path, struct error **err)
{
    cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    cleanup_free char *data = xcalloc(1, RUN_MAX);
    if (fd < 0)
        return error_set_errno(err, errno, "cannot open %s", path);
    for (off_t at = 0; (at = lseek(fd, at, SEEK_DATA)) >= 0; at += RUN_MAX) {
        at -= at % BLOCK;
        memset(data, 0, RUN_MAX);
        ssize_t n = pread(fd, data, RUN_MAX, at);
        if (n < 0)
            return error_set_errno(err, errno, "cannot read %s", path);
        if (add_runs(archive, data, RUN_MAX, at, err) < 0)
            return -1;
    }
    return errno == ENXIO ? 0 : error_set_errno(err, errno, "cannot read %s", path);
}

/* --- All of it -------------------------------------------------------------------------------- */

static int write_archive(int fd, const void *init, size_t init_length, GPtrArray *modules,
                         const char *image, struct error **err)
{
    static const char *const directories[] = {"dev", "proc", "sys", "modules", "image"};
    at_scope_end(cleanup_archive_handler) struct archive *archive = archive_write_new();
    if (archive_write_set_format_cpio_newc(archive) != ARCHIVE_OK ||
        archive_write_open_fd(archive, fd) != ARCHIVE_OK)
        return archive_failed(archive, err);
    for (size_t i = 0; i < ARRAY_SIZE(directories); i++)
        if (add_entry(archive, directories[i], S_IFDIR | 0755, 0, NULL, 0, err) < 0)
            return -1;
    if (add_entry(archive, "dev/console", S_IFCHR | 0600, makedev(5, 1), NULL, 0, err) < 0 ||
        add_entry(archive, "init", S_IFREG | 0755, 0, init, init_length, err) < 0)
        return -1;
    for (guint i = 0; i < modules->len; i++)
        if (add_module_file(archive, i, modules->pdata[i], err) < 0)
            return -1;
    if (image && add_image(archive, image, err) < 0)
        return -1;
    return archive_write_close(archive) == ARCHIVE_OK ? 0 : archive_failed(archive, err);
}

int initramfs_write(const char *path, const struct kernel *kernel, const void *init,
                    size_t init_length, const char *const *module_names, const char *image,
                    struct error **err)
{
    cleanup_array GPtrArray *modules = load_order(kernel, module_names, err);
    if (!modules)
        return -1;
    cleanup_close int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_set_errno(err, errno, "cannot create %s", path);
    if (write_archive(fd, init, init_length, modules, image, err) < 0) {
        unlink(path);
        return error_prefix(err, "cannot write the initramfs %s", path);
    }
    return 0;
}
