/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * variants.h - the disk that is explained, and beside it disks that each differ from it in one
 * layer alone: what that layer takes is the difference.
 */
#pragma once

#include <glib.h>

#include "tune/candidate.h"

/* What a variant is there for. Of VARIANT_AIO and VARIANT_TABLES there may be several or none, of
 * the others one or none; the disk itself comes first. */
enum variant_role {
    VARIANT_DISK,    /* the disk as it is, on which the program works itself */
    VARIANT_FILE,    /* the same, its limits included, with a file system that it works on a file of
                      */
    VARIANT_FREE,    /* the same without its limits; where it has any */
    VARIANT_WRITTEN, /* the same, its clusters allocated beforehand; where first writes are
                        explained */
    VARIANT_RAW,     /* a raw image in the place of another format */
    VARIANT_FLOOR,   /* nothing behind the same device */
    VARIANT_AIO,     /* another way into the host's kernel */
    VARIANT_THREAD,  /* an iothread where there is none, or none where there is one */
    VARIANT_CACHE,   /* around the host's page cache */
    VARIANT_TABLES,  /* all of qcow2's tables in QEMU's memory */
};

struct variant {
    enum variant_role role;
    struct candidate candidate; /* its id is the variant's name: "raw", "io=native" */
};

/* What they are made for. */
struct variants_options {
    const struct disk_config *disk; /* outlives the variants */
    bool limited;                   /* the disk has limits (<iotune>), and no variant has them */
    bool fresh;                     /* first writes are explained */
    const char *filesystem;         /* the guest's ("ext4"); NULL: none */
    unsigned vcpus;
    uint64_t disk_bytes; /* what the guest sees of the disk */
    const struct candidate_facts *facts;
};

/* An array of struct variant *, which owns them; the candidate of one that cannot be had here says
 * why in left_out. */
GPtrArray *variants_new(const struct variants_options *o);

/* The same as an array of struct candidate *, which a stage takes; it owns nothing. */
GPtrArray *variants_candidates(const GPtrArray *variants);

/* The number of the first with this role that can be had; -1 for none. */
int variants_find(const GPtrArray *variants, enum variant_role role);
