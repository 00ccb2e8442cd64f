/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * inside_program.c - our own program is put into a guest, and run there (inside.h).
 */
#include <math.h>
#include <string.h>

#include "apply/guest_inside.h"
#include "apply/inside_ways.h"
#include "base/clock.h"
#include "base/interrupt.h"
#include "base/json.h"
#include "base/memory.h"
#include "measure/inside.h"
#include "measure/protocol.h"

/* What starting may take beside the runs: slow disks, and emulated guests. */
#define MORE_SECONDS 60
/* No disk that is measured is slower than this; it only bounds how long to wait. */
#define SLOWEST_BYTES_PER_SECOND (256 << 10)
#define SLOWEST_FILL_PER_SECOND (16 << 20)
/* What its end may be late by: it ends by itself when its time is up. */
#define GRACE_SECONDS 30

/* --- Putting it there ------------------------------------------------------------------------- */

/* The agent gives a new file the mode 0666, whatever its umask: it would be everybody's to write to
 * until the last piece of it is there, and is run as root. One that is there keeps its mode. */
static int put(struct agent *a, const char *path, struct error **err)
{
    const char *const argv[] = {"install", "-m", "700", "/dev/null", path, NULL};
    return inside_run_small(a, argv, err) < 0 ||
                   agent_write_file(a, path, guest_inside, guest_inside_size, err) < 0
               ? -1
               : 0;
}

/* --- Running it ------------------------------------------------------------------------------- */

/* What all runs may take. Works without a time of their own count where they are asked for. */
static double runs_seconds(const struct inside_options *o, bool untimed)
{
    double seconds = 0;
    for (unsigned i = 0; i < o->suite->count; i++) {
        const struct work *w = &o->suite->works[i];
        const struct run_bounds *b = &w->bounds;
        if (b->duration_ns)
            seconds += 1 + (double)(b->ramp_ns + b->duration_ns) / NS_PER_SECOND;
        else if (untimed)
            seconds += 1 + (double)b->ramp_ns / NS_PER_SECOND +
                       (double)b->bytes * w->workload.jobs / SLOWEST_BYTES_PER_SECOND;
    }
    return seconds * o->runs;
}

static unsigned seconds_of(const struct inside_options *o)
{
    double fill = (double)suite_file_bytes(o->suite) / SLOWEST_FILL_PER_SECOND;
    return (unsigned)fmin(runs_seconds(o, /* untimed = */ true) + fill + MORE_SECONDS,
                          INSIDE_SECONDS_MAX);
}

static int check_time(const struct inside_options *o, struct error **err)
{
    if (runs_seconds(o, /* untimed = */ false) + MORE_SECONDS <= INSIDE_SECONDS_MAX)
        return 0;
    error_set(err, "%u runs of this work take longer than a day", o->runs);
    return error_hint(err, "fewer runs (--runs), or shorter ones (--runtime)");
}

static char *task_text(const struct inside_options *o, const char *directory)
{
    cleanup_json json_t *task =
        json_pack("{s:s, s:I, s:i, s:i, s:i, s:o}", "directory", directory, "bytes",
                  (json_int_t)suite_file_bytes(o->suite), "seed", 1, "runs", (int)o->runs,
                  "seconds", (int)seconds_of(o), "works", suite_to_json(o->suite));
    return task ? json_dumps(task, JSON_COMPACT) : NULL;
}

/* What it wrote; NULL where it could not be run, which another directory may mend unless it did
 * start. The caller owns it. */
static json_t *run_program(struct agent *a, const char *path, const char *task, unsigned seconds,
                           bool *ret_started, struct error **err)
{
    const char *const argv[] = {path, NULL};
    const struct agent_program program = {
        .argv = argv,
        .input = task,
        .input_length = strlen(task),
        .timeout_seconds = seconds + GRACE_SECONDS,
    };
    cleanup_agent_result struct agent_result result = {0};
    int r = agent_exec(a, &program, &result, err);
    *ret_started = result.started;
    if (r < 0)
        return NULL;
    json_t *answer = json_loadb(result.out, result.out_length, 0, NULL);
    if (!answer)
        error_set(err, "our program ended in the guest with status %d", result.status);
    return answer;
}

/* --- What it says ----------------------------------------------------------------------------- */

/* One run's figures of the work `i`; the guest is not trusted. */
static int take_run(const json_t *run, size_t i, json_t *work, struct error **err)
{
    uint64_t requests, bytes, elapsed;
    json_t *figures = json_array_get(run, i);
    if (protocol_get_u64(figures, "requests", &requests, err) < 0 ||
        protocol_get_u64(figures, "bytes", &bytes, err) < 0 ||
        protocol_get_u64(figures, "elapsed_ns", &elapsed, err) < 0)
        return -1;
    if (!requests || !elapsed)
        return error_set(err, "a run without a request");
    inside_add_run(work, (double)requests, (double)bytes, (double)elapsed / NS_PER_SECOND);
    return 0;
}

static json_t *take_work(const json_t *answer, const struct inside_options *o, unsigned i,
                         struct error **err)
{
    const struct work *w = &o->suite->works[i];
    const json_t *runs = json_object_get(answer, "runs");
    cleanup_json json_t *work = inside_work(w->workload.name, w->weight);
    json_t *latency = json_array_get(json_object_get(answer, "latency_us"), i);
    size_t r;
    json_t *run;
    if (json_array_size(runs) != o->runs) {
        error_set(err, "not as many runs as were asked for");
        return NULL;
    }
    json_array_foreach (runs, r, run)
        if (take_run(run, i, work, err) < 0)
            return NULL;
    if (json_is_object(latency))
        json_object_set(work, "latency_us", latency);
    return TAKE_PTR(work);
}

static json_t *take_answer(const json_t *answer, const struct inside_options *o, struct error **err)
{
    cleanup_json json_t *works = json_array();
    for (unsigned i = 0; i < o->suite->count; i++) {
        json_t *work = take_work(answer, o, i, err);
        if (!work)
            return NULL;
        json_array_append_new(works, work);
    }
    const char *kernel = json_string_value(json_object_get(answer, "kernel"));
    json_t *bytes = json_object_get(answer, "file_system_bytes");
    return json_pack("{s:s?, s:O?, s:o, s:O}", "kernel", kernel, "file_system_bytes", bytes,
                     "suite", suite_to_json(o->suite), "works", works);
}

/* --- Together --------------------------------------------------------------------------------- */

/* Where programs can be run from differs: /tmp and the measured directory may be mounted noexec.
 * *ret_final is whether no other place would do better. */
static json_t *try_directories(struct agent *a, const struct inside_options *o,
                               const char *directory, const char *task, bool *ret_final,
                               struct error **err)
{
    const char *const places[] = {"/var/tmp", "/tmp", "/root", directory};
    *ret_final = false;
    for (size_t i = 0; i < ARRAY_SIZE(places) && !*ret_final; i++) {
        cleanup_free char *path = inside_new_path(places[i]);
        cleanup_error struct error *failed = NULL;
        bool started = false;
        json_t *answer = put(a, path, &failed) == 0
                             ? run_program(a, path, task, seconds_of(o), &started, &failed)
                             : NULL;
        if (answer)
            return answer;
        *ret_final = started || agent_is_silent(a) || interrupt_check(NULL) < 0;
        inside_remove(a, path);
        error_set(err, "%s", failed->message);
    }
    return NULL;
}

json_t *inside_by_program(struct agent *a, const struct inside_options *o, const char *directory,
                          bool *ret_final, struct error **err)
{
    *ret_final = check_time(o, err) < 0;
    if (*ret_final)
        return NULL;
    cleanup_free char *task = task_text(o, directory);
    if (!task) {
        error_set(err, "the name of the directory is no UTF-8");
        return NULL;
    }
    if (o->tell)
        o->tell(o->data, "measuring inside the guest");
    uint64_t start = clock_now_ns();
    cleanup_json json_t *answer = try_directories(a, o, directory, task, ret_final, err);
    *ret_final |= answer != NULL;
    const char *failure = json_string_value(json_object_get(answer, "error"));
    if (failure) {
        /* A kernel without io_uring is none that dd could not be measured on. */
        *ret_final = !strstr(failure, "io_uring");
        error_set(err, "in the guest: %s", failure);
        return NULL;
    }
    json_t *result = answer ? take_answer(answer, o, err) : NULL;
    if (result)
        json_object_set_new(result, "seconds",
                            json_real((double)(clock_now_ns() - start) / NS_PER_SECOND));
    return result;
}
