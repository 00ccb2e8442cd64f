/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * connection.h - the connection to libvirt: a daemon by URI, or its driver in this process.
 *
 * libvirt needs an event loop; it runs in a thread of its own, started with the first connection.
 */
#pragma once

#include <libvirt/libvirt.h>
#include <stdbool.h>

#include "base/error.h"
#include "domain/disk_config.h"

struct connection {
    virConnectPtr handle;
    bool embedded; /* libvirt's QEMU driver runs in this process: no daemon, no autodestroy */
};

/* Opens `uri` as any virt tool does (NULL: libvirt's default). Errors: libvirt's; no answer for a
 * minute; a signal. A daemon that hangs later is taken for dead after half a minute. */
struct connection *connection_open(const char *uri, struct error **err);

/* The same, to look only: libvirt asks for fewer rights. */
struct connection *connection_open_read_only(const char *uri, struct error **err);

/* Whether the hypervisor's host is this machine, whose paths are ours. */
bool connection_is_local(const struct connection *c);

/* An error unless the hypervisor is QEMU on this machine, whose paths are ours. */
int connection_require_local_qemu(const struct connection *c, struct error **err);

/* Opens libvirt's embedded QEMU driver over `root`, an absolute path and an existing directory:
 * all its state is kept below, and nothing outside is touched. The sockets in there make it a
 * condition that the path is short (CONNECTION_ROOT_MAX). `cache`, or NULL, is a directory where
 * what libvirt learnt of the QEMU binary is kept from one root to the next. */
struct connection *connection_open_embedded(const char *root, const char *cache,
                                            struct error **err);

/* 107 bytes of a socket's path, less "/lib/qemu/domain-1-" and 20 bytes of a domain's name, less
 * "/monitor.sock". */
#define CONNECTION_ROOT_MAX 55

/* QEMU's is that of the binary that libvirt takes unasked. */
struct versions connection_versions(const struct connection *c);

/* Waits until libvirt's event loop has left every callback that it was in: what a callback that was
 * removed before may have used can be freed then. False where it has not after some seconds. */
bool connection_settle(void);

/* Whether the daemon went away. Asks nobody. */
bool connection_is_lost(const struct connection *c);

void connection_close(struct connection *c);
CLEANUP_PTR(cleanup_connection_handler, struct connection, connection_close)
#define cleanup_connection at_scope_end(cleanup_connection_handler)

/* Makes *err of libvirt's last error in this thread, after the context given. Returns -1. */
int connection_error(struct error **err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static inline void cleanup_domain_handler(virDomainPtr *domain)
{
    if (*domain)
        virDomainFree(*domain);
}
#define cleanup_domain at_scope_end(cleanup_domain_handler)
