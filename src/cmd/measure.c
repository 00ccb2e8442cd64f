/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * measure.c - virt-disktune measure: the host's own speed.
 */
#include "cmd/cmd.h"

#include <math.h>
#include <stdio.h>

#include "base/json.h"
#include "base/memory.h"
#include "host/claim.h"
#include "host/storage.h"
#include "measure/run.h"
#include "report/report.h"

#define DEFAULT_SIZE (UINT64_C(1000) << 20)

struct arguments {
    struct common_options common;
    struct workload_options work;
    char *directory, *size;
    struct workload workload;
    uint64_t size_bytes;
};

static int parse(int argc, char **argv, struct arguments *a, struct error **err)
{
    const GOptionEntry own[] = {
        {"directory", 'd', 0, G_OPTION_ARG_FILENAME, &a->directory,
         "Measure in this directory", "DIR"},
        {"size", 0, 0, G_OPTION_ARG_STRING, &a->size, "Size of the scratch file [1000M]", "SIZE"},
        {NULL},
    };
    if (options_parse(argc, argv, "measure the host's own disk", own, &a->common, &a->work, err) <
            0 ||
        options_workload(&a->work, &a->workload, err) < 0 ||
        option_size("--size", a->size, &a->size_bytes, err) < 0)
        return -1;
    if (!a->directory) {
        error_set(err, "measure needs --directory DIR");
        return error_hint(err, "the directory that disk images are stored in");
    }
    if (option_directory(&a->directory, err) < 0)
        return -1;
    if (a->size_bytes < a->workload.block_bytes)
        return error_set(err, "--size: smaller than one request");
    return 0;
}

/* Creates the scratch file, written once unless first writes are to be measured. */
static char *make_file(const struct arguments *a, const struct claim *scratch,
                       struct progress *progress, uint64_t *written, struct error **err)
{
    cleanup_free char *path = xasprintf("%s/host.raw", scratch->path);
    uint64_t mib = UINT64_C(1) << 20;
    uint64_t whole = (a->size_bytes + mib - 1) / mib * mib;
    if (storage_check_space(a->directory, whole, err) < 0 ||
        storage_check_direct(scratch->path, err) < 0 ||
        storage_create_file(path, whole, !a->work.fresh, err) < 0)
        return NULL;
    progress_show(progress, "writing the scratch file once", NAN);
    if (!a->work.fresh && target_fill(path, whole, 1, written, err) < 0)
        return NULL;
    return TAKE_PTR(path);
}

static int measure_in(const struct claim *scratch, const struct arguments *a,
                      struct progress *progress, struct measure_report *ret, struct error **err)
{
    cleanup_free char *path = make_file(a, scratch, progress, &ret->written_bytes, err);
    cleanup_buffers struct buffers *buffers = buffers_new(&a->workload, 1);
    cleanup_target struct target *target =
        path ? target_open(path, &a->workload, a->size_bytes, a->work.fresh, 1, buffers, err)
             : NULL;
    if (!target)
        return -1;
    progress_show(progress, "measuring", NAN);
    if (run_whole(target, a->size_bytes, &ret->run, err) < 0)
        return -1;
    ret->written_bytes += ret->run.written_bytes;
    ret->figures = figures_from(ret->run.requests, ret->run.elapsed_ns, a->workload.block_bytes,
                                &target->histogram);
    return 0;
}

static int measure(const struct arguments *a, struct progress *progress,
                   struct measure_report *ret, struct error **err)
{
    cleanup_claim struct claim *scratch =
        claim_take(a->directory, CLAIM_SCRATCH_PREFIX, /* alone = */ true, err);
    if (!scratch)
        return -1;
    if (measure_in(scratch, a, progress, ret, err) == 0)
        return 0;
    /* While the scratch file is still there: without it the file system is no longer full. */
    storage_explain_full(a->directory, err);
    return -1;
}

int cmd_measure(int argc, char **argv)
{
    static struct arguments a = {.size_bytes = DEFAULT_SIZE};
    cleanup_error struct error *err = NULL;
    if (parse(argc, argv, &a, &err) < 0)
        return fail(err);
    struct measure_report report = {
        .directory = a.directory,
        .workload = &a.workload,
        .fresh = a.work.fresh,
    };
    struct progress progress = {.options = &a.common};
    int r = measure(&a, &progress, &report, &err);
    progress_clear(&progress);
    if (r < 0)
        return fail(err);
    if (a.common.json) {
        cleanup_json json_t *json = report_measure_json(&report);
        report_print_json(json, stdout);
    } else {
        report_measure_text(&report, stdout);
    }
    return finish_output(&err) < 0 ? fail(err) : EXIT_DONE;
}
