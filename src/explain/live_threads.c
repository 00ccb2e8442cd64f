/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "explain/live_threads.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "check/tasks.h"
#include "host/cpulist.h"

struct thread {
    pid_t id;
    char *group;
    unsigned rank; /* of the group: in which order they are shown */
    uint64_t ran_ns, waited_ns;
    int cpu;       /* the last one; -1: not known */
    char *allowed; /* NULL: not known */
    char *cgroups; /* cgroups(7): a line for each hierarchy; NULL: not known */
};

struct live_threads {
    uint64_t at_ns;
    uint64_t total_ns; /* of the process, those that have ended included; a tick's multiple */
    GPtrArray *all;    /* struct thread * */
};

/* --- Reading ---------------------------------------------------------------------------------- */

static void free_thread(void *data)
{
    struct thread *t = data;
    free(t->group);
    free(t->allowed);
    free(t->cgroups);
    free(t);
}

/* The fields of a "stat" behind the name, which may have blanks and brackets; NULL. */
static const char *behind_name(const char *stat)
{
    const char *end = stat ? strrchr(stat, ')') : NULL;
    return end ? end + 1 : NULL;
}

/* A field of it, counted as in proc(5), where the first behind the name is the third; -1. */
static int64_t field_of(const char *fields, unsigned number)
{
    for (unsigned i = 3; fields && i < number; i++) {
        fields = strchr(fields + 1, ' ');
    }
    return fields && *fields ? (int64_t)g_ascii_strtoll(fields, NULL, 10) : -1;
}

enum { RANK_VCPU, RANK_MAIN, RANK_IOTHREAD, RANK_WORKER = 100000, RANK_OTHER };

static void find_group(struct thread *t, const char *name, bool is_main)
{
    struct task role = {.role = TASK_MAIN};
    bool known = !is_main && task_find_role(name, &role);
    if (known && role.role == TASK_VCPU) {
        t->rank = RANK_VCPU;
        t->group = xstrdup("vCPUs");
    } else if (known) {
        t->rank = RANK_IOTHREAD + MIN(role.id, RANK_WORKER - RANK_IOTHREAD - 1);
        t->group = xasprintf("iothread %u", role.id);
    } else if (is_main) {
        t->rank = RANK_MAIN;
        t->group = xstrdup("main loop");
    } else if (strcmp(name, "worker") == 0 || g_str_has_prefix(name, "iou-wrk-")) {
        /* QEMU's pool (util/thread-pool.c), and the kernel's of io_uring. */
        t->rank = RANK_WORKER;
        t->group = xstrdup("workers");
    } else {
        t->rank = RANK_OTHER;
        t->group = xstrdup("others");
    }
}

static void read_thread(struct live_threads *all, const struct root *r, pid_t pid, const char *id)
{
    cleanup_free char *directory = xasprintf("/proc/%d/task/%s", (int)pid, id);
    cleanup_free char *name_path = xasprintf("%s/comm", directory);
    cleanup_free char *sched_path = xasprintf("%s/schedstat", directory);
    cleanup_free char *stat_path = xasprintf("%s/stat", directory);
    cleanup_free char *status_path = xasprintf("%s/status", directory);
    cleanup_free char *cgroups_path = xasprintf("%s/cgroup", directory);
    cleanup_free char *name = root_read_word(r, name_path);
    cleanup_free char *sched = root_read(r, sched_path);
    cleanup_free char *stat = root_read(r, stat_path);
    cleanup_free char *status = root_read(r, status_path);
    struct thread t = {.id = atoi(id)};
    if (!name || !sched || sscanf(sched, "%" SCNu64 " %" SCNu64, &t.ran_ns, &t.waited_ns) != 2)
        return;
    t.cpu = (int)field_of(behind_name(stat), 39);
    t.allowed = status ? task_status_value(status, "Cpus_allowed_list") : NULL;
    t.cgroups = root_read(r, cgroups_path);
    find_group(&t, name, t.id == pid);
    struct thread *copy = xcalloc(1, sizeof(*copy));
    *copy = t;
    g_ptr_array_add(all->all, copy);
}

struct live_threads *live_threads_read(const struct root *r, pid_t pid)
{
    cleanup_free char *directory = xasprintf("/proc/%d/task", (int)pid);
    cleanup_free char *path = xasprintf("/proc/%d/stat", (int)pid);
    g_autoptr(GPtrArray) names = root_list(r, directory);
    cleanup_live_threads struct live_threads *t = xcalloc(1, sizeof(*t));
    t->all = g_ptr_array_new_with_free_func(free_thread);
    cleanup_free char *stat = root_read(r, path);
    int64_t user = field_of(behind_name(stat), 14), system = field_of(behind_name(stat), 15);
    for (guint i = 0; i < names->len; i++)
        read_thread(t, r, pid, names->pdata[i]);
    t->at_ns = clock_now_ns();
    t->total_ns = (uint64_t)(MAX(user, 0) + MAX(system, 0)) *
                  (NS_PER_SECOND / (uint64_t)sysconf(_SC_CLK_TCK));
    return t->all->len && user >= 0 ? TAKE_PTR(t) : NULL;
}

void live_threads_free(struct live_threads *t)
{
    if (!t)
        return;
    g_ptr_array_unref(t->all);
    free(t);
}

/* --- Comparing -------------------------------------------------------------------------------- */

/* A group while it is added up. */
struct sum {
    const char *group;
    unsigned rank, threads;
    uint64_t ran_ns, waited_ns;
    struct cpulist allowed, last;
};

static const struct thread *find_thread(const struct live_threads *all, pid_t id)
{
    for (guint i = 0; i < all->all->len; i++)
        if (((const struct thread *)all->all->pdata[i])->id == id)
            return all->all->pdata[i];
    return NULL;
}

/* The sum of this thread's group; new ones are in the order of their ranks. */
static struct sum *find_sum(GPtrArray *sums, const struct thread *t)
{
    guint at = 0;
    for (; at < sums->len; at++) {
        struct sum *s = sums->pdata[at];
        if (s->rank == t->rank)
            return s;
        if (s->rank > t->rank)
            break;
    }
    struct sum *s = xcalloc(1, sizeof(*s));
    s->group = t->group;
    s->rank = t->rank;
    g_ptr_array_insert(sums, (gint)at, s);
    return s;
}

/* The thread as it was. One that began in between began with nothing; so did one that has the
 * number of another. */
static const struct thread *find_before(const struct live_threads *before, const struct thread *t)
{
    static const struct thread nothing;
    const struct thread *was = find_thread(before, t->id);
    bool same = was && was->ran_ns <= t->ran_ns && was->waited_ns <= t->waited_ns;
    return same ? was : &nothing;
}

static void add_thread(GPtrArray *sums, const struct live_threads *before, const struct thread *t)
{
    const struct thread *was = find_before(before, t);
    struct cpulist allowed;
    struct sum *s = find_sum(sums, t);
    s->threads++;
    s->ran_ns += t->ran_ns - was->ran_ns;
    s->waited_ns += t->waited_ns - was->waited_ns;
    if (cpulist_parse(t->allowed, &allowed) == 0)
        cpulist_add(&s->allowed, &allowed);
    if (t->cpu >= 0)
        cpulist_include(&s->last, (unsigned)t->cpu);
}

/* NULL for none. The caller frees. */
static char *format(const struct cpulist *cpus)
{
    return cpulist_count(cpus) ? cpulist_format(cpus) : NULL;
}

/* "0-1" of the nodes that have these CPUs; NULL where that is not known. The caller frees. */
static char *nodes_of(const struct cpulist *cpus, const struct host_facts *facts)
{
    struct cpulist nodes = {0}, left = *cpus, has;
    for (size_t i = 0; facts && i < facts->node_count; i++) {
        if (cpulist_parse(facts->nodes[i].cpus, &has) < 0)
            continue;
        struct cpulist others = left;
        cpulist_remove(&others, &has);
        if (cpulist_count(&others) != cpulist_count(&left))
            cpulist_include(&nodes, facts->nodes[i].id);
    }
    return format(&nodes);
}

static void append_group(GPtrArray *out, const struct sum *s, double seconds, double requests,
                         const struct host_facts *facts)
{
    struct live_thread_group *g = xcalloc(1, sizeof(*g));
    *g = (struct live_thread_group){
        .name = xstrdup(s->group),
        .threads = s->threads,
        .cpu = (double)s->ran_ns / (double)NS_PER_SECOND / seconds,
        .waiting = (double)s->waited_ns / (double)NS_PER_SECOND / seconds,
        .us_per_request = requests > 0 ? (double)s->ran_ns / 1000 / (requests * seconds) : NAN,
        .allowed = format(&s->allowed),
        .last_cpus = format(&s->last),
        .last_nodes = nodes_of(&s->last, facts),
    };
    g_ptr_array_add(out, g);
}

/* What the ticks of the process have beyond what is seen of its threads; less may be rounding. */
#define ENDED_MIN_NS (100 * NS_PER_MS)

static double seconds_between(const struct live_threads *before, const struct live_threads *after)
{
    return (double)(after->at_ns - before->at_ns) / (double)NS_PER_SECOND;
}

static uint64_t total_between(const struct live_threads *before, const struct live_threads *after)
{
    return after->total_ns > before->total_ns ? after->total_ns - before->total_ns : 0;
}

void live_threads_compare(const struct live_threads *before, const struct live_threads *after,
                          double requests_per_second, const struct host_facts *facts,
                          GPtrArray *out)
{
    double seconds = seconds_between(before, after);
    uint64_t seen = 0, total = total_between(before, after);
    g_autoptr(GPtrArray) sums = g_ptr_array_new_with_free_func(free);
    if (!(seconds > 0))
        return;
    for (guint i = 0; i < after->all->len; i++)
        add_thread(sums, before, after->all->pdata[i]);
    for (guint i = 0; i < sums->len; i++) {
        seen += ((const struct sum *)sums->pdata[i])->ran_ns;
        append_group(out, sums->pdata[i], seconds, requests_per_second, facts);
    }
    if (total > seen + ENDED_MIN_NS) {
        const struct sum ended = {.group = "those that ended", .ran_ns = total - seen};
        append_group(out, &ended, seconds, requests_per_second, facts);
    }
}

/* Whether the thread is in the group or in one below it. What of a path is above the mount of its
 * hierarchy is not in the group's. */
static bool is_in_group(const struct thread *t, const char *group)
{
    size_t length = strcmp(group, "/") == 0 ? 0 : strlen(group);
    for (const char *at = t->cgroups; at && (at = strstr(at, group)); at++)
        if (!length || strchr("/\n", at[length]))
            return true;
    return false;
}

double live_threads_of_group(const struct live_threads *before, const struct live_threads *after,
                             const char *group)
{
    uint64_t sum = 0;
    guint count = 0;
    for (guint i = 0; i < after->all->len; i++) {
        const struct thread *t = after->all->pdata[i];
        if (!is_in_group(t, group))
            continue;
        count++;
        sum += t->ran_ns - find_before(before, t)->ran_ns;
    }
    /* Those that have ended are in the same one where all that live are. */
    if (count == after->all->len)
        sum = MAX(sum, total_between(before, after));
    double seconds = seconds_between(before, after);
    return count && seconds > 0 ? (double)sum / (double)NS_PER_SECOND / seconds : NAN;
}
