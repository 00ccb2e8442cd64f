/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * agent_call.h - a call of an agent that a signal does not stop: to tidy up.
 */
#pragma once

#include "domain/agent.h"

enum agent_manners {
    AGENT_INTERRUPTIBLE,
    AGENT_TIDYING, /* made after a signal as well: what is left in a guest stays there */
};

/* As agent_call. */
json_t *agent_call_with_manners(struct agent *a, const char *command, json_t *arguments,
                                unsigned timeout_seconds, enum agent_manners manners,
                                struct error **err);
