/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rules_device.c - block devices below images.
 */
#include "base/memory.h"
#include "check/rule.h"

static const struct rule rows[] = {};

RULE_TABLE(rules_device, rows);
