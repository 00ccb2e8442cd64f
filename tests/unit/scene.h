/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scene.h - a made-up race of four candidates on two disks each: no guest has run.
 */
#pragma once

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "measure/named.h"
#include "tune/outcome.h"
#include "tune/race.h"

#define CANDIDATES 4
#define HOSTS 2
#define LANES (HOSTS + 2 * CANDIDATES)
#define ROUNDS 10
#define PASSES 3
#define HOST_NS 100000.0
#define BLOCK UINT64_C(65536)

struct scene {
    struct work work;
    struct suite suite;
    struct stage_options options;
    struct probe probe;
    struct stage stage;
    struct race race;
    struct candidate candidates[CANDIDATES];
    struct lane lanes[LANES];
    struct record records[LANES];
    bool out[LANES], rests[LANES];
    double ns[LANES][ROUNDS], p99_ns[LANES][ROUNDS], cpu_ns[LANES][ROUNDS];
    double long_ns[LANES][PASSES];
};

/* This figure in every round, give or take a thousandth. */
static inline void set_series(double *series, size_t lane, double figure)
{
    for (size_t i = 0; i < ROUNDS; i++)
        series[i] = figure * (1 + 0.001 * ((double)((i * 3 + lane) % 5) - 2));
}

/* Gives a lane this time per request, and what else there is of a round. */
static inline void set_speed(struct scene *s, size_t lane, double ns)
{
    struct record *record = &s->records[lane];
    *record = (struct record){.rounds = ROUNDS,
                              .ns = s->ns[lane],
                              .p99_ns = s->p99_ns[lane],
                              .request_cpu_ns = s->cpu_ns[lane],
                              .long_ns = s->long_ns[lane]};
    set_series(record->ns, lane, ns);
    set_series(record->p99_ns, lane, ns);
    set_series(record->request_cpu_ns, lane, ns);
    for (size_t i = 0; i < PASSES; i++)
        record->long_ns[i] = ns * (1 + 0.001 * (double)i);
    for (size_t i = 0; i < 100; i++)
        histogram_add(&record->latencies, (uint64_t)ns);
    record->requests = 100;
    record->bytes = 100 * BLOCK;
    record->elapsed_ns = (uint64_t)(100 * ns);
    record->cpu_requests = 50;
    record->cpu_ns = 50 * 7000;
}

/* The speed of a candidate relative to the host; its two lanes are half a percent apart. */
static inline void set_share(struct scene *s, size_t candidate, double share)
{
    set_speed(s, HOSTS + 2 * candidate, HOST_NS / share * 1.0025);
    set_speed(s, HOSTS + 2 * candidate + 1, HOST_NS / share / 1.0025);
}

/* What a candidate's figures of another aim are to those of the host, more being better. */
static inline void set_aim(struct scene *s, size_t candidate, enum aim aim, double share)
{
    for (size_t lane = HOSTS + 2 * candidate; lane < HOSTS + 2 * candidate + 2; lane++)
        set_series(*record_series(&s->records[lane], aim), lane,
                   HOST_NS / share * (lane % 2 ? 1.0025 : 1 / 1.0025));
}

static inline struct scene *scene_new(void)
{
    /* From the one that changes most to the one that changes least. */
    static const struct disk_config configs[CANDIDATES] = {
        {"virtio", "raw", "falloc", "none", "native", true},
        {"virtio", "raw", "falloc", "none", "threads", false},
        {"virtio", "qcow2", "off", "none", "threads", true},
        {"virtio", "qcow2", "off", "none", "threads", false},
    };
    static char ids[CANDIDATES][8] = {"a", "b", "c", "d"};
    struct scene *s = xcalloc(1, sizeof(*s));
    s->work = (struct work){.workload = *named_workload("dd", NULL), .weight = 1};
    s->suite = (struct suite){.count = 1, .works = &s->work};
    s->options.suite = &s->suite;
    s->probe.pid = 1;
    s->stage = (struct stage){.options = &s->options,
                              .probe = &s->probe,
                              .host_lanes = HOSTS,
                              .lane_count = LANES,
                              .lanes = s->lanes,
                              .candidates = g_ptr_array_new()};
    s->race = (struct race){.lane_count = LANES,
                            .work_count = 1,
                            .rounds = ROUNDS,
                            .passes = PASSES,
                            .goal = goal_throughput,
                            .out = s->out,
                            .rests = s->rests,
                            .records = s->records};
    for (size_t i = 0; i < CANDIDATES; i++) {
        s->candidates[i] = (struct candidate){.id = ids[i], .config = configs[i]};
        g_ptr_array_add(s->stage.candidates, &s->candidates[i]);
    }
    for (size_t i = 0; i < LANES; i++) {
        s->lanes[i].candidate = i < HOSTS ? LANE_HOST : (int)(i - HOSTS) / 2;
        s->lanes[i].replica = (unsigned)i % 2;
        if (i >= HOSTS)
            s->lanes[i].effective = configs[(i - HOSTS) / 2];
        set_speed(s, i, HOST_NS);
    }
    return s;
}

static inline void scene_free(struct scene *s)
{
    g_ptr_array_unref(s->stage.candidates);
    free(s);
}
CLEANUP_PTR(cleanup_scene_handler, struct scene, scene_free)
#define cleanup_scene at_scope_end(cleanup_scene_handler)

/* "a b c d" in the order of the standings. */
static inline void check_order(const struct outcome *o, const char *wanted)
{
    char order[32] = "";
    for (size_t i = 0; i < o->count; i++) {
        if (i)
            strcat(order, " ");
        strcat(order, o->standings[i].candidate->id);
    }
    assert_string_equal(order, wanted);
}

static inline void check_close(double value, double wanted, double error)
{
    if (!(fabs(value - wanted) <= error))
        fail_msg("%.9g instead of %.9g", value, wanted);
}
