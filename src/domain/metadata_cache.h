/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * metadata_cache.h - the <metadata_cache> of a disk: how much of a qcow2's tables QEMU may keep.
 */
#pragma once

#include <libxml/tree.h>
#include <stdint.h>

#include "base/error.h"

/* The size that the element allows, which may be NULL; 0 where it says none, or none that can be
 * read. */
uint64_t metadata_cache_bytes(xmlNodePtr cache);

/* The element with another size, a number of bytes: one that is written so keeps all else as it is;
 * NULL: a new one, with this quote. The caller frees. Errors: the size in it is no number. */
char *metadata_cache_with(const char *written, const char *bytes, char quote, struct error **err);
