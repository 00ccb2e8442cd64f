/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-named.c - every workload with a name can be done, has one name of its own, and is the same
 * behind JSON; a name that is none is answered with all that are.
 */
#undef NDEBUG
#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/memory.h"
#include "measure/named.h"
#include "work.h"

static void test_can_be_done(void **state)
{
    (void)state;
    assert_true(named_workload_count > 0);
    for (size_t i = 0; i < named_workload_count; i++) {
        cleanup_error struct error *err = NULL;
        const struct named_workload *n = &named_workloads[i];
        if (workload_check(&n->workload, &err) < 0)
            fail_msg("%s: %s", n->workload.name, err->message);
        assert_non_null(n->summary);
        assert_true(n->summary[0] && !strchr(n->summary, '\n'));
        assert_true(strlen(n->summary) <= 80);
    }
}

static void test_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < named_workload_count; i++) {
        const struct workload *w = &named_workloads[i].workload;
        cleanup_error struct error *err = NULL;
        assert_true(w->name[0] && strspn(w->name, "abcdefghijklmnopqrstuvwxyz") == strlen(w->name));
        assert_ptr_equal(named_workload(w->name, &err), w);
        assert_null(err);
    }
}

static void test_not_found(void **state)
{
    (void)state;
    static const char *const names[] = {"", "none", "DD", "dd ", " dd", "d", "ddd", "dd,seqread"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        cleanup_error struct error *err = NULL;
        cleanup_free char *quoted = xasprintf("'%s'", names[i]);
        assert_null(named_workload(names[i], &err));
        assert_non_null(strstr(err->message, quoted));
        for (size_t k = 0; k < named_workload_count; k++)
            assert_non_null(strstr(err->hint, named_workloads[k].workload.name));
        assert_null(named_workload(names[i], NULL));
    }
}

static void test_json(void **state)
{
    (void)state;
    for (size_t i = 0; i < named_workload_count; i++) {
        const struct workload *w = &named_workloads[i].workload;
        struct workload back;
        cleanup_json json_t *json = workload_to_json(w);
        cleanup_free char *text = json_dumps(json, JSON_COMPACT);
        cleanup_json json_t *read = json_loads(text, 0, NULL);
        assert_int_equal(workload_from_json(read, &back, NULL), 0);
        assert_true(work_same(w, &back));
    }
}

/* The parts of a mix are workloads of their own, and its name is none of theirs. */
static void test_mixes(void **state)
{
    (void)state;
    assert_true(named_mix_count > 0);
    assert_null(named_mix("dd"));
    assert_null(named_mix(""));
    for (size_t i = 0; i < named_mix_count; i++) {
        const struct named_mix *mix = &named_mixes[i];
        cleanup_free char *parts = xstrdup(mix->parts);
        char *rest = parts;
        assert_ptr_equal(named_mix(mix->name), mix);
        assert_null(named_workload(mix->name, NULL));
        for (char *part; (part = strsep(&rest, ","));)
            assert_non_null(named_workload(strsep(&part, ":"), NULL));
        assert_true(mix->summary[0] && strlen(mix->summary) <= 80);
    }
}

/* Figures of versions that differ in this cannot be compared. */
static void test_dd(void **state)
{
    (void)state;
    const struct workload *w = named_workload("dd", NULL);
    assert_non_null(w);
    assert_true(w->rw == WORKLOAD_WRITE && w->read_percent == 0 && w->block_bytes == 65536);
    assert_true(w->depth == 1 && w->jobs == 1 && !w->size_count && !w->zeros);
    assert_true(!w->zipf && !w->rate_iops && !w->sync_every);
}

static void test_commit(void **state)
{
    (void)state;
    const struct workload *w = named_workload("commit", NULL);
    assert_non_null(w);
    assert_true(w->rw == WORKLOAD_WRITE && w->depth == 1 && w->sync_every == 1 && w->datasync);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_can_be_done), cmocka_unit_test(test_found),
        cmocka_unit_test(test_not_found),   cmocka_unit_test(test_json),
        cmocka_unit_test(test_dd),          cmocka_unit_test(test_commit),
        cmocka_unit_test(test_mixes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
