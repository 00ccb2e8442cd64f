/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tune/ground.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/memory.h"
#include "host/directories.h"

int ground_take(struct ground *g, const char *uri, struct error **err)
{
    cleanup_free char *parent = directories_runtime();
    if (g->runtime)
        return 0;
    if (file_make_directories(parent, err) < 0)
        return -1;
    /* Below /tmp the name could be taken by somebody else. */
    struct stat st;
    if (lstat(parent, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid())
        return error_set(err, "%s is not a directory of this user", parent);
    g->runtime = claim_take(parent, CLAIM_RUNTIME_PREFIX, /* alone = */ false, err);
    if (!g->runtime)
        return -1;
    /* A daemon's QEMU is another user, who must be able to pass through. */
    if (uri && (chmod(parent, 0711) < 0 || chmod(g->runtime->path, 0711) < 0))
        return error_set_errno(err, errno, "cannot let QEMU's user into %s", parent);
    return 0;
}

int ground_connect(struct ground *g, const char *uri, struct error **err)
{
    if (g->connection)
        return 0;
    if (!uri) {
        cleanup_free char *cache = directories_cache();
        g->connection = connection_open_embedded(g->runtime->path, cache, err);
        return g->connection ? 0 : -1;
    }
    g->connection = connection_open(uri, err);
    if (g->connection)
        return connection_require_local_qemu(g->connection, err);
    /* Whoever is asked of a domain has connected before. */
    if (err && *err && (*err)->hint)
        error_hint(err, "is the daemon running? Without -c this needs none");
    return -1;
}

void ground_done(struct ground *g)
{
    connection_close(g->connection);
    claim_release(g->runtime);
    *g = (struct ground){0};
}
