/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * probe-stage.h - a real probe guest with two disks, and the conversation about slices with it.
 *
 * disk-0 is a raw image with native AIO and no iothread, disk-1 a qcow2 one that has an iothread.
 */
#pragma once

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/interrupt.h"
#include "base/json.h"
#include "base/memory.h"
#include "tune/stage.h"

#include "../unit/scratch.h"

#define STAGE_SIZE (UINT64_C(8) << 20)

static struct work stage_work = {
    .workload = {.rw = WORKLOAD_RANDWRITE, .block_bytes = 4096, .depth = 1, .jobs = 1},
    .weight = 1};
static const struct suite stage_suite = {.count = 1, .works = &stage_work};
static GPtrArray *candidates;
static struct stage_options stage_options;
static struct stage *stage;
static struct ground ground;

/* A guest with one disk for each of these, which are taken. */
static inline int stage_set_up_with(void **state, GPtrArray *all)
{
    cleanup_error struct error *err = NULL;
    candidates = all;
    if (scratch_set_up(state) < 0 || interrupt_install(&err) < 0)
        return -1;
    stage_options = (struct stage_options){
        .ground = &ground,
        .directory = scratch,
        .suite = &stage_suite,
        .size_bytes = STAGE_SIZE,
        .replicas = 1,
        .accelerator = ACCELERATOR_AUTO,
        .vcpus = 2,
    };
    stage = stage_new(&stage_options, candidates, &err);
    if (!stage)
        print_message("# %s\n", err->message);
    return stage ? 0 : -1;
}

static inline int stage_set_up(void **state)
{
    struct candidate_facts facts = candidate_facts_read("", 4);
    GPtrArray *all = candidates_for_new_disk(&facts);
    if (candidates_select(all, "raw-native,qcow2-threads-iothread", NULL) < 0)
        return -1;
    return stage_set_up_with(state, all);
}

static inline int stage_tear_down(void **state)
{
    stage_free(stage);
    ground_done(&ground);
    g_ptr_array_unref(candidates);
    return scratch_tear_down(state);
}

/* The reply to a command, which has to be none of an error; the caller owns it. */
static inline json_t *stage_ask(json_t *command)
{
    cleanup_error struct error *err = NULL;
    json_t *reply = probe_request(stage->probe, command, 60 * NS_PER_SECOND, &err);
    if (!reply)
        fail_msg("%s", err->message);
    return reply;
}

/* A slice on each disk of the order, by a group that is a single work. */
static inline void stage_run(unsigned group, const int *order, size_t count,
                             const struct budget *budget, struct slice *ret)
{
    json_t *numbers = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(numbers, json_integer(order[i]));
    cleanup_json json_t *reply =
        stage_ask(json_pack("{s:s, s:i, s:o, s:o}", "do", "run", "group", (int)group, "order",
                            numbers, "budget", budget_to_json(budget)));
    json_t *slices = json_object_get(reply, "slices");
    for (size_t i = 0; i < count; i++) {
        json_t *slice = json_array_get(json_array_get(slices, i), 0);
        assert_int_equal(slice_from_json(slice, &ret[i], NULL), 0);
        assert_true(ret[i].requests > 0);
    }
}

static inline json_t *stage_prepare_command(const struct suite *suite, const char *const *serials,
                                            size_t count)
{
    json_t *names = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(names, json_string(serials[i]));
    return json_pack("{s:s, s:o, s:o, s:b, s:i}", "do", "prepare", "works", suite_to_json(suite),
                     "serials", names, "once", 0, "seed", 1);
}

static inline void stage_prepare(struct work *works, unsigned work_count,
                                 const char *const *serials, size_t count)
{
    struct suite suite = {.count = work_count, .works = works};
    json_decref(stage_ask(stage_prepare_command(&suite, serials, count)));
}

static inline struct work make_work(enum workload_rw rw, uint32_t block, unsigned depth,
                                    unsigned group)
{
    return (struct work){.workload = {.rw = rw,
                                      .read_percent = workload_rw_read_percent(rw),
                                      .block_bytes = block,
                                      .depth = depth,
                                      .jobs = 1},
                         .group = group,
                         .weight = 1};
}

static inline void stage_read_latencies(int disk, int work_number, struct histogram *ret)
{
    cleanup_json json_t *reply = stage_ask(
        json_pack("{s:s, s:i, s:i}", "do", "latencies", "disk", disk, "work", work_number));
    assert_int_equal(histogram_from_json(reply, ret, NULL), 0);
}

static inline struct clock_pair stage_read_clocks(void)
{
    struct clock_pair clocks;
    assert_int_equal(probe_read_clock(stage->probe, &clocks, NULL), 0);
    return clocks;
}

/* By how much the guest's clock may be off in what it measured since then, as a share. */
static inline double stage_clock_error(const struct clock_pair *since)
{
    struct clock_pair now = stage_read_clocks();
    double uncertainty = (double)(since->uncertainty_ns + now.uncertainty_ns);
    return fabs(probe_clock_drift(since, &now)) +
           uncertainty / (double)(now.host_ns - since->host_ns);
}
