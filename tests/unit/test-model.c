/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-model.c - what a domain's XML says of its disks, and what no XML may do to us.
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
#include "domain/model.h"

static struct domain_model *read_well(const char *xml)
{
    struct error *err = NULL;
    struct domain_model *m = domain_model_from_xml(xml, strlen(xml), &err);
    if (!m)
        fail_msg("%s", err->message);
    return m;
}

static void assert_refused(const char *xml, size_t length, const char *words)
{
    cleanup_error struct error *err = NULL;
    cleanup_domain_model struct domain_model *m = domain_model_from_xml(xml, length, &err);
    assert_null(m);
    if (!strstr(err->message, words))
        fail_msg("\"%s\" is not in: %s", words, err->message);
}

/* A domain with these devices. */
static struct domain_model *with_devices(const char *devices)
{
    cleanup_free char *xml =
        xasprintf("<domain type='kvm'><name>web</name><devices>%s</devices></domain>", devices);
    return read_well(xml);
}

/* --- Disks ------------------------------------------------------------------------------------ */

#define FILE_DISK(driver)                                                                          \
    "<disk type='file' device='disk'>" driver "<source file='/srv/web.img'/>"                      \
    "<target dev='vda' bus='virtio'/></disk>"

static void test_the_storys_disk(void **state)
{
    (void)state;
    cleanup_domain_model struct domain_model *m =
        with_devices(FILE_DISK("<driver name='qemu' type='qcow2' cache='none'/>"));
    const struct domain_disk *d = domain_model_disk(m, NULL, NULL);
    assert_string_equal(d->target, "vda");
    assert_string_equal(d->source, "/srv/web.img");
    assert_string_equal(d->config.format, "qcow2");
    assert_string_equal(d->config.cache, "none");
    assert_string_equal(d->config.io, "threads");
    assert_string_equal(d->config.bus, "virtio");
    assert_false(d->config.iothread);
    assert_int_equal(d->config.queues, 0);
}

static void test_what_is_left_out(void **state)
{
    (void)state;
    static const struct {
        const char *disk, *cache;
    } rows[] = {
        {FILE_DISK(""), "writeback"},
        {FILE_DISK("<driver cache='default'/>"), "writeback"},
        {FILE_DISK("<shareable/>"), "none"},
        {FILE_DISK("<shareable/><readonly/>"), "writeback"},
        {FILE_DISK("<driver cache='unsafe'/>"), "unsafe"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        cleanup_domain_model struct domain_model *m = with_devices(rows[i].disk);
        assert_string_equal(m->disks[0].config.cache, rows[i].cache);
        assert_string_equal(m->disks[0].config.format, "raw");
    }
}

static void test_everything_said(void **state)
{
    (void)state;
    cleanup_domain_model struct domain_model *m = with_devices(
        FILE_DISK("<driver name='qemu' type='raw' cache='directsync' io='native' iothread='3' "
                  "queues='4' discard='unmap' detect_zeroes='unmap'/>"));
    const struct domain_disk *d = &m->disks[0];
    assert_string_equal(d->config.cache, "directsync");
    assert_string_equal(d->config.io, "native");
    assert_true(d->config.iothread && d->iothread == 3);
    assert_int_equal(d->config.queues, 4);
    assert_true(d->config.discard && d->config.detect_zeroes);
}

/* Queues can be dealt out among a list of iothreads, and each of these be told how to poll. */
static void test_iothreads(void **state)
{
    (void)state;
    static const struct {
        const char *driver;
        bool iothread;
        unsigned iothreads, id;
        int64_t poll_max_ns;
    } rows[] = {
        {"<driver/>", false, 0, 0, 0},
        {"<driver><iothreads/></driver>", false, 0, 0, 0},
        {"<driver iothread='1'/>", true, 0, 1, 0},
        {"<driver iothread='2'/>", true, 0, 2, 200000},
        {"<driver iothread='3'/>", true, 0, 3, DISK_POLL_OFF},
        {"<driver iothread='4'/>", true, 0, 4, 0},
        {"<driver><iothreads><iothread id='2'/></iothreads></driver>", true, 1, 0, 200000},
        {"<driver queues='2'><iothreads><iothread id='3'><queue id='0'/></iothread>"
         "<iothread id='2'><queue id='1'/></iothread></iothreads></driver>",
         true, 2, 0, DISK_POLL_OFF},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        cleanup_free char *xml = xasprintf(
            "<domain><name>web</name><iothreads>4</iothreads><iothreadids><iothread id='1'/>"
            "<iothread id='2'><poll max='200000'/></iothread><iothread id='3'><poll max='0'/>"
            "</iothread><iothread id='4'><poll "
            "max='long'/></iothread></iothreadids><devices>" FILE_DISK("%s") "</devices></domain>",
            rows[i].driver);
        cleanup_domain_model struct domain_model *m = read_well(xml);
        const struct domain_disk *d = &m->disks[0];
        assert_int_equal(d->config.iothread, rows[i].iothread);
        assert_int_equal(d->config.iothreads, rows[i].iothreads);
        assert_int_equal(d->iothread, rows[i].id);
        assert_int_equal(d->config.poll_max_ns, rows[i].poll_max_ns);
    }
}

/* A group's name may look like a number, and is none of the limits. */
static void test_limits(void **state)
{
    (void)state;
    cleanup_domain_model struct domain_model *m = with_devices(
        FILE_DISK("<iotune><total_bytes_sec>0</total_bytes_sec><read_iops_sec> 400 </read_iops_sec>"
                  "<group_name>5</group_name></iotune>") FILE_DISK(""));
    const struct domain_disk *d = &m->disks[0];
    assert_int_equal(d->limit_count, 1);
    assert_string_equal(d->limits[0].name, "read_iops_sec");
    assert_int_equal(d->limits[0].value, 400);
    assert_string_equal(d->limit_group, "5");
    assert_true(!m->disks[1].limit_count && !m->disks[1].limit_group);
}

static void test_metadata_cache(void **state)
{
    (void)state;
    static const struct {
        const char *element;
        uint64_t bytes;
    } rows[] = {
        {"", 0},
        {"<metadata_cache/>", 0},
        {"<metadata_cache><max_size/></metadata_cache>", 0},
        {"<metadata_cache><max_size>0</max_size></metadata_cache>", 0},
        {"<metadata_cache><max_size>much</max_size></metadata_cache>", 0},
        {"<metadata_cache><max_size unit='pages'>8</max_size></metadata_cache>", 0},
        {"<metadata_cache><max_size>4096</max_size></metadata_cache>", 4096},
        {"<metadata_cache><max_size unit='bytes'> 327680 </max_size></metadata_cache>", 327680},
        {"<metadata_cache><max_size unit='MiB'>8</max_size></metadata_cache>", 8 << 20},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        cleanup_free char *disk =
            xasprintf(FILE_DISK("<driver type='qcow2'>%s</driver>"), rows[i].element);
        cleanup_domain_model struct domain_model *m = with_devices(disk);
        assert_int_equal(m->disks[0].config.metadata_cache_bytes, rows[i].bytes);
    }
}

/* A SCSI disk has its iothread and queues from its controller. */
static void test_scsi(void **state)
{
    (void)state;
    cleanup_domain_model struct domain_model *m =
        with_devices("<controller type='usb' index='1'><driver iothread='9'/></controller>"
                     "<controller type='scsi' index='0' model='virtio-scsi'/>"
                     "<controller type='scsi' index='1' model='virtio-scsi'>"
                     "<driver iothread='2' queues='8'/></controller>"
                     "<disk type='file' device='disk'><target dev='sda' bus='scsi'/>"
                     "<address type='drive' controller='1'/></disk>"
                     "<disk type='file' device='disk'><driver iothread='7'/>"
                     "<target dev='sdb' bus='scsi'/></disk>");
    assert_int_equal(m->disks[0].iothread, 2);
    assert_int_equal(m->disks[0].config.queues, 8);
    assert_int_equal(m->disks[1].iothread, 0);
}

static void test_choosing(void **state)
{
    (void)state;
    cleanup_error struct error *err = NULL;
    cleanup_domain_model struct domain_model *m =
        with_devices("<disk type='file' device='cdrom'><target dev='sda' bus='sata'/></disk>"
                     "<disk type='block'><source dev='/dev/vg/x'/><target dev='vda'/></disk>"
                     "<disk type='volume'><source pool='p' volume='v'/><target dev='vdb'/></disk>");
    assert_null(domain_model_disk(m, NULL, &err));
    assert_string_equal(err->message, "the domain web has several disks: vda, vdb");
    assert_string_equal(err->hint, "name one as web/TARGET, or behind --xml FILE as TARGET");
    assert_null(domain_model_disk(m, "vdc", &err));
    assert_string_equal(err->message, "the domain web has no disk 'vdc'");
    assert_string_equal(err->hint, "its disks are vda, vdb");
    assert_string_equal(domain_model_disk(m, "vda", NULL)->source, "/dev/vg/x");
    assert_string_equal(domain_model_disk(m, "vdb", NULL)->pool, "p");
    /* Named, it is had whatever it is. */
    assert_string_equal(domain_model_disk(m, "sda", NULL)->device, "cdrom");

    cleanup_domain_model struct domain_model *bare = with_devices("");
    assert_null(domain_model_disk(bare, NULL, &err));
    assert_string_equal(err->message, "the domain web has no disk");
}

/* --- Hashes ----------------------------------------------------------------------------------- */

static void assert_same_hash(const char *a, const char *b, bool same)
{
    cleanup_domain_model struct domain_model *ma = with_devices(a), *mb = with_devices(b);
    assert_int_equal(strcmp(ma->disks[0].hash, mb->disks[0].hash) == 0, same);
}

static void test_a_hash_is_of_what_is_said(void **state)
{
    (void)state;
    const char *disk = FILE_DISK("<driver name='qemu' type='raw'/>");
    assert_same_hash(disk, FILE_DISK("\n  <driver type=\"raw\"  name='qemu'></driver>\n\n"), true);
    assert_same_hash(disk, FILE_DISK("<!-- ours --><driver name='qemu' type='raw'/>"), true);
    assert_same_hash(disk, FILE_DISK("<driver name='qemu' type='raw' io='native'/>"), false);
    assert_same_hash(disk, FILE_DISK("<driver name='qemu' type='raw'/><serial>a</serial>"), false);
    assert_same_hash(FILE_DISK("<serial>a b</serial>"), FILE_DISK("<serial>ab</serial>"), false);
}

/* --- The rest --------------------------------------------------------------------------------- */

static void test_the_machine(void **state)
{
    (void)state;
    cleanup_domain_model struct domain_model *m = read_well(
        "<domain type='kvm'><name> web </name><uuid>4dea22b3-1d52-d8f3-2516-782e98ab3fa0</uuid>"
        "<memoryBacking><hugepages><page size='1' unit='GiB'/></hugepages></memoryBacking>"
        "<vcpu placement='static' cpuset='0-3' current='2'>8</vcpu>"
        "<cputune><vcpupin vcpu='0' cpuset='1'/><vcpupin vcpu='1' cpuset='2,^3'/>"
        "<emulatorpin cpuset='0'/><iothreadpin iothread='1' cpuset='3'/></cputune>"
        "<numatune><memory mode='strict' nodeset='0'/></numatune>"
        "<os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os>"
        "<devices><emulator>/usr/bin/qemu</emulator></devices></domain>");
    assert_string_equal(m->name, "web");
    assert_string_equal(m->uuid, "4dea22b3-1d52-d8f3-2516-782e98ab3fa0");
    assert_string_equal(m->machine, "pc-q35-7.2");
    assert_string_equal(m->arch, "x86_64");
    assert_string_equal(m->emulator, "/usr/bin/qemu");
    assert_int_equal(m->vcpus, 2);
    assert_string_equal(m->cpuset, "0-3");
    assert_int_equal(m->vcpu_pin_count, 2);
    assert_int_equal(m->vcpu_pins[1].id, 1);
    assert_string_equal(m->vcpu_pins[1].cpuset, "2,^3");
    assert_string_equal(m->emulator_cpuset, "0");
    assert_int_equal(m->iothread_pin_count, 1);
    assert_string_equal(m->numa_mode, "strict");
    assert_string_equal(m->numa_nodeset, "0");
    assert_int_equal(m->hugepage_kib, 1 << 20);
}

static void test_hugepages_of_any_size(void **state)
{
    (void)state;
    cleanup_domain_model struct domain_model *m =
        read_well("<domain><name>a</name><memoryBacking><hugepages/></memoryBacking></domain>");
    assert_int_equal(m->hugepage_kib, 2048);
    assert_int_equal(m->vcpus, 1);
}

/* Elements of others may have libvirt's names. */
static void test_namespaces(void **state)
{
    (void)state;
    cleanup_domain_model struct domain_model *m =
        read_well("<domain xmlns:x='urn:x'><x:name>no</x:name><name>yes</name><devices>"
                  "<x:disk/></devices></domain>");
    assert_string_equal(m->name, "yes");
    assert_int_equal(m->disk_count, 0);
}

/* --- Hostile ---------------------------------------------------------------------------------- */

static void test_what_is_no_domain(void **state)
{
    (void)state;
    static const struct {
        const char *xml, *words;
    } rows[] = {
        {"", "the XML is empty"},
        {" \t\r\n", "the XML is empty"},
        {"hello", "no XML"},
        {"<domain><name>a</domain>", "no XML: line 1"},
        {"<domain/>", "no name"},
        {"<domain><name> </name></domain>", "no name"},
        {"<network><name>a</name></network>", "<network>"},
        {"<domain xmlns='urn:x'><name>a</name></domain>", "no domain"},
        {"<!DOCTYPE d SYSTEM 'file:///etc/passwd'><domain><name>a</name></domain>",
         "document type"},
        {"<!DOCTYPE d [<!ENTITY e SYSTEM "
         "'file:///etc/hostname'>]><domain><name>&e;</name></domain>",
         "document type"},
        {"<!DOCTYPE d [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'>"
         "<!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;'>]><domain><name>&c;</name></domain>",
         "no XML"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_refused(rows[i].xml, strlen(rows[i].xml), rows[i].words);
    assert_refused("<domain/>", (size_t)11 << 20, "longer than 10 MiB");
    assert_refused("\0", 2, "no XML");
}

/* Deeper than libxml2 lets it be without being told otherwise. */
static void test_deep_xml(void **state)
{
    (void)state;
    const size_t depth = 100000;
    cleanup_free char *xml = xcalloc(depth, 4);
    for (size_t i = 0; i < depth; i++)
        strcpy(xml + 3 * i, "<a>");
    assert_refused(xml, strlen(xml), "no XML");
}

static void test_absurd_numbers(void **state)
{
    (void)state;
    cleanup_domain_model struct domain_model *m =
        read_well("<domain><name>a</name><vcpu>-1</vcpu><memoryBacking><hugepages><page "
                  "size='99999999999999999999' unit='EiB'/></hugepages></memoryBacking><devices>"
                  "<disk><driver queues='99999999999999'/></disk><disk/></devices></domain>");
    assert_int_equal(m->vcpus, 1);
    assert_int_equal(m->disks[0].config.queues, 0);
    assert_int_equal(m->disk_count, 2);
    assert_null(m->disks[1].target);
}

static void test_machine_version(void **state)
{
    (void)state;
    static const struct {
        const char *machine;
        unsigned version;
    } rows[] = {{"pc-q35-5.2", 5002}, {"pc-i440fx-5.1", 5001},
                {"virt-10.0", 10000}, {"pc-q35-rhel8.6.0", 0},
                {"q35", 0},           {"", 0}};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        cleanup_free char *xml =
            xasprintf("<domain><name>web</name><os><type machine='%s'>hvm</type></os></domain>",
                      rows[i].machine);
        cleanup_domain_model struct domain_model *m = read_well(xml);
        assert_int_equal(domain_model_machine_version(m), rows[i].version);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_storys_disk),
        cmocka_unit_test(test_what_is_left_out),
        cmocka_unit_test(test_everything_said),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_iothreads),
        cmocka_unit_test(test_machine_version),
        cmocka_unit_test(test_iothreads),
        cmocka_unit_test(test_metadata_cache),
        cmocka_unit_test(test_scsi),
        cmocka_unit_test(test_choosing),
        cmocka_unit_test(test_a_hash_is_of_what_is_said),
        cmocka_unit_test(test_the_machine),
        cmocka_unit_test(test_hugepages_of_any_size),
        cmocka_unit_test(test_namespaces),
        cmocka_unit_test(test_what_is_no_domain),
        cmocka_unit_test(test_deep_xml),
        cmocka_unit_test(test_absurd_numbers),
    };
    return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
