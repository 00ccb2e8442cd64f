/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-stage.c - the room that a stage's images are reckoned with: no less than qemu-img says of
 * one that has all its blocks.
 */
#undef NDEBUG
#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tune/stage.h"

#define MIB (UINT64_C(1) << 20)

/* `whole` is what `qemu-img measure` calls "fully allocated size". */
static const struct {
    uint64_t size, cluster; /* 0: the usual one */
    bool extended_l2;
    uint64_t whole;
} images[] = {
    {128 * MIB, 0, false, 134545408},           {2048 * MIB, 4096, false, 2152747008},
    {2048 * MIB, 512, false, 2190253056},       {2048 * MIB, 16384, true, 2149908480},
    {30720 * MIB, 0, false, 32217432064},       {30720 * MIB, 0, true, 32221364224},
    {102400 * MIB, 65536, false, 107390828544}, {102400 * MIB, 2097152, false, 107384668160},
};

static void test_room(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(images) / sizeof(images[0]); i++) {
        const struct stage_images like = {.image.cluster_bytes = (uint32_t)images[i].cluster};
        const struct stage_options options = {.size_bytes = images[i].size,
                                              .like = images[i].cluster ? &like : NULL};
        uint64_t room = stage_lane_bytes(&options);
        assert_true(room >= images[i].whole);
        /* A directory is not called full for nothing. */
        assert_true(room <= images[i].whole + images[i].size / 25 + 4 * MIB);
    }
    const struct stage_options usual = {.size_bytes = 128 * MIB};
    assert_int_equal(stage_lane_bytes(&usual), 132 * MIB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_room),
    };
    return cmocka_run_group_tests_name("stage", tests, NULL, NULL);
}
