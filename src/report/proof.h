/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * proof.h - what was measured inside a guest before and after a change, as text and as JSON.
 */
#pragma once

#include <jansson.h>
#include <stdio.h>

#include "apply/proof.h"

/* {"how","comparable","works":[{"name","weight","before_iops","after_iops","ratio":{…}}],
 * "ratio":{"value","low","high"},"predicted":{…},"host_iops"}, null for what is not known. The
 * caller owns it. */
json_t *report_proof_json(const struct proof *p);
void report_proof_text(const struct proof *p, FILE *out);
