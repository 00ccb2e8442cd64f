/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * candidate.h - the configurations that a disk could have, and the rules that forbid some.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "base/error.h"
#include "domain/disk_config.h"

struct candidate {
    bool current; /* the configuration of the disk that there is */
    char *id;     /* "qcow2-prealloc-native-iothread" */
    struct disk_config config;
    const char *filesystem; /* that the probe guest works on a file of; NULL: on the disk itself */
    unsigned needs;         /* enum disk_needs: to change the current disk to it */
    char *left_out;         /* why it is not tried, one line; NULL when it is */
};

/* What the rules need to know of the host. */
struct candidate_facts {
    bool io_uring_allowed;    /* for QEMU as libvirt runs it, without privileges */
    const char *io_uring_why; /* why not */
    bool aio_contexts_left;   /* enough of fs.aio-max-nr for native */
    struct versions versions; /* of what will run the guest; 0: not known */
};

/* Reads them from /proc, below `sysroot` ("" for this machine). `contexts` Linux AIO contexts will
 * be asked for. Versions are no business of /proc: whoever has a connection fills them in. */
struct candidate_facts candidate_facts_read(const char *sysroot, unsigned contexts);

/* The candidates that are tried by default (space.h): raw and qcow2, growing and preallocated, by
 * io mode, with and without an iothread; the forbidden ones are in it, with the reason. An array of
 * struct candidate *, which owns them. */
GPtrArray *candidates_for_new_disk(const struct candidate_facts *facts);

/* The one of these with this id, alone in its array; `lanes` disks have it. Errors: there is none
 * with it, or it names several. */
GPtrArray *candidate_only(const char *id, unsigned lanes, struct error **err);

/* Narrows the array to the ids in `selection`: a comma list, or the path of a file with one id a
 * line and comments behind "#". An id that comes again is a candidate of its own, "ID#2": two disks
 * of one configuration that a race must find equal. The current disk stays, named or not. Errors:
 * an id that is not there, a file that cannot be read, nothing left to try. */
int candidates_select(GPtrArray *candidates, const char *selection, struct error **err);

void candidate_free(void *candidate);

/* How many of the settings differ from those of `from`: what the disk has now, or where that is
 * NULL what virt-install makes unasked. */
unsigned candidate_distance(const struct candidate *c, const struct disk_config *from);

/* The one of an array that is current; NULL where none is. */
const struct candidate *candidates_current(const GPtrArray *candidates);

/* The qemu-img command that makes a disk of this configuration. The caller frees. */
char *candidate_create_line(const struct candidate *c);
