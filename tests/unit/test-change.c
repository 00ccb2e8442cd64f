/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-change.c - records of changes are what was written, whoever broke off; a stand-in has of its
 * domain what counts and nothing of its user's.
 */
#undef NDEBUG
#include <assert.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "apart.h"
#include "apply/change.h"
#include "apply/clone.h"
#include "apply/change_record.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "base/json.h"
#include "base/memory.h"
#include "domain/edit.h"
#include "scratch.h"

#define UUID "4dea22b3-1d52-d8f3-2516-782e98ab3fa0"

static const char *const domain =
    "<domain type='kvm' id='7' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>"
    "<name>web</name><uuid>" UUID "</uuid><metadata><a xmlns='urn:a'/></metadata>"
    "<memory unit='GiB'>64</memory><memoryBacking><hugepages/></memoryBacking>"
    "<vcpu cpuset='1'>8</vcpu><iothreads>1</iothreads>"
    "<cputune><vcpupin vcpu='0' cpuset='1'/><cachetune vcpus='0'><cache id='0' level='3'/>"
    "</cachetune><memorytune vcpus='0'><node id='0' bandwidth='60'/></memorytune></cputune>"
    "<numatune><memory mode='strict' nodeset='1'/></numatune>"
    "<os firmware='efi'><type arch='x86_64' machine='q35'>hvm</type><loader>x</loader>"
    "<nvram>/var/lib/libvirt/qemu/nvram/web.fd</nvram></os>"
    "<cpu mode='host-passthrough'><numa><cell id='0' cpus='0-7' memory='64'/></numa></cpu>"
    "<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>"
    "<disk type='block' device='disk'><driver name='qemu' type='raw' cache='none' iothread='1'/>"
    "<source dev='/dev/vg/web'><encryption format='luks'/></source><backingStore/>"
    "<target dev='vda' bus='virtio'/><serial>A1</serial><boot order='1'/></disk>"
    "<disk type='file' device='disk'><source file='/srv/other.img'/>"
    "<target dev='vdb' bus='virtio'/></disk>"
    "<controller type='pci' index='0' model='pcie-root'/><controller type='usb' index='0'/>"
    "<controller type='pci' index='1' model='pcie-expander-bus'><target busNr='254'>"
    "<node>1</node></target></controller><iommu model='intel'><driver eim='on'/></iommu>"
    "<interface type='network'><mac address='52:54:00:00:00:01'/></interface>"
    "<hostdev mode='subsystem' type='pci'/><channel type='unix'/><graphics type='vnc'/>"
    "<memballoon model='virtio'/></devices>"
    "<qemu:commandline><qemu:arg value='-s'/></qemu:commandline></domain>";

/* --- The stand-in ----------------------------------------------------------------------------- */

static void test_clone(void **state)
{
    (void)state;
    static const char *const kept[] = {
        "<name>stand-in</name>",
        "machine=\"q35\"",
        "<iothreads>1</iothreads>",
        "cache=\"none\"",
        "iothread=\"1\"",
        "<serial>A1</serial>",
        "file=\"/srv/s.img\"",
        "mode=\"host-passthrough\"",
        "model=\"pcie-root\"",
        "unit=\"MiB\">128<",
        "qemu-system-x86_64",
        "busNr=\"254\"",
        "<vcpupin",
        "<iommu model=\"intel\"",
    };
    static const char *const gone[] = {
        UUID,         "<metadata",   "hugepages",        "numatune",   "firmware",     "<loader",
        "nvram",      "<numa>",      "/dev/vg",          "encryption", "backingStore", "<boot",
        "vdb",        "other.img",   "type=\"usb\"",     "<interface", "<hostdev",     "<channel",
        "<graphics",  "commandline", "model=\"virtio\"", "id=\"7\"",   "<node",        "<cachetune",
        "memorytune",
    };
    cleanup_free char *clone = clone_xml(domain, "vda", "stand-in", "/srv/s.img", NULL);
    assert_non_null(clone);
    for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
        if (!strstr(clone, kept[i]))
            fail_msg("%s is gone from %s", kept[i], clone);
    for (size_t i = 0; i < ARRAY_SIZE(gone); i++)
        if (strstr(clone, gone[i]))
            fail_msg("%s is still in %s", gone[i], clone);
}

static void test_clone_of_nothing(void **state)
{
    (void)state;
    cleanup_error struct error *err = NULL;
    assert_null(clone_xml("<domain><name>a</name></domain>", "vda", "b", "/c", &err));
    assert_string_equal(err->message, "the definition has no devices");
}

/* --- Records ---------------------------------------------------------------------------------- */

static GPtrArray *some_edits(void)
{
    const struct disk_setting setting = {"io", "native"};
    GPtrArray *edits = NULL;
    cleanup_free char *after = edit_disk(domain, "vda", &setting, 1, 0, &edits, NULL);
    assert_non_null(after);
    return edits;
}

static struct change_record *a_record(const char *directory, const char *target)
{
    g_autoptr(GPtrArray) edits = some_edits();
    return change_record_new(directory, "qemu:///system", "web", UUID, target, domain, edits, NULL);
}

static GPtrArray *read_all(const char *directory, const char *uuid, const char *target,
                           guint expected_notes)
{
    g_autoptr(GPtrArray) notes = g_ptr_array_new_with_free_func(free);
    GPtrArray *records = change_records_read(directory, uuid, target, notes, NULL);
    assert_non_null(records);
    assert_int_equal(notes->len, expected_notes);
    return records;
}

static void test_record(void **state)
{
    (void)state;
    cleanup_free char *directory = scratch_path("round");
    g_autoptr(GPtrArray) none = read_all(directory, NULL, NULL, 0);
    assert_int_equal(none->len, 0);
    cleanup_close int lock = change_records_lock(directory, NULL);
    assert_true(lock >= 0);
    cleanup_change_record struct change_record *first = a_record(directory, "vda");
    cleanup_change_record struct change_record *second = a_record(directory, "vd/../b");
    assert_int_equal(change_record_save(first, RECORD_MEANT, NULL), 0);
    assert_int_equal(change_record_save(second, RECORD_MEANT, NULL), 0);
    assert_int_equal(change_record_save(second, RECORD_MADE, NULL), 0);

    g_autoptr(GPtrArray) all = read_all(directory, NULL, NULL, 0);
    assert_int_equal(all->len, 2);
    const struct change_record *r = all->pdata[0];
    assert_string_equal(r->path, first->path);
    assert_string_equal(r->before, domain);
    assert_string_equal(r->uri, "qemu:///system");
    assert_int_equal(r->state, RECORD_MEANT);
    assert_int_equal(r->edits->len, first->edits->len);
    assert_int_equal(((const struct change_record *)all->pdata[1])->state, RECORD_MADE);

    g_autoptr(GPtrArray) of_disk = read_all(directory, UUID, "vda", 0);
    assert_int_equal(of_disk->len, 1);
    g_autoptr(GPtrArray) of_none = read_all(directory, "another", NULL, 0);
    assert_int_equal(of_none->len, 0);
}

static json_t *measured(const char *how)
{
    return json_pack("{s:s}", "how", how);
}

/* What is measured takes minutes, in which the change may have been taken back. */
static void test_keep(void **state)
{
    (void)state;
    cleanup_free char *directory = scratch_path("keep");
    cleanup_close int lock = change_records_lock(directory, NULL);
    cleanup_change_record struct change_record *r = a_record(directory, "vda");
    assert_int_equal(change_record_save(r, RECORD_MADE, NULL), 0);
    g_autoptr(GPtrArray) others = read_all(directory, UUID, "vda", 0);
    assert_int_equal(change_record_save(others->pdata[0], RECORD_UNDONE, NULL), 0);
    static const struct {
        const char *how, *kept;
    } rows[] = {{"observed", "observed"}, {"program", "program"}, {"observed", "program"}};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        cleanup_json json_t *result = measured(rows[i].how);
        assert_int_equal(change_record_keep(r, "before", result, NULL), 0);
        g_autoptr(GPtrArray) now = read_all(directory, UUID, "vda", 0);
        const struct change_record *kept = now->pdata[0];
        assert_int_equal(kept->state, RECORD_UNDONE);
        cleanup_json json_t *expected = measured(rows[i].kept);
        assert_true(json_equal(json_object_get(kept->measured, "before"), expected));
    }
}

static bool is_left(size_t row)
{
    (void)row;
    cleanup_error struct error *err = NULL;
    cleanup_free char *directory = scratch_path("locked");
    if (interrupt_install(NULL) < 0)
        return false;
    /* Not for ever, should it be waited for. */
    signal(SIGALRM, SIG_DFL);
    alarm(60);
    raise(SIGTERM);
    return change_records_lock(directory, &err) < 0 && strstr(err->message, "SIGTERM");
}

/* Somebody else has the lock: a signal ends the wait for it. */
static void test_lock_is_left(void **state)
{
    (void)state;
    cleanup_free char *directory = scratch_path("locked");
    cleanup_close int lock = change_records_lock(directory, NULL);
    assert_true(lock >= 0);
    assert_true(is_right_apart(is_left, 0));
}

/* It has secrets in it, and its name nothing of a domain's that would lead elsewhere. */
static void test_record_is_private(void **state)
{
    (void)state;
    struct stat st;
    cleanup_free char *directory = scratch_path("private");
    cleanup_close int lock = change_records_lock(directory, NULL);
    cleanup_change_record struct change_record *r = a_record(directory, "../../x");
    assert_int_equal(change_record_save(r, RECORD_MADE, NULL), 0);
    assert_int_equal(stat(r->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    const char *name = strrchr(r->path, '/') + 1;
    assert_null(strstr(name, ".."));
    assert_true(g_str_has_prefix(r->path, directory));
}

static const struct {
    const char *text, *why;
} damaged[] = {
    {"", "no record"},
    {"{}", "no record"},
    {"{\"change\":2}", "no record"},
    {"{\"change\":1}", "something missing"},
    {"{\"change\":1,\"created\":\"\",\"state\":\"odd\",\"uri\":\"\",\"domain\":{\"name\":\"\","
     "\"uuid\":\"\"},\"target\":\"\",\"edits\":[],\"before\":\"\"}",
     "'odd' is no state"},
    {"{\"change\":1,\"created\":\"\",\"state\":\"made\",\"uri\":\"\",\"domain\":{\"name\":\"\","
     "\"uuid\":\"\"},\"target\":\"\",\"edits\":[{}],\"before\":\"\"}",
     "number 1"},
};

static void test_damaged(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(damaged); i++) {
        cleanup_free char *name = xasprintf("damaged-%zu", i);
        cleanup_free char *directory = scratch_path(name);
        cleanup_close int lock = change_records_lock(directory, NULL);
        cleanup_free char *path = xasprintf("%s/changes/1.json", directory);
        assert_int_equal(file_write_atomic(path, damaged[i].text, NULL), 0);
        g_autoptr(GPtrArray) notes = g_ptr_array_new_with_free_func(free);
        g_autoptr(GPtrArray) records = change_records_read(directory, NULL, NULL, notes, NULL);
        assert_int_equal(records->len, 0);
        assert_int_equal(notes->len, 1);
        if (!strstr(notes->pdata[0], damaged[i].why) || !strstr(notes->pdata[0], path))
            fail_msg("%s: %s", damaged[i].text, (const char *)notes->pdata[0]);
    }
}

/* --- Plans ------------------------------------------------------------------------------------ */

static void test_settings_of_plan(void **state)
{
    (void)state;
    cleanup_json json_t *plan =
        json_pack("{s:{s:s, s:n, s:i, s:i, s:i}, s:[s]}", "set", "io", "native", "iothread",
                  "queues", 4, "iothreads", 2, "poll_max_ns", 0, "commands", "qemu-img convert");
    g_autoptr(GPtrArray) left = g_ptr_array_new_with_free_func(free);
    g_autoptr(GArray) settings = change_settings_of_plan(plan, left, NULL);
    assert_int_equal(settings->len, 3);
    const struct disk_setting *s = (const struct disk_setting *)(void *)settings->data;
    assert_string_equal(s[0].value, "native");
    assert_null(s[1].value);
    assert_string_equal(s[2].value, "4");
    assert_int_equal(left->len, 3);

    cleanup_error struct error *err = NULL;
    cleanup_json json_t *hostile = json_pack("{s:{s:s}}", "set", "io", "native' x='");
    assert_null(change_settings_of_plan(hostile, left, &err));
    assert_non_null(strstr(err->message, "is no io of a disk"));
}

/* What is left is said in the lines and commands that it takes. */
static const struct {
    const char *set, *current, *chosen, *commands;
    guint settings; /* how many are not left */
    const char *left[3];
} left_rows[] = {
    {"'bus':'scsi','iothread':'new','queues':4,'io':'native'",
     "qcow2",
     "'bus':'scsi','format':'qcow2','iothread':true,'iothreads':1,'queues':4",
     "",
     1,
     {"bus=scsi is not changed here. Once the guest has virtio_scsi in its initramfs, by "
      "virsh edit web: in the disk <target dev='sdb' bus='scsi'/>, and "
      "<address type='drive' controller='INDEX'/> instead of its address, no iothread= and "
      "queues= in its <driver>; <controller type='scsi' index='INDEX' model='virtio-scsi'>"
      "<driver queues='4' iothread='1'/></controller> in <devices>, with an INDEX that is free; "
      "<iothreads>1</iothreads> in <domain>, unless it has as many that are free"}},
    {"'bus':'virtio'",
     "raw",
     "'bus':'virtio','format':'raw','iothread':false,'iothreads':0",
     "",
     0,
     {"bus=virtio is not changed here. Once the guest has virtio_blk in its initramfs, by "
      "virsh edit web: in the disk <target dev='vdb' bus='virtio'/>, and its <address> taken out"}},
    {"'bus':'virtio','iothreads':2",
     "raw",
     "'bus':'virtio','format':'raw','iothread':true,'iothreads':2,'queues':2",
     "",
     0,
     {"bus=virtio is not changed here. Once the guest has virtio_blk in its initramfs, by "
      "virsh edit web: in the disk <target dev='vdb' bus='virtio'/>, and its <address> taken out; "
      "in its <driver> queues='2' and "
      "<iothreads><iothread id='1'/><iothread id='2'/></iothreads>; "
      "<iothreads>2</iothreads> in <domain>, unless it has as many that are free"}},
    {"'iothread':'new','iothreads':2",
     "raw",
     "'bus':'scsi','format':'raw','iothread':true,'iothreads':2",
     "",
     1,
     {"iothreads=2 is not changed here. By virsh edit web: <iothreads>2</iothreads> in <domain>, "
      "and <iothreads><iothread id='1'/><iothread id='2'/></iothreads> in the <driver> of the "
      "disk's controller instead of its iothread=, with the ids of those that serve nothing "
      "else"}},
    {"'poll_max_ns':-1",
     "raw",
     "'bus':'virtio'",
     "",
     0,
     {"poll_max_ns=0 is not changed here. Until web is shut down: virsh iothreadset web ID "
      "--poll-max-ns 0, with the ID of each iothread of the disk; from libvirt 9.4 on, for good, "
      "by virsh edit web: "
      "<iothreadids><iothread id='ID'><poll max='0'/></iothread></iothreadids> in <domain>"}},
    {"'metadata_cache_bytes':65536,'io':'native'",
     "raw",
     "'format':'qcow2'",
     "'qemu-img convert OLD NEW'",
     1,
     {"metadata_cache=65536 is for a qcow2, which the image is not. Once it is: "
      "virt-disktune apply web/sdb --set metadata_cache=65536",
      "the image is not converted here. While web is off: qemu-img convert OLD NEW; then, by "
      "virsh edit web, NEW in the <source> of sdb, and type='qcow2' in its <driver>"}},
    {"",
     "qcow2",
     "'format':'qcow2'",
     "'qemu-img convert OLD NEW'",
     0,
     {"the image is not converted here. While web is off: qemu-img convert OLD NEW; then, by "
      "virsh edit web, NEW in the <source> of sdb"}},
};

static void test_left_to_people(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(left_rows); i++) {
        cleanup_free char *text = xasprintf("{'domain':{'name':'web'},'target':'sdb','set':{%s},"
                                            "'current':{'format':'%s'},'chosen':{%s},"
                                            "'commands':[%s]}",
                                            left_rows[i].set, left_rows[i].current,
                                            left_rows[i].chosen, left_rows[i].commands);
        cleanup_json json_t *plan = json_loads(g_strdelimit(text, "'", '"'), 0, NULL);
        assert_non_null(plan);
        g_autoptr(GPtrArray) left = g_ptr_array_new_with_free_func(free);
        g_autoptr(GArray) settings = change_settings_of_plan(plan, left, NULL);
        assert_int_equal(settings->len, left_rows[i].settings);
        for (guint n = 0; n < left->len; n++)
            assert_string_equal(left->pdata[n], left_rows[i].left[n]);
        assert_null(left_rows[i].left[left->len]);
    }
}

/* The size of a cache is a setting of a disk that is a qcow2, and not of one that would be. */
static void test_cache_of_plan(void **state)
{
    (void)state;
    static const struct {
        const char *format;
        int bytes;
        const char *value; /* NULL: it goes */
        bool left;
    } rows[] = {
        {"qcow2", 327680, "327680", false}, {"qcow2", 0, NULL, false}, {"raw", 327680, NULL, true}};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        cleanup_json json_t *plan = json_pack("{s:{s:i}, s:{s:s}}", "set", "metadata_cache_bytes",
                                              rows[i].bytes, "current", "format", rows[i].format);
        g_autoptr(GPtrArray) left = g_ptr_array_new_with_free_func(free);
        g_autoptr(GArray) settings = change_settings_of_plan(plan, left, NULL);
        assert_int_equal(left->len, rows[i].left);
        assert_int_equal(settings->len, !rows[i].left);
        const struct disk_setting *s = (const struct disk_setting *)(void *)settings->data;
        if (!rows[i].left && g_strcmp0(s->value, rows[i].value) != 0)
            fail_msg("%d became %s", rows[i].bytes, s->value);
        assert_true(rows[i].left || strcmp(s->key, "metadata_cache") == 0);
    }
}

static void test_plan_is_for(void **state)
{
    (void)state;
    cleanup_error struct error *err = NULL;
    cleanup_domain_model struct domain_model *m =
        domain_model_from_xml(domain, strlen(domain), NULL);
    const struct domain_disk *disk = domain_model_disk(m, "vda", NULL);
    cleanup_json json_t *other = json_pack("{s:{s:s}, s:s, s:s}", "domain", "uuid", "another",
                                           "target", "vda", "disk_sha256", "x");
    assert_int_equal(change_check_plan(other, UUID, disk, &err), -1);
    assert_non_null(strstr(err->message, "is for the domain another"));
    cleanup_json json_t *old = json_pack("{s:{s:s}, s:s, s:s}", "domain", "uuid", UUID, "target",
                                         "vda", "disk_sha256", "x");
    assert_int_equal(change_check_plan(old, UUID, disk, &err), -1);
    assert_non_null(strstr(err->message, "has changed since"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clone),          cmocka_unit_test(test_clone_of_nothing),
        cmocka_unit_test(test_record),         cmocka_unit_test(test_record_is_private),
        cmocka_unit_test(test_keep),           cmocka_unit_test(test_lock_is_left),
        cmocka_unit_test(test_damaged),        cmocka_unit_test(test_settings_of_plan),
        cmocka_unit_test(test_left_to_people), cmocka_unit_test(test_cache_of_plan),
        cmocka_unit_test(test_plan_is_for),
    };
    return cmocka_run_group_tests_name("change", tests, scratch_set_up, scratch_tear_down);
}
