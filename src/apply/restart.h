/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * restart.h - a domain is shut down, started, and waited for.
 */
#pragma once

#include <stdbool.h>

#include "domain/connection.h"

struct restart_options {
    unsigned seconds; /* how long each of the two may take: until it is off, until it is back */
    bool force;       /* one that does not shut down is switched off */
    bool agent;       /* its agent is waited for: it had one that answered */
    void (*tell)(void *data, const char *what); /* progress, or NULL */
    void *data;
};

/* Asks the guest to shut down, by its agent where one is connected, then by ACPI, and waits until
 * it is off; without `force` it is never switched off. A signal before it is asked is an error; one
 * that comes later is looked at again once it is off, so that the caller can start it, and only a
 * second one ends that wait. Errors: it is not off in time, and may be later; it is paused, and
 * would hear nobody; it crashed; signals. */
int restart_stop(virDomainPtr domain, const struct restart_options *o, struct error **err);

/* Starts it. Errors: libvirt's. */
int restart_start(virDomainPtr domain, struct error **err);

/* Whether an agent has opened its channel in the guest. */
bool restart_has_agent(virDomainPtr domain);

/* Waits until the guest is back: its agent answers, or, where none is waited for or none has come
 * in time (some seconds at least), it reads its disks and goes on running. *ret_how is a static
 * string that says which. Errors: it crashed or ended; neither came in time; a signal. */
int restart_wait(virDomainPtr domain, const struct restart_options *o, const char **ret_how,
                 struct error **err);
