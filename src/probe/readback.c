/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * readback.c - configured is not effective.
 *
 * QMP does not tell a file node's AIO mode, so it is read where QEMU itself got it: on the command
 * line of the process. A mode that was asked for can still have failed: QEMU then only logs that it
 * falls back to its thread pool. Linux AIO contexts show as mappings named [aio], io_uring
 * instances as descriptors, so a fallback is also seen where no log is. Up to 8.1 an event loop
 * gets what a mode needs as soon as a disk of it is there, later ones only at the first request
 * that goes to the file: before that, that there is none means nothing.
 */
#include "probe/readback.h"

#include <dirent.h>
#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/text.h"
#include "host/process.h"
#include "probe/device.h"
#include "probe/qmp.h"

/* --- QMP -------------------------------------------------------------------------------------- */

/* query-block's entry of the disk with this image; a borrowed reference into `blocks`. */
static json_t *find_block(json_t *blocks, const char *image)
{
    size_t i;
    json_t *block;
    json_array_foreach (blocks, i, block) {
        json_t *inserted = json_object_get(block, "inserted");
        const char *file = json_string_value(json_object_get(inserted, "file"));
        if (file && strcmp(file, image) == 0)
            return block;
    }
    return NULL;
}

/* --- The process ------------------------------------------------------------------------------ */

/* The argument of -blockdev in which `key` is `value`; NULL where there is none. The caller owns
 * it. */
static json_t *find_blockdev(struct probe *p, const char *key, const char *value)
{
    size_t length;
    cleanup_free char *line = p->pid ? process_command_line(p->pid, &length) : NULL;
    for (const char *a = line; line && a < line + length; a += strlen(a) + 1) {
        cleanup_json json_t *node = a[0] == '{' ? json_loads(a, 0, NULL) : NULL;
        const char *found = json_string_value(json_object_get(node, key));
        if (found && strcmp(found, value) == 0)
            return TAKE_PTR(node);
    }
    return NULL;
}

/* The AIO mode of the image; static. */
static const char *read_aio(struct probe *p, const char *image, struct error **err)
{
    static const char *const modes[] = {"threads", "native", "io_uring"};
    cleanup_json json_t *node = find_blockdev(p, "filename", image);
    if (!node) {
        error_set(err, "QEMU's command line does not say how it reads %s", image);
        return NULL;
    }
    const char *aio = json_string_value(json_object_get(node, "aio"));
    for (size_t i = 0; aio && i < ARRAY_SIZE(modes); i++)
        if (strcmp(aio, modes[i]) == 0)
            return modes[i];
    return aio ? "other" : "threads";
}

/* Whether the topmost node gives back what the guest discards, and its cache for tables; QMP does
 * not tell, so this is from the command line, too. That node has a name, and where one for the
 * format is above the file's, only the latter has the image's. */
static void read_top_node(struct probe *p, json_t *block, struct disk_config *ret)
{
    const char *name = "";
    json_unpack(block, "{s:{s:s}}", "inserted", "node-name", &name);
    cleanup_json json_t *node = find_blockdev(p, "node-name", name);
    const char *discard = json_string_value(json_object_get(node, "discard"));
    json_int_t cache = json_integer_value(json_object_get(node, "cache-size"));
    ret->discard = discard && strcmp(discard, "unmap") == 0;
    ret->metadata_cache_bytes = (uint64_t)cache;
}

/* What each descriptor of the process is, a line each; NULL where that cannot be read. The caller
 * frees. */
static char *list_descriptors(pid_t pid)
{
    cleanup_free char *path = xasprintf("/proc/%d/fd", (int)pid);
    cleanup_dir DIR *dir = opendir(path);
    if (!dir)
        return NULL;
    g_autoptr(GString) list = g_string_new(NULL);
    for (struct dirent *entry; (entry = readdir(dir));) {
        char target[4096];
        ssize_t n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target));
        if (n > 0)
            g_string_append_printf(list, "%.*s\n", (int)n, target);
    }
    return xstrdup(list->str);
}

/* --- Together --------------------------------------------------------------------------------- */

/* How much of the image was allocated beforehand: it has its blocks, or, as a qcow2 whose tables
 * alone were written, its full length. What has its blocks does not show how it came by them. */
static const char *read_preallocation(json_t *inserted, const char *format, const char *image,
                                      const char *asked)
{
    struct stat st;
    json_int_t size = 0;
    json_unpack(inserted, "{s:{s:I}}", "image", "virtual-size", &size);
    if (!size || stat(image, &st) < 0)
        return "off";
    if (st.st_blocks * 512 >= size)
        return strcmp(asked, "full") == 0 ? "full" : "falloc";
    return strcmp(format, "raw") != 0 && st.st_size >= size ? "metadata" : "off";
}

static int unknown_disk(const char *image, struct error **err)
{
    return error_set(err, "QEMU does not know the disk %s", image);
}

/* Whether the node with this driver is that which has a file or a device open. */
static bool opens_file(const char *driver)
{
    return strcmp(driver, "file") == 0 || strcmp(driver, "host_device") == 0;
}

/* The format by the driver of the topmost node; static. Above what is raw there need not be a node:
 * from 10.1 on, libvirt has none there, and the disk is of the node with the file itself. */
static const char *format_of(const char *driver)
{
    if (strcmp(driver, "raw") == 0 || opens_file(driver))
        return "raw";
    return strcmp(driver, "qcow2") == 0 ? "qcow2" : "other";
}

/* The cache flags of the node that has the image open: those of the format above it can be others,
 * and these decide whether the page cache is used. */
static int read_file_node(json_t *nodes, const char *image, bool *ret_direct, bool *ret_no_flush,
                          struct error **err)
{
    size_t i;
    json_t *node;
    json_array_foreach (nodes, i, node) {
        const char *driver, *file;
        int direct, no_flush;
        if (json_unpack(node, "{s:s, s:s, s:{s:b, s:b}}", "drv", &driver, "file", &file, "cache",
                        "direct", &direct, "no-flush", &no_flush) < 0 ||
            strcmp(file, image) != 0 || !opens_file(driver))
            continue;
        *ret_direct = direct;
        *ret_no_flush = no_flush;
        return 0;
    }
    return unknown_disk(image, err);
}

/* What query-block says of the image and of its topmost node. */
static void read_image(json_t *inserted, struct disk_config *ret)
{
    const char *zeroes = "off";
    json_int_t cluster = 0;
    int extended = 0;
    json_unpack(inserted, "{s:s}", "detect_zeroes", &zeroes);
    json_unpack(inserted, "{s:{s:I}}", "image", "cluster-size", &cluster);
    json_unpack(inserted, "{s:{s:{s:{s:b}}}}", "image", "format-specific", "data", "extended-l2",
                &extended);
    bool qcow2 = strcmp(ret->format, "qcow2") == 0;
    ret->cluster_bytes = qcow2 && cluster != DISK_CLUSTER_DEFAULT ? (uint32_t)cluster : 0;
    ret->extended_l2 = extended;
    ret->detect_zeroes = strcmp(zeroes, "off") != 0;
}

int readback_parse(json_t *blocks, json_t *nodes, const struct probe_disk *asked,
                   struct disk_config *ret, json_t **ret_block, struct error **err)
{
    json_t *block = find_block(blocks, asked->image_path);
    json_t *inserted = json_object_get(block, "inserted");
    const char *driver;
    int writeback, direct, no_flush;
    if (json_unpack(inserted, "{s:s, s:{s:b, s:b, s:b}}", "drv", &driver, "cache", "writeback",
                    &writeback, "direct", &direct, "no-flush", &no_flush) < 0)
        return unknown_disk(asked->image_path, err);
    bool file_direct = false, file_no_flush = false;
    if (read_file_node(nodes, asked->image_path, &file_direct, &file_no_flush, err) < 0)
        return -1;
    ret->format = format_of(driver);
    ret->cache =
        disk_config_cache_name(writeback, direct && file_direct, no_flush || file_no_flush);
    ret->preallocation =
        read_preallocation(inserted, ret->format, asked->image_path, asked->config->preallocation);
    read_image(inserted, ret);
    *ret_block = block;
    return 0;
}

int readback_disk(struct probe *p, const struct probe_disk *asked, struct disk_config *ret,
                  struct error **err)
{
    struct disk_config c = {0};
    json_t *block;
    cleanup_json json_t *blocks = qmp(p, json_pack("{s:s}", "execute", "query-block"), err);
    if (!blocks)
        return -1;
    cleanup_json json_t *nodes = qmp(
        p,
        json_pack("{s:s, s:{s:b}}", "execute", "query-named-block-nodes", "arguments", "flat", 1),
        err);
    if (!nodes || readback_parse(blocks, nodes, asked, &c, &block, err) < 0 ||
        device_read(p, block, &c, err) < 0)
        return -1;
    /* As many as there are vCPUs are what a disk has unasked, but can be asked for as well. */
    if (!c.queues && asked->config->queues == p->hello.vcpus)
        c.queues = asked->config->queues;
    read_top_node(p, block, &c);
    c.io = read_aio(p, asked->image_path, err);
    if (!c.io)
        return -1;
    *ret = c;
    return 0;
}

static const char *yes_or_no(bool value)
{
    return value ? "yes" : "no";
}

int readback_compare(const struct disk_config *asked, const struct disk_config *effective,
                     struct error **err)
{
    /* One queue is what machine types before 5.2 give a disk unasked. */
    bool unasked = !asked->queues && effective->queues == 1;
    const uint64_t values[] = {unasked ? 1 : asked->queues,
                               effective->queues,
                               asked->cluster_bytes,
                               effective->cluster_bytes,
                               asked->metadata_cache_bytes,
                               effective->metadata_cache_bytes,
                               disk_config_poll_ns(asked),
                               disk_config_poll_ns(effective),
                               asked->iothreads,
                               effective->iothreads};
    char numbers[ARRAY_SIZE(values)][24];
    for (size_t i = 0; i < ARRAY_SIZE(values); i++)
        snprintf(numbers[i], sizeof(numbers[i]), "%llu", (unsigned long long)values[i]);
    const struct {
        const char *what, *asked, *effective;
    } rows[] = {
        {"bus", asked->bus, effective->bus},
        {"format", asked->format, effective->format},
        {"preallocation", asked->preallocation, effective->preallocation},
        {"cache", asked->cache, effective->cache},
        {"io", asked->io, effective->io},
        {"iothread", yes_or_no(asked->iothread), yes_or_no(effective->iothread)},
        {"iothreads", numbers[8], numbers[9]},
        {"poll_max_ns", numbers[6], numbers[7]},
        {"queues", numbers[0], numbers[1]},
        {"cluster_size", numbers[2], numbers[3]},
        {"extended_l2", yes_or_no(asked->extended_l2), yes_or_no(effective->extended_l2)},
        {"metadata_cache", numbers[4], numbers[5]},
        {"discard", yes_or_no(asked->discard), yes_or_no(effective->discard)},
        {"detect_zeroes", yes_or_no(asked->detect_zeroes), yes_or_no(effective->detect_zeroes)},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (strcmp(rows[i].asked, rows[i].effective) != 0)
            return error_set(err, "%s='%s' was asked for, QEMU runs %s='%s'", rows[i].what,
                             rows[i].asked, rows[i].what, rows[i].effective);
    return 0;
}

/* --- Fallback --------------------------------------------------------------------------------- */

void readback_look(struct probe *p, struct readback_evidence *ret)
{
    cleanup_free char *maps = xasprintf("/proc/%d/maps", (int)p->pid);
    cleanup_free char *log = probe_log_path(p);
    *ret = (struct readback_evidence){
        .maps = file_read(maps, NULL, NULL),
        .descriptors = list_descriptors(p->pid),
        .log = file_read(log, NULL, NULL),
    };
}

void readback_evidence_done(struct readback_evidence *e)
{
    free(e->maps);
    free(e->descriptors);
    free(e->log);
}

/* The line of QEMU's log in which it falls back from the mode: io_uring by this name, else the
 * other. NULL for none; the caller frees. */
static char *find_fallback(const char *log, const char *io)
{
    static const char words[] = "falling back to thread pool";
    const char *end;
    for (const char *at = log; at && (at = strstr(at, words)); at = end) {
        const char *line = at;
        while (line > log && line[-1] != '\n')
            line--;
        end = at + strcspn(at, "\n");
        cleanup_free char *text = strndup(line, (size_t)(end - line));
        text_one_line(text);
        if (!strstr(text, "io_uring") == !!strcmp(io, "io_uring"))
            return TAKE_PTR(text);
    }
    return NULL;
}

static unsigned count_words(const char *text, const char *word)
{
    unsigned count = 0;
    for (; (text = strstr(text, word)); text += strlen(word))
        count++;
    return count;
}

char *readback_fallback(const struct readback_evidence *e, const char *io, unsigned loops)
{
    bool uring = strcmp(io, "io_uring") == 0;
    const char *place = uring ? e->descriptors : e->maps;
    cleanup_free char *fallback = find_fallback(e->log, io);
    if (fallback)
        return xasprintf("io='%s' was asked for, QEMU fell back to threads (%s)", io, fallback);
    if (place && loops) {
        unsigned found = count_words(place, uring ? "anon_inode:[io_uring]" : "/[aio]");
        return found >= loops ? NULL
                              : xasprintf("io='%s' was asked for, QEMU fell back to threads "
                                          "(%u %s where %u are needed)",
                                          io, found, uring ? "rings" : "AIO contexts", loops);
    }
    return e->log ? NULL
                  : xasprintf("io='%s' was asked for, and whether QEMU fell back to threads cannot "
                              "be seen: its log cannot be read",
                              io);
}
