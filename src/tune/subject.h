/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * subject.h - the disk of a domain that a race is held for, and what the probe guest has to be like
 * to stand for it.
 *
 * Of the domain its definition is read, of the disk's image the header. Nobody opens the image for
 * anything else, and the domain may run meanwhile.
 */
#pragma once

#include <glib.h>

#include "domain/lookup.h"
#include "tune/stage.h"

struct subject {
    struct definitions definitions;
    const struct domain_disk *disk; /* of the next definition */
    char *uri;                      /* of the domain's libvirt; NULL for a file */
    char *image;                    /* its path */
    char *directory;                /* where scratch images go: beside it, unless told otherwise */
    struct disk_config current;     /* how the disk is configured, its image included */
    struct stage_images images;
    struct probe_mirror mirror;
    unsigned vcpus;   /* the domain's, as far as the probe guest can have them */
    GPtrArray *notes; /* what the probe guest has not of the domain, and why */
};

/* Reads a disk by "DOMAIN" or "DOMAIN/TARGET"; a domain with one disk needs no target. `directory`
 * is where scratch images go, NULL for beside the image. The caller frees with subject_done.
 * Errors: there is no such domain or disk; no scratch image can stand for the disk; its image's
 * header cannot be read. */
int subject_from_domain(const struct connection *c, const char *name, const char *directory,
                        struct subject *ret, struct error **err);

/* The same of a file with a domain's XML; `target` may be NULL. */
int subject_from_file(const char *path, const char *target, const char *directory,
                      struct subject *ret, struct error **err);

void subject_done(struct subject *s);
#define cleanup_subject at_scope_end(subject_done)
