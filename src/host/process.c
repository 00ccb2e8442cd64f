/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/process.h"

#include <dirent.h>
#include <errno.h>
#include <linux/ioprio.h>
#include <glib.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"

/* --- Starting --------------------------------------------------------------------------------- */

/* In the child: a killed run leaves no qemu-img behind that goes on writing. */
static void die_with_parent(void *unused)
{
    (void)unused;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static const char *last_line(char *text)
{
    g_strchomp(text);
    const char *newline = strrchr(text, '\n');
    return newline ? newline + 1 : text;
}

static int run(const char *const *argv, char **ret_output, int max_status, const char *hint,
               struct error **err)
{
    g_autofree char *said = NULL;
    g_autoptr(GError) gerror = NULL;
    int status;
    GSpawnFlags flags = G_SPAWN_SEARCH_PATH | (ret_output ? 0 : G_SPAWN_STDOUT_TO_DEV_NULL);
    if (!g_spawn_sync(NULL, (char **)argv, NULL, flags, die_with_parent, NULL, ret_output, &said,
                      &status, &gerror)) {
        error_set(err, "cannot run %s: %s", argv[0], gerror->message);
        return hint ? error_hint(err, "%s", hint) : -1;
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) <= max_status)
        return 0;
    if (WIFSIGNALED(status))
        return error_set(err, "%s was killed by signal %d", argv[0], WTERMSIG(status));
    return error_set(err, "%s failed: %s", argv[0], last_line(said));
}

int process_run(const char *const *argv, const char *hint, struct error **err)
{
    return run(argv, NULL, 0, hint, err);
}

char *process_read(const char *const *argv, int max_status, const char *hint, struct error **err)
{
    char *output = NULL;
    if (run(argv, &output, max_status, hint, err) == 0)
        return output;
    g_free(output);
    return NULL;
}

/* --- Finding ---------------------------------------------------------------------------------- */

char *process_command_line(pid_t pid, size_t *ret_length)
{
    cleanup_free char *path = xasprintf("/proc/%d/cmdline", (int)pid);
    return file_read(path, ret_length, NULL);
}

static bool has_words(pid_t pid, const char *const *words)
{
    size_t length;
    cleanup_free char *line = process_command_line(pid, &length);
    if (!line)
        return false;
    for (; *words; words++)
        if (!memmem(line, length, *words, strlen(*words)))
            return false;
    return true;
}

/* The next process of the listing that has the words; 0 at its end. */
static pid_t next_process(DIR *proc, const char *const *words)
{
    for (struct dirent *entry; (entry = readdir(proc));) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (pid > 0 && pid != getpid() && has_words(pid, words))
            return pid;
    }
    return 0;
}

pid_t process_find(const char *const *words)
{
    DIR *proc = opendir("/proc");
    if (!proc)
        return 0;
    pid_t pid = next_process(proc, words);
    closedir(proc);
    return pid;
}

void process_kill(const char *const *words)
{
    DIR *proc = opendir("/proc");
    if (!proc)
        return;
    for (pid_t pid; (pid = next_process(proc, words));) {
        /* Between the look and the kill the number could have passed on to another process: hold
         * the process, then look again. */
        cleanup_close int fd = (int)syscall(SYS_pidfd_open, pid, 0);
        if (fd < 0 || !has_words(pid, words) ||
            syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) < 0)
            continue;
        poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 5000);
    }
    closedir(proc);
}

int process_cpu_ns(pid_t pid, uint64_t *ret_ns, struct error **err)
{
    clockid_t clock;
    struct timespec t;
    int r = clock_getcpuclockid(pid, &clock);
    if (!r && clock_gettime(clock, &t) < 0)
        r = errno;
    if (r)
        return error_set_errno(err, r, "cannot read the CPU time of process %d", (int)pid);
    *ret_ns = (uint64_t)t.tv_sec * NS_PER_SECOND + (uint64_t)t.tv_nsec;
    return 0;
}

/* --- Priority of I/O -------------------------------------------------------------------------- */

int process_set_io_priority(pid_t pid, enum io_priority priority, struct error **err)
{
    /* Not static: in some versions of Linux's header these are function calls. */
    const int values[] = {
        [IO_PRIORITY_LOW] = IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, IOPRIO_NR_LEVELS - 1),
        [IO_PRIORITY_IDLE] = IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0),
    };
    if (priority == IO_PRIORITY_KEPT)
        return 0;
    cleanup_free char *path = xasprintf("/proc/%d/task", (int)pid);
    DIR *tasks = opendir(path);
    int failed = tasks ? 0 : errno;
    for (struct dirent *entry; tasks && (entry = readdir(tasks));) {
        long tid = strtol(entry->d_name, NULL, 10);
        /* A thread that has ended meanwhile needs none. */
        if (tid > 0 && syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, tid, values[priority]) < 0 &&
            errno != ESRCH)
            failed = errno;
    }
    if (tasks)
        closedir(tasks);
    return failed
               ? error_set_errno(err, failed, "cannot set the I/O priority of process %d", (int)pid)
               : 0;
}
