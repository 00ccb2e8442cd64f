/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "measure/disk_stat.h"

#include <inttypes.h>
#include <stdio.h>

int disk_stat_read(const char *text, struct disk_stat *ret)
{
    *ret = (struct disk_stat){0};
    /* reads, merged, sectors, ms; the same of writes; in flight, busy, weighted; four of discards;
     * flushes, ms */
    int n = sscanf(text,
                   "%" SCNu64 " %*u %" SCNu64 " %" SCNu64 " %" SCNu64 " %*u %" SCNu64 " %" SCNu64
                   " %*u %*u %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64,
                   &ret->reads, &ret->read_sectors, &ret->read_ms, &ret->writes,
                   &ret->written_sectors, &ret->write_ms, &ret->flushes, &ret->flush_ms);
    return n >= 6 ? 0 : -1;
}

uint64_t disk_stat_busy_ms(const struct disk_stat *s)
{
    return s->read_ms + s->write_ms;
}
