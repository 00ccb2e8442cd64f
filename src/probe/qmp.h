/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qmp.h - questions to a QEMU, mostly that of the probe guest.
 */
#pragma once

#include <jansson.h>

#include "probe/probe.h"

/* The "return" of a QMP command, whose reference it takes; the caller owns it. Errors: QEMU's, and
 * libvirt's. Of a domain that is not ours this leaves a mark: it counts as tainted. */
json_t *qmp_ask(virDomainPtr domain, json_t *command, struct error **err);

/* The same of the probe guest, whose QEMU is asked what it runs. */
json_t *qmp(struct probe *p, json_t *command, struct error **err);

/* A property of the object with this path; as above. */
json_t *qmp_get(struct probe *p, const char *path, const char *property, struct error **err);
