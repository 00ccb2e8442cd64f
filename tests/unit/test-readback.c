/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-readback.c - what QEMU runs is held against what was asked, field by field. What it runs is
 * read from a real one, in the functional tests.
 */
#undef NDEBUG
#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "probe/readback.h"

static const struct disk_config asked = {"virtio", "qcow2", "falloc", "none", "native", true};

static const struct {
    const char *message;
    struct disk_config effective;
} differences[] = {
    {"bus='virtio' was asked for, QEMU runs bus='other'",
     {"other", "qcow2", "falloc", "none", "native", true}},
    {"bus='virtio' was asked for, QEMU runs bus='scsi'",
     {"scsi", "qcow2", "falloc", "none", "native", true}},
    {"format='qcow2' was asked for, QEMU runs format='raw'",
     {"virtio", "raw", "falloc", "none", "native", true}},
    {"preallocation='falloc' was asked for, QEMU runs preallocation='off'",
     {"virtio", "qcow2", "off", "none", "native", true}},
    {"cache='none' was asked for, QEMU runs cache='writeback'",
     {"virtio", "qcow2", "falloc", "writeback", "native", true}},
    {"io='native' was asked for, QEMU runs io='threads'",
     {"virtio", "qcow2", "falloc", "none", "threads", true}},
    {"iothread='yes' was asked for, QEMU runs iothread='no'",
     {"virtio", "qcow2", "falloc", "none", "native", false}},
    {"iothreads='0' was asked for, QEMU runs iothreads='2'",
     {"virtio", "qcow2", "falloc", "none", "native", true, .iothreads = 2}},
    {"poll_max_ns='32768' was asked for, QEMU runs poll_max_ns='0'",
     {"virtio", "qcow2", "falloc", "none", "native", true, .poll_max_ns = DISK_POLL_OFF}},
    {"poll_max_ns='32768' was asked for, QEMU runs poll_max_ns='200000'",
     {"virtio", "qcow2", "falloc", "none", "native", true, .poll_max_ns = 200000}},
    {"queues='0' was asked for, QEMU runs queues='2'",
     {"virtio", "qcow2", "falloc", "none", "native", true, .queues = 2}},
    {"cluster_size='0' was asked for, QEMU runs cluster_size='131072'",
     {"virtio", "qcow2", "falloc", "none", "native", true, .cluster_bytes = 131072}},
    {"extended_l2='no' was asked for, QEMU runs extended_l2='yes'",
     {"virtio", "qcow2", "falloc", "none", "native", true, .extended_l2 = true}},
    {"metadata_cache='0' was asked for, QEMU runs metadata_cache='327680'",
     {"virtio", "qcow2", "falloc", "none", "native", true, .metadata_cache_bytes = 327680}},
    {"discard='no' was asked for, QEMU runs discard='yes'",
     {"virtio", "qcow2", "falloc", "none", "native", true, .discard = true}},
    {"detect_zeroes='no' was asked for, QEMU runs detect_zeroes='yes'",
     {"virtio", "qcow2", "falloc", "none", "native", true, .detect_zeroes = true}},
};

static void test_same(void **state)
{
    (void)state;
    /* The same text in another place is the same. */
    char native[] = "native";
    struct disk_config effective = asked;
    struct error *err = NULL;
    effective.io = native;
    assert_int_equal(readback_compare(&asked, &effective, &err), 0);
    /* What an old machine type gives a disk that says nothing of queues. */
    effective.queues = 1;
    assert_int_equal(readback_compare(&asked, &effective, &err), 0);
    assert_null(err);
}

static void test_differences(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(differences); i++) {
        cleanup_error struct error *err = NULL;
        assert_int_equal(readback_compare(&asked, &differences[i].effective, &err), -1);
        assert_string_equal(err->message, differences[i].message);
        assert_int_equal(readback_compare(&asked, &differences[i].effective, NULL), -1);
        /* And the other way round. */
        assert_int_equal(readback_compare(&differences[i].effective, &asked, NULL), -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same),
        cmocka_unit_test(test_differences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
