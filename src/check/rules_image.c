/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rules_image.c - images and their chains.
 */
#include "base/memory.h"
#include "check/rule.h"

static const struct rule rows[] = {};

RULE_TABLE(rules_image, rows);
