/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rules_bus.c - buses and kinds of disks.
 */
#include "base/memory.h"
#include "check/rule.h"

static const struct rule rows[] = {};

RULE_TABLE(rules_bus, rows);
