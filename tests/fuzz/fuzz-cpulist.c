/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz-cpulist.c - whatever stands in cpuset= is refused and leaves an empty set, or is a set that
 * is the same once written and read again.
 */
#undef NDEBUG
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "host/cpulist.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cpulist list, again;
    cleanup_free char *text = xcalloc(size + 1, 1);
    memcpy(text, data, size);
    int result = cpulist_parse(text, &list);
    assert(result == 0 || (result == -1 && cpulist_count(&list) == 0));
    cleanup_free char *written = cpulist_format(&list);
    assert(!*written == (cpulist_count(&list) == 0));
    if (!*written)
        return 0;
    assert(cpulist_parse(written, &again) == 0);
    assert(memcmp(&list, &again, sizeof(list)) == 0);
    assert(cpulist_covers(&list, &again));
    cpulist_remove(&list, &again);
    assert(cpulist_count(&list) == 0);
    return 0;
}
