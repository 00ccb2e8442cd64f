/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cost.h - the CPU time that requests of the explained disk cost on the host, by QEMU's threads.
 */
#pragma once

#include <glib.h>

#include "base/error.h"

struct stage;

/* Has the first disk of the guest work alone for a second, with QEMU's threads looked at before and
 * after. An array of struct live_thread_group * (live.h), which the caller frees; empty where QEMU
 * is no process that can be looked at. Errors: those of a slice; a signal. */
GPtrArray *cost_measure(struct stage *stage, struct error **err);
