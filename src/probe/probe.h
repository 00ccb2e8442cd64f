/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * probe.h - the throw-away guest: start it, talk to it, be rid of it.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>
#include <sys/types.h>

#include "domain/connection.h"
#include "host/kernel.h"
#include "measure/protocol.h"
#include "probe/spec.h"

struct probe {
    struct connection *connection; /* not owned */
    virDomainPtr domain;
    struct port *port;
    char *name;
    enum accelerator accelerator;
    pid_t pid; /* of QEMU, 0 where it is not a process of this machine */
    struct hello hello;
    char *accelerator_note; /* why not KVM, one line, or NULL */
    /* What it took to find that a guest hangs under KVM, which the next start is spared; or 0. */
    uint64_t kvm_trial_ns;
};

/* What probe_start needs beside the disks. Paths are paths of this machine. */
struct probe_options {
    enum accelerator accelerator;
    const struct kernel *kernel;
    const char *directory;             /* for what it is booted from and its console's output */
    const char *state_directory;       /* where findings about KVM are kept */
    const char *emulator;              /* NULL: libvirt's choice */
    const struct probe_mirror *mirror; /* of what domain it has machine, CPUs and memory; or NULL */
    unsigned vcpus;
    const char *name;       /* of the domain */
    const char *filesystem; /* that the guest is to know besides, "ext4"; or NULL */
    const char *image;      /* with such a one in it, of which the guest has a copy; or NULL */
};

/* Boots a guest with these disks and waits until it says hello and has all of them. Under
 * ACCELERATOR_AUTO a guest that is silent under KVM is destroyed and started under TCG. Errors:
 * libvirt or QEMU refuse the domain, it is silent under both, a signal. The caller stops it.
 * *ret_refused, unless NULL, is whether it failed before there was a guest at all. */
struct probe *probe_start(struct connection *c, const struct probe_options *options,
                          struct probe_disk *disks, size_t disk_count, bool *ret_refused,
                          struct error **err);

/* Whether libvirt and QEMU take a guest with this disk alone: it is made, and destroyed before it
 * runs. The error is theirs. */
int probe_accepts(struct connection *c, const struct probe_options *options,
                  struct probe_disk *disk, struct error **err);

/* Destroys the guest, whatever state it is in. */
void probe_stop(struct probe *p);
CLEANUP_PTR(cleanup_probe_handler, struct probe, probe_stop)
#define cleanup_probe at_scope_end(cleanup_probe_handler)

/* Where QEMU's messages go. The caller frees. */
char *probe_log_path(const struct probe *p);

/* Sends the command (whose reference it takes) and returns the reply, which the caller owns.
 * Errors: the guest answers with one, does not answer within `timeout_ns` (a hang), is gone, or a
 * signal came. */
json_t *probe_request(struct probe *p, json_t *command, uint64_t timeout_ns, struct error **err);

/* The guest's clock against the host's, from the quickest of a few exchanges. */
struct clock_pair {
    uint64_t host_ns, guest_ns;
    uint64_t uncertainty_ns; /* half the exchange's round trip */
};
int probe_read_clock(struct probe *p, struct clock_pair *ret, struct error **err);

/* The rate of the guest's clock relative to the host's, less one, between two readings. */
double probe_clock_drift(const struct clock_pair *from, const struct clock_pair *to);

/* By how much that may be wrong, for what both readings took. */
double probe_clock_uncertainty(const struct clock_pair *from, const struct clock_pair *to);
