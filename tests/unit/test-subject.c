/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-subject.c - the disk that a race is held for, of a file and of libvirt's test driver.
 */
#undef NDEBUG
#include <assert.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include <cmocka.h>

#include "host/process.h"
#include "scratch.h"
#include "tune/subject.h"

static void create(const char *name, const char *options, const char *size)
{
    cleanup_free char *path = scratch_path(name);
    const char *const argv[] = {"qemu-img", "create", "-q", "-f", "qcow2",
                                "-o",       options,  path, size, NULL};
    struct error *err = NULL;
    if (process_run(argv, NULL, &err) < 0)
        fail_msg("%s", err->message);
}

/* A domain with one disk, of these driver attributes and this source. */
static char *domain_xml(const char *driver, const char *source, const char *more)
{
    struct utsname host;
    assert_int_equal(uname(&host), 0);
    return xasprintf(
        "<domain type='test'><name>web</name>"
        "<uuid>4dea22b3-1d52-d8f3-2516-782e98ab3fa0</uuid><memory>65536</memory>"
        "<vcpu>3</vcpu><os><type arch='%s'>hvm</type></os>%s<devices><disk type='file' "
        "device='disk'><driver name='qemu' %s/><source file='%s'/>"
        "<target dev='vda' bus='virtio'/></disk></devices></domain>",
        host.machine, more, driver, source);
}

/* Reads it through a file; -1 with the error. */
static int try_xml(const char *xml, const char *target, const char *directory, struct subject *ret,
                   struct error **err)
{
    cleanup_free char *path = scratch_path("domain.xml");
    assert_int_equal(file_write_atomic(path, xml, NULL), 0);
    return subject_from_file(path, target, directory, ret, err);
}

static struct subject read_xml(const char *xml)
{
    struct subject s;
    struct error *err = NULL;
    if (try_xml(xml, NULL, NULL, &s, &err) < 0)
        fail_msg("%s", err->message);
    return s;
}

static void assert_refused(const char *xml, const char *target, const char *words)
{
    struct subject s;
    cleanup_error struct error *err = NULL;
    assert_int_equal(try_xml(xml, target, NULL, &s, &err), -1);
    if (!strstr(err->message, words))
        fail_msg("\"%s\" is not in: %s", words, err->message);
}

/* --- What is read ----------------------------------------------------------------------------- */

static void test_a_growing_image(void **state)
{
    (void)state;
    create("grows.qcow2", "cluster_size=128k", "10G");
    cleanup_free char *image = scratch_path("grows.qcow2");
    cleanup_free char *xml = domain_xml("type='qcow2' cache='none'", image, "");
    cleanup_subject struct subject s = read_xml(xml);
    assert_string_equal(s.image, image);
    assert_string_equal(s.directory, scratch);
    assert_string_equal(s.current.preallocation, "off");
    assert_string_equal(s.current.cache, "none");
    assert_int_equal(s.current.cluster_bytes, 128 << 10);
    assert_int_equal(s.images.depth, 0);
    assert_true(s.images.virtual_bytes == UINT64_C(10) << 30);
    assert_null(s.uri);
}

static void test_an_image_with_its_blocks(void **state)
{
    (void)state;
    create("whole.qcow2", "preallocation=falloc", "16M");
    cleanup_free char *image = scratch_path("whole.qcow2");
    cleanup_free char *xml = domain_xml("type='qcow2'", image, "");
    cleanup_subject struct subject s = read_xml(xml);
    assert_string_equal(s.current.preallocation, "falloc");
    /* The 64 KiB that it has are those that it has unasked. */
    assert_int_equal(s.current.cluster_bytes, 0);
}

/* What stands on another grows, however many blocks it has. */
static void test_a_chain(void **state)
{
    (void)state;
    create("below.qcow2", "preallocation=falloc", "16M");
    cleanup_free char *below = scratch_path("below.qcow2"), *image = scratch_path("top.qcow2");
    cleanup_free char *options = xasprintf("backing_file=%s,backing_fmt=qcow2", below);
    create("top.qcow2", options, "16M");
    cleanup_free char *xml = domain_xml("type='qcow2'", image, "");
    cleanup_subject struct subject s = read_xml(xml);
    assert_int_equal(s.images.depth, 1);
    assert_string_equal(s.current.preallocation, "off");
}

static void test_the_mirror(void **state)
{
    (void)state;
    create("m.qcow2", "cluster_size=64k", "1G");
    cleanup_free char *image = scratch_path("m.qcow2");
    cleanup_free char *xml = domain_xml(
        "type='qcow2' iothread='2'", image,
        "<cputune><vcpupin vcpu='0' cpuset='0'/><emulatorpin cpuset='1'/>"
        "<iothreadpin iothread='1' cpuset='4'/><iothreadpin iothread='2' cpuset='5'/></cputune>"
        "<memoryBacking><hugepages><page size='3' unit='MiB'/></hugepages></memoryBacking>");
    cleanup_subject struct subject s = read_xml(xml);
    assert_int_equal(s.mirror.vcpu_pin_count, 1);
    assert_string_equal(s.mirror.emulator_cpuset, "1");
    assert_string_equal(s.mirror.iothread_cpuset, "5");
    /* No host has pages of 3 MiB. */
    assert_int_equal(s.mirror.hugepage_kib, 0);
    assert_int_equal(s.notes->len, 1);
    assert_non_null(strstr(s.notes->pdata[0], "3072 KiB"));
}

/* A link is on other storage than what it leads to, as far as anybody knows. */
static void test_a_link(void **state)
{
    (void)state;
    create("there.qcow2", "cluster_size=64k", "1G");
    cleanup_free char *elsewhere = scratch_path("elsewhere"), *link = scratch_path("elsewhere/a"),
                      *there = realpath(scratch, NULL);
    assert_int_equal(file_make_directories(elsewhere, NULL), 0);
    assert_int_equal(symlink("../there.qcow2", link), 0);
    cleanup_free char *xml = domain_xml("type='qcow2'", link, "");
    cleanup_subject struct subject s = read_xml(xml);
    assert_string_equal(s.image, link);
    assert_string_equal(s.directory, there);
}

/* A header alone is enough: nobody reads anything else of an image. */
static void test_an_encrypted_image(void **state)
{
    (void)state;
    create("secret.qcow2", "cluster_size=64k", "1G");
    cleanup_free char *image = scratch_path("secret.qcow2");
    int fd = open(image, O_WRONLY);
    /* crypt_method, big-endian. */
    assert_int_equal(pwrite(fd, "\0\0\0\2", 4, 32), 4);
    close(fd);
    cleanup_free char *xml = domain_xml("type='qcow2'", image, "");
    cleanup_subject struct subject s = read_xml(xml);
    assert_int_equal(s.notes->len, 1);
    assert_non_null(strstr(s.notes->pdata[0], "encrypted (luks)"));
}

/* A domain can have more than the probe guest can. */
static void test_many_vcpus(void **state)
{
    (void)state;
    create("many.qcow2", "cluster_size=64k", "1G");
    cleanup_free char *image = scratch_path("many.qcow2");
    cleanup_free char *xml = domain_xml("type='qcow2'", image, "");
    const char *three = strstr(xml, "3</vcpu>");
    cleanup_free char *few = xasprintf("%.*s255%s", (int)(three - xml), xml, three + 1);
    cleanup_free char *many = xasprintf("%.*s300%s", (int)(three - xml), xml, three + 1);
    cleanup_subject struct subject all = read_xml(few), capped = read_xml(many);
    assert_int_equal(all.vcpus, 255);
    assert_int_equal(all.notes->len, 0);
    assert_int_equal(capped.vcpus, 255);
    assert_int_equal(capped.notes->len, 1);
    assert_non_null(strstr(capped.notes->pdata[0], "has 300 vCPUs, and the probe guest 255"));
}

/* Ordinary runs have what they had; where each of many disks has many queues there is room. */
static void test_memory(void **state)
{
    (void)state;
    assert_int_equal(probe_memory_mib(0), 512);
    assert_int_equal(probe_memory_mib(160 * 2), 512);
    assert_int_equal(probe_memory_mib(64 * 40), 512 + 320);
    assert_int_equal(probe_memory_mib(160 * 255), 512 + 5120);
    for (uint64_t queues = 0; queues < 10000; queues++) {
        assert_true(probe_memory_mib(queues) <= probe_memory_mib(queues + 1));
        assert_int_equal(probe_memory_mib(queues) % 64, 0);
    }
}

/* --- What cannot be probed -------------------------------------------------------------------- */

#define WITH(disk)                                                                                 \
    "<domain><name>web</name><devices>" disk                                                       \
    "<disk type='file' device='disk'><source file='/nowhere.img'/><target dev='vdz' "              \
    "bus='virtio'/></disk></devices></domain>"

static void test_disks_that_nothing_can_stand_for(void **state)
{
    (void)state;
    static const struct {
        const char *disk, *words;
    } rows[] = {
        {WITH("<disk type='block' device='lun'><source dev='/dev/sda'/><target dev='vda'/></disk>"),
         "vda of web cannot be probed: a SCSI device is passed through"},
        {WITH("<disk type='file' device='cdrom'><target dev='vda' bus='sata'/></disk>"),
         "no disk, but a drive"},
        {WITH("<disk type='network'><source protocol='rbd' name='p/i'/><target dev='vda'/></disk>"),
         "on the network (rbd)"},
        {WITH("<disk type='vhostuser'><target dev='vda' bus='virtio'/></disk>"), "'vhostuser'"},
        {WITH("<disk type='nvme'><target dev='vda' bus='virtio'/></disk>"), "'nvme'"},
        {WITH(
             "<disk type='block'><source dev='/dev/null'/><target dev='vda' bus='virtio'/></disk>"),
         "block device, and scratch images are files"},
        {WITH("<disk type='file'><source file='/x'/><target dev='vda' bus='sata'/></disk>"),
         "on the bus sata"},
        {WITH("<disk type='volume'><source pool='a' volume='b'/><target dev='vda' "
              "bus='virtio'/></disk>"),
         "through libvirt alone"},
        {WITH("<disk type='file'><target dev='vda' bus='virtio'/></disk>"), "no source"},
        {WITH("<disk type='file'><source file='/nowhere.img'/><target dev='vda' "
              "bus='virtio'/></disk>"),
         "cannot open the image /nowhere.img"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_refused(rows[i].disk, "vda", rows[i].words);
}

static void test_other_machines(void **state)
{
    (void)state;
    assert_refused("<domain><name>a</name><os><type arch='s390x'>hvm</type></os><devices>"
                   "<disk><source file='/x'/><target dev='vda' bus='virtio'/></disk></devices>"
                   "</domain>",
                   NULL, "architecture s390x");
}

static void test_files_that_are_none(void **state)
{
    (void)state;
    struct subject s;
    cleanup_error struct error *err = NULL;
    assert_int_equal(subject_from_file("/nowhere.xml", NULL, NULL, &s, &err), -1);
    assert_non_null(strstr(err->message, "/nowhere.xml"));
    assert_refused("no XML at all", NULL, "domain.xml: this is no XML");
}

/* --- Of libvirt ------------------------------------------------------------------------------- */

static void test_a_domain_by_its_names(void **state)
{
    (void)state;
    struct error *err = NULL;
    cleanup_connection struct connection *c = connection_open("test:///default", &err);
    if (!c)
        fail_msg("%s", err->message);
    create("of-libvirt.qcow2", "cluster_size=64k", "1G");
    cleanup_free char *image = scratch_path("of-libvirt.qcow2");
    cleanup_free char *xml = domain_xml("type='qcow2' cache='none'", image, "");
    cleanup_domain virDomainPtr domain = virDomainDefineXML(c->handle, xml);
    assert_non_null(domain);
    static const char *const names[] = {"web", "web/vda", "4dea22b3-1d52-d8f3-2516-782e98ab3fa0"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        cleanup_subject struct subject s = {0};
        if (subject_from_domain(c, names[i], NULL, &s, &err) < 0)
            fail_msg("%s", err->message);
        assert_string_equal(s.image, image);
        assert_string_equal(s.uri, "test:///default");
        assert_true(s.definitions.persistent && !s.definitions.running);
        assert_int_equal(s.definitions.next->vcpus, 3);
    }
    virDomainUndefine(domain);
}

static void test_a_domain_that_is_not_there(void **state)
{
    (void)state;
    cleanup_error struct error *err = NULL;
    cleanup_connection struct connection *c = connection_open("test:///default", &err);
    struct subject s;
    assert_int_equal(subject_from_domain(c, "nobody/vda", NULL, &s, &err), -1);
    assert_non_null(strstr(err->message, "there is no domain 'nobody'"));
    assert_string_equal(err->hint, "test:///default has test");
    assert_int_equal(subject_from_domain(c, "", NULL, &s, &err), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_growing_image),
        cmocka_unit_test(test_an_image_with_its_blocks),
        cmocka_unit_test(test_a_chain),
        cmocka_unit_test(test_the_mirror),
        cmocka_unit_test(test_a_link),
        cmocka_unit_test(test_an_encrypted_image),
        cmocka_unit_test(test_many_vcpus),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_disks_that_nothing_can_stand_for),
        cmocka_unit_test(test_other_machines),
        cmocka_unit_test(test_files_that_are_none),
        cmocka_unit_test(test_a_domain_by_its_names),
        cmocka_unit_test(test_a_domain_that_is_not_there),
    };
    return cmocka_run_group_tests_name("subject", tests, scratch_set_up, scratch_tear_down);
}
