/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-variants.c - disks beside the one that is explained differ from it in one layer alone.
 */
#undef NDEBUG
#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "explain/variants.h"

static const struct candidate_facts facts = {.io_uring_allowed = true, .aio_contexts_left = true};

static GPtrArray *make(const struct disk_config *disk)
{
    const struct variants_options options = {
        .disk = disk, .vcpus = 2, .disk_bytes = 64 << 20, .facts = &facts};
    return variants_new(&options);
}

static const struct disk_config *config_of(const GPtrArray *variants, enum variant_role role)
{
    int found = variants_find(variants, role);
    assert_true(found >= 0);
    return &((const struct variant *)variants->pdata[found])->candidate.config;
}

/* The iothread of the disk with nothing behind it polls as the disk's does. */
static void test_floor(void **state)
{
    (void)state;
    struct disk_config disk = {.bus = "virtio",
                               .format = "raw",
                               .preallocation = "off",
                               .cache = "none",
                               .io = "threads",
                               .iothread = true,
                               .poll_max_ns = 200000};
    g_autoptr(GPtrArray) polling = make(&disk);
    const struct disk_config *floor = config_of(polling, VARIANT_FLOOR);
    assert_true(floor->iothread && floor->poll_max_ns == 200000);
    disk.poll_max_ns = DISK_POLL_OFF;
    g_autoptr(GPtrArray) not_polling = make(&disk);
    assert_int_equal(config_of(not_polling, VARIANT_FLOOR)->poll_max_ns, DISK_POLL_OFF);
    disk.bus = "scsi";
    g_autoptr(GPtrArray) scsi = make(&disk);
    assert_int_equal(variants_find(scsi, VARIANT_FLOOR), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_floor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
