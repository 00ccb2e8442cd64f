/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * directories.h - where this program keeps things: root's places, or the user's own.
 *
 * Each returns a new string, which the caller frees; the directory is not made.
 */
#pragma once

/* Findings, the history and fetched kernels: $VIRT_DISKTUNE_STATE_DIR, else /var/lib/virt-disktune, else
 * $XDG_STATE_HOME/virt-disktune. */
char *directories_state(void);

/* One directory a run, gone after it; short, for the sockets below it: /run/virt-disktune, else
 * $XDG_RUNTIME_DIR/virt-disktune, else /tmp/virt-disktune-UID. */
char *directories_runtime(void);

/* What libvirt learnt of QEMU: /var/cache/virt-disktune, else $XDG_CACHE_HOME/virt-disktune. */
char *directories_cache(void);
