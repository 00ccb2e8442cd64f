/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "domain/needs.h"

#include <glib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/memory.h"

/* By the place of the flag. */
static const char *const names[] = {"restart", "image-conversion", "guest-driver", "libvirt-9.4"};

unsigned disk_needs(const struct disk_config *from, const struct disk_config *to,
                    const struct versions *versions)
{
    unsigned needs = 0;
    /* libvirt has a place for it since 9.4.0; a running guest can be told by any
     * (virDomainSetIOThreadParams). */
    if (to->poll_max_ns && versions->libvirt && versions->libvirt < 9004000)
        needs |= DISK_NEEDS_LIBVIRT_9_4;
    if (!from)
        return needs;
    if (!disk_config_same_image(from, to))
        needs |= DISK_NEEDS_IMAGE_CONVERSION;
    if (strcmp(from->bus, to->bus) != 0)
        needs |= DISK_NEEDS_GUEST_DRIVER;
    /* How long an iothread polls is all that changes while QEMU runs. */
    struct disk_config polls_alike = *to;
    polls_alike.poll_max_ns = from->poll_max_ns;
    if (!disk_config_equal(from, &polls_alike))
        needs |= DISK_NEEDS_RESTART;
    return needs;
}

char *disk_needs_to_text(unsigned needs)
{
    g_autoptr(GString) text = g_string_new(NULL);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (needs & 1u << i)
            g_string_append_printf(text, "%s%s", text->len ? ", " : "", names[i]);
    return xstrdup(text->str);
}

json_t *disk_needs_to_json(unsigned needs)
{
    json_t *all = json_array();
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (needs & 1u << i)
            json_array_append_new(all, json_string(names[i]));
    return all;
}
