/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "explain/live.h"

#include <math.h>
#include <stdarg.h>

#include "base/clock.h"
#include "base/memory.h"
#include "explain/live_throttle.h"

/* --- Freeing ---------------------------------------------------------------------------------- */

static void boundary_done(struct live_boundary *b)
{
    free(b->name);
    free(b->why);
    free(b->hint);
}

static void free_device(void *data)
{
    struct live_device *d = data;
    boundary_done(&d->at);
    free(d->kernel_name);
    free(d);
}

static void free_disk(void *data)
{
    struct live_disk *d = data;
    free(d->target);
    free(d->source);
    boundary_done(&d->guest);
    boundary_done(&d->qemu);
    g_ptr_array_unref(d->devices);
    free(d->no_device);
    g_ptr_array_unref(d->throttles);
    g_ptr_array_unref(d->untold);
    free(d);
}

static void free_group(void *data)
{
    struct live_thread_group *g = data;
    free(g->name);
    free(g->allowed);
    free(g->last_cpus);
    free(g->last_nodes);
    free(g);
}

GPtrArray *live_thread_groups_new(void)
{
    return g_ptr_array_new_with_free_func(free_group);
}

void live_report_free(struct live_report *r)
{
    if (!r)
        return;
    free(r->domain);
    free(r->no_threads);
    g_ptr_array_unref(r->disks);
    g_ptr_array_unref(r->throttles);
    g_ptr_array_unref(r->threads);
    free(r);
}

/* --- Making ----------------------------------------------------------------------------------- */

struct live_report *live_report_new(const char *domain)
{
    struct live_report *r = xcalloc(1, sizeof(*r));
    *r = (struct live_report){
        .domain = xstrdup(domain),
        .seconds = NAN,
        .disks = g_ptr_array_new_with_free_func(free_disk),
        .throttles = g_ptr_array_new_with_free_func(live_throttle_free),
        .threads = live_thread_groups_new(),
    };
    return r;
}

struct live_disk *live_report_add_disk(struct live_report *r, const char *target)
{
    struct live_disk *d = xcalloc(1, sizeof(*d));
    *d = (struct live_disk){
        .target = xstrdup(target),
        .guest.name = xstrdup("guest"),
        .qemu.name = xstrdup("QEMU"),
        .devices = g_ptr_array_new_with_free_func(free_device),
        .throttles = g_ptr_array_new_with_free_func(live_throttle_free),
        .parts = {NAN, NAN, NAN, NAN},
        .untold = g_ptr_array_new_with_free_func(free),
    };
    g_ptr_array_add(r->disks, d);
    return d;
}

struct live_device *live_disk_add_device(struct live_disk *disk, dev_t number,
                                         const char *kernel_name, bool holds)
{
    struct live_device *d = xcalloc(1, sizeof(*d));
    *d = (struct live_device){
        .number = number,
        .kernel_name = xstrdup(kernel_name),
        .holds = holds,
        .at.name = xasprintf("host %s", kernel_name),
        .times_requests = NAN,
        .times_bytes = NAN,
    };
    g_ptr_array_add(disk->devices, d);
    return d;
}

struct live_device *live_disk_find_device(const struct live_disk *disk, dev_t number)
{
    for (guint i = 0; i < disk->devices->len; i++) {
        struct live_device *d = disk->devices->pdata[i];
        if (d->number == number)
            return d;
    }
    return NULL;
}

void live_boundary_unknown(struct live_boundary *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    free(b->why);
    b->why = xvasprintf(format, args);
    va_end(args);
}

/* --- Differences ------------------------------------------------------------------------------ */

/* A sum of times is known to one tick of its clock: with as many ticks to 20 %. */
#define TICKS_MIN 5

static struct live_figure figure(uint64_t requests, uint64_t bytes, uint64_t time_ns,
                                 uint64_t clock_ns, double seconds)
{
    bool told = requests && time_ns >= TICKS_MIN * clock_ns;
    return (struct live_figure){
        .per_second = (double)requests / seconds,
        .mean_bytes = requests ? (double)bytes / (double)requests : NAN,
        .latency_us = told ? (double)time_ns / 1000 / (double)requests : NAN,
        .depth = (double)time_ns / (double)NS_PER_SECOND / seconds,
    };
}

static void forget(struct live_figures *f)
{
    const struct live_figure none = {NAN, NAN, NAN, NAN};
    *f = (struct live_figures){.seconds = NAN, .data = none, .depth = NAN};
    for (int k = 0; k < LIVE_KINDS; k++)
        f->kinds[k] = none;
}

/* Kernels print times as 32 bits of ms, which begin at 0 again after 50 days of requests. */
#define KERNEL_WRAPS_NS (((uint64_t)1 << 32) * NS_PER_MS)
/* More requests at a time than any queue holds: that was no turn but a new beginning. */
#define DEPTH_MAX 4096

/* What was added to a count of times; -1 where it began anew. */
static int time_between(uint64_t before, uint64_t after, uint64_t clock_ns, double seconds,
                        uint64_t *ret)
{
    bool turned = after < before;
    if (turned && (clock_ns != LIVE_CLOCK_KERNEL_NS || before >= KERNEL_WRAPS_NS))
        return -1;
    *ret = after - before + (turned ? KERNEL_WRAPS_NS : 0);
    return turned && (double)*ret > DEPTH_MAX * seconds * (double)NS_PER_SECOND ? -1 : 0;
}

/* The kernel counts the time of a flush in the write that asks for it as well (disk_stat.h). */
static bool is_counted_twice(int kind, uint64_t clock_ns)
{
    return kind == LIVE_FLUSH && clock_ns == LIVE_CLOCK_KERNEL_NS;
}

int live_difference(const struct live_counts *before, const struct live_counts *after,
                    uint64_t clock_ns, struct live_figures *ret)
{
    uint64_t requests = 0, bytes = 0, time_ns = 0, times[LIVE_KINDS];
    forget(ret);
    if (after->at_ns <= before->at_ns)
        return -1;
    double seconds = (double)(after->at_ns - before->at_ns) / (double)NS_PER_SECOND;
    for (int k = 0; k < LIVE_KINDS; k++)
        if (after->requests[k] < before->requests[k] || after->bytes[k] < before->bytes[k] ||
            time_between(before->time_ns[k], after->time_ns[k], clock_ns, seconds, &times[k]) < 0)
            return -1;
    ret->seconds = seconds;
    ret->depth = 0;
    for (int k = 0; k < LIVE_KINDS; k++) {
        uint64_t r = after->requests[k] - before->requests[k];
        uint64_t b = after->bytes[k] - before->bytes[k];
        ret->kinds[k] = figure(r, b, times[k], clock_ns, seconds);
        ret->depth += is_counted_twice(k, clock_ns) ? 0 : ret->kinds[k].depth;
        requests += k == LIVE_FLUSH ? 0 : r;
        bytes += k == LIVE_FLUSH ? 0 : b;
        time_ns += k == LIVE_FLUSH ? 0 : times[k];
    }
    ret->data = figure(requests, bytes, time_ns, clock_ns, seconds);
    return 0;
}

void live_boundary_finish(struct live_boundary *b, uint64_t clock_ns)
{
    int r = live_difference(&b->before, &b->after, clock_ns, &b->figures);
    if (b->why)
        forget(&b->figures);
    else if (r < 0)
        live_boundary_unknown(b, "what counts there was started anew in between");
}

/* --- A device, and who uses it ---------------------------------------------------------------- */

/* Formats and file systems write more than they are asked to: a table, a journal. */
#define BUSIER_TIMES 1.5
/* What a host does by the way. */
#define BUSIER_REQUESTS 20
#define BUSIER_BYTES 1e6

static double times(double did, double asked)
{
    return asked > 0 ? did / asked : NAN;
}

static bool is_more(double did, double asked, double by_the_way)
{
    return did > BUSIER_TIMES * asked && did - asked > by_the_way;
}

void live_device_compare(struct live_device *d, const struct live_figures *asked)
{
    const struct live_figure *did = &d->at.figures.data;
    double did_bytes = did->per_second > 0 ? did->per_second * did->mean_bytes : 0;
    double asked_bytes =
        asked->data.per_second > 0 ? asked->data.per_second * asked->data.mean_bytes : 0;
    d->asked = *asked;
    if (d->at.why)
        return;
    d->times_requests = times(did->per_second, asked->data.per_second);
    d->times_bytes = times(did_bytes, asked_bytes);
    d->is_busier = is_more(did->per_second, asked->data.per_second, BUSIER_REQUESTS) ||
                   is_more(did_bytes, asked_bytes, BUSIER_BYTES);
}

/* --- Parts of a request ----------------------------------------------------------------------- */

static void untold(struct live_disk *d, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void untold(struct live_disk *d, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_ptr_array_add(d->untold, xvasprintf(format, args));
    va_end(args);
}

/* What the device takes for a mean request of the disk: its own reads and writes in the proportion
 * of the disk's. */
static double device_latency(const struct live_figures *disk, const struct live_figures *device)
{
    double sum = 0;
    for (int k = LIVE_READ; k <= LIVE_WRITE; k++)
        if (disk->kinds[k].per_second > 0)
            sum += disk->kinds[k].per_second * device->kinds[k].latency_us;
    return sum / disk->data.per_second;
}

static void divide_guest(struct live_disk *d)
{
    const struct live_figures *g = &d->guest.figures, *q = &d->qemu.figures;
    if (d->guest.why)
        return; /* said where the boundary is */
    double ratio = g->data.per_second / q->data.per_second;
    if (isnan(g->data.latency_us))
        untold(d, "the guest's side: too little was done for the guest's clock of 1 ms");
    else if (ratio < 0.8 || ratio > 1.25)
        untold(d,
               "the guest's side: the guest counted %.1f requests/s and QEMU %.1f, which are not "
               "the same ones",
               g->data.per_second, q->data.per_second);
    else if (g->data.latency_us < q->data.latency_us)
        untold(d, "the guest's side: the guest's latency is not above QEMU's, so the difference is "
                  "below what these clocks tell");
    else
        d->parts.guest_us = g->data.latency_us - q->data.latency_us;
    if (isfinite(d->parts.guest_us) &&
        g->kinds[LIVE_FLUSH].per_second > 0.01 * g->kinds[LIVE_WRITE].per_second)
        untold(d,
               "how much of the guest's side are flushes: a write that has to wait for one counts "
               "its time as well");
}

static void divide_device(struct live_disk *d)
{
    const struct live_device *device = d->devices->len ? d->devices->pdata[0] : NULL;
    double qemu_us = d->qemu.figures.data.latency_us;
    if (!device || device->at.why)
        return;
    double us = device_latency(&d->qemu.figures, &device->at.figures);
    if (d->is_cached)
        untold(d, "QEMU and device apart: the host's page cache answers, and the device works at "
                  "another time");
    else if (isnan(us))
        untold(
            d,
            "QEMU and device apart: the host's %s did too little of the kind for its clock of 1 ms",
            device->kernel_name);
    else if (us > qemu_us)
        untold(d,
               "QEMU and device apart: the requests of the host's %s take longer than QEMU's, so "
               "they are "
               "not the same ones",
               device->kernel_name);
    else
        d->parts.device_us = us;
    if (isfinite(d->parts.device_us) && device->is_busier)
        untold(d,
               "the device's part of this disk alone: the host's %s did clearly more than the "
               "domain asked "
               "for, and its latency is that of all",
               device->kernel_name);
}

void live_disk_divide(struct live_disk *d)
{
    const struct live_figures *q = &d->qemu.figures;
    if (d->qemu.why || isnan(q->data.latency_us))
        return;
    divide_guest(d);
    divide_device(d);
    d->parts.request_us =
        isfinite(d->parts.guest_us) ? d->guest.figures.data.latency_us : q->data.latency_us;
    d->parts.qemu_us = q->data.latency_us - (isfinite(d->parts.device_us) ? d->parts.device_us : 0);
}
