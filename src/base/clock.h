/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clock.h - the one clock every figure is taken from: monotonic, nanoseconds, no system call.
 */
#pragma once

#include <stdint.h>
#include <time.h>

#define NS_PER_SECOND UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)

static inline uint64_t clock_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * NS_PER_SECOND + (uint64_t)t.tv_nsec;
}
