/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * edit.h - changes how a disk is served in a domain's XML, and takes it back: in the text, so that
 * every byte that is not meant stays (xml_text.h).
 */
#pragma once

#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* One setting of a disk, in libvirt's words: "cache", "io", "discard", "detect_zeroes", "queues",
 * "iothread", "metadata_cache". The value is one of these that the attribute can have, and NULL
 * where it is to be absent; an iothread is an id, or "new": one that serves nothing else; a
 * metadata_cache is a number of bytes. Nothing is owned. */
struct disk_setting {
    const char *key;
    const char *value;
};

/* Reads "io=native", or "queues=", which is for NULL; a size is read as people write it. The value
 * points into the text, or is interned. Errors: there is no such setting, or no such value of it,
 * with those that there are as a hint. */
int disk_setting_parse(const char *text, struct disk_setting *ret, struct error **err);

/* The same for a setting that comes from elsewhere. */
int disk_setting_check(const struct disk_setting *setting, struct error **err);

/* What was changed. */
enum edit_kind {
    EDIT_ATTRIBUTE, /* "attribute": before or after is NULL where it was not there, or is no more */
    EDIT_ELEMENT,   /* "element": before or after, as XML, is NULL where there was none, or is none
                       any more */
    EDIT_TEXT,      /* "text": of an element */
    EDIT_TAG,       /* "tag": a self-closed element was opened, for another one to go into it */
};

struct edit {
    enum edit_kind kind;
    /* "disk:vda/driver", "disk:vda/driver/metadata_cache", "controller:scsi:0",
     * "controller:scsi:0/driver", "iothreads", "iothreadids/iothread:3" */
    const char *where;
    const char *attribute; /* NULL unless the kind is this */
    const char *before, *after;
    /* As it was written: an attribute that is no more, the value of one that has another, an
     * element that was inserted, with blanks, or one that is no more, with what stood in front of
     * it; NULL where nothing is. */
    const char *raw;
    /* The attribute or the element that one stood behind which is no more; NULL: it was first. */
    const char *behind;
};

/* A copy that owns its strings, and its end. */
struct edit *edit_copy(const struct edit *e);
void edit_free(struct edit *e);

/* The setting that an edit makes, "io=native", or "io=" of one that it takes away; NULL where it is
 * none by itself. The caller frees. */
char *edit_to_setting(const struct edit *e);

/* Whether two edits are of the same attribute, element or text, so that the later one counts. */
bool edit_meets(const struct edit *a, const struct edit *b);

/* Arrays of struct edit *, which they own: [{"kind","where","attribute","before","after","raw",
 * "behind"}]. The caller owns the result. Errors: it is no such array. */
json_t *edits_to_json(const GPtrArray *edits);
GPtrArray *edits_from_json(json_t *json, struct error **err);

enum edit_flags {
    EDIT_SHARED_CONTROLLER = 1 << 0, /* other disks of a controller may be changed as well */
};

/* Sets these of the disk with this target; what is so already is no edit. A SCSI disk has its
 * iothread and queues from its controller. Returns the XML, and what was changed, in order; the
 * caller frees both. Errors: it is no XML that can be edited (xml_text.h), no domain of QEMU; there
 * is no such disk; it or its controller cannot have such a setting; libvirt is known to refuse what
 * would come out. */
char *edit_disk(const char *xml, const char *target, const struct disk_setting *settings,
                size_t count, unsigned flags, GPtrArray **ret_edits, struct error **err);

/* Takes edits back, in a document that may have been changed since: what is no longer as the edits
 * left it stays as it is, and so does an iothread that is used now. Returns the XML, and what
 * stayed: an array of sentences, each "where: why", empty where nothing did. The caller frees both.
 * Errors: it is no XML that can be edited, no domain. */
char *edit_undo(const char *xml, const GPtrArray *edits, GPtrArray **ret_left, struct error **err);

enum edits_state {
    EDITS_ABSENT,  /* the document is as before all of them */
    EDITS_PRESENT, /* as after all of them, or there are none */
    EDITS_MIXED,   /* neither */
};

/* Whether a document has the edits, whoever made it. -1 with an error where it is no XML that can
 * be edited, or no domain. */
int edits_state(const char *xml, const GPtrArray *edits, enum edits_state *ret, struct error **err);
