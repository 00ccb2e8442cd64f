/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kernel.h - a kernel that the probe guest can boot: an image, and modules that go with it.
 *
 * Any distribution kernel will do that has virtio, as modules or built in. It is looked for where
 * distributions put theirs, and where scripts/fetch-kernel unpacks one that is not installed.
 * Which kernel this machine runs plays no part: its image may be long gone.
 */
#pragma once

#include "base/error.h"

struct kmod_ctx;
struct kmod_module;

struct kernel {
    char *image;
    char *release;     /* "6.1.0-56-cloud-amd64" */
    char *modules_dir; /* the directory that holds modules.dep: /lib/modules/RELEASE */
};

/* The newest kernel that is usable, of one version those for debugging and real time last, and of
 * one release an installed one before a fetched one (below `state_dir`); or, where it is not NULL,
 * the one whose image is `asked_image`. `sysroot` is put before the places where kernels are
 * installed; "" for none. The caller frees. NULL with an error that says what was missing: an
 * image, the right to read it, its release, its modules, or virtio among them. */
struct kernel *kernel_find(const char *sysroot, const char *asked_image, const char *state_dir,
                           struct error **err);

void kernel_free(struct kernel *kernel);
CLEANUP_PTR(cleanup_kernel_handler, struct kernel, kernel_free)
#define cleanup_kernel at_scope_end(cleanup_kernel_handler)

/* libkmod for the modules in this directory: quiet, and deaf to what this machine's
 * /etc/modprobe.d says, which is not about the guest. The caller unrefs. An error where depmod has
 * not been run, as libkmod would find no module then and not say why. */
struct kmod_ctx *kernel_open_modules(const char *modules_dir, struct error **err);

/* Whether the kernel has it, as a module or built in. An error where not. */
int kernel_check_module(const struct kernel *kernel, const char *name, struct error **err);

/* Looks the module up: *ret is a new reference, or NULL where it is built in. An error where the
 * kernel has no such module. */
int kernel_find_module(struct kmod_ctx *modules, const char *name, struct kmod_module **ret,
                       struct error **err);
