/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plan.h - what a race came to for a domain's disk, as a file: the change and the evidence for it.
 *
 * The file is JSON:
 *   { "plan": 1, "version", "created": "2026-01-31T12:00:00Z", "uri", "domain": {"name","uuid"},
 *     "target", "disk_sha256", "current": {disk}, "chosen": {disk}, "set": {"io":"native",…},
 *     "commands": [qemu-img lines], "needs": ["restart",…], "evidence": {…} }
 * "set" is the change in the words of the driver element: what differs, and nothing else; null
 * takes an attribute away.
 */
#pragma once

#include <jansson.h>

#include "base/error.h"
#include "domain/disk_config.h"

#define PLAN_FORMAT 1

/* What a plan is made of; nothing is owned. */
struct plan_parts {
    const char *uri; /* of the domain's libvirt; NULL for a domain that is a file */
    const char *name, *uuid;
    const char *target;
    const char *disk_sha256; /* domain/model.h */
    const struct disk_config *current, *chosen;
    json_t *needs;    /* an array of strings */
    json_t *evidence; /* what was measured, an object */
};

/* The caller owns it. */
json_t *plan_new(const struct plan_parts *parts);

/* Writes it into a file, durably, and replaces one that is there. */
int plan_write(json_t *plan, const char *path, struct error **err);

/* Where plans go that nobody has named a place for: plans/UUID-TARGET.json in the state directory.
 * Whatever in the words is no letter, digit or hyphen becomes one of these. The caller frees. */
char *plan_default_path(const char *state_directory, const char *uuid, const char *target);

/* Reads a plan. The caller owns it. Errors: it cannot be read, is no plan, or one of a later
 * format. */
json_t *plan_read(const char *path, struct error **err);
