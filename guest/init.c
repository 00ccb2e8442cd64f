/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * init.c - PID 1 of the probe guest: loads its drivers, says hello, does what it is told.
 *
 * The conversation is in measure/protocol.h. The console is there to explain a failure; nothing on
 * the host reads figures from it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/text.h"
#include "disks.h"
#include "filesystem.h"
#include "limit.h"
#include "measure/protocol.h"
#include "measure/sites.h"

/* What "prepare" set up: the disks and works that "run" and "latencies" refer to by number. */
static struct sites *sites;

/* --- Coming up ------------------------------------------------------------------------------ */

static void mount_all(void)
{
    static const struct {
        const char *type, *where;
    } mounts[] = {{"devtmpfs", "/dev"}, {"proc", "/proc"}, {"sysfs", "/sys"}};
    for (size_t i = 0; i < ARRAY_SIZE(mounts); i++)
        if (mount(mounts[i].type, mounts[i].where, mounts[i].type, 0, NULL) < 0 && errno != EBUSY)
            perror(mounts[i].where);
}

/* Loads /modules/NN-name.ko in the order of their names, which is the order they need. */
static void load_modules(void)
{
    struct dirent **entries;
    int count = scandir("/modules", &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        if (entries[i]->d_name[0] == '.')
            continue;
        cleanup_free char *path = xasprintf("/modules/%s", entries[i]->d_name);
        cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST)
            perror(path);
    }
}

/* The kernel's own limit is 1024 descriptors, and every job of every work has one for each disk,
 * and often a ring. */
static void allow_descriptors(void)
{
    if (setrlimit(RLIMIT_NOFILE, &(struct rlimit){1 << 20, 1 << 20}) < 0)
        perror("descriptors");
}

#define PORTS "/sys/class/virtio-ports"

/* Whether this is the virtio-serial port with our name. */
static int is_our_port(const struct dirent *entry)
{
    cleanup_free char *path = xasprintf(PORTS "/%s/name", entry->d_name);
    cleanup_free char *name = entry->d_name[0] != '.' ? file_read(path, NULL, NULL) : NULL;
    if (name)
        text_one_line(name);
    return name && strcmp(name, PROTOCOL_PORT) == 0;
}

/* Opens it. Its number is that of its device among all of virtio: a disk before it counts. */
static int open_port(void)
{
    for (unsigned attempt = 0; attempt < 500; attempt++) {
        struct dirent **entries = NULL;
        int fd = -1, count = scandir(PORTS, &entries, is_our_port, alphasort);
        for (int i = 0; i < count; i++) {
            cleanup_free char *path = xasprintf("/dev/%s", entries[i]->d_name);
            if (fd < 0)
                fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
            free(entries[i]);
        }
        free(entries);
        if (fd >= 0)
            return fd;
        usleep(10000);
    }
    return -1;
}

static json_t *hello(void)
{
    struct hello h = {.vcpus = (unsigned)sysconf(_SC_NPROCESSORS_ONLN)};
    cleanup_error struct error *err = NULL;
    struct utsname name;
    uname(&name);
    h.kernel = xstrdup(name.release);
    h.clocksource =
        file_read("/sys/devices/system/clocksource/clocksource0/current_clocksource", NULL, NULL);
    if (h.clocksource)
        text_one_line(h.clocksource);
    else
        h.clocksource = xstrdup("unknown");
    if (disks_list(&h, &err) < 0)
        fprintf(stderr, "%s\n", err->message);
    json_t *json = hello_to_json(&h);
    hello_done(&h);
    return json;
}

/* --- The commands: each returns the reply, or NULL with an error ------------------------------ */

static json_t *do_clock(json_t *command, struct error **err)
{
    (void)command, (void)err;
    return json_pack("{s:I}", "now_ns", (json_int_t)clock_now_ns());
}

/* The serial that a command is about. */
static const char *serial_of(json_t *command)
{
    const char *serial = json_string_value(json_object_get(command, "serial"));
    return serial ? serial : "";
}

/* What work on this disk is done on: a file on it where it was formatted. The caller frees. */
static char *find_target(const char *serial, struct error **err)
{
    char *file = filesystem_file(serial);
    return file ? file : disks_find(serial, err);
}

static json_t *do_format(json_t *command, struct error **err)
{
    const char *type = json_string_value(json_object_get(command, "type"));
    uint64_t bytes, written = 0;
    if (protocol_get_u64(command, "bytes", &bytes, err) < 0 ||
        filesystem_put(serial_of(command), type ? type : "", bytes, &written, err) < 0)
        return NULL;
    return json_pack("{s:I}", "written_bytes", (json_int_t)written);
}

static json_t *do_fill(json_t *command, struct error **err)
{
    uint64_t seed, bytes, written = 0;
    if (protocol_get_u64(command, "seed", &seed, err) < 0 ||
        protocol_get_u64(command, "bytes", &bytes, err) < 0)
        return NULL;
    cleanup_free char *path = find_target(serial_of(command), err);
    if (!path || target_fill(path, bytes, seed, &written, err) < 0)
        return NULL;
    return json_pack("{s:I}", "written_bytes", (json_int_t)written);
}

static json_t *do_prepare(json_t *command, struct error **err)
{
    sites_free(TAKE_PTR(sites));
    uint64_t seed;
    json_t *serials = json_object_get(command, "serials");
    bool once = json_is_true(json_object_get(command, "once"));
    cleanup_suite struct suite *suite = suite_from_json(json_object_get(command, "works"), err);
    if (!suite || protocol_get_u64(command, "seed", &seed, err) < 0)
        return NULL;
    sites = sites_new(suite, once, seed, err);
    if (!sites)
        return NULL;
    size_t i;
    json_t *value;
    json_array_foreach (serials, i, value) {
        const char *serial = json_string_value(value);
        cleanup_free char *path = find_target(serial ? serial : "", err);
        if (!path || sites_add(sites, path, seed + i, err) < 0) {
            sites_free(TAKE_PTR(sites));
            return NULL;
        }
    }
    return json_object();
}

/* A number that has to be below `count`. */
static int prepared_number(json_t *number, size_t count, size_t *ret, struct error **err)
{
    json_int_t i = json_is_integer(number) ? json_integer_value(number) : -1;
    if (i < 0 || (uint64_t)i >= count)
        return error_set(err, "nothing with such a number was prepared");
    *ret = (size_t)i;
    return 0;
}

static size_t prepared_disks(void)
{
    return sites ? sites_disks(sites) : 0;
}

/* One slice on a disk: an array with one for each work of the group. */
static json_t *run_disk(size_t disk, unsigned group, const struct budget *budget,
                        struct error **err)
{
    unsigned count;
    suite_group(sites_suite(sites), group, &count);
    cleanup_free struct slice *slices = xcalloc(count, sizeof(*slices));
    if (sites_run(sites, disk, group, budget, slices, err) < 0)
        return NULL;
    json_t *all = json_array();
    for (unsigned i = 0; i < count; i++)
        json_array_append_new(all, slice_to_json(&slices[i]));
    return all;
}

static json_t *do_run(json_t *command, struct error **err)
{
    struct budget budget;
    size_t group = 0, disk = 0, i;
    size_t groups = sites ? suite_groups(sites_suite(sites)) : 0;
    if (budget_from_json(json_object_get(command, "budget"), &budget, err) < 0 ||
        prepared_number(json_object_get(command, "group"), groups, &group, err) < 0)
        return NULL;
    cleanup_json json_t *slices = json_array();
    json_t *number;
    json_array_foreach (json_object_get(command, "order"), i, number) {
        if (prepared_number(number, prepared_disks(), &disk, err) < 0)
            return NULL;
        json_t *own = run_disk(disk, (unsigned)group, &budget, err);
        if (!own)
            return NULL;
        json_array_append_new(slices, own);
    }
    return json_pack("{s:O}", "slices", slices);
}

static json_t *do_latencies(json_t *command, struct error **err)
{
    size_t disk = 0, work = 0, works = sites ? sites_suite(sites)->count : 0;
    if (prepared_number(json_object_get(command, "disk"), prepared_disks(), &disk, err) < 0 ||
        prepared_number(json_object_get(command, "work"), works, &work, err) < 0)
        return NULL;
    cleanup_free struct histogram *all = xcalloc(1, sizeof(*all));
    sites_add_latencies(sites, disk, (unsigned)work, all);
    return histogram_to_json(all);
}

static json_t *do_forget(json_t *command, struct error **err)
{
    (void)command, (void)err;
    if (sites)
        sites_clear_latencies(sites);
    return json_object();
}

static json_t *do_diskstat(json_t *command, struct error **err)
{
    struct disk_stat stat;
    if (disks_stat(serial_of(command), &stat, err) < 0)
        return NULL;
    return json_pack("{s:I, s:I}", "requests", (json_int_t)(stat.reads + stat.writes), "busy_ms",
                     (json_int_t)disk_stat_busy_ms(&stat));
}

static json_t *do_limit(json_t *command, struct error **err)
{
    uint64_t iops;
    cleanup_free char *path = disks_find(serial_of(command), err);
    if (!path || protocol_get_u64(command, "iops", &iops, err) < 0 ||
        limit_disk(path, iops, err) < 0)
        return NULL;
    return json_object();
}

static const struct {
    const char *name;
    json_t *(*run)(json_t *command, struct error **err);
} commands[] = {
    {"clock", do_clock},     {"format", do_format},     {"fill", do_fill},
    {"prepare", do_prepare}, {"run", do_run},           {"latencies", do_latencies},
    {"forget", do_forget},   {"diskstat", do_diskstat}, {"limit", do_limit},
};

static json_t *dispatch(json_t *command, struct error **err)
{
    const char *name = json_string_value(json_object_get(command, "do"));
    for (size_t i = 0; name && i < ARRAY_SIZE(commands); i++)
        if (strcmp(name, commands[i].name) == 0)
            return commands[i].run(command, err);
    error_set(err, "no such command");
    return NULL;
}

/* --- The conversation ------------------------------------------------------------------------- */

/* Waits until the port can be read or written (POLLIN, POLLOUT). -1 when the host has hung up. The
 * port is never read or written blocking: a write to one whose host is gone does not return. */
static int wait_for_port(int port, short what)
{
    struct pollfd p = {.fd = port, .events = what};
    while (poll(&p, 1, -1) < 0)
        if (errno != EINTR)
            return -1;
    return p.revents & what ? 0 : -1;
}

static int say(int port, json_t *message)
{
    cleanup_free char *text = json_dumps(message, JSON_COMPACT);
    cleanup_free char *line = xasprintf("%s\n", text);
    size_t length = strlen(line);
    for (const char *rest = line; length;) {
        ssize_t n = write(port, rest, length);
        if (n < 0 && errno == EAGAIN && wait_for_port(port, POLLOUT) == 0)
            continue;
        if (n < 0)
            return -1;
        rest += n;
        length -= (size_t)n;
    }
    return 0;
}

/* The next line, which the caller frees; NULL when the host has hung up. A command is answered
 * before the next one comes, so nothing is lost with what stands behind a line break. */
static char *listen_for_line(int port)
{
    cleanup_free char *line = NULL;
    size_t length = 0, capacity = 0;
    for (;;) {
        if (length + 4096 > capacity) {
            capacity += 65536;
            line = xreallocarray(line, capacity, 1);
        }
        ssize_t n = read(port, line + length, 4095);
        if (n < 0 && errno == EAGAIN && wait_for_port(port, POLLIN) == 0)
            continue;
        if (n <= 0)
            return NULL;
        length += (size_t)n;
        if (line[length - 1] == '\n') {
            line[length] = '\0';
            return TAKE_PTR(line);
        }
    }
}

/* Waits until the host's end of the port is open: before that, poll says POLLHUP. A host that was
 * killed while the guest booted never comes. */
static bool wait_for_host(int port)
{
    for (uint64_t end = clock_now_ns() + 120 * NS_PER_SECOND; clock_now_ns() < end;) {
        struct pollfd p = {.fd = port, .events = POLLIN};
        if (poll(&p, 1, 10) >= 0 && !(p.revents & POLLHUP))
            return true;
        usleep(1000);
    }
    return false;
}

/* Answers commands until "quit" or until the host hangs up. */
static void converse(int port)
{
    for (char *line; (line = listen_for_line(port));) {
        cleanup_free char *owned = line;
        cleanup_error struct error *err = NULL;
        cleanup_json json_t *command = json_loads(owned, 0, NULL);
        const char *name = json_string_value(json_object_get(command, "do"));
        if (name && strcmp(name, "quit") == 0)
            return;
        cleanup_json json_t *reply = dispatch(command, &err);
        if (!reply)
            reply = json_pack("{s:s}", "error", err ? err->message : "unknown");
        if (say(port, reply) < 0)
            return;
    }
}

int main(void)
{
    mount_all();
    load_modules();
    allow_descriptors();
    int port = open_port();
    if (port < 0) {
        fprintf(stderr, "the probe guest has no port " PROTOCOL_PORT "\n");
    } else if (wait_for_host(port)) {
        cleanup_json json_t *greeting = hello();
        if (say(port, greeting) == 0)
            converse(port);
    }
    reboot(RB_POWER_OFF);
}
