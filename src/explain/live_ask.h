/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * live_ask.h - asking what QEMU itself has to answer.
 *
 * A QEMU that waits for its storage, or that somebody has stopped, answers nothing, and libvirt has
 * no bound for that while its daemon is well. So it is asked with patience that ends (patience.h).
 */
#pragma once

#include <glib.h>

#include "domain/patience.h"

/* libvirt's own bound, for whoever waits for a domain, is 30 s. */
#define LIVE_ASK_SECONDS 40

/* As patience_ask, for so long at the most: 0, or -1 where nothing was answered. Errors: QEMU does
 * not answer; a signal. */
int live_ask(void *question, void (*ask)(void *question), GDestroyNotify clear, unsigned seconds,
             struct error **err);
