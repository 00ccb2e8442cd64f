/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * proving.c - what a change brings, measured inside the user's own guest.
 */
#include <string.h>

#include "apply/inside.h"
#include "apply/proof.h"
#include "base/clock.h"
#include "base/interrupt.h"
#include "base/json.h"
#include "base/memory.h"
#include "cmd/apply.h"

int proving_parse(struct proving *p, struct error **err)
{
    const struct proving_options *o = p->options;
    uint64_t runs = 5;
    double margin = 2;
    p->bytes = UINT64_C(128) << 20;
    p->run_ns = 2 * NS_PER_SECOND;
    if (option_image_size("--size", o->size, &p->bytes, err) < 0 ||
        option_number("--runs", o->runs, 2, 100, &runs, err) < 0 ||
        option_duration("--runtime", o->runtime, &p->run_ns, err) < 0 ||
        option_percent("--margin", o->margin, 0, 90, &margin, err) < 0)
        return -1;
    if (p->run_ns < 100 * NS_PER_MS || p->run_ns > 3600 * NS_PER_SECOND)
        return error_set(err, "--runtime: has to be from 100 ms to 1 h");
    if (o->path && o->path[0] != '/')
        return error_set(err, "--path: has to be an absolute path of the guest");
    p->runs = (unsigned)runs;
    p->margin = margin / 100;
    return 0;
}

/* The plan's, or what is named; the mix that tune has unasked where nothing is. */
static struct suite *choose_suite(const struct proving *p, const json_t *plan, struct error **err)
{
    struct suite *suite = NULL;
    if (plan && !p->work->workload && !p->work->fio && !options_change_workload(p->work))
        suite = inside_suite_of_plan(plan, p->bytes, p->run_ns);
    /* A job file says itself for how long, or how much. */
    uint64_t run_ns = p->work->fio && !p->options->runtime ? 0 : p->run_ns;
    g_autoptr(GPtrArray) notes = g_ptr_array_new_with_free_func(g_free);
    return suite ? suite : options_suite(p->work, "general", p->bytes, run_ns, notes, err);
}

void proving_note(GPtrArray *left, const char *when, const struct error *failure)
{
    g_ptr_array_add(left, xasprintf("what it brings was not measured %s: %s", when,
                                    failure ? failure->message : "unknown error"));
}

int proving_keep(const char *state_directory, struct change_record *r, const char *when,
                 json_t *measured, struct error **err)
{
    cleanup_close int lock = change_records_lock(state_directory, err);
    return lock < 0 ? -1 : change_record_keep(r, when, measured, err);
}

json_t *proving_measure(struct proving *p, virDomainPtr domain, const char *target,
                        const json_t *plan, struct error **err)
{
    cleanup_suite struct suite *suite = choose_suite(p, plan, err);
    if (!suite)
        return NULL;
    const struct inside_options o = {
        .target = target,
        .directory = p->options->path,
        .suite = suite,
        .runs = p->runs,
        .tell = progress_step,
        .data = p->progress,
    };
    json_t *result = inside_measure(domain, &o, err);
    progress_clear(p->progress);
    return result;
}

json_t *proving_measure_again(struct proving *p, virDomainPtr domain, const char *target,
                              const json_t *plan, const json_t *before, uint64_t wait_ns,
                              struct error **err)
{
    for (uint64_t end = clock_now_ns() + wait_ns;;) {
        cleanup_error struct error *failure = NULL;
        json_t *result = proving_measure(p, domain, target, plan, &failure);
        if ((result && proof_is_alike(before, result)) || clock_now_ns() >= end ||
            interrupt_check(NULL) < 0) {
            if (!result && err)
                *err = TAKE_PTR(failure);
            return result;
        }
        json_decref(result);
        interrupt_sleep_ms(2000, NULL);
    }
}
