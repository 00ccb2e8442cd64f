/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-current.c - where one of the candidates is what the disk has now, the others are held
 * against it, and of equals it is what stays; text and JSON say so.
 */
#undef NDEBUG
#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/json.h"
#include "measure/stats.h"
#include "report/report.h"
#include "scene.h"

static const struct standing *standing_of(const struct outcome *o, const char *id)
{
    for (size_t i = 0; i < o->count; i++)
        if (strcmp(o->standings[i].candidate->id, id) == 0)
            return &o->standings[i];
    fail_msg("no %s", id);
    return NULL;
}

/* Of shares of 0.9, 0.6, 0.5 and 0.3 the third is current. */
static struct scene *current_scene(void)
{
    static const double shares[CANDIDATES] = {0.9, 0.6, 0.5, 0.3};
    struct scene *s = scene_new();
    for (size_t i = 0; i < CANDIDATES; i++)
        set_share(s, i, shares[i]);
    s->candidates[2].current = true;
    return s;
}

static void test_ratios(void **state)
{
    (void)state;
    cleanup_scene struct scene *s = current_scene();
    cleanup_outcome struct outcome *o = outcome_new(&s->stage, &s->race);
    assert_string_equal(o->current->candidate->id, "c");
    assert_true(o->current->vs_current.value == 1 && o->current->vs_current.low == 1 &&
                o->current->vs_current.high == 1);
    static const struct {
        const char *id;
        double ratio;
    } wanted[] = {{"a", 1.8}, {"b", 1.2}, {"d", 0.6}};
    for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
        const struct interval *ratio = &standing_of(o, wanted[i].id)->vs_current;
        check_close(ratio->value, wanted[i].ratio, 0.002);
        /* Lanes of one candidate are half a percent apart, all of them: a variance of 0.0025^2 * 2
         * each, halved by two lanes, twice for a difference, with four degrees of freedom. */
        double half = stats_t_quantile(0.975, 4) * 0.0025 * sqrt(2);
        check_close(log(ratio->high / ratio->value), half, half / 10);
        check_close(log(ratio->value / ratio->low), half, half / 10);
    }
}

/* Nothing is held against what is not there, or has no figure. */
static void test_none(void **state)
{
    (void)state;
    char why[] = "QEMU fell back";
    cleanup_scene struct scene *s = current_scene();
    s->lanes[HOSTS + 4].failure = why;
    cleanup_outcome struct outcome *failed = outcome_new(&s->stage, &s->race);
    s->lanes[HOSTS + 4].failure = NULL;
    s->candidates[2].current = false;
    cleanup_outcome struct outcome *none = outcome_new(&s->stage, &s->race);
    assert_null(failed->current);
    assert_null(none->current);
    for (size_t i = 0; i < CANDIDATES; i++)
        assert_true(isnan(failed->standings[i].vs_current.value) &&
                    isnan(none->standings[i].vs_current.value));
}

/* Unasked, d is what changes least; beside what is current nothing changes less than that. */
static void test_equals(void **state)
{
    (void)state;
    cleanup_scene struct scene *s = scene_new();
    s->race.settled = true;
    cleanup_outcome struct outcome *unasked = outcome_new(&s->stage, &s->race);
    check_order(unasked, "d c b a");
    s->candidates[0].current = true;
    cleanup_outcome struct outcome *o = outcome_new(&s->stage, &s->race);
    check_order(o, "a b c d");
    assert_ptr_equal(o->recommended, o->current);
    /* What is current stays behind what is certainly faster. */
    set_share(s, 1, 1.2);
    s->race.settled = false;
    cleanup_outcome struct outcome *faster = outcome_new(&s->stage, &s->race);
    assert_string_equal(faster->recommended->candidate->id, "b");
    s->race.settled = true;
    /* Another disk of the same settings is as near, and not what the disk has. */
    set_share(s, 1, 1);
    s->candidates[1].config = s->candidates[0].config;
    s->candidates[0].current = false;
    s->candidates[1].current = true;
    cleanup_outcome struct outcome *copy = outcome_new(&s->stage, &s->race);
    assert_string_equal(copy->recommended->candidate->id, "b");
}

/* --- Reports ---------------------------------------------------------------------------------- */

static struct tune_report report_of(const struct scene *s, const struct outcome *o,
                                    GPtrArray *nothing)
{
    return (struct tune_report){
        .directory = "/images",
        .accelerator = "kvm",
        .kernel = "6.1",
        .vcpus = 2,
        .suite = &s->suite,
        .margin = 0.02,
        .candidates = s->stage.candidates,
        .outcome = o,
        .notes = nothing,
        .warnings = nothing,
    };
}

/* The text of a report; the caller frees. */
static char *text_of(const struct tune_report *r)
{
    char *text;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    assert_non_null(out);
    report_tune_text(r, out);
    fclose(out);
    return text;
}

static json_t *candidate_json(json_t *report, const char *id)
{
    size_t i;
    json_t *c;
    json_array_foreach (json_object_get(report, "candidates"), i, c)
        if (strcmp(json_string_value(json_object_get(c, "id")), id) == 0)
            return c;
    fail_msg("no %s", id);
    return NULL;
}

static void test_report(void **state)
{
    (void)state;
    cleanup_scene struct scene *s = current_scene();
    cleanup_outcome struct outcome *o = outcome_new(&s->stage, &s->race);
    g_autoptr(GPtrArray) nothing = g_ptr_array_new();
    const struct tune_report report = report_of(s, o, nothing);
    cleanup_json json_t *json = report_tune_json(&report);
    json_t *b = candidate_json(json, "b"), *c = candidate_json(json, "c");
    assert_true(json_is_false(json_object_get(b, "current")));
    assert_true(json_is_true(json_object_get(c, "current")));
    double ratio, low, high;
    assert_int_equal(json_unpack(json_object_get(b, "vs_current"), "{s:f, s:f, s:f}", "ratio",
                                 &ratio, "low", &low, "high", &high),
                     0);
    check_close(ratio, 1.2, 0.002);
    assert_true(low < ratio && ratio < high);
    cleanup_free char *text = text_of(&report);
    assert_non_null(strstr(text, "vs current %"));
    assert_non_null(strstr(text, "+20 (+19…+21)"));
    assert_non_null(strstr(text, "-40 (-41…-39)"));
    assert_non_null(strstr(text, "  current  "));
    assert_null(strstr(text, "mean %"));
}

static void test_report_of_none(void **state)
{
    (void)state;
    cleanup_scene struct scene *s = current_scene();
    s->candidates[2].current = false;
    cleanup_outcome struct outcome *o = outcome_new(&s->stage, &s->race);
    g_autoptr(GPtrArray) nothing = g_ptr_array_new();
    const struct tune_report report = report_of(s, o, nothing);
    cleanup_json json_t *json = report_tune_json(&report);
    json_t *c = candidate_json(json, "c");
    assert_true(json_is_false(json_object_get(c, "current")));
    assert_true(json_is_null(json_object_get(c, "vs_current")));
    cleanup_free char *text = text_of(&report);
    assert_null(strstr(text, "current"));
    assert_non_null(strstr(text, "mean %"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ratios),         cmocka_unit_test(test_none),
        cmocka_unit_test(test_equals),         cmocka_unit_test(test_report),
        cmocka_unit_test(test_report_of_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
