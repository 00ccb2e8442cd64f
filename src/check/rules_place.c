/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rules_place.c - where an image lies: file system, direct I/O, allocation.
 */
#include "base/memory.h"
#include "check/rule.h"

static const struct rule rows[] = {};

RULE_TABLE(rules_place, rows);
