/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tune/stage_filesystem.h"

#include <string.h>

#include "base/clock.h"
#include "base/interrupt.h"
#include "base/json.h"
#include "base/memory.h"
#include "host/claim.h"
#include "host/kernel.h"
#include "host/storage.h"

/* More than mke2fs takes unasked: of a small disk a sixteenth for tables of inodes, and 16 MiB for
 * a journal; of a large one less. */
uint64_t stage_filesystem_disk_bytes(uint64_t file_bytes)
{
    return file_bytes + file_bytes / 8 + (UINT64_C(48) << 20);
}

/* What the lane has on it; NULL where that is nothing, or it is out already. */
static const char *filesystem_of(const struct stage *s, size_t lane)
{
    const struct lane *l = &s->lanes[lane];
    if (l->candidate == LANE_HOST || l->failure)
        return NULL;
    return ((const struct candidate *)s->candidates->pdata[l->candidate])->filesystem;
}

static size_t next_lane(const struct stage *s, size_t from)
{
    while (from < s->lane_count && !filesystem_of(s, from))
        from++;
    return from;
}

/* Takes the lanes that have one out, for what the error says. */
static void fail_lanes(struct stage *s, const struct error *why)
{
    for (size_t i = next_lane(s, 0); i < s->lane_count; i = next_lane(s, i + 1))
        s->lanes[i].failure = xstrdup(why->message);
}

/* --- On the host ------------------------------------------------------------------------------ */

static int make(struct stage *s, const char *type, struct error **err)
{
    cleanup_free char *image = xasprintf("%s/filesystem", s->scratch->path);
    uint64_t bytes = stage_filesystem_disk_bytes(s->options->size_bytes);
    if (kernel_check_module(s->kernel, type, err) < 0 || storage_create_ext4(image, bytes, err) < 0)
        return -1;
    s->filesystem = type;
    s->image = TAKE_PTR(image);
    return 0;
}

/* Work that reads what images below have would find a file in none of them. */
static void fail_empty_lanes(struct stage *s)
{
    for (size_t i = next_lane(s, 0); i < s->lane_count; i = next_lane(s, i + 1))
        if (stage_lane_stays_empty(s, i))
            s->lanes[i].failure = xstrdup("what is read is in the images that the disk stands on, "
                                          "and a file on it would not be");
}

int stage_filesystem_make(struct stage *s, struct error **err)
{
    fail_empty_lanes(s);
    cleanup_error struct error *failure = NULL;
    size_t first = next_lane(s, 0);
    if (first == s->lane_count)
        return 0;
    if (make(s, filesystem_of(s, first), &failure) < 0)
        fail_lanes(s, failure);
    return interrupt_check(err);
}

/* --- In the guest ----------------------------------------------------------------------------- */

#define PATIENCE_NS (60 * NS_PER_SECOND)

static int put(struct stage *s, size_t lane, struct error **err)
{
    cleanup_free char *serial = stage_serial(s, lane);
    json_t *command =
        json_pack("{s:s, s:s, s:s, s:I}", "do", "format", "serial", serial, "type",
                  filesystem_of(s, lane), "bytes", (json_int_t)s->options->size_bytes);
    cleanup_json json_t *reply = probe_request(s->probe, command, PATIENCE_NS, err);
    uint64_t written;
    if (!reply || protocol_get_u64(reply, "written_bytes", &written, err) < 0)
        return -1;
    s->written_bytes += written;
    return 0;
}

int stage_filesystem_put(struct stage *s, struct error **err)
{
    for (size_t i = next_lane(s, 0); i < s->lane_count; i = next_lane(s, i + 1)) {
        cleanup_error struct error *failure = NULL;
        stage_tell(s, "making file systems", i, s->lane_count);
        if (put(s, i, &failure) < 0)
            s->lanes[i].failure = xstrdup(failure->message);
        if (interrupt_check(err) < 0)
            return -1;
    }
    return 0;
}
