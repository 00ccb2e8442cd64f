/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "explain/live_qemu.h"

#include <string.h>

#include "base/clock.h"
#include "base/memory.h"

struct live_qemu {
    uint64_t at_ns;
    virDomainStatsRecordPtr *records;
};

/* --- Statistics ------------------------------------------------------------------------------- */

struct live_qemu *live_qemu_read(virDomainPtr domain, struct error **err)
{
    virDomainPtr list[] = {domain, NULL};
    const char *name = virDomainGetName(domain); /* libvirt forgets an error with its next call */
    virDomainStatsRecordPtr *records = NULL;
    int count = virDomainListGetStats(list, VIR_DOMAIN_STATS_BLOCK, &records, 0);
    if (count < 1) {
        if (count < 0)
            connection_error(err, "libvirt does not tell what the disks of %s do", name);
        else
            error_set(err, "libvirt does not tell what the disks of %s do", name);
        virDomainStatsRecordListFree(records);
        return NULL;
    }
    struct live_qemu *q = xcalloc(1, sizeof(*q));
    *q = (struct live_qemu){clock_now_ns(), records};
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

void live_qemu_iotune(virDomainPtr domain, const char *target, struct live_iotune *ret,
                      char **ret_group)
{
    const unsigned flags = VIR_DOMAIN_AFFECT_LIVE | VIR_TYPED_PARAM_STRING_OKAY;
    int count = 0;
    *ret = (struct live_iotune){0};
    *ret_group = NULL;
    if (virDomainGetBlockIoTune(domain, target, NULL, &count, flags) < 0 || count <= 0)
        return;
    virTypedParameterPtr all = xcalloc((size_t)count, sizeof(*all));
    if (virDomainGetBlockIoTune(domain, target, all, &count, flags) == 0)
        for (int i = 0; i < count; i++)
            take_limit(&all[i], ret, ret_group);
    virTypedParamsFree(all, count);
}
