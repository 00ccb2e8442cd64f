/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tasks.h - the threads of a QEMU process that disks depend on, and where each may run.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

#include "host/root.h"

enum task_role {
    TASK_MAIN,     /* the main loop: what libvirt calls the emulator */
    TASK_IOTHREAD, /* "IO iothread1" */
    TASK_VCPU,     /* "CPU 0/KVM"; that of all, "ALL CPUs/TCG", counts as the first */
};

struct task {
    enum task_role role;
    unsigned id; /* of the iothread or the vCPU; 0 for the main loop */
    char *cpus;  /* "0-3,8" */
};

/* The value of a line "NAME:\tvalue" of a /proc/PID/status, any but the first; NULL where there is
 * none. The caller frees. */
char *task_status_value(const char *status, const char *name);

/* What a thread of this name is: role and id of *ret. Whether it is one that disks depend on; the
 * main thread has the program's name, and is none here. */
bool task_find_role(const char *name, struct task *ret);

/* Those whose names tell what they are: libvirt has QEMU name them (debug-threads=on). struct task
 * *, the main one first; of a process with absurdly many threads not all. The caller frees. */
GPtrArray *tasks_read(const struct root *r, pid_t pid);
