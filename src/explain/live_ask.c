/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "explain/live_ask.h"

int live_ask(void *question, void (*ask)(void *question), GDestroyNotify clear, unsigned seconds,
             struct error **err)
{
    enum patience end = patience_ask(question, ask, clear, seconds, err);
    if (end == PATIENCE_OVER) {
        error_set(err, "QEMU does not answer: libvirt has waited for it for %u s", seconds);
        error_hint(err, "does it wait for its storage, or was it stopped?");
    }
    return end == PATIENCE_ANSWERED ? 0 : -1;
}
