/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rules_cache.c - cache mode and AIO.
 */
#include "base/memory.h"
#include "check/rule.h"

static const struct rule rows[] = {};

RULE_TABLE(rules_cache, rows);
