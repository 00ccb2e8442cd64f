/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * inside_else.c - a guest that does not run our program: its dd, or what it does by itself
 * (inside.h).
 */
#include <glib.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "apply/inside_ways.h"
#include "base/clock.h"
#include "base/interrupt.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/text.h"
#include "measure/inside.h"

/* --- dd --------------------------------------------------------------------------------------- */

/* As in the story that this program begins with. */
#define DD_BLOCK 65536
#define DD_COUNT 1000
#define DD_SECONDS 600
#define DF_SECONDS 30

/* From "65536000 bytes (66 MB, 62 MiB) copied, 0.52 s, …": how long it took; NaN. */
static double dd_seconds(const char *said)
{
    const char *copied = strstr(said, "copied, ");
    char *end;
    double seconds = copied ? g_ascii_strtod(copied + strlen("copied, "), &end) : NAN;
    return copied && end != copied + strlen("copied, ") && seconds > 0 ? seconds : NAN;
}

static int run_dd(struct agent *a, const char *file, json_t *work, struct error **err)
{
    cleanup_free char *out = xasprintf("of=%s", file);
    /* In the guest's own language it would not be understood. */
    const char *const argv[] = {"env",    "LC_ALL=C",   "dd",           "if=/dev/zero",       out,
                                "bs=64k", "count=1000", "oflag=direct", "conv=fsync,notrunc", NULL};
    const struct agent_program program = {.argv = argv, .timeout_seconds = DD_SECONDS};
    cleanup_agent_result struct agent_result result = {0};
    if (agent_exec(a, &program, &result, err) < 0)
        return -1;
    double seconds = result.status == 0 ? dd_seconds(result.err_text) : NAN;
    if (isnan(seconds)) {
        text_one_line(result.err_text);
        return error_set(err, "dd in the guest: %s", result.err_text);
    }
    inside_add_run(work, DD_COUNT, (double)DD_COUNT * DD_BLOCK, seconds);
    return 0;
}

/* From the line below "Filesystem 1024-blocks Used Available …", which POSIX has: what is
 * available; NaN. */
static double df_bytes(const char *said)
{
    double kib;
    const char *line = strchr(said, '\n');
    return line && sscanf(line, " %*s %*s %*s %lf", &kib) == 1 ? kib * 1024 : NAN;
}

/* An error where there is not the room; a df that says nothing is none. */
static int check_room(struct agent *a, const char *directory, struct error **err)
{
    const char *const argv[] = {"env", "LC_ALL=C", "df", "-P", "-k", directory, NULL};
    const struct agent_program program = {.argv = argv, .timeout_seconds = DF_SECONDS};
    cleanup_agent_result struct agent_result result = {0};
    if (agent_exec(a, &program, &result, NULL) < 0)
        return interrupt_check(err);
    double room = df_bytes(result.out), need = (double)DD_COUNT * DD_BLOCK + INSIDE_RESERVE_BYTES;
    return isnan(room) || room >= need
               ? 0
               : error_set(err, "%s has %.0f MiB free, and %.0f MiB are needed", directory,
                           room / (1 << 20), need / (1 << 20));
}

/* The first run makes the file, and is not counted: the others rewrite it. */
static int run_all(struct agent *a, const struct inside_options *o, const char *directory,
                   const char *file, json_t *work, struct error **err)
{
    cleanup_json json_t *first = inside_work("", 1);
    if (check_room(a, directory, err) < 0 || run_dd(a, file, first, err) < 0)
        return -1;
    for (unsigned i = 0; i < o->runs; i++)
        if (run_dd(a, file, work, err) < 0)
            return -1;
    return 0;
}

json_t *inside_by_dd(struct agent *a, const struct inside_options *o, const char *directory,
                     struct error **err)
{
    cleanup_free char *file = inside_new_path(directory);
    cleanup_json json_t *work = inside_work("dd of the guest", 1);
    if (o->tell)
        o->tell(o->data, "measuring inside the guest, by its dd");
    uint64_t start = clock_now_ns();
    int r = run_all(a, o, directory, file, work, err);
    inside_remove(a, file);
    if (r < 0)
        return NULL;
    return json_pack("{s:f, s:[O]}", "seconds", (double)(clock_now_ns() - start) / NS_PER_SECOND,
                     "works", work);
}

/* --- Observing -------------------------------------------------------------------------------- */

static int count(virDomainPtr domain, const char *target, double *ret_requests, double *ret_bytes,
                 struct error **err)
{
    virDomainBlockStatsStruct s;
    const char *name = virDomainGetName(domain); /* libvirt forgets an error with its next call */
    if (virDomainBlockStats(domain, target, &s, sizeof(s)) < 0)
        return connection_error(err, "libvirt does not tell what %s/%s does", name, target);
    *ret_requests = (double)(s.rd_req + s.wr_req);
    *ret_bytes = (double)(s.rd_bytes + s.wr_bytes);
    return 0;
}

static int observe_once(virDomainPtr domain, const char *target, json_t *work, struct error **err)
{
    double requests[2], bytes[2];
    if (count(domain, target, &requests[0], &bytes[0], err) < 0)
        return -1;
    uint64_t start = clock_now_ns();
    if (interrupt_sleep_ms(1000, err) < 0)
        return -1;
    double seconds = (double)(clock_now_ns() - start) / NS_PER_SECOND;
    if (count(domain, target, &requests[1], &bytes[1], err) < 0)
        return -1;
    inside_add_run(work, requests[1] - requests[0], bytes[1] - bytes[0], seconds);
    return 0;
}

json_t *inside_by_observing(virDomainPtr domain, const struct inside_options *o, struct error **err)
{
    cleanup_json json_t *work = inside_work("its own load", 1);
    if (o->tell)
        o->tell(o->data, "observing what the guest does by itself");
    for (unsigned i = 0; i < o->runs; i++)
        if (observe_once(domain, o->target, work, err) < 0)
            return NULL;
    return json_pack("{s:f, s:[O]}", "seconds", (double)o->runs, "works", work);
}
