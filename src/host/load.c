/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/load.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"

/* A sector of these counters is 512 bytes, whatever the disk's own is. */
#define SECTOR 512

int load_read(const char *sysroot, const char *path, struct load *ret, struct error **err)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return error_set_errno(err, errno, "cannot look at %s", path);
    cleanup_free char *name = xasprintf("%s/sys/dev/block/%u:%u/stat", sysroot, major(st.st_dev),
                                        minor(st.st_dev));
    cleanup_free char *text = file_read(name, NULL, err);
    uint64_t reads, read_sectors, writes, written_sectors;
    if (!text)
        return -1;
    if (sscanf(text, "%" SCNu64 " %*u %" SCNu64 " %*u %" SCNu64 " %*u %" SCNu64, &reads,
               &read_sectors, &writes, &written_sectors) != 4)
        return error_set(err, "%s is not what it should be", name);
    *ret = (struct load){
        .at_ns = clock_now_ns(),
        .requests = reads + writes,
        .bytes = (read_sectors + written_sectors) * SECTOR,
    };
    return 0;
}
