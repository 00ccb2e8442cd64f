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
    unsigned guests;                   /* one after the other, each with a race of its own */
    const char *domain, *disk, *image; /* that it was for; NULL: for a new disk */
    const char *state;                 /* "running", "shut off", "of a file" */
    const struct disk_config *current; /* of that disk */
    const char *plan;                  /* the path of the plan; NULL: there is none */
    const char *directory;
    const char *accelerator;      /* "kvm", "tcg" */
    const char *accelerator_note; /* why not KVM, or NULL */
    const char *kernel;           /* of the probe guest */
    unsigned vcpus;
    const struct suite *suite;
    bool fresh;
    uint64_t size_bytes, slice_ns, seed, written_bytes;
    unsigned replicas;
    double margin;  /* of the elimination; NaN where nobody was put out */
    double seconds; /* of the whole run */
    double clock_drift;
    GPtrArray *candidates; /* all, for those that were left out */
    const struct outcome *outcome;
    GPtrArray *prior; /* ids: who won in the race that this one starts from; NULL: there is none */
    int64_t prior_time;  /* when that ended, in seconds since 1970 */
    GPtrArray *notes;    /* strings: what is done otherwise than a fio file says */
    GPtrArray *warnings; /* strings: why figures should be read with care */
};

/* The contract of `tune --json`; the caller owns it. */
json_t *report_tune_json(const struct tune_report *r);
void report_tune_text(const struct tune_report *r, FILE *out);

/* --- history ---------------------------------------------------------------------------------- */

/* Races are struct history_race *. The caller owns the JSON. */
json_t *report_history_json(const GPtrArray *races);
void report_history_text(const GPtrArray *races, FILE *out);

/* --- measure ---------------------------------------------------------------------------------- */

/* One piece of work, done: the host's figures, of a whole run, or of slices beside a guest's. */
struct measured {
    struct work work;
    bool fresh; /* first writes */
    struct figures host;
    struct run_result run; /* of a whole run alone */
    uint64_t syncs;        /* among its requests */
    struct latency_us sync_latency;
    struct figures guest;  /* of a run with a guest alone */
    struct interval share; /* of the host's speed that the guest has */
};

/* Several, and all of them together. */
struct measured_set {
    size_t count;
    struct measured *items;
    struct figures host, guest;
    struct interval share;
    struct run_result total;     /* of whole runs */
    struct histogram *latencies; /* of these */
    uint64_t written_bytes;      /* everything, filling included */
};

void measured_set_add(struct measured_set *s, const struct measured *item);

/* The guest that the disk was in. */
struct measured_guest {
    char *disk; /* the id of its configuration; NULL: there was no guest */
    char *kernel;
    const char *accelerator;
    unsigned vcpus;
};

void measured_guest_done(struct measured_guest *g);

struct measure_report {
    const char *directory;
    bool fresh; /* the set's works are first writes */
    struct measured_guest guest;
    struct measured_set set;          /* at least one item */
    struct measured_set first_writes; /* of the works that have them, beside the set's rewrites */
    GPtrArray *notes;    /* strings: what was done otherwise than a fio file says; not owned */
    GPtrArray *warnings; /* strings: why figures should be read with care; not owned */
};

void measure_report_done(struct measure_report *r);
#define cleanup_measure at_scope_end(measure_report_done)

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

/* A time in seconds since 1970 as ISO 8601 in UTC; the caller owns it. */
json_t *report_time_json(int64_t time);

/* The same in the local time, by a format of strftime(3); the caller frees with g_free. */
char *report_time_text(int64_t time, const char *format);

/* A time in three digits or so: "87.3 µs", "4.12 ms", "1.20 s"; the caller frees. */
char *report_us_text(double us);

/* An array of strings, each as report_path_json has it; the caller owns it. */
json_t *report_strings_json(GPtrArray *strings);

/* A string that may be, or name, a path, whose bytes need not be UTF-8; null for NULL. */
json_t *report_path_json(const char *path);

/* Prints the text in lines of at most 96 columns, broken between words, each behind `indent`
 * blanks. */
void report_print_wrapped(const char *text, int indent, FILE *out);
/* The same with lines of another width. */
void report_print_wrapped_to(const char *text, int indent, int width, FILE *out);

/* Prints each line of an element of XML, two blanks further right. */
void report_print_xml(const char *xml, FILE *out);

/* Prints the strings under a heading; nothing where there are none. */
void report_print_list(const char *heading, GPtrArray *strings, FILE *out);

/* Prints the document and a line break. */
void report_print_json(json_t *json, FILE *out);
