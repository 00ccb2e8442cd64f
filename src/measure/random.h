/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * random.h - xoshiro256**: small, fast, and good enough for addresses, data and shuffles.
 *
 * Source: D. Blackman and S. Vigna, "Scrambled linear pseudorandom number generators", ACM TOMS 47
 * (2021); seeded by splitmix64, as its authors advise.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct random {
    uint64_t s[4];
};

/* The next value of splitmix64, whose whole state is *state. */
static inline uint64_t random_splitmix64(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static inline void random_seed(struct random *r, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        r->s[i] = random_splitmix64(&seed);
}

static inline uint64_t random_rotate(uint64_t x, int bits)
{
    return (x << bits) | (x >> (64 - bits));
}

static inline uint64_t random_u64(struct random *r)
{
    uint64_t *s = r->s;
    uint64_t result = random_rotate(s[1] * 5, 7) * 9;
    uint64_t shifted = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = random_rotate(s[3], 45);
    return result;
}

/* Uniform in 0 … n - 1, n > 0, without bias (D. Lemire, "Fast random integer generation in an
 * interval", ACM TOMACS 29, 2019). */
static inline uint64_t random_below(struct random *r, uint64_t n)
{
    __uint128_t product = (__uint128_t)random_u64(r) * n;
    if ((uint64_t)product < n) {
        uint64_t threshold = -n % n;
        while ((uint64_t)product < threshold)
            product = (__uint128_t)random_u64(r) * n;
    }
    return (uint64_t)(product >> 64);
}

/* Uniform in [0, 1). */
static inline double random_double(struct random *r)
{
    return (double)(random_u64(r) >> 11) * 0x1p-53;
}

/* Puts the items in another order, each of them as likely (Fisher and Yates). */
static inline void random_shuffle(struct random *r, size_t *items, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        size_t k = random_below(r, i), kept = items[i - 1];
        items[i - 1] = items[k];
        items[k] = kept;
    }
}
