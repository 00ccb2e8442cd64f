/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * live_domain.c - two readings of everything, with an interval between them.
 *
 * The boundaries are read one after the other, in the same order both times, and each with the time
 * of its own: the agent may take a while, and so does libvirt. So the intervals are as long, and
 * their ends are apart by what the readings take. All disks of the domain are read, also where one
 * is asked for: limits, devices and threads are shared.
 */
#include "explain/live_domain.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/interrupt.h"
#include "base/memory.h"
#include "check/subject.h"
#include "domain/lookup.h"
#include "domain/xml.h"
#include "explain/live_device.h"
#include "explain/live_guest.h"
#include "explain/live_histogram.h"
#include "explain/live_qemu.h"
#include "explain/live_threads.h"

struct observing {
    struct connection *connection;
    virDomainPtr domain;
    unsigned id; /* of the domain, while this QEMU runs */
    const struct live_options *options;
    struct live_report *report;
    char *live;              /* the XML of what runs */
    struct check_host *host; /* NULL: it is another machine's */
    struct check_domain *d;  /* its disks are the report's, in their order */
    struct live_guest *guest;
    GPtrArray *histograms; /* struct live_histogram *, of each disk; NULL: it has none */
    struct live_threads *before, *after;
    GPtrArray *groups; /* strings: of each disk's <iotune>; NULL: it has none */
};

static void observing_done(struct observing *o)
{
    g_ptr_array_unref(o->histograms);
    g_ptr_array_unref(o->groups);
    live_guest_free(o->guest);
    live_threads_free(o->before);
    live_threads_free(o->after);
    check_domain_free(o->d);
    check_host_free(o->host);
    live_report_free(o->report);
    free(o->live);
}
#define cleanup_observing at_scope_end(observing_done)

static struct live_disk *disk_of(const struct observing *o, size_t i)
{
    return o->report->disks->pdata[i];
}

static bool is_wanted(const struct observing *o, const struct live_disk *d)
{
    return !o->options->target || strcmp(o->options->target, d->target) == 0;
}

/* --- Whether it runs -------------------------------------------------------------------------- */

/* The number of a domain changes with each start; a handle keeps the one that it was made with. */
static bool still_runs(const struct observing *o)
{
    unsigned char uuid[VIR_UUID_BUFLEN];
    if (virDomainGetUUID(o->domain, uuid) < 0)
        return false;
    cleanup_domain virDomainPtr now = virDomainLookupByUUID(o->connection->handle, uuid);
    return now && virDomainIsActive(now) == 1 && virDomainGetID(now) == o->id;
}

static int require_still_running(const struct observing *o, struct error **err)
{
    return still_runs(o) ? 0 : error_set(err, "it is gone");
}

/* Whether all histograms are gone, as far as QEMU says so. */
static bool withdraw_histograms(const struct observing *o)
{
    bool all = true;
    for (guint i = 0; i < o->histograms->len; i++)
        if (o->histograms->pdata[i] && !live_histogram_withdraw(o->histograms->pdata[i]))
            all = false;
    return all;
}

/* Makes *err of a signal, or of what has become of domain or daemon, if that is what failed.
 * Returns -1. */
static int explain_failure(const struct observing *o, struct error **err)
{
    bool withdrawn = withdraw_histograms(o);
    if (interrupt_check(err) == 0) {
        if (connection_is_lost(o->connection)) {
            error_set(err, "the connection to libvirt was lost");
        } else if (!still_runs(o)) {
            error_set(err, "%s ended while it was observed", o->report->domain);
            return error_hint(err, "start it, and let it work for as long as --runtime says");
        }
    }
    return withdrawn
               ? -1
               : error_hint(err, "QEMU may keep histograms: the next run with --histograms removes "
                                 "them");
}

static int require_running(struct observing *o, struct error **err)
{
    if (virDomainIsActive(o->domain) != 1) {
        error_set(err, "%s does not run", o->report->domain);
        return error_hint(err, "start it: its own requests are what is looked at");
    }
    o->id = virDomainGetID(o->domain);
    o->live = virDomainGetXMLDesc(o->domain, 0);
    return o->live ? 0 : connection_error(err, "cannot read what runs of %s", o->report->domain);
}

/* --- What there is ---------------------------------------------------------------------------- */

static char *volume_path(void *data, const char *pool, const char *volume, struct error **err)
{
    return lookup_volume_path(data, pool, volume, err);
}

/* Those of the top image first, then those of images below it that lie elsewhere. */
static void find_devices(const struct observing *o, const struct check_disk *c, struct live_disk *d)
{
    if (!o->host)
        d->no_device = xstrdup("the hypervisor is on another machine");
    else if (!c->path)
        d->no_device = xasprintf("it is no file and no device of this host (%s)", c->model->type);
    else if (!c->place)
        d->no_device = xasprintf("%s cannot be looked at", c->path);
    else if (!c->place->block)
        d->no_device = xasprintf("%s is on no block device of this host (%s)", c->path,
                                 c->place->mount ? c->place->mount->type : "unknown");
    else
        live_device_add_stack(d, c->place->block);
    for (guint i = 1; !d->no_device && i < c->images->len; i++) {
        const struct place *place = ((const struct check_image *)c->images->pdata[i])->place;
        if (place && place->block)
            live_device_add_stack(d, place->block);
    }
}

static void add_disk(struct observing *o, const struct check_disk *c)
{
    struct live_disk *d = live_report_add_disk(o->report, c->model->target ? c->model->target : "");
    d->source = c->path ? xstrdup(c->path) : NULL;
    d->is_cached = !disk_config_is_direct(&c->model->config);
    find_devices(o, c, d);
}

static int read_domain(struct observing *o, struct error **err)
{
    const struct subject_source source = {
        .xml = o->live,
        .length = strlen(o->live),
        .live = o->live,
        .volume_path = volume_path,
        .data = o->connection,
    };
    if (connection_is_local(o->connection) && !(o->host = check_host_new(NULL, err)))
        return -1;
    o->d = check_domain_new(o->host, &source, err);
    if (!o->d || (o->options->target && !domain_model_disk(o->d->model, o->options->target, err)))
        return -1;
    const char *type = o->d->model->type ? o->d->model->type : "";
    o->report->accelerator = strcmp(type, "kvm") == 0    ? "kvm"
                             : strcmp(type, "qemu") == 0 ? "tcg"
                                                         : NULL;
    unsigned wanted = 0;
    for (size_t i = 0; i < o->d->disk_count; i++) {
        add_disk(o, &o->d->disks[i]);
        wanted += is_wanted(o, disk_of(o, i));
    }
    return wanted ? 0
                  : error_set(err, "%s has no disk%s%s to look at", o->report->domain,
                              o->options->target ? " " : "",
                              o->options->target ? o->options->target : "");
}

/* --- Readings --------------------------------------------------------------------------------- */

static int read_qemu(const struct observing *o, bool after, struct error **err)
{
    cleanup_live_qemu struct live_qemu *q = live_qemu_read(o->domain, err);
    for (size_t i = 0; q && i < o->d->disk_count; i++) {
        struct live_disk *d = disk_of(o, i);
        if (live_qemu_counts(q, d->target, after ? &d->qemu.after : &d->qemu.before) == 0)
            continue;
        if (!after)
            live_boundary_unknown(&d->qemu, "QEMU keeps no statistics of it (%s)",
                                  o->d->disks[i].model->type);
        else if (!d->qemu.why)
            live_boundary_unknown(&d->qemu, "libvirt tells no statistics of it now");
    }
    return q ? 0 : -1;
}

static void read_devices(const struct observing *o, bool after)
{
    for (size_t i = 0; i < o->d->disk_count; i++)
        for (guint k = 0; k < disk_of(o, i)->devices->len; k++) {
            struct live_device *d = disk_of(o, i)->devices->pdata[k];
            struct live_counts *to = after ? &d->at.after : &d->at.before;
            if (live_device_read(o->host->root, d->number, to) < 0)
                live_boundary_unknown(&d->at, "the kernel tells no statistics of it");
        }
}

static int read_all(struct observing *o, bool after, struct error **err)
{
    live_guest_read(o->guest, o->report, after);
    if (read_qemu(o, after, err) < 0)
        return -1;
    read_devices(o, after);
    struct live_threads **threads = after ? &o->after : &o->before;
    if (o->host && o->d->process)
        *threads = live_threads_read(o->host->root, o->d->process->pid);
    return interrupt_check(err);
}

/* --- Histograms ------------------------------------------------------------------------------- */

static int start_histograms(struct observing *o, struct error **err)
{
    for (size_t i = 0; o->options->histograms && i < o->d->disk_count; i++) {
        const struct live_disk *d = disk_of(o, i);
        cleanup_free char *alias = xml_attribute(xml_child(o->d->disks[i].node, "alias"), "name");
        bool has_one = is_wanted(o, d) && alias && !d->qemu.why;
        struct live_histogram *h = has_one ? live_histogram_new(o->domain, alias) : NULL;
        g_ptr_array_add(o->histograms, h);
        if (h && live_histogram_start(h, err) < 0)
            return error_prefix(err, "no histogram of %s/%s", o->report->domain, d->target);
    }
    return 0;
}

static int end_histograms(struct observing *o, struct error **err)
{
    for (guint i = 0; i < o->histograms->len; i++) {
        struct live_histogram *h = o->histograms->pdata[i];
        if (h &&
            (live_histogram_read(h, disk_of(o, i), err) < 0 || live_histogram_stop(h, err) < 0))
            return -1;
    }
    return 0;
}

/* --- The interval ----------------------------------------------------------------------------- */

/* A domain that ends is noticed within a second. */
static int wait_interval(const struct observing *o, struct error **err)
{
    uint64_t begin = clock_now_ns(), now = begin;
    while (now - begin < o->options->runtime_ns) {
        uint64_t left = o->options->runtime_ns - (now - begin);
        if (o->options->tell)
            o->options->tell(o->options->data, "observing what the guest does",
                             (double)(now - begin) / (double)o->options->runtime_ns);
        if (interrupt_sleep_ms((int)(MIN(left, NS_PER_SECOND) / NS_PER_MS) + 1, err) < 0)
            return -1;
        if (require_still_running(o, err) < 0)
            return -1;
        now = clock_now_ns();
    }
    o->report->seconds = (double)(now - begin) / (double)NS_PER_SECOND;
    return 0;
}

static int observe(struct observing *o, struct error **err)
{
    if (o->options->tell)
        o->options->tell(o->options->data, "asking the guest's agent", NAN);
    o->guest = live_guest_open(o->domain, o->live, o->d, o->report);
    if (interrupt_check(err) < 0 || read_all(o, /* after = */ false, err) < 0 ||
        start_histograms(o, err) < 0 || wait_interval(o, err) < 0 || end_histograms(o, err) < 0 ||
        read_all(o, /* after = */ true, err) < 0)
        return -1;
    /* Of a domain that has ended in the last reading there is nothing, or half of it. */
    return require_still_running(o, err);
}

/* --- What came of it -------------------------------------------------------------------------- */

/* Adds rates, and gives the mean size that both have together. */
static void add_figure(struct live_figure *to, const struct live_figure *more)
{
    double bytes = (to->per_second > 0 ? to->per_second * to->mean_bytes : 0) +
                   (more->per_second > 0 ? more->per_second * more->mean_bytes : 0);
    to->per_second += more->per_second > 0 ? more->per_second : 0;
    to->mean_bytes = to->per_second > 0 ? bytes / to->per_second : NAN;
}

/* What the domain asked for of a device; of NULL of all, flushes included. */
static struct live_figures asked_of(const struct observing *o, const struct live_device *device)
{
    struct live_figures sum = {0};
    for (size_t i = 0; i < o->d->disk_count; i++) {
        const struct live_disk *d = disk_of(o, i);
        if (d->qemu.why || (device && !live_disk_find_device(d, device->number)))
            continue;
        for (int k = 0; k < LIVE_KINDS; k++)
            add_figure(&sum.kinds[k], &d->qemu.figures.kinds[k]);
        add_figure(&sum.data, &d->qemu.figures.data);
    }
    return sum;
}

static void finish_boundaries(const struct observing *o)
{
    for (size_t i = 0; i < o->d->disk_count; i++) {
        struct live_disk *d = disk_of(o, i);
        live_boundary_finish(&d->guest, LIVE_CLOCK_KERNEL_NS);
        live_boundary_finish(&d->qemu, LIVE_CLOCK_QEMU_NS);
        for (guint k = 0; k < d->devices->len; k++)
            live_boundary_finish(&((struct live_device *)d->devices->pdata[k])->at,
                                 LIVE_CLOCK_KERNEL_NS);
    }
    for (size_t i = 0; i < o->d->disk_count; i++) {
        struct live_disk *d = disk_of(o, i);
        for (guint k = 0; k < d->devices->len; k++) {
            const struct live_figures asked = asked_of(o, d->devices->pdata[k]);
            live_device_compare(d->devices->pdata[k], &asked);
        }
        live_disk_divide(d);
    }
}

/* The rates of those that share the limits of this disk, and their names. */
static void add_group(const struct observing *o, size_t of, const char *const *groups,
                      uint64_t size_iops, struct live_rates *rates, GString *names)
{
    for (size_t i = 0; i < o->d->disk_count; i++) {
        const struct live_disk *d = disk_of(o, i);
        if (i != of && (!groups[of] || !groups[i] || strcmp(groups[of], groups[i]) != 0))
            continue;
        g_string_append_printf(names, "%s%s", names->len ? ", " : "", d->target);
        if (!d->qemu.why)
            live_rates_add(rates, &d->qemu.figures, size_iops);
    }
}

static int find_iotune(struct observing *o, struct error **err)
{
    size_t count = o->d->disk_count;
    cleanup_free struct live_iotune *tunes = xcalloc(count, sizeof(*tunes));
    for (size_t i = 0; i < count; i++) {
        char *group = NULL;
        if (live_qemu_iotune(o->domain, disk_of(o, i)->target, &tunes[i], &group, err) < 0)
            return -1;
        g_ptr_array_add(o->groups, group);
    }
    for (size_t i = 0; i < count; i++) {
        struct live_disk *d = disk_of(o, i);
        struct live_rates rates = {0};
        g_autoptr(GString) names = g_string_new(NULL);
        add_group(o, i, (const char *const *)o->groups->pdata, tunes[i].size_iops, &rates, names);
        const struct live_device *device = d->devices->len ? d->devices->pdata[0] : NULL;
        live_throttles_of_iotune(&tunes[i], &rates, names->str, d->qemu.figures.data.latency_us,
                                 device ? device->at.figures.data.latency_us : NAN, d->throttles);
    }
    return 0;
}

static void finish_process(struct observing *o)
{
    const struct check_process *p = o->host ? o->d->process : NULL;
    const struct live_figures all = asked_of(o, NULL);
    double requests = all.data.per_second + all.kinds[LIVE_FLUSH].per_second;
    if (!o->before || !o->after) {
        o->report->no_threads = xstrdup(!o->host ? "the hypervisor is on another machine"
                                                 : "its QEMU is no process that may be looked at");
        return;
    }
    live_threads_compare(o->before, o->after, requests, o->host->facts, o->report->threads);
    cleanup_free char *group = p->cpu_limit ? live_throttle_group(p->cpu_limit) : NULL;
    if (group)
        live_throttles_of_cpu(p->cpu_limit, live_threads_of_group(o->before, o->after, group),
                              o->report->throttles);
    if (!p->io_limit)
        return;
    g_autoptr(GPtrArray) devices = g_ptr_array_new();
    for (size_t i = 0; i < o->d->disk_count; i++)
        g_ptr_array_extend(devices, disk_of(o, i)->devices, NULL, NULL);
    live_throttles_of_io(p->io_limit, devices, o->report->throttles);
}

/* Those that were read for the sake of the others. */
static void drop_unwanted(struct observing *o)
{
    for (guint i = o->report->disks->len; i-- > 0;)
        if (!is_wanted(o, disk_of(o, i)))
            g_ptr_array_remove_index(o->report->disks, i);
}

static int conclude(struct observing *o, struct error **err)
{
    finish_boundaries(o);
    if (find_iotune(o, err) < 0)
        return -1;
    finish_process(o);
    drop_unwanted(o);
    return 0;
}

struct live_report *live_observe(struct connection *c, virDomainPtr domain,
                                 const struct live_options *options, struct error **err)
{
    cleanup_observing struct observing o = {
        .connection = c,
        .domain = domain,
        .options = options,
        .report = live_report_new(virDomainGetName(domain)),
        .histograms = g_ptr_array_new_with_free_func((GDestroyNotify)live_histogram_free),
        .groups = g_ptr_array_new_with_free_func(free),
    };
    if (require_running(&o, err) < 0 || read_domain(&o, err) < 0)
        return NULL;
    if (observe(&o, err) < 0 || conclude(&o, err) < 0) {
        explain_failure(&o, err);
        return NULL;
    }
    return TAKE_PTR(o.report);
}
