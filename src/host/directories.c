/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/directories.h"

#include <glib.h>
#include <unistd.h>

#include "base/memory.h"

/* GLib's g_get_user_*_dir would do for the user, but it has no state directory before 2.72 and
 * caches the environment; here a run of the tests points each of them elsewhere. */
static char *user_directory(const char *variable, const char *below_home)
{
    const char *value = g_getenv(variable);
    if (value && value[0] == '/')
        return xasprintf("%s/virt-disktune", value);
    return xasprintf("%s/%s/virt-disktune", g_get_home_dir(), below_home);
}

char *directories_state(void)
{
    const char *value = g_getenv("VIRT_DISKTUNE_STATE_DIR");
    if (value && value[0] == '/')
        return xstrdup(value);
    if (geteuid() == 0)
        return xstrdup("/var/lib/virt-disktune");
    return user_directory("XDG_STATE_HOME", ".local/state");
}

char *directories_runtime(void)
{
    const char *value = g_getenv("XDG_RUNTIME_DIR");
    if (geteuid() == 0)
        return xstrdup("/run/virt-disktune");
    if (value && value[0] == '/')
        return xasprintf("%s/virt-disktune", value);
    return xasprintf("/tmp/virt-disktune-%u", (unsigned)geteuid());
}

char *directories_cache(void)
{
    if (geteuid() == 0)
        return xstrdup("/var/cache/virt-disktune");
    return user_directory("XDG_CACHE_HOME", ".cache");
}
