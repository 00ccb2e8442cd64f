/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-settings.c - T1: disks with settings that not every disk has, all in one real probe guest:
 * each runs as it was asked for, does work, and whoever had asked for another is told so.
 *
 * Several iothreads for one disk are not among them: they need a QEMU and a libvirt that are newer
 * than those this project is built with.
 */
#undef NDEBUG
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "probe/readback.h"
#include "probe-stage.h"

/* More SCSI controllers than one: their iothreads and queues have to be told apart. */
static const struct disk_config settings[] = {
    {"scsi", "raw", "falloc", "none", "native", false},
    {"scsi", "raw", "falloc", "none", "native", true, .queues = 1},
    {"scsi", "qcow2", "metadata", "none", "threads", true, .poll_max_ns = 200000},
    {"virtio", "qcow2", "metadata", "none", "threads", false, .queues = 1},
    {"virtio", "qcow2", "off", "none", "threads", true, .metadata_cache_bytes = 5 * 65536},
    {"virtio", "raw", "falloc", "directsync", "native", true, .poll_max_ns = DISK_POLL_OFF},
    {"virtio", "raw", "off", "none", "threads", true},
    /* As a disk that there is can be. */
    {"virtio", "qcow2", "falloc", "none", "threads", false, .queues = 3, .cluster_bytes = 4096},
};

static int set_up(void **state)
{
    GPtrArray *all = g_ptr_array_new_with_free_func(candidate_free);
    for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
        struct candidate *c = xcalloc(1, sizeof(*c));
        c->id = xasprintf("settings %zu", i);
        c->config = settings[i];
        g_ptr_array_add(all, c);
    }
    return stage_set_up_with(state, all);
}

static const struct disk_config *effective(size_t i)
{
    return &stage->lanes[stage->host_lanes + i].effective;
}

static void test_as_asked(void **state)
{
    (void)state;
    assert_int_equal(stage->lane_count - stage->host_lanes, ARRAY_SIZE(settings));
    for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
        const char *failure = stage->lanes[stage->host_lanes + i].failure;
        if (failure)
            fail_msg("%zu: %s", i, failure);
        assert_true(disk_config_equal(&settings[i], effective(i)));
    }
}

/* Each is a disk of its size, found by its serial, that can be written and read. */
static void test_work(void **state)
{
    (void)state;
    const struct hello *h = &stage->probe->hello;
    assert_int_equal(h->disk_count, ARRAY_SIZE(settings));
    for (size_t i = 0; i < h->disk_count; i++)
        assert_int_equal(h->disks[i].bytes, STAGE_SIZE);
    struct slice slices[ARRAY_SIZE(settings)];
    int order[ARRAY_SIZE(settings)];
    for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
        order[i] = (int)i;
    stage_run(0, order, ARRAY_SIZE(settings),
              &(struct budget){.duration_ns = 50 * NS_PER_MS,
                               .min_requests = 1,
                               .max_requests = UINT64_MAX,
                               .ramp = 1},
              slices);
}

/* A disk, what it is asked to have been, and what the error says. */
static const struct {
    size_t disk;
    struct disk_config asked;
    const char *message;
} others[] = {
    {0,
     {"virtio", "raw", "falloc", "none", "native", false},
     "bus='virtio' was asked for, QEMU runs bus='scsi'"},
    {3,
     {"scsi", "qcow2", "metadata", "none", "threads", false, .queues = 1},
     "bus='scsi' was asked for, QEMU runs bus='virtio'"},
    {0,
     {"scsi", "raw", "falloc", "none", "native", true},
     "iothread='yes' was asked for, QEMU runs iothread='no'"},
    {1,
     {"scsi", "raw", "falloc", "none", "native", false, .queues = 1},
     "iothread='no' was asked for, QEMU runs iothread='yes'"},
    {0,
     {"scsi", "raw", "falloc", "none", "native", false, .queues = 1},
     "queues='1' was asked for, QEMU runs queues='0'"},
    {2,
     {"scsi", "qcow2", "metadata", "none", "threads", true},
     "poll_max_ns='32768' was asked for, QEMU runs poll_max_ns='200000'"},
    {5,
     {"virtio", "raw", "falloc", "directsync", "native", true, .poll_max_ns = 200000},
     "poll_max_ns='200000' was asked for, QEMU runs poll_max_ns='0'"},
    {4,
     {"virtio", "qcow2", "off", "none", "threads", true},
     "metadata_cache='0' was asked for, QEMU runs metadata_cache='327680'"},
    {3,
     {"virtio", "qcow2", "metadata", "none", "threads", false, .queues = 1,
      .metadata_cache_bytes = 327680},
     "metadata_cache='327680' was asked for, QEMU runs metadata_cache='0'"},
    {7,
     {"virtio", "qcow2", "falloc", "none", "threads", false, .cluster_bytes = 4096},
     "queues='0' was asked for, QEMU runs queues='3'"},
};

static void test_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        cleanup_error struct error *err = NULL;
        struct disk_config found;
        struct probe_disk disk = {.config = &others[i].asked,
                                  .image_path =
                                      stage->lanes[stage->host_lanes + others[i].disk].path};
        assert_int_equal(readback_disk(stage->probe, &disk, &found, &err), 0);
        /* How much was allocated is only to be seen before the disk was written. */
        found.preallocation = others[i].asked.preallocation;
        assert_int_equal(readback_compare(&others[i].asked, &found, &err), -1);
        assert_string_equal(err->message, others[i].message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_asked),
        cmocka_unit_test(test_work),
        cmocka_unit_test(test_told),
    };
    return cmocka_run_group_tests(tests, set_up, stage_tear_down);
}
