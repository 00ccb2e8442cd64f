/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "measure/named.h"

#include <string.h>

#include "base/memory.h"

#define KIB 1024u
#define MIB (1024u * KIB)

/* Sizes and depths are the usual ones of their kinds; each can be changed by the options. */
const struct named_workload named_workloads[] = {
    {{.name = "dd", .rw = WORKLOAD_WRITE, .block_bytes = 64 * KIB, .depth = 1, .jobs = 1},
     "sequential writes of 64 KiB, one at a time: dd oflag=direct bs=64k"},
    {{.name = "seqread",
      .rw = WORKLOAD_READ,
      .read_percent = 100,
      .block_bytes = MIB,
      .depth = 8,
      .jobs = 1},
     "sequential reads of 1 MiB, 8 in flight: streaming, restoring a backup"},
    {{.name = "seqwrite", .rw = WORKLOAD_WRITE, .block_bytes = MIB, .depth = 8, .jobs = 1},
     "sequential writes of 1 MiB, 8 in flight: copying, making a backup"},
    {{.name = "randread",
      .rw = WORKLOAD_RANDREAD,
      .read_percent = 100,
      .block_bytes = 4 * KIB,
      .depth = 32,
      .jobs = 1},
     "random reads of 4 KiB, 32 in flight: what data sheets call IOPS"},
    {{.name = "randwrite",
      .rw = WORKLOAD_RANDWRITE,
      .block_bytes = 4 * KIB,
      .depth = 32,
      .jobs = 1},
     "random writes of 4 KiB, 32 in flight"},
    {{.name = "mixed",
      .rw = WORKLOAD_RANDRW,
      .read_percent = 70,
      .block_bytes = 8 * KIB,
      .depth = 16,
      .jobs = 1},
     "random, 70 reads to 30 writes of 8 KiB, 16 in flight: a database's tables"},
    {{.name = "commit",
      .rw = WORKLOAD_WRITE,
      .block_bytes = 4 * KIB,
      .depth = 1,
      .jobs = 1,
      .sync_every = 1,
      .datasync = true},
     "sequential writes of 4 KiB, fdatasync after each: a database's log"},
    {{.name = "boot",
      .rw = WORKLOAD_RANDREAD,
      .read_percent = 100,
      .block_bytes = 64 * KIB,
      .size_count = 5,
      .sizes = {{4 * KIB, 50}, {8 * KIB, 15}, {16 * KIB, 15}, {32 * KIB, 10}, {64 * KIB, 10}},
      .depth = 4,
      .jobs = 1},
     "random reads of 4 to 64 KiB, 4 in flight: machines that start"},
};
const size_t named_workload_count = ARRAY_SIZE(named_workloads);

/* What most machines do: a database's tables and log, files that are read and written as streams,
 * and starting up. Random work weighs twice, as it is what people wait for. */
const struct named_mix named_mixes[] = {
    {"general", "mixed:2,commit,seqread,dd,boot",
     "mixed, which counts twice, commit, seqread, dd and boot: any machine"},
};
const size_t named_mix_count = ARRAY_SIZE(named_mixes);

const struct named_mix *named_mix(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(named_mixes); i++)
        if (strcmp(named_mixes[i].name, name) == 0)
            return &named_mixes[i];
    return NULL;
}

static void append_name(char **list, const char *name)
{
    char *longer = xasprintf("%s%s%s", *list, **list ? ", " : "", name);
    free(*list);
    *list = longer;
}

const struct workload *named_workload(const char *name, struct error **err)
{
    cleanup_free char *known = xstrdup("");
    for (size_t i = 0; i < ARRAY_SIZE(named_workloads); i++) {
        const struct workload *w = &named_workloads[i].workload;
        if (strcmp(w->name, name) == 0)
            return w;
        append_name(&known, w->name);
    }
    for (size_t i = 0; i < ARRAY_SIZE(named_mixes); i++)
        append_name(&known, named_mixes[i].name);
    error_set(err, "there is no workload '%s'", name);
    error_hint(err, "the workloads are %s", known);
    return NULL;
}
