/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-combine.c - several remedies of a disk in one, and whether that is one: of every combination
 * of settings in every world the rules find nothing of it any more, nor anything else that is
 * wrong.
 */
#undef NDEBUG
#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "check/combine.h"
#include "check_xml_asked.h"
#include "domain/xml.h"

static const struct world *const worlds[] = {
    &nothing,
    &allocated,
    &allocated_recent,
    &allocated_on_8_cpus,
    &allocated_on_2_cpus,
    &allocated_no_uring,
    &allocated_on_heads,
    &flushed_cheaply,
    &growing,
    &growing_recent,
    &growing_no_uring,
    &growing_on_7_1,
    &growing_on_5_12,
    &over_a_base,
    &over_a_slow_base,
    &on_a_device,
    &on_a_thin_device,
    &file_on_thin,
    &no_direct,
    &on_nfs,
    &in_memory,
    &on_btrfs,
    &on_nocow,
    &on_journal,
    &on_8_cpus,
    &on_2_cpus,
    &without_uring,
    &libvirt_9,
    &libvirt_12,
};

/* --- Rows ------------------------------------------------------------------------------------- */

static const struct combine_row {
    const char *what, *xml;
    const struct world *world;
    enum severity level;
    const char *text, *rules, *left_out; /* text NULL: there is nothing to put together */
    unsigned needs;
} combine_rows[] = {
    {"the story's disk", ONE(STORY), &growing, SEVERITY_NOTE,
     "<iothreads>1</iothreads>\n<driver name='qemu' type='qcow2' cache='none' discard='unmap' "
     "io='io_uring' iothread='1'/>",
     "io-threads discard-off iothread-none", "", FIX_NEEDS_RESTART},
    {"less of it", ONE(STORY), &growing, SEVERITY_WARNING},
    {"one remedy", DOMAIN(THREADS("1"), DISK(STORY " iothread='1' discard='unmap'")), &growing,
     SEVERITY_NOTE},
    {"attributes that go", ONE("type='raw' cache='unsafe' io='native' discard_no_unref='on'"),
     &no_direct, SEVERITY_ERROR, "<driver name='qemu' type='raw' cache='writeback'/>",
     "cache-unsafe discard-no-unref-refused", "", FIX_NEEDS_RESTART},
    {"children stay",
     DOMAIN("", NAMED_DISK("vda", "virtio",
                           "<driver name='qemu' type='qcow2' cache='unsafe' "
                           "error_policy='ignore'><metadata_cache>"
                           "<max_size unit='bytes'>1024</max_size>"
                           "</metadata_cache></driver>",
                           "")),
     &growing, SEVERITY_ERROR,
     "<driver name='qemu' type='qcow2' cache='none' error_policy='enospace'><metadata_cache>"
     "<max_size unit='bytes'>1024</max_size></metadata_cache></driver>",
     "cache-unsafe error-ignored", "", FIX_NEEDS_RESTART},
};

static char *names_of(const GPtrArray *rules)
{
    g_autoptr(GString) names = g_string_new(NULL);
    for (guint i = 0; i < rules->len; i++)
        g_string_append_printf(names, "%s%s", i ? " " : "",
                               ((const struct rule *)rules->pdata[i])->id);
    return xstrdup(names->str);
}

/* What is put together of what all rules find of the first disk. */
static struct combined *combine(const struct check_domain *d, const struct world *w,
                                enum severity level)
{
    const struct look base = {.facts = w->facts, .versions = w->versions, .domain = d};
    g_autofree GPtrArray **found = g_new0(GPtrArray *, d->disk_count + 1);
    ask_domain(&base, NULL, found);
    struct combined *c = combine_fixes(&d->disks[0], found[1], level);
    for (size_t i = 0; i <= d->disk_count; i++)
        g_ptr_array_unref(found[i]);
    return c;
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(combine_rows); i++) {
        const struct combine_row *row = &combine_rows[i];
        const struct row how = {.rule = row->what, .world = row->world};
        cleanup_check_domain struct check_domain *d = domain_of(row->xml, &how);
        cleanup_combined struct combined *c = combine(d, row->world, row->level);
        if (!row->text && c)
            fail_msg("%s: %s", row->what, c->text);
        if (!row->text)
            continue;
        if (!c)
            fail_msg("%s: nothing", row->what);
        cleanup_free char *rules = names_of(c->rules), *left_out = names_of(c->left_out);
        assert_string_equal(c->text, row->text);
        assert_string_equal(rules, row->rules);
        assert_string_equal(left_out, row->left_out);
        assert_int_equal(c->needs, row->needs);
    }
}

/* --- Contradictions --------------------------------------------------------------------------- */

static struct finding *made_up(const struct rule *rule, const char *fix)
{
    struct finding *f = xcalloc(1, sizeof(*f));
    *f = (struct finding){.rule = rule,
                          .kind = FIX_XML,
                          .fix = xstrdup(fix),
                          .available = true,
                          .needs = rule->needs};
    return f;
}

/* Of what no two rules may ever say: the first one counts, and what cannot be read or depends on
 * something does not. */
static void test_contradictions(void **state)
{
    (void)state;
    static const struct rule rules[] = {{.id = "a"},
                                        {.id = "b", .needs = 1},
                                        {.id = "c", .needs = 2},
                                        {.id = "d"},
                                        {.id = "e"},
                                        {.id = "f"},
                                        {.id = "g"}};
    static const char *const fixes[] = {
        "<driver name='qemu' type='raw' io='native'/>",
        "<driver name='qemu' type='raw'><x y='1'/></driver>\n<!-- or -->\n<driver io='threads'/>",
        "<driver name='qemu' type='raw' io='threads' queues='4'/>",
        "<!-- if -->\n<driver name='qemu' type='raw' queues='2'/>",
        "<driver name='qemu' type='raw' queues='3'",
        "<driver name='qemu' type='raw'><x y='2'/></driver>",
        "<target dev='vdb'/>",
    };
    const struct row how = {.world = &nothing};
    cleanup_check_domain struct check_domain *d = domain_of(ONE("type='raw'"), &how);
    g_autoptr(GPtrArray) findings = g_ptr_array_new_with_free_func((GDestroyNotify)finding_free);
    for (size_t i = 0; i < ARRAY_SIZE(fixes); i++)
        g_ptr_array_add(findings, made_up(&rules[i], fixes[i]));
    cleanup_combined struct combined *c = combine_fixes(&d->disks[0], findings, SEVERITY_NOTE);
    assert_non_null(c);
    cleanup_free char *in = names_of(c->rules), *left_out = names_of(c->left_out);
    assert_string_equal(c->text, "<driver name='qemu' type='raw' io='native'><x y='1'/></driver>");
    assert_string_equal(in, "a b");
    assert_string_equal(left_out, "c f");
    assert_int_equal(c->needs, 1);
    /* What this host does not have is not part of it. */
    ((struct finding *)findings->pdata[1])->available = false;
    cleanup_combined struct combined *less = combine_fixes(&d->disks[0], findings, SEVERITY_NOTE);
    cleanup_free char *others = names_of(less->rules);
    assert_string_equal(others, "a f");
    /* One, beside others that are of no <driver>, is none together. */
    ((struct finding *)findings->pdata[5])->available = false;
    assert_null(combine_fixes(&d->disks[0], findings, SEVERITY_NOTE));
}

/* --- All there are ---------------------------------------------------------------------------- */

/* Settings of a <driver>: one of each list. */
static const char *const settings[][8] = {
    {"", " cache='none'", " cache='writeback'", " cache='writethrough'", " cache='directsync'",
     " cache='unsafe'"},
    {"", " io='threads'", " io='native'", " io='io_uring'"},
    {"", " discard='unmap'", " discard='ignore'"},
    {"", " detect_zeroes='on'", " detect_zeroes='unmap'"},
    {"", " copy_on_read='on'"},
    {"", " error_policy='report'", " error_policy='ignore'"},
    {"", " queues='1'", " queue_size='100'"},
    {" type='raw'", " type='qcow2'"},
};

/* The nth combination; the caller frees. NULL behind the last one. */
static char *combination(unsigned n)
{
    g_autoptr(GString) text = g_string_new("<driver name='qemu'");
    for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
        unsigned count = 0;
        while (count < ARRAY_SIZE(settings[i]) && settings[i][count])
            count++;
        g_string_append(text, settings[i][n % count]);
        n /= count;
    }
    g_string_append(text, "/>");
    return n ? NULL : xstrdup(text->str);
}

static char *domain_with(const char *elements)
{
    const char *driver = strstr(elements, "<driver");
    return xasprintf("<domain type='kvm'><name>web</name><memory unit='GiB'>16</memory>"
                     "<vcpu>4</vcpu>%.*s<os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type>"
                     "</os><devices><disk type='file' device='disk'>%s<source file='/srv/a.img'/>"
                     "<target dev='vda' bus='virtio'/></disk></devices></domain>",
                     (int)(driver - elements), elements, driver);
}

static bool has_rule(const GPtrArray *rules, const char *id)
{
    return g_ptr_array_find((GPtrArray *)rules, rule_find(id), NULL);
}

/* What is found once the elements are in place. The caller frees. */
static GPtrArray *found_with(const char *elements, const struct row *how)
{
    cleanup_free char *xml = domain_with(elements);
    cleanup_check_domain struct check_domain *d = domain_of(xml, how);
    return ask_all(d, how);
}

/* Whether one of the remedies by itself has this found after it: a next step. */
static bool is_next_step(const char *rule, const struct row *how, const GPtrArray *before,
                         const struct combined *c)
{
    for (guint i = 0; i < c->rules->len; i++) {
        const char *fix = finding_of(before, ((const struct rule *)c->rules->pdata[i])->id)->fix;
        const char *other = strstr(fix, "\n<!--");
        cleanup_free char *first = xasprintf("%.*s", other ? (int)(other - fix) : INT32_MAX, fix);
        g_autoptr(GPtrArray) after = found_with(first, how);
        if (finding_of(after, rule))
            return true;
    }
    return false;
}

/* Nothing is found any more of what went in, nor anything that none of them by itself would bring.
 */
static void is_better(const char *was, const struct row *how, const GPtrArray *before,
                      const struct combined *c)
{
    g_autoptr(GPtrArray) after = found_with(c->text, how);
    for (guint i = 0; i < after->len; i++) {
        const struct finding *f = after->pdata[i], *old = finding_of(before, f->rule->id);
        bool again = has_rule(c->rules, f->rule->id) && f->severity >= old->severity;
        /* What suits a disk that is direct now is known now. */
        bool is_late = f->severity == SEVERITY_NOTE && strcmp(f->rule->id, "io-threads") == 0;
        if (again || (!old && !is_late && !is_next_step(f->rule->id, how, before, c)))
            fail_msg("%s\n%s\n%s [%s]", was, c->text, f->summary, f->rule->id);
    }
}

static bool combines_well(const char *driver, const struct world *w)
{
    const struct row how = {.rule = driver, .world = w};
    cleanup_free char *xml = domain_with(driver);
    cleanup_check_domain struct check_domain *d = domain_of(xml, &how);
    g_autoptr(GPtrArray) before = ask_all(d, &how);
    cleanup_combined struct combined *c = combine(d, w, SEVERITY_NOTE);
    if (c)
        is_better(driver, &how, before, c);
    return c;
}

/* Each in one world, which is another the next time: all in all of them takes a minute. */
static void test_all_combinations(void **state)
{
    (void)state;
    unsigned combined = 0;
    char *driver;
    for (unsigned n = 0; (driver = combination(n)); n++) {
        unsigned mixed = n * 2654435761U >> 8;
        combined += combines_well(driver, worlds[mixed % ARRAY_SIZE(worlds)]);
        free(driver);
    }
    assert_true(combined > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_contradictions),
        cmocka_unit_test(test_all_combinations),
    };
    return cmocka_run_group_tests_name("combine", tests, set_up, tear_down);
}
