/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * subject.h - reads what is to be checked: a domain's XML, and its images.
 */
#pragma once

#include "check/host.h"
#include "check/look.h"

/* What there is of a domain. */
struct subject_source {
    const char *file; /* that the XML is from; NULL: from libvirt */
    const char *xml;  /* for the next start */
    size_t length;
    const char *live; /* as it runs, or NULL */
    bool persistent;
    /* The path of a volume, which the caller frees; NULL with an error. NULL: volumes are not
     * looked up. */
    char *(*volume_path)(void *data, const char *pool, const char *volume, struct error **err);
    void *data;
};

/* Reads it, and the headers of its images where `host` is not NULL: they are on that host. What
 * cannot be read of its images is said in the disks. The caller frees. Errors: the XML is that of no
 * domain. */
struct check_domain *check_domain_new(struct check_host *host,
                                      const struct subject_source *source, struct error **err);

/* A domain without a name that has this image as its one disk, under virtio-blk and configured as
 * tune configures a new one (cache='none'); format as in host/image.h. The caller frees. Errors: the path is none
 * that XML can have. */
struct check_domain *check_domain_of_image(struct check_host *host, const char *path,
                                           const char *format, struct error **err);

void check_domain_free(struct check_domain *d);
CLEANUP_PTR(cleanup_check_domain_handler, struct check_domain, check_domain_free)
#define cleanup_check_domain at_scope_end(cleanup_check_domain_handler)
