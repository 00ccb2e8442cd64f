/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * child.h - a process to be found by the words on its command line: the test program itself, which
 * is called with --child and sleeps then.
 */
#pragma once

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/memory.h"
#include "host/process.h"

/* To be asked first in main(): whether this is such a process, which is over then. */
static inline bool child_was(int argc, char **argv)
{
    bool is_child = argc > 1 && strcmp(argv[1], "--child") == 0;
    if (is_child)
        sleep(60);
    return is_child;
}

/* Starts it as a program of this name with two words more, and waits until it is what its command
 * line says. */
static inline pid_t start_child_as(const char *name, const char *first, const char *second)
{
    int ends[2];
    char nothing;
    assert(pipe2(ends, O_CLOEXEC) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execl("/proc/self/exe", name, "--child", first, second, NULL);
        _exit(127);
    }
    /* The pipe is closed by the exec. */
    close(ends[1]);
    assert(pid > 0 && read(ends[0], &nothing, 1) == 0);
    close(ends[0]);
    return pid;
}

static inline pid_t start_child(const char *first, const char *second)
{
    return start_child_as(program_invocation_short_name, first, second);
}

/* A process_kill() that takes everything for a match would end all that runs here: not to be tried
 * before it is known that this is not one. */
static inline bool is_harmless(void)
{
    cleanup_free char *word = xasprintf("on-no-command-line-%d", (int)getpid());
    return process_find((const char *const[]){word, NULL}) == 0;
}
