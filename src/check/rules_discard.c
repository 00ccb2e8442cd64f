/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rules_discard.c - discard, zeroes, copy on read, error policy, limits.
 */
#include "base/memory.h"
#include "check/rule.h"

static const struct rule rows[] = {};

RULE_TABLE(rules_discard, rows);
