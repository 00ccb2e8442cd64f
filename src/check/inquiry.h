/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * inquiry.h - what is to be checked, one after the other or many at a time, and what came of it.
 */
#pragma once

#include <jansson.h>

#include "check/ask.h"
#include "check/subject.h"
#include "check/tables.h"
#include "domain/connection.h"

/* What all inquiries share. */
struct inquirer {
    struct check_host *host;             /* NULL: the images are on another one */
    const struct connection *connection; /* NULL: there are files only */
    struct versions versions;            /* of QEMU and libvirt */
    const json_t *volumes;               /* of a capture (capture_volumes); NULL */
    bool guests;                         /* the running ones are asked, by their agents */
    struct tables *tables;               /* what qemu-img is asked of images; NULL: it is not */
    const GPtrArray *skip;               /* struct rule * that are not asked; NULL: none */
};

/* One of these is there. */
struct inquiry {
    virDomainPtr domain; /* of the connection; owned */
    char *file;          /* with a domain's XML */
    char *live;          /* beside that: the same domain as it ran; NULL */
    char *was;           /* the file that a captured one was in; NULL: it was libvirt's */
    char *image;         /* a path */
    bool captured;       /* both are a capture's, below its root; the domain counts, not the file */
    bool listed;         /* nobody named the domain: one that is gone by now is none */
};
struct inquiry *inquiry_of_domain(virDomainPtr domain);
struct inquiry *inquiry_of_file(const char *path);
struct inquiry *inquiry_of_image(const char *path);
void inquiry_free(struct inquiry *i);

/* What came of it: findings of the domain, and of each of its disks. One that could not be read has
 * a domain all the same, without a model, and one finding. */
struct answer {
    struct check_domain *domain;
    const char *image;    /* of an inquiry about one, which owns it */
    GPtrArray **findings; /* as ask_domain has them: 1 + domain->disk_count */
    bool gone;            /* the domain was only listed, and libvirt has it no more */
};
void answer_free(struct answer *a);

/* Never fails: what cannot be read is a finding. The caller frees. */
struct answer *inquiry_run(const struct inquirer *who, const struct inquiry *what);

/* Runs all (struct inquiry *), several at a time, and calls `done` with each answer in their order,
 * in this thread, but for domains that are gone; the answer is freed after. Errors: interrupted;
 * the connection was lost, without which every domain would be one that cannot be read. */
int inquiries_run(const struct inquirer *who, const GPtrArray *inquiries,
                  void (*done)(void *data, const struct answer *a), void *data, struct error **err);
