/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-spec.c - the domain XML of the probe guest: as it is kept in tests/data, which libvirt's own
 * schema accepts, and well-formed whatever a path has in it.
 *
 *   test-spec             against the files kept; with REGENERATE=1 in the environment these are
 *                         written anew, to be looked at
 *   test-spec --schema    the files kept against libvirt's schema
 */
#undef NDEBUG
#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/utsname.h>

#include <cmocka.h>
#include <libxml/parser.h>
#include <libxml/relaxng.h>
#include <libxml/xpath.h>

#include "base/file.h"
#include "base/memory.h"
#include "probe/spec.h"

#define SCHEMA "/usr/share/libvirt/schemas/domain.rng"

static const struct disk_config threads = {"virtio", "qcow2", "off", "none", "threads", false};
static const struct disk_config native = {"virtio", "raw", "falloc", "none", "native", true};

static char first_image[] = "/srv/scratch/0.img", second_image[] = "/srv/scratch/1.img";

static struct probe_disk two_disks[] = {
    {"d0", &threads, first_image},
    {"d1", &native, second_image},
};

static const struct probe_spec two = {
    .name = "virt-disktune-probe-1",
    .kernel_path = "/boot/vmlinuz-6.1.0",
    .initramfs_path = "/run/virt-disktune/initramfs",
    .console_path = "/run/virt-disktune/console",
    .vcpus = 2,
    .memory_mib = 512,
    .disk_count = ARRAY_SIZE(two_disks),
    .disks = two_disks,
};

/* Settings that not every disk has. */
static const struct disk_config scsi = {"scsi",    "qcow2", "off",      "none",
                                        "threads", true,    .queues = 4};
static const struct disk_config plain_scsi = {"scsi", "raw", "falloc", "none", "native", false};
static const struct disk_config cached = {
    "virtio", "qcow2", "metadata", "directsync", "threads", true, .metadata_cache_bytes = 327680};

static struct probe_disk various_disks[] = {
    {"d0", &scsi, first_image},
    {"d1", &threads, first_image},
    {"d2", &plain_scsi, second_image},
    {"d3", &cached, first_image},
};

static const struct probe_spec various = {
    .name = "virt-disktune-probe-1",
    .kernel_path = "/boot/vmlinuz-6.1.0",
    .initramfs_path = "/run/virt-disktune/initramfs",
    .console_path = "/run/virt-disktune/console",
    .vcpus = 4,
    .memory_mib = 512,
    .disk_count = ARRAY_SIZE(various_disks),
    .disks = various_disks,
};

/* --- As kept ---------------------------------------------------------------------------------- */

static const struct {
    const char *file;
    enum accelerator accelerator;
    const struct probe_spec *spec;
} kept[] = {{"probe-kvm.xml", ACCELERATOR_KVM, &two},
            {"probe-tcg.xml", ACCELERATOR_TCG, &two},
            {"probe-various.xml", ACCELERATOR_TCG, &various}};

static char *kept_path(size_t i)
{
    const char *data = getenv("VIRT_DISKTUNE_TEST_DATA");
    assert_non_null(data);
    return xasprintf("%s/%s", data, kept[i].file);
}

static void test_kept(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
        cleanup_free char *path = kept_path(i);
        cleanup_free char *xml = probe_spec_to_xml(kept[i].spec, kept[i].accelerator);
        if (getenv("REGENERATE"))
            assert_int_equal(file_write_atomic(path, xml, NULL), 0);
        cleanup_error struct error *err = NULL;
        cleanup_free char *wanted = file_read(path, NULL, &err);
        if (!wanted)
            fail_msg("%s", err->message);
        assert_string_equal(xml, wanted);
    }
}

static void say_nothing(void *data, const char *format, ...)
{
    (void)data;
    (void)format;
}

static void test_schema(void **state)
{
    (void)state;
    xmlRelaxNGParserCtxtPtr parser = xmlRelaxNGNewParserCtxt(SCHEMA);
    xmlRelaxNGPtr schema = xmlRelaxNGParse(parser);
    assert_non_null(schema);
    for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
        cleanup_free char *path = kept_path(i);
        xmlDocPtr doc = xmlReadFile(path, NULL, 0);
        xmlRelaxNGValidCtxtPtr valid = xmlRelaxNGNewValidCtxt(schema);
        assert_non_null(doc);
        assert_int_equal(xmlRelaxNGValidateDoc(valid, doc), 0);
        /* The schema does refuse something. */
        xmlNewChild(xmlDocGetRootElement(doc), NULL, BAD_CAST "nonsense", NULL);
        xmlRelaxNGSetValidErrors(valid, say_nothing, say_nothing, NULL);
        assert_int_not_equal(xmlRelaxNGValidateDoc(valid, doc), 0);
        xmlRelaxNGFreeValidCtxt(valid);
        xmlFreeDoc(doc);
    }
    xmlRelaxNGFree(schema);
    xmlRelaxNGFreeParserCtxt(parser);
}

/* --- Read as XML ------------------------------------------------------------------------------ */

static xmlDocPtr parse(const struct probe_spec *spec, enum accelerator accelerator)
{
    cleanup_free char *xml = probe_spec_to_xml(spec, accelerator);
    xmlDocPtr doc = xmlReadMemory(xml, (int)strlen(xml), NULL, NULL, 0);
    if (!doc)
        fail_msg("no XML: %s", xml);
    return doc;
}

/* Fails unless the XPath expression, as a string, is this. */
static void check(xmlDocPtr doc, const char *expression, const char *wanted)
{
    xmlXPathContextPtr context = xmlXPathNewContext(doc);
    cleanup_free char *call = xasprintf("string(%s)", expression);
    xmlXPathObjectPtr result = xmlXPathEvalExpression(BAD_CAST call, context);
    assert_non_null(result);
    if (strcmp((const char *)result->stringval, wanted) != 0)
        fail_msg("%s is '%s' instead of '%s'", expression, result->stringval, wanted);
    xmlXPathFreeObject(result);
    xmlXPathFreeContext(context);
}

/* What one reader of XML or another stumbles over; none of it is rare enough in a path. */
static const char *const hostile[] = {
    "/srv/<&\"'>/x",
    "/srv/&amp;/x",
    "/srv/]]>/x",
    "/srv/<!-- -->/<![CDATA[x]]>",
    "/srv/'/><source file='/etc/shadow",
    "/srv/\"/><source file=\"/etc/shadow",
    "/srv/ two  blanks /x",
    "/srv/tab\tand\nline",
    "/srv/Gr\xc3\xbcn/\xf0\x9f\x92\xbe",
    "/srv/%s%n$(x)`y`",
};

static void test_hostile_paths(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(hostile); i++) {
        cleanup_free char *image = xstrdup(hostile[i]);
        struct probe_disk disk = {"d0", &threads, image};
        struct probe_spec spec = {
            .name = hostile[i],
            .kernel_path = hostile[i],
            .initramfs_path = hostile[i],
            .console_path = hostile[i],
            .emulator = hostile[i],
            .mirror = &(struct probe_mirror){.machine = hostile[i]},
            .disk_count = 1,
            .disks = &disk,
        };
        xmlDocPtr doc = parse(&spec, ACCELERATOR_TCG);
        check(doc, "/domain/name", hostile[i]);
        check(doc, "/domain/os/kernel", hostile[i]);
        check(doc, "/domain/os/initrd", hostile[i]);
        check(doc, "/domain/os/type/@machine", hostile[i]);
        check(doc, "/domain/devices/emulator", hostile[i]);
        check(doc, "/domain/devices/disk/source/@file", hostile[i]);
        check(doc, "/domain/devices/serial/source/@path", hostile[i]);
        check(doc, "count(//source)", "2");
        xmlFreeDoc(doc);
    }
}

/* A path need not be UTF-8. libvirt may refuse such a domain; to make none of it would be worse. */
static void test_bytes_in_paths(void **state)
{
    (void)state;
    char image[] = "/srv/\xff\xe9/x";
    struct probe_disk disk = {"d0", &threads, image};
    struct probe_spec spec = two;
    spec.disk_count = 1;
    spec.disks = &disk;
    cleanup_free char *xml = probe_spec_to_xml(&spec, ACCELERATOR_TCG);
    assert_non_null(strstr(xml, "</domain>"));
}

static const struct {
    size_t place;
    const char *target;
} targets[] = {{0, "vda"},   {1, "vdb"},    {25, "vdz"},   {26, "vdaa"},  {51, "vdaz"},
               {52, "vdba"}, {511, "vdsr"}, {701, "vdzz"}, {702, "vdaaa"}};

/* The names go on behind z, and each disk that wants one has an iothread of its own. */
static void test_many_disks(void **state)
{
    (void)state;
    enum { COUNT = 703 };
    static struct probe_disk disks[COUNT];
    char image[] = "/x";
    struct probe_spec spec = two;
    for (size_t i = 0; i < COUNT; i++)
        disks[i] = (struct probe_disk){"", i % 3 == 1 ? &native : &threads, image};
    spec.disks = disks;
    spec.disk_count = COUNT;
    xmlDocPtr doc = parse(&spec, ACCELERATOR_KVM);
    for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
        cleanup_free char *expression = xasprintf("//disk[%zu]/target/@dev", targets[i].place + 1);
        check(doc, expression, targets[i].target);
    }
    check(doc, "/domain/iothreads", "234");
    check(doc, "count(//driver/@iothread)", "234");
    check(doc, "//disk[2]/driver/@iothread", "1");
    check(doc, "//disk[5]/driver/@iothread", "2");
    check(doc, "count(//driver[@iothread = preceding::driver/@iothread])", "0");
    xmlFreeDoc(doc);
}

/* A guest that stands for a domain has its CPUs and its memory. */
static const struct domain_pin pins[] = {{0, (char *)"1"}, {1, (char *)"2-3,^2"}, {7, (char *)"4"}};
static const struct probe_mirror mirror = {
    .cpuset = "0-5",
    .vcpu_pins = pins,
    .vcpu_pin_count = ARRAY_SIZE(pins),
    .emulator_cpuset = "0",
    .iothread_cpuset = "5",
    .numa_mode = "strict",
    .numa_nodeset = "0",
    .hugepage_kib = 2048,
};

static void test_mirror(void **state)
{
    (void)state;
    struct probe_spec spec = two;
    spec.mirror = &mirror;
    spec.vcpus = 2;
    xmlDocPtr doc = parse(&spec, ACCELERATOR_KVM);
    check(doc, "//vcpu/@cpuset", "0-5");
    check(doc, "//cputune/vcpupin[@vcpu = '1']/@cpuset", "2-3,^2");
    /* The seventh vCPU is one that the guest has not. */
    check(doc, "count(//vcpupin)", "2");
    check(doc, "//emulatorpin/@cpuset", "0");
    check(doc, "count(//iothreadpin[@cpuset = '5']) = //iothreads", "true");
    check(doc, "//numatune/memory/@nodeset", "0");
    check(doc, "//numatune/memory/@mode", "strict");
    check(doc, "//memoryBacking/hugepages/page/@size", "2048");
    xmlFreeDoc(doc);
    /* libvirt knows no vCPU's thread under TCG. */
    doc = parse(&spec, ACCELERATOR_TCG);
    check(doc, "count(//vcpupin)", "0");
    check(doc, "//emulatorpin/@cpuset", "0");
    xmlFreeDoc(doc);
}

/* A SCSI disk has a controller of its own, whose thread and queues are the disk's. */
static void test_controllers(void **state)
{
    (void)state;
    assert_true(probe_spec_has_scsi(&various));
    assert_false(probe_spec_has_scsi(&two));
    xmlDocPtr doc = parse(&various, ACCELERATOR_TCG);
    check(doc, "/domain/iothreads", "2");
    check(doc, "count(//controller[@type = 'scsi'])", "2");
    check(doc, "count(//controller[@type = 'scsi' and @model = 'virtio-scsi'])", "2");
    check(doc, "//controller[@index = '0']/driver/@iothread", "1");
    check(doc, "//controller[@index = '0']/driver/@queues", "4");
    check(doc, "count(//controller[@index = '1']/driver/@*)", "0");
    check(doc, "//disk[1]/address/@controller", "0");
    check(doc, "//disk[3]/address/@controller", "1");
    check(doc, "//disk[3]/target/@dev", "sdc");
    check(doc, "count(//disk[target/@bus = 'scsi']/driver/@iothread)", "0");
    check(doc, "count(//disk[target/@bus = 'scsi']/driver/@queues)", "0");
    check(doc, "//disk[4]/driver/@iothread", "2");
    check(doc, "count(//disk[4]/address)", "0");
    check(doc, "//disk[4]/driver/metadata_cache/max_size[@unit = 'bytes']", "327680");
    check(doc, "count(//metadata_cache)", "1");
    unsigned count;
    assert_int_equal(probe_spec_iothreads(&various, 0, &count), 1);
    assert_int_equal(count, 1);
    assert_int_equal(probe_spec_iothreads(&various, 3, &count), 2);
    assert_int_equal(count, 1);
    probe_spec_iothreads(&various, 1, &count);
    assert_int_equal(count, 0);
    xmlFreeDoc(doc);
}

/* Several iothreads for a disk, or for its controller, and the number of each is given once. No
 * kept document has them: the schema of libvirt 9.0 knows none. */
static void test_several_iothreads(void **state)
{
    (void)state;
    const struct disk_config blk = {"virtio", "raw", "falloc",      "none",
                                    "native", true,  .iothreads = 3};
    const struct disk_config several_scsi = {"scsi",   "raw", "falloc",    "none",
                                             "native", true,  .queues = 2, .iothreads = 2};
    struct probe_disk disks[] = {{"d0", &native, first_image},
                                 {"d1", &blk, first_image},
                                 {"d2", &several_scsi, first_image},
                                 {"d3", &native, first_image}};
    struct probe_spec spec = two;
    spec.disks = disks;
    spec.disk_count = ARRAY_SIZE(disks);
    xmlDocPtr doc = parse(&spec, ACCELERATOR_TCG);
    check(doc, "/domain/iothreads", "7");
    check(doc, "//disk[1]/driver/@iothread", "1");
    check(doc, "count(//disk[2]/driver/@iothread)", "0");
    check(doc, "count(//disk[2]/driver/iothreads/iothread)", "3");
    check(doc, "//disk[2]/driver/iothreads/iothread[1]/@id", "2");
    check(doc, "//disk[2]/driver/iothreads/iothread[3]/@id", "4");
    check(doc, "count(//disk[3]/driver/iothreads)", "0");
    check(doc, "count(//controller[@type = 'scsi']/driver/@iothread)", "0");
    check(doc, "//controller[@type = 'scsi']/driver/@queues", "2");
    check(doc, "//controller[@type = 'scsi']/driver/iothreads/iothread[1]/@id", "5");
    check(doc, "//controller[@type = 'scsi']/driver/iothreads/iothread[2]/@id", "6");
    check(doc, "//disk[4]/driver/@iothread", "7");
    xmlFreeDoc(doc);
}

static void test_choices(void **state)
{
    (void)state;
    struct probe_spec spec = two;
    spec.emulator = "/opt/qemu";
    spec.mirror = &(struct probe_mirror){.machine = "pc"};
    spec.cpu_without = "x2apic";
    spec.disk_count = 1;
    xmlDocPtr doc = parse(&spec, ACCELERATOR_KVM);
    check(doc, "//emulator", "/opt/qemu");
    check(doc, "//type/@machine", "pc");
    check(doc, "//cpu/feature[@policy = 'disable']/@name", "x2apic");
    check(doc, "/domain/@type", "kvm");
    check(doc, "//cpu/@mode", "host-passthrough");
    /* The one disk has none. */
    check(doc, "count(//iothreads)", "0");
    xmlFreeDoc(doc);
    doc = parse(&two, ACCELERATOR_TCG);
    check(doc, "/domain/@type", "qemu");
    check(doc, "//cpu/@mode", "maximum");
    check(doc, "count(//emulator) + count(//feature)", "0");
    xmlFreeDoc(doc);
}

/* Those that the guest uses, for which it has to have the memory. */
static void test_queues(void **state)
{
    (void)state;
    struct probe_spec spec = two;
    struct probe_disk disks[] = {two.disks[0], two.disks[1], two.disks[1]};
    disks[2].config = &scsi;
    spec.disks = disks;
    spec.disk_count = ARRAY_SIZE(disks);
    spec.vcpus = 8;
    assert_int_equal(probe_spec_queues(&spec), 8 + 8 + 4);
    spec.vcpus = 3;
    assert_int_equal(probe_spec_queues(&spec), 3 + 3 + 3);
}

static void test_accelerators(void **state)
{
    (void)state;
    static const char *const names[] = {"kvm", "tcg", "auto"};
    enum accelerator a;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        assert_int_equal(accelerator_parse(names[i], &a, NULL), 0);
        assert_string_equal(accelerator_name(a), names[i]);
    }
    cleanup_error struct error *err = NULL;
    assert_int_equal(accelerator_parse("KVM", &a, &err), -1);
    assert_non_null(strstr(err->message, "'KVM' is not an accelerator"));
    assert_non_null(strstr(err->hint, "kvm, tcg, auto"));
}

/* What a mirror adds, against the schema. */
static void test_schema_of_a_mirror(void **state)
{
    (void)state;
    struct probe_spec spec = two;
    spec.mirror = &mirror;
    xmlRelaxNGParserCtxtPtr parser = xmlRelaxNGNewParserCtxt(SCHEMA);
    xmlRelaxNGPtr schema = xmlRelaxNGParse(parser);
    xmlRelaxNGValidCtxtPtr valid = xmlRelaxNGNewValidCtxt(schema);
    xmlDocPtr doc = parse(&spec, ACCELERATOR_KVM);
    assert_int_equal(xmlRelaxNGValidateDoc(valid, doc), 0);
    xmlFreeDoc(doc);
    xmlRelaxNGFreeValidCtxt(valid);
    xmlRelaxNGFree(schema);
    xmlRelaxNGFreeParserCtxt(parser);
}

static int run_schema(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_schema),
                                       cmocka_unit_test(test_schema_of_a_mirror)};
    if (access(SCHEMA, R_OK) < 0) {
        printf("1..0 # SKIP %s is not there\n", SCHEMA);
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kept),
        cmocka_unit_test(test_hostile_paths),
        cmocka_unit_test(test_bytes_in_paths),
        cmocka_unit_test(test_many_disks),
        cmocka_unit_test(test_choices),
        cmocka_unit_test(test_accelerators),
        cmocka_unit_test(test_mirror),
        cmocka_unit_test(test_controllers),
        cmocka_unit_test(test_several_iothreads),
        cmocka_unit_test(test_queues),
    };
    struct utsname host;
    if (argc > 1 && strcmp(argv[1], "--schema") == 0)
        return run_schema();
    if (uname(&host) < 0 || strcmp(host.machine, "x86_64") != 0) {
        printf("1..0 # SKIP the files kept are those of x86_64\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
