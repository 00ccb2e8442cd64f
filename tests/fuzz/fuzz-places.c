/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz-places.c - what a capture notes of places is refused with an error, or has values that a
 * place can have and that are noted again as they were.
 */
#undef NDEBUG
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "host/place.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_place(const struct places *places, const char *path, struct stack *stack)
{
    cleanup_error struct error *err = NULL;
    cleanup_place struct place *p = place_look(places, path, &err);
    assert(!p == !!err);
    if (!p)
        return;
    assert(p->path && p->type <= PLACE_OTHER && p->extents <= PLACE_EXTENTS_MAX && !p->block);
    (void)place_is_allocated(p);
    cleanup_free char *text = place_describe(p);
    cleanup_json json_t *first = json_pack("{s:o}", "/a", place_to_json(p));
    cleanup_free char *dumped = json_dumps(first, 0);
    assert(text && dumped);
    cleanup_mounts struct mounts *none = mounts_parse("");
    cleanup_places struct places *again = places_parse(dumped, strlen(dumped), none, stack, NULL);
    cleanup_place struct place *q = again ? place_look(again, "/a", NULL) : NULL;
    cleanup_json json_t *second = q ? json_pack("{s:o}", "/a", place_to_json(q)) : NULL;
    assert(json_equal(first, second));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* A directory without a /sys: no device is found there. */
    cleanup_root struct root *r = root_open("/proc/self", NULL);
    cleanup_stack struct stack *stack = stack_new(r);
    cleanup_mounts struct mounts *mounts = mounts_parse("1 0 0:1 / / rw - ext4 /dev/vda rw\n");
    cleanup_error struct error *err = NULL;
    cleanup_places struct places *places =
        places_parse((const char *)data, size, mounts, stack, &err);
    assert(!places == !!err);
    cleanup_json json_t *all = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
    const char *path;
    json_t *place;
    if (places)
        json_object_foreach (all, path, place)
            check_place(places, path, stack);
    return 0;
}
