/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * agent_reply.h - what a guest agent answers, read without trust: a guest may say anything.
 */
#pragma once

#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

#include "domain/agent.h"

/* What a reply returns; the caller frees. Errors: it is no JSON, or returns nothing. */
json_t *agent_reply_value(const char *reply, struct error **err);

/* The commands that are there and enabled, by guest-info: a set of names. The caller frees
 * (g_hash_table_unref). Errors: it lists none. */
GHashTable *agent_reply_commands(const json_t *info, struct error **err);

/* Appends the bytes of a guest-file-read, at most max_bytes; *ret_end: these were the last ones.
 * Errors: there are none in it, or more. */
int agent_reply_bytes(const json_t *value, size_t max_bytes, GByteArray *to, bool *ret_end,
                      struct error **err);

/* What guest-exec-status says of a program; *ret is as agent_exec has it once *ret_exited. Errors:
 * it says nothing. */
int agent_reply_status(const json_t *value, struct agent_result *ret, bool *ret_exited,
                       struct error **err);
