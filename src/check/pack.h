/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pack.h - makes a capture (check/capture.h) of what check read of this machine, as a tar.
 */
#pragma once

#include <time.h>

#include "check/inquiry.h"
#include "host/record.h"

struct pack;
struct pack *pack_new(void);
void pack_free(struct pack *p);
CLEANUP_PTR(cleanup_pack_handler, struct pack, pack_free)
#define cleanup_pack at_scope_end(cleanup_pack_handler)

/* Adds what an answer is about, masked (check/mask_xml.h). Nothing of a domain that could not be read.
 * Whether it was added. */
bool pack_add(struct pack *p, const struct answer *a);

struct pack_counts {
    size_t domains, images;
    size_t files; /* and links below /proc and /sys */
};

/* The tar of these, and of what the host's record has (check/mask.h); nobody looks any more. Names are
 * sorted, and all times are this one. The caller frees (g_byte_array_unref). Errors: libarchive's. */
GByteArray *pack_write(const struct pack *p, struct check_host *host, struct versions versions,
                       time_t now, struct pack_counts *ret, struct error **err);
