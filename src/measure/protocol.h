/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * protocol.h - what the host and the probe guest say to each other: JSON, one object a line.
 *
 *   guest: {"event":"hello","protocol":1,"kernel":"6.1.0","vcpus":2,"clocksource":"tsc",
 *           "disks":[{"serial":"d0","bytes":268435456}, …]}
 *   host:  {"do":"clock"}                                -> {"now_ns":…}
 *   host:  {"do":"format","serial":"d0","type":"ext4","bytes":…}
 *                                                        -> {"written_bytes":…}: from then on "fill"
 *                                                           and "prepare" take for that disk a file
 *                                                           of so many bytes on it, a new one
 *   host:  {"do":"fill","serial":"d0","bytes":…,"seed":1} -> {"written_bytes":…}
 *   host:  {"do":"prepare","works":[{…}, …],"serials":[…],"once":false,"seed":1} -> {}
 *   host:  {"do":"run","group":0,"order":[2,0,1],"budget":{…}}
 *                                                        -> {"slices":[[{…}, …], …]}
 *   host:  {"do":"latencies","disk":0,"work":0}          -> a histogram (histogram.h)
 *   host:  {"do":"diskstat","serial":"d0"}               -> {"requests":…,"busy_ms":…}
 *   host:  {"do":"limit","serial":"d0","iops":100}       -> {}: the guest's kernel lets no more pass,
 *                                                           0: any number; for tests
 *   host:  {"do":"forget"}                               -> {}: latencies start anew
 *   host:  {"do":"quit"}                                 -> nothing: the guest powers off
 *
 * "disk" and the numbers in "order" index the "serials" of the last prepare, "group" and "work" its
 * "works" (suite.h); each disk of the order has a slice for each work of the group. Any command can
 * be answered by {"error":"…"}. When the host's end of the port
 * is closed the guest powers off: a probe guest does not outlive the program it works for.
 *
 * The host does not trust what the guest says: the readers below check every number.
 */
#pragma once

#include <jansson.h>

#include "base/error.h"
#include "measure/target.h"

#define PROTOCOL_VERSION 1
#define PROTOCOL_PORT "org.virt-disktune.probe.0"
#define PROTOCOL_LINE_MAX ((size_t)4 << 20)
#define PROTOCOL_DISKS_MAX 512
#define PROTOCOL_SAMPLE_MAX 65536

/* The writers return a new object; the readers -1 and an error on anything but what they read. */
json_t *budget_to_json(const struct budget *b);
int budget_from_json(json_t *json, struct budget *ret, struct error **err);
json_t *slice_to_json(const struct slice *s);
int slice_from_json(json_t *json, struct slice *ret, struct error **err);

struct hello_disk {
    char serial[21]; /* virtio-blk's limit is 20 characters */
    uint64_t bytes;
};

struct hello {
    char *kernel;
    char *clocksource;
    unsigned vcpus;
    size_t disk_count;
    struct hello_disk *disks;
};

json_t *hello_to_json(const struct hello *h);
int hello_from_json(json_t *json, struct hello *ret, struct error **err);
void hello_done(struct hello *h);

/* The unsigned number at `key`, which has to be there. */
int protocol_get_u64(json_t *json, const char *key, uint64_t *ret, struct error **err);
