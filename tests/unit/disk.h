/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * disk.h - a file in the scratch directory that a test measures, and what a machine may lack for
 * it.
 */
#pragma once

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>

#include "measure/target.h"
#include "scratch.h"

/* A file of zeros; the caller frees its path. */
static inline char *disk_file(uint64_t bytes)
{
    char *path = scratch_path("file-XXXXXX");
    cleanup_close int fd = mkostemp(path, O_CLOEXEC);
    assert(fd >= 0 && posix_fallocate(fd, 0, (off_t)bytes) == 0);
    return path;
}

/* Says why and returns true where this depth cannot be measured here: no direct I/O, no io_uring.
 */
static inline bool disk_skip(unsigned depth)
{
    struct workload w = {.rw = WORKLOAD_WRITE, .block_bytes = 4096, .depth = depth, .jobs = 1};
    cleanup_error struct error *err = NULL;
    if (scratch_set_up(NULL) < 0) {
        printf("1..0 # SKIP no scratch directory can be made here\n");
        return true;
    }
    cleanup_free char *path = disk_file(1 << 20);
    cleanup_buffers struct buffers *buffers = buffers_new(&w, 1);
    cleanup_target struct target *t = target_open(path, &w, 0, false, 1, buffers, &err);
    if (!t)
        printf("1..0 # SKIP %s\n", err->message);
    file_remove_tree(scratch, NULL);
    return !t;
}

/* 0 when the child held all of it: what fails in there is said on standard error. */
static inline int disk_in_child(void (*run)(const char *path), const char *path)
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0) {
        run(path);
        _exit(0);
    }
    return waitpid(pid, &status, 0) == pid ? status : -1;
}
