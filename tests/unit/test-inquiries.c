/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-inquiries.c - what is asked of many domains, in which order, and what is no answer.
 */
#undef NDEBUG
#include <assert.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/interrupt.h"
#include "check/capture.h"
#include "check/inquiry.h"
#include "scratch.h"

#define XML                                                                                        \
    "<domain type='test'><name>gone</name><memory>1</memory><os><type>hvm</type></os></domain>"
#define NOWHERE "/nowhere/a.xml"

/* What was answered. */
struct seen {
    unsigned answers, findings;
    bool interrupts; /* the first answer is followed by a signal */
};

static void see(void *data, const struct answer *a)
{
    struct seen *s = data;
    s->answers++;
    s->findings += a->findings[0]->len;
    if (!s->interrupts)
        return;
    g_usleep(G_USEC_PER_SEC / 5); /* the next one is there by now */
    raise(SIGINT);
}

static GPtrArray *no_inquiries(void)
{
    return g_ptr_array_new_with_free_func((GDestroyNotify)inquiry_free);
}

/* A domain that libvirt has no more; the connection is the caller's. */
static virDomainPtr gone_domain(const struct connection *c)
{
    virDomainPtr d = virDomainDefineXML(c->handle, XML);
    assert_non_null(d);
    assert_int_equal(virDomainUndefine(d), 0);
    return d;
}

/* Between the list and the look at it a domain can go, which is no news; to who named it, it is. */
static void test_a_domain_that_is_gone(void **state)
{
    (void)state;
    cleanup_connection struct connection *c = connection_open("test:///default", NULL);
    assert_non_null(c);
    const struct inquirer who = {.connection = c};
    for (int listed = 0; listed <= 1; listed++) {
        struct seen seen = {0};
        g_autoptr(GPtrArray) inquiries = no_inquiries();
        struct inquiry *i = inquiry_of_domain(gone_domain(c));
        i->listed = listed;
        g_ptr_array_add(inquiries, i);
        assert_int_equal(inquiries_run(&who, inquiries, see, &seen, NULL), 0);
        assert_int_equal(seen.answers, listed ? 0 : 1);
        assert_int_equal(seen.findings, listed ? 0 : 1);
    }
}

static void test_skipped(void **state)
{
    (void)state;
    g_autoptr(GPtrArray) skip = g_ptr_array_new(), inquiries = no_inquiries();
    g_ptr_array_add(inquiries, inquiry_of_file(NOWHERE));
    for (unsigned skipped = 0; skipped <= 1; skipped++) {
        struct seen seen = {0};
        const struct inquirer who = {.skip = skip};
        assert_int_equal(inquiries_run(&who, inquiries, see, &seen, NULL), 0);
        assert_int_equal(seen.answers, 1);
        assert_int_equal(seen.findings, 1 - skipped);
        g_ptr_array_add(skip, (gpointer)rule_find("unreadable"));
    }
}

static void put(const char *name, const char *text)
{
    cleanup_free char *path = scratch_path(name);
    assert_int_equal(file_write_atomic(path, text, NULL), 0);
}

static void test_numbers_of_a_capture(void **state)
{
    (void)state;
    static const char *const names[] = {"0002", "9999", "10000"};
    cleanup_free char *directory = scratch_path("virt-disktune/domains");
    assert_int_equal(g_mkdir_with_parents(directory, 0700), 0);
    put("virt-disktune/capture.json", "{}");
    put("virt-disktune/domains/0002.live.xml", "");
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        cleanup_free char *name = xasprintf("virt-disktune/domains/%s.xml", names[i]);
        put(name, "");
    }
    cleanup_root struct root *r = root_open(scratch, NULL);
    g_autoptr(GPtrArray) found = no_inquiries();
    assert_int_equal(capture_find(r, scratch, found, NULL), 0);
    assert_int_equal(found->len, ARRAY_SIZE(names));
    for (guint i = 0; i < found->len; i++) {
        cleanup_free char *path = xasprintf(CAPTURE_DOMAINS "/%s.xml", names[i]);
        assert_string_equal(((struct inquiry *)found->pdata[i])->file, path);
    }
}

/* Also where all is answered: what was being read when the signal came was not read to its end.
 * The last test: from here on everything is interrupted. */
static void test_interrupted(void **state)
{
    (void)state;
    cleanup_error struct error *err = NULL;
    struct seen seen = {.interrupts = true};
    const struct inquirer who = {0};
    g_autoptr(GPtrArray) inquiries = no_inquiries();
    g_ptr_array_add(inquiries, inquiry_of_file(NOWHERE));
    g_ptr_array_add(inquiries, inquiry_of_file(NOWHERE));
    assert_int_equal(inquiries_run(&who, inquiries, see, &seen, &err), -1);
    assert_int_equal(seen.answers, 1);
    assert_string_equal(err->message, "interrupted by SIGINT");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_domain_that_is_gone),
        cmocka_unit_test(test_skipped),
        cmocka_unit_test(test_numbers_of_a_capture),
        cmocka_unit_test(test_interrupted),
    };
    if (interrupt_install(NULL) < 0)
        return 1;
    return cmocka_run_group_tests_name("inquiries", tests, scratch_set_up, scratch_tear_down);
}
