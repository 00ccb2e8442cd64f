/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-effective.c - what QEMU was told on its command line is held against what the domain says,
 * setting by setting, in both ways that libvirt writes devices.
 */
#undef NDEBUG
#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "apply/effective.h"
#include "base/cleanup.h"
#include "base/memory.h"

#define STORAGE(more)                                                                              \
    "{\"driver\":\"file\",\"filename\":\"/srv/a.qcow2\",\"node-name\":\"libvirt-1-storage\","      \
    "\"auto-read-only\":true,\"discard\":\"unmap\"" more "}"
#define FORMAT(more)                                                                               \
    "{\"node-name\":\"libvirt-1-format\",\"read-only\":false,\"driver\":\"qcow2\","                \
    "\"file\":\"libvirt-1-storage\",\"backing\":null" more "}"
#define DIRECT ",\"cache\":{\"direct\":true,\"no-flush\":false}"
#define DEVICE(more)                                                                               \
    "{\"driver\":\"virtio-blk-pci\",\"bus\":\"pci.4\",\"drive\":\"libvirt-1-format\","             \
    "\"id\":\"virtio-disk0\"" more "}"
#define WRITE_CACHE ",\"write-cache\":\"on\""

/* Of one disk: the driver's attributes in the XML, QEMU's words, and what differs. */
static const struct {
    const char *driver, *storage, *format, *device;
    const char *differs; /* the beginnings, with blanks between; "" */
} rows[] = {
    {"cache='none'", STORAGE(DIRECT), FORMAT(DIRECT), DEVICE(WRITE_CACHE), ""},
    {"cache='none' io='native'", STORAGE(DIRECT ",\"aio\":\"native\""), FORMAT(DIRECT),
     DEVICE(WRITE_CACHE), ""},
    {"cache='none' io='native'", STORAGE(DIRECT), FORMAT(DIRECT), DEVICE(WRITE_CACHE),
     "io='native'"},
    {"cache='none'", STORAGE(""), FORMAT(DIRECT), DEVICE(WRITE_CACHE), "cache='none'"},
    {"", STORAGE(""), FORMAT(""), DEVICE(""), ""},
    {"", STORAGE(DIRECT), FORMAT(DIRECT), DEVICE(WRITE_CACHE), "cache='writeback'"},
    {"cache='directsync'", STORAGE(DIRECT), FORMAT(DIRECT), DEVICE(",\"write-cache\":\"off\""), ""},
    {"cache='writethrough'", STORAGE(""), FORMAT(""), DEVICE(",\"write-cache\":false"), ""},
    {"cache='unsafe'", STORAGE(",\"cache\":{\"direct\":false,\"no-flush\":true}"), FORMAT(""),
     DEVICE(WRITE_CACHE), ""},
    {"cache='none' iothread='2'", STORAGE(DIRECT), FORMAT(DIRECT),
     DEVICE(WRITE_CACHE ",\"iothread\":\"iothread2\""), ""},
    {"cache='none' iothread='2'", STORAGE(DIRECT), FORMAT(DIRECT), DEVICE(WRITE_CACHE),
     "iothread='iothread2'"},
    {"cache='none'", STORAGE(DIRECT), FORMAT(DIRECT),
     DEVICE(WRITE_CACHE ",\"iothread\":\"iothread1\""), "iothread='none'"},
    {"cache='none' queues='4'", STORAGE(DIRECT), FORMAT(DIRECT),
     DEVICE(WRITE_CACHE ",\"num-queues\":4"), ""},
    {"cache='none' queues='4'", STORAGE(DIRECT), FORMAT(DIRECT),
     DEVICE(WRITE_CACHE ",\"num-queues\":2"), "queues='4'"},
    {"cache='none' discard='unmap' detect_zeroes='unmap'", STORAGE(DIRECT),
     FORMAT(DIRECT ",\"discard\":\"unmap\",\"detect-zeroes\":\"unmap\""), DEVICE(WRITE_CACHE), ""},
    {"cache='none' discard='unmap' detect_zeroes='on'", STORAGE(DIRECT), FORMAT(DIRECT),
     DEVICE(WRITE_CACHE), "discard='unmap' detect_zeroes='on'"},
    {"cache='none' discard='unmap' detect_zeroes='on'", STORAGE(DIRECT),
     FORMAT(DIRECT ",\"discard\":\"unmap\",\"detect-zeroes\":\"on\""), DEVICE(WRITE_CACHE), ""},
    {"cache='none' detect_zeroes='unmap'", STORAGE(DIRECT),
     FORMAT(DIRECT ",\"detect-zeroes\":\"on\""), DEVICE(WRITE_CACHE), ""},
    {"cache='none'><metadata_cache><max_size unit='bytes'>327680</max_size></metadata_cache"
     "></driver><driver",
     STORAGE(DIRECT), FORMAT(DIRECT ",\"cache-size\":327680"), DEVICE(WRITE_CACHE), ""},
    {"cache='none'><metadata_cache><max_size unit='bytes'>327680</max_size></metadata_cache"
     "></driver><driver",
     STORAGE(DIRECT), FORMAT(DIRECT), DEVICE(WRITE_CACHE), "metadata_cache='327680'"},
    {"cache='none'", STORAGE(DIRECT), FORMAT(DIRECT ",\"cache-size\":327680"), DEVICE(WRITE_CACHE),
     "metadata_cache='unasked'"},
    /* As libvirt wrote devices before QEMU could read JSON there. */
    {"cache='none' iothread='1' queues='2'", STORAGE(DIRECT), FORMAT(DIRECT),
     "virtio-blk-pci,iothread=iothread1,num-queues=2,serial=a,,b,drive=libvirt-1-format,"
     "id=virtio-disk0,write-cache=on",
     ""},
    {"cache='none' iothread='1'", STORAGE(DIRECT), FORMAT(DIRECT),
     "virtio-blk-pci,serial=iothread=iothread1,drive=libvirt-1-format,id=virtio-disk0,"
     "write-cache=on",
     "iothread='iothread1'"},
};

static char *live_xml(const char *driver, const char *alias)
{
    return xasprintf("<domain type='kvm'><name>a</name><devices><disk type='file' device='disk'>"
                     "<driver name='qemu' type='qcow2' %s/><source file='/srv/a.qcow2'/>"
                     "<target dev='vda' bus='virtio'/><alias name='%s'/></disk></devices></domain>",
                     driver, alias);
}

/* Words with a NUL behind each. */
static GString *line_of(const char *const *words, size_t count)
{
    GString *line = g_string_new(NULL);
    for (size_t i = 0; i < count; i++)
        g_string_append_len(line, words[i], (gssize)strlen(words[i]) + 1);
    return line;
}

static GString *command_line(const char *storage, const char *format, const char *device)
{
    const char *const words[] = {"qemu", "-blockdev", storage, "-blockdev",
                                 format, "-device",   device,  "-device"};
    return line_of(words, ARRAY_SIZE(words));
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        cleanup_free char *xml = live_xml(rows[i].driver, "virtio-disk0");
        g_autoptr(GString) line = command_line(rows[i].storage, rows[i].format, rows[i].device);
        g_autoptr(GPtrArray) found = effective_differences_of(line->str, line->len, xml, "vda");
        assert_non_null(found);
        g_auto(GStrv) expected = g_strsplit(rows[i].differs, " ", -1);
        if (found->len != g_strv_length(expected))
            fail_msg("row %zu: %u differences, %s", i, found->len,
                     found->len ? (const char *)found->pdata[0] : "");
        for (guint d = 0; d < found->len; d++)
            if (!g_str_has_prefix(found->pdata[d], expected[d]))
                fail_msg("row %zu: %s", i, (const char *)found->pdata[d]);
    }
}

/* Of a SCSI disk the controller says who serves it. */
static void test_scsi(void **state)
{
    (void)state;
    static const char *const xml =
        "<domain type='kvm'><name>a</name><devices><disk type='file' device='disk'>"
        "<driver name='qemu' type='qcow2' cache='none'/><source file='/srv/a.qcow2'/>"
        "<target dev='sda' bus='scsi'/><address type='drive' controller='0' bus='0' unit='0'/>"
        "<alias name='scsi0-0-0-0'/></disk>"
        "<controller type='scsi' index='0' model='virtio-scsi'><driver iothread='3' queues='4'/>"
        "</controller></devices></domain>";
    static const char *const words[] = {
        "qemu",
        "-device",
        "{\"driver\":\"virtio-scsi-pci\",\"iothread\":\"iothread3\",\"id\":\"scsi0\","
        "\"num_queues\":4}",
        "-blockdev",
        STORAGE(DIRECT),
        "-blockdev",
        FORMAT(DIRECT),
        "-device",
        "{\"driver\":\"scsi-hd\",\"bus\":\"scsi0.0\",\"drive\":\"libvirt-1-format\","
        "\"id\":\"scsi0-0-0-0\",\"write-cache\":\"on\"}"};
    g_autoptr(GString) line = line_of(words, ARRAY_SIZE(words));
    g_autoptr(GPtrArray) found = effective_differences_of(line->str, line->len, xml, "sda");
    assert_non_null(found);
    if (found->len)
        fail_msg("%s", (const char *)found->pdata[0]);
}

/* What stands between the device and the image is passed, on both sides of the format. */
static void test_chain(void **state)
{
    (void)state;
    static const char *const words[] = {
        "qemu",
        "-blockdev",
        STORAGE(DIRECT ",\"aio\":\"native\""),
        "-blockdev",
        "{\"driver\":\"raw\",\"node-name\":\"libvirt-1-slice-sto\",\"offset\":4096,"
        "\"file\":\"libvirt-1-storage\"}",
        "-blockdev",
        "{\"node-name\":\"libvirt-1-format\",\"driver\":\"qcow2\",\"discard\":\"unmap\","
        "\"file\":\"libvirt-1-slice-sto\"}",
        "-blockdev",
        "{\"driver\":\"throttle\",\"node-name\":\"libvirt-2-filter\","
        "\"file\":\"libvirt-1-format\"}",
        "-blockdev",
        "{\"driver\":\"copy-on-read\",\"node-name\":\"libvirt-CoR-vda\","
        "\"file\":\"libvirt-2-filter\"}",
        "-device",
        "{\"driver\":\"virtio-blk-pci\",\"drive\":\"libvirt-CoR-vda\",\"id\":\"virtio-disk0\","
        "\"write-cache\":\"on\"}"};
    cleanup_free char *xml =
        live_xml("cache='none' io='native' discard='unmap' copy_on_read='on'", "virtio-disk0");
    g_autoptr(GString) line = line_of(words, ARRAY_SIZE(words));
    g_autoptr(GPtrArray) found = effective_differences_of(line->str, line->len, xml, "vda");
    assert_non_null(found);
    if (found->len)
        fail_msg("%s", (const char *)found->pdata[0]);
    /* One that is a file of its own ends nowhere. */
    const char *const loop[] = {"qemu", "-blockdev", FORMAT(",\"file\":\"libvirt-1-format\""),
                                "-device", DEVICE("")};
    g_autoptr(GString) looped = line_of(loop, ARRAY_SIZE(loop));
    g_autoptr(GPtrArray) some = effective_differences_of(looped->str, looped->len, xml, "vda");
    (void)some;
}

static void test_not_shown(void **state)
{
    (void)state;
    cleanup_free char *other = live_xml("", "virtio-disk9");
    cleanup_free char *xml = live_xml("", "virtio-disk0");
    g_autoptr(GString) line = command_line(STORAGE(""), FORMAT(""), DEVICE(""));
    assert_null(effective_differences_of(line->str, line->len, other, "vda"));
    assert_null(effective_differences_of(line->str, line->len, xml, "vdb"));
    assert_null(effective_differences_of(line->str, line->len, "no XML", "vda"));
    assert_null(effective_differences_of("", 0, xml, "vda"));
    g_autoptr(GString) no_file = command_line("{}", FORMAT(""), DEVICE(""));
    assert_null(effective_differences_of(no_file->str, no_file->len, xml, "vda"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_scsi),
        cmocka_unit_test(test_chain),
        cmocka_unit_test(test_not_shown),
    };
    return cmocka_run_group_tests_name("effective", tests, NULL, NULL);
}
