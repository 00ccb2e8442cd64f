/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz-mounts.c - a list of mounts is read whatever it says, and a path's mount is one that the
 * path is below.
 */
#undef NDEBUG
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/memory.h"
#include "host/mounts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const paths[] = {"/", "/srv/images/a.img", "/mnt/a b/x", "/a\\", "x", ""};
    cleanup_free char *text = xcalloc(size + 1, 1);
    memcpy(text, data, size);
    cleanup_mounts struct mounts *m = mounts_parse(text);
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        const struct mount *found = mounts_of_path(m, paths[i]);
        if (!found)
            continue;
        assert(found->point[0] == '/' && found->root && found->type && found->source);
        assert(strncmp(found->point, paths[i], strlen(found->point)) == 0);
        assert(strlen(found->options) >= 1 && !mount_has_option(found, "not there"));
    }
    return 0;
}
