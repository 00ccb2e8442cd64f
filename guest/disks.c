/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "disks.h"

#include <dirent.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"

#define SYS_BLOCK "/sys/block"

/* An attribute of a block device as one line; NULL when it has none. The caller frees. */
static char *read_attribute(const char *device, const char *attribute)
{
    cleanup_free char *path = xasprintf(SYS_BLOCK "/%s/%s", device, attribute);
    char *text = file_read(path, NULL, NULL);
    if (text)
        text_one_line(text);
    return text;
}

/* The serial of a disk; NULL when it has none. The caller frees. A SCSI disk tells it on a page of
 * its vital product data, behind a head of four bytes with its length (SPC-4, 7.8.18). */
static char *read_serial(const char *device)
{
    char *serial = read_attribute(device, "serial");
    if (serial)
        return serial;
    size_t length;
    cleanup_free char *path = xasprintf(SYS_BLOCK "/%s/device/vpd_pg80", device);
    cleanup_free char *page = file_read(path, &length, NULL);
    if (!page || length < 4)
        return NULL;
    size_t own = (size_t)(unsigned char)page[2] << 8 | (unsigned char)page[3];
    serial = strndup(page + 4, own < length - 4 ? own : length - 4);
    text_one_line(serial);
    return serial;
}

/* Calls `visit` for each disk that has a serial until it returns non-zero. */
static int for_each_disk(int (*visit)(const char *device, const char *serial, void *data),
                         void *data, struct error **err)
{
    cleanup_dir DIR *dir = opendir(SYS_BLOCK);
    if (!dir)
        return error_set(err, "the guest has no " SYS_BLOCK);
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (entry->d_name[0] == '.')
            continue;
        cleanup_free char *serial = read_serial(entry->d_name);
        if (serial && serial[0] && visit(entry->d_name, serial, data))
            break;
    }
    return 0;
}

static int append_disk(const char *device, const char *serial, void *data)
{
    struct hello *h = data;
    cleanup_free char *sectors = read_attribute(device, "size");
    h->disks = xreallocarray(h->disks, h->disk_count + 1, sizeof(*h->disks));
    struct hello_disk *disk = &h->disks[h->disk_count++];
    *disk = (struct hello_disk){.bytes = sectors ? strtoull(sectors, NULL, 10) * 512 : 0};
    strncpy(disk->serial, serial, sizeof(disk->serial) - 1);
    return 0;
}

int disks_list(struct hello *h, struct error **err)
{
    return for_each_disk(append_disk, h, err);
}

struct search {
    const char *serial;
    char *path;
};

static int match_disk(const char *device, const char *serial, void *data)
{
    struct search *search = data;
    if (strcmp(serial, search->serial) != 0)
        return 0;
    search->path = xasprintf("/dev/%s", device);
    return 1;
}

char *disks_find(const char *serial, struct error **err)
{
    struct search search = {.serial = serial};
    if (for_each_disk(match_disk, &search, err) == 0 && !search.path)
        error_set(err, "the guest has no disk with the serial %s", serial);
    return search.path;
}

int disks_stat(const char *serial, struct disk_stat *ret, struct error **err)
{
    cleanup_free char *path = disks_find(serial, err);
    if (!path)
        return -1;
    cleanup_free char *text = read_attribute(strrchr(path, '/') + 1, "stat");
    return text && disk_stat_read(text, ret) == 0
               ? 0
               : error_set(err, "%s has no statistics that can be read", path);
}
