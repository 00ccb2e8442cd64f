/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * accelerator.h - what was learnt about KVM on this host, kept from one run to the next.
 *
 * A /dev/kvm that opens proves nothing: there are hosts on which QEMU says that KVM is enabled and
 * an ordinary kernel hangs before its first line. So a guest is booted under it; where one stays
 * silent, and another one that is given more time, the next run need not wait for it again. A guest
 * that does boot under it takes the finding back.
 */
#pragma once

#include <stdbool.h>

/* What the finding holds for: the host's kernel and CPU, the guest's kernel, and QEMU: its version,
 * or, where `emulator` is not NULL, that binary as it is now. The caller frees. */
char *accelerator_key(const char *emulator, unsigned long qemu_version, const char *guest_kernel);

/* Whether a guest under KVM was found to hang here. */
bool accelerator_kvm_hangs(const char *state_directory, const char *key);

/* Remembers it; does nothing where the state directory cannot be written. */
void accelerator_remember_kvm_hangs(const char *state_directory, const char *key);

/* Takes that back. */
void accelerator_forget_kvm_hangs(const char *state_directory, const char *key);
