/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stage.h - everything a race takes place on: scratch files, the probe guest, the host's targets.
 *
 * A lane is one file that work is done on. The first lanes are files on the host itself; behind
 * them, each candidate has `replicas` lanes, disks of the probe guest, each with a file and a PCI
 * slot of its own: two disks of one configuration are not equally fast, and by how much they differ
 * is part of every interval.
 */
#pragma once

#include <glib.h>

#include "host/process.h"
#include "measure/sites.h"
#include "probe/probe.h"
#include "tune/candidate.h"
#include "tune/ground.h"

#define LANE_HOST (-1)

/* Behind it is the number of a lane among the guest's. */
#define STAGE_SERIAL_PREFIX "disk-"

struct lane {
    int candidate;    /* index into the candidates, or LANE_HOST */
    unsigned replica; /* 0, 1, … */
    char *path;       /* of the scratch file */
    int number;       /* among the host's disks, or the guest's in the conversation; -1: not open */
    char *failure;    /* why it gives no figure; NULL when it does */
    struct disk_config effective; /* as read back from the running QEMU */
};

/* What scratch images are like that stand for a certain image. */
struct stage_images {
    struct disk_config image; /* of its fields format, cluster and extended L2 count */
    uint64_t virtual_bytes;   /* of images that grow, where it is more than is worked on */
    unsigned depth;           /* images behind each that is like `image` */
};

struct stage_options {
    struct ground *ground;     /* outlives the stage */
    const char *directory;     /* an absolute path */
    const char *uri;           /* NULL: libvirt's embedded driver */
    const struct suite *suite; /* the works, each with its weight */
    uint64_t size_bytes;       /* of each scratch file, a multiple of 1 MiB: what is worked on */
    const struct stage_images *like;   /* or NULL */
    const struct probe_mirror *mirror; /* or NULL */
    unsigned replicas;
    uint64_t rate_bytes; /* a second, that all the filling and measuring moves on average; 0: any */
    uint64_t deadline_ns; /* clock.h: when all measuring is to be over; 0: nobody waits for it */
    enum io_priority io_priority; /* of this process and the guest's */
    bool fresh; /* measure first writes: nothing is filled, no block is written twice */
    uint64_t seed;
    enum accelerator accelerator;
    unsigned vcpus;
    const char *kernel;   /* NULL: the newest that can be used */
    const char *emulator; /* NULL: libvirt's choice */

    /* Told what is going on, with how far it got (0 to 1, NaN: nobody knows); may be NULL. */
    void (*progress)(void *data, const char *what, double fraction);
    void *progress_data;
};

struct stage {
    const struct stage_options *options;
    GPtrArray *candidates; /* not owned */
    struct claim *scratch;
    struct kernel *kernel;
    const char *filesystem; /* that some lanes have (stage_filesystem.h), or NULL */
    char *image;            /* with an empty one in it, of which the guest has a copy */
    struct probe *probe;
    /* Of that guest, also when it is gone. */
    enum accelerator accelerator;
    char *accelerator_note; /* why not KVM, one line, or NULL */
    unsigned vcpus;
    char *qemu;          /* "7.2.19"; empty where it is not known */
    struct sites *sites; /* the host's lanes */
    size_t host_lanes;
    size_t lane_count;
    struct lane *lanes;
    uint64_t written_bytes; /* on behalf of the measuring, by host and guest together */
    uint64_t sliced_bytes;  /* read and written in slices, by both */
    uint64_t filled_bytes;  /* before any slice */
    uint64_t begin_ns;      /* clock.h: since when it moves bytes */
};

/* Builds it up; candidates with `left_out` get no lane. Whatever fails, or a signal, leaves
 * nothing behind. The caller frees. Errors: no space (with what is needed), no direct I/O, no
 * kernel, no qemu-img, libvirt or the guest (probe.h), another run in the directory, no time to
 * write the images. */
struct stage *stage_new(const struct stage_options *options, GPtrArray *candidates,
                        struct error **err);

/* Tells whoever listens what is going on, and how far it got. */
void stage_tell(const struct stage *s, const char *what, size_t done, size_t all);

/* By which the guest tells the disk of a lane, which is its own. The caller frees. */
char *stage_serial(const struct stage *s, size_t lane);

/* Whether nothing is behind a lane (disk_config.h): it moves no bytes. */
bool stage_lane_is_null(const struct stage *s, size_t lane);

/* Whether nothing is written to it before: work that only reads finds its data at the bottom of the
 * chain that the image stands on. */
bool stage_lane_stays_empty(const struct stage *s, size_t lane);

/* Waits until what was moved so far is no more than the rate allows, a signal comes that is
 * deferred, or the time is up. What comes next goes at full speed: a slice that was slowed down
 * would measure nothing. Errors: another signal. */
int stage_rest(struct stage *s, struct error **err);

/* How far writing the images once has come: so many of those that are written, since when. */
struct filling {
    uint64_t begin_ns, now_ns; /* clock.h */
    size_t done, all;
};

/* Adds to the error what there is to do where the time does not do; returns -1. */
int stage_time_hint(const struct stage *s, struct error **err);

/* An error where that will not be over before the deadline, as far as can be told by now. */
int stage_check_fill(const struct stage *s, const struct filling *f, struct error **err);

/* What a scratch image takes at its full size, with what qcow2 keeps beside the data. */
uint64_t stage_lane_bytes(const struct stage_options *options);

/* libvirt gives a guest some 200 PCI slots at the most. */
#define STAGE_DISKS_MAX 160

/* How many candidates a stage can hold: of the disks that one guest takes, and of those that the
 * file system has room for. */
unsigned stage_room(const struct stage_options *options);

/* Destroys the guest and removes every file but the ground, and keeps what is known of the lanes
 * and of the guest. */
void stage_strike(struct stage *s);

/* Destroys the guest and removes every file but the ground. */
void stage_free(struct stage *s);
CLEANUP_PTR(cleanup_stage_handler, struct stage, stage_free)
#define cleanup_stage at_scope_end(cleanup_stage_handler)
