/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/root.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/text.h"
#include "host/record.h"

struct root {
    int fd;                /* of the directory; -1 for this machine */
    struct record *record; /* not owned; NULL: nothing is noted */
    json_t *refused;       /* of a capture; NULL */
};

/* --- Opening ---------------------------------------------------------------------------------- */

/* openat2(2) fails with EAGAIN where somebody renames on the way: how often it is tried. */
#define OPEN_TRIES 16

/* The largest that the kernel returns. */
#define ERRNO_MAX 4095

static int open_below(int fd, const char *path, int flags)
{
    const struct open_how how = {
        .flags = (uint64_t)(unsigned)flags,
        .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
    };
    long r = -1;
    for (int i = 0; i < OPEN_TRIES && r < 0; i++) {
        r = syscall(SYS_openat2, fd, path, &how, sizeof(how));
        if (r < 0 && errno != EAGAIN && errno != EINTR)
            break;
    }
    return (int)r;
}

/* What a capture says of this path: an errno value, 0 for nothing. */
static int refusal_of(const struct root *r, const char *path)
{
    json_int_t errnum = json_integer_value(json_object_get(r->refused, path));
    return errnum > 0 && errnum <= ERRNO_MAX ? (int)errnum : 0;
}

/* What is no list of refusals refuses nothing: at worst a text reads otherwise. */
static void read_refusals(struct root *r)
{
    size_t length;
    cleanup_free char *text = root_read_data(r, ROOT_REFUSALS_FILE, &length);
    r->refused = text ? json_loadb(text, length, 0, NULL) : NULL;
}

struct root *root_open(const char *directory, struct error **err)
{
    cleanup_root struct root *r = xcalloc(1, sizeof(*r));
    r->fd = -1;
    if (!directory || strcmp(directory, "/") == 0)
        return TAKE_PTR(r);
    r->fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    cleanup_close int again =
        r->fd < 0 ? -1 : open_below(r->fd, "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (again >= 0) {
        read_refusals(r);
        return TAKE_PTR(r);
    }
    if (r->fd >= 0 && errno == ENOSYS)
        error_set(err, "cannot look below %s: this takes openat2, which Linux has from 5.6 on",
                  directory);
    else
        error_set_errno(err, errno, "cannot open the directory %s", directory);
    return NULL;
}

void root_free(struct root *r)
{
    if (r && r->fd >= 0)
        close(r->fd);
    if (r)
        json_decref(r->refused);
    free(r);
}

bool root_is_machine(const struct root *r)
{
    return r->fd < 0;
}

void root_record_into(struct root *r, struct record *record)
{
    r->record = record;
}

struct record *root_record(const struct root *r)
{
    return r->record;
}

/* What an attempt to open came to; -1 is one that failed, for the reason in errno, which stays.
 * What is not there is not there in a capture. */
static void note_opened(const struct root *r, const char *path, int flags, int fd)
{
    int why = errno;
    struct stat st;
    if (fd >= 0 && fstat(fd, &st) == 0)
        record_seen(r->record, path, st.st_mode, !(flags & O_NOFOLLOW));
    else if (fd < 0 && !(flags & O_PATH) && why != ENOENT && why != ENOTDIR)
        record_refused(r->record, path, why);
    errno = why;
}

int root_openat(const struct root *r, const char *path, int flags)
{
    int refused = flags & O_PATH ? 0 : refusal_of(r, path);
    if (refused) {
        errno = refused;
        return -1;
    }
    flags |= O_CLOEXEC;
    int fd = root_is_machine(r) ? open(path, flags) : open_below(r->fd, path, flags);
    if (r->record)
        note_opened(r, path, flags, fd);
    return fd;
}

/* --- Reading ---------------------------------------------------------------------------------- */

/* Nothing but a file is read: of a FIFO or a terminal the end might never come. */
char *root_read_data(const struct root *r, const char *path, size_t *ret_length)
{
    struct stat st;
    size_t length;
    cleanup_close int fd = root_openat(r, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return NULL;
    errno = EFBIG; /* stays if it is too large to be read */
    char *data = file_read_rest(fd, path, &length, NULL);
    if (r->record && data)
        record_data(r->record, path, data, length);
    else if (r->record)
        record_refused(r->record, path, errno);
    if (data && ret_length)
        *ret_length = length;
    return data;
}

char *root_read(const struct root *r, const char *path)
{
    return root_read_data(r, path, NULL);
}

char *root_read_word(const struct root *r, const char *path)
{
    char *text = root_read(r, path);
    size_t length = text ? strlen(text) : 0;
    while (length && isspace((unsigned char)text[length - 1]))
        text[--length] = '\0';
    return text;
}

char *root_read_chosen(const struct root *r, const char *path)
{
    cleanup_free char *text = root_read_word(r, path);
    return text ? text_chosen(text) : NULL;
}

int64_t root_read_number(const struct root *r, const char *path_format, ...)
{
    va_list args;
    va_start(args, path_format);
    cleanup_free char *path = xvasprintf(path_format, args);
    va_end(args);
    cleanup_free char *text = root_read(r, path);
    char *end;
    errno = 0;
    long long n = text ? strtoll(text, &end, 10) : -1;
    return text && end != text && !errno ? n : -1;
}

char *root_readlink(const struct root *r, const char *path)
{
    char target[PATH_MAX];
    cleanup_close int fd = root_openat(r, path, O_PATH | O_NOFOLLOW);
    ssize_t n = fd < 0 ? -1 : readlinkat(fd, "", target, sizeof(target));
    char *link = n <= 0 || n == sizeof(target) ? NULL : strndup(target, (size_t)n);
    if (link && r->record)
        record_link(r->record, path, link);
    return link;
}

static gint compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

GPtrArray *root_list(const struct root *r, const char *path)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(free);
    cleanup_close int fd = root_openat(r, path, O_RDONLY | O_DIRECTORY | O_NONBLOCK);
    cleanup_dir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir)
        return names;
    (void)TAKE_FD(fd); /* closedir closes it */
    for (struct dirent *entry; (entry = readdir(dir));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            g_ptr_array_add(names, xstrdup(entry->d_name));
            if (r->record)
                record_name(r->record, path, entry->d_name, entry->d_type == DT_DIR);
        }
    g_ptr_array_sort(names, compare_names);
    return names;
}
