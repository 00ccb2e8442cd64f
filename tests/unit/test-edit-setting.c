/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-edit-setting.c - settings of a disk are read as people write them, and said again of edits.
 */
#undef NDEBUG
#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "domain/edit.h"

#define CACHE "<metadata_cache><max_size unit='bytes'>4096</max_size></metadata_cache>"

static void test_words(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message, *hint;
    } rows[] = {
        {"io", "'io' is no setting", "KEY=VALUE"},
        {"bus=virtio", "no setting 'bus'",
         "cache, io, discard, detect_zeroes, queues, iothread, "
         "metadata_cache"},
        {"=a", "no setting ''", "cache"},
        {"io=aio", "'aio' is no io", "threads, native, io_uring"},
        {"cache=unsafe", "loses data", NULL},
        {"queues=0", "'0' is no queues", "1 to 256"},
        {"queues=04", "'04' is no queues", "1 to 256"},
        {"queues=257", "'257' is no queues", "1 to 256"},
        {"iothread=own", "'own' is no iothread", "or new"},
        {"metadata_cache=much", "'much' is no metadata_cache", "a size, as"},
        {"metadata_cache=0", "'0' is no metadata_cache", "a size, as"},
        {"metadata_cache=0M", "'0' is no metadata_cache", "a size, as"},
        {"metadata_cache=9999999T", "'10995115", "a size, as"},
        {"metadata_cache=default", "'default' is no metadata_cache", "a size, as"},
        {"discard=on'", "'on'' is no discard", "unmap, ignore"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        cleanup_error struct error *err = NULL;
        struct disk_setting setting = {0};
        assert_int_equal(disk_setting_parse(rows[i].text, &setting, &err), -1);
        assert_non_null(strstr(err->message, rows[i].message));
        assert_int_equal(!err->hint, !rows[i].hint);
        assert_true(!rows[i].hint || strstr(err->hint, rows[i].hint));
        assert_null(setting.key);
    }
    struct disk_setting setting;
    assert_int_equal(disk_setting_parse("queues=", &setting, NULL), 0);
    assert_string_equal(setting.key, "queues");
    assert_null(setting.value);
    assert_int_equal(disk_setting_parse("metadata_cache=4M", &setting, NULL), 0);
    assert_string_equal(setting.value, "4194304");
    /* A plan's come without being parsed. */
    assert_int_equal(disk_setting_check(&(struct disk_setting){"bus", "scsi"}, NULL), -1);
    assert_int_equal(disk_setting_check(&(struct disk_setting){"iothread", "new"}, NULL), 0);
}

static void test_to_setting(void **state)
{
    (void)state;
    static const struct {
        struct edit edit;
        const char *text; /* "" for none */
    } rows[] = {
        {{EDIT_ATTRIBUTE, "disk:vda/driver", "io", NULL, "native", NULL, NULL}, "io=native"},
        {{EDIT_ATTRIBUTE, "disk:vda/driver", "io", "native", NULL, " io='native'", NULL}, "io="},
        {{EDIT_ELEMENT, "disk:vda/driver/metadata_cache", NULL, NULL, CACHE, NULL, NULL},
         "metadata_cache=4096"},
        {{EDIT_ELEMENT, "disk:vda/driver/metadata_cache", NULL, CACHE, NULL, "", NULL},
         "metadata_cache="},
        {{EDIT_ELEMENT, "disk:vda/driver", NULL, NULL, "<driver/>", NULL, NULL}, ""},
        {{EDIT_TAG, "disk:vda/driver", NULL, "/>", ">", NULL, NULL}, ""},
        {{EDIT_TEXT, "iothreads", NULL, "1", "2", NULL, NULL}, ""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        cleanup_free char *text = edit_to_setting(&rows[i].edit);
        assert_string_equal(text ? text : "", rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_to_setting),
    };
    return cmocka_run_group_tests_name("edit-setting", tests, NULL, NULL);
}
