/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "explain/live_throttle.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "host/stack.h"

const char *const live_limit_names[LIVE_LIMITS] = {
    [LIVE_TOTAL_BYTES] = "total_bytes_sec", [LIVE_READ_BYTES] = "read_bytes_sec",
    [LIVE_WRITE_BYTES] = "write_bytes_sec", [LIVE_TOTAL_IOPS] = "total_iops_sec",
    [LIVE_READ_IOPS] = "read_iops_sec",     [LIVE_WRITE_IOPS] = "write_iops_sec",
};

#define BITES_PERCENT 90
#define MAY_BITE_PERCENT 50
/* QEMU's own part is microseconds; so much is a queue somewhere. */
#define FAR_ABOVE_TIMES 5
#define FAR_ABOVE_US 1000

void live_throttle_free(void *throttle)
{
    struct live_throttle *t = throttle;
    free(t->limit);
    free(t->whose);
    free(t);
}

/* Takes over `limit`. */
static struct live_throttle *add(GPtrArray *out, char *limit, const char *whose, double percent)
{
    struct live_throttle *t = xcalloc(1, sizeof(*t));
    *t = (struct live_throttle){
        .limit = limit,
        .whose = xstrdup(whose),
        .percent = percent,
        .bites = percent >= BITES_PERCENT,
    };
    g_ptr_array_add(out, t);
    return t;
}

/* --- <iotune> --------------------------------------------------------------------------------- */

void live_rates_add(struct live_rates *r, const struct live_figures *f, uint64_t size_iops)
{
    for (int k = LIVE_READ; k <= LIVE_WRITE; k++) {
        const struct live_figure *one = &f->kinds[k];
        if (!(one->per_second > 0))
            continue;
        /* QEMU counts a fraction, too (util/throttle.c, throttle_account). Of the mean size: of
         * requests on both sides of it this makes fewer than they are. */
        double units = size_iops ? one->mean_bytes / (double)size_iops : 1;
        r->requests[k] += one->per_second;
        r->bytes[k] += one->per_second * one->mean_bytes;
        r->sized[k] += one->per_second * (units > 1 ? units : 1);
    }
}

static double rate_of(enum live_limit limit, const struct live_rates *r)
{
    const double *which = limit >= LIVE_TOTAL_IOPS ? r->sized : r->bytes;
    switch (limit) {
    case LIVE_READ_BYTES:
    case LIVE_READ_IOPS:
        return which[LIVE_READ];
    case LIVE_WRITE_BYTES:
    case LIVE_WRITE_IOPS:
        return which[LIVE_WRITE];
    default:
        return which[LIVE_READ] + which[LIVE_WRITE];
    }
}

void live_throttles_of_iotune(const struct live_iotune *t, const struct live_rates *rates,
                              const char *whose, double qemu_us, double device_us, GPtrArray *out)
{
    bool far_above = qemu_us > FAR_ABOVE_TIMES * device_us && qemu_us - device_us > FAR_ABOVE_US;
    for (int i = 0; i < LIVE_LIMITS; i++) {
        if (!t->limits[i])
            continue;
        struct live_throttle *found =
            add(out, xasprintf("%s=%" PRIu64, live_limit_names[i], t->limits[i]), whose,
                100 * rate_of(i, rates) / (double)t->limits[i]);
        found->may_bite = !found->bites && far_above && found->percent >= MAY_BITE_PERCENT;
    }
}

/* --- Control groups --------------------------------------------------------------------------- */

/* The words of io.max (cgroup-v2.rst) and the files of version 1 that mean the same. */
static const struct {
    const char *word, *file;
    enum live_kind kind;
    bool bytes;
} io_limits[] = {
    {"rbps", "blkio.throttle.read_bps_device", LIVE_READ, true},
    {"wbps", "blkio.throttle.write_bps_device", LIVE_WRITE, true},
    {"riops", "blkio.throttle.read_iops_device", LIVE_READ, false},
    {"wiops", "blkio.throttle.write_iops_device", LIVE_WRITE, false},
};

static const struct live_device *find_device(const GPtrArray *devices, dev_t number)
{
    for (guint i = 0; i < devices->len; i++) {
        const struct live_device *d = devices->pdata[i];
        if (d->number == number && !d->at.why)
            return d;
    }
    return NULL;
}

static double io_rate(const struct live_figures *f, size_t which)
{
    struct live_rates rates = {0};
    live_rates_add(&rates, f, 0);
    const double *of = io_limits[which].bytes ? rates.bytes : rates.requests;
    return of[io_limits[which].kind];
}

/* Others may use the device as well, and the page cache may write at another time than it is asked
 * to: of what the device did and what the domain asked of it the smaller one counts. */
static void hold_io(const struct live_device *d, size_t which, uint64_t limit, const char *where,
                    GPtrArray *out)
{
    double did = io_rate(&d->at.figures, which), asked = io_rate(&d->asked, which);
    if (limit)
        add(out,
            xasprintf("%s=%" PRIu64 " for %s (%s)", io_limits[which].word, limit, d->kernel_name,
                      where),
            "its process", 100 * fmin(did, asked) / (double)limit);
}

/* "8:0 rbps=max wbps=1048576", or "8:0 1048576" of a file that is one limit (`which`, else -1). */
static void hold_line(char *line, int which, const char *where, const GPtrArray *devices,
                      GPtrArray *out)
{
    dev_t number;
    g_auto(GStrv) words = g_strsplit(g_strstrip(line), " ", -1);
    const struct live_device *d =
        words[0] && stack_parse_number(words[0], &number) ? find_device(devices, number) : NULL;
    for (char **word = words + 1; d && *word; word++) {
        if (which >= 0) {
            hold_io(d, (size_t)which, g_ascii_strtoull(*word, NULL, 10), where, out);
            continue;
        }
        for (size_t i = 0; i < ARRAY_SIZE(io_limits); i++) {
            size_t length = strlen(io_limits[i].word);
            if (strncmp(*word, io_limits[i].word, length) == 0 && (*word)[length] == '=')
                hold_io(d, i, g_ascii_strtoull(*word + length + 1, NULL, 10), where, out);
        }
    }
}

/* "io.max of /machine.slice: 8:0 rbps=…,8:16 …". Names of groups may have colons, but no blank
 * behind one. */
static void hold_section(const char *section, const GPtrArray *devices, GPtrArray *out)
{
    int which = -1;
    const char *values = strstr(section, ": ");
    if (!values)
        return;
    cleanup_free char *where = xasprintf("%.*s", (int)(values - section), section);
    for (size_t i = 0; i < ARRAY_SIZE(io_limits); i++)
        if (g_str_has_prefix(where, io_limits[i].file))
            which = (int)i;
    g_auto(GStrv) lines = g_strsplit(values + 2, ",", -1);
    for (char **line = lines; *line; line++)
        hold_line(*line, which, where, devices, out);
}

void live_throttles_of_io(const char *io_limit, const GPtrArray *devices, GPtrArray *out)
{
    g_auto(GStrv) sections = g_strsplit(io_limit, "; ", -1);
    for (char **section = sections; *section; section++)
        hold_section(*section, devices, out);
}

void live_throttles_of_cpu(const char *cpu_limit, double cpu, GPtrArray *out)
{
    uint64_t quota, period;
    const char *values = strstr(cpu_limit, ": ");
    if (!values || (sscanf(values, ": %" SCNu64 " %" SCNu64, &quota, &period) != 2 &&
                    sscanf(values, ": %" SCNu64 " of %" SCNu64, &quota, &period) != 2))
        return;
    if (quota && period)
        add(out, xstrdup(cpu_limit), "QEMU's threads in that group",
            100 * cpu * (double)period / (double)quota);
}

char *live_throttle_group(const char *limit)
{
    const char *from = strstr(limit, " of "), *to = from ? strstr(from, ": ") : NULL;
    return to ? xasprintf("%.*s", (int)(to - from - 4), from + 4) : NULL;
}
