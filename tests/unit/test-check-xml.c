/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-check-xml.c - rules on a domain's XML: what each finds and what it leaves alone, and whether
 * its remedy is one: accepted by libvirt's schema (with --schema), and nothing is found any more.
 */
#undef NDEBUG
#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <libvirt/libvirt.h>
#include <libxml/relaxng.h>

#include "base/memory.h"
#include "check_xml_asked.h"
#include "check_xml_finds.h"
#include "check_xml_silent.h"
#include "domain/xml.h"
#include "shown.h"

#define SCHEMA "/usr/share/libvirt/schemas/domain.rng"

/* --- Found, and not --------------------------------------------------------------------------- */

static void compare_finding(const struct row *row, const struct finding *f)
{
    if (row->severity && strcmp(severity_names[f->severity], row->severity) != 0)
        fail_msg("%s is a %s: %s", row->rule, severity_names[f->severity], row->xml);
    if (row->fix && strcmp(f->fix ? f->fix : "", row->fix) != 0)
        fail_msg("%s: the remedy is\n%s\ninstead of\n%s", row->rule, f->fix, row->fix);
    assert_true(f->severity <= f->rule->severity);
    assert_true(strlen(f->summary) > 10 && !strchr(f->summary, '\n'));
    bool has_none = row->fix && !*row->fix;
    assert_true((f->kind == FIX_NONE) == has_none && !f->fix == has_none);
}

static void test_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(finds); i++) {
        cleanup_check_domain struct check_domain *d = domain_of(finds[i].xml, &finds[i]);
        g_autoptr(GPtrArray) all = ask_all(d, &finds[i]);
        const struct finding *f = finding_of(all, finds[i].rule);
        if (!f)
            fail_msg("%s does not find: %s", finds[i].rule, finds[i].xml);
        compare_finding(&finds[i], f);
        show_found(finds[i].xml, f);
    }
}

static void test_not_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(silent); i++) {
        cleanup_check_domain struct check_domain *d = domain_of(silent[i].xml, &silent[i]);
        g_autoptr(GPtrArray) all = ask_all(d, &silent[i]);
        const struct finding *f = finding_of(all, silent[i].rule);
        if (f)
            fail_msg("%s says \"%s\" of: %s", f->rule->id, f->summary, silent[i].xml);
    }
}

static size_t count_rows(const struct row *rows, size_t count, const char *rule)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        n += strcmp(rows[i].rule, rule) == 0;
    return n;
}

static void test_every_rule_has_both(void **state)
{
    (void)state;
    const struct rule_table *const tables[] = {&rules_cache, &rules_discard, &rules_thread,
                                               &rules_queue, &rules_pin,     &rules_domain};
    size_t rules = 0;
    for (size_t t = 0; t < ARRAY_SIZE(tables); t++)
        for (size_t i = 0; i < tables[t]->count; i++, rules++) {
            const char *id = tables[t]->rows[i].id;
            if (!count_rows(finds, ARRAY_SIZE(finds), id) ||
                !count_rows(silent, ARRAY_SIZE(silent), id))
                fail_msg("%s has no row for what it finds, or for what it does not", id);
            assert_ptr_equal(rule_find(id), &tables[t]->rows[i]);
        }
    assert_true(rules > 40);
}

/* The remedies of the row's rule, in the order of its disks: strings, for the caller to free. */
static GPtrArray *remedies_of(const struct row *row)
{
    GPtrArray *remedies = g_ptr_array_new_with_free_func(free);
    cleanup_check_domain struct check_domain *d = domain_of(row->xml, row);
    g_autoptr(GPtrArray) all = ask_all(d, row);
    for (guint i = 0; i < all->len; i++) {
        const struct finding *f = all->pdata[i];
        if (strcmp(f->rule->id, row->rule) == 0)
            g_ptr_array_add(remedies, xstrdup(f->fix));
    }
    return remedies;
}

/* What two rules say of one domain has to go together: the numbers of iothreads. */
static void test_remedies_fit_together(void **state)
{
    (void)state;
    const struct row row = {"iothread-none", DOMAIN("", DISK("type='raw'") OTHER("type='raw'")
                                                            SCSI("") CONTROLLER(""))};
    static const char *const wanted[] = {"iothread='1'", "iothread='2'", "iothread='3'"};
    g_autoptr(GPtrArray) remedies = remedies_of(&row);
    assert_int_equal(remedies->len, ARRAY_SIZE(wanted));
    for (guint i = 0; i < remedies->len; i++) {
        assert_non_null(strstr(remedies->pdata[i], "<iothreads>3</iothreads>"));
        assert_non_null(strstr(remedies->pdata[i], wanted[i]));
    }
}

static void test_disks_get_names_of_their_own(void **state)
{
    (void)state;
    const struct row row = {"bus-sata",
                            DOMAIN("", DISK("") SATA("") NAMED_DISK("sdb", "sata", "", ""))};
    static const char *const wanted[] = {"<target dev='vdb' ", "<target dev='vdc' "};
    g_autoptr(GPtrArray) remedies = remedies_of(&row);
    assert_int_equal(remedies->len, ARRAY_SIZE(wanted));
    for (guint i = 0; i < remedies->len; i++)
        assert_non_null(strstr(remedies->pdata[i], wanted[i]));
}

/* Whichever disk's is applied last, all have their iothreads. */
static void test_undefined_threads_have_one_remedy(void **state)
{
    (void)state;
    const struct row row = {"iothread-undefined",
                            DOMAIN("", DISK("iothread='7'") OTHER("iothread='6'"))};
    g_autoptr(GPtrArray) remedies = remedies_of(&row);
    assert_int_equal(remedies->len, 2);
    for (guint i = 0; i < remedies->len; i++)
        assert_string_equal(remedies->pdata[i],
                            "<iothreads>2</iothreads>\n<iothreadids><iothread id='6'/>"
                            "<iothread id='7'/></iothreadids>");
}

/* A disk with heads to move wants none: the other one has it, as iothread-none takes for granted.
 */
static void test_idle_thread_goes_where_it_helps(void **state)
{
    (void)state;
    const struct row row = {"iothread-unattached",
                            DOMAIN(THREADS("1"), DISK("") OTHER("type='raw'")),
                            &allocated_on_heads};
    cleanup_check_domain struct check_domain *d = domain_of(row.xml, &row);
    d->disks[1].place->block = &nvme;
    g_autoptr(GPtrArray) all = ask_all(d, &row);
    const struct finding *f = finding_of(all, row.rule);
    assert_non_null(f);
    assert_string_equal(f->fix, "<!-- vdb -->\n<driver name='qemu' type='raw' iothread='1'/>");
    assert_null(finding_of(all, "iothread-none"));
}

static void test_no_more_threads_than_cpus(void **state)
{
    (void)state;
    const struct row row = {"iothread-none",
                            DOMAIN("", DISK("type='raw'") OTHER("type='raw'") SCSI("")
                                           CONTROLLER("") NAMED_DISK("vdc", "virtio", "", "")),
                            &on_2_cpus};
    g_autoptr(GPtrArray) remedies = remedies_of(&row);
    assert_int_equal(remedies->len, 4);
    for (guint i = 0; i < remedies->len; i++)
        assert_non_null(strstr(remedies->pdata[i], "<iothreads>2</iothreads>"));
}

/* --- Remedies --------------------------------------------------------------------------------- */

/* What the element of a remedy stands in for: its old one, or where it is added. */
static xmlNodePtr parent_for(xmlNodePtr domain, const char *name)
{
    xmlNodePtr devices = xml_child(domain, "devices");
    if (strcmp(name, "driver") == 0 || strcmp(name, "blockio") == 0)
        return xml_child(devices, "disk");
    if (strcmp(name, "iothread") == 0)
        return xml_child(domain, "iothreadids");
    return strcmp(name, "controller") == 0 ? devices : domain;
}

static void put_in(xmlDocPtr doc, xmlNodePtr element)
{
    const char *name = (const char *)element->name;
    xmlNodePtr parent = parent_for(xmlDocGetRootElement(doc), name);
    assert_non_null(parent);
    xmlNodePtr old = xml_child(parent, name);
    xmlNodePtr copy = xmlDocCopyNode(element, doc, 1);
    if (old) {
        xmlReplaceNode(old, copy);
        xmlFreeNode(old);
    } else {
        xmlAddChild(parent, copy);
    }
}

/* The row's domain with the remedy applied, the later of alternatives. The caller frees. */
static xmlDocPtr apply(const struct row *row, const char *fix)
{
    struct error *err = NULL;
    cleanup_free char *text = xasprintf("<fix>%s</fix>", fix);
    cleanup_xml xmlDocPtr lines = xml_parse(text, strlen(text), &err);
    xmlDocPtr doc = xml_parse(row->xml, strlen(row->xml), NULL);
    if (!lines)
        fail_msg("%s: %s", fix, err->message);
    for (xmlNodePtr n = xmlDocGetRootElement(lines)->children; n; n = n->next)
        if (n->type == XML_ELEMENT_NODE)
            put_in(doc, n);
    return doc;
}

/* Those that are whole elements, and of the row's first disk. */
static bool can_apply(const struct row *row, const struct finding *f)
{
    return f->kind == FIX_XML && strcmp(f->fix, "<domain type='kvm'>") != 0 &&
           !strstr(row->xml, "vdb");
}

/* Calls `is_good` with every row's remedy. */
static unsigned for_each_remedy(void (*is_good)(const struct row *row, const struct finding *f,
                                                xmlDocPtr fixed, void *data),
                                void *data)
{
    unsigned count = 0;
    for (size_t i = 0; i < ARRAY_SIZE(finds); i++) {
        cleanup_check_domain struct check_domain *d = domain_of(finds[i].xml, &finds[i]);
        g_autoptr(GPtrArray) all = ask_all(d, &finds[i]);
        const struct finding *f = finding_of(all, finds[i].rule);
        if (!f || !can_apply(&finds[i], f))
            continue;
        cleanup_xml xmlDocPtr fixed = apply(&finds[i], f->fix);
        is_good(&finds[i], f, fixed, data);
        count++;
    }
    return count;
}

/* Who has done as told is not told the same again, nor that it is wrong now. */
static void is_content(const struct row *row, const struct finding *f, xmlDocPtr fixed, void *data)
{
    (void)data;
    cleanup_free char *xml = xml_to_text(xmlDocGetRootElement(fixed));
    cleanup_check_domain struct check_domain *d = domain_of(xml, row);
    g_autoptr(GPtrArray) all = ask_all(d, row);
    const struct finding *again = finding_of(all, row->rule);
    bool less = again && again->severity < f->severity;
    if (again && !less)
        fail_msg("%s is found again after its remedy: %s\n%s", row->rule, again->summary, xml);
    for (guint i = 0; i < all->len; i++) {
        const struct finding *other = all->pdata[i];
        if (other->severity == SEVERITY_ERROR && f->severity != SEVERITY_ERROR)
            fail_msg("the remedy of %s brings %s: %s", row->rule, other->rule->id, xml);
    }
}

static void test_remedies_remedy(void **state)
{
    (void)state;
    assert_true(for_each_remedy(is_content, NULL) > 40);
}

/* --- Schema ----------------------------------------------------------------------------------- */

static void say_nothing(void *data, const char *format, ...)
{
    (void)data, (void)format;
}

/* Whether the row has what not every libvirt's schema has. */
static bool has_what_is_new(const char *xml)
{
    static const char *const words[] = {"discard_no_unref", "discard_granularity",
                                        "<iothreads><iothread"};
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (strstr(xml, words[i]))
            return true;
    return false;
}

static void fits_schema(const struct row *row, const struct finding *f, xmlDocPtr fixed, void *data)
{
    if (f->rule->since.libvirt > LIBVIR_VERSION_NUMBER || has_what_is_new(row->xml))
        return;
    cleanup_free char *xml = xml_to_text(xmlDocGetRootElement(fixed));
    cleanup_xml xmlDocPtr copy = xml_parse(xml, strlen(xml), NULL);
    xmlRelaxNGValidCtxtPtr valid = xmlRelaxNGNewValidCtxt(data);
    xmlRelaxNGSetValidErrors(valid, say_nothing, say_nothing, NULL);
    if (xmlRelaxNGValidateDoc(valid, copy) != 0)
        fail_msg("%s: libvirt's schema refuses %s", row->rule, xml);
    xmlRelaxNGFreeValidCtxt(valid);
}

static void test_schema(void **state)
{
    (void)state;
    if (access(SCHEMA, R_OK) < 0)
        skip();
    xmlRelaxNGParserCtxtPtr parser = xmlRelaxNGNewParserCtxt(SCHEMA);
    xmlRelaxNGPtr schema = xmlRelaxNGParse(parser);
    assert_non_null(schema);
    for_each_remedy(fits_schema, schema);
    xmlRelaxNGFree(schema);
    xmlRelaxNGFreeParserCtxt(parser);
}

int main(int argc, char *argv[])
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found),
        cmocka_unit_test(test_not_found),
        cmocka_unit_test(test_every_rule_has_both),
        cmocka_unit_test(test_remedies_fit_together),
        cmocka_unit_test(test_disks_get_names_of_their_own),
        cmocka_unit_test(test_idle_thread_goes_where_it_helps),
        cmocka_unit_test(test_undefined_threads_have_one_remedy),
        cmocka_unit_test(test_no_more_threads_than_cpus),
        cmocka_unit_test(test_remedies_remedy),
    };
    static const struct CMUnitTest schema[] = {cmocka_unit_test(test_schema)};
    if (argc > 1 && strcmp(argv[1], "--schema") == 0)
        return cmocka_run_group_tests(schema, set_up, tear_down);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
