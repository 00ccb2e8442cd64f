/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tune/stage.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "base/json.h"
#include "base/memory.h"
#include "host/claim.h"
#include "host/directories.h"
#include "host/storage.h"
#include "tune/stage_filesystem.h"
#include "tune/stage_guest.h"

/* No disk that a VM would be put on is slower than this; it only bounds how long to wait. */
#define SLOWEST_BYTES_PER_SECOND (1 << 20)

void stage_tell(const struct stage *s, const char *what, size_t done, size_t all)
{
    if (s->options->progress)
        s->options->progress(s->options->progress_data, what, (double)done / (double)all);
}

static struct candidate *candidate_of(const struct stage *s, const struct lane *lane)
{
    return s->candidates->pdata[lane->candidate];
}

char *stage_serial(const struct stage *s, size_t lane)
{
    return xasprintf(STAGE_SERIAL_PREFIX "%zu", lane - s->host_lanes);
}

bool stage_lane_is_null(const struct stage *s, size_t lane)
{
    const struct lane *l = &s->lanes[lane];
    return l->candidate != LANE_HOST && disk_config_is_null(&candidate_of(s, l)->config);
}

/* --- Lanes and their files -------------------------------------------------------------------- */

static void add_lane(struct stage *s, int candidate, unsigned replica)
{
    s->lanes = xreallocarray(s->lanes, s->lane_count + 1, sizeof(*s->lanes));
    struct lane *lane = &s->lanes[s->lane_count];
    *lane = (struct lane){.candidate = candidate, .replica = replica, .number = -1};
    lane->path = candidate == LANE_HOST
                     ? xasprintf("%s/host-%u.raw", s->scratch->path, replica)
                     : xasprintf("%s/disk-%zu.%s", s->scratch->path, s->lane_count,
                                 candidate_of(s, lane)->config.format);
    s->lane_count++;
}

/* All first replicas before all second ones: copies lie far apart, on the disk and on the bus. */
static void lay_out_lanes(struct stage *s)
{
    for (unsigned r = 0; r < s->options->replicas; r++)
        add_lane(s, LANE_HOST, r);
    s->host_lanes = s->lane_count;
    for (unsigned r = 0; r < s->options->replicas; r++)
        for (unsigned c = 0; c < s->candidates->len; c++)
            if (!((struct candidate *)s->candidates->pdata[c])->left_out)
                add_lane(s, (int)c, r);
}

/* --- A chain of images ------------------------------------------------------------------------ */

static const struct stage_images *like_of(const struct stage *s, const struct disk_config *c)
{
    const struct stage_images *like = s->options->like;
    return like && strcmp(c->preallocation, "off") == 0 ? like : NULL;
}

/* Whether the image is one of those that stand on others: what an image is converted to does not.
 */
static bool is_stacked(const struct stage *s, const struct disk_config *c)
{
    const struct stage_images *like = like_of(s, c);
    return like && like->depth && strcmp(c->format, like->image.format) == 0 &&
           c->cluster_bytes == like->image.cluster_bytes &&
           c->extended_l2 == like->image.extended_l2;
}

/* The image below a lane's: that number of the chain that all share, the lowest 0. The caller
 * frees. */
static char *chain_path(const struct stage *s, unsigned number)
{
    return xasprintf("%s/chain-%u.%s", s->scratch->path, number, number ? "qcow2" : "raw");
}

static int create_image(struct stage *s, const char *path, const struct disk_config *c,
                        uint64_t size, unsigned below, struct error **err)
{
    const struct stage_images *like = like_of(s, c);
    cleanup_free char *image_options = disk_config_image_options(c);
    if (like && strcmp(c->format, "qcow2") == 0 && like->virtual_bytes > size)
        size = like->virtual_bytes;
    if (!below)
        return storage_create_image(path, c->format, image_options, size, err);
    cleanup_free char *backing = chain_path(s, below - 1);
    return storage_create_overlay(path, c->format, image_options, backing,
                                  below > 1 ? "qcow2" : "raw", size, err);
}

/* The images that a disk of the domain stands on. The lowest holds data, so that reads of what no
 * higher one has go all the way down. */
static int create_chain(struct stage *s, struct error **err)
{
    const struct stage_images *like = s->options->like;
    if (!like || !like->depth)
        return 0;
    cleanup_free char *lowest = chain_path(s, 0);
    if (storage_create_file(lowest, s->options->size_bytes, /* allocated = */ true, err) < 0 ||
        target_fill(lowest, s->options->size_bytes, s->options->seed, &s->written_bytes, err) < 0)
        return -1;
    for (unsigned i = 1; i < like->depth; i++) {
        cleanup_free char *path = chain_path(s, i);
        if (create_image(s, path, &like->image, s->options->size_bytes, i, err) < 0)
            return -1;
    }
    return 0;
}

/* Of the disk that has what is worked on. */
static uint64_t disk_bytes(const struct stage_options *o, const struct candidate *c)
{
    return c->filesystem ? stage_filesystem_disk_bytes(o->size_bytes) : o->size_bytes;
}

static int create_files(struct stage *s, struct error **err)
{
    uint64_t size = s->options->size_bytes;
    for (size_t i = 0; i < s->lane_count; i++) {
        const struct lane *lane = &s->lanes[i];
        stage_tell(s, "creating scratch images", i, s->lane_count);
        if (interrupt_check(err) < 0)
            return -1;
        if (lane->candidate == LANE_HOST) {
            if (storage_create_file(lane->path, size, !s->options->fresh, err) < 0)
                return -1;
            continue;
        }
        if (stage_lane_is_null(s, i))
            continue;
        const struct candidate *c = candidate_of(s, lane);
        unsigned below = is_stacked(s, &c->config) ? s->options->like->depth : 0;
        if (create_image(s, lane->path, &c->config, disk_bytes(s->options, c), below, err) < 0)
            return -1;
    }
    return 0;
}

/* What a qcow2 keeps of each cluster: an entry in the tables of L2, which has two parts where it is
 * extended, and a reference count. */
#define CLUSTER_ENTRIES (16 + 2)

uint64_t stage_lane_bytes(const struct stage_options *o)
{
    /* Other clusters that are tried are larger than those that are usual. */
    uint64_t cluster = o->like && o->like->image.cluster_bytes
                           ? MIN(o->like->image.cluster_bytes, DISK_CLUSTER_DEFAULT)
                           : DISK_CLUSTER_DEFAULT;
    uint64_t tables = o->size_bytes / cluster * CLUSTER_ENTRIES;
    return o->size_bytes + MAX(UINT64_C(4) << 20, tables + (UINT64_C(2) << 20));
}

unsigned stage_room(const struct stage_options *o)
{
    uint64_t lanes = storage_room(o->directory) / stage_lane_bytes(o);
    /* The host's, and one for what a chain stands on. */
    uint64_t others = o->replicas + 1, disks = lanes > others ? lanes - others : 0;
    return (unsigned)(disks < STAGE_DISKS_MAX ? disks : STAGE_DISKS_MAX) / o->replicas;
}

static uint64_t space_needed(const struct stage *s)
{
    unsigned chain = s->options->like ? s->options->like->depth > 0 : 0;
    uint64_t bytes = (s->lane_count + chain) * stage_lane_bytes(s->options);
    for (size_t i = s->host_lanes; i < s->lane_count; i++)
        bytes += disk_bytes(s->options, candidate_of(s, &s->lanes[i])) - s->options->size_bytes;
    return bytes;
}

/* --- Claims ----------------------------------------------------------------------------------- */

static int take_claims(struct stage *s, struct error **err)
{
    struct ground *g = s->options->ground;
    if (ground_take(g, s->options->uri, err) < 0)
        return -1;
    s->scratch = claim_take(s->options->directory, CLAIM_SCRATCH_PREFIX, /* alone = */ true, err);
    if (!s->scratch || claim_link(g->runtime, s->scratch, err) < 0)
        return -1;
    /* A daemon's QEMU is another user, who must be able to pass through; the files in there are
     * handed over by libvirt, one by one. */
    if (s->options->uri && chmod(s->scratch->path, 0711) < 0)
        return error_set_errno(err, errno, "cannot let QEMU's user into %s", s->scratch->path);
    return 0;
}

/* --- The guest -------------------------------------------------------------------------------- */

/* What the guest will need, looked for before anything is written. */
static int find_means(struct stage *s, struct error **err)
{
    cleanup_free char *state = directories_state();
    s->kernel = kernel_find("", s->options->kernel, state, err);
    if (!s->kernel || probe_spec_check_path(s->scratch->path, err) < 0 ||
        probe_spec_check_path(s->kernel->image, err) < 0 ||
        (s->options->emulator && probe_spec_check_path(s->options->emulator, err) < 0))
        return -1;
    return ground_connect(s->options->ground, s->options->uri, err);
}

/* --- Filling and opening ---------------------------------------------------------------------- */

/* Filled so far, and sliced: fills write, and of slices only the writes are among the written. */
static uint64_t moved_bytes(const struct stage *s)
{
    return s->filled_bytes + s->sliced_bytes;
}

/* When the rate allows to have moved so much. */
static double due_ns(const struct stage *s, uint64_t bytes)
{
    return (double)s->begin_ns +
           (double)bytes / (double)s->options->rate_bytes * (double)NS_PER_SECOND;
}

/* A signal that is deferred may come just before the wait, which it does not end then. */
#define REST_MS 500

int stage_rest(struct stage *s, struct error **err)
{
    uint64_t rate = s->options->rate_bytes, end = s->options->deadline_ns;
    if (!rate)
        return 0;
    double due = due_ns(s, moved_bytes(s));
    if (end)
        due = fmin(due, (double)end);
    for (uint64_t now; (now = clock_now_ns()) < (uint64_t)due && !interrupt_is_deferred();) {
        double left_ms = ((double)(uint64_t)due - (double)now) / NS_PER_MS + 1;
        if (interrupt_sleep_ms((int)fmin(left_ms, REST_MS), err) < 0)
            return -1;
    }
    return 0;
}

static uint64_t patience(uint64_t bytes)
{
    return 60 * NS_PER_SECOND + bytes / SLOWEST_BYTES_PER_SECOND * NS_PER_SECOND;
}

static int fill_guest_lane(struct stage *s, size_t lane, struct error **err)
{
    cleanup_free char *serial = stage_serial(s, lane);
    json_t *command = json_pack("{s:s, s:s, s:I, s:I}", "do", "fill", "serial", serial, "bytes",
                                (json_int_t)s->options->size_bytes, "seed",
                                (json_int_t)(lane - s->host_lanes + 1));
    cleanup_json json_t *reply =
        probe_request(s->probe, command, patience(s->options->size_bytes), err);
    uint64_t written;
    if (!reply || protocol_get_u64(reply, "written_bytes", &written, err) < 0)
        return -1;
    s->written_bytes += written;
    return 0;
}

bool stage_lane_stays_empty(const struct stage *s, size_t number)
{
    const struct lane *lane = &s->lanes[number];
    bool writes = false;
    for (unsigned i = 0; i < s->options->suite->count; i++)
        writes |= workload_writes(&s->options->suite->works[i].workload);
    return !writes && lane->candidate != LANE_HOST && is_stacked(s, &candidate_of(s, lane)->config);
}

static bool is_filled(const struct stage *s, size_t lane)
{
    return !s->lanes[lane].failure && !stage_lane_is_null(s, lane) &&
           !stage_lane_stays_empty(s, lane);
}

static int fill_lane(struct stage *s, size_t number, struct error **err)
{
    const struct lane *lane = &s->lanes[number];
    int r = !is_filled(s, number)          ? 0
            : lane->candidate == LANE_HOST ? target_fill(lane->path, s->options->size_bytes,
                                                         number + 1, &s->written_bytes, err)
                                           : fill_guest_lane(s, number, err);
    bool buffered = lane->candidate != LANE_HOST && !stage_lane_is_null(s, number) &&
                    !disk_config_is_direct(&candidate_of(s, lane)->config);
    s->filled_bytes = s->written_bytes;
    return r < 0 || (buffered && storage_drop_cached(lane->path, err) < 0) ? -1 : 0;
}

int stage_time_hint(const struct stage *s, struct error **err)
{
    uint64_t trial_ns = s->probe ? s->probe->kvm_trial_ns : 0;
    cleanup_free char *again =
        trial_ns ? xasprintf("the same once more, as %.0f s went to finding that guests hang under "
                             "KVM here, which is now known; ",
                             (double)trial_ns / NS_PER_SECOND)
                 : xstrdup("");
    return error_hint(err, "%sa longer --time, a smaller --size or fewer --candidates%s", again,
                      s->options->rate_bytes ? ", or a higher --rate" : "");
}

/* What the first lanes take says how long all of them will, once it is this part of the time: one
 * that had to wait for others is no reason to give up. */
#define TELLING_SHARE 0.125

int stage_check_fill(const struct stage *s, const struct filling *f, struct error **err)
{
    uint64_t end = s->options->deadline_ns, left = f->all - f->done;
    if (!end || !left)
        return 0;
    if (f->now_ns >= end) {
        error_set(err, "the time is up before the scratch images are written");
        return stage_time_hint(s, err);
    }
    double took = (double)(f->now_ns - f->begin_ns);
    bool telling = f->done && took > TELLING_SHARE * (double)(end - f->begin_ns);
    double over = telling ? (double)f->now_ns + took / (double)f->done * (double)left : 0;
    if (s->options->rate_bytes)
        over = fmax(over, due_ns(s, s->written_bytes + left * s->options->size_bytes));
    if (over <= (double)end)
        return 0;
    error_set(err, "writing the scratch images once would take longer than there is time");
    return stage_time_hint(s, err);
}

/* Writes every block of every lane once: from then on each write is a rewrite. The guest fills its
 * disks itself, so that an image that grows has grown as it would in use. */
static int fill(struct stage *s, struct error **err)
{
    struct filling f = {.begin_ns = clock_now_ns()};
    for (size_t i = 0; i < s->lane_count; i++)
        f.all += is_filled(s, i);
    for (size_t i = 0; i < s->lane_count; i++) {
        stage_tell(s, "writing the scratch images once", i, s->lane_count);
        f.now_ns = clock_now_ns();
        if (stage_check_fill(s, &f, err) < 0 || fill_lane(s, i, err) < 0 || stage_rest(s, err) < 0)
            return -1;
        f.done += is_filled(s, i);
    }
    return 0;
}

static int open_guest_lanes(struct stage *s, struct error **err)
{
    cleanup_json json_t *serials = json_array();
    for (size_t i = s->host_lanes; i < s->lane_count; i++) {
        if (s->lanes[i].failure)
            continue;
        cleanup_free char *serial = stage_serial(s, i);
        s->lanes[i].number = (int)json_array_size(serials);
        json_array_append_new(serials, json_string(serial));
    }
    json_t *command =
        json_pack("{s:s, s:o, s:O, s:b, s:I}", "do", "prepare", "works",
                  suite_to_json(s->options->suite), "serials", serials, "once", s->options->fresh,
                  "seed", (json_int_t)(s->options->seed & INT32_MAX));
    cleanup_json json_t *reply = probe_request(s->probe, command, 60 * NS_PER_SECOND, err);
    return reply ? 0 : -1;
}

static int open_host_lanes(struct stage *s, struct error **err)
{
    s->sites = sites_new(s->options->suite, s->options->fresh, s->options->seed, err);
    if (!s->sites)
        return -1;
    for (size_t i = 0; i < s->host_lanes; i++) {
        s->lanes[i].number = (int)i;
        if (sites_add(s->sites, s->lanes[i].path, s->options->seed + i, err) < 0)
            return -1;
    }
    return 0;
}

/* --- All of it -------------------------------------------------------------------------------- */

static int build(struct stage *s, struct error **err)
{
    if (take_claims(s, err) < 0 || find_means(s, err) < 0)
        return -1;
    lay_out_lanes(s);
    if (storage_check_space(s->options->directory, space_needed(s), err) < 0 ||
        storage_check_direct(s->scratch->path, err) < 0)
        return -1;
    if (stage_filesystem_make(s, err) < 0 || create_chain(s, err) < 0 || create_files(s, err) < 0 ||
        stage_guest_start(s, err) < 0 || stage_filesystem_put(s, err) < 0)
        return -1;
    if (!s->options->fresh && fill(s, err) < 0)
        return -1;
    stage_guest_check_aio(s);
    return open_host_lanes(s, err) < 0 ? -1 : open_guest_lanes(s, err);
}

struct stage *stage_new(const struct stage_options *options, GPtrArray *candidates,
                        struct error **err)
{
    cleanup_stage struct stage *s = xcalloc(1, sizeof(*s));
    s->options = options;
    s->candidates = candidates;
    s->begin_ns = clock_now_ns();
    if (build(s, err) < 0) {
        storage_explain_full(options->directory, err);
        return NULL;
    }
    return TAKE_PTR(s);
}

void stage_strike(struct stage *s)
{
    probe_stop(TAKE_PTR(s->probe));
    sites_free(TAKE_PTR(s->sites));
    claim_release(TAKE_PTR(s->scratch));
}

void stage_free(struct stage *s)
{
    if (!s)
        return;
    stage_strike(s);
    for (size_t i = 0; i < s->lane_count; i++) {
        free(s->lanes[i].path);
        free(s->lanes[i].failure);
    }
    free(s->lanes);
    free(s->image);
    free(s->accelerator_note);
    free(s->qemu);
    kernel_free(s->kernel);
    free(s);
}
