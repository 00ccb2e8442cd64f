/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rules_host.c - what the host is set to.
 */
#include "base/memory.h"
#include "check/rule.h"

static const struct rule rows[] = {};

RULE_TABLE(rules_host, rows);
