/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check/finding.h"

#include <assert.h>
#include <stdlib.h>

const char *const severity_names[] = {
    [SEVERITY_NOTE] = "note",
    [SEVERITY_WARNING] = "warning",
    [SEVERITY_ERROR] = "error",
};

const char *const fix_kind_names[] = {
    [FIX_NONE] = "none",         [FIX_XML] = "xml",   [FIX_VIRSH] = "virsh",
    [FIX_QEMU_IMG] = "qemu-img", [FIX_HOST] = "host", [FIX_GUEST] = "guest",
    [FIX_ADVICE] = "advice",
};

const char *fix_needs_name(unsigned flag)
{
    switch (flag) {
    case FIX_NEEDS_RESTART:
        return "restart";
    case FIX_NEEDS_IMAGE_CONVERSION:
        return "image-conversion";
    case FIX_NEEDS_GUEST_DRIVER:
        return "guest-driver";
    case FIX_NEEDS_EMPTY_DISK:
        return "empty-disk";
    case FIX_NEEDS_REMOUNT:
        return "remount";
    default:
        assert(!"one flag of enum fix_needs");
        return NULL;
    }
}

void finding_free(struct finding *f)
{
    if (!f)
        return;
    free(f->summary);
    free(f->fix);
    free(f);
}
