/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * look.h - what rules look at: a host, a domain, its disks, their images and what these lie on.
 *
 * Everything may be unknown (NULL) but what a rule's scope promises: a disk's rule has domain and
 * disk, an image's those and the image, a device's the device, a mount's the mount, a host's the
 * host.
 */
#pragma once

#include <glib.h>
#include <libxml/tree.h>
#include <stdbool.h>
#include <stddef.h>

#include "domain/disk_config.h"
#include "domain/model.h"
#include "host/facts.h"
#include "host/image.h"
#include "host/place.h"

/* What qemu-img says of an image's tables (host/tables.h). */
struct image_tables;

/* One image of a chain. */
struct check_image {
    char *path;
    struct image header;
    struct place *place; /* NULL: not known */
    const struct image_tables *tables; /* NULL: not asked, or in use; those who asked own it */
};

/* What a guest does with its disks (check/guest_facts.h). */
struct guest_facts;
struct guest_disk;

/* A disk as it will be after the next cold start. */
struct check_disk {
    const struct check_domain *domain;
    const struct domain_disk *model;
    xmlNodePtr node;       /* <disk> */
    xmlNodePtr driver;     /* its <driver>, or NULL */
    xmlNodePtr controller; /* the <controller> that a SCSI disk names and the XML has; NULL */
    char *path;            /* of the top image, where it is one of the host's; NULL */
    GPtrArray *images;     /* struct check_image *, the top first; empty: none was read */
    char *unread;          /* why the chain was not read (to its end); NULL: it was, or there is none */
    struct place *place;   /* of the top image, also where its header cannot be read; NULL */
    const struct guest_disk *guest; /* as the running guest has it; NULL: not known */
};

/* What a running domain's QEMU is seen to do with an image: from /proc, where we may look. */
struct check_process {
    pid_t pid;
    GPtrArray *fallbacks; /* strings: lines of the domain's log in which QEMU gave up on something */
    GHashTable *direct;   /* path of a file that it has open → GINT_TO_POINTER(1 direct, 0 not) */
    char *io_limit;       /* "io.max of /machine.slice: 8:0 rbps=max wbps=1048576 …"; NULL: there is none */
    char *cpu_limit;      /* "cpu.max of /machine.slice/…: 50000 100000"; NULL (both: host/cgroup.h) */
    GPtrArray *tasks;     /* struct task * (check/tasks.h); NULL: not known */
};

struct check_domain {
    char *name;          /* NULL where not even that could be read */
    char *file;          /* that it is from; NULL: from libvirt */
    bool running, persistent;
    bool made_up; /* around an image that is looked at by itself */
    xmlDocPtr doc;       /* the definition for the next start */
    xmlNodePtr node;     /* <domain> */
    struct domain_model *model;
    xmlDocPtr live_doc;        /* as it runs; NULL */
    struct domain_model *live; /* that; NULL also where it is not understood */
    struct check_process *process; /* NULL */
    struct guest_facts *guest;     /* NULL: it was not asked */
    struct check_disk *disks; /* of the model that are no cdrom or floppy, in its order */
    size_t disk_count;
};

struct look {
    const struct host_facts *facts; /* NULL: the images are not on this host */
    struct versions versions;
    const struct check_domain *domain;
    const struct check_disk *disk;
    const struct check_image *image;
    size_t layer; /* the image's, 0 for the top */
    const struct block_device *device;
    const struct mount *mount;
};

/* Rules that compare a domain's disks with one another leave those with more than this alone: no
 * machine has as many, and hostile XML has. */
#define LOOK_COMPARED_DISKS_MAX 256

/* --- What several rules ask ------------------------------------------------------------------- */

/* An attribute of a node, which may be NULL: "" where there is none. The string is interned: nobody
 * frees it. */
const char *look_attribute(xmlNodePtr node, const char *name);

/* Whether it has this value. */
bool look_says(xmlNodePtr node, const char *name, const char *value);

/* An element as text, in single quotes as libvirt writes it. The caller frees. */
char *look_to_text(xmlNodePtr node);

/* A copy of the element, or where it is NULL an empty one of this name, as the root of a document
 * of its own: to be changed, and written down. The caller frees that. */
xmlDocPtr look_copy_element(xmlNodePtr node, const char *name);

/* Removes the children of this name, and the blanks before each. */
void look_drop(xmlNodePtr node, const char *child);

/* A copy of the element, or where it is NULL an empty one of this name, with these attributes set or,
 * where the value is NULL, removed: pairs of name and value up to a NULL name. The caller frees. */
char *look_element_with(xmlNodePtr node, const char *name, ...) __attribute__((sentinel));

/* The disk's <driver> element with these attributes set or, where the value is NULL, removed: pairs
 * of name and value up to a NULL name. In one line where it has no children. The caller frees. */
char *look_driver_with(const struct check_disk *d, ...) __attribute__((sentinel));

/* The element that says how a virtio disk's queues are served, as look_driver_with: the disk's
 * <driver>, or for a disk of virtio-scsi its <controller> with the <driver> in it. */
char *look_server_with(const struct check_disk *d, ...) __attribute__((sentinel));

/* That element as look_copy_element, and the <driver> that is it or is in it. */
xmlDocPtr look_copy_server(const struct check_disk *d, xmlNodePtr *ret_driver);

/* The <driver> that has these attributes (queues, iothread, ioeventfd): the disk's, or that of its
 * controller; NULL. */
xmlNodePtr look_server_driver(const struct check_disk *d);

/* Whether what the guest writes there is never kept: <readonly/>, or <transient/>. */
bool look_keeps_nothing(const struct check_disk *d);

/* Whether QEMU goes through a file or block device of its host for this disk: io= has no meaning for
 * others. */
bool look_is_host_file(const struct check_disk *d);

/* The same disk of the running domain: what is said of it there is what QEMU was started with. NULL
 * where it does not run, or has no such disk. */
const struct domain_disk *look_live(const struct check_disk *d);

/* The options by which a command of virsh changes the domain from the next start on and, where it
 * runs, now: libvirt refuses --config for one that is transient. The string is static. */
const char *look_virsh_flags(const struct check_domain *d);

/* virtio-blk, or a disk of a virtio-scsi controller. */
bool look_is_virtio_blk(const struct check_disk *d);
bool look_is_virtio_scsi(const struct check_disk *d);

/* Whether the disk's first write to a block will have to find room for it: a sparse raw file, a qcow2
 * that has not grown to its size, a thin volume, a chain. False where that is not known. */
bool look_grows(const struct check_disk *d);

/* Whether it surely has all the room it can need: what a rule may say is fit for io='native'. False
 * where that is not known. */
bool look_is_allocated(const struct check_disk *d);

/* What is known of the storage below: a file system or device without direct I/O; one with it;
 * heads that move; an NVMe drive; a file system that is another machine's, or is in memory. */
bool look_lacks_direct(const struct check_disk *d);
bool look_has_direct(const struct check_disk *d);
bool look_is_rotating(const struct check_disk *d);
bool look_is_nvme(const struct check_disk *d);
bool look_is_remote(const struct check_disk *d);
bool look_is_memory(const struct check_disk *d);

/* Whether a write there needs room also where there are blocks already: the file system copies what
 * it changes (btrfs, unless the file is marked, and ZFS), or the blocks are shared (reflinks). */
bool look_is_copied(const struct check_disk *d);

/* Whether the submission of a write, with direct I/O, may itself have to wait until a file system has
 * found room. Devices find it elsewhere: a thin volume hands what has none to a worker of its own
 * (linux: drivers/md/dm-thin.c, thin_bio_map), as NFS does to its server. */
bool look_waits_for_room(const struct check_disk *d);

/* Whether its file system does each request while that is submitted, whoever asks: ZFS
 * (github.com/openzfs/zfs, issue 18660). */
bool look_is_synchronous(const struct check_disk *d);

/* The "io" that suits this disk on this host: "native" where no submission waits for room, "io_uring"
 * where QEMU, libvirt and the kernel have it; NULL where threads are the best there is. */
const char *look_best_io(const struct look *at);

/* Whether this host has these versions; an unknown one will do. */
bool look_has_versions(const struct look *at, const struct versions *since);

/* Whether this QEMU's iothreads are known to hang with io_uring (7.1:
 * gitlab.com/qemu-project/qemu, issue 1193), and whether this kernel is known to freeze guests with it
 * (before 5.13: github.com/canonical/lxd, issue 10061). */
bool look_qemu_hangs_io_uring(const struct look *at);
bool look_kernel_hangs_io_uring(const struct look *at);

/* Whether the guest is known to be one of x86. */
bool look_is_x86(const struct check_domain *d);

/* Its machine type's, as domain_model_machine_version() has it. */
unsigned look_machine_version(const struct check_domain *d);
