/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * explain.h - where a request's time goes, for people and for programs.
 */
#pragma once

#include <glib.h>
#include <jansson.h>
#include <stdio.h>

#include "explain/explanation.h"
#include "measure/suite.h"

struct explain_report {
    const char *domain, *disk, *image; /* whose disk it was; NULL: a new one */
    const char *directory;
    const char *accelerator;      /* "kvm", "tcg" */
    const char *accelerator_note; /* why not KVM, or NULL */
    const char *kernel;           /* of the probe guest */
    unsigned vcpus;
    const struct disk_config *config; /* the disk that is explained */
    const struct work *work;
    bool fresh;
    uint64_t size_bytes, slice_ns, written_bytes;
    double seconds;   /* of the whole run */
    bool interrupted; /* by a signal: nothing of the round that it came in counts */
    const struct explanation *explanation;
    GPtrArray *threads;  /* struct live_thread_group *: QEMU's, while the disk worked alone */
    GPtrArray *notes;    /* strings: what is done otherwise than a fio file says */
    GPtrArray *warnings; /* strings: why figures should be read with care */
};

/* The contract of `explain --json`; the caller owns it. */
json_t *report_explain_json(const struct explain_report *r);

/* A bar, a table of layers and one of variants, in 80 columns. */
void report_explain_text(const struct explain_report *r, FILE *out);
