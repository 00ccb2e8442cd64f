/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "explain/live_qemu.h"

#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "explain/live_ask.h"

struct live_qemu {
    uint64_t at_ns;
    virDomainStatsRecordPtr *records;
};

/* --- Questions -------------------------------------------------------------------------------- */

/* What is asked of a domain, and what came of it. */
struct question {
    virDomainPtr domain; /* a reference of its own */
    char *target;        /* of the disk whose limits are asked for */
    uint64_t at_ns;
    virDomainStatsRecordPtr *records;
    struct live_iotune tune;
    char *group;
    struct error *err;
};

static void question_clear(void *data)
{
    struct question *q = data;
    virDomainFree(q->domain);
    virDomainStatsRecordListFree(q->records);
    free(q->target);
    free(q->group);
    error_free(q->err);
}

PATIENCE_CLEANUP(cleanup_question_handler, struct question, question_clear)
#define cleanup_question at_scope_end(cleanup_question_handler)

static struct question *question_new(virDomainPtr domain)
{
    struct question *q = g_atomic_rc_box_new0(struct question);
    virDomainRef(domain);
    q->domain = domain;
    return q;
}

static int ask(struct question *q, void (*what)(void *question), struct error **err)
{
    return live_ask(q, what, question_clear, LIVE_ASK_SECONDS, err);
}

/* --- Statistics ------------------------------------------------------------------------------- */

static void ask_statistics(void *question)
{
    struct question *q = question;
    virDomainPtr list[] = {q->domain, NULL};
    const char *name =
        virDomainGetName(q->domain); /* libvirt forgets an error with its next call */
    int count = virDomainListGetStats(list, VIR_DOMAIN_STATS_BLOCK, &q->records, 0);
    q->at_ns = clock_now_ns();
    if (count < 0)
        connection_error(&q->err, "libvirt does not tell what the disks of %s do", name);
    else if (count < 1)
        error_set(&q->err, "libvirt does not tell what the disks of %s do", name);
}

struct live_qemu *live_qemu_read(virDomainPtr domain, struct error **err)
{
    cleanup_question struct question *asked = question_new(domain);
    if (ask(asked, ask_statistics, err) < 0)
        return NULL;
    if (asked->err) {
        error_take(err, &asked->err);
        return NULL;
    }
    struct live_qemu *q = xcalloc(1, sizeof(*q));
    *q = (struct live_qemu){asked->at_ns, TAKE_PTR(asked->records)};
    return q;
}

void live_qemu_free(struct live_qemu *q)
{
    if (!q)
        return;
    virDomainStatsRecordListFree(q->records);
    free(q);
}

/* block.N of this target; -1. */
static int find_disk(const virDomainStatsRecord *r, const char *target)
{
    int number, end;
    for (int i = 0; i < r->nparams; i++) {
        const virTypedParameter *p = &r->params[i];
        end = 0;
        if (p->type == VIR_TYPED_PARAM_STRING &&
            sscanf(p->field, "block.%9d.name%n", &number, &end) == 1 && end && !p->field[end] &&
            strcmp(p->value.s, target) == 0)
            return number;
    }
    return -1;
}

static int read_value(const virDomainStatsRecord *r, int disk, const char *field, uint64_t *ret)
{
    unsigned long long value;
    cleanup_free char *name = xasprintf("block.%d.%s", disk, field);
    if (virTypedParamsGetULLong(r->params, r->nparams, name, &value) != 1)
        return -1;
    *ret = value;
    return 0;
}

int live_qemu_counts(const struct live_qemu *q, const char *target, struct live_counts *ret)
{
    const virDomainStatsRecord *r = q->records[0];
    struct live_counts c = {.at_ns = q->at_ns};
    const struct {
        const char *field;
        uint64_t *value;
    } fields[] = {
        {"rd.reqs", &c.requests[LIVE_READ]},  {"rd.bytes", &c.bytes[LIVE_READ]},
        {"rd.times", &c.time_ns[LIVE_READ]},  {"wr.reqs", &c.requests[LIVE_WRITE]},
        {"wr.bytes", &c.bytes[LIVE_WRITE]},   {"wr.times", &c.time_ns[LIVE_WRITE]},
        {"fl.reqs", &c.requests[LIVE_FLUSH]}, {"fl.times", &c.time_ns[LIVE_FLUSH]},
    };
    int disk = find_disk(r, target);
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        if (disk < 0 || read_value(r, disk, fields[i].field, fields[i].value) < 0)
            return -1;
    *ret = c;
    return 0;
}

/* --- Limits ----------------------------------------------------------------------------------- */

static void take_limit(const virTypedParameter *p, struct live_iotune *t, char **ret_group)
{
    if (p->type == VIR_TYPED_PARAM_STRING && !*ret_group &&
        strcmp(p->field, VIR_DOMAIN_BLOCK_IOTUNE_GROUP_NAME) == 0)
        *ret_group = xstrdup(p->value.s);
    if (p->type != VIR_TYPED_PARAM_ULLONG)
        return;
    for (int i = 0; i < LIVE_LIMITS; i++)
        if (strcmp(p->field, live_limit_names[i]) == 0)
            t->limits[i] = p->value.ul;
    if (strcmp(p->field, VIR_DOMAIN_BLOCK_IOTUNE_SIZE_IOPS_SEC) == 0)
        t->size_iops = p->value.ul;
}

static void ask_limits(void *question)
{
    struct question *q = question;
    const unsigned flags = VIR_DOMAIN_AFFECT_LIVE | VIR_TYPED_PARAM_STRING_OKAY;
    int count = 0;
    if (virDomainGetBlockIoTune(q->domain, q->target, NULL, &count, flags) < 0 || count <= 0)
        return;
    virTypedParameterPtr all = xcalloc((size_t)count, sizeof(*all));
    if (virDomainGetBlockIoTune(q->domain, q->target, all, &count, flags) == 0)
        for (int i = 0; i < count; i++)
            take_limit(&all[i], &q->tune, &q->group);
    virTypedParamsFree(all, count);
}

int live_qemu_iotune(virDomainPtr domain, const char *target, struct live_iotune *ret,
                     char **ret_group, struct error **err)
{
    cleanup_question struct question *q = question_new(domain);
    q->target = xstrdup(target);
    if (ask(q, ask_limits, err) < 0)
        return -1;
    *ret = q->tune;
    *ret_group = TAKE_PTR(q->group);
    return 0;
}
