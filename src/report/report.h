/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * report.h - results as text for people and as JSON for programs. Knows data, not libvirt.
 */
#pragma once

#include <glib.h>
#include <jansson.h>
#include <stdio.h>

#include "measure/figures.h"
#include "measure/run.h"
#include "measure/workload.h"
#include "tune/outcome.h"

/* --- tune ------------------------------------------------------------------------------------- */

struct tune_report {
    const char *directory;
    const char *accelerator;      /* "kvm", "tcg" */
    const char *accelerator_note; /* why not KVM, or NULL */
    const char *kernel;           /* of the probe guest */
    unsigned vcpus;
    const struct suite *suite;
    bool fresh;
    uint64_t size_bytes, slice_ns, seed, written_bytes;
    unsigned replicas;
    double seconds; /* of the whole run */
    double clock_drift;
    GPtrArray *candidates; /* all, for those that were left out */
    const struct outcome *outcome;
    GPtrArray *notes;    /* strings: what is done otherwise than a fio file says */
    GPtrArray *warnings; /* strings: why figures should be read with care */
};

/* The contract of `tune --json`; the caller owns it. */
json_t *report_tune_json(const struct tune_report *r);
void report_tune_text(const struct tune_report *r, FILE *out);

/* --- measure ---------------------------------------------------------------------------------- */

/* One piece of work, done. */
struct measured {
    struct work work;
    struct run_result run;
    struct figures figures;
    uint64_t syncs; /* among the requests */
    struct latency_us sync_latency;
};

struct measure_report {
    const char *directory;
    bool fresh;
    size_t count; /* at least 1 */
    const struct measured *items;
    struct run_result total; /* of all items, as the figures are */
    struct figures figures;
    uint64_t written_bytes; /* everything, filling included */
    GPtrArray *notes;       /* strings: what was done otherwise than a fio file says */
    GPtrArray *warnings;    /* strings: why figures should be read with care */
};

/* The contract of `measure --json`; the caller owns it. */
json_t *report_measure_json(const struct measure_report *r);
void report_measure_text(const struct measure_report *r, FILE *out);

/* --- Common ----------------------------------------------------------------------------------- */

/* {"mean","p50","p95","p99","p999","max"}; the caller owns it. */
json_t *report_latency_json(const struct latency_us *l);

/* {"mb_per_s","iops","latency_us":{…}}; the caller owns it. */
json_t *report_figures_json(const struct figures *f);

/* A number, or null where it is not one. */
json_t *report_number_json(double value);

/* "write 64 KiB, queue depth 1, O_DIRECT, rewrite"; the caller frees. */
char *report_workload_text(const struct workload *w, bool fresh);

/* An array of strings; the caller owns it. */
json_t *report_strings_json(GPtrArray *strings);

/* A string that may be a path, whose bytes need not be UTF-8. */
json_t *report_path_json(const char *path);

/* Prints the text in lines of at most 96 columns, broken between words, each behind `indent`
 * blanks. */
void report_print_wrapped(const char *text, int indent, FILE *out);

/* Prints the strings under a heading; nothing where there are none. */
void report_print_list(const char *heading, GPtrArray *strings, FILE *out);

/* Prints the document and a line break. */
void report_print_json(json_t *json, FILE *out);
