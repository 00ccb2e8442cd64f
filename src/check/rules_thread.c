/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rules_thread.c - queues, iothreads, polling, pinning.
 */
#include "base/memory.h"
#include "check/rule.h"

static const struct rule rows[] = {};

RULE_TABLE(rules_thread, rows);
