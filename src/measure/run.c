/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "measure/run.h"

#include "base/clock.h"
#include "base/interrupt.h"

int run_whole(struct target *t, uint64_t bytes, struct run_result *ret, struct error **err)
{
    struct run_result result = {0};
    uint64_t wanted = bytes / t->workload.block_bytes;
    struct slice slice = {0};
    while (result.requests < wanted && !slice.exhausted) {
        /* In parts, so that a signal is heard within a second or so on any disk. */
        struct budget part = {.duration_ns = NS_PER_SECOND,
                              .max_requests = wanted - result.requests};
        if (interrupt_check(err) < 0 || target_run(t, &part, &slice, err) < 0)
            return -1;
        result.requests += slice.requests;
        result.elapsed_ns += slice.elapsed_ns;
        result.written_bytes += slice.written_bytes;
    }
    result.bytes = result.requests * t->workload.block_bytes;
    if (result.written_bytes && target_sync(t, &result.sync_ns, err) < 0)
        return -1;
    *ret = result;
    return 0;
}
