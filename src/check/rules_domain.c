/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rules_domain.c - the domain around its disks.
 */
#include "base/memory.h"
#include "check/rule.h"

static const struct rule rows[] = {};

RULE_TABLE(rules_domain, rows);
