/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * by_hand.h - what a plan has that is not changed here, as the lines that somebody has to write and
 * the commands to call instead.
 */
#pragma once

#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

/* Whether this key of the plan's "set" is left: another bus, and with it who serves the disk there;
 * several iothreads; how long they poll; the cache of a qcow2 that is none yet. */
bool by_hand_is_left(json_t *plan, const char *key);

/* Adds a sentence (a string) for all that is left of it, the image's conversion included. */
void by_hand_say(json_t *plan, GPtrArray *sentences);
