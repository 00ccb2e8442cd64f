/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-change-make.c - what a record says of a change is never less than what libvirt may have
 * done, wherever it broke off. libvirt is played by this file.
 */
#undef NDEBUG
#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "apply/change.h"
#include "base/memory.h"
#include "domain/edit.h"
#include "scratch.h"

#define BEFORE                                                                                     \
    "<domain type='kvm'><name>web</name><devices><disk type='file' device='disk'>"                 \
    "<driver name='qemu' type='qcow2' cache='none'/><source file='/srv/a.qcow2'/>"                 \
    "<target dev='vda' bus='virtio'/></disk></devices></domain>"

/* --- libvirt's part --------------------------------------------------------------------------- */

static struct {
    char *defined;
    bool refuses, dies; /* dies: it has done what it is asked for, and answers no more */
    bool is_dead;
    char *fills; /* what cannot be written any more once it has defined something; NULL */
} daemon_;

const char *virDomainGetName(virDomainPtr domain)
{
    (void)domain;
    return "web";
}

virConnectPtr virDomainGetConnect(virDomainPtr domain)
{
    (void)domain;
    return NULL;
}

char *virDomainGetXMLDesc(virDomainPtr domain, unsigned flags)
{
    (void)domain, (void)flags;
    return daemon_.is_dead ? NULL : xstrdup(daemon_.defined);
}

virDomainPtr virDomainDefineXMLFlags(virConnectPtr conn, const char *xml, unsigned flags)
{
    (void)conn, (void)flags;
    if (daemon_.refuses || daemon_.is_dead)
        return NULL;
    free(daemon_.defined);
    daemon_.defined = xstrdup(xml);
    daemon_.is_dead = daemon_.dies;
    if (daemon_.fills)
        assert_int_equal(file_remove_tree(daemon_.fills, NULL), 0);
    return daemon_.dies ? NULL : (virDomainPtr)&daemon_;
}

int virDomainFree(virDomainPtr domain)
{
    (void)domain;
    return 0;
}

/* --- Making it -------------------------------------------------------------------------------- */

static const struct {
    const char *what;
    bool refuses, dies, full;
    int result;
    bool changed;
    enum record_state state;
    guint notes;
} rows[] = {
    {"made", false, false, false, 0, true, RECORD_MADE, 0},
    {"refused", true, false, false, -1, false, RECORD_UNDONE, 0},
    {"gone before its answer", false, true, false, -1, true, RECORD_MEANT, 0},
    {"the record cannot be written again", false, false, true, 0, true, RECORD_MEANT, 1},
};

static char *edited(GPtrArray **ret_edits)
{
    const struct disk_setting setting = {"io", "native"};
    char *after = edit_disk(BEFORE, "vda", &setting, 1, 0, ret_edits, NULL);
    assert_non_null(after);
    return after;
}

static void end_scene(void)
{
    free(daemon_.defined);
    free(daemon_.fills);
    memset(&daemon_, 0, sizeof(daemon_));
}

static void take_scene(size_t i, const char *directory)
{
    end_scene();
    daemon_.defined = xstrdup(BEFORE);
    daemon_.refuses = rows[i].refuses;
    daemon_.dies = rows[i].dies;
    daemon_.fills = rows[i].full ? xstrdup(directory) : NULL;
}

static void test_make(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        g_autoptr(GPtrArray) edits = NULL;
        g_autoptr(GPtrArray) notes = g_ptr_array_new_with_free_func(free);
        cleanup_free char *after = edited(&edits);
        cleanup_free char *name = xasprintf("make-%zu", i);
        cleanup_free char *directory = scratch_path(name);
        cleanup_close int lock = change_records_lock(directory, NULL);
        cleanup_change_record struct change_record *r =
            change_record_new(directory, "", "web", "u", "vda", BEFORE, edits, NULL);
        take_scene(i, directory);
        int result = change_make(NULL, r, after, notes, NULL);
        if (result != rows[i].result || r->state != rows[i].state || notes->len != rows[i].notes)
            fail_msg("%s: %d, %s, %u notes", rows[i].what, result,
                     change_record_state_name(r->state), notes->len);
        assert_string_equal(daemon_.defined, rows[i].changed ? after : BEFORE);
    }
    end_scene();
}

/* That it is taken back counts, and not that this can be written down. */
static void test_take_back(void **state)
{
    (void)state;
    g_autoptr(GPtrArray) edits = NULL;
    g_autoptr(GPtrArray) notes = g_ptr_array_new_with_free_func(free);
    cleanup_free char *after = edited(&edits);
    cleanup_free char *directory = scratch_path("back");
    cleanup_close int lock = change_records_lock(directory, NULL);
    cleanup_change_record struct change_record *r =
        change_record_new(directory, "", "web", "u", "vda", BEFORE, edits, NULL);
    take_scene(0, directory);
    assert_int_equal(change_make(NULL, r, after, notes, NULL), 0);
    daemon_.fills = xstrdup(directory);
    assert_int_equal(change_take_back(NULL, r, after, BEFORE, notes, NULL), 0);
    assert_int_equal(r->state, RECORD_MADE);
    assert_int_equal(notes->len, 1);
    assert_string_equal(daemon_.defined, BEFORE);
    end_scene();
}

int main(void)
{
    /* Before that libvirt's last error is somebody else's memory. */
    assert(virInitialize() == 0);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_make),
                                       cmocka_unit_test(test_take_back)};
    return cmocka_run_group_tests_name("change-make", tests, scratch_set_up, scratch_tear_down);
}
