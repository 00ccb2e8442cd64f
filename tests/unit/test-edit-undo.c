/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-edit-undo.c - edits are taken back in documents that others have changed since, and kept in
 * files that anything could be in.
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

#define DOMAIN(top, devices)                                                                       \
    "<domain type='kvm'><name>web</name>" top "<devices>" devices "</devices></domain>"
#define DISK(driver) "<disk>" driver "<target dev='vda' bus='virtio'/></disk>"
#define SCSI(controller) controller "<disk><target dev='sda' bus='scsi'/></disk>"
#define CONTROLLER "<controller type='scsi' model='virtio-scsi'"

/* The edits that make "after" of "before", which are compared if "after" is given. */
static GPtrArray *edits_of(const char *before, const char *target, const char *set,
                           char **ret_after)
{
    struct error *err = NULL;
    struct disk_setting settings[SETTINGS_MAX];
    cleanup_free char *words = xstrdup(set);
    size_t count = settings_from(words, settings);
    g_autoptr(GPtrArray) edits = NULL;
    *ret_after = edit_disk(before, target, settings, count, 0, &edits, &err);
    if (!*ret_after)
        fail_msg("%s", err->message);
    return through_json(edits);
}

/* The text with one part of it, which has to be there, replaced. */
static char *replace(const char *text, const char *part, const char *with)
{
    const char *at = strstr(text, part);
    assert_non_null(at);
    return xasprintf("%.*s%s%s", (int)(at - text), text, with, at + strlen(part));
}

static enum edits_state state_of(const char *xml, const GPtrArray *edits)
{
    enum edits_state state;
    assert_int_equal(edits_state(xml, edits, &state, NULL), 0);
    return state;
}

/* --- Changed since ---------------------------------------------------------------------------- */

/* A document, what is set, what somebody makes of what came out, and what taking back makes of
 * that; and what it says. */
struct row {
    const char *before, *target, *set, *part, *with, *back, *left;
    enum edits_state state;
};

static void check_row(const struct row *row)
{
    struct error *err = NULL;
    cleanup_free char *after = NULL;
    g_autoptr(GPtrArray) left = NULL, edits = edits_of(row->before, row->target, row->set, &after);
    cleanup_free char *changed = replace(after, row->part, row->with);
    cleanup_free char *back = edit_undo(changed, edits, &left, &err);
    if (!back)
        fail_msg("%s", err->message);
    if (strcmp(back, row->back) != 0)
        fail_msg("%s\nbecame:\n%s\ninstead of:\n%s", changed, back, row->back);
    g_ptr_array_add(left, NULL);
    g_autofree char *sentences = g_strjoinv("; ", (char **)left->pdata);
    assert_string_equal(sentences, row->left);
    if (state_of(changed, edits) != row->state)
        fail_msg("the state of %s is %d", changed, state_of(changed, edits));
}

#define THREADS(count) "<iothreads>" count "</iothreads>"
#define IDS(ids) "<iothreadids>" ids "</iothreadids>"
#define IOTHREAD(id) "<iothread id='" id "'/>"
#define USER(id) "<disk><driver iothread='" id "'/></disk>"

static void test_attributes(void **state)
{
    (void)state;
    static const struct row rows[] = {
        /* Others' changes stay. */
        {DOMAIN("", DISK("<driver cache='none'/>")), "vda", "io=native discard=unmap",
         "io='native'", "io='threads'", DOMAIN("", DISK("<driver cache='none' io='threads'/>")),
         "disk:vda/driver: io is 'threads' now", EDITS_MIXED},
        {DOMAIN("", DISK("<driver cache='none'/>")), "vda", "cache=directsync discard=unmap",
         " cache='directsync'", "", DOMAIN("", DISK("<driver/>")),
         "disk:vda/driver: cache is absent now", EDITS_MIXED},
        /* What is as before is no trouble. */
        {DOMAIN("", DISK("<driver cache='none'/>")), "vda", "io=native discard=unmap",
         " io='native'", "", DOMAIN("", DISK("<driver cache='none'/>")), "", EDITS_MIXED},
        /* In another order and other quotes, as libvirt writes it. */
        {DOMAIN("", DISK("<driver cache=\"none\" io='threads' name='qemu'/>")), "vda",
         "io= cache=directsync", "cache=\"directsync\" name='qemu'",
         "name='qemu' cache='directsync'",
         DOMAIN("", DISK("<driver name='qemu' cache='none' io='threads'/>")), "", EDITS_PRESENT},
        {DOMAIN("", DISK("<driver cache=\"it's\" io='threads'/>")), "vda", "cache=none",
         "cache=\"none\"", "cache='none'",
         DOMAIN("", DISK("<driver cache='it&apos;s' io='threads'/>")), "", EDITS_PRESENT},
        /* libvirt leaves "default" out. */
        {DOMAIN("", DISK("<driver cache='none'/>")), "vda", "cache=default", " cache='default'", "",
         DOMAIN("", DISK("<driver cache='none'/>")), "", EDITS_PRESENT},
        /* Its anchor is gone. */
        {DOMAIN("", DISK("<driver name='qemu' io='threads' cache='none'/>")), "vda",
         "io=", " name='qemu'", "", DOMAIN("", DISK("<driver cache='none' io='threads'/>")), "",
         EDITS_PRESENT},
        /* The rest of the document is somebody else's anyway. */
        {DOMAIN("", DISK("<driver/>")), "vda", "io=threads", "<name>web</name>",
         "<name>www</name><!-- new -->",
         "<domain type='kvm'><name>www</name><!-- new --><devices>" DISK(
             "<driver/>") "</devices></domain>",
         "", EDITS_PRESENT},
        {DOMAIN("", DISK("<driver io='threads'/>")), "vda", "io=", "dev='vda'", "dev='vdb'",
         DOMAIN("", "<disk><driver/><target dev='vdb' bus='virtio'/></disk>"),
         "disk:vda/driver: it is not there any more", EDITS_MIXED},
        {DOMAIN("", DISK("<driver io='threads'/>")), "vda", "io=", "<driver/>", "",
         DOMAIN("", DISK("")), "disk:vda/driver: it is not there any more", EDITS_PRESENT},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        check_row(&rows[i]);
}

static void test_elements(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {DOMAIN("", DISK("")), "vda", "io=threads", "<driver ", "<driver type='raw' ",
         DOMAIN("", DISK("<driver type='raw' name='qemu'/>")),
         "disk:vda/driver: it has more in it now", EDITS_PRESENT},
        {DOMAIN("", DISK("")), "vda", "io=threads", "<driver name='qemu' io='threads'/>", "",
         DOMAIN("", DISK("")), "", EDITS_ABSENT},
        {DOMAIN("", DISK("")), "vda", "io=threads", "<driver", "\n  <driver", DOMAIN("", DISK("")),
         "", EDITS_PRESENT},
        {DOMAIN("", SCSI(CONTROLLER "/>")), "sda", "queues=2", "</controller>",
         "<address/></controller>", DOMAIN("", SCSI(CONTROLLER "><address/></controller>")), "",
         EDITS_PRESENT},
        {DOMAIN("", SCSI("\n  " CONTROLLER "/>")), "sda", "queues=2", "\n  </controller>",
         "\n    <address/>\n  </controller>",
         DOMAIN("", SCSI("\n  " CONTROLLER ">\n    <address/>\n  </controller>")), "",
         EDITS_PRESENT},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        check_row(&rows[i]);
}

#define QCOW2(content) DOMAIN("", DISK("<driver type='qcow2'>" content "</driver>"))
#define CACHE(size) "<metadata_cache><max_size unit='bytes'>" size "</max_size></metadata_cache>"
#define CACHE_AT "disk:vda/driver/metadata_cache: "

static void test_metadata_cache(void **state)
{
    (void)state;
    static const char *const bare = DOMAIN("", DISK("<driver type='qcow2'/>"));
    static const char *const large = QCOW2(CACHE("8"));
    static const struct row rows[] = {
        /* Inserted. */
        {bare, "vda", "metadata_cache=8", ">8<", ">9<", QCOW2(CACHE("9")),
         CACHE_AT "it is another one now", EDITS_MIXED},
        {bare, "vda", "metadata_cache=8", CACHE("8"), "", bare, "", EDITS_ABSENT},
        {bare, "vda", "metadata_cache=8", CACHE("8"), "\n" CACHE("8") "<iothreads/>",
         QCOW2("<iothreads/>"), "", EDITS_PRESENT},
        {bare, "vda", "metadata_cache=8", "<driver type='qcow2'>" CACHE("8") "</driver>", "",
         DOMAIN("", DISK("")), "", EDITS_ABSENT},
        /* Changed. */
        {QCOW2(CACHE("4")), "vda", "metadata_cache=8", ">8<", ">9<", QCOW2(CACHE("9")),
         CACHE_AT "it is another one now", EDITS_MIXED},
        {QCOW2(CACHE("4")), "vda", "metadata_cache=8", CACHE("8"), "", QCOW2(""),
         CACHE_AT "it is not there any more", EDITS_MIXED},
        {QCOW2(CACHE("4")), "vda", "metadata_cache=8", ">8<", ">4<", QCOW2(CACHE("4")), "",
         EDITS_ABSENT},
        {QCOW2("<metadata_cache><max_size unit='KiB'>4</max_size></metadata_cache>"), "vda",
         "metadata_cache=8k", "<metadata_cache>", "<metadata_cache>\n ",
         QCOW2("<metadata_cache><max_size unit='KiB'>4</max_size></metadata_cache>"), "",
         EDITS_PRESENT},
        /* Removed. libvirt closes what is empty. */
        {large, "vda", "metadata_cache=", "></driver>", "/>", large, "", EDITS_PRESENT},
        {large, "vda", "metadata_cache=", "></driver>", ">" CACHE("9") "</driver>",
         QCOW2(CACHE("9")), CACHE_AT "it is another one now", EDITS_MIXED},
        {large, "vda", "metadata_cache=", "<driver type='qcow2'></driver>", "",
         DOMAIN("", DISK("")), CACHE_AT "it is not there any more", EDITS_MIXED},
        {QCOW2("<!-- a --><iothreads/><!-- b -->" CACHE("8")), "vda", "metadata_cache=",
         "<!-- b -->", "", QCOW2("<!-- a --><iothreads/>" CACHE("8")), "", EDITS_PRESENT},
        {QCOW2("<iothreads/>" CACHE("8") "<a/>"), "vda", "metadata_cache=", "<iothreads/>", "",
         QCOW2(CACHE("8") "<a/>"), "", EDITS_PRESENT},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        check_row(&rows[i]);
}

static void test_iothreads(void **state)
{
    (void)state;
    static const struct row rows[] = {
        /* Somebody else uses it now. */
        {DOMAIN("", DISK("<driver/>")), "vda", "iothread=new", "<devices>", "<devices>" USER("1"),
         DOMAIN(THREADS("1"), USER("1") DISK("<driver/>")), "iothreads: the iothread is used now",
         EDITS_PRESENT},
        {DOMAIN(THREADS("1"), USER("1") DISK("<driver/>")), "vda", "iothread=new", USER("1"),
         USER("2"), DOMAIN(THREADS("2"), USER("2") DISK("<driver/>")),
         "iothreads: the iothread is used now", EDITS_PRESENT},
        {DOMAIN("", DISK("<driver/>")), "vda", "iothread=new", "<devices>",
         "<cputune><iothreadpin iothread='1' cpuset='2'/></cputune><devices>",
         DOMAIN(THREADS("1") "<cputune><iothreadpin iothread='1' cpuset='2'/></cputune>",
                DISK("<driver/>")),
         "iothreads: the iothread is in <cputune> now", EDITS_PRESENT},
        {DOMAIN("", DISK("<driver/>")), "vda", "iothread=new", "<devices>",
         "<cputune><iothreadsched iothreads='0-2,^1'/></cputune><devices>",
         DOMAIN("<cputune><iothreadsched iothreads='0-2,^1'/></cputune>", DISK("<driver/>")), "",
         EDITS_PRESENT},
        {DOMAIN("", DISK("<driver/>")), "vda", "iothread=new", "<devices>",
         "<cputune><iothreadsched iothreads='0-2'/></cputune><devices>",
         DOMAIN(THREADS("1") "<cputune><iothreadsched iothreads='0-2'/></cputune>",
                DISK("<driver/>")),
         "iothreads: the iothread is in <cputune> now", EDITS_PRESENT},
        /* There are more now. */
        {DOMAIN(THREADS("1"), USER("1") DISK("<driver/>")), "vda", "iothread=new", ">2<", ">3<",
         DOMAIN(THREADS("3"), USER("1") DISK("<driver/>")),
         "iothreads: the iothreads are others now", EDITS_MIXED},
        {DOMAIN("", DISK("<driver/>")), "vda", "iothread=new", ">1<", ">2<",
         DOMAIN(THREADS("2"), DISK("<driver/>")), "iothreads: the iothreads are others now",
         EDITS_MIXED},
        {DOMAIN(THREADS("1"), USER("1") DISK("<driver/>")), "vda", "iothread=new", "<devices>",
         IDS(IOTHREAD("7")) "<devices>",
         DOMAIN(THREADS("2") IDS(IOTHREAD("7")), USER("1") DISK("<driver/>")),
         "iothreads: the iothreads have ids now", EDITS_PRESENT},
        {DOMAIN(THREADS("1") IDS(IOTHREAD("1")), USER("1") DISK("<driver/>")), "vda",
         "iothread=new", ">2<", ">5<",
         DOMAIN(THREADS("5") IDS(IOTHREAD("1") IOTHREAD("2")), USER("1") DISK("<driver/>")),
         "iothreadids/iothread:2: the iothreads are others now", EDITS_MIXED},
        {DOMAIN(THREADS("1") IDS(IOTHREAD("1")), USER("1") DISK("<driver/>")), "vda",
         "iothread=new", IOTHREAD("2"), "<iothread id='2'><poll max='0'/></iothread>",
         DOMAIN(THREADS("2") IDS(IOTHREAD("1") "<iothread id='2'><poll max='0'/></iothread>"),
                USER("1") DISK("<driver/>")),
         "iothreadids/iothread:2: it has more in it now", EDITS_PRESENT},
        /* Gone is gone. */
        {DOMAIN("", DISK("<driver/>")), "vda", "iothread=new", THREADS("1"), "",
         DOMAIN("", DISK("<driver/>")), "", EDITS_MIXED},
        /* What it had is no more. */
        {DOMAIN(THREADS("2"), DISK("<driver iothread='2'/>")), "vda", "iothread=", ">2<", ">1<",
         DOMAIN(THREADS("1"), DISK("<driver/>")),
         "disk:vda/driver: the iothread that it had is no more", EDITS_PRESENT},
        {DOMAIN(THREADS("2"), DISK("<driver iothread='2'/>")), "vda", "iothread=", "<driver/>",
         "<driver><iothreads>" IOTHREAD("1") "</iothreads></driver>",
         DOMAIN(THREADS("2"), DISK("<driver><iothreads>" IOTHREAD("1") "</iothreads></driver>")),
         "disk:vda/driver: its queues are dealt out among iothreads now", EDITS_PRESENT},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        check_row(&rows[i]);
}

/* Two disks, one after the other: the state is that of the last edit of each thing. */
static void test_several(void **state)
{
    (void)state;
    const char *before = DOMAIN("", DISK("") "<disk><target dev='vdb' bus='virtio'/></disk>");
    cleanup_free char *one = NULL, *both = NULL;
    g_autoptr(GPtrArray) edits = edits_of(before, "vda", "iothread=new io=threads", &one);
    g_autoptr(GPtrArray) more = edits_of(one, "vdb", "iothread=new", &both), left = NULL;
    while (more->len)
        g_ptr_array_add(edits, g_ptr_array_steal_index(more, 0));
    assert_non_null(strstr(both, THREADS("2")));
    assert_int_equal(state_of(both, edits), EDITS_PRESENT);
    assert_int_equal(state_of(one, edits), EDITS_MIXED);
    assert_int_equal(state_of(before, edits), EDITS_ABSENT);
    cleanup_free char *back = edit_undo(both, edits, &left, NULL);
    assert_string_equal(back, before);
    assert_int_equal(left->len, 0);
}

/* --- From a file ------------------------------------------------------------------------------ */

#define EDIT(kind, where, rest) "[{\"kind\":\"" kind "\",\"where\":\"" where "\"" rest "}]"

static void test_what_are_no_edits(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{}",
        "[1]",
        "[{}]",
        EDIT("attribute", "disk:vda/driver", ""),
        EDIT("attribute", "disk:vda/driver", ",\"attribute\":\"io\""),
        EDIT("attribute", "disk:vda/driver", ",\"attribute\":\"name\",\"after\":\"a\""),
        EDIT("attribute", "disk:vda/driver", ",\"attribute\":\"io\",\"after\":1"),
        EDIT("attribute", "disk:/driver", ",\"attribute\":\"io\",\"after\":\"a\""),
        EDIT("attribute", "disk:vda", ",\"attribute\":\"io\",\"after\":\"a\""),
        EDIT("attribute", "iothreads", ",\"attribute\":\"io\",\"after\":\"a\""),
        EDIT("element", "disk:vda/driver", ",\"attribute\":\"io\",\"after\":\"a\""),
        EDIT("element", "disk:vda/driver", ",\"before\":\"<driver/>\""),
        EDIT("element", "controller:scsi:0", ",\"after\":\"<controller/>\""),
        EDIT("element", "iothreadsx", ",\"after\":\"<iothreads/>\""),
        EDIT("attribute", "disk:vda/driver", ",\"attribute\":\"metadata_cache\",\"after\":\"1\""),
        EDIT("element", "disk:vda/driver/metadata_cache", ",\"before\":\"<metadata_cache/>\""),
        EDIT("element", "disk:vda/driver/metadata_cache", ",\"after\":\"<iothreads/>\""),
        EDIT("text", "disk:vda/driver/metadata_cache", ",\"before\":\"1\",\"after\":\"2\""),
        EDIT("tag", "disk:vda/driver/metadata_cache", ",\"after\":\">\""),
        EDIT("tag", "disk:vda", ",\"after\":\">\""),
        EDIT("text", "iothreads", ",\"before\":\"1\",\"after\":\"2<\""),
        EDIT("text", "iothreads", ",\"after\":\"2\""),
        EDIT("text", "disk:vda/driver", ",\"before\":\"1\",\"after\":\"2\""),
        EDIT("tag", "iothreads", ",\"after\":\">\""),
        EDIT("other", "iothreads", ",\"after\":\">\""),
    };
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        cleanup_error struct error *err = NULL;
        cleanup_json json_t *json = json_loads(texts[i], 0, NULL);
        assert_non_null(json);
        if (edits_from_json(json, &err))
            fail_msg("these were taken for edits: %s", texts[i]);
        assert_non_null(strstr(err->message, "these are no edits"));
    }
}

/* What a file says was written is written only where it comes to what it says. */
static void test_what_lies(void **state)
{
    (void)state;
    static const struct {
        const char *edits, *words;
    } rows[] = {
        {EDIT("attribute", "disk:vda/driver",
              ",\"attribute\":\"io\",\"before\":\"native\",\"raw\":\" io='threads'\""),
         "differs in more"},
        {EDIT("attribute", "disk:vda/driver",
              ",\"attribute\":\"io\",\"before\":\"native\",\"raw\":\" io='native'><a/\""),
         "the edited XML"},
        {EDIT("attribute", "disk:vda/driver",
              ",\"attribute\":\"io\",\"before\":\"native\",\"raw\":\"\""),
         "differs in more"},
        {EDIT("attribute", "disk:vda/driver",
              ",\"attribute\":\"cache\",\"before\":\"a\",\"after\":\"none\",\"raw\":\"a<\""),
         "the edited XML"},
        {EDIT("element", "disk:vda/driver/metadata_cache",
              ",\"before\":\"<metadata_cache/>\",\"raw\":\"<iothreads/><metadata_cache>\""),
         "the edited XML"},
        {EDIT("element", "disk:vda/driver/metadata_cache",
              ",\"before\":\"<metadata_cache/>\",\"raw\":\"\""),
         "written otherwise"},
        {EDIT("element", "disk:vda/driver/metadata_cache",
              ",\"before\":\"<metadata_cache/><a/>\",\"raw\":\"<metadata_cache/><a/>\""),
         "no XML"},
    };
    const char *xml = DOMAIN("", DISK("<driver cache='none'></driver>"));
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        cleanup_error struct error *err = NULL;
        cleanup_json json_t *json = json_loads(rows[i].edits, 0, NULL);
        g_autoptr(GPtrArray) edits = edits_from_json(json, NULL);
        GPtrArray *left = NULL;
        assert_non_null(edits);
        assert_null(edit_undo(xml, edits, &left, &err));
        assert_null(left);
        assert_non_null(strstr(err->message, rows[i].words));
    }
}

static void test_no_domain(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "<domain>", "<network/>", "<domain type='xen'/>"};
    g_autoptr(GPtrArray) none = g_ptr_array_new();
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        cleanup_error struct error *err = NULL, *other = NULL;
        enum edits_state is = EDITS_MIXED;
        GPtrArray *left = NULL;
        assert_null(edit_undo(texts[i], none, &left, &err));
        assert_int_equal(edits_state(texts[i], none, &is, &other), -1);
        assert_true(err && other && !left);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attributes),     cmocka_unit_test(test_elements),
        cmocka_unit_test(test_metadata_cache), cmocka_unit_test(test_iothreads),
        cmocka_unit_test(test_several),        cmocka_unit_test(test_what_are_no_edits),
        cmocka_unit_test(test_what_lies),      cmocka_unit_test(test_no_domain),
    };
    return cmocka_run_group_tests_name("edit-undo", tests, NULL, NULL);
}
