/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <libkmod.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"

#if defined(__aarch64__)
#define DEBIAN_KERNEL "linux-image-cloud-arm64"
#else
#define DEBIAN_KERNEL "linux-image-cloud-amd64"
#endif

#define IMAGE_PREFIX "vmlinuz-"
#define RELEASE_MAX 64 /* what uname(2) has room for */

static const char *const needed_modules[] = {"virtio_pci", "virtio_blk", "virtio_console"};
static const char *const module_roots[] = {"/lib/modules", "/usr/lib/modules"};

CLEANUP_PTR(cleanup_kmod_handler, struct kmod_ctx, kmod_unref)
CLEANUP_PTR(cleanup_module_handler, struct kmod_module, kmod_module_unref)
CLEANUP_PTR(cleanup_array_handler, GPtrArray, g_ptr_array_unref)
CLEANUP_PTR(cleanup_gdir_handler, GDir, g_dir_close)
#define cleanup_gdir at_scope_end(cleanup_gdir_handler)

void kernel_free(struct kernel *kernel)
{
    if (!kernel)
        return;
    free(kernel->image);
    free(kernel->release);
    free(kernel->modules_dir);
    free(kernel);
}

/* --- Modules ---------------------------------------------------------------------------------- */

struct kmod_ctx *kernel_open_modules(const char *modules_dir, struct error **err)
{
    static const char *const no_configuration[] = {NULL};
    cleanup_free char *index = xasprintf("%s/modules.dep.bin", modules_dir);
    if (access(index, R_OK) < 0 && errno != ENOENT) {
        error_set_errno(err, errno, "cannot read %s", index);
        return NULL;
    }
    if (access(index, R_OK) < 0) {
        error_set(err, "%s has no modules.dep.bin: depmod has not been run", modules_dir);
        return NULL;
    }
    struct kmod_ctx *modules = kmod_new(modules_dir, no_configuration);
    if (!modules) {
        error_set(err, "libkmod cannot use %s", modules_dir);
        return NULL;
    }
    kmod_set_log_priority(modules, 0);
    return modules;
}

int kernel_find_module(struct kmod_ctx *modules, const char *name, struct kmod_module **ret,
                       struct error **err)
{
    struct kmod_list *found = NULL;
    if (kmod_module_new_from_lookup(modules, name, &found) < 0 || !found)
        return error_set(err, "%s has no module %s", kmod_get_dirname(modules), name);
    struct kmod_module *module = kmod_module_get_module(found);
    kmod_module_unref_list(found);
    /* What is built in is in an index of its own, which knows names and no files. The state that
     * libkmod offers to ask for is no help: it is that of the machine it runs on. */
    if (!kmod_module_get_path(module))
        module = kmod_module_unref(module);
    *ret = module;
    return 0;
}

int kernel_check_module(const struct kernel *kernel, const char *name, struct error **err)
{
    at_scope_end(cleanup_kmod_handler) struct kmod_ctx *modules =
        kernel_open_modules(kernel->modules_dir, err);
    at_scope_end(cleanup_module_handler) struct kmod_module *module = NULL;
    return modules ? kernel_find_module(modules, name, &module, err) : -1;
}

/* 0 where the kernel has what the guest needs to see its disks and to speak. */
static int check_modules(const struct kernel *kernel, struct error **err)
{
    if (!kernel->modules_dir)
        return error_set(err, "%s has no modules: there is no %s/%s", kernel->image,
                         module_roots[0], kernel->release);
    at_scope_end(cleanup_kmod_handler) struct kmod_ctx *modules =
        kernel_open_modules(kernel->modules_dir, err);
    if (!modules)
        return error_prefix(err, "%s", kernel->image);
    for (size_t i = 0; i < ARRAY_SIZE(needed_modules); i++) {
        at_scope_end(cleanup_module_handler) struct kmod_module *module = NULL;
        if (kernel_find_module(modules, needed_modules[i], &module, err) < 0)
            return error_prefix(err, "%s", kernel->image);
        const char *file = module ? kmod_module_get_path(module) : NULL;
        if (file && access(file, R_OK) < 0)
            return error_set_errno(err, errno, "%s: cannot read %s", kernel->image, file);
    }
    return 0;
}

/* The directory that holds the modules of this release below `root`; NULL where there is none. */
static char *find_modules_dir(const char *root, const char *release)
{
    for (size_t i = 0; i < ARRAY_SIZE(module_roots); i++) {
        cleanup_free char *path = xasprintf("%s%s/%s", root, module_roots[i], release);
        if (g_file_test(path, G_FILE_TEST_IS_DIR))
            return TAKE_PTR(path);
    }
    return NULL;
}

/* --- Images ----------------------------------------------------------------------------------- */

/* Opens the image; -1 with an error, and a hint where this user may not read it. */
static int open_image(const char *path, struct error **err)
{
    /* Non-blocking, so that a FIFO is refused instead of waited for. */
    cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    if (fd < 0) {
        int errnum = errno;
        error_set_errno(err, errnum, "cannot read %s", path);
        if (errnum == EACCES || errnum == EPERM)
            error_hint(err, "run this as root, or as root: chmod a+r %s; or --kernel FILE", path);
        return -1;
    }
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return error_set(err, "%s is not a file", path);
    return TAKE_FD(fd);
}

static int check_image(const char *path, struct error **err)
{
    cleanup_close int fd = open_image(path, err);
    return fd < 0 ? -1 : 0;
}

/* A release becomes a part of paths, and the one in an image's header is whatever was written
 * there. */
static bool release_is_sane(const char *release)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "._-+~";
    size_t length = strspn(release, allowed);
    return length > 0 && length <= RELEASE_MAX && !release[length] && release[0] != '.';
}

static char *release_from_name(const char *image)
{
    cleanup_free char *name = g_path_get_basename(image);
    if (!g_str_has_prefix(name, IMAGE_PREFIX) || !release_is_sane(name + strlen(IMAGE_PREFIX)))
        return NULL;
    return xstrdup(name + strlen(IMAGE_PREFIX));
}

/* What the x86 boot protocol has to say (Documentation/arch/x86/boot.rst): 0x20e points, 0x200
 * bytes before, to "RELEASE (builder) #1 …", which lies in the set-up sectors. */
static char *release_from_header(const char *image, struct error **err)
{
    cleanup_close int fd = open_image(image, err);
    if (fd < 0)
        return NULL;
    unsigned char header[0x210];
    if (pread(fd, header, sizeof(header), 0) != (ssize_t)sizeof(header) ||
        memcmp(header + 0x202, "HdrS", 4) != 0) {
        error_set(err, "it has no x86 boot header");
        return NULL;
    }
    size_t setup_bytes = (header[0x1f1] ? header[0x1f1] : 4) * (size_t)0x200;
    size_t pointer = header[0x20e] | (size_t)header[0x20f] << 8;
    char text[RELEASE_MAX + 2];
    ssize_t length = pointer && pointer < setup_bytes
                         ? pread(fd, text, sizeof(text) - 1, (off_t)pointer + 0x200)
                         : 0;
    text[length > 0 ? length : 0] = '\0';
    text[strcspn(text, " ")] = '\0';
    if (!release_is_sane(text)) {
        error_set(err, "its x86 boot header names none");
        return NULL;
    }
    return xstrdup(text);
}

/* --- The one that was asked for --------------------------------------------------------------- */

static int no_modules(const char *image, const char *release, const char *beside,
                      const char *sysroot, struct error **err)
{
    const char *places = module_roots[0];
    if (strcmp(beside, sysroot) != 0)
        error_set(err, "the kernel %s has no modules: neither %s%s/%s nor %s%s/%s is there", image,
                  beside, places, release, sysroot, places, release);
    else
        error_set(err, "the kernel %s has no modules: %s%s/%s is not there", image, sysroot, places,
                  release);
    return error_hint(err,
                      "they belong to the image's package, and go to %s/RELEASE, or beside "
                      "the image: ../lib/modules/RELEASE",
                      places);
}

/* Takes *release, which may be NULL, where there are modules for it. Those beside the image come
 * first: they are its own, where installed ones may be another build of the same release. */
static bool use_release(struct kernel *kernel, char **release, const char *beside,
                        const char *sysroot)
{
    if (!*release)
        return false;
    kernel->modules_dir = find_modules_dir(beside, *release);
    if (!kernel->modules_dir)
        kernel->modules_dir = find_modules_dir(sysroot, *release);
    if (!kernel->modules_dir)
        return false;
    kernel->release = TAKE_PTR(*release);
    return true;
}

/* Fills in release and modules_dir. */
static int locate_modules(const char *sysroot, struct kernel *kernel, struct error **err)
{
    cleanup_free char *directory = g_path_get_dirname(kernel->image);
    cleanup_free char *index = xasprintf("%s/modules.dep", directory);
    if (access(index, F_OK) == 0) {
        kernel->release = g_path_get_basename(directory);
        kernel->modules_dir = TAKE_PTR(directory);
        return 0;
    }
    cleanup_free char *parent = g_path_get_dirname(directory);
    const char *beside = strcmp(parent, "/") != 0 ? parent : "";
    cleanup_error struct error *why = NULL;
    cleanup_free char *by_name = release_from_name(kernel->image);
    cleanup_free char *by_header = release_from_header(kernel->image, &why);
    if (!by_name && !by_header)
        return error_set(err,
                         "cannot tell the release of the kernel %s: it is not named "
                         "vmlinuz-RELEASE, and %s",
                         kernel->image, why->message);
    /* The name may be no release: vmlinuz-linux is all that Arch Linux calls it. */
    if (use_release(kernel, &by_name, beside, sysroot) ||
        use_release(kernel, &by_header, beside, sysroot))
        return 0;
    return no_modules(kernel->image, by_header ? by_header : by_name, beside, sysroot, err);
}

static struct kernel *find_asked(const char *sysroot, const char *asked_image, struct error **err)
{
    cleanup_kernel struct kernel *kernel = xcalloc(1, sizeof(*kernel));
    if (check_image(asked_image, err) < 0)
        return NULL;
    /* Without symbolic links, because /vmlinuz says neither the release nor where it lies. */
    kernel->image = realpath(asked_image, NULL);
    if (!kernel->image) {
        error_set_errno(err, errno, "cannot read %s", asked_image);
        return NULL;
    }
    if (locate_modules(sysroot, kernel, err) < 0 || check_modules(kernel, err) < 0)
        return NULL;
    return TAKE_PTR(kernel);
}

/* --- The newest one --------------------------------------------------------------------------- */

/* Adds what could be a kernel. Takes image and modules_dir (NULL: there are none). */
static void add_candidate(GPtrArray *candidates, char *image, const char *release,
                          char *modules_dir)
{
    struct kernel *kernel = xcalloc(1, sizeof(*kernel));
    *kernel = (struct kernel){image, xstrdup(release), modules_dir};
    g_ptr_array_add(candidates, kernel);
}

/* ROOT/boot/vmlinuz-RELEASE */
static void collect_boot(GPtrArray *candidates, const char *root)
{
    cleanup_free char *boot = xasprintf("%s/boot", root);
    cleanup_gdir GDir *directory = g_dir_open(boot, 0, NULL);
    for (const char *name; directory && (name = g_dir_read_name(directory));) {
        cleanup_free char *release = release_from_name(name);
        if (release)
            add_candidate(candidates, xasprintf("%s/%s", boot, name), release,
                          find_modules_dir(root, release));
    }
}

/* ROOT/lib/modules/RELEASE/vmlinuz, as Fedora, openSUSE and Arch Linux have it. */
static void collect_beside_modules(GPtrArray *candidates, const char *root)
{
    for (size_t i = 0; i < ARRAY_SIZE(module_roots); i++) {
        cleanup_free char *modules = xasprintf("%s%s", root, module_roots[i]);
        cleanup_gdir GDir *directory = g_dir_open(modules, 0, NULL);
        for (const char *name; directory && (name = g_dir_read_name(directory));) {
            cleanup_free char *image = xasprintf("%s/%s/vmlinuz", modules, name);
            if (release_is_sane(name) && access(image, F_OK) == 0)
                add_candidate(candidates, TAKE_PTR(image), name, xasprintf("%s/%s", modules, name));
        }
    }
}

/* STATE_DIR/kernels/RELEASE/boot/vmlinuz-RELEASE */
static void collect_fetched(GPtrArray *candidates, const char *state_dir)
{
    cleanup_free char *kernels = xasprintf("%s/kernels", state_dir);
    cleanup_gdir GDir *directory = g_dir_open(kernels, 0, NULL);
    for (const char *name; directory && (name = g_dir_read_name(directory));) {
        cleanup_free char *root = xasprintf("%s/%s", kernels, name);
        /* A name with a dot before it is one that is being fetched. */
        if (release_is_sane(name))
            collect_boot(candidates, root);
    }
}

/* Whether the word is one of a flavour that is slow at much, or scheduled in another way than
 * guests' kernels are: "rt", or "rt14". */
static bool is_odd_word(const char *word, size_t length)
{
    static const char *const odd[] = {"debug", "dbg", "rt", "lowlatency"};
    while (length && g_ascii_isdigit(word[length - 1]))
        length--;
    for (size_t i = 0; i < ARRAY_SIZE(odd); i++)
        if (strlen(odd[i]) == length && memcmp(word, odd[i], length) == 0)
            return true;
    return false;
}

/* The version in a release, which ends where a flavour begins: "6.1.0-56" of "6.1.0-56-rt-amd64",
 * and of "6.8.5-301.fc40.x86_64+debug" what is before the plus sign. *ret_odd is whether any word
 * of the release is an odd one. The caller frees. */
static char *version_of(const char *release, bool *ret_odd)
{
    size_t end = 0;
    *ret_odd = false;
    for (const char *word = release; *word;) {
        size_t length = 0;
        while (g_ascii_isalnum(word[length]))
            length++;
        char before = word > release ? word[-1] : '.';
        bool odd = is_odd_word(word, length);
        bool is_flavour = odd || before == '+' || (before == '-' && g_ascii_isalpha(*word));
        if (is_flavour && !end && word > release)
            end = (size_t)(word - release) - 1;
        *ret_odd |= odd;
        word += length + (word[length] != '\0');
    }
    return strndup(release, end ? end : strlen(release));
}

static int newest_first(const void *a, const void *b)
{
    const struct kernel *const *left = a, *const *right = b;
    bool left_odd, right_odd;
    cleanup_free char *left_version = version_of((*left)->release, &left_odd);
    cleanup_free char *right_version = version_of((*right)->release, &right_odd);
    int order = strverscmp(right_version, left_version);
    if (order == 0)
        order = left_odd - right_odd;
    return order ? order : strverscmp((*right)->release, (*left)->release);
}

static void free_candidate(void *candidate)
{
    kernel_free(candidate);
}

/* The first that is usable; else NULL, and *ret_why tells of the newest that could do if it could
 * be read, or else of the newest at all. */
static struct kernel *pick_usable(GPtrArray *candidates, struct error **ret_why)
{
    cleanup_error struct error *unreadable = NULL, *unusable = NULL;
    for (guint i = 0; i < candidates->len; i++) {
        const struct kernel *kernel = candidates->pdata[i];
        if (check_modules(kernel, unusable ? NULL : &unusable) < 0)
            continue;
        if (check_image(kernel->image, unreadable ? NULL : &unreadable) == 0)
            return g_ptr_array_steal_index(candidates, i);
    }
    *ret_why = unreadable ? TAKE_PTR(unreadable) : TAKE_PTR(unusable);
    return NULL;
}

struct kernel *kernel_find(const char *sysroot, const char *asked_image, const char *state_dir,
                           struct error **err)
{
    if (asked_image)
        return find_asked(sysroot, asked_image, err);
    at_scope_end(cleanup_array_handler) GPtrArray *candidates =
        g_ptr_array_new_with_free_func(free_candidate);
    collect_boot(candidates, sysroot);
    collect_beside_modules(candidates, sysroot);
    collect_fetched(candidates, state_dir);
    /* The sort is stable: of one release the installed one stays first. */
    g_ptr_array_sort(candidates, newest_first);
    cleanup_error struct error *why = NULL;
    struct kernel *kernel = pick_usable(candidates, &why);
    if (kernel)
        return kernel;
    if (why)
        error_set(err, "no kernel for the probe guest: %s", why->message);
    else
        error_set(err,
                  "no kernel for the probe guest: no vmlinuz in %s/boot, %s/lib/modules or "
                  "%s/kernels",
                  sysroot, sysroot, state_dir);
    error_hint(err, "%s",
               why && why->hint ? why->hint
                                : "Debian: apt-get install " DEBIAN_KERNEL ", or run "
                                  "scripts/fetch-kernel, which changes nothing this machine boots; "
                                  "Fedora: kernel-core; or --kernel FILE");
    return NULL;
}
