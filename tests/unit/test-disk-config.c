/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-disk-config.c - a configuration in libvirt's words, and the arithmetic of qcow2's L2 cache.
 */
#undef NDEBUG
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "domain/disk_config.h"
#include "domain/needs.h"

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define TIB (1024 * GIB)

static const struct disk_config usual = {
    .bus = "virtio", .format = "qcow2", .preallocation = "off", .cache = "none", .io = "threads"};

/* --- The L2 cache ----------------------------------------------------------------------------- */

/* docs/qcow2-cache.txt: 32 MiB of entries of 8 bytes (16 with extended ones), one for a cluster;
 * and what all tables of a disk need, with four clusters for refcounts. */
static const struct {
    uint32_t cluster;
    bool extended;
    uint64_t covered, disk, full;
} caches[] = {
    {0, false, 256 * GIB, TIB, 128 * MIB + 256 * KIB},
    {0, true, 128 * GIB, TIB, 256 * MIB + 256 * KIB},
    {128 << 10, true, 256 * GIB, TIB, 128 * MIB + 512 * KIB},
    {256 << 10, false, TIB, TIB, 32 * MIB + MIB},
    {1 << 20, false, 4 * TIB, TIB, 8 * MIB + 4 * MIB},
    {2 << 20, false, 8 * TIB, TIB, 4 * MIB + 8 * MIB},
    {4 << 10, false, 16 * GIB, 32 * GIB, 64 * MIB + 16 * KIB},
    /* A table is a cluster, however little of it is used. */
    {0, false, 256 * GIB, 8 * MIB, 5 * 64 * KIB},
    {0, false, 256 * GIB, 512 * MIB, 5 * 64 * KIB},
    {0, false, 256 * GIB, 512 * MIB + 1, 6 * 64 * KIB},
};

static void test_l2_cache(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(caches); i++) {
        struct disk_config c = usual;
        c.cluster_bytes = caches[i].cluster;
        c.extended_l2 = caches[i].extended;
        assert_true(disk_config_covered_bytes(&c) == caches[i].covered);
        assert_true(disk_config_full_cache_bytes(&c, caches[i].disk) == caches[i].full);
    }
}

/* --- XML -------------------------------------------------------------------------------------- */

static void check_driver(const struct disk_config *c, const char *wanted)
{
    cleanup_free char *driver = disk_config_driver_line(c);
    assert_string_equal(driver, wanted);
}

static void test_driver(void **state)
{
    (void)state;
    struct disk_config c = usual;
    check_driver(&c, "<driver name='qemu' type='qcow2' cache='none' io='threads'/>");
    c.metadata_cache_bytes = 327680;
    c.iothread = true;
    check_driver(&c, "<driver name='qemu' type='qcow2' cache='none' io='threads' iothread='1'>\n"
                     "  <metadata_cache>\n"
                     "    <max_size unit='bytes'>327680</max_size>\n"
                     "  </metadata_cache>\n"
                     "</driver>");
}

/* libvirt refuses the attribute beside the element. */
static void test_several_iothreads(void **state)
{
    (void)state;
    struct disk_config c = usual;
    c.iothread = true;
    c.iothreads = 2;
    c.metadata_cache_bytes = 327680;
    check_driver(&c, "<driver name='qemu' type='qcow2' cache='none' io='threads'>\n"
                     "  <iothreads>\n"
                     "    <iothread id='1'/>\n"
                     "    <iothread id='2'/>\n"
                     "  </iothreads>\n"
                     "  <metadata_cache>\n"
                     "    <max_size unit='bytes'>327680</max_size>\n"
                     "  </metadata_cache>\n"
                     "</driver>");
    c.poll_max_ns = DISK_POLL_OFF;
    cleanup_free char *domain = disk_config_domain_lines(&c);
    assert_non_null(strstr(domain, "<iothreads>2</iothreads>"));
    assert_non_null(strstr(domain, "<iothread id='2'>\n    <poll max='0'/>"));
}

static void check_controller(const struct disk_config *c, const char *wanted)
{
    cleanup_free char *lines = disk_config_controller_lines(c);
    assert_string_equal(lines, wanted);
    assert_int_equal(disk_config_has_controller(c), wanted[0] != '\0');
}

/* What serves a SCSI disk is said of its controller. */
static void test_controller(void **state)
{
    (void)state;
    struct disk_config c = usual;
    c.iothread = true;
    c.queues = 4;
    check_controller(&c, "");
    check_driver(&c, "<driver name='qemu' type='qcow2' cache='none' io='threads' queues='4' "
                     "iothread='1'/>");
    c.bus = "scsi";
    check_controller(&c, "<controller type='scsi' index='0' model='virtio-scsi'>\n"
                         "  <driver queues='4' iothread='1'/>\n"
                         "</controller>");
    check_driver(&c, "<driver name='qemu' type='qcow2' cache='none' io='threads'/>");
    c.iothreads = 2;
    check_controller(&c, "<controller type='scsi' index='0' model='virtio-scsi'>\n"
                         "  <driver queues='4'>\n"
                         "    <iothreads>\n"
                         "      <iothread id='1'/>\n"
                         "      <iothread id='2'/>\n"
                         "    </iothreads>\n"
                         "  </driver>\n"
                         "</controller>");
    c.iothread = false;
    c.queues = c.iothreads = 0;
    check_controller(&c, "<controller type='scsi' index='0' model='virtio-scsi'/>");
}

static void check_domain(const struct disk_config *c, uint64_t poll_ns, const char *wanted)
{
    cleanup_free char *lines = disk_config_domain_lines(c);
    assert_string_equal(lines, wanted);
    assert_true(disk_config_poll_ns(c) == poll_ns);
}

static void test_domain(void **state)
{
    (void)state;
    struct disk_config c = usual;
    check_domain(&c, 0, "");
    c.iothread = true;
    check_domain(&c, 32768, "<iothreads>1</iothreads>");
    c.poll_max_ns = DISK_POLL_OFF;
    check_domain(&c, 0,
                 "<iothreads>1</iothreads>\n"
                 "<iothreadids>\n"
                 "  <iothread id='1'>\n"
                 "    <poll max='0'/>\n"
                 "  </iothread>\n"
                 "</iothreadids>");
    c.poll_max_ns = 200000;
    cleanup_free char *lines = disk_config_domain_lines(&c);
    assert_non_null(strstr(lines, "<poll max='200000'/>"));
    assert_true(disk_config_poll_ns(&c) == 200000);
}

/* --- What a change needs ---------------------------------------------------------------------- */

static const struct disk_config threaded = {.bus = "virtio",
                                            .format = "qcow2",
                                            .preallocation = "off",
                                            .cache = "none",
                                            .io = "threads",
                                            .iothread = true};

/* What one field that differs from the above needs. */
static const struct {
    struct disk_config to;
    const char *needs;
} changes[] = {
    {{"virtio", "qcow2", "off", "none", "threads", true}, ""},
    {{"virtio", "qcow2", "off", "none", "threads", true, .cluster_bytes = 65536}, ""},
    {{"scsi", "qcow2", "off", "none", "threads", true}, "restart, guest-driver"},
    {{"virtio", "raw", "off", "none", "threads", true}, "restart, image-conversion"},
    {{"virtio", "qcow2", "falloc", "none", "threads", true}, "restart, image-conversion"},
    {{"virtio", "qcow2", "off", "writeback", "threads", true}, "restart"},
    {{"virtio", "qcow2", "off", "none", "native", true}, "restart"},
    {{"virtio", "qcow2", "off", "none", "threads", false}, "restart"},
    {{"virtio", "qcow2", "off", "none", "threads", true, .iothreads = 2}, "restart"},
    {{"virtio", "qcow2", "off", "none", "threads", true, .poll_max_ns = 200000}, "libvirt-9.4"},
    {{"virtio", "qcow2", "off", "none", "threads", true, .poll_max_ns = DISK_POLL_OFF},
     "libvirt-9.4"},
    {{"virtio", "qcow2", "off", "none", "threads", true, .queues = 1}, "restart"},
    {{"virtio", "qcow2", "off", "none", "threads", true, .cluster_bytes = 131072},
     "restart, image-conversion"},
    {{"virtio", "qcow2", "off", "none", "threads", true, .extended_l2 = true},
     "restart, image-conversion"},
    {{"virtio", "qcow2", "off", "none", "threads", true, .metadata_cache_bytes = 1}, "restart"},
    {{"virtio", "qcow2", "off", "none", "threads", true, .discard = true}, "restart"},
    {{"virtio", "qcow2", "off", "none", "threads", true, .detect_zeroes = true}, "restart"},
    {{"scsi", "raw", "off", "none", "threads", true, .poll_max_ns = 1},
     "restart, image-conversion, guest-driver, libvirt-9.4"},
};

static void test_needs(void **state)
{
    (void)state;
    const struct versions old = {7002000, 9003000}, newer = {7002000, 9004000}, unknown = {0, 0};
    for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
        const struct disk_config *to = &changes[i].to;
        unsigned needs = disk_needs(&threaded, to, &old);
        cleanup_free char *text = disk_needs_to_text(needs);
        assert_string_equal(text, changes[i].needs);
        assert_int_equal(disk_config_equal(&threaded, to), i < 2);
        unsigned without = needs & ~(unsigned)DISK_NEEDS_LIBVIRT_9_4;
        assert_int_equal(disk_needs(&threaded, to, &newer), without);
        assert_int_equal(disk_needs(&threaded, to, &unknown), without);
        /* A disk that is made anew. */
        assert_int_equal(disk_needs(NULL, to, &old), needs & DISK_NEEDS_LIBVIRT_9_4);
        assert_int_equal(disk_needs(NULL, to, &newer), 0);
    }
    json_t *json = disk_needs_to_json(DISK_NEEDS_GUEST_DRIVER | DISK_NEEDS_RESTART);
    assert_int_equal(json_array_size(json), 2);
    assert_string_equal(json_string_value(json_array_get(json, 0)), "restart");
    assert_string_equal(json_string_value(json_array_get(json, 1)), "guest-driver");
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_l2_cache),   cmocka_unit_test(test_driver),
        cmocka_unit_test(test_controller), cmocka_unit_test(test_several_iothreads),
        cmocka_unit_test(test_domain),     cmocka_unit_test(test_needs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
