/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-rules-effective.c - what is found of a running QEMU that is not as its domain says, or is
 * held back; and what is not.
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
#include "check/ask.h"
#include "check/subject.h"
#include "shown.h"

#define DOMAIN(cache)                                                                              \
    "<domain type='kvm'><name>web</name><devices><disk type='file' device='disk'>"                 \
    "<driver name='qemu' type='raw' cache='" cache "'/><source file='/srv/web.img'/>"              \
    "<target dev='vda' bus='virtio'/></disk></devices></domain>"
#define FALLBACK "qemu: Unable to use linux io_uring, falling back to thread pool: not permitted"

/* How QEMU has the image open: not at all, or so. */
enum open_as { UNOPENED, BUFFERED, DIRECT };

static const struct row {
    const char *rule, *live;
    enum open_as open;
    const char *fallback, *io_limit, *cpu_limit;
    bool is_found;
} rows[] = {
    {"effective-buffered", DOMAIN("none"), BUFFERED, .is_found = true},
    {"effective-buffered", DOMAIN("none"), DIRECT},
    {"effective-buffered", DOMAIN("none"), UNOPENED},
    {"effective-buffered", DOMAIN("writeback"), BUFFERED},
    {"effective-buffered", NULL, BUFFERED},
    {"effective-aio", DOMAIN("none"), DIRECT, .fallback = FALLBACK, .is_found = true},
    {"effective-aio", DOMAIN("none"), DIRECT},
    {"cgroup-io-limit", DOMAIN("none"), DIRECT, .io_limit = "io.max of /machine.slice: 8:0 wbps=1",
     .is_found = true},
    {"cgroup-io-limit", DOMAIN("none"), DIRECT, .cpu_limit = "cpu.max of /a: 50000 100000"},
    {"cgroup-cpu-limit", DOMAIN("none"), DIRECT, .cpu_limit = "cpu.max of /a: 50000 100000",
     .is_found = true},
    {"cgroup-cpu-limit", DOMAIN("none"), DIRECT, .io_limit = "io.max of /a: 8:0 wbps=1"},
};

static struct check_process *process_of(const struct row *row)
{
    struct check_process *p = xcalloc(1, sizeof(*p));
    *p = (struct check_process){
        .pid = 4711,
        .fallbacks = g_ptr_array_new_with_free_func(free),
        .direct = g_hash_table_new_full(g_str_hash, g_str_equal, free, NULL),
        .io_limit = row->io_limit ? xstrdup(row->io_limit) : NULL,
        .cpu_limit = row->cpu_limit ? xstrdup(row->cpu_limit) : NULL,
    };
    if (row->fallback)
        g_ptr_array_add(p->fallbacks, xstrdup(row->fallback));
    if (row->open != UNOPENED)
        g_hash_table_insert(p->direct, xstrdup("/srv/web.img"),
                            GINT_TO_POINTER(row->open == DIRECT));
    return p;
}

static struct check_domain *domain_of(const struct row *row, bool has_process)
{
    const struct subject_source source = {.xml = DOMAIN("none"),
                                          .length = strlen(DOMAIN("none")),
                                          .live = row->live,
                                          .persistent = true};
    struct check_domain *d = check_domain_new(NULL, &source, NULL);
    assert_non_null(d);
    d->process = has_process ? process_of(row) : NULL;
    return d;
}

/* What this rule alone finds of the domain or its disk: whether it does. */
static bool finds(const struct row *row, bool has_process)
{
    cleanup_check_domain struct check_domain *d = domain_of(row, has_process);
    g_autoptr(GPtrArray) findings = g_ptr_array_new_with_free_func((GDestroyNotify)finding_free);
    const struct look at = {.domain = d, .disk = &d->disks[0]};
    struct found out = {.rule = rule_find(row->rule), .at = &at, .findings = findings};
    out.rule->look(&at, &out);
    assert_true(findings->len <= 1);
    if (findings->len) {
        const struct finding *f = findings->pdata[0];
        assert_int_equal(f->severity, f->rule->severity);
        assert_non_null(f->fix);
        show_found(row->fallback    ? row->fallback
                   : row->io_limit  ? row->io_limit
                   : row->cpu_limit ? row->cpu_limit
                                    : row->live,
                   f);
    }
    return findings->len;
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (finds(&rows[i], true) != rows[i].is_found)
            fail_msg("row %zu, %s", i, rows[i].rule);
        /* Where we may not look at the process nothing is known. */
        assert_false(finds(&rows[i], false));
    }
}

static void test_each_rule_has_rows(void **state)
{
    (void)state;
    for (size_t r = 0; r < rules_effective.count; r++) {
        bool found = false, silent = false;
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
            bool own = strcmp(rows[i].rule, rules_effective.rows[r].id) == 0;
            found |= own && rows[i].is_found;
            silent |= own && !rows[i].is_found;
        }
        if (!found || !silent)
            fail_msg("%s has no row for both", rules_effective.rows[r].id);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_each_rule_has_rows),
    };
    return cmocka_run_group_tests_name("rules-effective", tests, NULL, NULL);
}
