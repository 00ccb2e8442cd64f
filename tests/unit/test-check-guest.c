/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-check-guest.c - what a guest does with its disks is read from recorded guests, and each of
 * its devices is taken for the right disk, or for none.
 */
#undef NDEBUG
#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "check/guest_facts.h"
#include "edited-guest.h"

static struct check_domain *domain_of(const char *name)
{
    cleanup_json json_t *json = record(name);
    return recorded_domain(json);
}

static const struct guest_disk *disk_of(const struct check_domain *d, const char *target)
{
    for (size_t i = 0; i < d->disk_count; i++)
        if (strcmp(d->disks[i].model->target, target) == 0)
            return d->disks[i].guest;
    fail_msg("there is no disk %s", target);
    return NULL;
}

static void assert_strings(const GPtrArray *list, const char *wanted)
{
    g_autoptr(GString) all = g_string_new(NULL);
    for (guint i = 0; i < list->len; i++)
        g_string_append_printf(all, "%s%s", i ? "; " : "", (const char *)list->pdata[i]);
    assert_string_equal(all->str, wanted);
}

/* --- Reading ---------------------------------------------------------------------------------- */

static void test_plain(void **state)
{
    (void)state;
    cleanup_check_domain struct check_domain *d = domain_of("plain");
    const struct guest_disk *vda = disk_of(d, "vda"), *sda = disk_of(d, "sda");
    assert_null(d->guest->silent);
    assert_null(d->guest->unread);
    assert_string_equal(d->guest->system, "Debian GNU/Linux 12 (bookworm)");
    assert_string_equal(vda->name, "vda");
    assert_string_equal(vda->scheduler, "none");
    assert_string_equal(vda->device_cache, "write back");
    assert_string_equal(vda->kernel_cache, "write back");
    assert_int_equal(vda->rotational, 1);
    assert_int_equal(vda->discard_max_bytes, 2147483136);
    assert_int_equal(vda->swap_used_kib, 1024);
    assert_int_equal(vda->mounts->len, 2);
    assert_int_equal(vda->layers->len, 0);
    assert_int_equal(vda->partitions->len, 3);
    const struct guest_partition *second = vda->partitions->pdata[1];
    assert_string_equal(second->name, "vda2");
    assert_int_equal(second->first_sector, 1050624);
    assert_int_equal(second->size_kib, 9437440);
    assert_int_equal(disk_of(d, "vdb")->mounts->len, 1);
    assert_string_equal(sda->name, "sda");
    assert_null(sda->device_cache);
    assert_int_equal(sda->discard_max_bytes, 0);
}

static void test_layers(void **state)
{
    (void)state;
    cleanup_check_domain struct check_domain *d = domain_of("layers");
    const struct guest_disk *vda = disk_of(d, "vda"), *vdb = disk_of(d, "vdb");
    assert_strings(vda->layers, "LUKS vda2_crypt; LVM debian-root; LVM debian-swap");
    assert_int_equal(vda->mounts->len, 2);
    assert_int_equal(vda->swap_used_kib, 524288);
    assert_strings(vdb->layers, "RAID md0");
    assert_int_equal(vdb->mounts->len, 1);
    assert_string_equal(((const struct mount *)vdb->mounts->pdata[0])->point, "/srv/with blank");
    assert_strings(disk_of(d, "sda")->layers, "RAID md0");
}

static void test_unreadable(void **state)
{
    (void)state;
    static const struct {
        const char *record, *unread;
        unsigned disks;
    } rows[] = {
        {"windows", "the guest runs Windows Server 2022 Standard, and only Linux is looked into",
         0},
        {"no-files",
         "guest-file-open is disabled in the guest's agent, so the kernel's settings of its disks "
         "were not read",
         3},
        {"old-agent", "it is not clear which of the guest's disks is sda", 2},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        cleanup_check_domain struct check_domain *d = domain_of(rows[i].record);
        assert_string_equal(d->guest->unread, rows[i].unread);
        assert_int_equal(d->guest->disks->len, rows[i].disks);
    }
    cleanup_check_domain struct check_domain *closed = domain_of("no-files");
    assert_strings(
        disk_of(closed, "vda")->layers,
        "device mapper vda2_crypt; device mapper debian-root; device mapper debian-swap");
    assert_non_null(closed->guest->remedy);
    cleanup_check_domain struct check_domain *old = domain_of("old-agent");
    assert_int_equal(disk_of(old, "vda")->partitions->len, 3);
}

/* After the one that hangs nothing more is asked, and what is known is kept. */
static void test_silence(void **state)
{
    (void)state;
    static const char *const last[] = {"guest-get-osinfo", "guest-get-disks", "/proc/partitions",
                                       "/sys/block/vda/queue/write_cache",
                                       "/sys/block/vda/vda2/start"};
    for (size_t i = 0; i < ARRAY_SIZE(last); i++) {
        cleanup_json json_t *json = record("plain");
        json_object_set_new(json, "silent", json_string(last[i]));
        cleanup_check_domain struct check_domain *d = recorded_domain(json);
        assert_non_null(strstr(d->guest->silent, "didn't respond"));
        assert_string_equal(d->guest->hint, "is it running?");
        assert_int_equal(d->guest->disks->len, i < 2 ? 0 : 3);
        if (i >= 3)
            assert_string_equal(disk_of(d, "vda")->scheduler, "none");
        if (i >= 2)
            assert_null(disk_of(d, "sda")->scheduler);
    }
}

/* --- Which device is which -------------------------------------------------------------------- */

#define VDA_ADDRESS "bus='0x04' slot='0x00'"
#define VDB_ADDRESS "bus='0x05' slot='0x00'"
#define SDA_UNIT "target='0' unit='1'"

/* Both disks behind bridges that the guest has at 00:02.0 and 00:03.0, and neither a size nor a
 * serial number that could tell one from the other. */
#define BRIDGE(index, at)                                                                          \
    "<controller type='pci' index='" index "' model='pcie-root-port'><address type='pci' "         \
    "domain='0' " at " function='0'/></controller>"
#define BEHIND(slot) "/sys/bus/pci/devices/0000:00:" slot ".0/secondary_bus_number"
#define BEHIND_BRIDGES(first, second, bridges)                                                     \
    {                                                                                              \
        {.old = VDA_ADDRESS,                                                                       \
         .now = "bus='0x0a' slot='0x00'",                                                          \
         .file = BEHIND("02"),                                                                     \
         .text = first},                                                                           \
            {.old = VDB_ADDRESS,                                                                   \
             .now = "bus='0x0b' slot='0x00'",                                                      \
             .file = BEHIND("03"),                                                                 \
             .text = second},                                                                      \
            {.old = "data-0815", .now = "other", .file = "/proc/partitions"},                      \
        {                                                                                          \
            .old = "</devices>", .now = bridges "</devices>"                                       \
        }                                                                                          \
    }
#define TWO_BRIDGES BRIDGE("10", "bus='0' slot='2'") BRIDGE("11", "bus='0' slot='3'")

/* The guest with these edits, and which of its disks is vda, vdb and sda of the domain. */
static const struct {
    const char *about;
    struct edit edits[EDITS];
    const char *vda, *vdb, *sda; /* NULL: none */
} matchings[] = {
    {"addresses", {{0}}, "vda", "vdb", "sda"},
    {"addresses that are crossed, and sizes that say so",
     {{.old = VDA_ADDRESS, .now = "bus='0x0a'"},
      {.old = VDB_ADDRESS, .now = VDA_ADDRESS},
      {.old = "bus='0x0a'", .now = VDB_ADDRESS}},
     "vda",
     "vdb",
     "sda"},
    {"no address, a serial number and the only one that is left",
     {{.old = VDA_ADDRESS, .now = "bus='0x0a' slot='0x00'"},
      {.old = VDB_ADDRESS, .now = "bus='0x0b' slot='0x00'"}},
     "vda",
     "vdb",
     "sda"},
    {"two that could be either",
     {{.old = VDA_ADDRESS, .now = "bus='0x0a' slot='0x00'"},
      {.old = VDB_ADDRESS, .now = "bus='0x0b' slot='0x00'"},
      {.old = "data-0815", .now = "data-0816"}},
     NULL,
     NULL,
     "sda"},
    {"a SCSI disk by itself",
     {{.old = SDA_UNIT, .now = "target='3' unit='1'"}},
     "vda",
     "vdb",
     "sda"},
    {"two at the same address",
     {{.old = VDB_ADDRESS, .now = VDA_ADDRESS}, {.old = "data-0815", .now = "other"}},
     NULL,
     NULL,
     "sda"},
    {"behind bridges, as the guest numbers them", BEHIND_BRIDGES("4\n", "5\n", TWO_BRIDGES), "vda",
     "vdb", "sda"},
    {"behind bridges that the guest numbers the other way round",
     BEHIND_BRIDGES("5\n", "4\n", TWO_BRIDGES), "vdb", "vda", "sda"},
    {"behind bridges of which the guest says nothing, and libvirt's numbers lead nowhere",
     BEHIND_BRIDGES(NULL, NULL, TWO_BRIDGES), NULL, NULL, "sda"},
    {"a bridge behind another, which leads to where another disk is",
     {{.old = VDA_ADDRESS, .now = "bus='0x0a' slot='0x00'", .file = BEHIND("02"), .text = "7\n"},
      {.file = "/sys/bus/pci/devices/0000:07:03.0/secondary_bus_number", .text = "5\n"},
      {.old = "data-0815", .now = "other", .file = "/proc/partitions"},
      {.old = "</devices>",
       .now = BRIDGE("10", "bus='11' slot='3'") BRIDGE("11", "bus='0' slot='2'") "</devices>"}},
     NULL,
     NULL,
     "sda"},
    {"a ring of bridges",
     BEHIND_BRIDGES("4\n", "5\n",
                    BRIDGE("10", "bus='11' slot='2'") BRIDGE("11", "bus='10' slot='3'")),
     NULL, NULL, "sda"},
    {"a root bus of its own",
     BEHIND_BRIDGES("5\n", "4\n",
                    "<controller type='pci' index='10' model='pcie-expander-bus'><target "
                    "busNr='5'/></controller>" BRIDGE("11", "bus='0' slot='3'")),
     "vdb", "vda", "sda"},
    {"a size that is another",
     {{.file = "/proc/partitions", .text = "254 0 10485760 vda\n254 16 1048580 vdb\n"}},
     "vda",
     NULL,
     "sda"},
};

static void test_matching(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(matchings); i++) {
        cleanup_check_domain struct check_domain *d = edited("plain", matchings[i].edits);
        const char *const targets[] = {"vda", "vdb", "sda"};
        const char *const wanted[] = {matchings[i].vda, matchings[i].vdb, matchings[i].sda};
        for (size_t k = 0; k < ARRAY_SIZE(targets); k++) {
            const struct guest_disk *g = disk_of(d, targets[k]);
            if (g_strcmp0(g ? g->name : NULL, wanted[k]) != 0)
                fail_msg("%s: %s is %s", matchings[i].about, targets[k], g ? g->name : "none");
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),      cmocka_unit_test(test_layers),
        cmocka_unit_test(test_unreadable), cmocka_unit_test(test_silence),
        cmocka_unit_test(test_matching),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
