/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-mask.c - what of a domain and of files goes into a capture.
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
#include "check/mask.h"
#include "check/mask_xml.h"
#include "domain/xml.h"
#include "host/mounts.h"

/* --- Domains ---------------------------------------------------------------------------------- */

#define DOMAIN(inner) "<domain type='kvm'><name>web</name>" inner "</domain>"
#define OUT(inner) "<domain type=\"kvm\"><name>web</name>" inner "</domain>"
#define IN_DEVICES(inner) DOMAIN("<devices>" inner "</devices>")
#define OUT_DEVICES(inner) OUT("<devices>" inner "</devices>")

static const struct {
    const char *xml, *wanted;
} domains[] = {
    {DOMAIN("<title>t</title><description>d</description><metadata><a/></metadata>"), OUT("")},
    {DOMAIN("<iothreads>2</iothreads><cpu mode='custom'><model>EPYC</model></cpu>"),
     OUT("<iothreads>2</iothreads><cpu mode=\"custom\"><model>EPYC</model></cpu>")},
    {DOMAIN("<os><type machine='q35'>hvm</type><cmdline>secret</cmdline></os>"),
     OUT("<os><type machine=\"q35\">hvm</type></os>")},
    {DOMAIN("<vcpu>2<!-- secret --></vcpu>text"), OUT("<vcpu>2</vcpu>")},
    {DOMAIN("<x:a xmlns:x='urn:x'/><memory x:b='secret' unit='KiB' xmlns:x='urn:x'>1</memory>"),
     OUT("<memory unit=\"KiB\">1</memory>")},
    {DOMAIN("<memory xmlns='urn:x'>1</memory>"), OUT("")},
    {DOMAIN("<sysinfo><disk/><devices/></sysinfo>"), OUT("")},
    /* Blanks stay: texts of findings have them. */
    {IN_DEVICES("\n  <disk type='file'>\n    <driver>\n  <iothreads/> </driver></disk>"),
     OUT_DEVICES("\n  <disk type=\"file\">\n    <driver>\n  <iothreads/> </driver></disk>")},
    {IN_DEVICES("<disk type='file' other='1'><serial>S</serial><wwn>W</wwn><vendor>V</vendor>"
                "<product>P</product><alias name='a'/><readonly/></disk>"),
     OUT_DEVICES("<disk type=\"file\"><serial>masked</serial><wwn>5000000000000000</wwn>"
                 "<vendor>masked</vendor><product>masked</product><readonly/></disk>")},
    {IN_DEVICES(
         "<disk><source file='/a' query='q'><auth/><slices><slice/></slices></source></disk>"),
     OUT_DEVICES("<disk><source file=\"/a\"><slices><slice/></slices></source></disk>")},
    {IN_DEVICES("<disk><backingStore type='file'><format type='qcow2'><metadata_cache/></format>"
                "<source file='/b'/><backingStore><source name='n'/></backingStore>"
                "</backingStore><mirror><source file='/c'/></mirror></disk>"),
     OUT_DEVICES("<disk><backingStore type=\"file\"><format type=\"qcow2\"><metadata_cache/>"
                 "</format><source file=\"/b\"/><backingStore><source/></backingStore>"
                 "</backingStore></disk>")},
    {IN_DEVICES("<disk><encryption format='luks'><secret uuid='u'/></encryption></disk>"),
     OUT_DEVICES("<disk><encryption format=\"luks\"/></disk>")},
    {IN_DEVICES("<interface type='network'><mac address='m'/><driver iothread='1'/>"
                "<address type='pci' bus='0x01'/><source network='n'/></interface>"),
     OUT_DEVICES("<interface type=\"network\"><driver iothread=\"1\"/>"
                 "<address type=\"pci\" bus=\"0x01\"/></interface>")},
    {IN_DEVICES("<graphics type='vnc' passwd='p' listen='l'><listen/></graphics>"),
     OUT_DEVICES("<graphics type=\"vnc\"/>")},
    {IN_DEVICES("<controller type='scsi' model='virtio-scsi'><driver queues='4'/></controller>"),
     OUT_DEVICES("<controller type=\"scsi\" model=\"virtio-scsi\"><driver queues=\"4\"/>"
                 "</controller>")},
};

static void test_domains(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(domains); i++) {
        cleanup_xml xmlDocPtr doc = xml_parse(domains[i].xml, strlen(domains[i].xml), NULL);
        cleanup_free char *before = xml_to_text(xmlDocGetRootElement(doc));
        cleanup_free char *masked = mask_domain(doc);
        cleanup_free char *after = xml_to_text(xmlDocGetRootElement(doc));
        assert_string_equal(masked, domains[i].wanted);
        assert_string_equal(after, before); /* it is a copy that is pruned */
    }
}

/* --- Files ------------------------------------------------------------------------------------ */

#define UUID "4dea22b3-1d52-d8f3-2516-782e98ab3fa0"
#define COMMAND(uuid) "/bin/qemu\0-object\0secret\0-uuid\0" uuid "\0-more\0"

static const struct {
    const char *path, *text, *wanted; /* NULL: as it is */
} files[] = {
    {"/proc/meminfo", "MemTotal: 1 kB\nMemFree: 2 kB\n", "MemTotal: 1 kB\n"},
    {"/proc/sys/kernel/osrelease", "6.1.0-13-amd64\n", "6.1.0\n"},
    {"/proc/7/fdinfo/3", "pos:\t0\nflags:\t02\nmnt_id:\t3\n", "flags:\t02\n"},
    {"/proc/self/mountinfo",
     "1 0 8:1 / / rw - ext4 /dev/a rw\n"
     "2 1 8:2 / /srv rw - cifs //s/a rw,username=u,vers=3,password=p,domain=d\n"
     "3 1 8:3 / /run/secret rw - tmpfs none rw\n"
     "4 1 0:4 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw\n"
     "5 1 0:5 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n",
     "2 1 8:2 / /srv rw - cifs //s/a rw,username=masked,vers=3,password=masked,domain=masked\n"
     "4 1 0:4 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw\n"
     "5 1 0:5 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"},
    {"/proc/7/task/8/status",
     "Name:\tCPU 0/KVM\nUmask:\t0022\nUid:\t107\t107\t107\t107\nVmRSS:\t1 kB\n"
     "Cpus_allowed:\tff\nCpus_allowed_list:\t0-7\nMems_allowed_list:\t0\n",
     "Name:\tCPU 0/KVM\nCpus_allowed_list:\t0-7\n"},
    {"/proc/7/cgroup", "0::/machine.slice\n", NULL},
    {"/var/log/libvirt/qemu/web.log",
     "-object secret\nx: falling back to thread pool: 1\nw: starting up\nsecret\n"
     "x: falling back to thread pool: 2\nsecret\n",
     "x: falling back to thread pool: 2\n"},
    {"/sys/dev/block/253:0/dm/uuid", "mpath-3600508b1001c\n", "mpath-xxxxxxxxxxxxx\n"},
    {"/sys/dev/block/253:0/dm/uuid", "LVM-aB3-cD\n", "LVM-xxx-xx\n"},
    {"/sys/dev/block/253:0/dm/uuid", "LVM-aB3-tpool\n", "LVM-xxx-tpool\n"},
    {"/sys/dev/block/253:0/dm/uuid", "CRYPT-LUKS2-0af3-web\n", "CRYPT-LUKS2-xxxx-xxx\n"},
    {"/sys/dev/block/253:0/dm/uuid", "CRYPT-web\n", "CRYPT-xxx\n"},
    {"/sys/dev/block/253:0/dm/uuid", "\n", "\n"},
    {"/var/cache/libvirt/qemu/capabilities/a.xml",
     "<qemuCaps>\n  <selfctime>1</selfctime>\n  <flag name='x'/>\n",
     "<qemuCaps>\n<flag name='x'/>\n"},
    {"/sys/dev/block/253:0/size", "42\n", NULL},
};

static struct mask *some_mask(struct record *record, GPtrArray **ret_mounts)
{
    static struct mount srv = {.id = 2};
    g_autoptr(GHashTable) uuids = g_hash_table_new(g_str_hash, g_str_equal);
    g_hash_table_add(uuids, (gpointer)UUID);
    record_data(record, "/proc/7/cmdline", COMMAND(UUID), sizeof(COMMAND(UUID)) - 1);
    record_data(record, "/proc/8/cmdline", COMMAND("other"), sizeof(COMMAND("other")) - 1);
    record_data(record, "/proc/9/cmdline", "", 0);
    *ret_mounts = g_ptr_array_new();
    g_ptr_array_add(*ret_mounts, &srv);
    return mask_new(record, uuids, *ret_mounts);
}

static void test_files(void **state)
{
    (void)state;
    g_autoptr(GPtrArray) mounts = NULL;
    cleanup_record struct record *record = record_new();
    cleanup_mask struct mask *m = some_mask(record, &mounts);
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        size_t length = 0;
        const struct recorded e = {.data = (char *)files[i].text, .length = strlen(files[i].text)};
        cleanup_free char *masked = mask_data(m, files[i].path, &e, &length);
        if (!masked || !files[i].wanted)
            assert_true(!masked && !files[i].wanted);
        else
            assert_string_equal(masked, files[i].wanted);
        assert_int_equal(length, masked ? strlen(masked) : 0);
    }
}

static void test_processes(void **state)
{
    (void)state;
    size_t length;
    g_autoptr(GPtrArray) mounts = NULL;
    cleanup_record struct record *record = record_new();
    cleanup_mask struct mask *m = some_mask(record, &mounts);
    const struct recorded file = {.data = (char *)"0"}, listed = {.listed = true};
    const struct recorded disk = {.type = RECORDED_LINK, .data = (char *)"/srv/a.img"};
    const struct recorded socket = {.type = RECORDED_LINK, .data = (char *)"socket:[1]"};
    static const char wanted[] = "/bin/qemu\0-uuid\0" UUID;
    const struct recorded *e = g_hash_table_lookup(record_entries(record), "/proc/7/cmdline");
    cleanup_free char *line = mask_data(m, "/proc/7/cmdline", e, &length);
    assert_int_equal(length, sizeof(wanted));
    assert_memory_equal(line, wanted, sizeof(wanted));
    assert_false(mask_drops(m, "/proc/7/cmdline", e));
    assert_false(mask_drops(m, "/proc/7/fd/3", &disk));
    assert_true(mask_drops(m, "/proc/7/fd/4", &socket));
    assert_true(mask_drops(m, "/proc/7/fd/5", &listed));
    assert_true(mask_drops(m, "/proc/8/cmdline", &file));
    assert_true(mask_drops(m, "/proc/9/cmdline", &file));
    assert_true(mask_drops(m, "/proc/9", NULL));
    assert_true(mask_drops(m, "/proc/bus", &listed));
    assert_false(mask_drops(m, "/proc/sys/fs/aio-nr", &file));
    assert_false(mask_drops(m, "/sys/dev", &listed));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_domains),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_processes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
