/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * initramfs.h - all that the probe guest has besides its kernel.
 */
#pragma once

#include <stddef.h>

#include "base/error.h"
#include "host/kernel.h"

/* Writes to `path` (0600; must not be there yet) a newc archive:
 *
 *     dev proc sys              directories to mount on
 *     dev/console               5:1, for what /init says before it has mounted anything
 *     init                      `init_length` bytes of `init`, mode 0755
 *     modules/NN-NAME.ko        in the order of NN (from 00) they can be loaded one by one
 *     image/OFFSET              what stands there, in bytes, in the file `image`; all else of it is
 *                               zeros. Nothing where that is NULL
 *
 * The modules are those named (NULL-terminated) and what they depend on, uncompressed; built-in
 * ones are left out. Errors: the kernel has no such module, a module cannot be read or unpacked,
 * `image` cannot be read, `path` exists or cannot be written. What was written by then is removed.
 */
int initramfs_write(const char *path, const struct kernel *kernel, const void *init,
                    size_t init_length, const char *const *module_names, const char *image,
                    struct error **err);
