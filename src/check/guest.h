/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest.h - asks a running guest what it does with its disks: by reading files, and nothing else.
 */
#pragma once

#include <jansson.h>

#include "base/error.h"
#include "check/guest_facts.h"
#include "check/look.h"
#include "domain/connection.h"

/* What is known of a guest comes through these: from its agent, or as it was recorded. */
struct guest_source {
    bool (*can)(void *data, const char *command);
    /* What a command without arguments returns, and the text of a file: the caller frees. */
    json_t *(*call)(void *data, const char *command, struct error **err);
    char *(*read)(void *data, const char *path, struct error **err);
    /* Whether nothing more is to be had after an error. */
    bool (*is_silent)(void *data);
    /* The bytes of a disk, by its target; 0: not known. */
    uint64_t (*capacity)(void *data, const char *target);
    void *data;
};

/* Asks for everything; `devices` is the <devices> of the domain as it runs. Never fails: what is
 * not known is said in it. The caller frees. */
struct guest_facts *guest_read(const struct guest_source *s, xmlNodePtr devices);

/* Asks the guest of a running domain through its agent, and gives what comes of it to `d` and its
 * disks; `live` is the XML of the domain as it runs. */
void guest_look(virDomainPtr domain, const char *live, struct check_domain *d);

/* Gives `facts`, which it takes over, to `d` and its disks. */
void guest_attach(struct guest_facts *facts, struct check_domain *d);
