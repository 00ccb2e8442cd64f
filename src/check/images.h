/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * images.h - what rules on images, on file systems and on devices have in common.
 */
#pragma once

#include "check/rule.h"

/* What is said of an image that is not the top one begins with its name: "base.qcow2: "; "" for the
 * top. The string is interned: nobody frees it. */
const char *images_prefix(const struct look *at);

/* The disk's <encryption>, in either place that libvirt takes it in; NULL. */
xmlNodePtr images_encryption(const struct check_disk *d);

/* A copy that is made by commands. */
struct images_copy {
    const char *from, *to;
    const char *format, *new_format;
    const char *words; /* more of qemu-img convert's, each after a blank; NULL */
};
/* The lines of a shell that make a copy, whose mode and owner are the image's, and compare it; more
 * can follow after " &&\n". The caller frees. */
char *images_copy_lines(const struct images_copy *c);

/* The path of what is beside an image and has its name with a suffix: where the path is a symbolic
 * link, beside the file. The caller frees. */
char *images_beside(const char *path, const struct place *p, const char *suffix);

/* The remedy where the image is a block device, beside which a file would be one in memory: words,
 * for a copy with these options ("" for none). */
void images_fix_on_device(struct finding *f, const char *options);

/* Gives the finding the commands by which a copy with these options (of qemu-img's -o, "" for none)
 * takes the place of the image looked at, while no guest uses it. What a copy would lose or could
 * not read (internal snapshots, encryption, a data file) makes it words instead, and so does a
 * block device. */
void images_fix_by_copy(struct finding *f, const struct look *at, const char *options);

/* Gives the finding the commands that copy a damaged image and say what is wrong with it; to repair
 * it is for people. */
void images_fix_by_check(struct finding *f, const struct look *at);

/* The same with a copy that is as the image looked at is, and has `more` ("nocow=on", ""). */
void images_fix_by_same_copy(struct finding *f, const struct look *at, const char *more);

/* Whether so many pieces of so many bytes in all are worth a word: there are thousands, of less
 * than a megabyte on average. A disk with heads reads on at some 200 MB/s and takes some 8 ms to
 * the next piece: where pieces are smaller, more of the time is lost than used. Below thousands of
 * them all of that is no half minute. */
bool images_are_pieces_small(uint64_t pieces, uint64_t bytes);

/* Whether this is a disk of which the kernel knows what it is (a virtual one tells nothing). */
bool images_is_hardware(const struct block_device *d);

/* Whether everything below is such hardware, and none of it has heads to move; false where that is
 * not known. */
bool images_on_flash(const struct block_device *d);
