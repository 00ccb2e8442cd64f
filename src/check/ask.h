/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ask.h - asks the rules.
 */
#pragma once

#include "check/host.h"
#include "check/rule.h"

/* Whether the rule is among those that are not asked, which may be NULL. */
bool ask_is_skipped(const struct rule *rule, const GPtrArray *skip);

/* Asks the rules of a domain and those of its disks and images, into arrays of struct finding *,
 * which own them: `ret` is one for the domain, followed by one for each disk. `skip`, an array of
 * rules that are not asked, may be NULL. The caller frees the arrays. */
void ask_domain(const struct look *base, const GPtrArray *skip, GPtrArray **ret);

/* Those of the host and of what the images looked at lie on: one array of findings. The caller
 * frees. */
GPtrArray *ask_host(struct check_host *host, struct versions versions, const GPtrArray *skip);
