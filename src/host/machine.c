/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/machine.h"

#include <glib.h>
#include <stdbool.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"

#define HASH_KEY "virt-disktune"

/* 32 hexadecimal digits; an image that was not started yet has none, or the word "uninitialized".
 */
static bool is_id(const char *text)
{
    return strlen(text) == 32 && strspn(text, "0123456789abcdefABCDEF") == 32;
}

char *machine_key(const char *sysroot)
{
    cleanup_free char *path = xasprintf("%s/etc/machine-id", sysroot);
    cleanup_free char *id = file_read(path, NULL, NULL);
    struct utsname host;
    if (id)
        text_one_line(id);
    if (!id || !is_id(id)) {
        uname(&host);
        free(id);
        id = xstrdup(host.nodename);
    }
    g_autofree char *hash = g_compute_hmac_for_string(G_CHECKSUM_SHA256, (const guchar *)HASH_KEY,
                                                      strlen(HASH_KEY), id, -1);
    return xstrdup(hash);
}
