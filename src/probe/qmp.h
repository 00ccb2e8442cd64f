/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qmp.h - questions to the QEMU of the probe guest.
 */
#pragma once

#include <jansson.h>

#include "probe/probe.h"

/* The "return" of a QMP command, whose reference it takes; the caller owns it. Errors: QEMU's, and
 * libvirt's. */
json_t *qmp(struct probe *p, json_t *command, struct error **err);

/* A property of the object with this path; as above. */
json_t *qmp_get(struct probe *p, const char *path, const char *property, struct error **err);
