/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rule.h - a rule is a row and a function that looks.
 *
 * Each family of rules is a table in a file rules_NAME.c; rules.c has the tables. The row is the
 * one place for what the rule says: --list-rules, the manual page, JSON and text are made of it.
 */
#pragma once

#include "check/finding.h"
#include "check/look.h"

/* What a rule is asked about, and so how often. */
enum rule_scope {
    RULE_DOMAIN, /* once for a domain */
    RULE_DISK,   /* for each disk of it (not cdrom and floppy) */
    RULE_IMAGE,  /* for each image of a disk's chain whose header could be read, the top first */
    RULE_DEVICE, /* for each block device below any image, once */
    RULE_MOUNT,  /* for each file system that has an image, once */
    RULE_HOST,   /* once */
};

struct found;

struct rule {
    const char *id; /* "cache-unsafe" */
    enum rule_scope scope;
    enum severity severity;
    const char *title;     /* what is wrong, a phrase without a full stop */
    const char *why;       /* a sentence or two */
    const char *source;    /* where that is from: a page, a file of a source, a measurement */
    unsigned needs;        /* of its remedy, enum fix_needs */
    struct versions since; /* what its remedy needs of QEMU and libvirt; 0: any */
    /* Says what it finds through `out`; most find one thing or none. What a rule does not know
     * (NULL, -1) it does not find: no false alarm. */
    void (*look)(const struct look *at, struct found *out);
};

struct rule_table {
    const struct rule *rows;
    size_t count;
};

/* All of them, in the order in which they are asked, listed and documented. */
extern const struct rule_table *const rule_tables[];
extern const size_t rule_table_count;

extern const struct rule_table rules_reading, rules_effective, rules_held, rules_domain, rules_refused,
    rules_bus, rules_cache, rules_discard, rules_thread, rules_queue, rules_pin, rules_image,
    rules_qcow2, rules_tables, rules_place, rules_device, rules_host, rules_guest;

/* Defines one of these of an array of rows. */
#define RULE_TABLE(name, array) const struct rule_table name = {array, ARRAY_SIZE(array)}

/* The rule of this id; NULL. */
const struct rule *rule_find(const char *id);

/* --- What a rule's function says -------------------------------------------------------------- */

/* The findings of one subject; a look appends to it. */
struct found {
    const struct rule *rule; /* that is asked at the moment */
    const struct look *at;
    GPtrArray *findings; /* struct finding *, owned */
};

/* Appends a finding with the rule's severity and needs, and returns it, which the findings own: one
 * line of what was seen, printf-style. */
struct finding *found_say(struct found *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Gives the finding its remedy, printf-style; what it needs is the rule's, unless changed after. */
void finding_fix(struct finding *f, enum fix_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Gives it the disk's <driver> with one attribute set, or removed where the value is NULL. */
void finding_fix_driver(struct finding *f, const struct check_disk *d, const char *name,
                        const char *value);
