/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * record.h - what was looked at of this machine, for a capture of it.
 *
 * A root that has a record (root_record_into) notes there what is looked up by it: files that are
 * read, where links point, the names in directories, what is there and what is refused, and each
 * link on the way. So looking the same up below a directory that has all that comes to the same.
 * Paths of entries are without symbolic links. Several threads may note.
 */
#pragma once

#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/cleanup.h"

enum recorded_type { RECORDED_FILE, RECORDED_DIRECTORY, RECORDED_LINK };

struct recorded {
    enum recorded_type type;
    char *data; /* what was read of a file, where a link points; NULL: it was only seen */
    size_t length;
    bool image;  /* a disk image: the data is a header, or nothing */
    bool listed; /* a name in a directory, and nothing but its kind is known */
};

struct record;
struct record *record_new(void);
void record_free(struct record *r);
CLEANUP_PTR(cleanup_record_handler, struct record, record_free)
#define cleanup_record at_scope_end(cleanup_record_handler)

/* --- Noting, by who looks. Of what is noted twice the first stays ------------------------------ */

/* A file or a directory by its mode; `followed`: the last name of the path, too, if it is a link. */
void record_seen(struct record *r, const char *path, mode_t mode, bool followed);
void record_data(struct record *r, const char *path, const void *data, size_t length);
void record_image(struct record *r, const char *path, const void *header, size_t length);
void record_link(struct record *r, const char *path, const char *target);
/* A name in a directory that is there. */
void record_name(struct record *r, const char *directory, const char *name, bool is_directory);
/* That the path, as it was asked for, could not be read although it is there: an errno value. */
void record_refused(struct record *r, const char *path, int errnum);
/* Of a path, as it was asked for, what places.json has. Takes the JSON over. */
void record_place(struct record *r, const char *path, json_t *place);

/* --- What came of it, when nobody notes any more. All is the record's -------------------------- */

/* char * (a path) → struct recorded *. */
GHashTable *record_entries(const struct record *r);
/* Objects: path → errno value, path → place. */
json_t *record_refusals(const struct record *r);
json_t *record_places(const struct record *r);
