/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * process.h - programs this one starts, and the QEMU process behind a domain.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

/* Runs argv[0], found in $PATH, with these arguments and no shell; it dies with this process.
 * 0 when it exits 0, else an error with the last line it wrote to standard error. `hint`, or NULL,
 * is added where the program is not there. */
int process_run(const char *const *argv, const char *hint, struct error **err);

/* Runs it likewise, and returns what it wrote to standard output, up to where it exits with at most
 * `max_status`; the caller frees. */
char *process_read(const char *const *argv, int max_status, const char *hint, struct error **err);

/* How a program that was watched has ended: its exit status, and what it wrote to standard output
 * and to standard error, of which, where it is long, the end is kept. */
struct process_end {
    int status;
    char *output, *said;
};
void process_end_done(struct process_end *e);
#define cleanup_process_end at_scope_end(process_end_done)

/* Runs one likewise that may take as long as storage does. After a signal (base/interrupt.h) it is
 * killed, and this returns as soon as it is gone, which takes that what it waits for lets it go. The
 * I/O of others goes before its (IO_PRIORITY_LOW). Any exit status is a result, with ret's strings
 * for process_end_done. Errors: it cannot be run, was killed, or wrote more than 16 MiB;
 * interrupted. */
int process_watch(const char *const *argv, const char *hint, struct process_end *ret,
                  struct error **err);

/* The process whose command line has each of `words` (NULL-terminated) in it; 0 for none. */
pid_t process_find(const char *const *words);

/* Kills such processes (SIGKILL) and waits until they are gone. */
void process_kill(const char *const *words);

/* The command line, arguments separated by NUL, with *ret_length; NULL when it is gone. The caller
 * frees. */
char *process_command_line(pid_t pid, size_t *ret_length);

/* How much others' I/O goes before that of a process (ionice(1)): as it is, the least of the usual
 * class, or whenever nobody else has any. */
enum io_priority { IO_PRIORITY_KEPT, IO_PRIORITY_LOW, IO_PRIORITY_IDLE };

/* Sets it for every thread that the process has; later ones have that of the thread that makes
 * them. Only I/O schedulers that know priorities (bfq, mq-deadline) heed it. Errors: no such
 * process, or one of another user. */
int process_set_io_priority(pid_t pid, enum io_priority priority, struct error **err);

/* CPU time, user and system of all threads, the process has used. */
int process_cpu_ns(pid_t pid, uint64_t *ret_ns, struct error **err);
