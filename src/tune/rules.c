/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tune/rules.h"

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

/* What is judged, and what by. */
struct judged {
    const struct disk_config *config;
    const struct candidate_facts *facts;
    const struct space *space;
};

/* A rule returns why the configuration is not tried, for the caller to free, or NULL. */

static bool is_native(const struct judged *j)
{
    return strcmp(j->config->io, "native") == 0;
}

static char *native_is_direct(const struct judged *j)
{
    if (!is_native(j) || disk_config_is_direct(j->config))
        return NULL;
    return xstrdup("io='native' needs cache='none' or 'directsync': libvirt refuses it otherwise");
}

static char *native_owns_its_blocks(const struct judged *j)
{
    const char *preallocation = j->config->preallocation;
    if (!is_native(j) ||
        (strcmp(preallocation, "off") != 0 && strcmp(preallocation, "metadata") != 0))
        return NULL;
    return xstrdup("io='native' on an image that grows: submitting a request that allocates blocks "
                   "the whole event loop");
}

static char *native_has_contexts(const struct judged *j)
{
    if (!is_native(j) || j->facts->aio_contexts_left)
        return NULL;
    return xstrdup("not enough Linux AIO contexts left on the host (sysctl fs.aio-max-nr)");
}

static char *io_uring_is_there(const struct judged *j)
{
    if (strcmp(j->config->io, "io_uring") != 0 || j->facts->io_uring_allowed)
        return NULL;
    return xstrdup(j->facts->io_uring_why);
}

static char *host_cache_is_allowed(const struct judged *j)
{
    if (disk_config_is_direct(j->config) || j->space->allow_host_cache)
        return NULL;
    return xstrdup("libvirt does not migrate a guest whose disk uses the host's cache, and its "
                   "memory is taken from the host: --allow-host-cache tries it");
}

static char *queues_matter(const struct judged *j)
{
    if (!j->config->queues)
        return NULL;
    if (j->space->vcpus == 1)
        return xstrdup("queues make no difference to a guest with one vCPU");
    if (!j->space->concurrent)
        return xstrdup("queues make no difference to work with one request in flight");
    return NULL;
}

/* The first that is against it is the reason. */
static char *(*const rules[])(const struct judged *) = {
    native_is_direct,  native_owns_its_blocks, native_has_contexts,
    io_uring_is_there, host_cache_is_allowed,  queues_matter,
};

char *rules_against(const struct space *s, const struct candidate_facts *facts,
                    const struct disk_config *c)
{
    const struct judged judged = {c, facts, s};
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
        char *why = rules[i](&judged);
        if (why)
            return why;
    }
    return NULL;
}
