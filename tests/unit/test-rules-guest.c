/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-rules-guest.c - each rule about a guest finds what it is to find, and nothing in one that is
 * as it should be.
 */
#undef NDEBUG
#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "check/ask.h"
#include "check/guest_facts.h"
#include "edited-guest.h"
#include "shown.h"

/* --- Rules ------------------------------------------------------------------------------------ */

enum storage { UNKNOWN, SOLID, ROTATING, ALLOCATED, DEVICE };

/* A row finds with this severity, or nothing. */
enum { NOTE = SEVERITY_NOTE, WARNING = SEVERITY_WARNING, ERROR = SEVERITY_ERROR, NOTHING = -1 };

#define QUEUE "/sys/block/vda/queue/"
#define MOUNTS "/proc/self/mountinfo"
#define ROOT_MOUNT(options) "27 1 254:2 / / rw - ext4 /dev/vda2 rw" options "\n"

static const struct {
    const char *rule, *target, *record;
    struct edit edits[EDITS];
    enum storage storage;
    int severity;
    const char *summary, *fix; /* NULL: whatever they are */
} rule_rows[] = {
    {"guest-silent", NULL, "plain", {{0}}, UNKNOWN, NOTHING},
    {"guest-unread", NULL, "plain", {{0}}, UNKNOWN, NOTHING},
    {"guest-unread", NULL, "windows", {{0}}, UNKNOWN, NOTE},
    {"guest-unread",
     NULL,
     "no-files",
     {{0}},
     UNKNOWN,
     NOTE,
     "guest-file-open is disabled in the guest's agent, so the kernel's settings of its disks were "
     "not read",
     "The guest's administrator may allow guest-file-open, guest-file-read and guest-file-close "
     "(RHEL and its kin: /etc/sysconfig/qemu-ga), and restart the agent"},

    {"guest-flush-off", "vda", "plain", {{0}}, UNKNOWN, NOTHING},
    {"guest-flush-off",
     "vda",
     "plain",
     {{QUEUE "write_cache", "write through\n"}},
     UNKNOWN,
     ERROR,
     "the guest's kernel takes vda for a disk without a cache and sends no flush, and the disk has "
     "one (cache='none')",
     "echo 'write back' > /sys/block/vda/queue/write_cache"},
    {"guest-flush-off",
     "vda",
     "plain",
     {{QUEUE "write_cache", "write through\n", "cache='none'", "cache='directsync'"}},
     UNKNOWN,
     NOTHING},
    {"guest-flush-off",
     "vda",
     "plain",
     {{QUEUE "write_cache", "write through\n"}, {"/sys/block/vda/cache_type", "write through\n"}},
     UNKNOWN,
     NOTHING},

    {"guest-cache-through", "vda", "plain", {{0}}, UNKNOWN, NOTHING},
    {"guest-cache-through",
     "vda",
     "plain",
     {{QUEUE "write_cache", "write through\n"}, {"/sys/block/vda/cache_type", "write through\n"}},
     UNKNOWN,
     WARNING,
     "the guest has set vda to 'write through' although the domain says cache='none'",
     "echo 'write back' > /sys/block/vda/cache_type"},
    {"guest-cache-through",
     "vda",
     "plain",
     {{"/sys/block/vda/cache_type", "write through\n", "cache='none'", "cache='writethrough'"}},
     UNKNOWN,
     NOTHING},
    {"guest-cache-through",
     "vda",
     "plain",
     {{"/sys/block/vda/cache_type", "write through\n", "cache='none'", "cache='unsafe'"}},
     UNKNOWN,
     NOTHING},
    {"guest-cache-through",
     "vda",
     "plain",
     {{"/sys/block/vda/cache_type", "write through\n", "cache='none' ", ""}},
     UNKNOWN,
     WARNING},
    {"guest-cache-through",
     "sda",
     "plain",
     {{"/sys/block/sda/queue/write_cache", "write through\n"}},
     UNKNOWN,
     WARNING,
     NULL,
     "echo 'write back' | tee /sys/block/sda/device/scsi_disk/*/cache_type"},
    {"guest-cache-through",
     "sda",
     "plain",
     {{"/sys/block/sda/queue/write_cache", "write through\n", "device='disk'", "device='lun'"}},
     UNKNOWN,
     NOTHING},

    {"guest-nobarrier", "vda", "plain", {{0}}, UNKNOWN, NOTHING},
    {"guest-nobarrier",
     "vda",
     "plain",
     {{MOUNTS, ROOT_MOUNT(",nobarrier")}},
     UNKNOWN,
     ERROR,
     "/ (ext4) is mounted without barriers: fsync reaches no disk",
     "mount -o remount,barrier '/'    # and without nobarrier in /etc/fstab"},
    {"guest-nobarrier",
     "vda",
     "plain",
     {{MOUNTS, ROOT_MOUNT(",data=journal,barrier=0")}},
     UNKNOWN,
     ERROR},
    {"guest-nobarrier",
     "vda",
     "plain",
     {{MOUNTS, ROOT_MOUNT(",nobarrier"), "cache='none'", "cache='directsync'"}},
     UNKNOWN,
     NOTHING},
    {"guest-nobarrier", "vdb", "plain", {{MOUNTS, ROOT_MOUNT(",nobarrier")}}, UNKNOWN, NOTHING},
    {"guest-nobarrier", "vda", "layers", {{0}}, UNKNOWN, ERROR},
    {"guest-nobarrier",
     "vdb",
     "layers",
     {{0}},
     UNKNOWN,
     ERROR,
     NULL,
     "mount -o remount,barrier '/srv/with blank'    # and without nobarrier in /etc/fstab"},
    {"guest-nobarrier",
     "vda",
     "plain",
     {{MOUNTS, "27 1 254:2 / /a\\012rm\\040-rf rw - ext4 /dev/vda2 rw,nobarrier\n"}},
     UNKNOWN,
     ERROR,
     NULL,
     "Mount it without nobarrier"},

    {"guest-misaligned", "vda", "plain", {{0}}, UNKNOWN, NOTHING},
    {"guest-misaligned",
     "vda",
     "plain",
     {{"/sys/block/vda/vda1/start", "63\n"}},
     UNKNOWN,
     WARNING,
     "not at a multiple of 4 KiB: vda1 at sector 63"},
    {"guest-misaligned", "vda", "plain", {{"/sys/block/vda/vda1/start", "40\n"}}, UNKNOWN, NOTE},
    {"guest-misaligned", "vda", "plain", {{"/sys/block/vda/vda1/start", NULL}}, UNKNOWN, NOTHING},
    {"guest-misaligned",
     "vda",
     "plain",
     {{"/sys/block/vda/vda1/start", "34\n"}, {"/proc/partitions", "254 1 1007 vda1\n"}},
     UNKNOWN,
     NOTHING},

    {"guest-discard", "vda", "plain", {{0}}, UNKNOWN, NOTHING},
    {"guest-discard", "sda", "plain", {{0}}, UNKNOWN, NOTHING},
    {"guest-discard",
     "vda",
     "plain",
     {{QUEUE "discard_max_bytes", "0\n"}, {QUEUE "discard_max_hw_bytes", "0\n"}},
     UNKNOWN,
     WARNING,
     "discard='unmap' is configured, and the guest's vda has no discard (discard_max_bytes is 0)"},
    {"guest-discard",
     "vda",
     "plain",
     {{QUEUE "discard_max_bytes", "0\n", "pc-q35-7.2", "pc-q35-3.1"},
      {QUEUE "discard_max_hw_bytes", "0\n"}},
     UNKNOWN,
     WARNING,
     NULL,
     "virtio-blk has it from machine type 4.0 on (this one is pc-q35-3.1); virtio-scsi has it on "
     "all"},
    {"guest-discard",
     "vda",
     "plain",
     {{QUEUE "discard_max_bytes", "0\n"}},
     UNKNOWN,
     WARNING,
     NULL,
     "echo 2147483136 > /sys/block/vda/queue/discard_max_bytes"},
    {"guest-discard", "vda", "plain", {{QUEUE "discard_max_bytes", NULL}}, UNKNOWN, NOTHING},

    {"guest-mount-discard", "vda", "plain", {{MOUNTS, ROOT_MOUNT("")}}, ALLOCATED, NOTHING},
    {"guest-mount-discard", "vda", "plain", {{MOUNTS, ROOT_MOUNT(",discard")}}, ALLOCATED, NOTE},
    {"guest-mount-discard", "vda", "plain", {{MOUNTS, ROOT_MOUNT(",discard")}}, SOLID, NOTHING},
    {"guest-mount-discard", "vda", "plain", {{MOUNTS, ROOT_MOUNT(",discard")}}, DEVICE, NOTHING},
    {"guest-mount-discard",
     "vda",
     "plain",
     {{MOUNTS, ROOT_MOUNT(",discard"), "discard='unmap'", ""}},
     ALLOCATED,
     NOTHING},

    {"guest-scheduler", "vda", "plain", {{0}}, UNKNOWN, NOTHING},
    {"guest-scheduler",
     "vda",
     "plain",
     {{QUEUE "scheduler", "[mq-deadline] none\n"}},
     SOLID,
     NOTE,
     "the guest puts the requests of vda in order with mq-deadline",
     "echo none > /sys/block/vda/queue/scheduler\n"
     "echo 'ACTION==\"add|change\", KERNEL==\"vda\", ATTR{queue/scheduler}=\"none\"' > "
     "/etc/udev/rules.d/60-vda-scheduler.rules"},
    {"guest-scheduler",
     "vda",
     "plain",
     {{QUEUE "scheduler", "[mq-deadline] none\n"}},
     ROTATING,
     NOTHING},
    {"guest-scheduler", "vda", "plain", {{QUEUE "scheduler", "none\n"}}, SOLID, NOTHING},
    {"guest-scheduler", "vda", "plain", {{QUEUE "scheduler", NULL}}, SOLID, NOTHING},

    {"guest-rotational",
     "vda",
     "plain",
     {{0}},
     SOLID,
     NOTE,
     "the guest takes vda for a disk with heads, and it is on nvme0n1",
     "echo 0 > /sys/block/vda/queue/rotational\n"
     "echo 'ACTION==\"add|change\", KERNEL==\"vda\", ATTR{queue/rotational}=\"0\"' > "
     "/etc/udev/rules.d/60-vda-rotational.rules"},
    {"guest-rotational", "vda", "plain", {{0}}, ROTATING, NOTHING},
    {"guest-rotational", "vda", "plain", {{0}}, UNKNOWN, NOTHING},
    {"guest-rotational", "vda", "plain", {{QUEUE "rotational", "0\n"}}, SOLID, NOTHING},

    {"guest-swap", "vda", "plain", {{0}}, UNKNOWN, NOTHING},
    {"guest-swap",
     "vda",
     "layers",
     {{0}},
     UNKNOWN,
     NOTE,
     "512 MiB of the guest's memory are in swap on vda"},

    {"guest-layers", "vda", "plain", {{0}}, UNKNOWN, NOTHING},
    {"guest-layers",
     "vda",
     "layers",
     {{0}},
     UNKNOWN,
     NOTE,
     "in the guest there is on vda: LUKS vda2_crypt, LVM debian-root, LVM debian-swap"},
};
#define RULE_ROWS ARRAY_SIZE(rule_rows)

static struct block_device solid = {
    .name = (char *)"nvme0n1", .kind = DEVICE_DISK, .rotational = 0};
static struct block_device rotating = {.name = (char *)"sda", .kind = DEVICE_DISK, .rotational = 1};

static GPtrArray *nothing;

static struct place *place_on(const struct block_device *block)
{
    struct place *p = xcalloc(1, sizeof(*p));
    *p = (struct place){.path = xstrdup("/srv/web.qcow2"),
                        .size_bytes = 1 << 20,
                        .allocated_bytes = 1 << 20,
                        .block = block};
    return p;
}

static void put_on(struct check_disk *d, enum storage storage)
{
    if (storage == UNKNOWN)
        return;
    solid.below = rotating.below = nothing;
    d->place = place_on(storage == ROTATING ? &rotating : &solid);
    if (storage == DEVICE)
        d->place->type = PLACE_BLOCK;
    if (storage != ALLOCATED && storage != DEVICE)
        return;
    struct check_image *image = xcalloc(1, sizeof(*image));
    *image = (struct check_image){.path = xstrdup("/srv/web.qcow2"),
                                  .header = {.format = "qcow2", .virtual_bytes = 1 << 20},
                                  .place = place_on(&solid)};
    image->place->type = d->place->type;
    g_ptr_array_add(d->images, image);
}

/* The first finding of this rule, of the disk or, without one, of the domain; NULL. */
static const struct finding *find(struct check_domain *d, const char *target, const char *rule,
                                  GPtrArray **findings)
{
    const struct look at = {.domain = d};
    ask_domain(&at, NULL, findings);
    for (size_t i = 0; i <= d->disk_count; i++) {
        if (!target != (i == 0) || (target && strcmp(d->disks[i - 1].model->target, target) != 0))
            continue;
        for (guint k = 0; k < findings[i]->len; k++) {
            const struct finding *f = findings[i]->pdata[k];
            if (strcmp(f->rule->id, rule) == 0)
                return f;
        }
    }
    return NULL;
}

static void check_finding(size_t row, const struct finding *f)
{
    const char *rule = rule_rows[row].rule;
    if ((f ? (int)f->severity : NOTHING) != rule_rows[row].severity)
        fail_msg("row %zu, %s: %s", row, rule, f ? f->summary : "nothing is found");
    if (f && rule_rows[row].summary)
        assert_string_equal(f->summary, rule_rows[row].summary);
    if (f && rule_rows[row].fix)
        assert_string_equal(f->fix, rule_rows[row].fix);
}

static void test_rules(void **state)
{
    (void)state;
    nothing = g_ptr_array_new();
    for (size_t i = 0; i < RULE_ROWS; i++) {
        cleanup_check_domain struct check_domain *d =
            edited(rule_rows[i].record, rule_rows[i].edits);
        for (size_t k = 0; k < d->disk_count; k++)
            put_on(&d->disks[k], rule_rows[i].storage);
        GPtrArray *findings[8] = {NULL};
        assert_true(d->disk_count < ARRAY_SIZE(findings));
        const struct finding *f = find(d, rule_rows[i].target, rule_rows[i].rule, findings);
        check_finding(i, f);
        if (f)
            show_found(
                rule_rows[i].edits[0].file ? rule_rows[i].edits[0].file : rule_rows[i].record, f);
        for (size_t k = 0; k <= d->disk_count; k++)
            g_ptr_array_unref(findings[k]);
    }
    g_ptr_array_unref(nothing);
}

static void test_silent_rule(void **state)
{
    (void)state;
    GPtrArray *findings[8] = {NULL};
    cleanup_json json_t *json = record("plain");
    json_object_set_new(json, "silent", json_string("guest-get-osinfo"));
    cleanup_check_domain struct check_domain *d = recorded_domain(json);
    const struct finding *f = find(d, NULL, "guest-silent", findings);
    assert_non_null(f);
    assert_string_equal(f->fix, "is it running?");
    for (size_t k = 0; k <= d->disk_count; k++)
        g_ptr_array_unref(findings[k]);
}

/* Nobody adds a rule without showing what it finds, and what it does not. */
static void test_every_rule_has_rows(void **state)
{
    (void)state;
    for (size_t r = 0; r < rules_guest.count; r++) {
        const char *id = rules_guest.rows[r].id;
        bool finds = strcmp(id, "guest-silent") == 0, finds_nothing = false;
        for (size_t i = 0; i < RULE_ROWS; i++) {
            bool own = strcmp(rule_rows[i].rule, id) == 0;
            finds |= own && rule_rows[i].severity != NOTHING;
            finds_nothing |= own && rule_rows[i].severity == NOTHING;
        }
        if (!finds || !finds_nothing)
            fail_msg("%s has no row in which it finds %s", id, finds ? "nothing" : "something");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_silent_rule),
        cmocka_unit_test(test_every_rule_has_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
