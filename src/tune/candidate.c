/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tune/candidate.h"

#include <errno.h>
#include <liburing.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"

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
static const char *rule_against(const struct disk_config *c, const struct candidate_facts *facts)
{
    bool direct = strcmp(c->cache, "none") == 0 || strcmp(c->cache, "directsync") == 0;
    bool native = strcmp(c->io, "native") == 0;
    if (native && !direct)
        return "io='native' needs cache='none' or 'directsync': libvirt refuses it otherwise";
    if (native && strcmp(c->preallocation, "off") == 0)
        return "io='native' on an image that grows: submitting a request that allocates blocks "
               "the whole event loop";
    if (native && !facts->aio_contexts_left)
        return "not enough Linux AIO contexts left on the host (sysctl fs.aio-max-nr)";
    if (strcmp(c->io, "io_uring") == 0 && !facts->io_uring_allowed)
        return facts->io_uring_why;
    return NULL;
}

/* --- The space -------------------------------------------------------------------------------- */

static void candidate_free(void *data)
{
    struct candidate *c = data;
    free(c->id);
    free(c->left_out);
    free(c);
}

static struct candidate *candidate_new(const struct disk_config *config,
                                       const struct candidate_facts *facts)
{
    struct candidate *c = xcalloc(1, sizeof(*c));
    bool prealloc = strcmp(config->format, "raw") != 0 && strcmp(config->preallocation, "off") != 0;
    const char *why = rule_against(config, facts);
    c->config = *config;
    c->id = xasprintf("%s%s-%s%s", config->format, prealloc ? "-prealloc" : "", config->io,
                      config->iothread ? "-iothread" : "");
    c->left_out = why ? xstrdup(why) : NULL;
    return c;
}

GPtrArray *candidates_for_new_disk(const struct candidate_facts *facts)
{
    static const struct {
        const char *format, *preallocation;
    } images[] = {{"raw", "falloc"}, {"qcow2", "off"}, {"qcow2", "falloc"}};
    static const char *const ios[] = {"threads", "native", "io_uring"};

    GPtrArray *all = g_ptr_array_new_with_free_func(candidate_free);
    for (size_t i = 0; i < ARRAY_SIZE(images); i++)
        for (size_t k = 0; k < ARRAY_SIZE(ios); k++)
            for (int iothread = 0; iothread <= 1; iothread++) {
                struct disk_config config = {
                    .bus = "virtio",
                    .format = images[i].format,
                    .preallocation = images[i].preallocation,
                    .cache = "none",
                    .io = ios[k],
                    .iothread = iothread,
                };
                g_ptr_array_add(all, candidate_new(&config, facts));
            }
    return all;
}

unsigned candidate_distance(const struct candidate *c)
{
    /* virt-install: a qcow2 that grows, no io attribute (QEMU's default is threads), no iothread. */
    return (strcmp(c->config.format, "qcow2") != 0) + (strcmp(c->config.preallocation, "off") != 0) +
           (strcmp(c->config.io, "threads") != 0) + c->config.iothread;
}

char *candidate_create_line(const struct candidate *c)
{
    return xasprintf("qemu-img create -f %s -o preallocation=%s IMAGE SIZE", c->config.format,
                     c->config.preallocation);
}

/* --- Selection -------------------------------------------------------------------------------- */

/* The ids of a comma list, or of the file it names; free with g_strfreev. */
static char **selected_ids(const char *selection, struct error **err)
{
    if (!strchr(selection, '/') && access(selection, F_OK) < 0)
        return g_strsplit(selection, ",", -1);
    cleanup_free char *text = file_read(selection, NULL, err);
    return text ? g_strsplit(text, "\n", -1) : NULL;
}

static struct candidate *find(GPtrArray *candidates, const char *id)
{
    for (unsigned i = 0; i < candidates->len; i++) {
        struct candidate *c = candidates->pdata[i];
        if (strcmp(c->id, id) == 0)
            return c;
    }
    return NULL;
}

static int unknown_candidate(GPtrArray *candidates, const char *id, struct error **err)
{
    g_autoptr(GString) known = g_string_new(NULL);
    for (unsigned i = 0; i < candidates->len; i++)
        g_string_append_printf(known, "%s%s", i ? ", " : "",
                               ((struct candidate *)candidates->pdata[i])->id);
    error_set(err, "there is no candidate '%s'", id);
    return error_hint(err, "the candidates are %s", known->str);
}

/* Another disk of a configuration that was chosen already: what an A/A race is made of. */
static struct candidate *copy_of(const struct candidate *c, unsigned number)
{
    struct candidate *copy = xcalloc(1, sizeof(*copy));
    copy->id = xasprintf("%s#%u", c->id, number);
    copy->config = c->config;
    return copy;
}

static unsigned count_same(char **ids, char **end)
{
    unsigned count = 1;
    for (char **id = ids; id < end; id++)
        count += strcmp(*id, *end) == 0;
    return count;
}

int candidates_select(GPtrArray *candidates, const char *selection, struct error **err)
{
    g_auto(GStrv) ids = selected_ids(selection, err);
    if (!ids)
        return -1;
    g_autoptr(GPtrArray) chosen = g_ptr_array_new_with_free_func(candidate_free);
    for (char **id = ids; *id; id++) {
        g_strstrip(*id);
        if (!**id || **id == '#')
            continue;
        struct candidate *c = find(candidates, *id);
        if (!c)
            return unknown_candidate(candidates, *id, err);
        if (c->left_out)
            return error_set(err, "the candidate %s cannot be tried: %s", c->id, c->left_out);
        unsigned number = count_same(ids, id);
        struct candidate *copy = copy_of(c, number);
        if (number == 1)
            *strrchr(copy->id, '#') = '\0';
        g_ptr_array_add(chosen, copy);
    }
    if (!chosen->len)
        return error_set(err, "'%s' names no candidate", selection);
    g_ptr_array_set_size(candidates, 0);
    while (chosen->len)
        g_ptr_array_add(candidates, g_ptr_array_steal_index(chosen, 0));
    return 0;
}
