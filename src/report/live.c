/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/live.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "report/report.h"
#include "report/table.h"
#include "report/threads.h"

#define COLUMNS 80

static void print_wrapped(const char *text, int indent, FILE *out)
{
    report_print_wrapped_to(text, indent, COLUMNS, out);
}

/* --- Cells ------------------------------------------------------------------------------------ */

static void number_cell(struct table *t, double value)
{
    if (isfinite(value))
        table_cell(t, value < 100 ? "%.1f" : "%.0f", value);
    else
        table_cell(t, "-");
}

static void time_cell(struct table *t, double us)
{
    cleanup_free char *text = isfinite(us) ? report_us_text(us) : NULL;
    table_cell(t, "%s", text ? text : "-");
}

static void size_cell(struct table *t, double bytes)
{
    if (!isfinite(bytes))
        table_cell(t, "-");
    else if (bytes < 1000 * 1024.0)
        table_cell(t, "%.1f KiB", bytes / 1024);
    else
        table_cell(t, "%.1f MiB", bytes / (1024 * 1024));
}

/* --- Limits ----------------------------------------------------------------------------------- */

/* A group's limit is each of its disks', and is said once. */
static void print_throttles(const GPtrArray *throttles, GHashTable *said, FILE *out)
{
    for (guint i = 0; i < throttles->len; i++) {
        const struct live_throttle *t = throttles->pdata[i];
        if (!t->bites && !t->may_bite)
            continue;
        char *line =
            xasprintf("%s: %s at %.0f %% of its limit %s%s",
                      t->bites ? "Throttled" : "Perhaps throttled", t->whose, t->percent, t->limit,
                      t->bites ? ""
                               : " in the mean of the interval, and QEMU took far longer "
                                 "than the device: it may bite for part of the time");
        if (g_hash_table_add(said, line))
            print_wrapped(line, 0, out);
    }
}

/* Limits of all disks, and of their process. */
static void print_all_throttles(const struct live_report *r, FILE *out)
{
    g_autoptr(GHashTable) said = g_hash_table_new_full(g_str_hash, g_str_equal, free, NULL);
    print_throttles(r->throttles, said, out);
    for (guint i = 0; i < r->disks->len; i++)
        print_throttles(((const struct live_disk *)r->disks->pdata[i])->throttles, said, out);
    if (g_hash_table_size(said))
        fputc('\n', out);
}

/* --- A disk ----------------------------------------------------------------------------------- */

static void add_boundary(struct table *t, const struct live_boundary *b)
{
    const struct live_figures *f = &b->figures;
    if (b->why)
        return;
    table_cell(t, "%s", b->name);
    for (int k = 0; k < LIVE_KINDS; k++)
        number_cell(t, f->kinds[k].per_second);
    size_cell(t, f->data.mean_bytes);
    table_cell(t, "%.2f", f->depth);
    time_cell(t, f->data.latency_us);
}

static void print_boundaries(const struct live_disk *d, FILE *out)
{
    static const struct table_column columns[] = {
        {"", false},    {"reads/s", true}, {"writes/s", true}, {"flushes/s", true},
        {"size", true}, {"depth", true},   {"latency", true}};
    cleanup_table struct table *t = table_new(columns, ARRAY_SIZE(columns));
    add_boundary(t, &d->guest);
    add_boundary(t, &d->qemu);
    for (guint i = 0; i < d->devices->len; i++)
        add_boundary(t, &((const struct live_device *)d->devices->pdata[i])->at);
    table_print(t, out);
}

static void print_unknown(const struct live_boundary *b, FILE *out)
{
    if (!b->why)
        return;
    cleanup_free char *text = xasprintf("%s: not known: %s%s%s", b->name, b->why,
                                        b->hint ? "; " : "", b->hint ? b->hint : "");
    print_wrapped(text, 2, out);
}

static void print_others(const struct live_device *d, FILE *out)
{
    if (d->at.why || !d->is_busier)
        return;
    g_autoptr(GString) text = g_string_new(NULL);
    g_string_append_printf(text, "%s: it did clearly more than this domain asked it for",
                           d->at.name);
    if (isfinite(d->times_requests) && isfinite(d->times_bytes))
        g_string_append_printf(text, " (%.1f times the requests, %.1f times the bytes)",
                               d->times_requests, d->times_bytes);
    g_string_append(text, ": its figures are those of all who use it, and of what formats and file "
                          "systems add");
    print_wrapped(text->str, 2, out);
}

/* --- Parts ------------------------------------------------------------------------------------ */

static void add_part(struct table *t, const char *name, double us, double of)
{
    if (!isfinite(us))
        return;
    table_cell(t, "%s", name);
    time_cell(t, us);
    table_cell(t, "%.0f %%", 100 * us / of);
}

/* The one of CPU time makes everything slow, not this. */
static bool has_biting(const GPtrArray *throttles)
{
    for (guint i = 0; i < throttles->len; i++) {
        const struct live_throttle *t = throttles->pdata[i];
        if (t->bites && !g_str_has_prefix(t->limit, "cpu."))
            return true;
    }
    return false;
}

static void print_parts(const struct live_report *r, const struct live_disk *d, FILE *out)
{
    static const struct table_column columns[] = {{"", false}, {"time", true}, {"share", true}};
    const struct live_parts *p = &d->parts;
    cleanup_free char *whole = isfinite(p->request_us) ? report_us_text(p->request_us) : NULL;
    if (!whole)
        return;
    bool alone = isfinite(p->device_us);
    bool waits = has_biting(d->throttles) || has_biting(r->throttles);
    cleanup_free char *qemu = xasprintf("QEMU%s%s", alone ? "" : ", and all below it",
                                        waits ? ", with the wait at the limit" : "");
    cleanup_free char *device =
        alone ? xstrdup(((const struct live_device *)d->devices->pdata[0])->at.name) : NULL;
    fprintf(out, "\n  Of the %s that a read or write takes%s (mean):\n", whole,
            isfinite(p->guest_us) ? "" : " in QEMU");
    cleanup_table struct table *t = table_new(columns, ARRAY_SIZE(columns));
    add_part(t, "guest side: virtio, exits, notification", p->guest_us, p->request_us);
    add_part(t, qemu, p->qemu_us, p->request_us);
    add_part(t, device, p->device_us, p->request_us);
    table_print(t, out);
}

static void print_untold(const struct live_disk *d, FILE *out)
{
    for (guint i = 0; i < d->untold->len; i++) {
        cleanup_free char *text = xasprintf("Not told: %s.", (const char *)d->untold->pdata[i]);
        print_wrapped(text, 2, out);
    }
}

static void print_percentiles(const struct live_disk *d, FILE *out)
{
    static const struct table_column columns[] = {{"QEMU's latencies", false},
                                                  {"requests", true},
                                                  {"p50", true},
                                                  {"p95", true},
                                                  {"p99", true},
                                                  {"p99.9", true}};
    static const char *const names[LIVE_KINDS] = {"reads", "writes", "flushes"};
    if (!d->has_percentiles)
        return;
    fputc('\n', out);
    cleanup_table struct table *t = table_new(columns, ARRAY_SIZE(columns));
    for (int k = 0; k < LIVE_KINDS; k++) {
        const struct live_percentiles *p = &d->percentiles[k];
        if (!p->requests)
            continue;
        table_cell(t, "%s", names[k]);
        table_cell(t, "%" G_GUINT64_FORMAT, p->requests);
        time_cell(t, p->p50_us);
        time_cell(t, p->p95_us);
        time_cell(t, p->p99_us);
        time_cell(t, p->p999_us);
    }
    table_print(t, out);
}

static void print_disk(const struct live_report *r, const struct live_disk *d, FILE *out)
{
    fprintf(out, "\n%s/%s%s%s\n", r->domain, d->target, d->source ? ": " : "",
            d->source ? d->source : "");
    print_boundaries(d, out);
    print_unknown(&d->guest, out);
    print_unknown(&d->qemu, out);
    if (d->no_device) {
        cleanup_free char *text = xasprintf("device: not known: %s", d->no_device);
        print_wrapped(text, 2, out);
    }
    for (guint i = 0; i < d->devices->len; i++) {
        print_unknown(&((const struct live_device *)d->devices->pdata[i])->at, out);
        print_others(d->devices->pdata[i], out);
    }
    if (!d->qemu.why && !(d->qemu.figures.data.per_second > 0))
        fputs("  The guest asked for nothing in this time.\n", out);
    print_parts(r, d, out);
    print_untold(d, out);
    print_percentiles(d, out);
}

void report_live_text(const struct live_report *r, FILE *out)
{
    print_all_throttles(r, out);
    cleanup_free char *heading =
        xasprintf("What %s did by itself in %.1f s%s:", r->domain, r->seconds,
                  r->accelerator && strcmp(r->accelerator, "tcg") == 0
                      ? ", emulated (TCG), which makes the guest's side slow"
                      : "");
    print_wrapped(heading, 0, out);
    for (guint i = 0; i < r->disks->len; i++)
        print_disk(r, r->disks->pdata[i], out);
    fputc('\n', out);
    if (r->no_threads)
        fprintf(out, "QEMU's threads: not known: %s\n", r->no_threads);
    else
        report_threads_text(r->threads, out);
}
