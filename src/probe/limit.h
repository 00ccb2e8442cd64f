/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * limit.h - a disk of the probe guest held to what a domain's <iotune> says, by QEMU.
 */
#pragma once

#include "domain/model.h"
#include "probe/probe.h"

/* From now on, the disk with this image. Errors: libvirt's, as of words that it does not know. */
int limit_disk(struct probe *p, const char *image_path, const struct domain_limit *limits,
               size_t count, struct error **err);
