/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tables.c - runs qemu-img check.
 *
 * An image that is written to is in no state to be judged: clusters are allocated before they are
 * referred to, and tables lie in QEMU's cache. QEMU locks what it writes to, so qemu-img is to take
 * its lock as well (never --force-share), and fails where there is another. While it has it, QEMU
 * starts no guest that would write to the image. Where locks do not reach (NFS without them,
 * locking=off), a file that has changed meanwhile gives the writer away.
 */
#include "host/tables.h"

#include <glib.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>

#include "base/interrupt.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/text.h"
#include "host/process.h"

/* --- What it prints --------------------------------------------------------------------------- */

/* A count that is not there is 0 (qemu: qapi/block-core.json, ImageCheck). */
static int read_count(const json_t *from, const char *key, uint64_t *ret, struct error **err)
{
    const json_t *value = json_object_get(from, key);
    if (value && (!json_is_integer(value) || json_integer_value(value) < 0))
        return error_set(err, "qemu-img's '%s' is no count", key);
    *ret = (uint64_t)json_integer_value(value);
    return 0;
}

int image_tables_parse(const char *json, struct image_tables *ret, struct error **err)
{
    struct image_tables t = {0};
    uint64_t failed = 0;
    cleanup_json json_t *root = json_loads(json, 0, NULL);
    if (!json_is_object(root))
        return error_set(err, "what qemu-img printed is not understood");
    if (read_count(root, "check-errors", &failed, err) < 0 ||
        read_count(root, "corruptions", &t.corruptions, err) < 0 ||
        read_count(root, "leaks", &t.leaks, err) < 0 ||
        read_count(root, "allocated-clusters", &t.allocated, err) < 0 ||
        read_count(root, "compressed-clusters", &t.compressed, err) < 0 ||
        read_count(root, "fragmented-clusters", &t.fragmented, err) < 0)
        return -1;
    if (failed)
        return error_set(err, "qemu-img could not read all of them: %" PRIu64 " errors", failed);
    *ret = t;
    return 0;
}

/* --- Running it ------------------------------------------------------------------------------- */

enum { STATUS_SOUND = 0, STATUS_CORRUPT = 2, STATUS_LEAKS = 3 };

/* The image as QEMU's options in JSON, where a path is nothing but a path: by itself, "nbd:a" would
 * be a protocol, and "-r" an option. Unless told that there is none, qemu-img check (tried
 * with 7.2) opens the image behind as well, by whatever name the header has for it ("json:{}",
 * "nbd://"). NULL: the path is no UTF-8. The caller frees. */
static char *options_of(const char *path, bool block_device)
{
    cleanup_json json_t *options =
        json_pack("{s:s, s:{s:s, s:s}, s:n}", "driver", "qcow2", "file", "driver",
                  block_device ? "host_device" : "file", "filename", path, "backing");
    cleanup_free char *text = options ? json_dumps(options, JSON_COMPACT) : NULL;
    return text ? xasprintf("json:%s", text) : NULL;
}

/* The last line of what was said, or all that comes behind "Could not open 'NAME': "; in one line,
 * for the caller to free. */
static char *complaint(const char *said, const char *name)
{
    static const char program[] = "qemu-img: ";
    cleanup_free char *begins = xasprintf("'%s': ", name);
    const char *named = strstr(said, begins);
    cleanup_free char *text = xstrdup(named ? named + strlen(begins) : said);
    g_strchomp(text);
    const char *last = named ? NULL : strrchr(text, '\n');
    const char *line = last ? last + 1 : text;
    if (g_str_has_prefix(line, program))
        line += strlen(program);
    char *one = xstrdup(*line ? line : "qemu-img failed");
    text_one_line(one);
    return one;
}

/* QEMU's hint beside every lock that it did not get (block/file-posix.c). */
static bool is_locked(const struct process_end *end)
{
    return end->status == 1 && strstr(end->said, "\nIs another process using the image");
}

static void judge(const struct process_end *end, const char *name, struct image_tables *ret)
{
    cleanup_error struct error *err = NULL;
    ret->in_use = is_locked(end);
    if (ret->in_use)
        return;
    bool complete =
        end->status == STATUS_SOUND || end->status == STATUS_CORRUPT || end->status == STATUS_LEAKS;
    if (!complete && !*end->output)
        ret->unread = complaint(end->said, name);
    else if (image_tables_parse(end->output, ret, &err) < 0)
        ret->unread = TAKE_PTR(err->message);
    else if (!complete || (end->status == STATUS_CORRUPT) != (ret->corruptions > 0))
        ret->unread =
            xasprintf("qemu-img's exit status %d does not fit what it printed", end->status);
}

/* Of a block device the times say nothing. */
static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static int watch(const char *path, const char *options, struct image_tables *ret,
                 struct error **err)
{
    const char *const argv[] = {"qemu-img", "check", "--output=json", options, NULL};
    cleanup_process_end struct process_end end = {0};
    cleanup_error struct error *failed = NULL;
    struct stat before = {0}, after = {0};
    stat(path, &before);
    if (process_watch(argv, NULL, &end, &failed) < 0) {
        if (interrupt_check(err) < 0)
            return -1;
        ret->unread = TAKE_PTR(failed->message);
        return 0;
    }
    stat(path, &after);
    judge(&end, options, ret);
    if (!is_same(&before, &after)) {
        image_tables_done(ret);
        ret->in_use = true;
    }
    return 0;
}

int image_tables_read(const char *path, bool block_device, struct image_tables *ret,
                      struct error **err)
{
    cleanup_free char *options = options_of(path, block_device);
    *ret = (struct image_tables){0};
    if (options)
        return watch(path, options, ret, err);
    ret->unread = xstrdup("its path is no UTF-8, which QEMU's options are");
    return 0;
}

void image_tables_done(struct image_tables *t)
{
    free(t->unread);
    *t = (struct image_tables){0};
}
