/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/load.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "host/process.h"
#include "measure/disk_stat.h"

/* A sector of these counters is 512 bytes, whatever the disk's own is. */
#define SECTOR 512

int load_read(const char *sysroot, const char *path, struct load *ret, struct error **err)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return error_set_errno(err, errno, "cannot look at %s", path);
    cleanup_free char *name =
        xasprintf("%s/sys/dev/block/%u:%u/stat", sysroot, major(st.st_dev), minor(st.st_dev));
    cleanup_free char *text = file_read(name, NULL, err);
    struct disk_stat stat;
    if (!text)
        return -1;
    if (disk_stat_read(text, &stat) < 0)
        return error_set(err, "%s is not what it should be", name);
    *ret = (struct load){
        .at_ns = clock_now_ns(),
        .requests = stat.reads + stat.writes,
        .bytes = (stat.read_sectors + stat.written_sectors) * SECTOR,
        .busy_ns = disk_stat_busy_ms(&stat) * NS_PER_MS,
    };
    return 0;
}

/* --- Guests ----------------------------------------------------------------------------------- */

static void free_guest(void *data)
{
    struct guest_load *g = data;
    free(g->name);
    free(g);
}

uint64_t load_guest_bytes(pid_t pid)
{
    cleanup_free char *path = xasprintf("/proc/%d/io", (int)pid);
    cleanup_free char *text = file_read(path, NULL, NULL);
    uint64_t read = 0, written = 0;
    const char *line = text ? strstr(text, "\nread_bytes: ") : NULL;
    if (!line ||
        sscanf(line, "\nread_bytes: %" SCNu64 "\nwrite_bytes: %" SCNu64, &read, &written) != 2)
        return 0;
    return read + written;
}

static bool has_file_on(pid_t pid, dev_t device)
{
    cleanup_free char *directory = xasprintf("/proc/%d/fd", (int)pid);
    DIR *fds = opendir(directory);
    bool found = false;
    for (struct dirent *e; fds && !found && (e = readdir(fds));) {
        struct stat st;
        found = fstatat(dirfd(fds), e->d_name, &st, 0) == 0 && S_ISREG(st.st_mode) &&
                st.st_size > 0 && st.st_dev == device;
    }
    if (fds)
        closedir(fds);
    return found;
}

/* Whether a program of this path is a QEMU that has a guest: qemu-img, qemu-nbd and qemu-ga have
 * none.
 */
static bool runs_guests(const char *program)
{
    const char *slash = strrchr(program, '/'), *name = slash ? slash + 1 : program;
    return strncmp(name, "qemu-system-", strlen("qemu-system-")) == 0 ||
           strcmp(name, "qemu-kvm") == 0 || strcmp(name, "kvm") == 0;
}

/* What libvirt calls the guest of this process; NULL where it has none. The caller frees. */
static char *guest_name(pid_t pid)
{
    size_t length;
    cleanup_free char *line = process_command_line(pid, &length);
    if (!line)
        return NULL;
    const char *guest = memmem(line, length, "\0guest=", strlen("?guest="));
    if (!guest)
        return runs_guests(line) ? xstrdup("QEMU") : NULL;
    guest += strlen("?guest=");
    return strndup(guest, strcspn(guest, ","));
}

GPtrArray *load_guests(const char *path, pid_t own)
{
    GPtrArray *guests = g_ptr_array_new_with_free_func(free_guest);
    struct stat st;
    DIR *proc = stat(path, &st) == 0 ? opendir("/proc") : NULL;
    for (struct dirent *e; proc && (e = readdir(proc));) {
        pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);
        char *name = pid > 0 && pid != own ? guest_name(pid) : NULL;
        if (!name)
            continue;
        if (!has_file_on(pid, st.st_dev)) {
            free(name);
            continue;
        }
        struct guest_load *g = xcalloc(1, sizeof(*g));
        *g = (struct guest_load){pid, name, load_guest_bytes(pid)};
        g_ptr_array_add(guests, g);
    }
    if (proc)
        closedir(proc);
    return guests;
}
