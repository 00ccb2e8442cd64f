/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tune/passes.h"

#include "base/clock.h"
#include "base/interrupt.h"
#include "host/process.h"

#define LONG_PASSES 3
#define LONG_SLICE_MIN_NS (20 * NS_PER_MS)
#define LONG_SLICE_MAX_NS (150 * NS_PER_MS)
/* The part of the time that long slices may take. */
#define LONG_SHARE 0.2

uint64_t passes_plan(struct runner *r, uint64_t left_ns)
{
    uint64_t slices = LONG_PASSES * r->group_count * (r->order_count + r->parts);
    uint64_t each = (uint64_t)(LONG_SHARE * (double)left_ns) / slices;
    each = each < LONG_SLICE_MIN_NS   ? LONG_SLICE_MIN_NS
           : each > LONG_SLICE_MAX_NS ? LONG_SLICE_MAX_NS
                                      : each;
    r->race->long_slice_ns = each;
    return runner_confirms(r) ? slices * each * 11 / 10 : 0;
}

/* One long slice on a guest lane, with QEMU's CPU time around it. */
static int run_long_guest(struct runner *r, size_t lane, size_t group, struct error **err)
{
    uint64_t before = 0, after = 0;
    unsigned works;
    pid_t pid = r->stage->probe->pid;
    /* A QEMU that is gone has no CPU time; what there is to say of that its guest's silence says.
     */
    bool known = pid && process_cpu_ns(pid, &before, NULL) == 0;
    if (runner_guest(r, &lane, 1, group, r->race->long_slice_ns, err) < 0)
        return -1;
    if (known && process_cpu_ns(pid, &after, NULL) == 0)
        race_record(r->race, lane, runner_works(r, group, &works))->cpu_ns += after - before;
    return 0;
}

static void record_long(struct runner *r, size_t lane, size_t group)
{
    unsigned count;
    size_t first = runner_works(r, group, &count);
    for (unsigned i = 0; i < count; i++) {
        struct record *record = race_record(r->race, lane, first + i);
        record->long_requests += r->slices[i].issued;
        tally_add(&r->tally, (size_t)(record - r->race->records), &r->slices[i]);
    }
}

/* As in a round: the host has its turn before each part. */
static int run_long_group(struct runner *r, size_t group, struct error **err)
{
    runner_shuffle(r, r->order, r->order_count);
    for (size_t i = 0, part = 0; i < r->order_count; i++) {
        if (i == r->order_count * part / r->parts) {
            size_t host;
            if (runner_host(r, part++, group, r->race->long_slice_ns, &host, err) < 0)
                return -1;
            record_long(r, host, group);
        }
        if (interrupt_check(err) < 0 || run_long_guest(r, r->order[i], group, err) < 0)
            return -1;
        record_long(r, r->order[i], group);
    }
    return 0;
}

static int run_pass(struct runner *r, struct error **err)
{
    struct race *race = r->race;
    tally_clear(r);
    runner_shuffle(r, r->groups, r->group_count);
    for (size_t i = 0; i < r->group_count; i++) {
        if (run_long_group(r, r->groups[i], err) < 0)
            return -1;
        runner_progress(r, "long slices",
                        ((double)(i + 1) / (double)r->group_count + (double)race->passes) /
                            LONG_PASSES);
    }
    for (size_t i = 0; i < race->lane_count * race->work_count; i++)
        tally_append(&r->tally, i, &race->records[i].long_ns, race->passes);
    race->passes++;
    return 0;
}

int passes_run(struct runner *r, struct error **err)
{
    if (r->exhausted || !runner_confirms(r))
        return 0;
    runner_progress(r, "long slices", 0);
    while (r->race->passes < LONG_PASSES)
        if (run_pass(r, err) < 0)
            return -1;
    return 0;
}
