/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * inside_ways.c - what the ways of measuring inside a guest share.
 */
#include "apply/inside_ways.h"

#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "measure/inside.h"

/* For what takes no time; and for rm, which nothing cuts short. */
#define SMALL_SECONDS 30
#define REMOVE_SECONDS 10

char *inside_new_path(const char *directory)
{
    uint64_t random = 0;
    if (getrandom(&random, sizeof(random), 0) != sizeof(random))
        random = clock_now_ns();
    return xasprintf("%s/" INSIDE_PREFIX "%016llx", strcmp(directory, "/") == 0 ? "" : directory,
                     (unsigned long long)random);
}

static int run_small(struct agent *a, const struct agent_program *program, struct error **err)
{
    cleanup_agent_result struct agent_result result = {0};
    if (agent_exec(a, program, &result, err) < 0)
        return -1;
    if (!result.status)
        return 0;
    text_one_line(result.err_text);
    return error_set(err, "%s in the guest failed with status %d: %s", program->argv[0],
                     result.status, result.err_text);
}

int inside_run_small(struct agent *a, const char *const *argv, struct error **err)
{
    const struct agent_program program = {.argv = argv, .timeout_seconds = SMALL_SECONDS};
    return run_small(a, &program, err);
}

void inside_remove(struct agent *a, const char *path)
{
    const char *const argv[] = {"rm", "-f", path, NULL};
    const struct agent_program program = {
        .argv = argv, .timeout_seconds = REMOVE_SECONDS, .tidies = true};
    run_small(a, &program, NULL);
}

json_t *inside_work(const char *name, double weight)
{
    return json_pack("{s:s, s:f, s:[], s:[], s:n}", "name", name, "weight", weight, "iops",
                     "mb_per_s", "latency_us");
}

void inside_add_run(json_t *work, double requests, double bytes, double seconds)
{
    json_array_append_new(json_object_get(work, "iops"), json_real(requests / seconds));
    json_array_append_new(json_object_get(work, "mb_per_s"), json_real(bytes / seconds / 1e6));
}
