/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * trust.c - reasons why a figure should not be believed, in words.
 */
#include "cmd/cmd.h"

#include <math.h>
#include <unistd.h>

#include "base/clock.h"

/* Others' share of the disk's traffic above which a figure is theirs as well. File systems write
 * journals and metadata of their own, which is less. */
#define OTHERS_SHARE 0.10

/* Relative standard deviation of a run's parts, and their decay, that need a word. */
#define SPREAD 0.10
#define DECAY 0.20

#define LOOK_NS (NS_PER_SECOND / 4)

void trust_say(GPtrArray *warnings, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_ptr_array_add(warnings, g_strdup_vprintf(format, args));
    va_end(args);
}

double trust_look_before(const char *directory)
{
    struct load before, after;
    if (load_read("", directory, &before, NULL) < 0)
        return NAN;
    usleep(LOOK_NS / 1000);
    if (load_read("", directory, &after, NULL) < 0 || after.at_ns <= before.at_ns)
        return NAN;
    return (double)(after.bytes - before.bytes) * 1e3 / (double)(after.at_ns - before.at_ns);
}

void trust_check_idle(double others_mb_per_s, double own_mb_per_s, GPtrArray *warnings)
{
    if (others_mb_per_s > OTHERS_SHARE * own_mb_per_s)
        trust_say(warnings, "the disk was busy before the measuring began: %.1f MB/s by others",
                  others_mb_per_s);
}

void trust_check_others(const struct load *before, const struct load *after, uint64_t own_bytes,
                        const char *name, GPtrArray *warnings)
{
    uint64_t all = after->bytes - before->bytes;
    if (all <= own_bytes || (double)(all - own_bytes) <= OTHERS_SHARE * (double)own_bytes)
        return;
    trust_say(warnings, "%s: others used the disk meanwhile: %.0f MB beside %.0f MB of our own",
              name, (double)(all - own_bytes) / 1e6, (double)own_bytes / 1e6);
}

void trust_check_run(const struct run_result *run, const char *name, GPtrArray *warnings)
{
    if (run->spread > SPREAD)
        trust_say(warnings, "%s: the speed varied by %.0f %% (standard deviation of quarter seconds)",
                  name, run->spread * 100);
    if (run->trend < -DECAY)
        trust_say(warnings, "%s: the last part was %.0f %% slower than the first: a cache that filled, "
                  "burst credit, or heat", name, -run->trend * 100);
}
