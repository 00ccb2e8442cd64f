/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * finding.h - what check has to say: a rule, what it saw here, and the remedy.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "base/cleanup.h"

enum severity {
    SEVERITY_NOTE,    /* worth knowing */
    SEVERITY_WARNING, /* costs performance */
    SEVERITY_ERROR,   /* data at risk, or it cannot work */
};
extern const char *const severity_names[]; /* "note", "warning", "error" */

/* What a remedy is written in. */
enum fix_kind {
    FIX_NONE,
    FIX_XML,      /* an element of the domain, as it is to be: virsh edit */
    FIX_VIRSH,    /* a command */
    FIX_QEMU_IMG, /* commands, while the guest is off */
    FIX_HOST,     /* commands of the host's administrator */
    FIX_GUEST,    /* commands in the guest */
    FIX_ADVICE,   /* words */
};
extern const char *const fix_kind_names[]; /* "none", "xml", "virsh", "qemu-img", … */

/* What it takes to apply one: flags, each with a name that JSON has as well. */
enum fix_needs {
    FIX_NEEDS_NOTHING = 0,               /* it can be done while the guest runs: "live" */
    FIX_NEEDS_RESTART = 1 << 0,          /* "restart": QEMU has to end and start anew */
    FIX_NEEDS_IMAGE_CONVERSION = 1 << 1, /* "image-conversion" */
    FIX_NEEDS_GUEST_DRIVER = 1 << 2,     /* "guest-driver" */
    FIX_NEEDS_EMPTY_DISK = 1 << 3,       /* "empty-disk": not with data on it */
    FIX_NEEDS_REMOUNT = 1 << 4,          /* "remount" of a host's file system */
};
/* The name of one flag; the flags are the powers of two below FIX_NEEDS_END. */
#define FIX_NEEDS_END (1 << 5)
const char *fix_needs_name(unsigned flag);

struct rule;

struct finding {
    const struct rule *rule;
    enum severity severity; /* the rule's, unless what was seen makes it less */
    char *summary;          /* what was seen, one line */
    enum fix_kind kind;
    char *fix;      /* the exact line, or lines; NULL for none */
    unsigned needs; /* of the fix */
    bool available; /* this host's QEMU and libvirt have what it takes */
};

void finding_free(struct finding *f);
