/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * port.h - lines to and from the guest's virtio-serial port, through libvirt's streams.
 *
 * Through libvirt, and not by opening the socket it listens on, so that the guest may run on
 * another machine.
 */
#pragma once

#include <stdint.h>

#include "base/error.h"
#include "domain/connection.h"

struct port;

/* Opens the port `name` of a running domain. The caller closes. */
struct port *port_open(struct connection *c, virDomainPtr domain, const char *name,
                       struct error **err);
void port_close(struct port *p);
CLEANUP_PTR(cleanup_port_handler, struct port, port_close)
#define cleanup_port at_scope_end(cleanup_port_handler)

enum port_status { PORT_LINE, PORT_TIMEOUT, PORT_CLOSED, PORT_ERROR };

/* Sends the line and a line break. PORT_LINE: it is sent; the others as below. */
enum port_status port_write_line(struct port *p, const char *line, struct error **err);

/* Waits for the next line until `deadline_ns` (clock.h). PORT_LINE: *ret_line is the line, without
 * its end; the caller frees. PORT_TIMEOUT and PORT_CLOSED (the guest's end, or the guest itself, is
 * gone) set no error; PORT_ERROR does: a signal came, or the line is too long. */
enum port_status port_read_line(struct port *p, uint64_t deadline_ns, char **ret_line,
                                struct error **err);
