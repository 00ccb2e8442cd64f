/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * inside.c - measures a file system from inside a user's own guest, and leaves nothing there.
 *
 * The guest's agent writes this program into the guest and runs it; it is static, so that nothing
 * has to be installed. It removes itself before anything else. The file that it works on has no
 * name, so that the kernel frees it with the process, however that ends; and the process ends with
 * the agent's, or when its time is up: nobody could stop it from outside.
 *
 * Standard input has one object, standard output gets one:
 *   {"directory":"/data","bytes":134217728,"seed":1,"runs":5,"seconds":120,"works":[suite.h]}
 *   {"kernel":"6.1.0","runs":[[{"requests","bytes","elapsed_ns"}, one a work], one a run],
 *    "latency_us":[{"mean","p50","p95","p99"}, one a work], "written_bytes",
 *    "file_system_bytes": of all of it, by which it is known again} or {"error":"…"}
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>

#include "base/file.h"
#include "base/interrupt.h"
#include "base/json.h"
#include "base/memory.h"
#include "measure/inside.h"
#include "measure/figures.h"
#include "measure/protocol.h"
#include "measure/run.h"

struct task {
    char *directory;
    uint64_t bytes, seed, runs, seconds;
    struct suite *suite;
    char path[32]; /* of the file that is measured, as long as it is open */
    uint64_t written_bytes, file_system_bytes;
    struct histogram *latencies; /* one a work */
};

static void task_done(struct task *t)
{
    free(t->directory);
    suite_free(t->suite);
    free(t->latencies);
}

/* --- Leaving nothing -------------------------------------------------------------------------- */

/* Only what has the name that the host gives it. */
static void remove_self(void)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
    if (n <= 0)
        return;
    path[n] = '\0';
    const char *name = strrchr(path, '/');
    if (name && strncmp(name + 1, INSIDE_PREFIX, strlen(INSIDE_PREFIX)) == 0)
        unlink(path);
}

/* A file without a name; on file systems that cannot make one it loses its name at once. */
static int open_nameless(const char *directory, struct error **err)
{
    int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0)
        return fd;
    cleanup_free char *path = xasprintf("%s/" INSIDE_PREFIX "XXXXXX", directory);
    fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        return error_set_errno(err, errno, "cannot make a file in %s", directory);
    unlink(path);
    return fd;
}

static int check_room(struct task *t, struct error **err)
{
    struct statvfs fs;
    if (statvfs(t->directory, &fs) < 0)
        return error_set_errno(err, errno, "cannot look at %s", t->directory);
    t->file_system_bytes = (uint64_t)fs.f_blocks * fs.f_frsize;
    uint64_t room = (uint64_t)fs.f_bavail * fs.f_frsize, need = t->bytes + INSIDE_RESERVE_BYTES;
    if (room >= need)
        return 0;
    return error_set(err, "%s has %llu MiB free, and %llu MiB are needed", t->directory,
                     (unsigned long long)(room >> 20), (unsigned long long)(need >> 20));
}

/* --- The work --------------------------------------------------------------------------------- */

static int read_task(json_t *json, struct task *t, struct error **err)
{
    const char *directory = json_string_value(json_object_get(json, "directory"));
    if (!directory || directory[0] != '/')
        return error_set(err, "no directory");
    t->directory = xstrdup(directory);
    if (protocol_get_u64(json, "bytes", &t->bytes, err) < 0 ||
        protocol_get_u64(json, "seed", &t->seed, err) < 0 ||
        protocol_get_u64(json, "runs", &t->runs, err) < 0 ||
        protocol_get_u64(json, "seconds", &t->seconds, err) < 0)
        return -1;
    if (!t->runs || t->runs > 1000 || !t->seconds || t->seconds > INSIDE_SECONDS_MAX)
        return error_set(err, "a number is out of range");
    t->suite = suite_from_json(json_object_get(json, "works"), err);
    if (!t->suite)
        return -1;
    t->latencies = xcalloc(t->suite->count, sizeof(*t->latencies));
    return 0;
}

static json_t *run_to_json(const struct run_result *r)
{
    return json_pack("{s:I, s:I, s:I}", "requests", (json_int_t)r->requests, "bytes",
                     (json_int_t)r->bytes, "elapsed_ns", (json_int_t)r->elapsed_ns);
}

/* The works of one group, at the same time, once; appends what each came to. */
static int run_group(struct task *t, unsigned group, uint64_t seed, json_t *results,
                     struct error **err)
{
    unsigned count;
    const struct work *works = suite_group(t->suite, group, &count);
    cleanup_free struct run_result *runs = xcalloc(count, sizeof(*runs));
    cleanup_crew struct crew *crew = NULL;
    cleanup_site struct site *site =
        run_open(works, count, t->path, /* once = */ false, seed, &crew, err);
    if (!site || run_whole(site, works, count, runs, err) < 0)
        return -1;
    for (unsigned i = 0; i < count; i++) {
        t->written_bytes += runs[i].written_bytes;
        site_add_latencies(site, i, &t->latencies[works - t->suite->works + i]);
        json_array_append_new(results, run_to_json(&runs[i]));
    }
    return 0;
}

static json_t *run_all(struct task *t, struct error **err)
{
    cleanup_json json_t *runs = json_array();
    for (uint64_t r = 0; r < t->runs; r++) {
        json_t *results = json_array();
        json_array_append_new(runs, results);
        for (unsigned g = 0; g < suite_groups(t->suite); g++)
            if (run_group(t, g, t->seed + r * SUITE_WORKS_MAX + g, results, err) < 0)
                return NULL;
    }
    return TAKE_PTR(runs);
}

static json_t *latencies_to_json(const struct task *t)
{
    json_t *all = json_array();
    for (unsigned i = 0; i < t->suite->count; i++) {
        struct latency_us l = latency_us_from(&t->latencies[i]);
        json_array_append_new(all, json_pack("{s:f, s:f, s:f, s:f}", "mean", l.mean, "p50", l.p50,
                                             "p95", l.p95, "p99", l.p99));
    }
    return all;
}

static json_t *measure(json_t *asked, struct error **err)
{
    struct utsname system;
    at_scope_end(task_done) struct task t = {0};
    if (read_task(asked, &t, err) < 0 || check_room(&t, err) < 0)
        return NULL;
    /* Not what interrupt_install has made of it: nothing defers a signal here. */
    signal(SIGALRM, SIG_DFL);
    alarm((unsigned)t.seconds);
    cleanup_close int fd = open_nameless(t.directory, err);
    if (fd < 0)
        return NULL;
    snprintf(t.path, sizeof(t.path), "/proc/self/fd/%d", fd);
    if (ftruncate(fd, (off_t)t.bytes) < 0) {
        error_set_errno(err, errno, "cannot make the file in %s larger", t.directory);
        return NULL;
    }
    if (target_fill(t.path, t.bytes, t.seed, &t.written_bytes, err) < 0)
        return NULL;
    json_t *runs = run_all(&t, err);
    if (!runs)
        return NULL;
    uname(&system);
    return json_pack("{s:s, s:o, s:o, s:I, s:I}", "kernel", system.release, "runs", runs,
                     "latency_us", latencies_to_json(&t), "written_bytes",
                     (json_int_t)t.written_bytes, "file_system_bytes",
                     (json_int_t)t.file_system_bytes);
}

int main(void)
{
    cleanup_error struct error *err = NULL;
    size_t length = 0;
    remove_self();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    cleanup_free char *text = interrupt_install(&err) == 0
                                  ? file_read_rest(STDIN_FILENO, "the task", &length, &err)
                                  : NULL;
    cleanup_json json_t *asked = text ? json_loadb(text, length, 0, NULL) : NULL;
    cleanup_json json_t *result = text ? measure(asked, &err) : NULL;
    if (!result)
        result = json_pack("{s:s}", "error", err ? err->message : "unknown");
    json_dumpf(result, stdout, JSON_COMPACT);
    return fflush(stdout) == 0 ? 0 : 1;
}
