/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "explain/live_histogram.h"

#include <math.h>
#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "explain/live_ask.h"
#include "host/process.h"
#include "probe/qmp.h"

struct live_histogram {
    virDomainPtr domain;
    char *alias;
    char *id; /* by which QEMU knows the device */
    bool set;
};

static const struct {
    enum live_kind kind;
    const char *field;
} fields[] = {
    {LIVE_READ, "rd_latency_histogram"},
    {LIVE_WRITE, "wr_latency_histogram"},
    {LIVE_FLUSH, "flush_latency_histogram"},
};

/* --- Bins ------------------------------------------------------------------------------------- */

/* From 1 µs on, eight for each doubling, up to 16 s: what is above is in the last one. */
#define FIRST_NS 1000.0
#define BINS_PER_DOUBLING 8
#define DOUBLINGS 24

static json_int_t bound(int number)
{
    return (json_int_t)round(FIRST_NS * exp2((double)number / BINS_PER_DOUBLING));
}

/* The last one, far behind all that happens, says by its ns whose it is. */
json_t *live_histogram_boundaries(pid_t owner)
{
    const int last = DOUBLINGS * BINS_PER_DOUBLING;
    json_t *all = json_array();
    for (int i = 0; i <= last; i++)
        json_array_append_new(all, json_integer(bound(i) + (i == last ? owner : 0)));
    return all;
}

bool live_histogram_is_ours(const json_t *histogram, pid_t *ret_owner)
{
    const json_t *there = json_object_get(histogram, "boundaries");
    const size_t last = (size_t)DOUBLINGS * BINS_PER_DOUBLING;
    json_int_t owner = json_integer_value(json_array_get(there, last)) - bound((int)last);
    if (owner < 0 || owner > INT32_MAX)
        return false;
    cleanup_json json_t *ours = live_histogram_boundaries((pid_t)owner);
    *ret_owner = (pid_t)owner;
    return json_equal(there, ours);
}

static uint64_t count_all(const json_t *bins)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < json_array_size(bins); i++)
        sum += (uint64_t)json_integer_value(json_array_get(bins, i));
    return sum;
}

/* The upper bound of the bin that has the request of this rank; for the last one, which has none,
 * its lower bound. */
static double bound_of(const json_t *boundaries, const json_t *bins, uint64_t rank)
{
    uint64_t sum = 0;
    size_t last = json_array_size(boundaries) - 1, i = 0;
    for (; i < last; i++) {
        sum += (uint64_t)json_integer_value(json_array_get(bins, i));
        if (sum >= rank)
            break;
    }
    return (double)json_integer_value(json_array_get(boundaries, i)) / 1000;
}

int live_histogram_percentiles(const json_t *histogram, struct live_percentiles *ret)
{
    const json_t *boundaries = json_object_get(histogram, "boundaries");
    const json_t *bins = json_object_get(histogram, "bins");
    *ret = (struct live_percentiles){0, NAN, NAN, NAN, NAN};
    if (!json_array_size(boundaries) || json_array_size(bins) != json_array_size(boundaries) + 1)
        return -1;
    ret->requests = count_all(bins);
    double n = (double)ret->requests;
    const struct {
        double share;
        double *value;
    } wanted[] = {
        {0.5, &ret->p50_us}, {0.95, &ret->p95_us}, {0.99, &ret->p99_us}, {0.999, &ret->p999_us}};
    for (size_t i = 0; ret->requests && i < ARRAY_SIZE(wanted); i++)
        *wanted[i].value = bound_of(boundaries, bins, (uint64_t)ceil(wanted[i].share * n));
    return 0;
}

/* --- The monitor ------------------------------------------------------------------------------ */

json_t *live_histogram_find(const json_t *blockstats, const char *alias)
{
    size_t i;
    json_t *one;
    cleanup_free char *path = xasprintf("/machine/peripheral/%s", alias);
    cleanup_free char *below = xasprintf("%s/", path);
    json_array_foreach (blockstats, i, one) {
        const char *id = json_string_value(json_object_get(one, "qdev"));
        if (id && (strcmp(id, alias) == 0 || strcmp(id, path) == 0 || g_str_has_prefix(id, below)))
            return one;
    }
    return NULL;
}

/* A command, and what came of it. */
struct question {
    virDomainPtr domain; /* a reference of its own */
    json_t *command;     /* whoever asks takes it */
    json_t *result;
    struct error *err;
};

static void question_clear(void *data)
{
    struct question *q = data;
    virDomainFree(q->domain);
    json_decref(q->command);
    json_decref(q->result);
    error_free(q->err);
}

PATIENCE_CLEANUP(cleanup_question_handler, struct question, question_clear)

static void ask_monitor(void *question)
{
    struct question *q = question;
    q->result = qmp_ask(q->domain, TAKE_PTR(q->command), &q->err);
}

/* As qmp_ask, for so long at the most. */
static json_t *ask(virDomainPtr domain, json_t *command, unsigned seconds, struct error **err)
{
    at_scope_end(cleanup_question_handler) struct question *q =
        g_atomic_rc_box_new0(struct question);
    virDomainRef(domain);
    q->domain = domain;
    q->command = command;
    if (live_ask(q, ask_monitor, question_clear, seconds, err) < 0)
        return NULL;
    error_take(err, &q->err);
    return TAKE_PTR(q->result);
}

/* The device's statistics; the caller owns them. */
static json_t *read_stats(virDomainPtr domain, const char *alias, char **ret_id, struct error **err)
{
    cleanup_json json_t *all =
        ask(domain, json_pack("{s:s}", "execute", "query-blockstats"), LIVE_ASK_SECONDS, err);
    if (!all)
        return NULL;
    json_t *one = live_histogram_find(all, alias);
    json_t *stats = json_object_get(one, "stats");
    if (!stats) {
        error_set(err, "QEMU has no statistics of the device %s", alias);
        return NULL;
    }
    if (ret_id)
        *ret_id = xstrdup(json_string_value(json_object_get(one, "qdev")));
    return json_incref(stats);
}

/* Without boundaries it is removed. */
static int set(const struct live_histogram *h, json_t *boundaries, unsigned seconds,
               struct error **err)
{
    json_t *arguments = json_pack("{s:s}", "id", h->id);
    if (boundaries)
        json_object_set_new(arguments, "boundaries", boundaries);
    cleanup_json json_t *done = ask(
        h->domain,
        json_pack("{s:s, s:o}", "execute", "block-latency-histogram-set", "arguments", arguments),
        seconds, err);
    return done ? 0 : -1;
}

/* Whether the process is a run of ours, another than this one. */
static bool runs(pid_t pid)
{
    size_t length;
    cleanup_free char *line =
        pid > 0 && pid != getpid() ? process_command_line(pid, &length) : NULL;
    return line && strstr(line, "virt-disktune");
}

/* What a run of ours that was killed has left is free. */
static int require_free(const json_t *stats, const char *alias, struct error **err)
{
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        const json_t *there = json_object_get(stats, fields[i].field);
        pid_t owner = 0;
        bool ours = there && live_histogram_is_ours(there, &owner);
        if (!there || (ours && !runs(owner)))
            continue;
        if (ours)
            return error_set(err, "another run, process %d, has QEMU keep a histogram of %s",
                             (int)owner, alias);
        error_set(err, "QEMU keeps a histogram of %s already, which somebody else has set", alias);
        return error_hint(err, "block-latency-histogram-set with the device alone removes it");
    }
    return 0;
}

struct live_histogram *live_histogram_new(virDomainPtr domain, const char *alias)
{
    struct live_histogram *h = xcalloc(1, sizeof(*h));
    virDomainRef(domain);
    h->domain = domain;
    h->alias = xstrdup(alias);
    return h;
}

int live_histogram_start(struct live_histogram *h, struct error **err)
{
    cleanup_json json_t *stats = read_stats(h->domain, h->alias, &h->id, err);
    if (!stats || require_free(stats, h->alias, err) < 0)
        return -1;
    /* Also where that fails nobody knows whether it is there. */
    h->set = true;
    return set(h, live_histogram_boundaries(getpid()), LIVE_ASK_SECONDS, err);
}

int live_histogram_read(const struct live_histogram *h, struct live_disk *d, struct error **err)
{
    cleanup_json json_t *stats = read_stats(h->domain, h->alias, NULL, err);
    if (!stats)
        return -1;
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        const json_t *there = json_object_get(stats, fields[i].field);
        pid_t owner;
        if (!live_histogram_is_ours(there, &owner) || owner != getpid() ||
            live_histogram_percentiles(there, &d->percentiles[fields[i].kind]) < 0)
            return error_set(err, "somebody has removed the histogram of %s meanwhile", d->target);
    }
    d->has_percentiles = true;
    return 0;
}

int live_histogram_stop(struct live_histogram *h, struct error **err)
{
    if (h->set && set(h, NULL, LIVE_ASK_SECONDS, err) < 0)
        return error_prefix(err, "the histogram of %s stays in QEMU", h->alias);
    h->set = false;
    return 0;
}

/* Of a QEMU that may have answered nothing for a while already. What it is asked it is still asked
 * when we are gone, as long as the daemon is there. */
#define WITHDRAW_SECONDS 2

bool live_histogram_withdraw(struct live_histogram *h)
{
    bool stays = h->set && set(h, NULL, WITHDRAW_SECONDS, NULL) < 0;
    h->set = false;
    return !stays;
}

void live_histogram_free(struct live_histogram *h)
{
    if (!h)
        return;
    live_histogram_withdraw(h);
    virDomainFree(h->domain);
    free(h->alias);
    free(h->id);
    free(h);
}
