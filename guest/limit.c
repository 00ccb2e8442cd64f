/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "limit.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/memory.h"

#define GROUPS "/cgroup"
#define GROUP GROUPS "/held"

static int write_to(const char *path, const char *text, struct error **err)
{
    cleanup_close int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || file_write_all(fd, text, strlen(text)) < 0)
        return error_set_errno(err, errno, "%s", path);
    return 0;
}

static int make_directory(const char *path, struct error **err)
{
    return mkdir(path, 0700) < 0 && errno != EEXIST ? error_set_errno(err, errno, "%s", path) : 0;
}

/* A group below the root's, which has no limits itself, and this process in it. What a call before
 * has done, all of it or up to where it failed, is there already. */
static int join_group(struct error **err)
{
    if (make_directory(GROUPS, err) < 0)
        return -1;
    if (mount("cgroup2", GROUPS, "cgroup2", 0, NULL) < 0 && errno != EBUSY)
        return error_set_errno(err, errno, "cannot mount cgroup2");
    if (write_to(GROUPS "/cgroup.subtree_control", "+io", err) < 0 ||
        make_directory(GROUP, err) < 0)
        return -1;
    return write_to(GROUP "/cgroup.procs", "0", err);
}

int limit_disk(const char *device, uint64_t iops, struct error **err)
{
    struct stat st;
    if (stat(device, &st) < 0)
        return error_set_errno(err, errno, "%s", device);
    cleanup_free char *number = iops ? xasprintf("%" PRIu64, iops) : xstrdup("max");
    cleanup_free char *line =
        xasprintf("%u:%u riops=%s wiops=%s", major(st.st_rdev), minor(st.st_rdev), number, number);
    return join_group(err) < 0 ? -1 : write_to(GROUP "/io.max", line, err);
}
