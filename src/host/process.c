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
#include "base/interrupt.h"
#include "base/memory.h"

/* --- Starting --------------------------------------------------------------------------------- */

/* Some versions of Linux's header have function calls here, so that these are no constants. */
static int io_priority_value(enum io_priority priority)
{
    return priority == IO_PRIORITY_LOW ? IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, IOPRIO_NR_LEVELS - 1)
                                       : IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0);
}

/* A program that was started, and what it has written so far. */
struct child {
    const char *name;
    pid_t pid;
    int output_fd, said_fd;    /* its standard output and error; -1: not ours, or at the end */
    GByteArray *output, *said; /* of the latter the end alone is kept */
};

/* What is too much: of the output an error; of what is said, which a damaged image makes a line for
 * each cluster of, its beginning is dropped. */
#define OUTPUT_MAX (16 << 20)
#define SAID_MAX (64 << 10)

static void child_done(struct child *c)
{
    cleanup_close_handler(&c->output_fd);
    cleanup_close_handler(&c->said_fd);
    g_byte_array_unref(c->output);
    g_byte_array_unref(c->said);
}
#define cleanup_child at_scope_end(child_done)

/* In the child: a killed run leaves no qemu-img behind that goes on writing. The signals that a
 * thread of ours leaves to others (base/interrupt.h) are its own again. */
static void prepare_child(void *data)
{
    const enum io_priority *priority = data;
    sigset_t none;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (*priority != IO_PRIORITY_KEPT)
        syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, io_priority_value(*priority));
}

static int start(struct child *c, const char *const *argv, bool with_output,
                 enum io_priority priority, const char *hint, struct error **err)
{
    g_autoptr(GError) gerror = NULL;
    GSpawnFlags flags = G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD |
                        (with_output ? 0 : G_SPAWN_STDOUT_TO_DEV_NULL);
    *c = (struct child){argv[0], 0, -1, -1, g_byte_array_new(), g_byte_array_new()};
    if (g_spawn_async_with_pipes(NULL, (char **)argv, NULL, flags, prepare_child, &priority,
                                 &c->pid, NULL, with_output ? &c->output_fd : NULL, &c->said_fd,
                                 &gerror))
        return 0;
    error_set(err, "cannot run %s: %s", argv[0], gerror->message);
    return hint ? error_hint(err, "%s", hint) : -1;
}

/* Appends what there is to read; at the end the descriptor is closed, and -1. */
static void read_some(int *fd, GByteArray *to)
{
    uint8_t buffer[8192];
    ssize_t n = read(*fd, buffer, sizeof(buffer));
    if (n > 0) {
        g_byte_array_append(to, buffer, (guint)n);
    } else if (n == 0 || errno != EINTR) {
        close(*fd);
        *fd = -1;
    }
}

static int read_both(struct child *c, const struct pollfd *fds, struct error **err)
{
    if (fds[0].revents)
        read_some(&c->output_fd, c->output);
    if (fds[1].revents)
        read_some(&c->said_fd, c->said);
    if (c->said->len > 2 * SAID_MAX)
        g_byte_array_remove_range(c->said, 0, c->said->len - SAID_MAX);
    return c->output->len > OUTPUT_MAX ? error_set(err, "%s wrote more than 16 MiB", c->name) : 0;
}

/* Reads what it writes, until it has ended. */
static int follow(struct child *c, bool interruptible, struct error **err)
{
    cleanup_close int ended = (int)syscall(SYS_pidfd_open, c->pid, 0);
    for (bool over = false; !over || c->output_fd >= 0 || c->said_fd >= 0;) {
        /* poll passes over a descriptor that is not there. */
        struct pollfd fds[] = {
            {.fd = c->output_fd, .events = POLLIN},
            {.fd = c->said_fd, .events = POLLIN},
            {.fd = over ? -1 : ended, .events = POLLIN},
            {.fd = interruptible ? interrupt_fd() : -1, .events = POLLIN},
        };
        if (poll(fds, ARRAY_SIZE(fds), -1) < 0)
            continue;
        if ((interruptible && interrupt_check(err) < 0) || read_both(c, fds, err) < 0)
            return -1;
        /* Without such a descriptor (before Linux 5.3): when it has closed both. */
        over = over || fds[2].revents || (ended < 0 && c->output_fd < 0 && c->said_fd < 0);
    }
    return 0;
}

static const char *last_line(char *text)
{
    g_strchomp(text);
    const char *newline = strrchr(text, '\n');
    return newline ? newline + 1 : text;
}

/* What was written as text, "" for nothing; the caller frees. */
static char *text_of(const GByteArray *bytes)
{
    return bytes->len ? g_strndup((const char *)bytes->data, bytes->len) : g_strdup("");
}

void process_end_done(struct process_end *e)
{
    g_free(e->output);
    g_free(e->said);
    *e = (struct process_end){0};
}

static int run(const char *const *argv, bool with_output, bool considerate, const char *hint,
               struct process_end *ret, struct error **err)
{
    cleanup_child struct child c;
    int status;
    if (start(&c, argv, with_output, considerate ? IO_PRIORITY_LOW : IO_PRIORITY_KEPT, hint, err) <
        0)
        return -1;
    int r = follow(&c, considerate, err);
    if (r < 0)
        kill(c.pid, SIGKILL);
    while (waitpid(c.pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (r < 0)
        return -1;
    /* Ctrl-C at the terminal is for it as for us. */
    if (WIFSIGNALED(status))
        return interrupt_check(err) < 0
                   ? -1
                   : error_set(err, "%s was killed by signal %d", argv[0], WTERMSIG(status));
    *ret = (struct process_end){WEXITSTATUS(status), text_of(c.output), text_of(c.said)};
    return 0;
}

int process_watch(const char *const *argv, const char *hint, struct process_end *ret,
                  struct error **err)
{
    return run(argv, /* with_output = */ true, /* considerate = */ true, hint, ret, err);
}

static int run_up_to(const char *const *argv, char **ret_output, int max_status, const char *hint,
                     struct error **err)
{
    cleanup_process_end struct process_end end = {0};
    if (run(argv, ret_output != NULL, /* considerate = */ false, hint, &end, err) < 0)
        return -1;
    if (end.status > max_status)
        return error_set(err, "%s failed: %s", argv[0], last_line(end.said));
    if (ret_output)
        *ret_output = TAKE_PTR(end.output);
    return 0;
}

int process_run(const char *const *argv, const char *hint, struct error **err)
{
    return run_up_to(argv, NULL, 0, hint, err);
}

char *process_read(const char *const *argv, int max_status, const char *hint, struct error **err)
{
    char *output = NULL;
    return run_up_to(argv, &output, max_status, hint, err) == 0 ? output : NULL;
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
    if (priority == IO_PRIORITY_KEPT)
        return 0;
    cleanup_free char *path = xasprintf("/proc/%d/task", (int)pid);
    DIR *tasks = opendir(path);
    int failed = tasks ? 0 : errno;
    for (struct dirent *entry; tasks && (entry = readdir(tasks));) {
        long tid = strtol(entry->d_name, NULL, 10);
        /* A thread that has ended meanwhile needs none. */
        if (tid > 0 &&
            syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, tid, io_priority_value(priority)) < 0 &&
            errno != ESRCH)
            failed = errno;
    }
    if (tasks)
        closedir(tasks);
    return failed
               ? error_set_errno(err, failed, "cannot set the I/O priority of process %d", (int)pid)
               : 0;
}
