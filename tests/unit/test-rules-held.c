/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-rules-held.c - what is found of the CPUs that a running QEMU's threads are held to, and what
 * is not.
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
#include "check/rule.h"
#include "check/subject.h"
#include "check/tasks.h"
#include "host/cpulist.h"
#include "shown.h"

#define DOMAIN(more, driver)                                                                       \
    "<domain type='kvm'><name>my web</name>" more "<devices><disk type='file' device='disk'>"      \
    "<driver name='qemu' type='raw' " driver "<source file='/srv/web.img'/>"                       \
    "<target dev='vda' bus='virtio'/></disk></devices></domain>"
#define PLAIN DOMAIN("", "/>")
#define THREADED DOMAIN("<iothreads>1</iothreads>", "iothread='1'/>")
#define MAPPED                                                                                     \
    DOMAIN("<iothreads>2</iothreads>",                                                             \
           "><iothreads><iothread id='1'/><iothread id='2'/></iothreads></driver>")
#define PINNED(pins) DOMAIN("<iothreads>1</iothreads><cputune>" pins "</cputune>", "iothread='1'/>")
#define PIN_1 "<iothreadpin iothread='1' cpuset='2-3'/>"
#define BOTH_ON_3 "<vcpupin vcpu='0' cpuset='3'/><iothreadpin iothread='1' cpuset='3'/>"
#define VHOSTUSER                                                                                  \
    "<domain type='kvm'><name>web</name><devices><disk type='vhostuser' device='disk'>"            \
    "<driver name='qemu' type='raw'/><source type='unix' path='/run/x'/>"                          \
    "<target dev='vda' bus='virtio'/></disk></devices></domain>"

/* Threads as "main 0-3; io1 2; cpu0 1". */
static const struct row {
    const char *rule, *what, *xml, *tasks;
    const char *online; /* NULL: 0-7 */
    int64_t node;       /* the drive's */
    bool one_node, shut_off;
    const char *next; /* the definition for the next start, where that is another */
    const char *says, *fix;
} rows[] = {
    {"effective-pin", "an iothread elsewhere", PINNED(PIN_1), "main 0-7; io1 0-1; cpu0 0-7",
     .says = "iothread 1 is pinned to CPU 2-3, and that of the running QEMU may run on 0-1",
     .fix = "virsh iothreadpin 'my web' 1 2-3 --live"},
    {"effective-pin", "a part of where it is pinned to", PINNED(PIN_1), "main 0-7; io1 2",
     .says = "may run on 2"},
    {"effective-pin", "more than where it is pinned to", PINNED(PIN_1), "main 0-7; io1 1-3",
     .says = "may run on 1-3"},
    {"effective-pin", "several",
     PINNED(PIN_1 "<emulatorpin cpuset='0'/><vcpupin vcpu='0' cpuset='4'/>"
                  "<vcpupin vcpu='1' cpuset='5'/>"),
     "main 0-7; io1 2-3; cpu0 0-7; cpu1 5",
     .says = "the main loop is pinned to CPU 0, and that of the running QEMU may run on 0-7, and 1 "
             "more",
     .fix = "virsh emulatorpin 'my web' 0 --live\nvirsh vcpupin 'my web' 0 4 --live"},
    {"effective-pin", "as it is pinned", PINNED(PIN_1), "main 0-7; io1 2,3; cpu0 0-7"},
    {"effective-pin", "to CPUs of which some are offline", PINNED(PIN_1), "main 0,2; io1 2",
     .online = "0,2"},
    {"effective-pin", "to CPUs that are all offline", PINNED(PIN_1), "main 0; io1 0",
     .online = "0"},
    {"effective-pin", "pinned from the next start on", THREADED, "main 0-7; io1 0-7",
     .next = PINNED(PIN_1)},
    {"effective-pin", "no list", PINNED(PIN_1), "main 0-7; io1 junk"},
    {"effective-pin", "it does not run", PINNED(PIN_1), "main 0-7; io1 0", .shut_off = true},

    {"effective-one-cpu", "an iothread", THREADED, "main 0-7; io1 3; cpu0 3; cpu1 3",
     .says = "(iothread 1) may run on CPU 3 alone, of 8",
     .fix = "virsh iothreadpin 'my web' 1 0-2,4-7 --config --live"},
    {"effective-one-cpu", "the main loop", PLAIN, "main 0; cpu0 0", .says = "(the main loop)",
     .fix = "virsh emulatorpin 'my web' 1-7 --config --live"},
    {"effective-one-cpu", "several iothreads for a disk", MAPPED, "main 3; io1 3; io2 3; cpu0 3",
     .says = "(iothread 1, iothread 2)"},
    {"effective-one-cpu", "an iothread that is not in use", PLAIN, "main 0-7; io1 3; cpu0 3"},
    {"effective-one-cpu", "an iothread of no disk", THREADED, "main 0; io1 4; io2 3; cpu0 3"},
    {"effective-one-cpu", "the main loop that serves no disk", THREADED, "main 3; io1 4; cpu0 3"},
    {"effective-one-cpu", "not all vCPUs", THREADED, "main 0-7; io1 3; cpu0 4; cpu1 3"},
    {"effective-one-cpu", "vCPUs with more", THREADED, "main 0-7; io1 3; cpu0 3-4"},
    {"effective-one-cpu", "another one", THREADED, "main 0-7; io1 4; cpu0 3"},
    {"effective-one-cpu", "no vCPU is known", THREADED, "main 3; io1 3"},
    {"effective-one-cpu", "a host with one CPU", THREADED, "main 0; io1 0; cpu0 0", .online = "0"},
    {"effective-one-cpu", "pinned so, which pin-overlap says", PINNED(BOTH_ON_3),
     "main 0-7; io1 3; cpu0 3"},
    {"effective-one-cpu", "a backend that is no part of QEMU", VHOSTUSER, "main 3; cpu0 3"},

    {"effective-numa", "an iothread at the other node", THREADED, "main 0-7; io1 0-3", .node = 1,
     .says =
         "nvme0n1 is at NUMA node 1 (CPUs 4-7), and iothread 1, which serves it, may run on 0-3 "
         "alone",
     .fix = "node 1"},
    {"effective-numa", "all of several iothreads", MAPPED, "main 4; io1 0; io2 1", .node = 1,
     .says = "iothread 1"},
    {"effective-numa", "one of several iothreads", MAPPED, "main 4; io1 0; io2 4", .node = 1},
    {"effective-numa", "a part of both nodes", THREADED, "main 0; io1 3-4", .node = 1},
    {"effective-numa", "at the drive's", THREADED, "main 0; io1 5", .node = 1},
    {"effective-numa", "the drive is at no node", THREADED, "main 0; io1 0", .node = -1},
    {"effective-numa", "the drive's node has no CPUs", THREADED, "main 0; io1 0", .node = 2},
    {"effective-numa", "one node", THREADED, "main 0; io1 0", .node = 1, .one_node = true},
    {"effective-numa", "the memory is there as well, which numa-disk says",
     DOMAIN("<iothreads>1</iothreads><numatune><memory nodeset='0'/></numatune>", "iothread='1'/>"),
     "main 0; io1 0", .node = 1},
};

static void add_task(GPtrArray *tasks, const char *text)
{
    struct task *t = xcalloc(1, sizeof(*t));
    const char *blank = strchr(text, ' ');
    t->role = text[0] == 'm' ? TASK_MAIN : text[0] == 'i' ? TASK_IOTHREAD : TASK_VCPU;
    t->id = (unsigned)strtoul(text + strcspn(text, "0123456789 "), NULL, 10);
    t->cpus = xstrdup(blank + 1);
    g_ptr_array_add(tasks, t);
}

static void free_task(void *data)
{
    free(((struct task *)data)->cpus);
    free(data);
}

static struct check_process *process_of(const struct row *row)
{
    struct check_process *p = xcalloc(1, sizeof(*p));
    p->fallbacks = g_ptr_array_new();
    p->direct = g_hash_table_new(NULL, NULL);
    p->tasks = g_ptr_array_new_with_free_func(free_task);
    g_auto(GStrv) tasks = g_strsplit(row->tasks, "; ", -1);
    for (char **task = tasks; *task; task++)
        add_task(p->tasks, *task);
    return p;
}

static void row_holds(const struct row *row)
{
    const char *next = row->next ? row->next : row->xml;
    const struct subject_source source = {.xml = next,
                                          .length = strlen(next),
                                          .live = row->shut_off ? NULL : row->xml,
                                          .persistent = true};
    cleanup_check_domain struct check_domain *d = check_domain_new(NULL, &source, NULL);
    struct host_node nodes[] = {{0, (char *)"0-3"}, {1, (char *)"4-7"}};
    const char *online = row->online ? row->online : "0-7";
    struct cpulist cpus;
    assert_int_equal(cpulist_parse(online, &cpus), 0);
    const struct host_facts facts = {.cpus = cpulist_count(&cpus),
                                     .online = (char *)online,
                                     .nodes = nodes,
                                     .node_count = row->one_node ? 1 : 2};
    struct block_device device = {
        .name = (char *)"nvme0n1", .numa_node = row->node, .below = g_ptr_array_new()};
    d->process = row->shut_off ? NULL : process_of(row);
    struct place *place = xcalloc(1, sizeof(*place));
    place->block = &device;
    d->disks[0].place = place;

    g_autoptr(GPtrArray) findings = g_ptr_array_new_with_free_func((GDestroyNotify)finding_free);
    const struct look at = {.facts = &facts, .domain = d, .disk = &d->disks[0]};
    struct found out = {.rule = rule_find(row->rule), .at = &at, .findings = findings};
    out.rule->look(&at, &out);
    const struct finding *f = findings->len ? findings->pdata[0] : NULL;
    if (!f != !row->says || findings->len > 1)
        fail_msg("%s, %s: %s", row->rule, row->what, f ? f->summary : "nothing is found");
    if (f && !strstr(f->summary, row->says))
        fail_msg("%s, %s: \"%s\" is not in: %s", row->rule, row->what, row->says, f->summary);
    if (f && row->fix && (!f->fix || !strstr(f->fix, row->fix)))
        fail_msg("%s, %s: \"%s\" is not in: %s", row->rule, row->what, row->fix, f->fix);
    if (f)
        show_found(row->tasks, f);
    g_ptr_array_unref(device.below);
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        row_holds(&rows[i]);
}

static void test_each_rule_has_rows(void **state)
{
    (void)state;
    for (size_t r = 0; r < rules_held.count; r++) {
        bool found = false, silent = false;
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
            bool own = strcmp(rows[i].rule, rules_held.rows[r].id) == 0;
            found |= own && rows[i].says;
            silent |= own && !rows[i].says;
        }
        if (!found || !silent)
            fail_msg("%s has no row for both", rules_held.rows[r].id);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_each_rule_has_rows),
    };
    return cmocka_run_group_tests_name("rules-held", tests, NULL, NULL);
}
