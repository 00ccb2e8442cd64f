/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-edit.c - settings of a disk are changed in a domain's XML, to the byte, and taken back.
 */
#undef NDEBUG
#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "edit_round.h"

/* --- Documents -------------------------------------------------------------------------------- */

/* A domain with something behind its name, and these devices. */
#define DOMAIN(behind_name, devices)                                                               \
    "<domain type='kvm'>\n  <name>web</name>\n" behind_name "  <devices>\n" devices                \
    "  </devices>\n</domain>\n"

#define DISK(driver)                                                                               \
    "    <disk type='file'>\n" driver "      <target dev='vda' bus='virtio'/>\n    </disk>\n"

#define DRIVER(attributes) "      <driver" attributes "/>\n"
#define ONE(attributes) DOMAIN("", DISK(DRIVER(attributes)))

/* A disk on the SCSI controller of this index, and the controller. */
#define SCSI_DISK(dev, index)                                                                      \
    "    <disk>\n      <target dev='" dev "' bus='scsi'/>\n"                                       \
    "      <address type='drive' controller='" index "'/>\n    </disk>\n"
#define CONTROLLER "    <controller type='scsi' index='0' model='virtio-scsi'"
#define OTHER_CONTROLLER "    <controller type='scsi' index='1' model='virtio-scsi'/>\n"

struct row {
    const char *before, *target, *set, *after;
    unsigned flags;
};

static void assert_text(const struct row *row, const char *text, const char *wanted)
{
    if (strcmp(text, wanted) != 0)
        fail_msg("%s\nbecame with %s:\n%s\ninstead of:\n%s", row->before, row->set, text, wanted);
}

static void assert_state(const char *xml, const GPtrArray *edits, enum edits_state wanted)
{
    enum edits_state state;
    struct error *err = NULL;
    if (edits_state(xml, edits, &state, &err) < 0)
        fail_msg("%s", err->message);
    assert_int_equal(state, wanted);
}

/* Edits, and returns the edits as a file would keep them. */
static GPtrArray *edit_well(const struct row *row, char **ret_after)
{
    struct error *err = NULL;
    struct disk_setting settings[SETTINGS_MAX];
    cleanup_free char *words = xstrdup(row->set);
    size_t count = settings_from(words, settings);
    g_autoptr(GPtrArray) edits = NULL;
    *ret_after = edit_disk(row->before, row->target, settings, count, row->flags, &edits, &err);
    if (!*ret_after)
        fail_msg("%s, with %s:\n%s", err->message, row->set, row->before);
    return through_json(edits);
}

/* There, to the byte, and back, and both states are told from each other. */
static void check_row(const struct row *row)
{
    struct error *err = NULL;
    cleanup_free char *after = NULL;
    g_autoptr(GPtrArray) edits = edit_well(row, &after), left = NULL;
    const char *wanted = row->after ? row->after : row->before;
    assert_text(row, after, wanted);
    assert_int_equal(edits->len == 0, wanted == row->before);
    assert_state(after, edits, EDITS_PRESENT);
    assert_state(row->before, edits, edits->len ? EDITS_ABSENT : EDITS_PRESENT);
    cleanup_free char *back = edit_undo(after, edits, &left, &err);
    if (!back)
        fail_msg("%s", err->message);
    assert_text(row, back, row->before);
    assert_int_equal(left->len, 0);
    /* And once more, which has nothing to do. */
    g_autoptr(GPtrArray) left_again = NULL;
    cleanup_free char *again = edit_undo(back, edits, &left_again, &err);
    assert_text(row, again, row->before);
    assert_int_equal(left_again->len, 0);
}

#define check_rows(rows)                                                                           \
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)                                                  \
    check_row(&rows[i])

/* --- Attributes ------------------------------------------------------------------------------- */

static void test_attributes(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {ONE(" name='qemu' cache='none'"), "vda", "io=native",
         ONE(" name='qemu' cache='none' io='native'")},
        {ONE(" cache='none' type='raw'"), "vda", "cache=directsync io=native",
         ONE(" cache='directsync' type='raw' io='native'")},
        {ONE(" name='qemu' io='threads' type='raw'"), "vda", "io=", ONE(" name='qemu' type='raw'")},
        {ONE(" io='threads' cache='none' type='raw'"), "vda", "io= cache=", ONE(" type='raw'")},
        {ONE(" io='threads' cache='none'"), "vda", "cache= io= discard=unmap",
         ONE(" discard='unmap'")},
        {ONE(" io='threads'"), "vda", "io=", ONE("")},
        {ONE(" name='qemu'"), "vda", "discard=unmap detect_zeroes=unmap queues=4",
         ONE(" name='qemu' discard='unmap' detect_zeroes='unmap' queues='4'")},
        {ONE(""), "vda", "queues=256", ONE(" queues='256'")},
        /* As it is written, it stays. */
        {ONE("  name = \"qemu\"\tcache\n= \"none\" "), "vda", "io=native cache=directsync",
         ONE("  name = \"qemu\"\tcache\n= \"directsync\" io=\"native\" ")},
        {ONE(" name=\"qemu\"  io = 'threads'  cache='none'"), "vda",
         "io=", ONE(" name=\"qemu\"  cache='none'")},
        {ONE("\n         name='qemu'\n         cache='none'"), "vda", "io=native",
         ONE("\n         name='qemu'\n         cache='none'\n         io='native'")},
        {ONE(" name='a>b/' cache='&#110;one'"), "vda", "cache=writeback",
         ONE(" name='a>b/' cache='writeback'")},
        {ONE(" name='it&apos;s' cache=\"&quot;'\""), "vda", "cache=none",
         ONE(" name='it&apos;s' cache=\"none\"")},
        /* So already. */
        {ONE(" cache='none' io='native'"), "vda", "io=native cache=none queues= iothread="},
        {ONE(" name='qemu'"), "vda", "cache=default"},
        {ONE(" name='qemu'"), "vda", ""},
    };
    check_rows(rows);
}

/* What has the same names and is not meant. */
static void test_what_is_not_meant(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"\xef\xbb\xbf<?xml version='1.0' encoding='utf-8'?>\r\n<!-- <disk> -->\r\n"
         "<domain type='kvm' xmlns:q='urn:q'>\r\n<name>w\xc3\xa4<![CDATA[<a></b>]]></name>\r\n"
         "<metadata><devices xmlns='urn:x'><disk><target dev='vda'/><driver io='threads'/></disk>"
         "</devices></metadata>\r\n<?pi <disk> ?><devices><!--<driver>--><q:disk><driver/>"
         "<target dev='vda'/></q:disk><disk q:io='x'><q:driver io='a'/><driver q:io='threads' "
         "io='threads'/><target dev='vda' bus='virtio'/></disk>\r\n</devices></domain> <!-- -->",
         "vda", "io=io_uring",
         "\xef\xbb\xbf<?xml version='1.0' encoding='utf-8'?>\r\n<!-- <disk> -->\r\n"
         "<domain type='kvm' xmlns:q='urn:q'>\r\n<name>w\xc3\xa4<![CDATA[<a></b>]]></name>\r\n"
         "<metadata><devices xmlns='urn:x'><disk><target dev='vda'/><driver io='threads'/></disk>"
         "</devices></metadata>\r\n<?pi <disk> ?><devices><!--<driver>--><q:disk><driver/>"
         "<target dev='vda'/></q:disk><disk q:io='x'><q:driver io='a'/><driver q:io='threads' "
         "io='io_uring'/><target dev='vda' bus='virtio'/></disk>\r\n</devices></domain> <!-- -->"},
        /* The source's and the backing store's are others. */
        {DOMAIN("", DISK("      <backingStore><driver io='a'/></backingStore>\n"
                         "      <driver>\n        <metadata_cache/>\n      </driver>\n")),
         "vda", "io=threads",
         DOMAIN("", DISK("      <backingStore><driver io='a'/></backingStore>\n"
                         "      <driver io='threads'>\n        <metadata_cache/>\n"
                         "      </driver>\n"))},
        {DOMAIN("", "<disk><target dev='vdb'/></disk>" DISK(DRIVER("")) "<disk/>"), "vda",
         "io=threads",
         DOMAIN("", "<disk><target dev='vdb'/></disk>" DISK(DRIVER(" io='threads'")) "<disk/>")},
    };
    check_rows(rows);
}

static void test_no_driver(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {DOMAIN("", DISK("")), "vda", "cache=none io=native",
         DOMAIN("", DISK(DRIVER(" name='qemu' cache='none' io='native'")))},
        {"<domain><name>a</name><devices><disk type=\"file\"><target dev='vda'/></disk></devices>"
         "</domain>",
         "vda", "io=threads",
         "<domain><name>a</name><devices><disk type=\"file\"><driver name=\"qemu\" io=\"threads\"/>"
         "<target dev='vda'/></disk></devices></domain>"},
        {"<domain><name>a</name><devices>\r\n\r\n\t<disk><!-- ours -->\r\n\r\n\t\t<target "
         "dev='vda'/>"
         "</disk></devices></domain>",
         "vda", "io=threads",
         "<domain><name>a</name><devices>\r\n\r\n\t<disk>\r\n\t\t<driver name='qemu' io='threads'/>"
         "<!-- ours -->\r\n\r\n\t\t<target dev='vda'/></disk></devices></domain>"},
        {DOMAIN("", DISK("")), "vda", "cache= queues="},
    };
    check_rows(rows);
}

/* --- The cache of a qcow2's tables ------------------------------------------------------------ */

#define CACHE(size) "<metadata_cache><max_size unit='bytes'>" size "</max_size></metadata_cache>"
#define QCOW2(content) DOMAIN("", DISK("      <driver type='qcow2'>" content "      </driver>\n"))

static void test_metadata_cache(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {ONE(" name='qemu' type='qcow2'"), "vda", "metadata_cache=64k",
         DOMAIN("", DISK("      <driver name='qemu' type='qcow2'>\n        " CACHE(
                        "65536") "\n      </driver>\n"))},
        {ONE(" type=\"qcow2\" "), "vda", "metadata_cache=1 io=threads",
         DOMAIN("", DISK("      <driver type=\"qcow2\" io=\"threads\" >\n        "
                         "<metadata_cache><max_size unit=\"bytes\">1</max_size></metadata_cache>\n"
                         "      </driver>\n"))},
        {"<domain><name>a</name><devices><disk><driver type='qcow2'></driver><target dev='vda'/>"
         "</disk></devices></domain>",
         "vda", "metadata_cache=4096",
         "<domain><name>a</name><devices><disk><driver type='qcow2'>" CACHE(
             "4096") "</driver><target dev='vda'/></disk></devices></domain>"},
        {QCOW2("<!-- ours -->\n        <iothreads/>\n"), "vda", "metadata_cache=4096",
         QCOW2("\n        " CACHE("4096") "<!-- ours -->\n        <iothreads/>\n")},
        /* Another size, and all else as it is written. */
        {QCOW2(CACHE("4096")), "vda", "metadata_cache=8M", QCOW2(CACHE("8388608"))},
        {QCOW2("\n<metadata_cache >\n\t<!-- a -->\n\t<max_size unit = \"KiB\"> 4 </max_size>\n"
               "</metadata_cache>"),
         "vda", "metadata_cache=8k",
         QCOW2("\n<metadata_cache >\n\t<!-- a -->\n\t<max_size unit = \"bytes\"> 8192 </max_size>\n"
               "</metadata_cache>")},
        {QCOW2("<metadata_cache><max_size>4096</max_size></metadata_cache><iothreads/>"), "vda",
         "metadata_cache=1",
         QCOW2("<metadata_cache><max_size>1</max_size></metadata_cache>"
               "<iothreads/>")},
        {QCOW2("<metadata_cache/>"), "vda", "metadata_cache=4096", QCOW2(CACHE("4096"))},
        {QCOW2("<metadata_cache><max_size unit='pages'>9</max_size></metadata_cache>"), "vda",
         "metadata_cache=4096", QCOW2(CACHE("4096"))},
        /* None, wherever it stood. */
        {QCOW2("\n        " CACHE("4096") "\n"), "vda", "metadata_cache=", QCOW2("\n")},
        {QCOW2(CACHE("4096")), "vda", "metadata_cache= io=threads",
         DOMAIN("", DISK("      <driver type='qcow2' io='threads'>      </driver>\n"))},
        {QCOW2("<metadata_cache/>"), "vda", "metadata_cache=", QCOW2("")},
        {QCOW2("\n\n  <!-- a --> <?pi ?>\n\n  " CACHE("1") "<!-- b -->\n  <iothreads/>\n"), "vda",
         "metadata_cache=", QCOW2("\n\n  <!-- a --> <?pi ?>\n<!-- b -->\n  <iothreads/>\n")},
        {QCOW2("<!-- a --><iothreads/><!-- <b> -->  " CACHE("1") "<!-- c --><d/>"), "vda",
         "metadata_cache=", QCOW2("<!-- a --><iothreads/><!-- <b> --><!-- c --><d/>")},
        /* So already. */
        {QCOW2(CACHE("4096")), "vda", "metadata_cache=4k"},
        {QCOW2("<metadata_cache><max_size unit='MiB'>1</max_size></metadata_cache>"), "vda",
         "metadata_cache=1M"},
        {ONE(""), "vda", "metadata_cache="},
        {DOMAIN("", DISK("")), "vda", "metadata_cache="},
    };
    check_rows(rows);
}

/* --- Iothreads -------------------------------------------------------------------------------- */

#define THREADS(count) "  <iothreads>" count "</iothreads>\n"
#define IDS(a, b) "  <iothreadids>\n    <iothread id='" a "'/>\n    <iothread id=\"" b "\"/>\n"

static void test_iothreads(void **state)
{
    (void)state;
#define WITH(top, attributes) DOMAIN(top, DISK(DRIVER(attributes)))
#define USERS(a, b)                                                                                \
    "<disk><driver iothread='" a "'/></disk><controller><driver iothread='" b "'/></controller>"
    static const struct row rows[] = {
        {WITH(THREADS("2"), ""), "vda", "iothread=2", WITH(THREADS("2"), " iothread='2'")},
        {WITH(THREADS("2"), ""), "vda", "iothread=new", WITH(THREADS("2"), " iothread='1'")},
        {WITH(THREADS("2"), " iothread='2'"), "vda", "iothread=new"},
        {WITH(THREADS("2"), " iothread='2'"), "vda", "iothread=", WITH(THREADS("2"), "")},
        {WITH("", ""), "vda", "iothread=new", WITH(THREADS("1"), " iothread='1'")},
        {WITH(THREADS("0"), ""), "vda", "iothread=new", WITH(THREADS("1"), " iothread='1'")},
        {WITH("  <iothreads>\n 0 </iothreads>\n", ""), "vda", "iothread=new",
         WITH("  <iothreads>\n 1 </iothreads>\n", " iothread='1'")},
        {WITH("  <memory>1</memory>\n  <vcpu>4</vcpu>\n  <os/>\n", ""), "vda", "iothread=new",
         WITH("  <memory>1</memory>\n  <vcpu>4</vcpu>\n" THREADS("1") "  <os/>\n",
              " iothread='1'")},
        {WITH("  <vcpu>4</vcpu>\n  <vcpus><vcpu id='0'/></vcpus>\n", ""), "vda", "iothread=new",
         WITH("  <vcpu>4</vcpu>\n  <vcpus><vcpu id='0'/></vcpus>\n" THREADS("1"), " iothread='1'")},
        /* Used by others: the next one, or one that is free. */
        {DOMAIN(THREADS("2"), USERS("1", "2") DISK("")), "vda", "iothread=new",
         DOMAIN(THREADS("3"), USERS("1", "2") DISK(DRIVER(" name='qemu' iothread='3'")))},
        {DOMAIN(THREADS("2"), USERS("1", "1") DISK(DRIVER(" iothread='1'"))), "vda", "iothread=new",
         DOMAIN(THREADS("2"), USERS("1", "1") DISK(DRIVER(" iothread='2'")))},
        /* Named ones, in any order; the nameless have the lowest free ids. */
        {DOMAIN(THREADS("2") IDS("3", "1") "  </iothreadids>\n", USERS("3", "1") DISK(DRIVER(""))),
         "vda", "iothread=new",
         DOMAIN(THREADS("3") IDS("3", "1") "    <iothread id=\"2\"/>\n  </iothreadids>\n",
                USERS("3", "1") DISK(DRIVER(" iothread='2'")))},
        {DOMAIN(THREADS("3") IDS("5", "1") "  </iothreadids>\n", USERS("5", "2") DISK(DRIVER(""))),
         "vda", "iothread=new",
         DOMAIN(THREADS("3") IDS("5", "1") "  </iothreadids>\n",
                USERS("5", "2") DISK(DRIVER(" iothread='1'")))},
        {DOMAIN(IDS("1", "2") "  </iothreadids>\n", USERS("1", "2") DISK(DRIVER(""))), "vda",
         "iothread=new",
         DOMAIN(IDS("1", "2") "    <iothread id=\"3\"/>\n  </iothreadids>\n",
                USERS("1", "2") DISK(DRIVER(" iothread='3'")))},
        {DOMAIN(THREADS("1") "  <iothreadids/>\n", USERS("1", "1") DISK(DRIVER(""))), "vda",
         "iothread=new",
         DOMAIN(THREADS("2") "  <iothreadids/>\n", USERS("1", "1") DISK(DRIVER(" iothread='2'")))},
        /* Dealt out among queues is used as well. */
        {DOMAIN(THREADS("2"), "<disk><driver><iothreads><iothread id='1'/></iothreads></driver>"
                              "</disk>" DISK(DRIVER(""))),
         "vda", "iothread=new",
         DOMAIN(THREADS("2"), "<disk><driver><iothreads><iothread id='1'/></iothreads></driver>"
                              "</disk>" DISK(DRIVER(" iothread='2'")))},
    };
    check_rows(rows);
}

/* --- SCSI ------------------------------------------------------------------------------------- */

static void test_scsi(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {DOMAIN(THREADS("1"), CONTROLLER "/>\n" SCSI_DISK("sda", "0")), "sda",
         "iothread=1 queues=4",
         DOMAIN(THREADS("1"), CONTROLLER ">\n      <driver iothread='1' queues='4'/>\n"
                                         "    </controller>\n" SCSI_DISK("sda", "0"))},
        {DOMAIN("", CONTROLLER " />\n" OTHER_CONTROLLER SCSI_DISK("sda", "0")), "sda", "queues=4",
         DOMAIN("", CONTROLLER
                " >\n      <driver queues='4'/>\n    </controller>\n" OTHER_CONTROLLER SCSI_DISK(
                    "sda", "0"))},
        {DOMAIN("", CONTROLLER ">\n      <address/>\n    </controller>\n" SCSI_DISK("sda", "0")),
         "sda", "iothread=new",
         DOMAIN(THREADS("1"), CONTROLLER ">\n      <driver iothread='1'/>\n      <address/>\n"
                                         "    </controller>\n" SCSI_DISK("sda", "0"))},
        {DOMAIN("", CONTROLLER ">\n    </controller>\n" SCSI_DISK("sda", "0")), "sda", "queues=4",
         DOMAIN("", CONTROLLER
                ">\n      <driver queues='4'/>\n    </controller>\n" SCSI_DISK("sda", "0"))},
        {DOMAIN("", CONTROLLER "></controller>\n" SCSI_DISK("sda", "0")), "sda", "queues=4",
         DOMAIN("", CONTROLLER
                ">\n      <driver queues='4'/>\n    </controller>\n" SCSI_DISK("sda", "0"))},
        /* The rest is the disk's own. */
        {DOMAIN("", CONTROLLER "/>\n" SCSI_DISK("sda", "0") SCSI_DISK("sdb", "0")), "sda",
         "discard=unmap",
         DOMAIN(
             "", CONTROLLER
             "/>\n"
             "    <disk>\n      <driver name='qemu' discard='unmap'/>\n"
             "      <target dev='sda' bus='scsi'/>\n"
             "      <address type='drive' controller='0'/>\n    </disk>\n" SCSI_DISK("sdb", "0"))},
        {DOMAIN("", CONTROLLER "><driver queues='2'/></controller>" SCSI_DISK("sda", "0")
                        SCSI_DISK("sdb", "0")),
         "sda", "queues=4",
         DOMAIN("", CONTROLLER "><driver queues='4'/></controller>" SCSI_DISK("sda", "0")
                        SCSI_DISK("sdb", "0")),
         EDIT_SHARED_CONTROLLER},
        /* Nothing is changed that others have. */
        {DOMAIN("", CONTROLLER "><driver queues='4'/></controller>" SCSI_DISK("sda", "0")
                        SCSI_DISK("sdb", "0")),
         "sda", "queues=4 iothread="},
        /* No bus: it goes by the target's name. */
        {DOMAIN("", CONTROLLER "><driver/></controller><disk><target dev='sda'/></disk>"), "sda",
         "queues=4",
         DOMAIN("",
                CONTROLLER "><driver queues='4'/></controller><disk><target dev='sda'/></disk>")},
    };
    check_rows(rows);
}

/* --- Refusals --------------------------------------------------------------------------------- */

static void assert_refused(const struct row *row)
{
    cleanup_error struct error *err = NULL;
    struct disk_setting settings[SETTINGS_MAX];
    GPtrArray *edits = NULL;
    cleanup_free char *words = xstrdup(row->set);
    size_t count = settings_from(words, settings);
    char *after = edit_disk(row->before, row->target, settings, count, row->flags, &edits, &err);
    if (after || !strstr(err->message, row->after))
        fail_msg("%s, with %s, not \"%s\":\n%s", row->before, row->set, row->after,
                 after ? after : err->message);
    assert_null(edits);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {ONE(""), "vdb", "io=native", "has no disk 'vdb'"},
        {DOMAIN("", DISK("") DISK("")), "vda", "io=threads", "several disks 'vda'"},
        {DOMAIN("", DISK(DRIVER("") DRIVER(""))), "vda", "io=threads", "several <driver>"},
        {DOMAIN("  <iothreads>1</iothreads><iothreads>2</iothreads>", DISK("")), "vda",
         "io=threads", "several <iothreads>"},
        {DOMAIN("<devices/>", DISK("")), "vda", "io=threads", "several <devices>"},
        {ONE(""), "vda", "io=threads io=threads", "io is set twice"},
        {ONE(""), "vda", "io=native", "io=native needs cache=none"},
        {ONE(" cache='none' io='native'"), "vda", "cache=writeback",
         "the cache would be writeback"},
        {ONE(" cache='none' io='native'"), "vda", "cache=", "the cache would be the default"},
        {ONE(""), "vda", "iothread=1", "has no iothread 1"},
        {DOMAIN(THREADS("2"), DISK("")), "vda", "iothread=3", "has no iothread 3"},
        {DOMAIN(THREADS("2") IDS("3", "5") "</iothreadids>", DISK("")), "vda", "iothread=1",
         "has no iothread 1"},
        {DOMAIN(THREADS("many"), DISK("")), "vda", "iothread=1", "<iothreads>: 'many'"},
        {DOMAIN(THREADS("<!-- --> 0"), DISK("")), "vda", "iothread=new", "more in it than"},
        {DOMAIN(IDS("0", "5") "</iothreadids>", DISK("")), "vda", "iothread=1", "<iothreadids>: 0"},
        {DOMAIN(IDS("5", "5") "</iothreadids>", DISK("")), "vda", "iothread=1", "is there twice"},
        {ONE(" ioeventfd='off'"), "vda", "iothread=new", "needs ioeventfd"},
        {DOMAIN("", DISK("<driver><iothreads><iothread id='1'/></iothreads></driver>")), "vda",
         "iothread=new", "deals its queues out"},
        {DOMAIN("", "<disk><target dev='a' bus='sata'/></disk>"), "a", "iothread=new", "'sata'"},
        {DOMAIN("", "<disk><target dev='a' bus='ide'/></disk>"), "a", "queues=2", "'ide'"},
        {DOMAIN("", "<disk><target dev='hda'/></disk>"), "hda", "iothread=new", "'ide'"},
        {DOMAIN("", "<disk device='floppy'><target dev='x'/></disk>"), "x", "queues=2", "'fdc'"},
        {DOMAIN("", "<disk type='vhostuser'><target dev='vda'/></disk>"), "vda", "io=threads",
         "vhostuser disk has no io"},
        {DOMAIN("", SCSI_DISK("sda", "0")), "sda", "queues=2", "no SCSI controller 0"},
        {DOMAIN("", CONTROLLER "/>" SCSI_DISK("sda", "1")), "sda", "queues=2", "controller 1"},
        {DOMAIN("", CONTROLLER "/>" CONTROLLER "/>" SCSI_DISK("sda", "0")), "sda", "queues=2",
         "more than one SCSI controller 0"},
        {DOMAIN("", "<controller type='scsi'/>" SCSI_DISK("sda", "0")), "sda", "queues=2",
         "model is not said"},
        {DOMAIN("", "<controller type='scsi' model='lsilogic'/>" SCSI_DISK("sda", "0")), "sda",
         "queues=2", "model is lsilogic"},
        {DOMAIN("", CONTROLLER "/>" SCSI_DISK("sda", "0")
                        SCSI_DISK("sdb", "0") "<hostdev type='scsi'/>"),
         "sda", "queues=2", "others too: sdb, hostdev"},
        {ONE(""), "vda", "metadata_cache=1M", "the disk is raw"},
        {ONE(" type='qed'"), "vda", "metadata_cache=1M", "the disk is qed"},
        {DOMAIN("", DISK("")), "vda", "metadata_cache=1M", "the disk is raw"},
        {QCOW2("<metadata_cache><max_size>1<!-- --></max_size></metadata_cache>"), "vda",
         "metadata_cache=1M", "more in it than a number"},
        {"<domain type='xen'><name>a</name></domain>", "vda", "io=threads", "type is 'xen'"},
        {"<network/>", "vda", "io=threads", "no domain"},
        {"<domain xmlns='urn:x'/>", "vda", "io=threads", "no domain"},
        {"<domain>", "vda", "io=threads", "no XML"},
        {"", "vda", "io=threads", "the XML is empty"},
        {"<!DOCTYPE a []><domain/>", "vda", "io=threads", "document type"},
        {"<?xml version='1.0' encoding='ISO-8859-1'?><domain/>", "vda", "io=threads",
         "is in ISO-8859-1"},
        {"<domain><devices><disk><target dev='vda'/></disk></devices></domain>", "vda",
         "iothread=new", "has no name"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_refused(&rows[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attributes), cmocka_unit_test(test_what_is_not_meant),
        cmocka_unit_test(test_no_driver),  cmocka_unit_test(test_metadata_cache),
        cmocka_unit_test(test_iothreads),  cmocka_unit_test(test_scsi),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests_name("edit", tests, NULL, NULL);
}
