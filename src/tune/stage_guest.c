/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tune/stage_guest.h"

#include <string.h>

#include "base/clock.h"
#include "base/interrupt.h"
#include "base/json.h"
#include "base/memory.h"
#include "host/claim.h"
#include "host/directories.h"
#include "probe/plug.h"
#include "probe/qmp.h"
#include "probe/readback.h"

/* The disk of a guest lane, by its number among these. */
static struct probe_disk disk_of(const struct stage *s, size_t number)
{
    const struct lane *lane = &s->lanes[s->host_lanes + number];
    const struct candidate *c = s->candidates->pdata[lane->candidate];
    struct probe_disk disk = {.config = &c->config, .image_path = lane->path};
    cleanup_free char *serial = stage_serial(s, s->host_lanes + number);
    snprintf(disk.serial, sizeof(disk.serial), "%s", serial);
    return disk;
}

/* The disks of the guest lanes that have an image and no failure, in their order. The caller frees.
 */
static struct probe_disk *probe_disks(const struct stage *s, size_t *ret_count)
{
    size_t all = s->lane_count - s->host_lanes;
    struct probe_disk *disks = xcalloc(all, sizeof(*disks));
    *ret_count = 0;
    for (size_t i = 0; i < all; i++)
        if (!s->lanes[s->host_lanes + i].failure && !stage_lane_is_null(s, s->host_lanes + i))
            disks[(*ret_count)++] = disk_of(s, i);
    return disks;
}

static struct lane *lane_of(const struct stage *s, const struct probe_disk *disk)
{
    return &s->lanes[s->host_lanes + strtoul(disk->serial + strlen(STAGE_SERIAL_PREFIX), NULL, 10)];
}

/* A disk that is not what was asked for gets no figure; the others go on. */
static int read_back(struct stage *s, const struct probe_disk *disks, size_t count,
                     struct error **err)
{
    for (size_t i = 0; i < count; i++) {
        struct lane *lane = lane_of(s, &disks[i]);
        cleanup_error struct error *difference = NULL;
        stage_tell(s, "reading back what QEMU runs", i, count);
        if (interrupt_check(err) < 0 ||
            readback_disk(s->probe, &disks[i], &lane->effective, err) < 0)
            return -1;
        if (readback_compare(disks[i].config, &lane->effective, &difference) < 0)
            lane->failure = xstrdup(difference->message);
    }
    return 0;
}

/* In how many event loops requests were served that went to files of this mode: one for each
 * iothread, and the main loop where there is a disk without. */
static unsigned loops_used(const struct stage *s, const struct probe_disk *disks, size_t count,
                           const char *io)
{
    unsigned loops = 0;
    bool main_loop = false;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(disks[i].config->io, io) != 0 ||
            stage_lane_stays_empty(s, (size_t)(lane_of(s, &disks[i]) - s->lanes)))
            continue;
        loops += disks[i].config->iothread;
        main_loop |= !disks[i].config->iothread;
    }
    return loops + main_loop;
}

void stage_guest_check_aio(struct stage *s)
{
    static const char *const modes[] = {"native", "io_uring"};
    size_t count;
    cleanup_free struct probe_disk *disks = probe_disks(s, &count);
    cleanup_evidence struct readback_evidence evidence;
    readback_look(s->probe, &evidence);
    for (size_t m = 0; m < ARRAY_SIZE(modes); m++) {
        unsigned loops = s->options->fresh ? 0 : loops_used(s, disks, count, modes[m]);
        cleanup_free char *why = readback_fallback(&evidence, modes[m], loops);
        for (size_t i = 0; why && i < count; i++) {
            struct lane *lane = lane_of(s, &disks[i]);
            if (strcmp(disks[i].config->io, modes[m]) == 0 && !lane->failure)
                lane->failure = xstrdup(why);
        }
    }
}

/* Asks of the first lane of each candidate whether it is what is refused; how many are. */
static size_t find_refused(struct stage *s, const struct probe_options *options)
{
    size_t refused = 0, all = s->lane_count - s->host_lanes;
    for (size_t i = 0; i < all && interrupt_check(NULL) == 0; i++) {
        struct probe_disk disk = disk_of(s, i);
        struct lane *lane = lane_of(s, &disk);
        cleanup_error struct error *refusal = NULL;
        if (lane->replica || lane->failure || stage_lane_is_null(s, s->host_lanes + i))
            continue;
        stage_tell(s, "finding what is refused", i, all);
        if (probe_accepts(s->options->ground->connection, options, &disk, &refusal) == 0)
            continue;
        for (size_t k = s->host_lanes; k < s->lane_count; k++)
            if (s->lanes[k].candidate == lane->candidate)
                s->lanes[k].failure = xasprintf("refused: %s", refusal->message);
        refused++;
    }
    return refused;
}

/* How long a guest may take to see what is plugged in: a second or two, emulated. */
#define PLUG_PATIENCE_NS (30 * NS_PER_SECOND)

/* Waits until the guest sees a disk that was plugged in. */
static int wait_for_disk(struct stage *s, const char *serial, struct error **err)
{
    for (uint64_t end = clock_now_ns() + PLUG_PATIENCE_NS;;) {
        cleanup_error struct error *absent = NULL;
        json_t *command = json_pack("{s:s, s:s}", "do", "diskstat", "serial", serial);
        cleanup_json json_t *reply = probe_request(s->probe, command, 10 * NS_PER_SECOND, &absent);
        if (reply)
            return 0;
        if (clock_now_ns() > end) {
            if (err)
                *err = TAKE_PTR(absent);
            return -1;
        }
        if (interrupt_sleep_ms(20, err) < 0)
            return -1;
    }
}

static int plug_null_disks(struct stage *s, struct error **err)
{
    struct plug plugs[PLUG_MAX];
    char serials[PLUG_MAX][sizeof(((struct probe_disk *)0)->serial)];
    size_t count = 0, all = s->lane_count - s->host_lanes;
    for (size_t i = 0; i < all && count < PLUG_MAX; i++) {
        if (!stage_lane_is_null(s, s->host_lanes + i))
            continue;
        struct probe_disk disk = disk_of(s, i);
        memcpy(serials[count], disk.serial, sizeof(disk.serial));
        plugs[count] = (struct plug){
            .serial = serials[count],
            .node = plug_null_node(s->options->size_bytes, 0),
            .iothread = disk.config->iothread,
            .poll_max_ns = disk.config->poll_max_ns,
        };
        count++;
    }
    if (count && plug_disks(s->probe, plugs, count, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        if (wait_for_disk(s, serials[i], err) < 0)
            return -1;
    return 0;
}

/* Of the QEMU that runs: libvirt's own choice may be another one. The caller frees. */
static char *qemu_version(struct probe *p)
{
    int major = 0, minor = 0, micro = 0;
    cleanup_json json_t *version = qmp(p, json_pack("{s:s}", "execute", "query-version"), NULL);
    return json_unpack(version, "{s:{s:i, s:i, s:i}}", "qemu", "major", &major, "minor", &minor,
                       "micro", &micro) == 0
               ? xasprintf("%d.%d.%d", major, minor, micro)
               : xstrdup("");
}

/* What is asked for when the guest may be gone. */
static void remember(struct stage *s)
{
    const struct probe *p = s->probe;
    s->accelerator = p->accelerator;
    s->accelerator_note = p->accelerator_note ? xstrdup(p->accelerator_note) : NULL;
    s->vcpus = p->hello.vcpus;
    s->qemu = qemu_version(s->probe);
}

static int start(struct stage *s, const struct probe_options *options, bool *ret_refused,
                 struct error **err)
{
    size_t count;
    cleanup_free struct probe_disk *disks = probe_disks(s, &count);
    s->probe =
        count ? probe_start(s->options->ground->connection, options, disks, count, ret_refused, err)
              : NULL;
    if (!s->probe ||
        (s->probe->pid && process_set_io_priority(s->probe->pid, s->options->io_priority, err) < 0))
        return -1;
    if (plug_null_disks(s, err) < 0 || read_back(s, disks, count, err) < 0)
        return -1;
    remember(s);
    return 0;
}

int stage_guest_start(struct stage *s, struct error **err)
{
    cleanup_free char *state = directories_state();
    cleanup_free char *name =
        xasprintf(CLAIM_DOMAIN_PREFIX "%s", strrchr(s->options->ground->runtime->path, '/') + 1 +
                                                strlen(CLAIM_RUNTIME_PREFIX));
    struct probe_options options = {
        .accelerator = s->options->accelerator,
        .kernel = s->kernel,
        .directory = s->options->ground->runtime->path,
        .state_directory = state,
        .emulator = s->options->emulator,
        .mirror = s->options->mirror,
        .vcpus = s->options->vcpus,
        .name = name,
        .filesystem = s->filesystem,
        .image = s->image,
    };
    stage_tell(s, "starting the probe guest", 0, 0);
    if (process_set_io_priority(getpid(), s->options->io_priority, err) < 0)
        return -1;
    cleanup_error struct error *first = NULL;
    bool refused = false;
    if (start(s, &options, &refused, &first) == 0)
        return 0;
    /* One that is refused keeps all from starting; where each is, it is not for what they are. */
    size_t candidates = (s->lane_count - s->host_lanes) / s->options->replicas;
    bool one_of_several = refused && candidates > 1 && interrupt_check(NULL) == 0;
    size_t found = one_of_several ? find_refused(s, &options) : 0;
    if (found && found < candidates)
        return start(s, &options, NULL, err);
    if (err)
        *err = TAKE_PTR(first);
    return -1;
}
