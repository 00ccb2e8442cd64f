/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tune/space.h"

#include <assert.h>
#include <liburing.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"

/* --- Facts ------------------------------------------------------------------------------------ */

/* A number out of /proc/sys; `fallback` where there is no such file. */
static unsigned long read_sysctl(const char *sysroot, const char *name, unsigned long fallback)
{
    cleanup_free char *path = xasprintf("%s/proc/sys/%s", sysroot, name);
    cleanup_free char *text = file_read(path, NULL, NULL);
    return text ? strtoul(text, NULL, 10) : fallback;
}

/* Why io_uring is not to be had; NULL when it is. Value 1 lets root in: QEMU as libvirt starts it
 * in production is not root, and would not get it (Documentation/admin-guide/sysctl/kernel.rst). */
static const char *io_uring_obstacle(const char *sysroot)
{
    if (read_sysctl(sysroot, "kernel/io_uring_disabled", 0) != 0)
        return "the host forbids io_uring (sysctl kernel.io_uring_disabled)";
    struct io_uring ring;
    if (io_uring_queue_init(1, &ring, 0) < 0)
        return "the host's kernel has no io_uring, or a container's policy forbids it";
    io_uring_queue_exit(&ring);
    return NULL;
}

/* QEMU asks for this many events for each context (block/linux-aio.c, MAX_EVENTS). */
#define QEMU_AIO_EVENTS 1024

struct candidate_facts candidate_facts_read(const char *sysroot, unsigned contexts)
{
    unsigned long used = read_sysctl(sysroot, "fs/aio-nr", 0);
    unsigned long limit = read_sysctl(sysroot, "fs/aio-max-nr", 65536);
    const char *obstacle = io_uring_obstacle(sysroot);
    return (struct candidate_facts){
        .io_uring_allowed = !obstacle,
        .io_uring_why = obstacle,
        .aio_contexts_left = used + (unsigned long)contexts * QEMU_AIO_EVENTS <= limit,
    };
}

/* --- Rules ------------------------------------------------------------------------------------ */

/* Why this configuration is not tried; NULL when it is. */
static const char *rule_against(const struct disk_config *c, const struct candidate_facts *facts,
                                const struct space *space)
{
    bool native = strcmp(c->io, "native") == 0;
    if (native && !disk_config_is_direct(c))
        return "io='native' needs cache='none' or 'directsync': libvirt refuses it otherwise";
    if (native && strcmp(c->preallocation, "off") == 0)
        return "io='native' on an image that grows: submitting a request that allocates blocks "
               "the whole event loop";
    if (native && !facts->aio_contexts_left)
        return "not enough Linux AIO contexts left on the host (sysctl fs.aio-max-nr)";
    if (strcmp(c->io, "io_uring") == 0 && !facts->io_uring_allowed)
        return facts->io_uring_why;
    if (!disk_config_is_direct(c) && !space->allow_host_cache)
        return "libvirt does not migrate a guest whose disk uses the host's cache, and its memory "
               "is "
               "taken from the host: --allow-host-cache tries it";
    if (c->queues && space->vcpus == 1)
        return "queues make no difference to a guest with one vCPU";
    if (c->queues && !space->concurrent)
        return "queues make no difference to work with one request in flight";
    return NULL;
}

/* --- Axes ------------------------------------------------------------------------------------- */

#define VALUES_MAX 6

/* A setting, and what it can be. The first value is the one of a disk that virt-install makes,
 * which an axis has that is neither varied nor fixed. */
static const struct axis {
    const char *name;
    const char *values[VALUES_MAX + 1];
    bool by_default; /* varied unless told otherwise */
    const char *what;
} axes[] = {
    [SPACE_IMAGE] = {"image",
                     {"qcow2", "qcow2-prealloc", "raw"},
                     true,
                     "format of the image; qcow2-prealloc and raw have all blocks allocated"},
    [SPACE_CLUSTER] = {"cluster",
                       {"64k", "128k", "256k", "512k", "1m", "2m"},
                       false,
                       "cluster size of qcow2"},
    [SPACE_EXTENDED_L2] = {"extended_l2",
                           {"no", "yes"},
                           false,
                           "qcow2 allocates clusters in 32 parts"},
    [SPACE_IO] = {"io", {"threads", "native", "io_uring"}, true, "how QEMU does asynchronous I/O"},
    [SPACE_CACHE] = {"cache",
                     {"none", "directsync", "writeback", "writethrough"},
                     false,
                     "the last two only with --allow-host-cache"},
    [SPACE_IOTHREAD] = {"iothread", {"no", "yes"}, true, "a thread of its own serves the disk"},
    [SPACE_QUEUES] = {"queues", {"vcpus", "1"}, false, "request queues of the disk"},
    [SPACE_DISCARD] = {"discard",
                       {"ignore", "unmap"},
                       false,
                       "what the guest discards is given back"},
    [SPACE_DETECT_ZEROES] = {"detect_zeroes",
                             {"off", "on"},
                             false,
                             "zeros become holes or zero clusters; costs CPU for each write"},
};
static_assert(ARRAY_SIZE(axes) == SPACE_AXES, "a row for each axis");

static unsigned count_values(enum space_axis axis)
{
    unsigned count = 0;
    while (axes[axis].values[count])
        count++;
    return count;
}

static char *list_axes(void)
{
    g_autoptr(GString) list = g_string_new(NULL);
    for (int i = 0; i < SPACE_AXES; i++)
        g_string_append_printf(list, "%s%s", i ? ", " : "", axes[i].name);
    return xstrdup(list->str);
}

static int find_axis(const char *name, enum space_axis *ret, struct error **err)
{
    for (int i = 0; i < SPACE_AXES; i++) {
        if (strcmp(axes[i].name, name) != 0)
            continue;
        *ret = (enum space_axis)i;
        return 0;
    }
    cleanup_free char *known = list_axes();
    error_set(err, "there is no axis '%s'", name);
    return error_hint(err, "the axes are %s", known);
}

struct space space_new(void)
{
    struct space s = {.vcpus = 2, .concurrent = true};
    for (int i = 0; i < SPACE_AXES; i++)
        s.values[i] = axes[i].by_default ? (1u << count_values((enum space_axis)i)) - 1 : 1;
    return s;
}

int space_vary(struct space *s, const char *list, struct error **err)
{
    g_auto(GStrv) names = g_strsplit(list, ",", -1);
    unsigned values[SPACE_AXES];
    enum space_axis none;
    /* What g_strsplit makes of an empty string is an empty list. */
    if (!*names)
        return find_axis("", &none, err);
    for (int i = 0; i < SPACE_AXES; i++)
        values[i] = 1;
    for (char **name = names; *name; name++) {
        enum space_axis axis = SPACE_AXES;
        if (find_axis(g_strstrip(*name), &axis, err) < 0)
            return -1;
        values[axis] = (1u << count_values(axis)) - 1;
    }
    memcpy(s->values, values, sizeof(values));
    return 0;
}

/* The place of one value of an axis. */
static int find_value(enum space_axis axis, const char *value, unsigned *ret, struct error **err)
{
    g_autoptr(GString) known = g_string_new(NULL);
    for (unsigned i = 0; i < count_values(axis); i++) {
        if (strcmp(axes[axis].values[i], value) == 0) {
            *ret = i;
            return 0;
        }
        g_string_append_printf(known, "%s%s", i ? ", " : "", axes[axis].values[i]);
    }
    error_set(err, "%s is never '%s'", axes[axis].name, value);
    return error_hint(err, "%s is one of %s", axes[axis].name, known->str);
}

int space_fix(struct space *s, const char *list, struct error **err)
{
    g_auto(GStrv) items = g_strsplit(list, ",", -1);
    struct space fixed = *s;
    if (!*items)
        return error_set(err, "'' has to be AXIS=VALUE");
    for (char **item = items; *item; item++) {
        enum space_axis axis = SPACE_AXES;
        unsigned value = 0;
        char *equals = strchr(g_strstrip(*item), '=');
        if (!equals)
            return error_set(err, "'%s' has to be AXIS=VALUE", *item);
        *equals = '\0';
        if (find_axis(*item, &axis, err) < 0 || find_value(axis, equals + 1, &value, err) < 0)
            return -1;
        fixed.values[axis] = 1u << value;
    }
    *s = fixed;
    return 0;
}

char *space_describe(void)
{
    g_autoptr(GString) text = g_string_new(NULL);
    for (int i = 0; i < SPACE_AXES; i++) {
        g_string_append_printf(text, "%-14s", axes[i].name);
        for (unsigned k = 0; k < count_values((enum space_axis)i); k++)
            g_string_append_printf(text, "%s%s", k ? ", " : "", axes[i].values[k]);
        g_string_append_printf(text, "%s\n%14s%s\n",
                               axes[i].by_default ? "; varied by default" : "", "", axes[i].what);
    }
    return xstrdup(text->str);
}

/* --- Candidates ------------------------------------------------------------------------------- */

static const char *value_of(enum space_axis axis, const unsigned *choice)
{
    return axes[axis].values[choice[axis]];
}

static bool is_second(enum space_axis axis, const unsigned *choice)
{
    return choice[axis] == 1;
}

static struct disk_config config_of(const unsigned *choice)
{
    bool raw = strcmp(value_of(SPACE_IMAGE, choice), "raw") == 0;
    uint64_t cluster = 0;
    text_parse_size(value_of(SPACE_CLUSTER, choice), &cluster, NULL);
    return (struct disk_config){
        .bus = "virtio",
        .format = raw ? "raw" : "qcow2",
        .preallocation = choice[SPACE_IMAGE] ? "falloc" : "off",
        .cache = value_of(SPACE_CACHE, choice),
        .io = value_of(SPACE_IO, choice),
        .iothread = is_second(SPACE_IOTHREAD, choice),
        .queues = is_second(SPACE_QUEUES, choice),
        .cluster_bytes = choice[SPACE_CLUSTER] ? (uint32_t)cluster : 0,
        .extended_l2 = is_second(SPACE_EXTENDED_L2, choice),
        .discard = is_second(SPACE_DISCARD, choice),
        .detect_zeroes = is_second(SPACE_DETECT_ZEROES, choice),
    };
}

/* "raw-native-iothread", "qcow2-prealloc-128k-threads-writeback": what is as usual has no word. */
static char *id_of(const unsigned *choice)
{
    g_autoptr(GString) id = g_string_new(value_of(SPACE_IMAGE, choice));
    if (choice[SPACE_CLUSTER])
        g_string_append_printf(id, "-%s", value_of(SPACE_CLUSTER, choice));
    g_string_append(id, is_second(SPACE_EXTENDED_L2, choice) ? "-extended_l2" : "");
    g_string_append_printf(id, "-%s", value_of(SPACE_IO, choice));
    g_string_append(id, is_second(SPACE_IOTHREAD, choice) ? "-iothread" : "");
    if (choice[SPACE_CACHE])
        g_string_append_printf(id, "-%s", value_of(SPACE_CACHE, choice));
    g_string_append(id, is_second(SPACE_QUEUES, choice) ? "-1queue" : "");
    g_string_append(id, is_second(SPACE_DISCARD, choice) ? "-discard" : "");
    g_string_append(id, is_second(SPACE_DETECT_ZEROES, choice) ? "-detect_zeroes" : "");
    return xstrdup(id->str);
}

/* What is no configuration at all: raw has no clusters. */
static bool exists(const unsigned *choice)
{
    bool raw = strcmp(value_of(SPACE_IMAGE, choice), "raw") == 0;
    return !raw || (!choice[SPACE_CLUSTER] && !choice[SPACE_EXTENDED_L2]);
}

/* The next combination that the space has; false behind the last. */
static bool advance(const struct space *s, unsigned *choice)
{
    for (int i = SPACE_AXES - 1; i >= 0; i--) {
        for (choice[i]++; choice[i] < VALUES_MAX; choice[i]++)
            if (s->values[i] & 1u << choice[i])
                return true;
        for (choice[i] = 0; !(s->values[i] & 1u << choice[i]);)
            choice[i]++;
    }
    return false;
}

GPtrArray *space_candidates(const struct space *s, const struct candidate_facts *facts)
{
    GPtrArray *all = g_ptr_array_new_with_free_func(candidate_free);
    unsigned choice[SPACE_AXES];
    for (int i = 0; i < SPACE_AXES; i++)
        for (choice[i] = 0; !(s->values[i] & 1u << choice[i]);)
            choice[i]++;
    do {
        if (!exists(choice))
            continue;
        struct candidate *c = xcalloc(1, sizeof(*c));
        c->config = config_of(choice);
        c->id = id_of(choice);
        const char *why = rule_against(&c->config, facts, s);
        c->left_out = why ? xstrdup(why) : NULL;
        g_ptr_array_add(all, c);
    } while (advance(s, choice));
    return all;
}

GPtrArray *candidates_for_new_disk(const struct candidate_facts *facts)
{
    struct space s = space_new();
    return space_candidates(&s, facts);
}
